//! The distribution of values: count, mean, spread and quantiles.

use super::{Moments, Quantile, quantiles};

/// Count, mean, spread and quantiles of values. Without values all are `None`; one value has no standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Count, mean, standard deviation and extremes of the finite values.
    pub moments: Moments,
    /// How many more values are infinite: greater than all others.
    pub infinite: u64,
    /// 50 % quantile.
    pub median: Option<f64>,
    /// Median absolute deviation from the median, not scaled to estimate a standard deviation. `None` if
    /// the median is infinite.
    pub mad: Option<f64>,
    /// The requested quantiles, in the order of the request.
    pub quantiles: Vec<Option<f64>>,
}

impl Distribution {
    /// The distribution of `values`, and of `infinite` others that are greater than all. `values` are
    /// overwritten.
    pub fn of(values: &mut [i64], infinite: usize, wanted: &[Quantile]) -> Self {
        let moments = Moments::of(values);
        let mut wanted = wanted.to_vec();
        wanted.push(Quantile::MEDIAN);
        let mut quantiles = quantiles(values, infinite, &wanted);
        let median = quantiles.pop().flatten();
        let mad =
            median.filter(|median| median.is_finite()).and_then(|median| deviation(values, infinite, median));
        Self { moments, infinite: infinite as u64, median, mad, quantiles }
    }
}

/// The median distance from `median`; the values become the distances.
#[expect(clippy::cast_possible_truncation, reason = "twice a median of whole numbers is a whole number")]
fn deviation(values: &mut [i64], infinite: usize, median: f64) -> Option<f64> {
    // Doubled, because a median may end in one half. It saturates at 146 years.
    let doubled = (2.0 * median) as i64;
    for value in values.iter_mut() {
        *value = i64::try_from(value.saturating_mul(2).abs_diff(doubled)).unwrap_or(i64::MAX);
    }
    quantiles(values, infinite, &[Quantile::MEDIAN])[0].map(|deviation| deviation / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[i64], infinite: usize) -> Distribution {
        Distribution::of(&mut values.to_vec(), infinite, &[Quantile::new(0.25).expect("a quantile")])
    }

    #[test]
    fn none_one_and_two_values() {
        let none = of(&[], 0);
        assert_eq!((none.moments.count(), none.median, none.mad, none.quantiles[0]), (0, None, None, None));
        let one = of(&[7], 0);
        assert_eq!((one.moments.mean(), one.moments.stddev(), one.median), (Some(7.0), None, Some(7.0)));
        assert_eq!((one.mad, one.quantiles[0]), (Some(0.0), Some(7.0)));
        let two = of(&[9, 6], 0);
        assert_eq!((two.median, two.mad, two.quantiles[0]), (Some(7.5), Some(1.5), Some(6.75)));
    }

    #[test]
    fn infinite_values_take_part_in_quantiles_alone() {
        let most = of(&[5, 1], 3);
        assert_eq!((most.moments.count(), most.infinite, most.median), (2, 3, Some(f64::INFINITY)));
        assert_eq!((most.mad, most.quantiles[0]), (None, Some(5.0)));
        // 1 2 4 and two infinite ones: around 4 the distances are 0 2 3 and two infinite ones.
        let some = of(&[1, 2, 4], 2);
        assert_eq!((some.median, some.mad), (Some(4.0), Some(3.0)));
    }

    proptest! {
        #[test]
        fn the_order_of_values_does_not_matter(values in proptest::collection::vec(-1_000_000_i64..1_000_000, 0..50)) {
            let mut reversed = values.clone();
            reversed.reverse();
            let (one, other) = (of(&values, 0), of(&reversed, 0));
            prop_assert_eq!((one.median, one.mad, one.quantiles), (other.median, other.mad, other.quantiles));
        }

        #[test]
        fn a_constant_moves_the_median_and_not_the_spread(values in proptest::collection::vec(-1_000_i64..1_000, 1..50)) {
            let moved: Vec<i64> = values.iter().map(|value| value + 1_000_000).collect();
            let (here, there) = (of(&values, 0), of(&moved, 0));
            prop_assert_eq!(there.median.map(|median| median - 1e6), here.median);
            prop_assert_eq!(there.mad, here.mad);
        }

        #[test]
        fn extreme_values_do_no_harm(values in proptest::collection::vec(any::<i64>(), 0..50), infinite in 0_usize..3) {
            of(&values, infinite);
        }
    }
}
