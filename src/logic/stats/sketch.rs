//! A distribution in little memory, that can be put together from parts.
//!
//! Quantiles come from bins that grow by 2 %, as in `DDSketch` (Masson, Rim and Lee, VLDB 2019), so that each is within
//! 1 % of the exact one. There is a bin for every whole number of 64 bits, so unlike there none is ever given up, and
//! parts come to the same in whatever order they are merged.

use sketches_ddsketch::Config;

use super::{Moments, Quantile};
use crate::logic::Invalid;

/// The relative error of a quantile.
pub const SKETCH_ERROR: f64 = 0.01;
/// Bins for 1 to 2^63 at that error; as many again are below 0, and one is for 0 itself.
const SIDE: usize = 2_184;
const SIDE_BIN: i32 = 2_184;

/// Moments, and counts of values of about the same size.
#[derive(Clone, PartialEq)]
pub struct Sketch {
    moments: Moments,
    bins: Vec<u64>,
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch({:?})", self.moments)
    }
}

impl Sketch {
    /// The sketch of `values`.
    #[must_use]
    pub fn of(values: &[i64]) -> Self {
        let (config, mut bins) = (scale(), vec![0; 2 * SIDE + 1]);
        for value in values {
            bins[place(&config, *value)] += 1;
        }
        Self { moments: Moments::of(values), bins }
    }

    /// The sketch with these moments and bins, as another told them.
    ///
    /// # Errors
    /// What no values can have come to.
    pub fn from_parts(moments: Moments, bins: impl IntoIterator<Item = (i32, u64)>) -> Result<Self, Invalid> {
        let mut sketch = Self { moments, bins: vec![0; 2 * SIDE + 1] };
        for (bin, count) in bins {
            let place = bin.checked_add(SIDE_BIN).and_then(|place| usize::try_from(place).ok());
            let Some(slot) = place.and_then(|place| sketch.bins.get_mut(place)) else {
                return Err(Invalid::new("bin", bin, format!("-{SIDE_BIN} to {SIDE_BIN}")));
            };
            *slot = slot.saturating_add(count);
        }
        let count = sketch.bins.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if count != moments.count() {
            return Err(Invalid::new("count", moments.count(), format!("{count}, as in the bins")));
        }
        Ok(sketch)
    }

    /// Takes in other values.
    pub fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Count, mean, standard deviation and extremes: exact.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The bins that are not empty, from the least values to the greatest: 0 for the value 0, else the sign of the
    /// values and 1 for a size of 1, 2 for about 1.02, ...
    pub fn bins(&self) -> impl Iterator<Item = (i32, u64)> {
        (-SIDE_BIN..).zip(self.bins.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// A quantile, each of the two values it lies between within [`SKETCH_ERROR`]; least and greatest are exact. `None`
    /// without values.
    #[must_use]
    pub fn quantile(&self, q: Quantile) -> Option<f64> {
        let (least, greatest) = (self.moments.min()? as f64, self.moments.max()? as f64);
        let count = usize::try_from(self.moments.count()).unwrap_or(usize::MAX);
        let (below, part) = q.place(count)?;
        let config = scale();
        let value = |index: usize| {
            let mut left = index as u64;
            for (bin, count) in self.bins() {
                if left < count {
                    return middle(&config, bin).clamp(least, greatest);
                }
                left -= count;
            }
            greatest
        };
        if below == 0 && part <= 0.0 {
            return Some(least);
        }
        if below + 1 == count {
            return Some(greatest);
        }
        let low = value(below);
        Some(if part > 0.0 { low + (value(below + 1) - low) * part } else { low })
    }
}

fn scale() -> Config {
    Config::new(SKETCH_ERROR, 1, 1.0)
}

/// The bin of a value, counted from the first.
fn place(config: &Config, value: i64) -> usize {
    let size = value.unsigned_abs();
    if size == 0 {
        return SIDE;
    }
    let away = usize::try_from(config.key(size as f64)).unwrap_or(0).min(SIDE - 1) + 1;
    if value > 0 { SIDE + away } else { SIDE - away }
}

/// The value that no value of a bin differs from by more than the relative error.
fn middle(config: &Config, bin: i32) -> f64 {
    match bin {
        0 => 0.0,
        1.. => config.value(bin - 1),
        _ => -config.value(-bin - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::stats::quantile;
    use proptest::prelude::*;

    fn at(q: f64) -> Quantile {
        Quantile::new(q).expect("a quantile")
    }

    #[test]
    fn none_one_and_two_values() {
        assert_eq!(Sketch::of(&[]).quantile(Quantile::MEDIAN), None);
        for q in [0.0, 0.3, 1.0] {
            assert_eq!(Sketch::of(&[12_345]).quantile(at(q)), Some(12_345.0));
        }
        let two = Sketch::of(&[1_000, 2_000]);
        assert_eq!((two.quantile(at(0.0)), two.quantile(at(1.0))), (Some(1_000.0), Some(2_000.0)));
        assert!(two.quantile(Quantile::MEDIAN).is_some_and(|median| (median - 1_500.0).abs() <= 15.0));
    }

    #[test]
    fn every_value_has_a_bin() {
        for value in [0, 1, -1, 2, i64::MAX, i64::MIN + 1, i64::MIN] {
            let found = middle(&scale(), Sketch::of(&[value]).bins().next().expect("one bin").0);
            assert!((found - value as f64).abs() <= 0.010_1 * (value as f64).abs(), "{value} {found}");
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let moments = Moments::of(&[5, 6]);
        assert!(Sketch::from_parts(moments, [(1, 1), (2, 1)]).is_ok());
        assert!(
            Sketch::from_parts(moments, [(1, 1)]).is_err_and(|error| error.to_string().contains("count"))
        );
        for bin in [i32::MIN, -2_185, 2_185, i32::MAX] {
            assert!(
                Sketch::from_parts(moments, [(bin, 2)]).is_err_and(|error| error.to_string().contains("bin"))
            );
        }
        let full = [(1, u64::MAX), (2, u64::MAX)];
        assert!(Sketch::from_parts(moments, full).is_err());
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_error(
            mut values in proptest::collection::vec(0_i64..10_000_000_000, 1..200), q in 0.0..=1.0_f64,
        ) {
            let found = Sketch::of(&values).quantile(at(q)).expect("values");
            values.sort_unstable();
            let exact = quantile(&values, q).expect("values");
            prop_assert!((found - exact).abs() <= SKETCH_ERROR * exact + 1e-9, "{} {}", found, exact);
        }

        #[test]
        fn parts_come_to_the_whole(values in proptest::collection::vec(any::<i64>(), 0..100), cut in 0_usize..100) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let whole = Sketch::of(&values);
            for (one, other) in [(left, right), (right, left)] {
                let mut merged = Sketch::of(one);
                merged.merge(&Sketch::of(other));
                prop_assert_eq!(&merged.bins, &whole.bins);
                prop_assert_eq!(merged.quantile(Quantile::P95), whole.quantile(Quantile::P95));
                let (ours, all) = (merged.moments.mean().unwrap_or(0.0), whole.moments.mean().unwrap_or(0.0));
                prop_assert!((ours - all).abs() <= 1e-12 * all.abs().max(1e19));
            }
            let told = Sketch::from_parts(whole.moments, whole.bins());
            prop_assert_eq!(told, Ok(whole));
        }
    }
}
