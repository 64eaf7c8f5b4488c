//! Loss periods, which are losses in a row, and the distances between losses (RFC 3357, on round trips).

use std::collections::BTreeMap;
use std::ops::Range;

use super::Sample;
use crate::logic::Nanos;

/// An unbroken run of losses: a loss period of RFC 3357.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The row of its first loss.
    pub row: usize,
    /// How many pings were lost in it.
    pub length: u64,
    /// The number of its first loss less that of the last one before it; 0 for the first period (RFC 3357,
    /// Inter-Loss-Period-Length).
    pub distance: u64,
    /// `None` without times.
    pub outage: Option<Outage>,
}

impl Period {
    /// The rows of its losses.
    #[expect(clippy::cast_possible_truncation, reason = "no longer than the sample")]
    pub fn rows(&self) -> Range<usize> {
        self.row..self.row + self.length as usize
    }
}

/// How long nothing came back. Of two, the longer one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outage {
    /// From sending the first lost ping to sending the next one that was answered in time; if there is none, to sending
    /// the last lost one.
    pub length: Nanos,
    /// Whether there is one. Otherwise, at the end of the rows or before a gap in them, it lasted that long at least.
    pub ended: bool,
}

/// The loss periods of a sample, in order (RFC 3357, Type-P-One-Way-Loss-Period-Stream).
pub fn loss_periods(sample: &Sample<'_>) -> impl Iterator<Item = Period> {
    let missing = |row: usize| row < sample.len() && sample.in_time(row).is_none();
    let (mut next, mut before) = (0, None);
    std::iter::from_fn(move || {
        let row = (next..sample.len()).find(|row| missing(*row))?;
        next = row + 1;
        while missing(next) && sample.follows(next) {
            next += 1;
        }
        let last = next - 1;
        let ended = next < sample.len() && sample.follows(next);
        let end = if ended { next } else { last };
        let times = sample.time(row).zip(sample.time(end));
        let outage = times.map(|(from, to)| Outage { length: to.saturating_sub(from), ended });
        let distance = before.map_or(0, |before| sample.seq(row) - before);
        before = Some(sample.seq(last));
        Some(Period { row, length: (next - row) as u64, distance, outage })
    })
}

/// The loss periods of samples, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LossRuns {
    /// All pings.
    pub sent: u64,
    /// How many periods there are of each length.
    pub lengths: BTreeMap<u64, u64>,
    /// How often a loss has each distance to the one before it, in numbers (RFC 3357, Loss-Distance): 1 within a run.
    pub distances: BTreeMap<u64, u64>,
    /// The longest outage, if there are times.
    pub longest_outage: Option<Outage>,
}

