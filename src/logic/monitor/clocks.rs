//! The clocks of a sender against those of this machine.
//!
//! A heartbeat carries the time at which it was to be sent, by a wall clock, by a monotonic clock, by both or neither.
//! From these and the arrivals come a monotonic sending time, for the detectors; findings (a clock that was set is no
//! delay, a sender that paused no loss); and readings: difference, delay, drift and variation.
//!
//! [`Clocks`] takes 96 bytes. With the eighth heartbeat that has a time comes the envelope of the delays: well below
//! 1 KB as a rule, 1.2 KB at most. All numbers come from the network, so they saturate.

mod hull;
#[cfg(test)]
mod tests;

use self::hull::Envelope;
use super::niche::NicheI64;
use crate::logic::{DAY, Moment, Nanos, SECOND};

const MS: Nanos = SECOND / 1_000;

/// A wall clock that moves against the monotonic one beside it by more than so much, ...
const STEP: Nanos = 10 * MS;
/// ... and one part in so many of the time between, was set: the kernel slews it by 500 ppm at most.
const STEERED: Nanos = 1_000;
/// The least step that is found in a wall clock alone; half an interval, if that is more.
const STEP_ALONE: Nanos = 500 * MS;
/// A sender paused if it was silent for an interval and this much more, though no number is missing.
const PAUSE: Nanos = 100 * MS;
/// An average moves by one part in so many of the difference: of sending times that are guessed, ...
const GUESS: Nanos = 8;
/// ... and of the variation, as RFC 3550 has it (section 6.4.1).
const VARIATION: f64 = 16.0;
/// Heartbeats with a time before the envelope is allocated: very many clients may send only a few.
const YOUNG: u8 = 8;

/// The times in a heartbeat: when it was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSample {
    /// By the sender's wall clock, in nanoseconds since 1970.
    pub wall: Option<i64>,
    /// Since its session began, by a monotonic clock.
    pub mono: Option<Nanos>,
}

/// What was learned from a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockUpdate {
    /// When it was sent, on a monotonic scale of no defined origin.
    pub sent: Nanos,
    /// What happened since the heartbeat before. A clock that was set beside something else is found with the next one.
    pub finding: Option<Finding>,
}

/// What happened to the sender or its clocks, and not in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The sender's wall clock was set.
    SenderStepped {
        /// By how much; negative: back.
        by: Nanos,
    },
    /// The sender paused (it was stopped, or its machine suspended): it sent nothing, and skipped no number.
    SenderPaused {
        /// From its last heartbeat before that to the first after.
        gap: Nanos,
    },
}

/// What the clocks show at the last heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Arrival by our wall clock minus sending by theirs, as they are: delay, and difference of the clocks.
    pub difference: Option<Nanos>,
    /// How much longer it took than the fastest, the drift of the clocks taken out once that is known. `None` before
    /// eight heartbeats with a time.
    pub delay: Option<Nanos>,
    /// How much faster the sender's clock runs than ours, in millionths. `None` before 300 heartbeats with a time.
    pub drift_ppm: Option<f64>,
    /// How much the delay changes from one to the next, on a moving average: the interarrival jitter of RFC 3550.
    pub variation: Option<Nanos>,
}

/// The clocks of one session of one sender against ours.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    /// When the last heartbeat was sent, as [`ClockUpdate::sent`].
    last: Option<NicheI64>,
    last_sample: Option<LastSample>,
    mono: Option<Scale>,
    /// Added to the wall clock, gives the sending time.
    wall: Option<NicheI64>,
    /// Added to an arrival, gives the sending time, on average.
    arrivals: Nanos,
    difference: Option<NicheI64>,
    variation: f64,
    envelope: Option<Box<Envelope>>,
    young: u8,
    /// Whether there is a variation.
    varies: bool,
    /// Whether the last time by the wall clock was in whole seconds.
    whole: bool,
    /// Whether a heartbeat had both times, and neither clock began anew.
    both: bool,
}

/// The last heartbeat with a time.
#[derive(Debug, Clone, Copy)]
struct LastSample {
    sent: NicheI64,
    at: Nanos,
    /// The time that the numbers since then should have taken.
    planned: Nanos,
}

/// A steady clock of the sender.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Added to the clock, gives the sending time.
    offset: NicheI64,
    /// Its last reading.
    last: Nanos,
}

