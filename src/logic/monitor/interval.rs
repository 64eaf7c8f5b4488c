//! The time between two heartbeats: stated by the sender, or estimated.

use crate::logic::{DAY, Nanos};

/// Heartbeats over which it is averaged.
const GAPS: u8 = 16;
/// A gap of more than so many times the average is odd.
const FAR: Nanos = 4;

#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    /// 0 if it is not stated.
    stated: UpToDay,
    found: UpToDay,
    least: UpToDay,
    /// The longest recent gap; it decays.
    longest: UpToDay,
    /// The last odd gap, and the gaps since then.
    odd: UpToDay,
    since_odd: u8,
    gaps: u8,
}

/// A time from 0 to a day, in six bytes as there are very many clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UpToDay([u8; 6]);

impl UpToDay {
    const ZERO: Self = Self([0; 6]);

    fn new(time: Nanos) -> Self {
        let [b0, b1, b2, b3, b4, b5, ..] = time.clamp(0, DAY).to_le_bytes();
        Self([b0, b1, b2, b3, b4, b5])
    }

    fn get(self) -> Nanos {
        let [b0, b1, b2, b3, b4, b5] = self.0;
        Nanos::from_le_bytes([b0, b1, b2, b3, b4, b5, 0, 0])
    }
}

impl Interval {
    /// If it is not stated, it is estimated, and not less than `least`.
    pub(super) fn new(stated: Option<Nanos>, least: Nanos) -> Self {
        Self {
            stated: UpToDay::new(stated.unwrap_or(0)),
            found: UpToDay::ZERO,
            least: UpToDay::new(least),
            longest: UpToDay::ZERO,
            odd: UpToDay::ZERO,
            since_odd: 0,
            gaps: 0,
        }
    }

    /// One that was `known` before the monitor started.
    pub(super) fn known(known: Nanos, stated: bool, least: Nanos) -> Self {
        let found = UpToDay::new(known);
        Self { found, gaps: 1, ..Self::new(stated.then_some(known), least.min(known)) }
    }

    pub(super) fn stated(self) -> Option<Nanos> {
        Some(self.stated.get()).filter(|stated| *stated > 0)
    }

    pub(super) fn state(&mut self, stated: Option<Nanos>) {
        self.stated = UpToDay::new(stated.unwrap_or(0));
    }

    pub(super) fn value(self) -> Nanos {
        self.stated().unwrap_or(self.at_least())
    }

    fn at_least(self) -> Nanos {
        self.least.get().max(self.found.get())
    }

    /// The longest usual silence of a sender that states no interval: it may send in bursts.
    pub(super) fn usual_silence(self) -> Option<Nanos> {
        Some(self.longest.get()).filter(|longest| self.stated == UpToDay::ZERO && *longest > 0)
    }

    /// Estimates anew with the next gap.
    pub(super) fn begin_anew(&mut self) {
        self.gaps = 0;
    }

    /// Learns from a gap of `steps` numbers. One odd gap is an outage, two in a row are another interval, and several
    /// are the pauses between bursts.
    pub(super) fn learn(&mut self, gap: Nanos, steps: u64) {
        let each = gap / Nanos::try_from(steps.max(1)).unwrap_or(Nanos::MAX);
        let each = each.clamp(0, DAY);
        if self.gaps > 0 && each > FAR * self.at_least() {
            let before = std::mem::replace(&mut self.odd, UpToDay::new(each)).get();
            let ago = std::mem::take(&mut self.since_odd);
            if before == 0 || ago >= GAPS {
                return;
            }
            if ago == 0 {
                self.found = UpToDay::new(each.min(before));
                (self.longest, self.gaps) = (self.found, 1);
                return;
            }
        } else {
            self.since_odd = self.since_odd.saturating_add(1);
        }
        let (longest, found) = (self.longest.get(), self.found.get());
        self.longest = UpToDay::new(each.max(longest - longest / Nanos::from(GAPS)));
        self.gaps = (self.gaps + 1).min(GAPS);
        self.found = UpToDay::new(found + (each - found) / Nanos::from(self.gaps));
    }
}
