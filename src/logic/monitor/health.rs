//! The faults of the monitor itself: times in which it did not run, clocks that were set, datagrams that the kernel
//! dropped. No client is to blame for them, so verdicts wait.

use crate::logic::{Moment, Nanos, SECOND};

/// The driver calls at least this often.
pub const TICK: Nanos = SECOND / 5;
/// A longer time between two calls is a stall: overload, a stopped process, a suspended machine.
const STALL: Nanos = TICK + SECOND / 4;
/// A wall clock that moves by more than this, beside a slew of 500 ppm, was set.
const STEP: Nanos = SECOND / 100;
/// At most so many intervals of grace for datagrams that the kernel dropped.
const MOST_EXCUSED: u32 = 10;

#[derive(Debug)]
pub(super) struct Health {
    looked: Moment,
    /// The time of all stalls.
    stalled: Nanos,
    /// Begin and length of a stall whose datagrams are still being received.
    catching_up: Option<(Nanos, Nanos)>,
    drops: u64,
    /// Calls between which the kernel dropped datagrams.
    drop_periods: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) stalled: Option<Nanos>,
    pub(super) stepped: Option<Nanos>,
}

impl Health {
    pub(super) fn new(now: Moment) -> Self {
        Self { looked: now, stalled: 0, catching_up: None, drops: 0, drop_periods: 0 }
    }

    pub(super) fn tick(&mut self, now: Moment) -> Found {
        let gap = now.mono.saturating_sub(self.looked.mono);
        let step = now.wall.saturating_sub(self.looked.wall).saturating_sub(gap);
        let stalled = (gap > STALL).then_some(gap);
        if stalled.is_some() {
            self.stalled = self.stalled.saturating_add(gap);
            self.catching_up = Some((self.looked.mono, gap));
        }
        self.looked = now;
        Found {
            stalled,
            stepped: (step.unsigned_abs() > (STEP + gap / 2_000).unsigned_abs()).then_some(step),
        }
    }

    pub(super) fn rested(&mut self, now: Moment) {
        self.looked = now;
    }

    /// All that arrived during a stall has been received.
    pub(super) fn caught_up(&mut self) {
        self.catching_up = None;
    }

    /// How many datagrams the kernel dropped since the last call.
    pub(super) fn drops(&mut self, total: Option<u64>) -> Option<u64> {
        let more = total?.checked_sub(self.drops).filter(|more| *more > 0)?;
        self.drops += more;
        self.drop_periods = self.drop_periods.saturating_add(1);
        Some(more)
    }

    /// When a heartbeat that is received now may have arrived at the earliest: when the stall began, after one.
    pub(super) fn earliest(&self, now: Nanos) -> Nanos {
        self.catching_up.map_or(now, |(began, _)| began.min(now))
    }

    /// The stalls and drops up to a heartbeat that arrived at `came`.
    pub(super) fn excuses(&self, came: Nanos) -> (Nanos, u32) {
        let since = self
            .catching_up
            .map_or(0, |(began, gap)| began.saturating_add(gap).saturating_sub(came).clamp(0, gap));
        (self.stalled - since, self.drop_periods)
    }

    /// How much longer a client may be silent, for the stalls and drops since `excused`.
    pub(super) fn grace(&self, excused: (Nanos, u32), interval: Nanos) -> Nanos {
        let periods = self.drop_periods.saturating_sub(excused.1).min(MOST_EXCUSED);
        self.stalled.saturating_sub(excused.0).saturating_add(interval.saturating_mul(periods.into()))
    }
}
