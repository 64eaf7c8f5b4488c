//! The two times of a round trip: the kernel's where they are plausible, else this program's. The kernel timestamps by the
//! wall clock, which may step, so each timestamp is compared with this program's times by the monotonic clock: no ping is
//! sent before the system call that sends it, and no reply is received after the one that receives it.

use crate::logic::Nanos;
use crate::logic::record::TimeSource;

/// The most time between reading one clock and the other.
const CLOSE: Nanos = 5_000;

/// The times of a ping and its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When the ping was sent, by the monotonic clock, ...
    pub(super) sent: Nanos,
    /// ... and by the wall clock.
    pub(super) sent_wall: i64,
    /// The kernel's timestamp of the ping.
    pub(super) sent_timestamp: Option<i64>,
    /// When the reply was received, by the monotonic clock, ...
    pub(super) at: Nanos,
    /// ... and by the wall clock.
    pub(super) wall: i64,
    /// The kernel's timestamp of the reply.
    pub(super) stamp: Option<i64>,
}

/// A reply that waits for the kernel's timestamp of its ping.
#[derive(Debug, Clone, Copy)]
pub(super) struct AwaitingTimestamp {
    pub(super) until: Nanos,
    pub(super) seq: u64,
    pub(super) times: Times,
}

impl Times {
    /// The round trip by this program's times.
    pub(super) fn user(&self) -> Nanos {
        self.at - self.sent
    }

    /// The round trip by the best two times, and which clocks they are from.
    pub(super) fn best(&self) -> (Nanos, TimeSource) {
        let user = self.user();
        if self.sent_timestamp.is_none() && self.stamp.is_none() {
            return (user, TimeSource::User);
        }
        // The wall clock less the monotonic one: equal at both ends, unless the wall clock stepped.
        let ahead = self.wall.saturating_sub(self.at);
        if ahead.abs_diff(self.sent_wall.saturating_sub(self.sent)) > CLOSE.unsigned_abs() {
            return (user, TimeSource::Stepped);
        }
        let possible = self.sent - CLOSE..=self.at + CLOSE;
        let steady = |stamp: Option<i64>| {
            stamp.map(|stamp| stamp.saturating_sub(ahead)).filter(|at| possible.contains(at))
        };
        match (steady(self.sent_timestamp), steady(self.stamp)) {
            (Some(sent), Some(at)) if at >= sent => (at - sent, TimeSource::Kernel),
            (None, Some(at)) if at >= self.sent => (at - self.sent, TimeSource::KernelRx),
            (Some(sent), None) if self.at >= sent => (self.at - sent, TimeSource::KernelTx),
            _ => (user, TimeSource::User),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::SECOND;

    const EPOCH: i64 = 1_700_000_000 * SECOND;
    /// A ping of 60 µs, of which the kernel had the middle 30.
    const PING: Times = Times {
        sent: 1_000_000,
        sent_wall: EPOCH + 1_000_000,
        sent_timestamp: Some(EPOCH + 1_010_000),
        at: 1_060_000,
        wall: EPOCH + 1_060_000,
        stamp: Some(EPOCH + 1_040_000),
    };

    #[test]
    fn the_best_two_times_win() {
        assert_eq!(PING.best(), (30_000, TimeSource::Kernel));
        assert_eq!(Times { sent_timestamp: None, ..PING }.best(), (40_000, TimeSource::KernelRx));
        assert_eq!(Times { stamp: None, ..PING }.best(), (50_000, TimeSource::KernelTx));
        assert_eq!(Times { stamp: None, sent_timestamp: None, ..PING }.best(), (60_000, TimeSource::User));
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_is_flagged_and_not_used() {
        for by in [-SECOND, -10_000, 10_000, SECOND] {
            let stamp = Some(EPOCH + 1_040_000 + by);
            let stepped = Times { wall: PING.wall + by, stamp, ..PING };
            assert_eq!(stepped.best(), (60_000, TimeSource::Stepped), "set by {by} before the arrival");
            let stepped = Times { wall: PING.wall + by, ..PING };
            assert_eq!(stepped.best(), (60_000, TimeSource::Stepped), "set by {by} after the arrival");
        }
        assert_eq!(
            Times { wall: PING.wall + 900, ..PING }.best().1,
            TimeSource::Kernel,
            "read a little later"
        );
    }

    #[test]
    fn an_impossible_timestamp_is_not_used() {
        let late = Some(EPOCH + 1_060_000 + 5_000_000);
        assert_eq!(Times { stamp: late, ..PING }.best(), (50_000, TimeSource::KernelTx));
        let another_pings = Some(EPOCH);
        assert_eq!(Times { sent_timestamp: another_pings, ..PING }.best(), (40_000, TimeSource::KernelRx));
        assert_eq!(
            Times { sent_timestamp: Some(0), stamp: Some(i64::MIN), ..PING }.best(),
            (60_000, TimeSource::User)
        );
        let exchanged = Times { sent_timestamp: PING.stamp, stamp: PING.sent_timestamp, ..PING };
        assert_eq!(exchanged.best(), (60_000, TimeSource::User), "nothing arrives before it was sent");
    }

    proptest! {
        /// Whatever the timestamps, a round trip is not negative, and exceeds this program's by twice `CLOSE` at most.
        #[test]
        fn no_timestamp_makes_an_impossible_round_trip(
            span in 0..1_000_000_i64, before in any::<Option<i64>>(), after in any::<Option<i64>>(),
            near in -2_000_000..2_000_000_i64, step in prop::option::of(any::<i64>()),
        ) {
            let at = PING.sent + span;
            let wall = step.unwrap_or(EPOCH + at);
            for sent_timestamp in [before, Some(PING.sent_wall + near)] {
                for stamp in [after, Some(EPOCH + at - near)] {
                    let (rtt, by) = Times { sent_timestamp, at, wall, stamp, ..PING }.best();
                    prop_assert!((0..=span + 2 * CLOSE).contains(&rtt));
                    prop_assert!(rtt == span || !matches!(by, TimeSource::User | TimeSource::Stepped));
                }
            }
        }
    }
}
