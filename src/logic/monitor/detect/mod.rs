//! Failure detectors: how long a sender of heartbeats may be silent before it is suspected.
//!
//! A [`Detector`] is the configuration, read from a text such as `calibrated:1 per 30 days`. Its [`Watch`] follows one
//! sender: it computes the deadlines from the number and the time of arrival of each heartbeat. It reads no clock, so a
//! month of heartbeats is simulated in a second.
//!
//! Only a *fresh* heartbeat, with a higher number than any before, extends the deadline: one that was overtaken
//! does not show that the sender is still up.

mod calibrated;
mod chain;
mod chen;
mod deviations;
mod fixed;
mod phi;
mod pool;
mod rate;
mod silences;
mod tally;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;
use std::str::FromStr;

pub use calibrated::{Calibrated, Forecast};
pub use chain::MOST_SILENT;
pub use chen::Chen;
pub use fixed::Fixed;
pub use phi::Phi;
pub use pool::{Pool, Share};
pub use rate::{Rate, Unit};
pub use tally::Tally;

use crate::logic::codec::heartbeat::INTERVALS;
use crate::logic::{Invalid, Nanos};

const EXPECTED: &str = "fixed:3 (misses), phi:8 (threshold), chen:2s or 2w-fd:2s (safety margin) or calibrated:1 per 30 days (false alarms)";

/// One heartbeat as it arrived. The sequence number goes up by one for each that is sent; none is passed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// The number that the sender gave it.
    pub seq: u64,
    /// When it left by a clock of the sender, whose origin does not matter.
    pub sent: Nanos,
    /// When it arrived.
    pub at: Nanos,
}

/// A rule for when silence becomes suspicious.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detector {
    /// So many intervals without a heartbeat.
    Fixed(Fixed),
    /// Phi accrual: silence that is improbable by a normal fit of the times between arrivals.
    Phi(Phi),
    /// Chen's NFD-E or 2W-FD: a margin after the time at which the next heartbeat is expected.
    Chen(Chen),
    /// Silence that is as improbable as the promised rate of false alarms requires, losses included.
    Calibrated(Calibrated),
}

impl Detector {
    /// Three misses, which are valid for every interval.
    pub fn plain() -> Self {
        Self::Fixed(Fixed::default())
    }

    /// Heartbeats of a sender from which it learns what decides on its deadlines; 0 if it learns nothing.
    pub fn lessons(&self) -> u64 {
        match self {
            Self::Fixed(_) | Self::Chen(_) => 0,
            Self::Phi(phi) => phi.lessons(),
            Self::Calibrated(_) => calibrated::LESSONS,
        }
    }

    /// A watch over a sender whose heartbeats are `interval` apart.
    pub fn watch(&self, interval: Nanos) -> Result<Watch, Invalid> {
        if !INTERVALS.contains(&interval) {
            return Err(Invalid::new("interval", format!("{interval} ns"), "from 1 ms to 1 day"));
        }
        let state = match self {
            Self::Fixed(fixed) => State::Fixed(fixed.silence(interval)),
            Self::Phi(phi) => State::Phi(phi.watch(interval)),
            Self::Chen(chen) => State::Chen(chen.watch(interval)),
            Self::Calibrated(calibrated) => State::Calibrated(calibrated.watch(interval)?),
        };
        Ok(Watch { interval, last: None, tally: Tally::default(), state })
    }
}

/// A detector that follows one sender. It takes 2.5 KB at most: a window of 1,000 times, or 941 counts.
#[derive(Debug, Clone)]
pub struct Watch {
    interval: Nanos,
    /// The highest number, and the deadlines after it.
    last: Option<(u64, Deadlines)>,
    pub(super) tally: Tally,
    state: State,
}

/// The deadlines of the next heartbeat, each inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Until then it is on time.
    pub late: Nanos,
    /// Until then it is late, which is common.
    pub suspect: Nanos,
    /// Until then its sender is suspect; after that it is down.
    pub down: Nanos,
}

impl Deadlines {
    /// For detectors that know only the last of the three: late after half an interval, suspect half way.
    fn before(down: Nanos, latest: Nanos, interval: Nanos) -> Self {
        let late = latest.saturating_add(interval + interval / 2).min(down);
        Self { late, suspect: late + down.saturating_sub(late) / 2, down }
    }

    /// The same for a sender that is often silent for `usual` after a heartbeat that arrived at `at`.
    pub(super) fn after_at_least(self, at: Nanos, usual: Nanos) -> Self {
        let after = |quarters: Nanos| at.saturating_add((usual / 4).saturating_mul(quarters));
        Self {
            late: self.late.max(after(5)),
            suspect: self.suspect.max(after(6)),
            down: self.down.max(after(8)),
        }
    }
}

#[derive(Debug, Clone)]
enum State {
    Fixed(Nanos),
    Phi(phi::Watch),
    Chen(chen::Watch),
    Calibrated(calibrated::Watch),
}

impl Watch {
    /// Takes a heartbeat, in the order of arrival.
    pub fn beat(&mut self, beat: Beat) {
        self.beat_among(beat, None);
    }

