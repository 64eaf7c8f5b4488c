//! A quantile sketch: a distribution in little memory that can be merged from parts.
//!
//! Quantiles come from bins that grow by 2 %, as in `DDSketch` (Masson, Rim and Lee, VLDB 2019), so that each is within
//! 1 % of the exact one. The bins cover all 64-bit integers, so unlike there none are ever collapsed, and the
//! order of merging makes no difference.

use std::collections::BTreeMap;

use super::{Moments, Quantile};
use crate::logic::Invalid;

/// The relative error of a quantile.
pub const SKETCH_ERROR: f64 = 0.01;
/// How many times the upper bound of a bin is its lower one, and the natural logarithm of that.
const GROWTH: f64 = (1.0 + SKETCH_ERROR) / (1.0 - SKETCH_ERROR);
const LN_GROWTH: f64 = 0.020_000_666_706_669_435;
/// Bins for 1 to 2^63; as many again are below 0, and one is for 0 itself.
const SIDE: i32 = 2_184;

/// Moments, and counts of values of about the same size.
#[derive(Clone, Default, PartialEq)]
pub struct Sketch {
    moments: Moments,
    /// By bin; none is 0.
    counts: BTreeMap<i32, u64>,
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch({:?})", self.moments)
    }
}

impl Sketch {
    /// The sketch of `values`.
    pub fn of(values: &[i64]) -> Self {
        // An array of all bins takes half the time for a million values.
        let mut counts = vec![0_u64; 2 * SIDE.unsigned_abs() as usize + 1];
        for value in values {
            counts[(bin(*value) + SIDE).unsigned_abs() as usize] += 1;
        }
        let counts = (-SIDE..).zip(counts).filter(|(_, count)| *count > 0).collect();
        Self { moments: Moments::of(values), counts }
    }

    /// Adds one value.
    pub fn add(&mut self, value: i64) {
        self.moments.add(value);
        self.count(bin(value), 1);
    }

    fn count(&mut self, bin: i32, more: u64) {
        let count = self.counts.entry(bin).or_default();
        *count = count.saturating_add(more);
    }

    /// The sketch with the moments and the bins of another.
    pub fn from_parts(moments: Moments, bins: impl IntoIterator<Item = (i32, u64)>) -> Result<Self, Invalid> {
        let mut sketch = Self { moments, counts: BTreeMap::new() };
        for (bin, count) in bins {
            if !(-SIDE..=SIDE).contains(&bin) {
                return Err(Invalid::new("bin", bin, format!("-{SIDE} to {SIDE}")));
            }
            if count > 0 {
                sketch.count(bin, count);
            }
        }
        let count = sketch.counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        if count != moments.count() {
            return Err(Invalid::new("count", moments.count(), format!("{count}, as in the bins")));
        }
        Ok(sketch)
    }

