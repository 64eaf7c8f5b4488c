//! Times, as numbers that the drivers give.

/// Nanoseconds on one monotonic clock, counted from an origin that the driver chooses (the start of a run).
pub type Nanos = i64;

/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// One moment by both clocks of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// By the clock that never steps; it also counts while the machine sleeps.
    pub mono: Nanos,
    /// Nanoseconds since 1970 by the wall clock.
    pub wall: i64,
}
