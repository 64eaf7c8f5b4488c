//! Delayed replies, and datagrams on their way, by the time at which they are due.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::logic::Nanos;

/// A queue by due time; values due at the same time leave in the order in which they came. Count and bytes may be bounded.
#[derive(Debug, Clone)]
pub struct DelayQueue<T> {
    heap: BinaryHeap<Waiting<T>>,
    pushed: u64,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug, Clone)]
struct Waiting<T> {
    due: Nanos,
    order: u64,
    bytes: usize,
    value: T,
}

impl<T> DelayQueue<T> {
    /// An empty queue without bounds.
    pub fn new() -> Self {
        Self::with_limits(usize::MAX, usize::MAX)
    }

    /// An empty queue for at most `most` values, of at most `most_bytes` bytes together.
    pub fn with_limits(most: usize, most_bytes: usize) -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0, bytes: 0, most, most_bytes }
    }

    /// Keeps `value`, which holds `bytes` bytes, until `due`.
    pub fn try_push(&mut self, due: Nanos, bytes: usize, value: T) -> Result<(), T> {
        if self.heap.len() >= self.most || bytes > self.most_bytes - self.bytes {
            return Err(value);
        }
        self.heap.push(Waiting { due, order: self.pushed, bytes, value });
        self.pushed += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Keeps `value` until `due`, without regard to the bounds.
    pub fn push(&mut self, due: Nanos, value: T) {
        self.heap.push(Waiting { due, order: self.pushed, bytes: 0, value });
        self.pushed += 1;
    }

    /// How many more values it has room for, and how many bytes more.
    pub fn room(&self) -> (usize, usize) {
        (self.most.saturating_sub(self.heap.len()), self.most_bytes.saturating_sub(self.bytes))
    }

    /// Bytes of the values, as they were said.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that it takes to hold twice as many.
    pub fn bytes_to_grow(&self) -> usize {
        2 * self.heap.len() * size_of::<Waiting<T>>()
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Nanos> {
        self.heap.peek().map(|next| next.due)
    }

    /// The next one that is due by `now`.
    pub fn pop_due(&mut self, now: Nanos) -> Option<T> {
        if self.next_due()? > now {
            return None;
        }
        self.heap.pop().map(|next| {
            self.bytes -= next.bytes;
            next.value
        })
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Default for DelayQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Reversed, because the heap gives its greatest first.
impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Waiting<T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_leave_in_order_of_their_time_and_ties_in_order_of_arrival() {
        let mut queue = DelayQueue::new();
        for (due, name) in [(30, 'd'), (10, 'a'), (20, 'b'), (20, 'c'), (30, 'e')] {
            queue.try_push(due, 1, name).unwrap();
        }
        assert_eq!((queue.len(), queue.bytes, queue.next_due()), (5, 5, Some(10)));
        assert_eq!(queue.pop_due(9), None);
        assert_eq!(queue.pop_due(10), Some('a'));
        assert_eq!(queue.pop_due(10), None);
        assert_eq!(std::iter::from_fn(|| queue.pop_due(99)).collect::<String>(), "bcde");
        assert_eq!((queue.is_empty(), queue.bytes, queue.next_due()), (true, 0, None));
    }

    #[test]
    fn the_bounds_are_kept_and_what_finds_no_room_comes_back() {
        let mut queue = DelayQueue::with_limits(2, 10);
        assert_eq!(queue.try_push(1, 11, 'x'), Err('x'));
        assert_eq!(queue.try_push(1, 6, 'a'), Ok(()));
        assert_eq!(queue.try_push(1, 5, 'x'), Err('x'));
        assert_eq!(queue.try_push(2, 4, 'b'), Ok(()));
        assert_eq!(queue.try_push(0, 0, 'x'), Err('x'));
        assert_eq!((queue.pop_due(1), queue.bytes), (Some('a'), 4));
        assert_eq!(queue.try_push(1, 6, 'c'), Ok(()));
        assert_eq!([queue.pop_due(2), queue.pop_due(2)], [Some('c'), Some('b')]);
        assert_eq!((queue.len(), queue.bytes), (0, 0));
        assert_eq!(queue.try_push(1, usize::MAX, 'x'), Err('x'));
    }

    proptest! {
        #[test]
        fn the_queue_is_a_stable_sort(dues in prop::collection::vec(-5..5_i64, 0..50)) {
            let mut queue = DelayQueue::new();
            for (at, due) in dues.iter().enumerate() {
                queue.push(*due, (*due, at));
            }
            let mut sorted: Vec<_> = dues.iter().enumerate().map(|(at, due)| (*due, at)).collect();
            sorted.sort_unstable();
            prop_assert_eq!(std::iter::from_fn(|| queue.pop_due(i64::MAX)).collect::<Vec<_>>(), sorted);
        }
    }
}
