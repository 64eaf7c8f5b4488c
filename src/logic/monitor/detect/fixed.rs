//! The detector that suspects so many intervals after the last arrival, as most programs do.

use std::fmt;
use std::num::NonZeroU16;

use crate::logic::Nanos;

/// Suspects after `misses` intervals without a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    misses: NonZeroU16,
}

impl Fixed {
    /// How long a sender may be silent after an arrival.
    pub(super) fn silence(self, interval: Nanos) -> Nanos {
        Nanos::from(self.misses.get()) * interval
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let misses = text.trim().parse().ok().filter(|misses: &NonZeroU16| misses.get() <= 1_000);
        let misses = misses.ok_or("fixed:n with a whole number n of missed heartbeats from 1 to 1000")?;
        Ok(Self { misses })
    }
}

impl Default for Fixed {
    /// Three, as routers have it (BFD, RFC 5880).
    fn default() -> Self {
        Self { misses: NonZeroU16::MIN.saturating_add(2) }
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.misses)
    }
}
