//! The next message, written before it is due, so that only the send remains.

use crate::logic::Nanos;
use crate::logic::ping::Pinger;
use crate::net::clock::Clock;

/// The most that the time in a message may differ from the time of its sending; else it is written again.
const FRESH: i64 = 2_000;
/// How often a message is written again on a slow machine.
const FRESH_TRIES: u32 = 3;

/// The next message, written before it is due.
#[derive(Debug, Default)]
pub(super) struct PreparedPing {
    index: usize,
    seq: u64,
    /// The time in it.
    wall: i64,
    message: Vec<u8>,
}

impl PreparedPing {
    /// Its bytes.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Writes the message of a ping that will be sent at `wall`.
    pub(super) fn prepare(&mut self, pinger: &Pinger, index: usize, seq: u64, wall: i64) {
        if !self.is_of(index, seq, wall) {
            self.write(pinger, index, seq, wall);
        }
    }

    fn write(&mut self, pinger: &Pinger, index: usize, seq: u64, wall: i64) {
        self.message.clear();
        pinger.write(seq, wall, &mut self.message);
        (self.index, self.seq, self.wall) = (index, seq, wall);
    }

    fn is_of(&self, index: usize, seq: u64, wall: i64) -> bool {
        !self.message.is_empty()
            && (self.index, self.seq) == (index, seq)
            && (wall - self.wall).abs() <= FRESH
    }

    /// Writes the message again unless its time is close to the current time; returns the time of sending by both
    /// clocks.
    pub(super) fn refresh(&mut self, pinger: &Pinger, index: usize, seq: u64, clock: Clock) -> (Nanos, i64) {
        let (mut now, mut wall) = clock.moment();
        for _ in 0..FRESH_TRIES {
            if self.is_of(index, seq, wall) {
                return (now, self.wall);
            }
            self.write(pinger, index, seq, wall);
            (now, wall) = clock.moment();
        }
        // The time in the message is a little earlier; the monotonic time is adjusted likewise.
        (now - (wall - self.wall), self.wall)
    }
}
