//! Matches transmit timestamps to datagrams by the kernel's count of those of a socket
//! ([`SOF_TIMESTAMPING_OPT_ID`](https://docs.kernel.org/networking/timestamping.html)).

/// The latest datagrams whose timestamps can still be matched. As a rule one is missing; a train may be long.
const KEPT: usize = 4_096;
/// Missing timestamps from which on they must be read soon.
const MANY: u32 = 16;

/// The datagrams sent on one socket.
#[derive(Debug)]
pub(super) struct TxTimestamps<T> {
    /// What tells each from the others, by its count modulo [`KEPT`].
    tags: Vec<T>,
    next: u32,
    /// Timestamps not read yet.
    missing: u32,
}

impl<T: Copy> TxTimestamps<T> {
    pub(super) fn new() -> Self {
        Self { tags: Vec::new(), next: 0, missing: 0 }
    }

    /// Records a sent datagram.
    pub(super) fn push(&mut self, tag: T) {
        let place = self.next as usize % KEPT;
        if place < self.tags.len() {
            self.tags[place] = tag;
        } else {
            self.tags.push(tag);
        }
        self.next = self.next.wrapping_add(1);
        self.missing = self.missing.saturating_add(1);
    }

    /// The datagram with this count.
    pub(super) fn stamped(&mut self, key: u32) -> Option<T> {
        self.missing = self.missing.saturating_sub(1);
        let ago = self.next.wrapping_sub(key) as usize;
        (1..=KEPT.min(self.tags.len())).contains(&ago).then(|| self.tags[key as usize % KEPT])
    }

    /// Whether a timestamp may wait to be read.
    pub(super) fn is_missing(&self) -> bool {
        self.missing > 0
    }

    /// Whether so many timestamps are queued that they must be read soon: they take space in the receive buffer.
    pub(super) fn is_piling_up(&self) -> bool {
        self.missing >= MANY
    }

    /// Restarts the count at 0, as the kernel does.
    pub(super) fn recount(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_matched_out_of_order_and_after_the_counter_wraps() {
        let mut tx_timestamps = TxTimestamps { next: u32::MAX - 1, ..TxTimestamps::new() };
        tx_timestamps.tags = vec![(9, 0); KEPT];
        for seq in 0..4 {
            tx_timestamps.push((1, seq));
        }
        assert_eq!(tx_timestamps.stamped(0), Some((1, 2)));
        assert_eq!(tx_timestamps.stamped(u32::MAX - 1), Some((1, 0)));
        assert!(tx_timestamps.is_missing());
        assert_eq!(tx_timestamps.stamped(1), Some((1, 3)));
        assert_eq!(tx_timestamps.stamped(2), None, "not sent yet");
    }

    #[test]
    fn a_timestamp_that_is_too_old_or_of_an_earlier_count_is_ignored() {
        let mut tx_timestamps = TxTimestamps::new();
        for seq in 0..=KEPT as u64 {
            tx_timestamps.push((0, seq));
        }
        assert_eq!((tx_timestamps.stamped(0), tx_timestamps.stamped(1)), (None, Some((0, 1))));
        tx_timestamps.recount();
        assert_eq!((tx_timestamps.stamped(1), tx_timestamps.is_missing()), (None, false));
    }
}
