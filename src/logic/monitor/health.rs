//! The faults of the monitor itself: time in which it did not look, clocks that were set, datagrams that the kernel
//! dropped. None of them is a client's, so verdicts wait.

use crate::logic::{Moment, Nanos, SECOND};

/// The driver looks at least this often.
pub const TICK: Nanos = SECOND / 5;
/// From here on between two looks the monitor stood still: overload, a stopped process, a machine that slept.
const STALL: Nanos = TICK + SECOND / 4;
/// A wall clock may be slewed by 500 ppm and read between two instructions; more, and it was set.
const STEP: Nanos = SECOND / 100;
/// Losses that one client is excused for, when the kernel drops datagrams again and again.
const MOST_EXCUSED: u32 = 10;

#[derive(Debug)]
pub(super) struct Health {
    looked: Moment,
    /// Time that was stalled, altogether.
    stalled: Nanos,
    /// When the stall began whose datagrams are still being read, and how long it was.
    catching_up: Option<(Nanos, Nanos)>,
    drops: u64,
    /// How often datagrams were dropped between two looks.
    drop_periods: u32,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) stalled: Option<Nanos>,
    pub(super) stepped: Option<Nanos>,
}

impl Health {
    pub(super) fn new(now: Moment) -> Self {
        Self { looked: now, stalled: 0, catching_up: None, drops: 0, drop_periods: 0 }
    }

    /// Looks at the clocks.
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

    /// Nothing came until now, and the driver would have looked.
    pub(super) fn rested(&mut self, now: Moment) {
        self.looked = now;
    }

    /// Everything that came during a stall has been read.
    pub(super) fn caught_up(&mut self) {
        self.catching_up = None;
    }

    /// How many more datagrams the kernel has dropped since it was last asked.
    pub(super) fn drops(&mut self, total: Option<u64>) -> Option<u64> {
        let more = total?.checked_sub(self.drops).filter(|more| *more > 0)?;
        self.drops += more;
        self.drop_periods = self.drop_periods.saturating_add(1);
        Some(more)
    }

    /// The earliest time at which a heartbeat that is read now may have come: when the stall began, if it waited in one.
    pub(super) fn earliest(&self, now: Nanos) -> Nanos {
        self.catching_up.map_or(now, |(began, _)| began.min(now))
    }

    /// What there was to be excused when a heartbeat came that is read now.
    pub(super) fn excuses(&self, came: Nanos) -> (Nanos, u32) {
        let since = self
            .catching_up
            .map_or(0, |(began, gap)| began.saturating_add(gap).saturating_sub(came).clamp(0, gap));
        (self.stalled - since, self.drop_periods)
    }

    /// How much longer a client may be silent whose last heartbeat was read with `excused`.
    pub(super) fn grace(&self, excused: (Nanos, u32), interval: Nanos) -> Nanos {
        let periods = self.drop_periods.saturating_sub(excused.1).min(MOST_EXCUSED);
        self.stalled.saturating_sub(excused.0).saturating_add(interval.saturating_mul(periods.into()))
    }
}
