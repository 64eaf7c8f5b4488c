//! The next message, written before it is due, so that nothing but the send is left to do then.

use crate::logic::Nanos;
use crate::logic::ping::Pinger;
use crate::net::clock::Clock;

/// The time in a message may differ so much from when it is sent; else it is written again.
const FRESH: i64 = 2_000;
/// Times that it is written again, on a machine that is slow between any two steps.
const FRESH_TRIES: u32 = 3;

/// The next message, written before it is due.
#[derive(Debug, Default)]
pub(super) struct PreparedPing {
    log: usize,
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
    pub(super) fn prepare(&mut self, pinger: &Pinger, log: usize, seq: u64, wall: i64) {
        if !self.is_of(log, seq, wall) {
            self.write(pinger, log, seq, wall);
        }
    }

    fn write(&mut self, pinger: &Pinger, log: usize, seq: u64, wall: i64) {
        self.message.clear();
        pinger.write(seq, wall, &mut self.message);
        (self.log, self.seq, self.wall) = (log, seq, wall);
    }

    fn is_of(&self, log: usize, seq: u64, wall: i64) -> bool {
        !self.message.is_empty() && (self.log, self.seq) == (log, seq) && (wall - self.wall).abs() <= FRESH
    }

    /// Writes the message again unless it has the time at which it is now sent; returns that time, by both clocks.
    pub(super) fn refresh(&mut self, pinger: &Pinger, log: usize, seq: u64, clock: Clock) -> (Nanos, i64) {
        let (mut now, mut wall) = clock.moment();
        for _ in 0..FRESH_TRIES {
            if self.is_of(log, seq, wall) {
                return (now, self.wall);
            }
            self.write(pinger, log, seq, wall);
            (now, wall) = clock.moment();
        }
        // It is sent a little later than its time; the two clocks still agree.
        (now - (wall - self.wall), self.wall)
    }
}
