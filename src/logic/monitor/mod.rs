//! The monitor of heartbeats: who is alive, who has stopped, and what the way between lost.

pub mod account;
pub mod clocks;
pub mod detect;

use super::Nanos;

/// One moment by both clocks of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// By the clock that never steps; it also counts while the machine sleeps.
    pub mono: Nanos,
    /// Nanoseconds since 1970 by the wall clock.
    pub wall: i64,
}
