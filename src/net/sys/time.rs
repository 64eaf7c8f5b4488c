//! The clock that counts while the machine sleeps, and how late waits may end.

use std::num::NonZeroU64;

use rustix::time::{ClockId, clock_gettime};

use crate::logic::{Nanos, SECOND};

/// Nanoseconds since the machine was started.
pub(in crate::net) fn boot_time() -> Nanos {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(SECOND).saturating_add(now.tv_nsec)
}

/// By how many nanoseconds the system may round up this thread's waits; 0 stands for its default.
pub(in crate::net) fn set_timer_slack(nanos: u64) -> std::io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(nanos))?)
}
