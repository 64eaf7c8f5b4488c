//! The clock that also counts while the machine is suspended, and the timer slack of a thread.

use std::num::NonZeroU64;

use rustix::time::{ClockId, clock_gettime};

use crate::logic::{Nanos, SECOND};

/// Nanoseconds since the machine was started.
pub(in crate::net) fn boot_time() -> Nanos {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(SECOND).saturating_add(now.tv_nsec)
}

/// Sets by how many nanoseconds the system may end this thread's waits late; 0 restores its default.
pub(in crate::net) fn set_timer_slack(nanos: u64) -> std::io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(NonZeroU64::new(nanos))?)
}
