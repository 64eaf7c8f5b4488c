//! How far from their expected time heartbeats arrive: counts in buckets that are 3 % wide.
//!
//! 0.1 ms to 100 s, early and late alike. When there are 1,000,000 samples every count is halved: a promise of one in
//! 100,000 heartbeats then rests on the ten latest of them. Beyond the latest one the tail falls with the square of the
//! time. Counts are kept from the earliest to the latest bucket that was hit, two bytes each: some hundred bytes for
//! delays of milliseconds, and 2 KB at most.

use std::sync::LazyLock;

use crate::logic::Nanos;

const FINEST: Nanos = 100_000;
const COARSEST: Nanos = 100_000_000_000;
const MOST_SAMPLES: u32 = 1_000_000;
/// Buckets that are added at a time, so that a wider range is rarely made.
const STRIDE: usize = 16;

/// The upper bounds of all buckets but the last, which has none.
static BOUNDS: LazyLock<Vec<Nanos>> = LazyLock::new(|| {
    let next = |bound: &Nanos| Some(bound + bound * 3 / 100).filter(|bound| *bound <= COARSEST);
    let late: Vec<Nanos> = std::iter::successors(Some(FINEST), next).collect();
    late.iter().rev().map(|bound| -bound).chain(late.iter().copied()).collect()
});

/// Counts of deviations by bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct Deviations {
    /// The bucket that `counts` begins with, and the latest that was hit.
    first: usize,
    latest: usize,
    counts: Vec<u16>,
    /// The bucket of each count that overflowed, once for each time: 15 at most, as there are not more samples.
    carried: Vec<u16>,
    samples: u32,
}

impl Deviations {
    /// Counts one; returns whether it is later than all before.
    pub(super) fn add(&mut self, deviation: Nanos) -> bool {
        let bucket = BOUNDS.partition_point(|bound| *bound < deviation);
        self.reach(bucket);
        let count = &mut self.counts[bucket - self.first];
        *count = count.wrapping_add(1);
        if *count == 0 {
            self.carried.push(u16::try_from(bucket).unwrap_or(u16::MAX));
        }
        self.samples += 1;
        if self.samples >= MOST_SAMPLES {
            self.halve();
        }
        let is_latest = bucket > self.latest;
        self.latest = bucket.max(self.latest);
        is_latest
    }

    /// The buckets that were hit, and how often.
    pub(super) fn hits(&self) -> impl Iterator<Item = (usize, u32)> {
        (0..self.counts.len())
            .map(|place| (self.first + place, self.count(place)))
            .filter(|(_, count)| *count > 0)
    }

    /// Restores what [`Deviations::hits`] gave; `None` if that cannot be.
    pub(super) fn restored(hits: impl Iterator<Item = (usize, u32)>) -> Option<Self> {
        let mut all = Self::default();
        for (bucket, count) in hits {
            if bucket > BOUNDS.len() || count >= MOST_SAMPLES {
                return None;
            }
            all.reach(bucket);
            all.counts[bucket - all.first] = u16::try_from(count & 0xffff).ok()?;
            all.carried.extend((0..count >> 16).map(|_| u16::try_from(bucket).unwrap_or(u16::MAX)));
            all.samples += count;
            all.latest = all.latest.max(bucket);
            if all.samples >= MOST_SAMPLES {
                return None;
            }
        }
        Some(all)
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        2 * (self.counts.capacity() + self.carried.capacity())
    }

    /// Loads the count that is likely to change next.
    pub(super) fn prefetch(&self) -> u64 {
        self.counts.get(self.counts.len() / 2).copied().unwrap_or_default().into()
    }

