//! The time between two heartbeats: stated by the sender, or found out.

use crate::logic::{Nanos, SECOND};

/// Heartbeats over which it is averaged when it is not stated.
const GAPS: u16 = 16;
/// The longest.
const DAY: Nanos = 86_400 * SECOND;

/// The time between two heartbeats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) stated: Option<Nanos>,
    pub(super) found: Nanos,
    pub(super) gaps: u16,
    pub(super) least: Nanos,
}

impl Interval {
    pub(super) fn value(self) -> Nanos {
        self.stated.unwrap_or(self.least.max(self.found).min(DAY))
    }

    pub(super) fn learn(&mut self, gap: Nanos, steps: u64) {
        let each = gap / Nanos::try_from(steps.max(1)).unwrap_or(Nanos::MAX);
        self.gaps = (self.gaps + 1).min(GAPS);
        self.found += (each.clamp(0, DAY) - self.found) / Nanos::from(self.gaps);
    }
}
