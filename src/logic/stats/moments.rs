//! Count, mean, spread and extremes of values that come all at once, one by one or in parts.

use crate::logic::Invalid;

/// Count, mean, spread and extremes of a stream in constant memory (Welford 1962).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    min: i64,
    max: i64,
}

/// Squares are summed in blocks of so many values: adding small squares to a large sum loses digits.
const BLOCK: usize = 1_024;

impl Moments {
    /// The moments of all `values`, in two passes: the mean is exact but for its last digit.
    pub fn of(values: &[i64]) -> Self {
        let (Some(min), Some(max)) = (values.iter().min(), values.iter().max()) else {
            return Self::default();
        };
        let sum: i128 = values.iter().copied().map(i128::from).sum();
        // Rounding must not move the mean out of the range of the values.
        let mean = (sum as f64 / values.len() as f64).clamp(*min as f64, *max as f64);
        let block = |values: &[i64]| values.iter().map(|value| (*value as f64 - mean).powi(2)).sum::<f64>();
        let squares = values.chunks(BLOCK).map(block).sum();
        Self { count: values.len() as u64, mean, squares, min: *min, max: *max }
    }

    /// The moments from their parts: how many values, their mean, the sum of the squares of their distances from it,
    /// the least and the greatest.
    pub fn from_parts(count: u64, mean: f64, squares: f64, min: i64, max: i64) -> Result<Self, Invalid> {
        if count == 0 {
            return Ok(Self::default());
        }
        if min > max {
            return Err(Invalid::new("min", min, format!("at most {max}, the max")));
        }
        if !(min as f64 <= mean && mean <= max as f64) {
            return Err(Invalid::new("mean", mean, format!("{min} to {max}")));
        }
        if !(squares >= 0.0 && squares.is_finite()) {
            return Err(Invalid::new("squares", squares, "a number from 0"));
        }
        Ok(Self { count, mean, squares, min, max })
    }

    /// The sum of the squares of the distances from the mean.
    pub fn squares(&self) -> f64 {
        self.squares
    }

    /// Adds one value.
    pub fn add(&mut self, value: i64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let away = value as f64 - self.mean;
        self.mean += away / self.count as f64;
        self.squares += away * (value as f64 - self.mean);
    }

    /// Adds the values of another stream (Chan, Golub and `LeVeque` 1979).
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 || other.count == 0 {
            if self.count == 0 {
                *self = *other;
            }
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let away = other.mean - self.mean;
        self.mean += away * b / (a + b);
        self.squares += other.squares + away * away * a * b / (a + b);
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Least value; `None` without values.
    pub fn min(&self) -> Option<i64> {
        (self.count > 0).then_some(self.min)
    }

    /// Greatest value; `None` without values.
    pub fn max(&self) -> Option<i64> {
        (self.count > 0).then_some(self.max)
    }

    /// Arithmetic mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Standard deviation of the sample (divided by n - 1); `None` below two values.
    pub fn stddev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::stats::close;
    use proptest::prelude::*;

    #[test]
    fn moments_of_little() {
        let mut moments = Moments::default();
        assert_eq!((moments.mean(), moments.stddev(), moments.min()), (None, None, None));
        assert_eq!(Moments::of(&[]), moments);
        moments.add(5);
        assert_eq!((moments.mean(), moments.stddev(), moments.max()), (Some(5.0), None, Some(5)));
        assert_eq!(Moments::of(&[5]), moments);
        moments.add(9);
        assert!(moments.stddev().is_some_and(|s| close(s, 8.0_f64.sqrt())));
        assert_eq!(Moments::of(&[5, 9]), moments);
    }

    #[test]
    fn extreme_values_do_no_harm() {
        let all = Moments::of(&[i64::MIN, i64::MAX, i64::MIN, i64::MAX]);
        assert_eq!(all.mean(), Some(-0.5));
        assert!(all.stddev().is_some_and(f64::is_finite));
    }

    #[test]
    fn the_mean_of_equal_values_is_that_value() {
        // Their sum is no f64, and a fifth of the nearest one is not the value.
        for value in [2_i64.pow(53) - 1, -9_007_199_254_740_991] {
            let moments = Moments::of(&[value; 5]);
            assert_eq!((moments.mean(), moments.stddev()), (Some(value as f64), Some(0.0)));
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        assert_eq!(Moments::from_parts(2, 7.0, 8.0, 5, 9), Ok(Moments::of(&[5, 9])));
        assert_eq!(Moments::from_parts(0, f64::NAN, -1.0, 9, 5), Ok(Moments::default()));
        for (mean, squares, min, max) in
            [(7.0, 8.0, 9, 5), (10.0, 8.0, 5, 9), (f64::NAN, 8.0, 5, 9), (7.0, -1.0, 5, 9)]
        {
            assert!(Moments::from_parts(2, mean, squares, min, max).is_err(), "{mean} {squares} {min} {max}");
        }
        assert!(Moments::from_parts(2, 7.0, f64::INFINITY, 5, 9).is_err());
    }

    proptest! {
        #[test]
        fn moments_agree_with_two_passes(values in proptest::collection::vec(0_i64..10_000_000_000, 2..200)) {
            let mut moments = Moments::default();
            for v in &values {
                moments.add(*v);
            }
            let (n, floats) = (values.len() as f64, values.iter().map(|v| *v as f64).collect::<Vec<_>>());
            let mean = floats.iter().sum::<f64>() / n;
            let stddev = (floats.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            let (a, b) = values.split_at(values.len() / 3);
            let mut merged = Moments::of(a);
            merged.merge(&Moments::of(b));
            for ours in [moments, merged, Moments::of(&values)] {
                prop_assert!(close(ours.mean().expect("values"), mean));
                prop_assert!((ours.stddev().expect("values") - stddev).abs() <= 1e-6 * stddev.max(1.0));
                prop_assert_eq!((ours.count(), ours.max()), (values.len() as u64, values.iter().copied().max()));
                prop_assert_eq!(ours.min(), values.iter().copied().min());
            }
        }

        #[test]
        fn the_order_of_values_does_not_matter(mut values in proptest::collection::vec(any::<i64>(), 2..50)) {
            let forwards = Moments::of(&values);
            values.reverse();
            let backwards = Moments::of(&values);
            prop_assert_eq!(forwards.mean(), backwards.mean());
            let (a, b) = (forwards.stddev().expect("values"), backwards.stddev().expect("values"));
            prop_assert!((a - b).abs() <= 1e-12 * a);
        }
    }
}
