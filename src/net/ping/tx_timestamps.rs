//! Which ping a transmit timestamp belongs to: the kernel counts the datagrams of a socket
//! ([`SOF_TIMESTAMPING_OPT_ID`](https://docs.kernel.org/networking/timestamping.html)), and so does this.

/// The latest pings whose timestamps can still come. As a rule one is missing; a train may be long.
const KEPT: usize = 4_096;
/// So many missing timestamps are many.
const MANY: u32 = 16;

/// What was sent on one socket.
#[derive(Debug)]
pub(super) struct TxTimestamps {
    /// By the place in the order of sending, modulo [`KEPT`]: target and number of the ping.
    pings: Vec<(usize, u64)>,
    next: u32,
    /// Timestamps that have not come.
    missing: u32,
}

impl TxTimestamps {
    pub(super) fn new() -> Self {
        Self { pings: Vec::new(), next: 0, missing: 0 }
    }

    /// A ping was sent.
    pub(super) fn push(&mut self, log: usize, seq: u64) {
        let place = self.next as usize % KEPT;
        if place < self.pings.len() {
            self.pings[place] = (log, seq);
        } else {
            self.pings.push((log, seq));
        }
        self.next = self.next.wrapping_add(1);
        self.missing = self.missing.saturating_add(1);
    }

    /// Target and number of the ping with this count.
    pub(super) fn stamped(&mut self, key: u32) -> Option<(usize, u64)> {
        self.missing = self.missing.saturating_sub(1);
        let ago = self.next.wrapping_sub(key) as usize;
        (1..=KEPT.min(self.pings.len())).contains(&ago).then(|| self.pings[key as usize % KEPT])
    }

    /// Whether a timestamp may wait to be read.
    pub(super) fn is_missing(&self) -> bool {
        self.missing > 0
    }

    /// Whether so many timestamps wait that they must be read soon: they take room in the receive buffer.
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
        let mut tx_timestamps = TxTimestamps { next: u32::MAX - 1, ..TxTimestamps::new() };
        tx_timestamps.pings = vec![(9, 0); KEPT];
        for seq in 0..4 {
            tx_timestamps.push(1, seq);
        }
        assert_eq!(tx_timestamps.stamped(0), Some((1, 2)));
        assert_eq!(tx_timestamps.stamped(u32::MAX - 1), Some((1, 0)));
        assert!(tx_timestamps.is_missing());
        assert_eq!(tx_timestamps.stamped(1), Some((1, 3)));
        assert_eq!(tx_timestamps.stamped(2), None, "not sent yet");
    }

    #[test]
    fn what_is_too_long_ago_or_of_another_count_is_nobodys() {
        let mut tx_timestamps = TxTimestamps::new();
        for seq in 0..=KEPT as u64 {
            tx_timestamps.push(0, seq);
        }
        assert_eq!((tx_timestamps.stamped(0), tx_timestamps.stamped(1)), (None, Some((0, 1))));
        tx_timestamps.recount();
        assert_eq!((tx_timestamps.stamped(1), tx_timestamps.is_missing()), (None, false));
    }
}
