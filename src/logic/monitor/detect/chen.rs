//! Chen, Toueg and Aguilera's NFD-E ("On the quality of service of failure detectors", IEEE Transactions on Computers 51, 2002),
//! and 2W-FD, which follows from it (Tomsic, Sens, Garcia, Arantes and Sopena, IPDPS 2015).
//!
//! The next heartbeat is expected at EA = S + interval + mean(A - S), with S the time at which the latest was sent and
//! the mean taken over the latest arrivals; the deadline is a margin after that. The delay of one
//! heartbeat moves the deadline through the mean alone. The mean lags behind a sender whose clock drifts: by 50 ms at
//! 100 ppm, with one heartbeat a second and a window of 1,000. 2W-FD takes the later of two such times: over a long window,
//! and over a short one, which follows a path that becomes slower at once.

use std::fmt;

use super::window::{self, Window};
use super::{Beat, option, saturated, window_size};
use crate::logic::Nanos;
use crate::logic::text::{HOUR, Time, duration};

/// Suspects `margin` after the expected arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chen {
    margin: Nanos,
    window: u16,
    /// The short window of 2W-FD.
    short: Option<u16>,
}

impl Chen {
    pub(super) fn watch(self, interval: Nanos) -> Watch {
        Watch {
            margin: self.margin,
            interval,
            origin: None,
            latest: 0,
            offsets: Window::new(self.window),
            short: self.short,
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = "chen:2s or chen:2s,window=1000: the margin, a time up to 1 hour, and how many arrivals are remembered";
        Self::options(text, None, expected)
    }

    pub(super) fn read_two_windows(text: &str) -> Result<Self, String> {
        let expected = "2w-fd:2s or 2w-fd:2s,short=1,window=1000: the margin, a time up to 1 hour, and how many arrivals \
                        each window has: the short one 1 at least, and fewer than the other";
        let two = Self::options(text, Some(1), expected)?;
        if two.short < Some(two.window) { Ok(two) } else { Err(expected.into()) }
    }

    fn options(text: &str, short: Option<u16>, expected: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let margin = parts.next().and_then(duration).filter(|margin| *margin <= HOUR).ok_or(expected)?;
        let mut chen = Self { margin, window: window::MOST, short };
        for part in parts {
            match option(part) {
                Some(("window", size)) => chen.window = window_size(size)?,
                Some(("short", size)) if short.is_some() => {
                    chen.short = Some(size.parse().ok().filter(|size| *size > 0).ok_or(expected)?);
                }
                _ => return Err(expected.into()),
            }
        }
        Ok(chen)
    }
}

impl fmt::Display for Chen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.short.is_some() { "2w-fd" } else { "chen" };
        write!(f, "{name}:{}", Time(self.margin))?;
        if let Some(short) = self.short.filter(|short| *short != 1) {
            write!(f, ",short={short}")?;
        }
        if self.window != window::MOST {
            write!(f, ",window={}", self.window)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Watch {
    margin: Nanos,
    interval: Nanos,
    /// The first heartbeat; numbers and times count from it.
    origin: Option<Beat>,
    /// When the latest was sent, counted from the first.
    latest: Nanos,
    /// How much later than on a schedule from the first one each arrived.
    offsets: Window,
    short: Option<u16>,
}

impl Watch {
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.offsets.memory()
    }

    pub(super) fn prefetch(&self) -> u64 {
        self.offsets.prefetch()
    }

    pub(super) fn learn(&mut self, beat: Beat) {
        let origin = *self.origin.get_or_insert(beat);
        let sent = i128::from(beat.sent) - i128::from(origin.sent);
        self.offsets.push(saturated(i128::from(beat.at) - i128::from(origin.at) - sent));
        self.latest = self.latest.max(saturated(sent));
    }

    #[expect(clippy::cast_possible_truncation, reason = "a mean of times is a time")]
    pub(super) fn deadline(&self) -> Nanos {
        let start = self.origin.map_or(0, |origin| i128::from(origin.at));
        let due = i128::from(self.latest) + i128::from(self.interval);
        let mean = self.offsets.mean();
        let mean = self.short.map_or(mean, |short| mean.max(self.offsets.mean_of_latest(short.into())));
        saturated(start + due + mean.round() as i128 + i128::from(self.margin))
    }
}