impl Clocks {
    /// Clocks without any heartbeat.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a fresh heartbeat: `seq_step` numbers after the fresh one before it (1 if none is missing), from a
    /// sender whose heartbeats are `interval` apart, arrived at `at`. An interval that is only estimated should be
    /// good to a few percent before a pause is believed.
    pub fn hear(&mut self, seq_step: u64, interval: Nanos, sample: ClockSample, at: Moment) -> ClockUpdate {
        let interval = interval.clamp(1, DAY);
        let planned = Nanos::try_from(seq_step.max(1)).unwrap_or(Nanos::MAX).saturating_mul(interval);
        let guess = self.guess(planned, at).unwrap_or(sample.mono.or(sample.wall).unwrap_or(at.mono));
        if let Some(last_sample) = &mut self.last_sample {
            last_sample.planned = last_sample.planned.saturating_add(planned);
        }
        let beside = sample.wall.zip(sample.mono).and_then(|(wall, mono)| self.set_beside(wall, mono));
        let (sent, step) = match (sample.mono, sample.wall) {
            (Some(mono), _) => (self.by_mono(mono, guess), None),
            (None, Some(wall)) => self.by_wall(wall, guess, interval, at.mono),
            (None, None) => (guess, None),
        };
        // One finding at a time: a clock that was set during a pause is found with the next heartbeat.
        let pause = self.paused(sent, sample, interval, at.mono);
        let stepped = |by| Finding::SenderStepped { by };
        let finding = step.map(stepped).or(pause).or(beside.map(stepped));
        if let Some(wall) = sample.wall
            && (pause.is_none() || beside.is_none())
        {
            (self.wall, self.whole) = (Some(sent.saturating_sub(wall).into()), wall % SECOND == 0);
            self.both |= sample.mono.is_some();
        }
        self.difference = sample.wall.map(|wall| at.wall.saturating_sub(wall).into());
        self.take(sent, sample, interval, at.mono);
        ClockUpdate { sent, finding }
    }

    /// When a heartbeat arrived that was received after a stall, between `began` and `now`: with the average delay, or
    /// now where its sending time is not known: were it earlier, those after it would seem late, and their sender silent.
    pub fn came(
        &self,
        seq_step: u64,
        interval: Nanos,
        sample: ClockSample,
        began: Nanos,
        now: Nanos,
    ) -> Nanos {
        let on = |clock: Option<Nanos>, offset: Option<NicheI64>| {
            clock.zip(offset).map(|(clock, offset)| clock.saturating_add(offset.get()))
        };
        let planned = || {
            let steps = Nanos::try_from(seq_step).unwrap_or(Nanos::MAX);
            self.last.map(|last| last.get().saturating_add(steps.saturating_mul(interval)))
        };
        let sent = on(sample.mono, self.mono.map(|scale| scale.offset))
            .or_else(|| on(sample.wall, self.wall))
            .or_else(planned);
        let came = sent.map_or(now, |sent| sent.saturating_sub(self.arrivals));
        came.clamp(began.min(now), now)
    }

