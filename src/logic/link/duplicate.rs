//! Datagrams that arrive several times.

use std::fmt;
use std::str::FromStr;

use super::chance::Chance;
use super::fate::MOST_DELIVERIES;
use super::packet::Transmission;
use crate::logic::Invalid;
use crate::logic::random::Effect;

impl Effect {
    /// Whether a datagram is duplicated.
    const DUPLICATE: Self = Self::new(6);
}

/// How often a datagram is duplicated, and how many copies beside the original there are then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    chance: Chance,
    copies: u8,
}

impl Duplicate {
    /// Of how many datagrams it is.
    pub(super) fn share(self) -> f64 {
        self.chance.share()
    }

    /// Whether it is of no datagram.
    pub(super) fn is_none(self) -> bool {
        self.chance.is_none()
    }

    /// The most copies beside the original.
    pub(super) fn copies(self) -> u8 {
        self.copies
    }

    /// Copies of a datagram beside the original.
    pub(super) fn of(self, sent: &Transmission<'_>) -> u8 {
        if self.chance.hits(sent, Effect::DUPLICATE) { self.copies } else { 0 }
    }
}

impl FromStr for Duplicate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = || {
            let (chance, copies) = Chance::and_rest(text)?;
            let copies = copies.map_or(Some(1), |copies| copies.parse().ok())?;
            (1..MOST_DELIVERIES).contains(&usize::from(copies)).then_some(Self { chance, copies })
        };
        read().ok_or_else(|| {
            let expected =
                "a probability (1%), and with a comma how many copies beside the original, 1 to 7: 1%,2";
            Invalid::quoted("duplicate", text, expected)
        })
    }
}

impl fmt::Display for Duplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.chance)?;
        if self.copies > 1 { write!(f, ",{}", self.copies) } else { Ok(()) }
    }
}
