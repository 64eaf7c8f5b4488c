//! The clock that also counts while the machine is suspended, what the wall clock says of itself, and the timer slack of
//! a thread.

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

/// Whether the wall clock is synchronised, and by how many nanoseconds it may be wrong, as the program that steers it has
/// told the kernel.
pub(in crate::net) fn clock_state() -> Option<(bool, Nanos)> {
    // SAFETY: `timex` is made of integers, for which zeros are valid; no mode is set, so nothing is changed.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to `timex` alone, which lives until after the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    let micros = Nanos::from(timex.maxerror);
    let synchronised = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    (state >= 0).then(|| (synchronised, micros.saturating_mul(1_000)))
}
