//! The slots of clients by the hash of their name or address.
//!
//! A table of open addressing with linear probing (Knuth, volume 3, section 6.4). An entry is a slot and the hash in
//! one word, so that a look-up reads one cache line here, and one of the client for its name. A removal moves later
//! entries up, so there are no tombstones.

/// Half of a word.
const HALF: u32 = u32::BITS;
/// At most seven of eight entries are taken.
const PARTS: usize = 8;
const FEWEST: usize = 16;
const EMPTY: u64 = 0;

/// Slots by hash.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The hash in the upper half, the slot plus one in the lower; a power of two of them, or none.
    entries: Vec<u64>,
    taken: usize,
}

impl Index {
    /// The first slot of this hash, which is most likely the one looked for.
    pub(super) fn guess(&self, hash: u32) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// The slot of this hash of which something holds.
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash)?;
        loop {
            let entry = self.entries[at];
            let slot = slot_of(entry)?;
            if hash_of(entry) == hash && is(slot) {
                return Some(slot);
            }
            at = self.next(at);
        }
    }

    pub(super) fn insert(&mut self, hash: u32, slot: u32) {
        if (self.taken + 1) * PARTS > self.entries.len() * (PARTS - 1) {
            let more = vec![EMPTY; (2 * self.entries.len()).max(FEWEST)];
            let before = std::mem::replace(&mut self.entries, more);
            before.into_iter().filter(|entry| *entry != EMPTY).for_each(|entry| self.put(entry));
        }
        self.taken += 1;
        self.put(u64::from(hash) << HALF | (u64::from(slot) + 1));
    }

    /// Takes out this slot. Those behind it that would be nearer to their own homes move up.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let Some(mut at) = self.home(hash) else { return };
        while slot_of(self.entries[at]) != Some(slot) {
            if self.entries[at] == EMPTY {
                return;
            }
            at = self.next(at);
        }
        self.taken -= 1;
        let mut behind = self.next(at);
        while self.entries[behind] != EMPTY {
            let home = self.home(hash_of(self.entries[behind])).unwrap_or(behind);
            let mask = self.entries.len() - 1;
            if behind.wrapping_sub(home) & mask >= behind.wrapping_sub(at) & mask {
                self.entries[at] = self.entries[behind];
                at = behind;
            }
            behind = self.next(behind);
        }
        self.entries[at] = EMPTY;
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.entries)
    }

    fn put(&mut self, entry: u64) {
        let mut at = self.home(hash_of(entry)).unwrap_or_default();
        while self.entries[at] != EMPTY {
            at = self.next(at);
        }
        self.entries[at] = entry;
    }

    /// Where the entry of a hash is, if that is free; none in an empty table.
    fn home(&self, hash: u32) -> Option<usize> {
        let mask = self.entries.len().checked_sub(1)?;
        Some(hash as usize & mask)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }
}

fn hash_of(entry: u64) -> u32 {
    u32::try_from(entry >> HALF).unwrap_or_default()
}

fn slot_of(entry: u64) -> Option<u32> {
    u32::try_from(entry & u64::from(u32::MAX)).unwrap_or_default().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside a map of the standard library; few hashes, so that many are the same or neighbours.
        #[test]
        fn it_finds_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((0_u8..3, 0_u32..40), 1..300),
            spread in prop::sample::select(vec![1_u32, 7, 0x1000_0001]),
        ) {
            let (mut index, mut model) = (Index::default(), HashMap::new());
            for (what, slot) in steps {
                let hash = (slot / 3).wrapping_mul(spread).wrapping_sub(5);
                match what {
                    0 => {
                        index.remove(hash, slot);
                        model.remove(&slot);
                    }
                    _ if model.contains_key(&slot) => {}
                    _ => {
                        index.insert(hash, slot);
                        model.insert(slot, hash);
                    }
                }
                prop_assert_eq!(index.taken, model.len());
                for slot in 0..40_u32 {
                    let hash = (slot / 3).wrapping_mul(spread).wrapping_sub(5);
                    let found = index.find(hash, |found| found == slot);
                    prop_assert_eq!(found, model.contains_key(&slot).then_some(slot));
                    let guess = index.guess(hash);
                    prop_assert!(guess.is_none_or(|guess| model[&guess] == hash));
                }
            }
        }
    }
}
