//! How far from their expected time heartbeats arrive: counts in buckets that are 3 % wide.
//!
//! 0.1 ms to 100 s, early and late alike; 940 counts of 4 bytes. When there are 1,000,000 samples every count is
//! halved: a promise of one in 100,000 heartbeats is kept by the ten latest of them. Beyond what was seen the tail falls with the square of the time.

use std::sync::LazyLock;

use crate::logic::Nanos;

const FINEST: Nanos = 100_000;
const COARSEST: Nanos = 100_000_000_000;
const MOST_SAMPLES: u32 = 1_000_000;

/// The upper bounds of all buckets but the last, which has none.
static BOUNDS: LazyLock<Vec<Nanos>> = LazyLock::new(|| {
    let next = |bound: &Nanos| Some(bound + bound * 3 / 100).filter(|bound| *bound <= COARSEST);
    let late: Vec<Nanos> = std::iter::successors(Some(FINEST), next).collect();
    late.iter().rev().map(|bound| -bound).chain(late.iter().copied()).collect()
});

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Deviations {
    counts: Box<[u32]>,
    samples: u32,
}

impl Deviations {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BOUNDS.len() + 1].into(), samples: 0 }
    }

    pub(super) fn add(&mut self, deviation: Nanos) {
        self.counts[BOUNDS.partition_point(|bound| *bound < deviation)] += 1;
        self.samples += 1;
        if self.samples >= MOST_SAMPLES {
            // From the latest on, odd ones handed down: the tail keeps its weight, and its end stays seen.
            let mut odd = 1;
            for count in self.counts.iter_mut().rev() {
                let held = *count + odd;
                (*count, odd) = (held >> 1, held & 1);
            }
            self.samples = self.counts.iter().sum();
        }
    }

    /// The share that was later than any given time.
    pub(super) fn tail(&self) -> Tail {
        let samples = f64::from(self.samples.max(1));
        let top = self.counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let mut above = vec![0.0; top];
        let mut later = 0;
        for bucket in (1..=top).rev() {
            later += self.counts[bucket];
            above[bucket - 1] = f64::from(later) / samples;
        }
        Tail { above }
    }
}

/// The probability that a heartbeat is later than a time, for the bounds up to the last bucket that holds any.
#[derive(Debug)]
pub(super) struct Tail {
    above: Vec<f64>,
}

impl Tail {
    /// The probability that a heartbeat that arrives does so later than `deviation`.
    pub(super) fn beyond(&self, deviation: Nanos) -> f64 {
        let bucket = BOUNDS.partition_point(|bound| *bound < deviation);
        let Some(&last) = self.above.last() else {
            return if bucket == 0 { 1.0 } else { fall(FINEST, deviation) };
        };
        if bucket >= self.above.len() {
            return last * fall(BOUNDS[self.above.len() - 1].max(FINEST), deviation);
        }
        if bucket == 0 {
            return 1.0;
        }
        let (low, high) = (BOUNDS[bucket - 1], BOUNDS[bucket]);
        let part = (deviation - low) as f64 / (high - low) as f64;
        self.above[bucket - 1] + (self.above[bucket] - self.above[bucket - 1]) * part
    }

    /// Before this every heartbeat is still to come.
    pub(super) fn earliest() -> Nanos {
        BOUNDS[0]
    }
}

/// A tail of exponent 2 from `from` on.
fn fall(from: Nanos, deviation: Nanos) -> f64 {
    if deviation <= from { 1.0 } else { (from as f64 / deviation as f64).powi(2) }
}
