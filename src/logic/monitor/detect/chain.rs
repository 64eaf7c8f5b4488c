//! How probable a silence is for a healthy sender whose losses follow each other as a two-state chain.
//!
//! > (ok, lost) = (1, 0) at the last arrival; for each heartbeat k due since then
//! > none = ok (1 - p01) + lost (1 - p11), lost = ok p01 + lost p11, ok = none S(t - EA(k)); P(t) = ok + lost
//!
//! where S(d) is the share of arrivals that are later than expected by more than d.

use super::deviations::Tail;
use crate::logic::Nanos;

/// The longest silence that the chain is asked about, in intervals. A gap that is longer teaches it nothing.
pub const MOST_SILENT: i64 = 60;

/// A healthy sender: how its losses follow each other, and how late its heartbeats arrive.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    pub(super) interval: Nanos,
    pub(super) p01: f64,
    pub(super) p11: f64,
    pub(super) tail: &'a Tail,
}

impl Chain<'_> {
    /// The first times, up to the longest silence, at which silence is no more probable than each of `most`: first
    /// the interval, then the time in it, rounded up by at most an interval divided by `fine`.
    pub(super) fn first(self, most: [f64; 2], fine: Nanos) -> [Nanos; 2] {
        let step = self.interval / fine + 1;
        let rounded = |most: f64, whole: i64| {
            let (mut low, mut high) = ((whole - 1) * self.interval, whole * self.interval);
            while high - low > step {
                let middle = low + (high - low) / 2;
                if self.silence(middle) <= most { high = middle } else { low = middle }
            }
            high
        };
        let whole = self.first_whole(most);
        [rounded(most[0], whole[0]), rounded(most[1], whole[1])]
    }

    /// The same in whole intervals, in one pass: with each interval one more heartbeat was due, before all the others. So
    /// each step computes the probability of silence after both states from that of the step before.
    fn first_whole(self, most: [f64; 2]) -> [i64; 2] {
        let before = |due: i64| {
            let late = due * self.interval;
            late <= Tail::earliest() || self.tail.beyond(late) >= 1.0
        };
        let mut due = 0;
        while !before(due) {
            due -= 1;
        }
        let (mut ok, mut lost, mut found) = (1.0, 1.0, [MOST_SILENT; 2]);
        for due in due..MOST_SILENT {
            if !before(due) {
                let beyond = self.tail.beyond(due * self.interval);
                (ok, lost) = (
                    ok * beyond * (1.0 - self.p01) + lost * self.p01,
                    ok * beyond * (1.0 - self.p11) + lost * self.p11,
                );
            }
            for (found, _) in found.iter_mut().zip(most).filter(|(_, most)| due >= 0 && ok <= *most) {
                *found = (due + 1).min(*found);
            }
            if found.iter().all(|found| *found < MOST_SILENT) {
                break;
            }
        }
        found
    }

    /// The probability that nothing arrives until `after` the expected arrival of a heartbeat that did.
    pub(super) fn silence(self, after: Nanos) -> f64 {
        let (mut ok, mut lost) = (1.0, 0.0);
        let mut late = after - self.interval;
        while late > Tail::earliest() {
            let beyond = self.tail.beyond(late);
            if beyond >= 1.0 {
                break;
            }
            let arrives = ok * (1.0 - self.p01) + lost * (1.0 - self.p11);
            lost = ok * self.p01 + lost * self.p11;
            ok = arrives * beyond;
            late -= self.interval;
        }
        ok + lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::deviations::Deviations;
    use super::*;
    use crate::logic::SECOND;

    proptest! {
        /// Against a bisection over the longest silence.
        #[test]
        fn the_first_silence_is_found_in_one_pass(
            interval in prop::sample::select(vec![1_000_000, SECOND / 20, SECOND, 30 * SECOND]),
            lateness in prop::collection::vec(-300_000_000_i64..400_000_000, 0..40),
            (p01, p11, most) in (0.0_f64..0.6, 0.0_f64..0.95, 1e-9_f64..0.2),
        ) {
            let mut deviations = Deviations::default();
            for deviation in lateness {
                deviations.add(deviation);
            }
            let tail = deviations.tail();
            let chain = Chain { interval, p01, p11, tail: &tail };
            let (mut low, mut high) = (0, MOST_SILENT);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if chain.silence(middle * interval) <= most { high = middle } else { low = middle }
            }
            prop_assert_eq!(chain.first_whole([most, 2.0]), [high, 1]);
        }
    }
}
