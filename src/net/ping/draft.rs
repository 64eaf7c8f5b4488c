//! The next message, written before it is due, so that nothing but the send is left to do then.

use crate::logic::Nanos;
use crate::logic::ping::Pinger;
use crate::net::clock::Clock;

/// A message may be so much older than it says, or younger; one that is not is written anew.
const FRESH: i64 = 2_000;
/// Tries to send a fresh message, on a machine that takes its time between any two steps.
const FRESH_TRIES: u32 = 3;

/// The next message, written before it is due.
#[derive(Debug, Default)]
pub(super) struct Draft {
    lane: usize,
    seq: u64,
    /// The time that it says.
    wall: i64,
    message: Vec<u8>,
}

impl Draft {
    /// What it says.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Writes the message of a ping that will leave at `wall`.
    pub(super) fn prepare(&mut self, pinger: &Pinger, lane: usize, seq: u64, wall: i64) {
        if !self.is_of(lane, seq, wall) {
            self.write(pinger, lane, seq, wall);
        }
    }

    fn write(&mut self, pinger: &Pinger, lane: usize, seq: u64, wall: i64) {
        self.message.clear();
        pinger.write(seq, wall, &mut self.message);
        (self.lane, self.seq, self.wall) = (lane, seq, wall);
    }

    fn is_of(&self, lane: usize, seq: u64, wall: i64) -> bool {
        !self.message.is_empty() && (self.lane, self.seq) == (lane, seq) && (wall - self.wall).abs() <= FRESH
    }

    /// Makes sure that the message says the time at which it now leaves; gives back that time, by both clocks.
    pub(super) fn refresh(&mut self, pinger: &Pinger, lane: usize, seq: u64, clock: Clock) -> (Nanos, i64) {
        let (mut now, mut wall) = clock.moment();
        for _ in 0..FRESH_TRIES {
            if self.is_of(lane, seq, wall) {
                return (now, self.wall);
            }
            self.write(pinger, lane, seq, wall);
            (now, wall) = clock.moment();
        }
        // It leaves a little later than it says; the two clocks still tell of one moment.
        (now - (wall - self.wall), self.wall)
    }
}
