//! How round trips vary: two of the three measures that are all called jitter, each under its own name. The third, that
//! of RFC 3550, is in `jitter.rs`.

use super::{Distribution, Quantile, Sample};

/// The differences between the round trips of neighbours, with the mean of their sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Ipdv {
    /// The signed differences.
    pub signed: Distribution,
    /// The mean of the differences without their sign; `None` without a pair. Often called jitter.
    pub mean_abs: Option<f64>,
}

/// Inter-packet delay variation (RFC 3393, Type-P-One-way-ipdv, on round trips), in nanoseconds: the round trip of a
/// ping less that of the ping just before it, for all pairs with adjacent numbers that were both answered in time.
///
/// Signed, so its mean is of no use: it is near 0 on any path. Fewer than two pings in time, or none with neighbours, have
/// no pair: then everything is `None`.
pub fn ipdv(samples: &[Sample<'_>], wanted: &[Quantile]) -> Ipdv {
    let mut values: Vec<i64> = Vec::with_capacity(samples.iter().map(Sample::len).sum());
    for sample in samples {
        values.extend((1..sample.len()).filter_map(|row| difference(sample, row)));
    }
    let sum: u128 = values.iter().map(|value| u128::from(value.unsigned_abs())).sum();
    let mean_abs = (!values.is_empty()).then(|| sum as f64 / values.len() as f64);
    Ipdv { signed: Distribution::of(&mut values, 0, wanted), mean_abs }
}

/// The singleton of [`ipdv`]: a row against the one before it.
pub fn difference(sample: &Sample<'_>, row: usize) -> Option<i64> {
    if !sample.follows(row) {
        return None;
    }
    Some(sample.in_time(row)?.saturating_sub(sample.in_time(row - 1)?))
}

/// Packet delay variation (RFC 5481, PDV, on round trips), in nanoseconds: each round trip less the shortest of the same
/// sample. A high quantile is the delay that a playout buffer has to absorb.
///
/// Of no round trip everything is `None`; a single one has the variation 0.
pub fn pdv(samples: &[Sample<'_>], wanted: &[Quantile]) -> Distribution {
    let mut values: Vec<i64> = Vec::with_capacity(samples.iter().map(Sample::len).sum());
    for sample in samples {
        let least = sample.round_trips().min().unwrap_or(0);
        values.extend(sample.round_trips().map(|rtt| rtt.saturating_sub(least)));
    }
    Distribution::of(&mut values, 0, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    fn sample<'a>(rtt: &'a [i64], seq: Option<&'a [u64]>) -> Sample<'a> {
        Sample::new(Columns { rtt, seq, ..Columns::default() }).expect("columns that fit")
    }

    #[test]
    fn a_lost_ping_takes_both_its_pairs_with_it() {
        let ipdv = ipdv(&[sample(&[10, 30, NONE, 5, 4], None)], &[]);
        assert_eq!((ipdv.signed.moments.count(), ipdv.mean_abs), (2, Some(10.5))); // +20 and -1
        assert_eq!((ipdv.signed.moments.max(), ipdv.signed.moments.min()), (Some(20), Some(-1)));
    }

    #[test]
    fn pairs_do_not_span_a_gap_or_two_samples() {
        assert_eq!(ipdv(&[sample(&[10, 30], Some(&[1, 3]))], &[]).mean_abs, None);
        let two = [sample(&[10], None), sample(&[30], None)];
        assert_eq!(ipdv(&two, &[]).signed.moments.count(), 0);
        // Each of the two is its own shortest.
        assert_eq!(pdv(&two, &[]).moments.max(), Some(0));
    }

    #[test]
    fn pdv_counts_from_the_shortest() {
        let pdv = pdv(&[sample(&[30, 10, NONE, 20], None)], &[Quantile::new(1.0).expect("a quantile")]);
        assert_eq!((pdv.median, pdv.quantiles[0], pdv.moments.min()), (Some(10.0), Some(20.0), Some(0)));
    }

    #[test]
    fn too_few_replies_have_no_variation() {
        for rtt in [&[][..], &[NONE], &[5]] {
            assert_eq!((ipdv(&[sample(rtt, None)], &[]).mean_abs, rtt.len() < 2), (None, true));
        }
        assert_eq!(pdv(&[sample(&[NONE], None)], &[]).median, None);
        assert_eq!(pdv(&[sample(&[5], None)], &[]).median, Some(0.0));
    }

    proptest! {
        #[test]
        fn the_differences_add_up_to_that_of_the_ends(rtt in proptest::collection::vec(0_i64..1_000_000, 2..50)) {
            let ipdv = ipdv(&[sample(&rtt, None)], &[]);
            let all = (rtt[rtt.len() - 1] - rtt[0]) as f64;
            let mean = ipdv.signed.moments.mean().expect("pairs");
            prop_assert!((mean * (rtt.len() - 1) as f64 - all).abs() < 1e-6);
        }
    }
}
