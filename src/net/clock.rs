//! The two clocks: intervals come from the monotonic one, the wall clock is for showing.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::logic::Nanos;

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
}

/// Nanoseconds since 1970 by the wall clock, which may step.
pub(super) fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
