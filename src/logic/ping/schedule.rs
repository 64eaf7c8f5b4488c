//! When pings are due: evenly, at random, or several at a time.

use std::fmt;
use std::str::FromStr;

use crate::logic::link::exponential;
use crate::logic::random::Effect;
use crate::logic::text::Probability;
use crate::logic::{Invalid, Nanos};

const EXPECTED: &str = "\"isochronous\", \"poisson\", \"uniform\" (or how far gaps differ from the interval: \
                        \"uniform:10%\"), \"pair\" or \"train:10\" (2 to 1000 pings back to back)";
const LONGEST_TRAIN: u64 = 1_000;

impl Effect {
    /// How long after a ping the next is due.
    pub const PACE: Self = Self::new(3);
}

/// How pings are spread over time; the interval is the mean of the gaps, or the time from train to train.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Schedule(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Kind {
    /// One every interval (RFC 3432).
    #[default]
    Isochronous,
    /// Gaps are exponential, so that pings are not synchronized with anything (RFC 2330, section 11.1.1).
    Poisson,
    /// Gaps are uniform, and differ from the interval by this share of it at most.
    Uniform(Probability),
    /// So many back to back every interval.
    Train(u64),
}

impl Schedule {
    /// How many pings are due every interval, on average.
    pub fn pings_at_once(&self) -> i64 {
        if let Kind::Train(length) = self.0 { length.cast_signed() } else { 1 }
    }

