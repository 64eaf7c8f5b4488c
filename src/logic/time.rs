//! Times, as numbers that the drivers give.

use std::ops::RangeInclusive;

use super::Invalid;
use super::text::expected;

/// Nanoseconds on one monotonic clock, counted from an origin that the driver chooses (the start of a run).
pub type Nanos = i64;

/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// One day in [`Nanos`].
pub const DAY: Nanos = 86_400 * SECOND;

/// One moment by both clocks of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// By the clock that never steps; it also counts while the machine sleeps.
    pub mono: Nanos,
    /// Nanoseconds since 1970 by the wall clock.
    pub wall: i64,
}

/// Seconds that a user gives, in [`Nanos`].
pub fn seconds(what: &'static str, value: f64, range: &RangeInclusive<Nanos>) -> Result<Nanos, Invalid> {
    nanos_within(value, range).ok_or_else(|| Invalid::new(what, value, expected(range)))
}

/// Seconds in [`Nanos`], if they are within `range`.
#[expect(clippy::cast_possible_truncation, reason = "within a range of them")]
pub fn nanos_within(seconds: f64, range: &RangeInclusive<Nanos>) -> Option<Nanos> {
    let end = |nanos: &Nanos| *nanos as f64 / SECOND as f64;
    let range = end(range.start())..=end(range.end());
    range.contains(&seconds).then(|| (seconds * SECOND as f64).round() as Nanos)
}
