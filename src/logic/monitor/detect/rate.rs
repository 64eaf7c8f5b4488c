//! A rate as text, such as `1 per 30 days`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::logic::Invalid;

const EXPECTED: &str = "a rate such as 1 per 30 days or 10 per day: whole numbers from 1 to 1000000 and second, minute, hour, \
                        day, week or year";
const LARGEST: u32 = 1_000_000;

/// So many events in so many units of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    events: NonZeroU32,
    periods: NonZeroU32,
    unit: Unit,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
    /// 7 days.
    Week,
    /// 365 days.
    Year,
}

impl Unit {
    const ALL: [(Self, &str, u32); 6] = [
        (Self::Second, "second", 1),
        (Self::Minute, "minute", 60),
        (Self::Hour, "hour", 3_600),
        (Self::Day, "day", 86_400),
        (Self::Week, "week", 604_800),
        (Self::Year, "year", 31_536_000),
    ];

    fn name_and_seconds(self) -> (&'static str, u32) {
        let [(_, name, seconds), ..] = Self::ALL;
        let found = Self::ALL.iter().find(|(unit, ..)| *unit == self);
        found.map_or((name, seconds), |(_, name, seconds)| (name, *seconds))
    }
}

impl Rate {
    /// One in 30 days.
    pub(super) fn monthly() -> Self {
        Self { events: NonZeroU32::MIN, periods: NonZeroU32::MIN.saturating_add(29), unit: Unit::Day }
    }

    /// Events per second.
    pub fn per_second(&self) -> f64 {
        let (_, seconds) = self.unit.name_and_seconds();
        f64::from(self.events.get()) / (f64::from(self.periods.get()) * f64::from(seconds))
    }
}

impl FromStr for Rate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = || {
            let words: Vec<&str> = text.split_whitespace().collect();
            let (events, periods, unit) = match words[..] {
                [events, "per", unit] => (events, "1", unit),
                [events, "per", periods, unit] => (events, periods, unit),
                _ => return None,
            };
            let number = |text: &str| text.parse().ok().filter(|number: &NonZeroU32| number.get() <= LARGEST);
            let named = |name: &str| unit == name || unit.strip_suffix('s') == Some(name);
            let (unit, ..) = *Unit::ALL.iter().find(|(_, name, _)| named(name))?;
            Some(Self { events: number(events)?, periods: number(periods)?, unit })
        };
        read().ok_or_else(|| Invalid::new("rate", format!("{text:?}"), EXPECTED))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = self.unit.name_and_seconds();
        match self.periods.get() {
            1 => write!(f, "{} per {name}", self.events),
            periods => write!(f, "{} per {periods} {name}s", self.events),
        }
    }
}
