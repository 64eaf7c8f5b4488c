//! Quantiles by one definition: linear between order statistics.
//!
//! It is definition 7 of Hyndman and Fan (1996), the default of numpy and R: of n ascending values, counted from 0, the
//! `q` quantile stands at `q (n - 1)`. So of one value every quantile is that value, of two the median is their mean,
//! and of none there is no quantile.

use crate::logic::Invalid;

/// A number from 0 to 1, inclusive: the share of the values that a quantile is to reach.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Quantile(f64);

impl Quantile {
    /// The 50 % quantile.
    pub const MEDIAN: Self = Self(0.5);
    /// The 95 % quantile.
    pub const P95: Self = Self(0.95);

    /// The `q` quantile.
    pub fn new(q: f64) -> Result<Self, Invalid> {
        if (0.0..=1.0).contains(&q) {
            return Ok(Self(q));
        }
        Err(Invalid::new("quantile", q, "a number from 0 to 1, such as 0.95"))
    }

    /// The share, from 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Where it stands among `count` ascending values: the index below, and how far it is to the next one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to the last index")]
    pub(super) fn place(self, count: usize) -> Option<(usize, f64)> {
        let last = count.checked_sub(1)?;
        let position = self.0 * last as f64;
        let below = position.floor();
        Some(((below as usize).min(last), position - below))
    }
}

/// The `q` quantile (0..=1) of ascending values. `None` without values.
pub fn quantile(ascending: &[i64], q: f64) -> Option<f64> {
    let (index, part) = Quantile(q).place(ascending.len())?;
    let low = ascending[index] as f64;
    let high = ascending[(index + 1).min(ascending.len() - 1)] as f64;
    Some(low + (high - low) * part)
}

/// Several quantiles of values in any order, by selection and in place: `values` are in another order afterwards.
///
/// `infinite` more values count as greater than all. A quantile that touches one of them is infinite. `None` without
/// any value at all.
pub fn quantiles(values: &mut [i64], infinite: usize, wanted: &[Quantile]) -> Vec<Option<f64>> {
    let count = values.len().saturating_add(infinite);
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].0.total_cmp(&wanted[*b].0));
    let mut found = vec![None; wanted.len()];
    let mut selection = Selection { values, settled: 0 };
    for index in order {
        found[index] = wanted[index].place(count).map(|(below, part)| {
            let low = selection.at(below);
            if part > 0.0 {
                let high = selection.at(below + 1);
                return if high.is_finite() { low + (high - low) * part } else { high };
            }
            low
        });
    }
    found
}

/// Finds order statistics in ascending order. No value before `settled` is greater than one from there on.
struct Selection<'a> {
    values: &'a mut [i64],
    settled: usize,
}

impl Selection<'_> {
    /// The value at `index` in sorted order. `index` is one of the last two that were found, or a greater one.
    fn at(&mut self, index: usize) -> f64 {
        if index >= self.values.len() {
            return f64::INFINITY;
        }
        if index >= self.settled {
            self.values[self.settled..].select_nth_unstable(index - self.settled);
            self.settled = index + 1;
        }
        self.values[index] as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::stats::close;
    use proptest::prelude::*;

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
    fn a_quantile_that_touches_an_infinite_value_is_infinite() {
        let at = |q| quantiles(&mut [2, 1, 3], 2, &[Quantile(q)])[0];
        assert_eq!(at(0.5), Some(3.0)); // the third of five, exactly
        assert_eq!(at(0.51), Some(f64::INFINITY));
        assert_eq!(at(0.25), Some(2.0));
        assert_eq!(quantiles(&mut [], 1, &[Quantile(0.0)]), [Some(f64::INFINITY)]);
        assert_eq!(quantiles(&mut [], 0, &[Quantile::MEDIAN]), [None]);
    }

    #[test]
    fn only_0_to_1_is_a_quantile() {
        for wrong in [-0.1, 1.1, 95.0, f64::NAN, f64::INFINITY] {
            assert!(Quantile::new(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn selection_agrees_with_sorting(
            mut values in proptest::collection::vec(any::<i64>(), 0..60),
            wanted in proptest::collection::vec(0.0..=1.0_f64, 0..8),
        ) {
            let wanted: Vec<_> = wanted.into_iter().map(Quantile).collect();
            let selected = quantiles(&mut values, 0, &wanted);
            values.sort_unstable();
            let sorted: Vec<_> = wanted.iter().map(|q| quantile(&values, q.0)).collect();
            prop_assert_eq!(selected, sorted);
        }
    }
}
