//! The clocks: intervals come from a monotonic one, the wall clock is for showing.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::logic::Nanos;
use crate::logic::monitor::Moment;

/// Two readings so close together are of one moment; on a busy machine it may take some tries.
const CLOSE: Nanos = 100_000;
const VERY_CLOSE: Nanos = 1_000;
const TRIES: u32 = 10;

/// A monotonic clock with the origin of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Nanoseconds since the start.
    pub(super) fn now(&self) -> Nanos {
        Nanos::try_from(self.origin.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// Now, by this clock and by the wall clock, so close together that a stamp by the one can be told by the other.
    pub(super) fn moment(&self) -> (Nanos, i64) {
        let mut before = self.now();
        for _ in 0..TRIES {
            let (wall, after) = (wall_ns(), self.now());
            if after - before < VERY_CLOSE {
                return (before, wall);
            }
            before = after;
        }
        (before, wall_ns())
    }
}

/// A monotonic clock that also counts while the machine sleeps, where the system has one: for what goes on for days.
#[derive(Debug, Clone, Copy)]
pub(super) struct EverClock {
    #[cfg(target_os = "linux")]
    origin: Nanos,
    #[cfg(not(target_os = "linux"))]
    clock: Clock,
}

#[cfg(target_os = "linux")]
impl EverClock {
    pub(super) fn start() -> Self {
        Self { origin: boot_ns() }
    }

    /// Nanoseconds since the start.
    pub(super) fn now(self) -> Nanos {
        boot_ns() - self.origin
    }
}

#[cfg(not(target_os = "linux"))]
impl EverClock {
    pub(super) fn start() -> Self {
        Self { clock: Clock::start() }
    }

    /// Nanoseconds since the start.
    pub(super) fn now(self) -> Nanos {
        self.clock.now()
    }
}

impl EverClock {
    /// Now, by this clock and by the wall clock.
    ///
    /// Whoever is held up between the two readings reads them again: it would look as if a clock had been set.
    pub(super) fn moment(self) -> Moment {
        let mut before = self.now();
        for _ in 0..TRIES {
            let (wall, after) = (wall_ns(), self.now());
            if after - before < CLOSE {
                return Moment { mono: before, wall };
            }
            before = after;
        }
        Moment { mono: before, wall: wall_ns() }
    }
}

/// Nanoseconds since the machine was started.
#[cfg(target_os = "linux")]
fn boot_ns() -> Nanos {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(crate::logic::SECOND).saturating_add(now.tv_nsec)
}

/// Nanoseconds since 1970 by the wall clock, which may step.
pub(super) fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
