//! Which ping a stamp of sending is about: the kernel counts the datagrams of a socket, and so does this.

/// The latest sendings whose stamps can still come. One at a time is out as a rule; a train may be long.
const KEPT: usize = 4_096;
/// Missing stamps that are many.
const MANY: u32 = 16;

/// What left by one socket.
#[derive(Debug)]
pub(super) struct Sendings {
    /// By the place in the order of sending, modulo [`KEPT`]: lane and number of the ping.
    pings: Vec<(usize, u64)>,
    next: u32,
    /// Stamps that have not come.
    missing: u32,
}

impl Sendings {
    pub(super) fn new() -> Self {
        Self { pings: Vec::new(), next: 0, missing: 0 }
    }

    /// A ping left.
    pub(super) fn push(&mut self, lane: usize, seq: u64) {
        let place = self.next as usize % KEPT;
        if place < self.pings.len() {
            self.pings[place] = (lane, seq);
        } else {
            self.pings.push((lane, seq));
        }
        self.next = self.next.wrapping_add(1);
        self.missing = self.missing.saturating_add(1);
    }

    /// Lane and number of the ping with this place.
    pub(super) fn stamped(&mut self, key: u32) -> Option<(usize, u64)> {
        self.missing = self.missing.saturating_sub(1);
        let ago = self.next.wrapping_sub(key) as usize;
        (1..=KEPT.min(self.pings.len())).contains(&ago).then(|| self.pings[key as usize % KEPT])
    }

    /// Whether a stamp may wait to be read.
    pub(super) fn is_missing(&self) -> bool {
        self.missing > 0
    }

    /// Whether so many stamps wait that they must be read soon: they take room from what arrives.
    pub(super) fn is_piling_up(&self) -> bool {
        self.missing >= MANY
    }

    /// The kernel counts from 0 again.
    pub(super) fn recount(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_finds_its_ping_also_out_of_order_and_after_the_counter_has_wrapped() {
        let mut sendings = Sendings { next: u32::MAX - 1, ..Sendings::new() };
        sendings.pings = vec![(9, 0); KEPT];
        for seq in 0..4 {
            sendings.push(1, seq);
        }
        assert_eq!(sendings.stamped(0), Some((1, 2)));
        assert_eq!(sendings.stamped(u32::MAX - 1), Some((1, 0)));
        assert!(sendings.is_missing());
        assert_eq!(sendings.stamped(1), Some((1, 3)));
        assert_eq!(sendings.stamped(2), None, "not sent yet");
    }

    #[test]
    fn what_is_too_long_ago_or_of_another_count_is_nobodys() {
        let mut sendings = Sendings::new();
        for seq in 0..=KEPT as u64 {
            sendings.push(0, seq);
        }
        assert_eq!((sendings.stamped(0), sendings.stamped(1)), (None, Some((0, 1))));
        sendings.recount();
        assert_eq!((sendings.stamped(1), sendings.is_missing()), (None, false));
    }
}
