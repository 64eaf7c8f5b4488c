//! A random delay that keeps the order: no datagram overtakes an earlier one.

use std::fmt;
use std::str::FromStr;

use super::copula::Normal;
use super::delay::Delay;
use super::packet::Transmission;
use crate::logic::random::Effect;
use crate::logic::{Invalid, Nanos};

impl Effect {
    /// The jitter of a datagram.
    const JITTER: Self = Self::new(4);
}

/// A delay that is drawn for each datagram and lasts until the datagram before has arrived, if that is longer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Jitter(Delay);

/// When the last datagram arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Last(Nanos);

impl Jitter {
    /// Whether nothing is ever delayed.
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Moves on to a datagram; see [`Delay::step`].
    pub(super) fn step(&self, sent: &Transmission<'_>, last: &mut Option<Normal>) -> Option<Normal> {
        self.0.step(sent, Effect::JITTER, last)
    }

    /// When a datagram arrives that would have done so at `at`.
    pub(super) fn after(
        &self,
        at: Nanos,
        sent: &Transmission<'_>,
        copy: u8,
        before: Option<Normal>,
        last: &mut Last,
    ) -> Nanos {
        last.0 = at.saturating_add(self.0.of(sent, Effect::JITTER, copy, before)).max(last.0);
        last.0
    }
}

impl FromStr for Jitter {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_named = |part: Option<&str>| part.is_none_or(|part| part.contains('='));
        // A jitter that is always the same would be none, and one of a single number has it for its spread.
        let form = match text.split_once(':') {
            None => format!("uniform:0,{text}"),
            Some(("uniform", most)) if is_named(most.split(',').nth(1)) => format!("uniform:0,{most}"),
            Some(("normal", sigma)) if !is_named(sigma.split(',').next()) => {
                format!("normal:mean=0,sigma={sigma}")
            }
            Some(_) => text.to_owned(),
        };
        form.parse().map(|delay: Delay| Self(if delay.is_none() { Delay::NONE } else { delay })).map_err(
            |refused: Invalid| {
                let expected = format!(
                    "a time up to which each datagram waits, such as 5ms, a standard deviation, such as normal:5ms, or a delay: {}",
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
