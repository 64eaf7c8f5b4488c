//! Numbers from records, each by one named definition.
//!
//! A statistic is a function of [`Sample`]s: the pings of one run to one target each. Several samples are pooled, and
//! nothing is ever counted from one to the next. What adds up can be merged; that is what a digest does.

mod arrival;
mod distribution;
mod duplication;
mod gamma;
mod interval;
mod jitter;
mod loss;
mod loss_runs;
mod moments;
mod quantile;
mod reordering;
mod round_trip;
mod sample;
mod summary;
mod variation;

pub use arrival::arrivals;
pub use distribution::Distribution;
pub use duplication::{Duplication, duplication};
pub use gamma::{garwood, normal_quantile_above};
pub use interval::{Confidence, wilson, wilson_of_share};
pub use jitter::{Jitter, jitter};
pub use loss::{Loss, loss};
pub use loss_runs::{LossRuns, Period, loss_periods, loss_runs};
pub use moments::Moments;
pub use quantile::{Quantile, quantile, quantiles};
pub use reordering::{Reordering, reordering};
pub use round_trip::{Lost, round_trip};
pub use sample::{Columns, Sample};
pub use summary::{RoundTrip, Summary};

/// The normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;

/// The Wilson score interval of a proportion, `hits` of `n`, for the normal quantile `z` (1.96 for 95 %).
///
/// Unlike the textbook's p ± z·√(p(1−p)/n) it stays within 0..1 and is right to use at 0 of n and n of n
/// (Wilson 1927; Brown, Cai and `DasGupta` 2001). `None` without a trial.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn wilson(hits: u64, n: u64, z: f64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let (trials, z2) = (n as f64, z * z);
    let share = hits as f64 / trials;
    let middle = share + z2 / (2.0 * trials);
    let half = z * (share * (1.0 - share) / trials + z2 / (4.0 * trials * trials)).sqrt();
    let scale = 1.0 + z2 / trials;
    // The ends are exact where nothing or everything was hit; rounding must not move them.
    let low = if hits == 0 { 0.0 } else { (middle - half) / scale };
    let high = if hits == n { 1.0 } else { (middle + half) / scale };
    Some((low, high))
}

/// The `q` quantile (0..=1) of ascending values by linear interpolation: definition 7 of Hyndman and Fan (1996),
/// the default of numpy and R. `None` without values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a round trip and counts stay below 2^53")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position within the slice")]
pub fn quantile(ascending: &[i64], q: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = q * last as f64;
    let below = position.floor();
    let index = below as usize;
    let low = ascending[index] as f64;
    let high = ascending[(index + 1).min(last)] as f64;
    Some(low + (high - low) * (position - below))
}

/// Count, mean, spread and extremes of a stream in constant memory (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    min: i64,
    max: i64,
}

impl Moments {
    /// Takes one value in.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a round trip and counts stay below 2^53")]
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
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
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
        self.count += other.count;
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
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
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
    fn wilson_agrees_with_published_values() {
        // 90 of 240, the pooled runs of the course: 31.6 % to 43.8 %.
        let (low, high) = wilson(90, 240, Z95).expect("trials");
        assert!((low - 0.316).abs() < 5e-4 && (high - 0.438).abs() < 5e-4, "{low} {high}");
        // 0 of 10: the upper end is z²/(n+z²).
        let (low, high) = wilson(0, 10, Z95).expect("trials");
        assert!(low.to_bits() == 0 && close(high, Z95 * Z95 / (10.0 + Z95 * Z95)));
        assert_eq!(wilson(10, 10, Z95).map(|(_, high)| high.to_bits()), Some(1.0_f64.to_bits()));
        assert_eq!(wilson(0, 0, Z95), None);
    }

    #[test]
    fn quantiles_of_none_one_and_two_values() {
        assert_eq!(quantile(&[], 0.5), None);
        for q in [0.0, 0.5, 0.95, 1.0] {
            assert_eq!(quantile(&[7], q), Some(7.0));
        }
        assert_eq!(quantile(&[10, 20], 0.5), Some(15.0));
        assert_eq!(quantile(&[10, 20], 1.0), Some(20.0));
        // numpy.quantile([1, 2, 3, 4], 0.95) == 3.85
        assert!(quantile(&[1, 2, 3, 4], 0.95).is_some_and(|v| close(v, 3.85)));
    }

    #[test]
    fn moments_of_little() {
        let mut moments = Moments::default();
        assert_eq!((moments.mean(), moments.stddev(), moments.min()), (None, None, None));
        moments.add(5);
        assert_eq!((moments.mean(), moments.stddev(), moments.max()), (Some(5.0), None, Some(5)));
        moments.add(9);
        assert!(moments.stddev().is_some_and(|s| close(s, 8.0_f64.sqrt())));
    }

    proptest! {
        #[test]
        fn wilson_holds_the_share_within_0_and_1(n in 1_u64..100_000, share in 0.0..=1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "test data")]
            let hits = (share * n as f64) as u64;
            let (low, high) = wilson(hits, n, Z95).expect("trials");
            #[expect(clippy::cast_precision_loss, reason = "test data")]
            let p = hits as f64 / n as f64;
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0);
        }

        #[test]
        fn moments_agree_with_two_passes(values in proptest::collection::vec(0_i64..10_000_000_000, 2..200)) {
            let mut moments = Moments::default();
            for v in &values {
                moments.add(*v);
            }
            #[expect(clippy::cast_precision_loss, reason = "test data")]
            let (n, floats) = (values.len() as f64, values.iter().map(|v| *v as f64).collect::<Vec<_>>());
            let mean = floats.iter().sum::<f64>() / n;
            let stddev = (floats.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            prop_assert!(close(moments.mean().expect("values"), mean));
            prop_assert!((moments.stddev().expect("values") - stddev).abs() <= 1e-6 * stddev.max(1.0));
            prop_assert_eq!(moments.min(), values.iter().copied().min());
            let (mut left, mut right) = (Moments::default(), Moments::default());
            let (a, b) = values.split_at(values.len() / 3);
            for v in a {
                left.add(*v);
            }
            for v in b {
                right.add(*v);
            }
            left.merge(&right);
            prop_assert!(close(left.mean().expect("values"), mean));
            prop_assert!((left.stddev().expect("values") - stddev).abs() <= 1e-6 * stddev.max(1.0));
            prop_assert_eq!((left.count(), left.max()), (moments.count(), moments.max()));
        }
    }
}
pub use variation::{Ipdv, difference, ipdv, pdv};
