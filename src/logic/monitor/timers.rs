//! A timer for each of very many clients.
//!
//! Every heartbeat moves the client's timer on, and few timers ever fire. So setting one writes one number in an array.
//! Each client also has an entry in a bucket of 134 ms. When a bucket is due, the entries of timers that moved on go to
//! a later bucket, and the others into a heap: an entry moves once in as much time as a client may be silent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::logic::Nanos;

/// A bucket is 2^27 ns wide: 134 ms.
const WIDTH: u32 = 27;
/// With more entries for each client, and beside them, those that are out of date are removed.
const MAX_ENTRIES: usize = 4;
const SPARE: usize = 64;
const NEVER: Nanos = Nanos::MAX;

/// The timers of clients, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Timers {
    times: Vec<Time>,
    /// By the number of the bucket.
    buckets: BTreeMap<Nanos, Vec<u32>>,
    /// Buckets before this one were drained into `near`.
    drained: Nanos,
    near: BinaryHeap<Reverse<(Nanos, u32)>>,
    entries: usize,
}

/// When a timer fires, and the time of its valid entry, which is no later. Other entries are out of date.
#[derive(Debug, Clone, Copy)]
struct Time {
    at: Nanos,
    entry: Nanos,
}

impl Timers {
    /// Sets the timer of a client.
    pub(super) fn set(&mut self, client: u32, at: Nanos) {
        let index = client as usize;
        if index >= self.times.len() {
            self.times.resize(index + 1, Time { at: NEVER, entry: NEVER });
        }
        let at = at.min(NEVER - 1);
        self.times[index].at = at;
        if at < self.times[index].entry {
            self.insert(client, at);
            if self.entries > MAX_ENTRIES * self.times.len() + SPARE {
                self.compact();
            }
        }
    }

    pub(super) fn clear(&mut self, client: u32) {
        if let Some(time) = self.times.get_mut(client as usize) {
            time.at = NEVER;
        }
    }

    /// Loads a client's timer into the processor's cache.
    pub(super) fn prefetch(&self, client: u32) -> u64 {
        self.times.get(client as usize).map_or(0, |time| time.at.cast_unsigned() & 1)
    }

    /// No timer fires before this time.
    pub(super) fn next(&self) -> Option<Nanos> {
        let near = self.near.peek().map(|Reverse((at, _))| *at);
        near.into_iter().chain(self.buckets.keys().next().map(|bucket| bucket << WIDTH)).min()
    }

    /// A client whose timer fires, which is then cleared.
    pub(super) fn due(&mut self, now: Nanos) -> Option<u32> {
        loop {
            if let Some(Reverse((entry, client))) =
                self.near.peek().copied().filter(|Reverse((at, _))| *at <= now)
            {
                self.near.pop();
                self.entries -= 1;
                let time = &mut self.times[client as usize];
                if time.entry != entry {
                    continue;
                }
                time.entry = NEVER;
                if time.at <= now {
                    time.at = NEVER;
                    return Some(client);
                }
                self.reinsert(client);
                continue;
            }
            let first = self.buckets.first_entry().filter(|bucket| bucket.key() << WIDTH <= now)?;
            let (bucket, clients) = first.remove_entry();
            self.drained = self.drained.max(bucket + 1);
            self.entries -= clients.len();
            for client in clients {
                let time = &mut self.times[client as usize];
                if time.entry == bucket << WIDTH {
                    time.entry = NEVER;
                    self.reinsert(client);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let buckets: usize = self.buckets.values().map(Vec::capacity).sum();
        16 * (self.times.capacity() + self.near.capacity()) + 4 * buckets
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    fn reinsert(&mut self, client: u32) {
        let at = self.times[client as usize].at;
        if at < NEVER {
            self.insert(client, at);
        }
    }

    fn insert(&mut self, client: u32, at: Nanos) {
        self.entries += 1;
        let bucket = at >> WIDTH;
        let is_near = bucket < self.drained;
        self.times[client as usize].entry = if is_near { at } else { bucket << WIDTH };
        if is_near {
            self.near.push(Reverse((at, client)));
        } else {
            self.buckets.entry(bucket).or_default().push(client);
        }
    }

    fn compact(&mut self) {
        (self.near, self.buckets, self.entries) = (BinaryHeap::new(), BTreeMap::new(), 0);
        for client in 0..u32::try_from(self.times.len()).unwrap_or(u32::MAX) {
            self.times[client as usize].entry = NEVER;
            self.reinsert(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::SECOND;

    proptest! {
        /// Beside a list of times that is looked through from end to end.
        #[test]
        fn everybody_is_looked_at_in_time_and_once(
            steps in prop::collection::vec((0_u8..10, 0_u32..8, 0..3 * SECOND, 0..SECOND / 2), 1..400)
        ) {
            let (mut timers, mut times, mut now) = (Timers::default(), [NEVER; 8], 0);
            for (what, client, ahead, later) in steps {
                match what {
                    0 => {
                        timers.clear(client);
                        times[client as usize] = NEVER;
                    }
                    1..6 => {
                        let at = now + ahead + 1;
                        timers.set(client, at);
                        times[client as usize] = at;
                    }
                    _ => now += later,
                }
                let first = times.iter().copied().min().filter(|at| *at < NEVER);
                prop_assert!(first.is_none_or(|first| timers.next().is_some_and(|next| next <= first)));
                let mut due: Vec<u32> = std::iter::from_fn(|| timers.due(now)).collect();
                due.sort_unstable();
                let expected: Vec<u32> = (0..8).filter(|client| times[*client as usize] <= now).collect();
                prop_assert_eq!(&due, &expected);
                for client in &due {
                    times[*client as usize] = NEVER;
                }
                prop_assert!(timers.next().is_none_or(|next| next > now));
                prop_assert!(timers.len() <= MAX_ENTRIES * 8 + SPARE);
            }
        }
    }

    #[test]
    fn a_million_clients_who_are_heard_every_second_are_moved_once_a_second() {
        const CLIENTS: u32 = 1_000_000;
        let (mut timers, mut now) = (Timers::default(), 0);
        for round in 0..4 {
            for client in 0..CLIENTS {
                now = (Nanos::from(client) + round * Nanos::from(CLIENTS)) * 1_000;
                timers.set(client, now + 3 * SECOND / 2);
                if client % 1_000 == 0 {
                    assert_eq!(timers.due(now), None);
                }
            }
            assert_eq!(timers.len(), CLIENTS as usize);
        }
        // Half of them fall silent.
        let silent = now + 2 * SECOND;
        for client in (0..CLIENTS).step_by(2) {
            timers.set(client, silent + SECOND);
        }
        let due: Vec<u32> = std::iter::from_fn(|| timers.due(silent)).collect();
        assert_eq!((due.len(), due.is_sorted()), (CLIENTS as usize / 2, true), "in the order of their times");
        assert!(due.iter().all(|client| client % 2 == 1));
    }
}
