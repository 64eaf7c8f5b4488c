//! Loss of the round trip (RFC 6673): a ping without a reply in time, in whichever direction it was lost.

use super::{Confidence, Parts, Sample, wilson, wilson_of_share};
use crate::logic::record::Status;

/// Pings by status, and pairs of neighbours by loss. Counts of several samples add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// Pings by [`Status`]: in time, late, never answered, unreachable, not sent.
    pub ended: [u64; 5],
    /// Pairs of pings with adjacent numbers, by whether the first and then the second was lost: `after[1][0]` counts
    /// the pings in time just after a lost one.
    pub after: [[u64; 2]; 2],
    /// How much the loss differs between parts of the samples.
    pub parts: Parts,
}

/// The fewest pings and the fewest runs of losses of which an interval for bursts is right.
const FEWEST_PINGS: u64 = 1_000;
const FEWEST_RUNS: u64 = 30;

/// Loss of the round trip (RFC 6673, Type-P-Round-trip-Loss-Ratio): pings without a reply within the timeout, out of
/// all that are settled. The direction of the loss is unknown.
pub fn loss(samples: &[Sample<'_>]) -> Loss {
    let mut all = Loss::default();
    for sample in samples {
        let mut before = 0;
        for row in 0..sample.len() {
            let status = sample.status(row);
            let lost = usize::from(status != Status::Reply);
            all.ended[status as usize] += 1;
            if sample.follows(row) {
                all.after[before][lost] += 1;
            }
            before = lost;
        }
        all.parts.merge(&Parts::of(sample));
    }
    all
}

impl Loss {
    /// Adds other samples.
    pub fn merge(&mut self, other: &Self) {
        let theirs = other.ended.iter().chain(other.after.as_flattened());
        for (mine, theirs) in self.ended.iter_mut().chain(self.after.as_flattened_mut()).zip(theirs) {
            *mine = mine.saturating_add(*theirs);
        }
        self.parts.merge(&other.parts);
    }

    /// All settled pings.
    pub fn sent(&self) -> u64 {
        self.ended.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Those with a reply in time.
    pub fn received(&self) -> u64 {
        self.ended[Status::Reply as usize]
    }

    /// Those without.
    pub fn lost(&self) -> u64 {
        self.sent() - self.received()
    }

    /// Lost out of sent.
    pub fn share(&self) -> Option<f64> {
        (self.sent() > 0).then(|| self.lost() as f64 / self.sent() as f64)
    }

    /// The interval of the loss, if losses are independent (Wilson 1927).
    pub fn interval(&self, confidence: Confidence) -> Option<(f64, f64)> {
        wilson(self.lost(), self.sent(), confidence.z())
    }

    /// The probability of a loss just after a ping in time: `p` of the Gilbert model. `None` if nothing came after one.
    pub fn p(&self) -> Option<f64> {
        Self::second(self.after[0]).map(|share| share.1)
    }

    /// The probability of a reply in time just after a loss: `r` of the Gilbert model. `None` if nothing came after one.
    pub fn r(&self) -> Option<f64> {
        Self::second(self.after[1]).map(|share| share.0)
    }

    fn second(pairs: [u64; 2]) -> Option<(f64, f64)> {
        let all = pairs[0].saturating_add(pairs[1]);
        (all > 0).then(|| (pairs[0] as f64 / all as f64, pairs[1] as f64 / all as f64))
    }

    /// The correlation between the loss of a ping and that of the next: `q = 1 - p - r` of a Markov chain. 0 is
    /// independence, 1 an outage without end, -1 the loss of every other ping. `None` unless `p` and `r` are known.
    pub fn correlation(&self) -> Option<f64> {
        Some(1.0 - self.p()? - self.r()?)
    }

    /// The effective number of independent pings: n (1 - q) / (1 + q). A negative q counts as 0, as it is often chance
    /// in a short run.
    pub fn independent_pings(&self) -> f64 {
        let q = self.correlation().unwrap_or(0.0).max(0.0);
        self.sent() as f64 * (1.0 - q) / (1.0 + q)
    }

    /// The interval of the loss when losses depend on each other in any way: Wilson's, with the variance that parts of
    /// the samples show, and Student's t. `None` below 1,000 pings or 30 runs of losses, and when the loss changes too
    /// slowly for the length of the samples.
    pub fn burst_interval(&self, confidence: Confidence) -> Option<(f64, f64)> {
        let share = self.share()?;
        if self.sent() < FEWEST_PINGS || self.after[0][1] < FEWEST_RUNS {
            return None;
        }
        let (variance, freedom) = self.parts.variance(share)?;
        let independent = self.sent() as f64 * share * (1.0 - share);
        let trials = self.sent() as f64 * independent / variance.max(f64::MIN_POSITIVE);
        Some(wilson_of_share(share, trials, confidence.t(freedom)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    fn of(pattern: &str) -> Loss {
        let rtt: Vec<i64> = pattern.bytes().map(|fate| if fate == b'x' { NONE } else { 1 }).collect();
        loss(&[Sample::new(Columns { rtt: &rtt, ..Columns::default() }).expect("columns that fit")])
    }

    #[test]
    fn none_one_and_two_pings() {
        let sure = Confidence::new(0.95).expect("a confidence");
        let none = of("");
        assert_eq!(
            (none.sent(), none.share(), none.interval(sure), none.burst_interval(sure)),
            (0, None, None, None)
        );
        let one = of("x");
        assert_eq!((one.lost(), one.share(), one.correlation()), (1, Some(1.0), None));
        let two = of(".x");
        assert_eq!((two.p(), two.r(), two.correlation()), (Some(1.0), None, None));
    }

    #[test]
    fn every_status_has_its_count() {
        let (rtt, status) = ([1, 2, NONE, NONE, NONE], [0, 1, 2, 3, 4]);
        let columns = Columns { rtt: &rtt, status: Some(&status), ..Columns::default() };
        let loss = loss(&[Sample::new(columns).expect("columns that fit")]);
        assert_eq!((loss.ended, loss.received(), loss.lost()), ([1; 5], 1, 4));
    }

    #[test]
    fn pings_in_bursts_count_as_fewer() {
        let bursts = of(&"....xxxx".repeat(25));
        // 25 changes each way, of 100 and 99 pairs; the last ping has no next.
        assert_eq!(bursts.after, [[75, 25], [24, 75]]);
        let q = 1.0 - 0.25 - 24.0 / 99.0;
        assert!((bursts.correlation().expect("both fates") - q).abs() < 1e-12);
        assert!((bursts.independent_pings() - 200.0 * (1.0 - q) / (1.0 + q)).abs() < 1e-9);
    }

    #[test]
    fn few_pings_or_runs_have_no_interval_for_bursts() {
        let sure = Confidence::new(0.95).expect("a confidence");
        assert_eq!(of(&"....xxxx".repeat(124)).burst_interval(sure), None); // 992 pings
        assert_eq!(of(&format!("{}{}", ".".repeat(1_000), ".x".repeat(29))).burst_interval(sure), None);
        assert_eq!(of(&format!("{}{}", "..".repeat(1_000), ".x".repeat(1_000))).burst_interval(sure), None); // a step
        let regular = of(&"....xxxx".repeat(200));
        let (low, high) = regular.burst_interval(sure).expect("enough");
        assert!(low <= 0.5 && 0.5 <= high && high - low < 0.03, "regular losses say more: {low} {high}");
    }

    #[test]
    fn parts_of_several_samples_count_as_parts() {
        let sure = Confidence::new(0.95).expect("a confidence");
        let mut many = Loss::default();
        for run in 0..40 {
            many.merge(&of(&if run % 2 == 0 { "....x".repeat(10) } else { "x.x..".repeat(10) }));
        }
        // 40 runs of 50 pings, 20 % and 40 %: between runs the share has a variance of 0.01 x 40 / 39.
        let (low, high) = many.burst_interval(sure).expect("enough");
        let half = sure.t(39.0) * (0.01_f64 / 39.0).sqrt();
        assert!((low - (0.3 - half)).abs() < 2e-3 && (high - (0.3 + half)).abs() < 2e-3, "{low} {high}");
    }

    proptest! {
        #[test]
        fn merged_samples_are_as_their_sum(a in "[.x]{0,40}", b in "[.x]{0,40}") {
            let (one, other) = (of(&a), of(&b));
            let mut merged = one;
            merged.merge(&other);
            prop_assert_eq!(merged.sent(), one.sent() + other.sent());
            prop_assert_eq!(merged.lost(), (a + &b).matches('x').count() as u64);
        }
    }
}