/// Runs of losses (RFC 3357, Loss-Period-Total, Loss-Period-Lengths and Loss-Distance).
///
/// Runs end where a sample ends.
pub fn loss_runs(samples: &[Sample<'_>]) -> LossRuns {
    let mut runs = LossRuns::default();
    for sample in samples {
        runs.sent += sample.len() as u64;
        for period in loss_periods(sample) {
            *runs.lengths.entry(period.length).or_default() += 1;
            if period.length > 1 {
                *runs.distances.entry(1).or_default() += period.length - 1;
            }
            if period.distance > 0 {
                *runs.distances.entry(period.distance).or_default() += 1;
            }
            runs.longest_outage = runs.longest_outage.max(period.outage);
        }
    }
    runs
}

impl LossRuns {
    /// Adds other samples.
    pub fn merge(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        for (mine, theirs) in [(&mut self.lengths, &other.lengths), (&mut self.distances, &other.distances)] {
            for (key, count) in theirs {
                let sum = mine.entry(*key).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        self.longest_outage = self.longest_outage.max(other.longest_outage);
    }

    /// How many runs there are.
    pub fn count(&self) -> u64 {
        self.lengths.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many losses there are in them.
    pub fn lost(&self) -> u64 {
        self.lengths.iter().fold(0, |sum, (length, count)| sum.saturating_add(length.saturating_mul(*count)))
    }

    /// The mean number of losses in a run.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.lost() as f64 / self.count() as f64)
    }

    /// The most losses in a row; 0 without any.
    pub fn longest(&self) -> u64 {
        self.lengths.last_key_value().map_or(0, |(length, _)| *length)
    }

    /// The mean run as a multiple of what it would be if losses were independent, 1 / (1 - loss) (burst ratio of ITU-T
    /// G.107): 1 at random, more in bursts. `None` if nothing was lost, or everything.
    pub fn burst_ratio(&self) -> Option<f64> {
        let received = self.sent.saturating_sub(self.lost());
        let mean = self.mean().filter(|_| received > 0)?;
        Some(mean * received as f64 / self.sent as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    fn round_trips(pattern: &str) -> Vec<i64> {
        pattern.bytes().map(|fate| if fate == b'x' { NONE } else { 1 }).collect()
    }

    fn of(pattern: &str) -> LossRuns {
        let rtt = round_trips(pattern);
        loss_runs(&[Sample::new(Columns { rtt: &rtt, ..Columns::default() }).expect("columns that fit")])
    }

    /// Losses at 2, 5, 7, 9 and 10 of ten pings: four periods, 0 3 2 2 apart.
    #[test]
    fn periods_and_distances() {
        let (rtt, sent) = (round_trips(".x..x.x.xx"), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
        let columns = Columns { rtt: &rtt, sent: Some(&sent), ..Columns::default() };
        let sample = Sample::new(columns).expect("columns that fit");
        let found: Vec<_> = loss_periods(&sample).map(|p| (p.row, p.length, p.distance, p.outage)).collect();
        let [ten, at_least_ten] = [true, false].map(|ended| Some(Outage { length: 10, ended }));
        assert_eq!(found, [(1, 1, 0, ten), (4, 1, 3, ten), (6, 1, 2, ten), (8, 2, 2, at_least_ten)]);
        let runs = loss_runs(&[sample]);
        assert_eq!((runs.lengths.clone(), runs.longest()), ([(1, 3), (2, 1)].into(), 2));
        assert_eq!(runs.distances, [(1, 1), (2, 2), (3, 1)].into());
        assert_eq!((runs.mean(), runs.burst_ratio()), (Some(1.25), Some(0.625)));
    }

    #[test]
    fn none_one_and_two_pings() {
        for (pattern, mean, longest, burst_ratio) in [
            ("", None, 0, None),
            (".", None, 0, None),
            ("x", Some(1.0), 1, None),
            ("xx", Some(2.0), 2, None),
            (".x", Some(1.0), 1, Some(0.5)),
        ] {
            let runs = of(pattern);
            assert_eq!(
                (runs.mean(), runs.longest(), runs.burst_ratio()),
                (mean, longest, burst_ratio),
                "{pattern}"
            );
        }
    }

    #[test]
    fn an_outage_lasts_until_a_ping_is_answered() {
        let outage = |pattern: &str, seq: Option<&[u64]>| {
            let (rtt, due) = (round_trips(pattern), [0, 7, 20, 50]);
            let columns = Columns { rtt: &rtt, due: Some(&due[..rtt.len()]), seq, ..Columns::default() };
            loss_runs(&[Sample::new(columns).expect("columns that fit")]).longest_outage
        };
        let [whole, at_least] = [true, false].map(|ended| move |length| Some(Outage { length, ended }));
        assert_eq!(outage(".xx.", None), whole(43));
        assert_eq!(outage(".xxx", None), at_least(43));
        assert_eq!(outage("....", None), None);
        assert_eq!(outage("x", None), at_least(0));
        // What is between 2 and 9 is not known.
        assert_eq!(outage(".xx.", Some(&[1, 2, 9, 10])), whole(30));
        assert_eq!(outage("xx.x", Some(&[1, 2, 9, 10])), at_least(7));
        assert_eq!(of(".xx.").longest_outage, None);
    }

    #[test]
    fn a_gap_in_the_numbers_ends_a_run() {
        let rtt = round_trips("xx");
        let columns = Columns { rtt: &rtt, seq: Some(&[4, 9]), ..Columns::default() };
        let runs = loss_runs(&[Sample::new(columns).expect("columns that fit")]);
        assert_eq!((runs.count(), runs.distances), (2, [(5, 1)].into()));
    }

    proptest! {
        #[test]
        fn runs_are_what_splitting_text_finds(pattern in "[.x]{0,60}") {
            let runs = of(&pattern);
            let mut lengths = BTreeMap::new();
            for run in pattern.split('.').filter(|run| !run.is_empty()) {
                *lengths.entry(run.len() as u64).or_default() += 1;
            }
            prop_assert_eq!(&runs.lengths, &lengths);
            prop_assert_eq!(runs.lost(), pattern.matches('x').count() as u64);
            let apart: u64 = runs.distances.values().sum();
            prop_assert_eq!(apart, runs.lost().saturating_sub(1));
        }

        #[test]
        fn merging_is_counting_both(a in "[.x]{0,40}", b in "[.x]{0,40}") {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let (one, other) = (round_trips(&a), round_trips(&b));
            let samples = [&one, &other].map(|rtt| Sample::new(Columns { rtt, ..Columns::default() }).expect("fits"));
            prop_assert_eq!(merged, loss_runs(&samples));
        }
    }
}
