//! Count, mean, spread and extremes, also of what comes one by one or from several places.

/// Count, mean, spread and extremes of a stream in constant memory (Welford 1962).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    min: i64,
    max: i64,
}

/// Values summed up together: a sum of thousands of squares would lose digits against one of millions.
const BLOCK: usize = 1_024;

impl Moments {
    /// The moments of all `values`, in two passes: the mean is exact but for its last digit.
    #[must_use]
    pub fn of(values: &[i64]) -> Self {
        let (Some(min), Some(max)) = (values.iter().min(), values.iter().max()) else {
            return Self::default();
        };
        let sum: i128 = values.iter().copied().map(i128::from).sum();
        let mean = sum as f64 / values.len() as f64;
        let block = |values: &[i64]| values.iter().map(|value| (*value as f64 - mean).powi(2)).sum::<f64>();
        let squares = values.chunks(BLOCK).map(block).sum();
        Self { count: values.len() as u64, mean, squares, min: *min, max: *max }
    }

    /// Takes one value in.
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

    /// Takes in another stream's values (Chan, Golub and `LeVeque` 1979).
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
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Least value; `None` without values.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        (self.count > 0).then_some(self.min)
    }

    /// Greatest value; `None` without values.
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        (self.count > 0).then_some(self.max)
    }

    /// Arithmetic mean; `None` without values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Standard deviation of the sample (divided by n - 1); `None` below two values.
    #[must_use]
    pub fn stddev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

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
