//! Datagrams that are held back, so that later ones overtake them.

use std::fmt;
use std::str::FromStr;

use super::chance::Chance;
use super::packet::Transmission;
use crate::logic::random::Effect;
use crate::logic::text::{HOUR, Time, duration_with_unit};
use crate::logic::{Invalid, Nanos};

impl Effect {
    /// Whether a datagram is held back.
    const REORDER: Self = Self::new(5);
}

/// How often a datagram is held back, and how long: what is sent within that time after it arrives before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reorder {
    chance: Chance,
    back: Nanos,
}

impl Reorder {
    /// Of how many datagrams it is.
    pub(super) fn share(self) -> f64 {
        self.chance.share()
    }

    /// Whether it is of no datagram.
    pub(super) fn is_none(self) -> bool {
        self.chance.is_none()
    }

    /// How long a datagram is held back.
    pub(super) fn of(self, sent: &Transmission<'_>, copy: u8) -> Nanos {
        if self.chance.hits(sent, Effect::REORDER.of_copy(copy)) { self.back } else { 0 }
    }
}

impl FromStr for Reorder {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = || {
            let (chance, back) = Chance::and_rest(text)?;
            let back = duration_with_unit(back?)?.map(|back| Self { chance, back });
            Some(back).filter(|it| it.as_ref().map_or(true, |it| (1..=HOUR).contains(&it.back)))
        };
        let expected = "a probability and how long to delay those datagrams, up to 1 hour: 5%,10ms lets what is sent within \
                        10 ms overtake 5 % of them";
        let read = read().unwrap_or_else(|| Err(expected.to_owned()));
        read.map_err(|expected| Invalid::quoted("reorder", text, expected))
    }
}

impl fmt::Display for Reorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.chance, Time(self.back))
    }
}