    /// When the ping after `index` (from 0) is due, which itself was due at `due`.
    pub(super) fn next(
        &self,
        start: Nanos,
        interval: Nanos,
        index: u64,
        due: Nanos,
        uniform: impl FnOnce() -> u64,
    ) -> Nanos {
        let slot = |slot: u64| {
            start.saturating_add(interval.saturating_mul(Nanos::try_from(slot).unwrap_or(Nanos::MAX)))
        };
        match self.0 {
            Kind::Isochronous => slot(index + 1),
            Kind::Train(length) => slot((index + 1) / length),
            Kind::Poisson => due.saturating_add(exponential(interval, uniform())),
            Kind::Uniform(share) => due.saturating_add(around(interval, share, uniform())),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a share of a day at most")]
fn around(interval: Nanos, share: Probability, uniform: u64) -> Nanos {
    let most = (interval as f64 * share.as_f64()).floor() as Nanos;
    let times = u128::from(most.unsigned_abs()) * 2 + 1;
    let above = (u128::from(uniform) * times) >> u64::BITS;
    (interval - most).saturating_add(Nanos::try_from(above).unwrap_or(most))
}

impl FromStr for Schedule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid::new("schedule", format!("{text:?}"), EXPECTED);
        let (word, value) = match text.trim().split_once(':') {
            Some((word, value)) => (word.trim_end(), Some(value.trim())),
            None => (text.trim(), None),
        };
        Ok(Self(match (word, value) {
            ("isochronous", None) => Kind::Isochronous,
            ("poisson", None) => Kind::Poisson,
            ("uniform", share) => Kind::Uniform(share.unwrap_or("1").parse().map_err(|_| refuse())?),
            ("pair", None) => Kind::Train(2),
            ("train", Some(length)) => {
                let length = length.parse().ok().filter(|length| (2..=LONGEST_TRAIN).contains(length));
                Kind::Train(length.ok_or_else(refuse)?)
            }
            _ => return Err(refuse()),
        }))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Isochronous => f.write_str("isochronous"),
            Kind::Poisson => f.write_str("poisson"),
            Kind::Uniform(share) if share.as_f64() < 1.0 => write!(f, "uniform:{share}"),
            Kind::Uniform(_) => f.write_str("uniform"),
            Kind::Train(2) => f.write_str("pair"),
            Kind::Train(length) => write!(f, "train:{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::SECOND;
    use crate::logic::random::{Direction, Uniforms};

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap()
    }

    /// The times at which `count` pings are due, from 0, with an interval of one second.
    fn times(text: &str, count: u64, seed: u64) -> Vec<Nanos> {
        let uniforms = Uniforms::new(seed);
        let mut due = vec![0];
        for index in 0..count - 1 {
            let uniform = || uniforms.draw(Direction::Up, 0, Effect::PACE, index);
            let last = due[due.len() - 1];
            due.push(schedule(text).next(0, SECOND, index, last, uniform));
        }
        due
    }

    fn gaps(text: &str, count: u64, seed: u64) -> Vec<f64> {
        times(text, count, seed).windows(2).map(|pair| (pair[1] - pair[0]) as f64 / SECOND as f64).collect()
    }

    /// The greatest distance between the distribution of `values` and `cdf` (Kolmogorov and Smirnov), times sqrt(n).
    fn distance(values: &mut [f64], cdf: impl Fn(f64) -> f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let apart = |(i, x): (usize, &f64)| (cdf(*x) - i as f64 / n).max((i + 1) as f64 / n - cdf(*x));
        values.iter().enumerate().map(apart).fold(0.0, f64::max) * n.sqrt()
    }

    /// What a sample of the right distribution exceeds once in a million times.
    const FAR: f64 = 2.7;

    #[test]
    fn poisson_gaps_are_exponential_and_independent_of_each_other() {
        let mut gaps = gaps("poisson", 20_000, 7);
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 5.0 / (gaps.len() as f64).sqrt(), "{mean}");
        let product =
            gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / gaps.len() as f64;
        assert!(product.abs() < 5.0 / (gaps.len() as f64).sqrt(), "{product}");
        let far = distance(&mut gaps, |x| 1.0 - (-x).exp());
        assert!(far < FAR, "{far}");
        assert!(distance(&mut gaps, |x| 1.0 - (-1.1 * x).exp()) > FAR, "the test can tell");
    }

    #[test]
    fn uniform_gaps_are_uniform_around_the_interval() {
        let far = distance(&mut gaps("uniform", 20_000, 7), |x| (x / 2.0).clamp(0.0, 1.0));
        assert!(far < FAR, "{far}");
        let far = distance(&mut gaps("uniform:10%", 20_000, 7), |x| ((x - 0.9) / 0.2).clamp(0.0, 1.0));
        assert!(far < FAR, "{far}");
    }

    #[test]
    fn trains_leave_on_the_grid_all_at_once() {
        let seconds = |text, count| times(text, count, 0).iter().map(|t| t / SECOND).collect::<Vec<_>>();
        assert_eq!(seconds("isochronous", 4), [0, 1, 2, 3]);
        assert_eq!(seconds("pair", 5), [0, 0, 1, 1, 2]);
        assert_eq!(seconds("train:3", 7), [0, 0, 0, 1, 1, 1, 2]);
    }

    #[test]
    fn invalid_schedules_are_refused_with_the_valid_forms() {
        for text in [
            "",
            "Poisson",
            "poisson:2",
            "uniform:",
            "uniform:110%",
            "train",
            "train:1",
            "train:1001",
            "pair:2",
        ] {
            let refused = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(refused.contains(&format!("{text:?}")) && refused.contains("train:10"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in "isochronous|poisson|uniform|uniform:[1-9]?[0-9]%|pair|train:[2-9][0-9]?") {
            let read = schedule(&text);
            prop_assert_eq!(schedule(&read.to_string()), read);
        }

        #[test]
        fn no_ping_is_due_before_the_last(text in "isochronous|poisson|uniform(:[0-9]{2}%)?|train:[2-9]", seed: u64) {
            prop_assert!(times(&text, 200, seed).is_sorted());
            prop_assert_eq!(times(&text, 200, seed), times(&text, 200, seed), "the seed decides");
        }

        #[test]
        fn no_interval_is_too_long(text in "isochronous|poisson|uniform|pair", interval: i64, index in 0..u64::MAX - 1, due: i64, uniform: u64) {
            let interval = interval.unsigned_abs().cast_signed().saturating_abs();
            schedule(&text).next(0, interval, index, due.saturating_abs(), || uniform);
        }
    }
}
