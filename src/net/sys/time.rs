//! The clock that also counts while the machine is suspended, what the wall clock says of itself, and the timer slack of
//! a thread.

use crate::logic::Nanos;

/// Nanoseconds since the machine was started, or some other moment.
#[cfg(unix)]
pub(in crate::net) fn boot_time() -> Nanos {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    /// That of macOS counts then.
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;

    let now = clock_gettime(CLOCK);
    now.tv_sec.saturating_mul(crate::logic::SECOND).saturating_add(now.tv_nsec)
}

/// The clock of `Instant` is one on Windows.
#[cfg(windows)]
pub(in crate::net) fn boot_time() -> Nanos {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    Nanos::try_from(FIRST.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(Nanos::MAX)
}

/// Sets by how many nanoseconds the system may end this thread's waits late; 0 restores its default.
#[cfg(target_os = "linux")]
pub(in crate::net) fn set_timer_slack(nanos: u64) -> std::io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(nanos))?)
}

/// Whether the wall clock is synchronised, and by how many nanoseconds it may be wrong, as the program that steers it has
/// told the kernel.
#[cfg(target_os = "linux")]
pub(in crate::net) fn clock_state() -> Option<(bool, Nanos)> {
    // SAFETY: `timex` is made of integers, for which zeros are valid; no mode is set, so nothing is changed.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to `timex` alone, which lives until after the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    let micros = Nanos::from(timex.maxerror);
    let synchronised = state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    (state >= 0).then(|| (synchronised, micros.saturating_mul(1_000)))
}
