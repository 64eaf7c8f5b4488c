//! The time between two heartbeats: stated by the sender, or found out.

use crate::logic::{Nanos, SECOND};

/// Heartbeats over which it is averaged when it is not stated.
const GAPS: u16 = 16;
/// An interval so many times as long as the others is a pause, unless the next is as long.
const PAUSE: Nanos = 3;
/// So many others.
const OTHERS: u16 = 2;
/// The longest.
const DAY: Nanos = 86_400 * SECOND;

/// The time between two heartbeats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) stated: Option<Nanos>,
    pub(super) found: Nanos,
    pub(super) gaps: u16,
    pub(super) least: Nanos,
    /// Whether the last one was left out for a pause.
    pub(super) paused: bool,
}

impl Interval {
    pub(super) fn value(self) -> Nanos {
        self.stated.unwrap_or(self.least.max(self.found).min(DAY))
    }

    pub(super) fn learn(&mut self, gap: Nanos, steps: u64) {
        let each = gap / Nanos::try_from(steps.max(1)).unwrap_or(Nanos::MAX);
        let long = self.gaps >= OTHERS && each > self.least.max(self.found).saturating_mul(PAUSE);
        self.paused = long && !self.paused;
        if self.paused {
            return;
        }
        self.gaps = (self.gaps + 1).min(GAPS);
        self.found += (each.clamp(0, DAY) - self.found) / Nanos::from(self.gaps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(gaps: &[(i64, u64)]) -> Nanos {
        let mut interval = Interval { stated: None, found: 0, gaps: 0, least: SECOND / 1_000, paused: false };
        for (seconds, steps) in gaps {
            interval.learn(seconds * SECOND, *steps);
        }
        interval.value()
    }

    #[test]
    fn one_pause_is_no_interval() {
        assert_eq!(found(&[(5, 1)]), 5 * SECOND);
        assert_eq!(found(&[(2, 1), (2, 1), (4, 2), (60, 1), (2, 1)]), 2 * SECOND);
        assert_eq!(found(&[(2, 1), (2, 1), (60, 1), (2, 1), (60, 1), (2, 1)]), 2 * SECOND);
    }

    #[test]
    fn a_sender_that_changes_its_interval_is_followed() {
        let slower = found(&[&[(1, 1); 2][..], &[(10, 1); 40]].concat());
        assert!((slower - 10 * SECOND).abs() < SECOND, "{slower}");
        let faster = found(&[&[(10, 1); 2][..], &[(1, 1); 80]].concat());
        assert!((faster - SECOND).abs() < SECOND / 10, "{faster}");
    }
}
