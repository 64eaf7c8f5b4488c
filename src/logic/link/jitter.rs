//! A random delay that keeps the order: no datagram overtakes an earlier one.

use std::fmt;
use std::str::FromStr;

use super::delay::Delay;
use super::packet::Transmission;
use crate::logic::random::Effect;
use crate::logic::{Invalid, Nanos};

impl Effect {
    /// The jitter of a datagram.
    const JITTER: Self = Self::new(4);
}

/// A delay that is drawn for each datagram and lasts until the datagram before has arrived, if that is longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Jitter(Delay);

/// When the last datagram arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Last(Nanos);

impl Jitter {
    /// Whether nothing is ever delayed.
    pub(super) fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// When a datagram arrives that would have done so at `at`.
    pub(super) fn after(self, at: Nanos, sent: &Transmission<'_>, copy: u8, last: &mut Last) -> Nanos {
        last.0 = at.saturating_add(self.0.at(sent.uniform(Effect::JITTER.of_copy(copy)))).max(last.0);
        last.0
    }
}

impl FromStr for Jitter {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // A jitter that is always the same would be none.
        let form = if text.contains(':') { text.to_owned() } else { format!("uniform:0,{text}") };
        form.parse().map(|delay: Delay| Self(if delay.is_none() { Delay::NONE } else { delay })).map_err(
            |refused: Invalid| {
                let expected = format!(
                    "a time up to which each datagram waits, such as 5ms, or a delay: {}",
                    refused.expected
                );
                Invalid::quoted("jitter", text, expected)
            },
        )
    }
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