    /// The same for one of many senders.
    pub fn beat_among(&mut self, beat: Beat, share: Option<Share<'_>>) {
        let latest = self.last.map(|(latest, _)| latest);
        let fresh = latest.is_none_or(|latest| beat.seq > latest);
        let simple = |down| Deadlines::before(down, beat.at, self.interval);
        let deadlines = match &mut self.state {
            State::Chen(watch) => {
                watch.learn(beat);
                simple(watch.deadline())
            }
            _ if !fresh => return,
            State::Fixed(silence) => simple(beat.at.saturating_add(*silence)),
            State::Phi(watch) => simple(watch.fresh(beat, self.last.map(|(_, deadlines)| deadlines.down))),
            State::Calibrated(watch) => {
                watch.fresh(beat, self.last.map(|(latest, deadlines)| (latest, deadlines.down)), share)
            }
        };
        self.last = Some((latest.map_or(beat.seq, |latest| latest.max(beat.seq)), deadlines));
    }

    /// Notes that its sender was watched for so long, with the deadlines as they are.
    pub(super) fn watched(&mut self, span: Nanos) {
        let forecast = self.forecast();
        self.tally.watch(span, forecast);
    }

    /// How many heartbeats it needs before it has learned enough.
    pub fn to_learn(&self) -> u64 {
        match &self.state {
            State::Fixed(_) | State::Chen(_) => 0,
            State::Phi(watch) => watch.to_learn(),
            State::Calibrated(watch) => watch.to_learn(),
        }
    }

    /// What it has learned, as text; `None` if that is nothing that lasts.
    pub(super) fn learned(&self) -> Option<String> {
        match &self.state {
            State::Calibrated(watch) => Some(watch.learned()),
            State::Phi(watch) => Some(watch.learned()),
            State::Fixed(_) | State::Chen(_) => None,
        }
    }

    /// Takes up what another of the same kind has learned; returns whether it could.
    pub(super) fn take_up(&mut self, learned: &str, pool: &mut Pool) -> bool {
        let taken = match &mut self.state {
            State::Calibrated(watch) => watch.take_up(learned, pool),
            State::Phi(watch) => watch.take_up(learned),
            State::Fixed(_) | State::Chen(_) => None,
        };
        taken.is_some()
    }

    /// Goes on with another session of the sender, whose numbers and clock may begin anew; returns whether it keeps what
    /// it has learned. Of the others, only one that learns for a week has much to lose.
    pub(in crate::logic) fn restart(&mut self) -> bool {
        let State::Calibrated(watch) = &mut self.state else { return false };
        watch.restart();
        self.last = None;
        true
    }

    /// Loads each of its cache lines.
    pub(super) fn prefetch(&self) -> u64 {
        let state = match &self.state {
            State::Fixed(silence) => silence.cast_unsigned(),
            State::Phi(watch) => watch.prefetch(),
            State::Chen(watch) => watch.prefetch(),
            State::Calibrated(watch) => watch.prefetch(),
        };
        state ^ self.interval.cast_unsigned() ^ u64::from(self.last.is_some())
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        match &self.state {
            State::Fixed(_) => 0,
            State::Phi(watch) => watch.memory(),
            State::Chen(watch) => watch.memory(),
            State::Calibrated(watch) => watch.memory(),
        }
    }

    /// The time between two heartbeats.
    pub fn interval(&self) -> Nanos {
        self.interval
    }

    /// The deadlines; `None` before the first heartbeat.
    pub fn deadlines(&self) -> Option<Deadlines> {
        self.last.map(|(_, deadlines)| deadlines)
    }

    /// The time after which the sender is down; `None` before the first heartbeat.
    pub fn deadline(&self) -> Option<Nanos> {
        self.last.map(|(_, deadlines)| deadlines.down)
    }

    /// The forecast of a calibrated detector; `None` for the others.
    pub fn forecast(&self) -> Option<Forecast> {
        match &self.state {
            State::Calibrated(watch) => Some(watch.forecast()),
            _ => None,
        }
    }
}

impl FromStr for Detector {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = match text.trim().split_once(':') {
            Some(("fixed", misses)) => Fixed::read(misses).map(Self::Fixed),
            Some(("phi", options)) => Phi::read(options).map(Self::Phi),
            Some(("chen", options)) => Chen::read(options).map(Self::Chen),
            Some(("2w-fd", options)) => Chen::read_two_windows(options).map(Self::Chen),
            Some(("calibrated", rate)) => rate
                .parse()
                .map(|rate| Self::Calibrated(Calibrated::new(rate)))
                .map_err(|Invalid { expected, .. }| expected),
            None => match text.trim() {
                "fixed" => Ok(Self::plain()),
                "phi" => Phi::read("8").map(Self::Phi),
                "calibrated" => Ok(Self::Calibrated(Calibrated::default())),
                _ => Err(EXPECTED.into()),
            },
            _ => Err(EXPECTED.into()),
        };
        parsed.map_err(|expected| Invalid::quoted("detector", text, expected))
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(fixed) => write!(f, "fixed:{fixed}"),
            Self::Phi(phi) => write!(f, "phi:{phi}"),
            Self::Chen(chen) => chen.fmt(f),
            Self::Calibrated(calibrated) => write!(f, "calibrated:{}", calibrated.false_alarms()),
        }
    }
}

/// `key=value` after the first value of a detector.
fn option(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
}

/// A window of 2 to 1,000 values.
fn window_size(text: &str) -> Result<u16, String> {
    let expected = || "window=n with a whole number n from 2 to 1000".to_owned();
    text.parse().ok().filter(|size| (2..=window::MOST).contains(size)).ok_or_else(expected)
}

/// The nearest time.
fn saturated(nanos: i128) -> Nanos {
    Nanos::try_from(nanos).unwrap_or(if nanos < 0 { Nanos::MIN } else { Nanos::MAX })
}