    /// Makes room for a bucket.
    fn reach(&mut self, bucket: usize) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        let end = self.first + self.counts.len();
        if (self.first..end).contains(&bucket) {
            return;
        }
        let first = if bucket < self.first { bucket.saturating_sub(STRIDE) } else { self.first };
        let end = if bucket < end { end } else { (bucket + 1 + STRIDE).min(BOUNDS.len() + 1) };
        let mut counts = vec![0; end - first];
        counts[self.first - first..][..self.counts.len()].copy_from_slice(&self.counts);
        (self.first, self.counts) = (first, counts);
    }

    /// Halves from the latest on and carries each remainder to the next earlier one: the tail keeps its weight, and the
    /// latest bucket is not emptied.
    fn halve(&mut self) {
        let (mut odd, mut carried) = (1, Vec::new());
        self.samples = 0;
        for place in (0..self.counts.len()).rev() {
            let held = self.count(place) + odd;
            odd = held & 1;
            let [low, high] = [held >> 1 & 0xffff, held >> 17];
            self.counts[place] = u16::try_from(low).unwrap_or(u16::MAX);
            let bucket = u16::try_from(self.first + place).unwrap_or(u16::MAX);
            carried.extend((0..high).map(|_| bucket));
            self.samples += held >> 1;
        }
        self.carried = carried;
    }

    fn count(&self, place: usize) -> u32 {
        let carries =
            self.carried.iter().filter(|bucket| usize::from(**bucket) == self.first + place).count();
        u32::from(self.counts[place]) + (u32::try_from(carries).unwrap_or(0) << 16)
    }

    /// The share that was later than any given time.
    pub(super) fn tail(&self) -> Tail {
        // All are later than the bound before the first bucket.
        let first = self.first.saturating_sub(1);
        let places = self.first - first;
        let mut above = vec![0; self.latest.saturating_sub(first)];
        let mut later = 0;
        for (place, above) in above.iter_mut().enumerate().rev() {
            later += u32::from(self.counts[place + 1 - places]);
            *above = later;
        }
        for bucket in &self.carried {
            above[..usize::from(*bucket) - first].iter_mut().for_each(|above| *above += 1 << 16);
        }
        let share = 1.0 / f64::from(self.samples.max(1));
        let (last, bound) = above
            .last()
            .map_or((1.0, BOUNDS[0]), |last| (f64::from(*last) * share, BOUNDS[first + above.len() - 1]));
        Tail { first, above, share, bound, last }
    }
}

/// The probability that a heartbeat is later than a time.
#[derive(Debug)]
pub(super) struct Tail {
    /// The index of a bound, and how many were later than it and than each one after it.
    first: usize,
    above: Vec<u32>,
    /// The share of one sample.
    share: f64,
    /// The last bound that any was later than, and the share that was: the tail falls from there.
    bound: Nanos,
    last: f64,
}

impl Tail {
    /// The probability that a heartbeat that arrives does so later than `deviation`.
    pub(super) fn beyond(&self, deviation: Nanos) -> f64 {
        if deviation > self.bound {
            return self.last * fall(self.bound.max(FINEST), deviation);
        }
        if deviation <= BOUNDS[self.first] {
            return 1.0;
        }
        let bucket = BOUNDS.partition_point(|bound| *bound < deviation);
        let (low, high) = (BOUNDS[bucket - 1], BOUNDS[bucket]);
        let part = (deviation - low) as f64 / (high - low) as f64;
        let place = bucket - self.first;
        let (before, behind) = (f64::from(self.above[place - 1]), f64::from(self.above[place]));
        (before + (behind - before) * part) * self.share
    }

    /// The time that this share of heartbeats exceeds, from a nanosecond to `longest`.
    #[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest time")]
    pub(super) fn quantile(&self, share: f64, longest: Nanos) -> Nanos {
        let place = self.above.partition_point(|above| f64::from(*above) * self.share > share);
        let time = if place == self.above.len() {
            self.bound.max(FINEST) as f64 * (self.last / share).sqrt()
        } else if place == 0 {
            0.0
        } else {
            let (low, high) = (BOUNDS[self.first + place - 1], BOUNDS[self.first + place]);
            let (before, behind) = (f64::from(self.above[place - 1]), f64::from(self.above[place]));
            low as f64 + (before - share / self.share) / (before - behind) * (high - low) as f64
        };
        (time.ceil() as Nanos).clamp(1, longest)
    }

    /// Up to this time the tail is 1.
    pub(super) fn earliest() -> Nanos {
        BOUNDS[0]
    }
}

/// A tail of exponent 2 from `from` on.
fn fall(from: Nanos, deviation: Nanos) -> f64 {
    if deviation <= from { 1.0 } else { (from as f64 / deviation as f64).powi(2) }
}
