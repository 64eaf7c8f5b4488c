//! The phi accrual detector (Hayashibara and others, SRDS 2004): phi = -log10 P(an interval is longer than this).
//!
//! The intervals between fresh arrivals are taken as normal, with the exact tail (the logistic one that is often
//! used is off by an order of magnitude at phi 8). The window begins with two intervals, of 3/4 and
//! 5/4 of the planned one; an interval that ends after the deadline is left out.

use std::fmt;

use super::window::{self, Window};
use super::{Beat, option, window_size};
use crate::logic::special::normal_quantile_above;
use crate::logic::text::{HOUR, Time, duration};
use crate::logic::{Nanos, SECOND};

/// Intervals whose deviation is near the true one.
const LESSONS: u64 = 100;

/// Suspects when phi reaches `threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phi {
    threshold: f64,
    window: u16,
    /// The least standard deviation; `None` is 100 ms, or a tenth of the interval if that is more.
    min_std: Option<Nanos>,
    /// Added to the mean: a pause that is not suspicious.
    pause: Nanos,
}

impl Phi {
    pub(super) fn lessons(&self) -> u64 {
        LESSONS.min(self.window.into())
    }

    pub(super) fn watch(&self, interval: Nanos) -> Watch {
        let mut intervals = Window::new(self.window);
        intervals.push(interval - interval / 4);
        intervals.push(interval + interval / 4);
        Watch {
            deviations: normal_quantile_above(10_f64.powf(-self.threshold)),
            min_std: self.min_std.unwrap_or((SECOND / 10).max(interval / 10)) as f64,
            pause: self.pause as f64,
            lessons: self.lessons(),
            intervals,
            last: None,
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = "phi:8 or phi:8,window=1000,min_std=100ms,pause=3s: the threshold from 0.5 to 300, how many \
                        intervals are remembered, their least standard deviation and a pause that is not suspicious";
        let mut parts = text.split(',');
        let threshold = parts.next().and_then(|threshold| threshold.trim().parse().ok());
        let threshold = threshold.filter(|phi| (0.5..=300.0).contains(phi)).ok_or(expected)?;
        let mut phi = Self { threshold, window: window::MOST, min_std: None, pause: 0 };
        let time = |text| duration(text).filter(|time| *time <= HOUR).ok_or(expected);
        for part in parts {
            match option(part) {
                Some(("window", size)) => phi.window = window_size(size)?,
                Some(("min_std", least)) => phi.min_std = Some(time(least)?),
                Some(("pause", pause)) => phi.pause = time(pause)?,
                _ => return Err(expected.into()),
            }
        }
        Ok(phi)
    }
}

impl fmt::Display for Phi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.threshold)?;
        if self.window != window::MOST {
            write!(f, ",window={}", self.window)?;
        }
        if let Some(least) = self.min_std {
            write!(f, ",min_std={}", Time(least))?;
        }
        if self.pause != 0 {
            write!(f, ",pause={}", Time(self.pause))?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// How many standard deviations above the mean phi reaches the threshold.
    deviations: f64,
    min_std: f64,
    pause: f64,
    lessons: u64,
    intervals: Window,
    last: Option<Nanos>,
}

impl Watch {
    pub(super) fn to_learn(&self) -> u64 {
        self.lessons.saturating_sub(self.intervals.len() as u64)
    }

    /// How many intervals it remembers, their mean and their deviation.
    pub(super) fn learned(&self) -> String {
        format!("phi {} {} {}", self.intervals.len(), self.intervals.mean(), self.intervals.deviation())
    }

    /// Takes up what another has learned: as many intervals with the same mean and deviation.
    #[expect(clippy::cast_possible_truncation, reason = "a time that is too large becomes the largest one")]
    pub(super) fn take_up(&mut self, learned: &str) -> Option<()> {
        let mut parts = learned.strip_prefix("phi ")?.split(' ');
        let count = parts.next()?.parse().ok().filter(|count: &u16| *count <= window::MOST)?;
        let mut number = || parts.next()?.parse::<f64>().ok().filter(|number| (0.0..1e15).contains(number));
        let (mean, deviation) = (number()?, number()?);
        for index in 0..count {
            let value = if index % 2 == 0 { mean + deviation } else { mean - deviation };
            self.intervals.push(value.round() as Nanos);
        }
        Some(())
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.intervals.memory()
    }

    pub(super) fn prefetch(&self) -> u64 {
        self.intervals.prefetch()
    }

    /// Learns from a heartbeat and returns the deadline.
    #[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest time")]
    pub(super) fn fresh(&mut self, beat: Beat, deadline: Option<Nanos>) -> Nanos {
        let in_time = deadline.is_some_and(|deadline| beat.at <= deadline);
        if let Some(last) = self.last.filter(|_| in_time) {
            self.intervals.push(beat.at.saturating_sub(last));
        }
        self.last = Some(beat.at);
        let spread = self.intervals.deviation().max(self.min_std);
        let silence = self.intervals.mean() + self.pause + self.deviations * spread;
        beat.at.saturating_add(silence.round() as Nanos)
    }
}