    /// What the clocks show now.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a mean of times is a time; what is too large saturates"
    )]
    pub fn reading(&self) -> Reading {
        // Only if the last heartbeat had a time.
        let last_sample = self.last_sample.filter(|last_sample| last_sample.planned == 0);
        let delay = |envelope: &Envelope| {
            let last_sample = last_sample?;
            Some(last_sample.late().saturating_sub(envelope.below(last_sample.sent.get())).max(0))
        };
        Reading {
            difference: self.difference.map(NicheI64::get),
            delay: self.envelope.as_deref().and_then(delay),
            drift_ppm: self.envelope.as_deref().and_then(Envelope::slope).map(|slope| -1e6 * slope),
            variation: self.varies.then_some(self.variation.round() as Nanos),
        }
    }

    /// When the last heartbeat was sent, on the scale of [`ClockUpdate::sent`].
    pub(super) fn last_sent(&self) -> Nanos {
        self.last.map_or(0, NicheI64::get)
    }

    /// Bytes on the heap, with those by which the allocator rounds up.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let of = |envelope: &Envelope| size_of::<Envelope>() + 16 + 16 * envelope.corners();
        self.envelope.as_deref().map_or(0, of)
    }

    /// Loads each of their cache lines.
    pub(super) fn prefetch(&self) -> u64 {
        let Self { last, last_sample, mono, wall, arrivals, .. } = self;
        let are = [last.is_some(), last_sample.is_some(), mono.is_some(), wall.is_some()];
        are.into_iter().map(u64::from).sum::<u64>() ^ arrivals.cast_unsigned()
    }

    /// Loads what they refer to.
    pub(super) fn prefetch_boxed(&self) -> u64 {
        self.envelope.as_ref().map_or(0, |envelope| envelope.prefetch())
    }

    /// When the next heartbeat was sent if its sender keeps its interval, corrected towards the arrivals, as the
    /// interval and the sender's clock may be off.
    fn guess(&self, planned: Nanos, at: Moment) -> Option<Nanos> {
        let last = self.last?.get();
        let planned = last.saturating_add(planned);
        let arrived = at.mono.saturating_add(self.arrivals);
        Some(planned.saturating_add(arrived.saturating_sub(planned) / GUESS).max(last))
    }

    /// The sending time by a monotonic clock. If that went back it is another clock: all restarts.
    fn by_mono(&mut self, mono: Nanos, guess: Nanos) -> Nanos {
        if self.mono.is_some_and(|scale| mono < scale.last) {
            (self.mono, self.both) = (None, false);
            self.restart();
        }
        let offset = guess.saturating_sub(mono).into();
        let scale = self.mono.get_or_insert(Scale { offset, last: mono });
        scale.last = mono;
        mono.saturating_add(scale.offset.get())
    }

    /// The sending time by a wall clock alone, and by how much that was set. Numbers and arrivals each give the time
    /// since the heartbeat before. Where they differ there was a delay or a pause, and the clock may be anywhere
    /// between; beyond both it was set.
    fn by_wall(&mut self, wall: i64, guess: Nanos, interval: Nanos, at: Nanos) -> (Nanos, Option<Nanos>) {
        let offset = self.wall.map_or_else(|| guess.saturating_sub(wall), NicheI64::get);
        let sent = wall.saturating_add(offset);
        let whole = wall % SECOND == 0 && self.whole;
        let Some(last) = self.last_sample else { return (sent, None) };
        let went = sent.saturating_sub(last.sent.get());
        let arrived = at.saturating_sub(last.at);
        let nearest = went.clamp(last.planned.min(arrived), last.planned.max(arrived));
        // Clocks that are written in whole seconds are off by up to one.
        let tolerated = STEP_ALONE.max(interval / 2) + if whole { SECOND } else { 0 };
        let by = went.saturating_sub(nearest);
        if by.saturating_abs() <= tolerated {
            return (sent, None);
        }
        self.both = false;
        self.restart();
        (last.sent.get().saturating_add(nearest), Some(by))
    }

    /// By how much the wall clock was set since the last heartbeat with both times.
    fn set_beside(&self, wall: i64, mono: Nanos) -> Option<Nanos> {
        let (scale, offset) =
            self.mono.zip(self.wall).filter(|(scale, _)| self.both && mono >= scale.last)?;
        let before = scale.offset.get().saturating_sub(offset.get());
        let by = wall.saturating_sub(mono).saturating_sub(before);
        let steered = mono.saturating_sub(scale.last) / STEERED;
        (by.saturating_abs() > STEP.saturating_add(steered)).then_some(by)
    }

    /// Whether the sender paused. A wall clock alone counts only as far as the arrivals agree.
    fn paused(&self, sent: Nanos, sample: ClockSample, interval: Nanos, at: Nanos) -> Option<Finding> {
        let last = self.last_sample?;
        let gap = match sample {
            ClockSample { mono: Some(_), .. } => sent.saturating_sub(last.sent.get()),
            ClockSample { wall: Some(_), .. } => {
                sent.saturating_sub(last.sent.get()).min(at.saturating_sub(last.at))
            }
            ClockSample { .. } => return None,
        };
        let longest = last.planned.saturating_add(interval).saturating_add(PAUSE);
        (gap > longest).then_some(Finding::SenderPaused { gap })
    }

    /// Learns from a heartbeat whose sending time is known or guessed.
    fn take(&mut self, sent: Nanos, sample: ClockSample, interval: Nanos, at: Nanos) {
        let ahead = sent.saturating_sub(at);
        if self.last.is_none() {
            self.arrivals = ahead;
        }
        self.last = Some(sent.into());
        if sample == ClockSample::default() {
            return;
        }
        let late = at.saturating_sub(sent);
        self.arrivals = self.arrivals.saturating_add(ahead.saturating_sub(self.arrivals) / GUESS);
        if let Some(last) = self.last_sample.replace(LastSample { sent: sent.into(), at, planned: 0 }) {
            let change = late.saturating_sub(last.late()).saturating_abs();
            self.varies = true;
            self.variation += (change as f64 - self.variation) / VARIATION;
        }
        self.young = self.young.saturating_add(1);
        if self.young >= YOUNG {
            self.envelope.get_or_insert_with(|| Box::new(Envelope::new(sent))).add(sent, late, interval);
        }
    }

    /// Drops the readings after a clock was set.
    fn restart(&mut self) {
        (self.envelope, self.young) = (None, 0);
    }
}

impl LastSample {
    /// Arrival minus sending.
    fn late(self) -> Nanos {
        self.at.saturating_sub(self.sent.get())
    }
}
