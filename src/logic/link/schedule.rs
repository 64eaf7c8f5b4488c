//! Times in which nothing passes, once or again and again.

use std::fmt;
use std::str::FromStr;

use crate::logic::text::{Time, duration};
use crate::logic::{DAY, Invalid, Nanos};

/// Times in which nothing passes, since the server was made or the simulation began; in order, each from its beginning
/// to just before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    outages: Box<[(Nanos, Nanos)]>,
    every: Option<Nanos>,
}

const LONGEST: Nanos = 366 * DAY;
const EXPECTED: &str = "times in which nothing passes, in order and up to 366 days: 10s-12s, several as 10s-12s,20s-25s, \
                        and again and again with every: 10s-12s,every=60s";

impl Schedule {
    /// Whether nothing passes at a time.
    pub(super) fn is_out(&self, at: Nanos) -> bool {
        let at = self.every.map_or(at, |every| at.rem_euclid(every));
        let next = self.outages.partition_point(|(_, end)| *end <= at);
        self.outages.get(next).is_some_and(|(start, _)| *start <= at)
    }

    fn read(text: &str) -> Option<Self> {
        let time = |text: &str| duration(text).filter(|time| *time <= LONGEST);
        let (mut outages, mut every): (Vec<(Nanos, Nanos)>, _) = (Vec::new(), None);
        for part in text.split(',').map(str::trim) {
            if every.is_some() {
                return None;
            }
            if let Some(time_of) = part.strip_prefix("every=") {
                every = Some(time(time_of)?);
                continue;
            }
            let (start, end) = part.split_once('-')?;
            let (start, end) = (time(start)?, time(end)?);
            let before = outages.last().map_or(0, |(_, end)| *end);
            if start >= end || start < before {
                return None;
            }
            outages.push((start, end));
        }
        let last = outages.last()?.1;
        every.is_none_or(|every| last <= every).then_some(Self { outages: outages.into(), every })
    }
}

impl FromStr for Schedule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::quoted("schedule", text, EXPECTED))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (start, end)) in self.outages.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}-{}", Time(*start), Time(*end))?;
        }
        self.every.map_or(Ok(()), |every| write!(f, ",every={}", Time(every)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::SECOND;

    #[test]
    fn an_outage_ends_when_it_says_and_comes_again() {
        let out = |text: &str, times: &[i64]| {
            let schedule: Schedule = text.parse().unwrap();
            times.iter().map(|at| schedule.is_out(at * SECOND)).collect::<Vec<_>>()
        };
        assert_eq!(
            out("10s-12s,20s-21s", &[0, 9, 10, 11, 12, 20, 21]),
            [false, false, true, true, false, true, false]
        );
        assert_eq!(out("0-1s,every=3s", &[0, 1, 2, 3, 4, 300]), [true, false, false, true, false, true]);
    }

    #[test]
    fn texts_read_back_and_others_are_refused() {
        for text in ["10s-12s", "0-1s,5s-5.5s,every=60s"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "10s",
            "12s-10s",
            "1s-1s",
            "1s-3s,2s-4s",
            "1s-3s,every=2s",
            "every=2s",
            "1s-2s,every=3s,4s-5s",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
