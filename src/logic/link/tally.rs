//! What one direction of a link has done so far.

use super::fate::Reason;

/// The counts of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Datagrams that were sent.
    pub sent: u64,
    /// Those of them that `first` left alone.
    pub spared: u64,
    /// Those that were lost.
    pub lost: u64,
    /// Those that were too long.
    pub too_long: u64,
    /// Those of which copies were made.
    pub duplicated: u64,
    /// Runs of lost ones.
    pub loss_runs: u64,
    /// Those that could be cut, as they were long enough.
    pub cuttable: u64,
    /// Those that were cut.
    pub cut: u64,
    /// Those of which bits were flipped.
    pub flipped: u64,
    /// Datagrams and copies that found no room in the queue.
    pub no_room: u64,
    /// Those that came when nothing passed.
    pub out: u64,
    /// Those that came to the end, without the ones left alone.
    pub passed: u64,
    /// Those of them that were held back, so that others overtake them.
    pub held_back: u64,
}

impl Tally {
    /// Counts a datagram, or copy, that was dropped later.
    pub(super) fn dropped(&mut self, reason: Reason) {
        match reason {
            Reason::Queue => self.no_room += 1,
            _ => self.out += 1,
        }
    }
}
