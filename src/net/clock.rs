//! Clocks: monotonic ones for intervals, the wall clock for display.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::sys::{boot_time, clock_state};
use crate::logic::{Moment, Nanos, SECOND};

/// Readings of two clocks this close together count as simultaneous.
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

    pub(super) fn now(&self) -> Nanos {
        Nanos::try_from(self.origin.elapsed().as_nanos()).unwrap_or(Nanos::MAX)
    }

    /// The time by this clock and by the wall clock, read close enough together to convert a kernel timestamp.
    pub(super) fn moment(&self) -> (Nanos, i64) {
        let Moment { mono, wall } = together(|| self.now(), VERY_CLOSE);
        (mono, wall)
    }
}

/// Reads a clock and the wall clock. A delay between the two would look like a step of a clock, so a distant pair is
/// read again, and the closest pair is returned.
fn together(clock: impl Fn() -> Nanos, close: Nanos) -> Moment {
    let mut before = clock();
    let mut best = (Nanos::MAX, Moment::default());
    for _ in 0..TRIES {
        let (wall, after) = (wall_ns(), clock());
        let apart = after - before;
        if apart < best.0 {
            best = (apart, Moment { mono: before, wall });
        }
        if apart < close {
            break;
        }
        before = after;
    }
    best.1
}

/// A monotonic clock that also counts while the machine is suspended, where the system has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct EverClock {
    origin: Nanos,
}

impl EverClock {
    pub(super) fn start() -> Self {
        Self { origin: boot_time() }
    }

    pub(super) fn now(self) -> Nanos {
        boot_time() - self.origin
    }

    /// The time by this clock and by the wall clock.
    pub(super) fn moment(self) -> Moment {
        together(|| self.now(), CLOSE)
    }
}

/// What the wall clock says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockState {
    /// Whether it is synchronised to UTC.
    pub(super) synchronised: bool,
    /// By how much it may be wrong.
    pub(super) error: Nanos,
}

impl ClockState {
    /// Where nobody knows: the kernel's word for a clock that is not synchronised (NTP's greatest dispersion).
    const UNKNOWN: Self = Self { synchronised: false, error: 16 * SECOND };

    pub(super) fn read() -> Self {
        let state = clock_state().map(|(synchronised, error)| Self { synchronised, error });
        state.unwrap_or(Self::UNKNOWN)
    }
}

/// Nanoseconds since 1970 by the wall clock, which may step.
pub(super) fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that advances with each reading, by another amount each time.
    fn slow(each: &[Nanos]) -> impl Fn() -> Nanos {
        let (reads, now) = (Cell::new(0), Cell::new(0));
        move || {
            now.set(now.get() + each[reads.get() % each.len()]);
            reads.set(reads.get() + 1);
            now.get()
        }
    }

    #[test]
    fn the_first_pair_that_is_close_counts() {
        assert_eq!(together(slow(&[1, 50, 9, 1]), 10).mono, 51);
    }

    #[test]
    fn if_none_is_close_the_closest_counts() {
        let gaps = [5, 90, 80, 70, 20, 60, 99, 99, 99, 99, 99, 99];
        assert_eq!(together(slow(&gaps), 10).mono, 5 + 90 + 80 + 70);
    }
}
