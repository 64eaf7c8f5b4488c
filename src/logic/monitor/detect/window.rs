//! The last values of a stream with their mean and spread: whole numbers, so nothing drifts or cancels.

use std::collections::VecDeque;

/// The largest window: 8 KB.
pub(super) const MOST: u16 = 1_000;

/// The latest `size` values.
#[derive(Debug, Clone)]
pub(super) struct Window {
    size: usize,
    values: VecDeque<i64>,
    sum: i128,
    squares: i128,
}

impl Window {
    pub(super) fn new(size: u16) -> Self {
        Self { size: size.into(), values: VecDeque::new(), sum: 0, squares: 0 }
    }

    pub(super) fn push(&mut self, value: i64) {
        if self.values.len() == self.size {
            let oldest = self.values.pop_front().unwrap_or(0);
            self.sum -= i128::from(oldest);
            self.squares = self.squares.saturating_sub(square(oldest));
        }
        self.values.push_back(value);
        self.sum += i128::from(value);
        self.squares = self.squares.saturating_add(square(value));
    }

    /// The mean; 0 without values.
    pub(super) fn mean(&self) -> f64 {
        if self.values.is_empty() { 0.0 } else { self.sum as f64 / self.values.len() as f64 }
    }

    /// The standard deviation of these values as a population (divided by n), as the phi detectors have it.
    pub(super) fn deviation(&self) -> f64 {
        let n = self.values.len().max(1) as i128;
        // n² times the variance, exactly.
        let spread = n.saturating_mul(self.squares).saturating_sub(self.sum.saturating_mul(self.sum));
        (spread.max(0) as f64).sqrt() / n as f64
    }
}

fn square(value: i64) -> i128 {
    i128::from(value) * i128::from(value)
}
