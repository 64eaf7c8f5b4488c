//! Replies waiting for their time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::logic::Nanos;

/// Replies that may wait at one time.
pub const MOST_HELD: usize = 65_536;
/// Bytes that may wait at one time.
pub const MOST_HELD_BYTES: usize = 64 << 20;

/// A queue by due time, bounded in count and in bytes; what is due at the same time leaves in order of
/// arrival.
#[derive(Debug)]
pub struct Held<V> {
    heap: BinaryHeap<Waiting<V>>,
    pushed: u64,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Waiting<V> {
    due: Nanos,
    order: u64,
    bytes: usize,
    value: V,
}

impl<V> Held<V> {
    /// An empty queue for [`MOST_HELD`] replies of [`MOST_HELD_BYTES`] together.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(MOST_HELD, MOST_HELD_BYTES)
    }

    /// An empty queue with bounds of its own.
    #[must_use]
    pub fn with_limits(most: usize, most_bytes: usize) -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0, bytes: 0, most, most_bytes }
    }

    /// Keeps `value`, which holds `bytes` bytes, until `due`.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no room.
    pub fn push(&mut self, due: Nanos, bytes: usize, value: V) -> Result<(), V> {
        if self.heap.len() >= self.most || bytes > self.most_bytes - self.bytes {
            return Err(value);
        }
        self.heap.push(Waiting { due, order: self.pushed, bytes, value });
        self.pushed += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// When the next one is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Nanos> {
        self.heap.peek().map(|next| next.due)
    }

    /// The next one that is due by `now`.
    pub fn pop_due(&mut self, now: Nanos) -> Option<V> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|next| {
            self.bytes -= next.bytes;
            next.value
        })
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// How many bytes wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all that wait.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.bytes = 0;
    }
}

impl<V> Default for Held<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Reversed, because the heap gives its greatest first.
impl<V> Ord for Waiting<V> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl<V> PartialOrd for Waiting<V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V> PartialEq for Waiting<V> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<V> Eq for Waiting<V> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn replies_leave_in_order_of_their_time_and_ties_in_order_of_arrival() {
        let mut held = Held::new();
        for (due, name) in [(30, 'd'), (10, 'a'), (20, 'b'), (20, 'c'), (30, 'e')] {
            held.push(due, 1, name).unwrap();
        }
        assert_eq!((held.len(), held.bytes(), held.next_due()), (5, 5, Some(10)));
        assert_eq!(held.pop_due(9), None);
        assert_eq!(held.pop_due(10), Some('a'));
        assert_eq!(held.pop_due(10), None);
        assert_eq!(std::iter::from_fn(|| held.pop_due(99)).collect::<String>(), "bcde");
        assert_eq!((held.is_empty(), held.bytes(), held.next_due()), (true, 0, None));
    }

    #[test]
    fn the_bounds_are_kept_and_what_finds_no_room_comes_back() {
        let mut held = Held::with_limits(2, 10);
        assert_eq!(held.push(1, 11, 'x'), Err('x'));
        assert_eq!(held.push(1, 6, 'a'), Ok(()));
        assert_eq!(held.push(1, 5, 'x'), Err('x'));
        assert_eq!(held.push(2, 4, 'b'), Ok(()));
        assert_eq!(held.push(0, 0, 'x'), Err('x'));
        assert_eq!((held.pop_due(1), held.bytes()), (Some('a'), 4));
        assert_eq!(held.push(1, 6, 'c'), Ok(()));
        held.clear();
        assert_eq!((held.len(), held.bytes()), (0, 0));
        assert_eq!(held.push(1, usize::MAX, 'x'), Err('x'));
    }

    proptest! {
        #[test]
        fn the_queue_is_a_stable_sort(dues in prop::collection::vec(-5..5_i64, 0..50)) {
            let mut held = Held::new();
            for (at, due) in dues.iter().enumerate() {
                held.push(*due, 0, (*due, at)).unwrap();
            }
            let mut sorted: Vec<_> = dues.iter().enumerate().map(|(at, due)| (*due, at)).collect();
            sorted.sort_unstable();
            prop_assert_eq!(std::iter::from_fn(|| held.pop_due(i64::MAX)).collect::<Vec<_>>(), sorted);
        }
    }
}
