//! The time between two heartbeats: stated by the sender, or estimated.

use super::niche::NicheI64;
use crate::logic::{DAY, Nanos};

/// Heartbeats over which it is averaged.
const GAPS: u8 = 16;
/// A gap of more than so many times the average is odd.
const FAR: Nanos = 4;

#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) stated: Option<NicheI64>,
    pub(super) found: Nanos,
    pub(super) gaps: u8,
    pub(super) least: Nanos,
    /// The longest recent gap; it decays.
    pub(super) longest: Nanos,
    /// The last odd gap, and the gaps since then.
    pub(super) odd: Nanos,
    pub(super) since_odd: u8,
}

impl Interval {
    /// If it is not stated, it is estimated, and not less than `least`.
    pub(super) fn new(stated: Option<Nanos>, least: Nanos) -> Self {
        Self {
            stated: stated.map(NicheI64::from),
            found: 0,
            gaps: 0,
            least,
            longest: 0,
            odd: 0,
            since_odd: 0,
        }
    }

    pub(super) fn stated(self) -> Option<Nanos> {
        self.stated.map(NicheI64::get)
    }

    pub(super) fn state(&mut self, stated: Option<Nanos>) {
        self.stated = stated.map(NicheI64::from);
    }

    pub(super) fn value(self) -> Nanos {
        self.stated().unwrap_or(self.least.max(self.found).min(DAY))
    }

    /// The longest usual silence of a sender that states no interval: it may send in bursts.
    pub(super) fn usual_silence(self) -> Option<Nanos> {
        Some(self.longest).filter(|longest| self.stated.is_none() && *longest > 0)
    }

    /// Learns from a gap of `steps` numbers. One odd gap is an outage, two in a row are another interval, and several
    /// are the pauses between bursts.
    pub(super) fn learn(&mut self, gap: Nanos, steps: u64) {
        let each = gap / Nanos::try_from(steps.max(1)).unwrap_or(Nanos::MAX);
        let each = each.clamp(0, DAY);
        if self.gaps > 0 && each > FAR * self.found.max(self.least) {
            let (before, ago) = (std::mem::replace(&mut self.odd, each), std::mem::take(&mut self.since_odd));
            if before == 0 || ago >= GAPS {
                return;
            }
            if ago == 0 {
                (self.found, self.longest, self.gaps) = (each.min(before), each.min(before), 1);
                return;
            }
        } else {
            self.since_odd = self.since_odd.saturating_add(1);
        }
        self.longest = each.max(self.longest - self.longest / Nanos::from(GAPS));
        self.gaps = (self.gaps + 1).min(GAPS);
        self.found += (each - self.found) / Nanos::from(self.gaps);
    }
}
