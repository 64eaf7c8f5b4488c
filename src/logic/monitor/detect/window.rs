//! The last values of a stream with their mean and spread, in two bytes each.
//!
//! A value is kept as its distance from a middle, in units of 1, 10, 100 ... nanoseconds: the finest in which all of
//! them fit, chosen anew whenever as many values have come as the window holds. So the error is less than one part in
//! 10,000 of the spread of the last windows, and the sums are integers, which accumulate no rounding error.

use std::collections::VecDeque;

/// The largest window: 2 KB.
pub(super) const MOST: u16 = 1_000;

/// The latest `size` values.
#[derive(Debug, Clone)]
pub(super) struct Window {
    size: usize,
    middle: i64,
    unit: i64,
    distances: VecDeque<i16>,
    sum: i64,
    squares: i64,
    /// Values since the unit was chosen.
    turn: usize,
}

impl Window {
    pub(super) fn new(size: u16) -> Self {
        Self {
            size: size.into(),
            middle: 0,
            unit: 1,
            distances: VecDeque::new(),
            sum: 0,
            squares: 0,
            turn: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.distances.len()
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        2 * self.distances.capacity()
    }

    pub(super) fn prefetch(&self) -> u64 {
        let oldest = self.distances.front().copied().unwrap_or_default();
        let newest = self.distances.back().copied().unwrap_or_default();
        (self.sum ^ self.middle).cast_unsigned() ^ u64::from((oldest ^ newest).unsigned_abs())
    }

    pub(super) fn push(&mut self, value: i64) {
        if self.distances.len() == self.size
            && let Some(oldest) = self.distances.pop_front().map(i64::from)
        {
            self.sum -= oldest;
            self.squares -= oldest * oldest;
        }
        self.turn += 1;
        let fits = self.distance(value).filter(|_| self.unit == 1 || self.turn < self.size);
        let distance = fits.unwrap_or_else(|| self.make_room_for(value));
        if self.distances.len() == self.distances.capacity() {
            let more = self.distances.len().clamp(4, (self.size - self.distances.len()).max(4));
            self.distances.reserve_exact(more);
        }
        self.distances.push_back(distance);
        let distance = i64::from(distance);
        self.sum += distance;
        self.squares += distance * distance;
    }

    /// The mean; 0 without values.
    pub(super) fn mean(&self) -> f64 {
        self.mean_of(self.distances.len(), self.sum)
    }

    /// The mean of the latest `most`; 0 without values.
    pub(super) fn mean_of_latest(&self, most: usize) -> f64 {
        let latest = self.distances.iter().rev().take(most);
        self.mean_of(latest.len(), latest.map(|distance| i64::from(*distance)).sum())
    }

    fn mean_of(&self, count: usize, sum: i64) -> f64 {
        if count == 0 { 0.0 } else { self.middle as f64 + sum as f64 / count as f64 * self.unit as f64 }
    }

    /// The standard deviation of these values as a population (divided by n), as the phi detectors have it.
    pub(super) fn deviation(&self) -> f64 {
        let n = i64::try_from(self.distances.len().max(1)).unwrap_or(i64::MAX);
        // n² times the variance, exactly: less than 2^50.
        let spread = n * self.squares - self.sum * self.sum;
        (spread as f64).sqrt() / n as f64 * self.unit as f64
    }

    fn distance(&self, value: i64) -> Option<i16> {
        let distance = i128::from(value) - i128::from(self.middle);
        i16::try_from(rounded(distance, self.unit.into())).ok()
    }

    /// Chooses the middle of all values and this one, and the finest unit in which they fit; returns its distance.
    fn make_room_for(&mut self, value: i64) -> i16 {
        let values: Vec<i128> = self
            .distances
            .iter()
            .map(|distance| i128::from(self.middle) + i128::from(*distance) * i128::from(self.unit))
            .collect();
        let least = values.iter().copied().min().unwrap_or(value.into()).min(value.into());
        let greatest = values.iter().copied().max().unwrap_or(value.into()).max(value.into());
        let middle = i64::try_from(i128::midpoint(least, greatest)).unwrap_or(value);
        let units = std::iter::successors(Some(1_i64), |unit| unit.checked_mul(10));
        let has_room = |unit: &i64| (greatest - least) / 2 / i128::from(*unit) < i128::from(i16::MAX);
        self.unit = units.into_iter().find(has_room).unwrap_or(1_000_000_000_000_000_000);
        self.middle = middle - middle % self.unit;
        (self.sum, self.squares, self.turn) = (0, 0, 0);
        for (place, value) in values.into_iter().enumerate() {
            let distance = rounded(value - i128::from(self.middle), self.unit.into());
            let distance = i16::try_from(distance).unwrap_or(i16::MAX);
            self.distances[place] = distance;
            self.sum += i64::from(distance);
            self.squares += i64::from(distance) * i64::from(distance);
        }
        self.distance(value).unwrap_or(i16::MAX)
    }
}

fn rounded(distance: i128, unit: i128) -> i128 {
    (distance + distance.signum() * unit / 2) / unit
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the exact values: off by less than a part in 10,000 of the spread of the last three turns.
        #[test]
        fn it_is_as_good_as_the_exact_values(
            size in 2_u16..40,
            values in prop::collection::vec(prop_oneof![any::<i64>(), -1_000_000_i64..1_000_000, 0_i64..10], 1..200),
        ) {
            let mut window = Window::new(size);
            for (place, value) in values.iter().enumerate() {
                window.push(*value);
                let first = (place + 1).saturating_sub(size.into());
                let exact = &values[first..=place];
                let near = &values[first.saturating_sub(2 * usize::from(size))..=place];
                let spread = near.iter().max().map_or(0.0, |most| *most as f64)
                    - near.iter().min().map_or(0.0, |least| *least as f64);
                let n = exact.len() as f64;
                let mean = exact.iter().map(|value| *value as f64).sum::<f64>() / n;
                let deviation =
                    (exact.iter().map(|value| (*value as f64 - mean).powi(2)).sum::<f64>() / n).sqrt();
                let most = spread / 10_000.0 + 1e-9 * mean.abs() + 1e-6;
                prop_assert!((window.mean() - mean).abs() <= most, "{} {mean}", window.mean());
                let few = &exact[exact.len().saturating_sub(3)..];
                let latest = few.iter().map(|value| *value as f64).sum::<f64>() / few.len() as f64;
                prop_assert!((window.mean_of_latest(3) - latest).abs() <= most + 1e-9 * latest.abs());
                prop_assert!((window.deviation() - deviation).abs() <= most, "{} {deviation}", window.deviation());
            }
        }
    }
}
