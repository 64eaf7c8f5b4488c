//! What a relay counts of each direction.

use super::Relayed;
use crate::logic::Nanos;
use crate::logic::counters::counters;
use crate::logic::link::{Damage, Reason};

counters! {
    /// What one direction of a relay has done so far. `received` and `duplicated` together are the sum of `sent`, `dropped`,
    /// `queue_drops`, `errors` and `waiting`. The driver fills in `kernel_drops`.
    received: u64 = Counter, "datagrams", "Datagrams that arrived.";
    sent: u64 = Counter, "datagrams", "Datagrams that were sent on, further copies included.";
    dropped: u64 = Counter, "datagrams", "Datagrams dropped on purpose: lost, longer than the mtu, or at a time at which nothing passes.";
    delayed: u64 = Counter, "datagrams", "Datagrams that were delayed on purpose.";
    duplicated: u64 = Counter, "datagrams", "Further copies made on purpose.";
    reordered: u64 = Counter, "datagrams", "Datagrams that leave before one that arrived earlier, on purpose.";
    corrupted: u64 = Counter, "datagrams", "Datagrams that were changed or cut on purpose.";
    queue_drops: u64 = Counter, "datagrams", "Datagrams that found the queue of the rate full.";
    kernel_drops: Option<u64> = Counter, "datagrams",
        "Datagrams that the kernel dropped because the relay did not keep up.";
    errors: u64 = Counter, "datagrams",
        "Datagrams that could not be sent on: the system refused them, there was no room for them to wait or for a new \
         client, or they had gone in a circle.";
    waiting: u64 = Gauge, "datagrams", "Datagrams that are delayed now and not yet sent on.";
}

impl Counters {
    /// Counts a datagram that arrived at `now`.
    pub fn relayed(&mut self, relayed: &Relayed, now: Nanos) {
        let Relayed { passage, reordered } = relayed;
        let deliveries = &passage.deliveries;
        self.received += 1;
        match deliveries.len() as u64 {
            0 if deliveries.reason() == Reason::Queue => self.queue_drops += 1,
            0 => self.dropped += 1,
            copies => {
                self.duplicated += copies - 1;
                self.waiting += copies;
                self.reordered += u64::from(*reordered);
                self.corrupted += u64::from(passage.damage != Damage::NONE);
                self.delayed += deliveries.iter().filter(|delivery| delivery.at > now).count() as u64;
            }
        }
    }

    /// Counts a datagram that arrived and cannot be sent on.
    pub fn refused(&mut self) {
        self.received += 1;
        self.errors += 1;
    }

    /// Counts a datagram that was sent.
    pub fn sent(&mut self) {
        self.sent += 1;
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Counts a datagram that could not be sent.
    pub fn failed(&mut self) {
        self.errors += 1;
        self.waiting = self.waiting.saturating_sub(1);
    }
}
