//! The events of a background thread in a bounded queue, and how the thread ended.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Error, Result};

/// The most queued events: a slow reader must not delay the thread.
const MOST_EVENTS: usize = 65_536;

/// Events from one thread to others, and its end.
#[derive(Debug)]
pub struct EventQueue<E> {
    state: Mutex<State<E>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<E> {
    over: bool,
    failure: Option<Error>,
    events: VecDeque<E>,
    /// Whether taken events stay in the queue until later ones replace them.
    keeps: bool,
    /// How many events at the front were taken.
    taken: usize,
    missed: u64,
}

impl<E> EventQueue<E> {
    /// A queue whose slow reader misses the latest events, which are counted.
    pub(super) fn new() -> Self {
        Self::with(false)
    }

    /// A queue that keeps the latest events, taken or not; a slow reader misses the earliest.
    pub(super) fn keeping() -> Self {
        Self::with(true)
    }

    fn with(keeps: bool) -> Self {
        let (events, taken, missed) = (VecDeque::new(), 0, 0);
        let state = State { over: false, failure: None, events, keeps, taken, missed };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Runs the thread's work and closes the queue, even after a panic, whose error names `action`.
    pub(super) fn run(&self, action: &'static str, work: impl FnOnce() -> Result<()>) {
        let _closing = Closing { queue: self, action };
        if let Err(error) = work() {
            lock(&self.state).failure = Some(error);
        }
    }

    /// Marks the work as over where no thread runs.
    pub(super) fn end(&self) {
        lock(&self.state).over = true;
        self.changed.notify_all();
    }

    /// Marks the work as over, and as failed if the thread panics; the error then names `action`.
    pub(super) fn close(&self, action: &'static str) {
        if std::thread::panicking() {
            let source = io::Error::other("a defect in udpping; please report it with the message above");
            lock(&self.state).failure = Some(Error::System { action, source });
        }
        self.end();
    }

    pub(super) fn fail(&self, error: Error) {
        lock(&self.state).failure = Some(error);
        self.end();
    }

    /// Adds events and wakes all waiting threads.
    pub(super) fn extend(&self, events: impl IntoIterator<Item = E>) {
        let mut state = lock(&self.state);
        for event in events {
            state.add(event);
        }
        self.changed.notify_all();
    }

    /// Waits until the work is over, at most `limit`; returns whether it is.
    ///
    /// # Errors
    /// Its failure, once.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        let mut state = self.wait_for(limit, |state| state.over);
        state.failure.take().map_or(Ok(state.over), Err)
    }

    /// Waits until there is an event or the work is over, at most `limit`, and takes nothing.
    pub(super) fn wait_for_event(&self, limit: Duration) {
        drop(self.wait_for(limit, |state| state.over || state.has_event()));
    }

    /// Takes the next event; `None` if there was none within `limit` or the work is over.
    ///
    /// # Errors
    /// The failure of the work, once.
    pub fn next(&self, limit: Duration) -> Result<Option<E>>
    where
        E: Clone,
    {
        let mut state = self.wait_for(limit, |state| state.over || state.has_event());
        if let Some(event) = state.take() {
            return Ok(Some(event));
        }
        state.failure.take().map_or(Ok(None), Err)
    }

    /// Puts back the event that [`EventQueue::next`] returned last.
    pub fn put_back(&self, event: E) {
        let mut state = lock(&self.state);
        if state.taken > 0 {
            state.taken -= 1;
        } else {
            state.events.push_front(event);
        }
    }

    pub(super) fn latest(&self) -> Vec<E>
    where
        E: Clone,
    {
        lock(&self.state).events.iter().cloned().collect()
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.state).over
    }

    /// Whether the work is over and all events were taken.
    pub fn exhausted(&self) -> bool {
        let state = lock(&self.state);
        state.over && !state.has_event()
    }

    /// Events that were discarded before they were taken.
    pub fn missed_events(&self) -> u64 {
        lock(&self.state).missed
    }

    fn wait_for(&self, limit: Duration, done: impl Fn(&State<E>) -> bool) -> MutexGuard<'_, State<E>> {
        let waited = self.changed.wait_timeout_while(lock(&self.state), limit, |state| !done(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<E> State<E> {
    fn has_event(&self) -> bool {
        self.taken < self.events.len()
    }

    fn add(&mut self, event: E) {
        if self.events.len() >= MOST_EVENTS {
            self.missed += u64::from(self.taken == 0);
            if !self.keeps {
                return;
            }
            self.events.pop_front();
            self.taken = self.taken.saturating_sub(1);
        }
        self.events.push_back(event);
    }

    fn take(&mut self) -> Option<E>
    where
        E: Clone,
    {
        if !self.keeps {
            return self.events.pop_front();
        }
        let event = self.events.get(self.taken).cloned()?;
        self.taken += 1;
        Some(event)
    }
}

/// Closes the queue when dropped.
struct Closing<'a, E> {
    queue: &'a EventQueue<E>,
    action: &'static str,
}

impl<E> Drop for Closing<'_, E> {
    fn drop(&mut self) {
        self.queue.close(self.action);
    }
}

/// Locks, also after a panic in another thread, which its own queue reports.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_slow_reader_misses_the_latest_events_which_are_counted() {
        let queue = EventQueue::new();
        queue.extend(0..MOST_EVENTS + 3);
        assert_eq!((queue.next(NOW).unwrap(), queue.missed_events()), (Some(0), 3));
        queue.end();
        assert!(queue.is_over() && !queue.exhausted());
        while queue.next(NOW).unwrap().is_some() {}
        assert!(queue.exhausted() && queue.wait(NOW).unwrap());
    }

    #[test]
    fn a_keeping_queue_has_the_latest_and_a_slow_reader_misses_the_earliest() {
        let queue = EventQueue::keeping();
        queue.extend(0..MOST_EVENTS);
        assert_eq!((queue.next(NOW).unwrap(), queue.next(NOW).unwrap()), (Some(0), Some(1)));
        queue.put_back(1);
        queue.extend(MOST_EVENTS..MOST_EVENTS + 4);
        assert_eq!((queue.next(NOW).unwrap(), queue.missed_events()), (Some(4), 3));
        queue.end();
        while queue.next(NOW).unwrap().is_some() {}
        assert!(queue.exhausted() && queue.missed_events() == 3);
        assert_eq!(queue.latest(), (4..MOST_EVENTS + 4).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_is_returned_once_and_after_the_events() {
        let queue = EventQueue::new();
        queue.extend([1]);
        queue.run("work", || Err(Error::System { action: "work", source: io::Error::other("tired") }));
        assert_eq!(queue.next(NOW).unwrap(), Some(1));
        assert!(queue.next(NOW).unwrap_err().to_string().contains("tired"));
        assert!(queue.next(NOW).unwrap().is_none() && queue.wait(NOW).unwrap());
    }

    #[test]
    fn a_panic_is_an_end_and_a_failure() {
        let queue = Arc::new(EventQueue::<()>::new());
        let thread = Arc::clone(&queue);
        let worker = std::thread::spawn(move || thread.run("go on", || panic!("on purpose")));
        assert!(worker.join().is_err());
        assert!(queue.wait(NOW).unwrap_err().to_string().contains("cannot go on"));
        assert!(queue.is_over());
    }
}