    /// Adds other values.
    pub fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        for (bin, count) in other.bins() {
            self.count(bin, count);
        }
    }

    /// Count, mean, standard deviation and extremes: exact.
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// The bins that are not empty, from the least values to the greatest: 0 for the value 0, else the sign of the
    /// values and 1 for a size of 1, 2 for about 1.02, ...
    pub fn bins(&self) -> impl Iterator<Item = (i32, u64)> {
        self.counts.iter().map(|(bin, count)| (*bin, *count))
    }

    /// A quantile, each of the two values it lies between within [`SKETCH_ERROR`]; least and greatest are exact.
    ///
    /// `infinite` more values count as greater than all. A quantile that touches one of them is infinite. `None` without
    /// any value at all.
    pub fn quantile(&self, q: Quantile, infinite: u64) -> Option<f64> {
        let count = usize::try_from(self.moments.count()).unwrap_or(usize::MAX);
        let (below, part) = q.place(count.saturating_add(usize::try_from(infinite).unwrap_or(usize::MAX)))?;
        if below + usize::from(part > 0.0) >= count {
            return Some(f64::INFINITY);
        }
        let (least, greatest) = (self.moments.min()? as f64, self.moments.max()? as f64);
        let value = |index: usize| {
            let mut left = index as u64;
            for (bin, count) in self.bins() {
                if left < count {
                    return middle(bin).clamp(least, greatest);
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

/// The bin of a value.
#[expect(clippy::cast_possible_truncation, reason = "at most 2,184")]
fn bin(value: i64) -> i32 {
    if value == 0 {
        return 0;
    }
    let away = ((value.unsigned_abs() as f64).ln() / LN_GROWTH).floor() as i32 + 1;
    if value > 0 { away.min(SIDE) } else { -away.min(SIDE) }
}

/// The value that no value of a bin differs from by more than the relative error.
fn middle(bin: i32) -> f64 {
    let size = (f64::from(bin.abs() - 1) * LN_GROWTH).exp() * (2.0 * GROWTH / (1.0 + GROWTH));
    match bin {
        0 => 0.0,
        1.. => size,
        _ => -size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::stats::{quantile, quantiles};
    use proptest::prelude::*;

    fn at(q: f64) -> Quantile {
        Quantile::new(q).expect("a quantile")
    }

    #[test]
    fn none_one_and_two_values() {
        assert_eq!(Sketch::of(&[]).quantile(Quantile::MEDIAN, 0), None);
        for q in [0.0, 0.3, 1.0] {
            assert_eq!(Sketch::of(&[12_345]).quantile(at(q), 0), Some(12_345.0));
        }
        let two = Sketch::of(&[1_000, 2_000]);
        assert_eq!((two.quantile(at(0.0), 0), two.quantile(at(1.0), 0)), (Some(1_000.0), Some(2_000.0)));
        assert!(two.quantile(Quantile::MEDIAN, 0).is_some_and(|median| (median - 1_500.0).abs() <= 15.0));
    }

    #[test]
    fn every_value_has_a_bin() {
        for value in [0, 1, -1, 2, i64::MAX, i64::MIN + 1, i64::MIN] {
            let found = middle(Sketch::of(&[value]).bins().next().expect("one bin").0);
            assert!((found - value as f64).abs() <= 0.010_1 * (value as f64).abs(), "{value} {found}");
        }
    }

    /// Saved digests contain the numbers of bins, so these never change.
    #[test]
    fn the_bins_are_frozen() {
        let bins = [0, 1, 2, 1 << 10, 1 << 20, 1 << 40, i64::MAX, -1, -(1 << 30), i64::MIN].map(bin);
        assert_eq!(bins, [0, 1, 35, 347, 694, 1_387, 2_184, -1, -1_040, -2_184]);
        assert!((LN_GROWTH - GROWTH.ln()).abs() < 1e-17);
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
            let found = Sketch::of(&values).quantile(at(q), 0).expect("values");
            values.sort_unstable();
            let exact = quantile(&values, q).expect("values");
            prop_assert!((found - exact).abs() <= SKETCH_ERROR * exact + 1e-9, "{} {}", found, exact);
        }

        #[test]
        fn infinite_values_are_greater_than_all(
            mut values in proptest::collection::vec(0_i64..10_000_000_000, 0..40), infinite in 0_usize..20, q in 0.0..=1.0_f64,
        ) {
            let found = Sketch::of(&values).quantile(at(q), infinite as u64);
            let exact = quantiles(&mut values, infinite, &[at(q)])[0];
            prop_assert_eq!(found.is_some(), exact.is_some());
            let (found, exact) = (found.unwrap_or(0.0), exact.unwrap_or(0.0));
            prop_assert_eq!(found.is_finite(), exact.is_finite());
            prop_assert!(!exact.is_finite() || (found - exact).abs() <= SKETCH_ERROR * exact + 1e-9, "{} {}", found, exact);
        }

        #[test]
        fn merged_parts_equal_the_whole(values in proptest::collection::vec(any::<i64>(), 0..100), cut in 0_usize..100) {
            let (left, right) = values.split_at(cut.min(values.len()));
            let whole = Sketch::of(&values);
            for (one, other) in [(left, right), (right, left)] {
                let mut merged = Sketch::of(one);
                merged.merge(&Sketch::of(other));
                prop_assert_eq!(&merged.counts, &whole.counts);
                prop_assert_eq!(merged.quantile(Quantile::P95, 0), whole.quantile(Quantile::P95, 0));
                let (ours, all) = (merged.moments.mean().unwrap_or(0.0), whole.moments.mean().unwrap_or(0.0));
                prop_assert!((ours - all).abs() <= 1e-12 * all.abs().max(1e19));
            }
            let restored = Sketch::from_parts(whole.moments, whole.bins());
            prop_assert_eq!(restored, Ok(whole));
        }
    }
}
