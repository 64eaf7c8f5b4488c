//! All statistics of samples in a few kilobytes. Digests of several runs, hours or machines can be merged.

use super::{
    Duplication, Jitter, Loss, LossRuns, Reordering, Sample, Sketch, difference, duplication, jitter, loss,
    loss_runs, reordering,
};
use crate::logic::Invalid;

/// Statistics of samples, without their rows. Counts are exact, quantiles within 1 %.
///
/// The digest of two tables together is that of the first merged with that of the second, as nothing is counted from one
/// sample to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// How the pings ended.
    pub loss: Loss,
    /// Runs of losses.
    pub runs: LossRuns,
    /// Replies too many; `None` if they were not counted.
    pub duplication: Option<Duplication>,
    /// Replies out of order; `None` if it is not known in which order they came.
    pub reordering: Option<Reordering>,
    /// The jitter of RFC 3550; `None` likewise.
    pub jitter: Option<Jitter>,
    /// Round trips.
    pub rtt: Sketch,
    /// Differences between neighbours, with their sign.
    pub ipdv: Sketch,
    /// The sum of their sizes.
    pub ipdv_sizes: f64,
    /// Round trips less the shortest of their sample.
    pub pdv: Sketch,
}

impl Digest {
    /// The digest of samples, with the n of n-reordering.
    pub fn of(samples: &[Sample<'_>], n: u64) -> Result<Self, Invalid> {
        let ordered = samples.iter().all(|sample| sample.need_order("").is_ok());
        let mut values: Vec<i64> = Vec::with_capacity(samples.iter().map(Sample::len).sum());
        values.extend(samples.iter().flat_map(Sample::round_trips));
        let rtt = Sketch::of(&values);
        values.clear();
        for sample in samples {
            let least = sample.round_trips().min().unwrap_or(0);
            values.extend(sample.round_trips().map(|rtt| rtt.saturating_sub(least)));
        }
        let pdv = Sketch::of(&values);
        values.clear();
        for sample in samples {
            values.extend((0..sample.len()).filter_map(|row| difference(sample, row)));
        }
        let sizes: u128 = values.iter().map(|value| u128::from(value.unsigned_abs())).sum();
        Ok(Self {
            loss: loss(samples),
            runs: loss_runs(samples),
            duplication: duplication(samples).ok(),
            reordering: ordered.then(|| reordering(samples, n)).transpose()?,
            jitter: ordered.then(|| jitter(samples)).transpose()?,
            rtt,
            ipdv: Sketch::of(&values),
            ipdv_sizes: sizes as f64,
            pdv,
        })
    }

    /// Adds other samples. A statistic that one of the two lacks becomes `None`.
    pub fn merge(&mut self, other: &Self) -> Result<(), Invalid> {
        self.loss.merge(&other.loss);
        self.runs.merge(&other.runs);
        self.duplication = self.duplication.zip(other.duplication).map(|(mut mine, theirs)| {
            mine.merge(&theirs);
            mine
        });
        self.reordering = match (self.reordering, other.reordering) {
            (Some(mut mine), Some(theirs)) => {
                mine.merge(&theirs)?;
                Some(mine)
            }
            _ => None,
        };
        self.jitter = self.jitter.zip(other.jitter).map(|(mut mine, theirs)| {
            mine.merge(&theirs);
            mine
        });
        self.rtt.merge(&other.rtt);
        self.ipdv.merge(&other.ipdv);
        self.ipdv_sizes += other.ipdv_sizes;
        self.pdv.merge(&other.pdv);
        Ok(())
    }

    /// The mean size of the differences between neighbours; `None` without a pair.
    pub fn ipdv_mean_abs(&self) -> Option<f64> {
        let count = self.ipdv.moments().count();
        (count > 0).then(|| self.ipdv_sizes / count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::{Columns, Quantile, ipdv, pdv};
    use proptest::prelude::*;

    type Rows = Vec<(i64, u32)>;

    fn rows() -> impl Strategy<Value = Rows> {
        let rtt = prop_oneof![1 => Just(NONE), 4 => 0_i64..5_000];
        proptest::collection::vec((rtt, 0_u32..4), 0..40)
    }

    fn with_samples<T>(parts: &[&Rows], look: impl Fn(&[Sample<'_>]) -> T) -> T {
        let columns: Vec<_> = parts
            .iter()
            .map(|rows| {
                let rtt: Vec<i64> = rows.iter().map(|row| row.0).collect();
                let sent: Vec<i64> = (0..).step_by(1_000).take(rows.len()).collect();
                (rtt, sent, rows.iter().map(|row| row.1).collect::<Vec<u32>>())
            })
            .collect();
        let samples: Vec<_> = columns
            .iter()
            .map(|(rtt, sent, copies)| {
                let columns = Columns { rtt, sent: Some(sent), copies: Some(copies), ..Columns::default() };
                Sample::new(columns).expect("columns that fit")
            })
            .collect();
        look(&samples)
    }

    fn digest(parts: &[&Rows]) -> Digest {
        with_samples(parts, |samples| Digest::of(samples, 3).expect("few rows"))
    }

    #[test]
    fn the_digest_of_no_sample_is_empty() {
        let mut none = digest(&[]);
        assert_eq!(
            (none.loss.share(), none.ipdv_mean_abs(), none.rtt.quantile(Quantile::MEDIAN, 0)),
            (None, None, None)
        );
        let one = digest(&[&vec![(5, 1)]]);
        none.merge(&one).expect("the same n");
        assert_eq!(none, one);
    }

    #[test]
    fn a_statistic_that_one_part_lacks_is_none() {
        let untimed = Sample::new(Columns { rtt: &[1, 2], ..Columns::default() }).expect("columns that fit");
        let mut all = digest(&[&vec![(5, 1)]]);
        all.merge(&Digest::of(&[untimed], 3).expect("few rows")).expect("the same n");
        assert_eq!((all.duplication, all.reordering, all.jitter, all.loss.sent()), (None, None, None, 3));
    }

    proptest! {
        #[test]
        fn merged_digests_equal_the_digest_of_all(a in rows(), b in rows(), c in rows()) {
            let mut merged = digest(&[&a]);
            merged.merge(&digest(&[&b, &c])).expect("the same n");
            let all = digest(&[&a, &b, &c]);
            prop_assert_eq!(merged.loss, all.loss);
            prop_assert_eq!(&merged.runs, &all.runs);
            prop_assert_eq!((merged.duplication, merged.reordering), (all.duplication, all.reordering));
            let (one, other) = (merged.jitter.expect("times"), all.jitter.expect("times"));
            prop_assert_eq!((one.count, one.last, one.max), (other.count, other.last, other.max));
            prop_assert!((one.sum - other.sum).abs() <= 1e-9 * other.sum);
            for (one, other) in [(&merged.rtt, &all.rtt), (&merged.ipdv, &all.ipdv), (&merged.pdv, &all.pdv)] {
                prop_assert!(one.bins().eq(other.bins()));
                let (one, other) = (one.moments(), other.moments());
                prop_assert_eq!((one.count(), one.min(), one.max()), (other.count(), other.min(), other.max()));
                let (mean, whole) = (one.mean().unwrap_or(0.0), other.mean().unwrap_or(0.0));
                prop_assert!((mean - whole).abs() <= 1e-9 * whole.abs().max(1.0));
            }
        }

        #[test]
        fn a_digest_agrees_with_the_rows(a in rows(), b in rows()) {
            let found = digest(&[&a, &b]);
            let (ipdv, pdv) = with_samples(&[&a, &b], |samples| (ipdv(samples, &[]), pdv(samples, &[])));
            prop_assert_eq!(found.ipdv_mean_abs(), ipdv.mean_abs);
            prop_assert_eq!(found.ipdv.moments(), &ipdv.signed.moments);
            prop_assert_eq!(found.pdv.moments(), &pdv.moments);
        }
    }
}
