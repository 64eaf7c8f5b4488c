//! What a background thread tells those who wait for it: events in a bounded queue, and how it ended.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Error, Result};

/// Events kept for a reader who is slow: nothing may hold up the thread.
const MOST_EVENTS: usize = 65_536;

/// The line between a thread and its onlookers.
#[derive(Debug)]
pub struct Feed<E> {
    state: Mutex<State<E>>,
    news: Condvar,
}

#[derive(Debug)]
struct State<E> {
    over: bool,
    failure: Option<Error>,
    events: VecDeque<E>,
    /// Whether those that were taken are kept to be looked at, until later ones need the room.
    keeps: bool,
    /// How many at the front were taken.
    taken: usize,
    missed: u64,
}

impl<E> Feed<E> {
    /// One whose reader may miss the latest events, which are counted.
    pub(super) fn new() -> Self {
        Self::with(false)
    }

    /// One that also is a log of the latest events; a slow reader misses the earliest.
    pub(super) fn keeping() -> Self {
        Self::with(true)
    }

    fn with(keeps: bool) -> Self {
        let (events, taken, missed) = (VecDeque::new(), 0, 0);
        let state = State { over: false, failure: None, events, keeps, taken, missed };
        Self { state: Mutex::new(state), news: Condvar::new() }
    }

    /// Does the thread's work and says that it is over, also if it panics; `action` is what then could not go on.
    pub(super) fn conclude(&self, action: &'static str, work: impl FnOnce() -> Result<()>) {
        let ending = Ending { feed: self, action };
        if let Err(error) = work() {
            lock(&ending.feed.state).failure = Some(error);
        }
    }

    /// Says that it is over, where no thread can.
    pub(super) fn end(&self) {
        lock(&self.state).over = true;
        self.news.notify_all();
    }

    /// Says that it is over, also by a panic that is under way; `action` is what then could not go on.
    pub(super) fn close(&self, action: &'static str) {
        if std::thread::panicking() {
            let source = io::Error::other("a defect in udpping; please report it with the message above");
            lock(&self.state).failure = Some(Error::System { action, source });
        }
        self.end();
    }

    /// Fails: it is over, and this is why.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.state).failure = Some(error);
        self.end();
    }

    /// Passes events on.
    pub(super) fn tell(&self, events: impl IntoIterator<Item = E>) {
        let mut state = lock(&self.state);
        for event in events {
            state.add(event);
        }
        self.news.notify_all();
    }

    /// Waits until it is over, at most `limit`; says whether it is.
    ///
    /// # Errors
    /// What ended it, once, if it was a failure.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        let mut state = self.wait_for(limit, |state| state.over);
        state.failure.take().map_or(Ok(state.over), Err)
    }

    /// Waits until there is an event or it is over, at most `limit`, and takes neither.
    pub(super) fn wait_for_news(&self, limit: Duration) {
        drop(self.wait_for(limit, |state| state.over || state.has_news()));
    }

    /// The next event; `None` if there was none within `limit` or it is over.
    ///
    /// # Errors
    /// What ended it, once, if it was a failure.
    pub fn next(&self, limit: Duration) -> Result<Option<E>>
    where
        E: Clone,
    {
        let mut state = self.wait_for(limit, |state| state.over || state.has_news());
        if let Some(event) = state.take() {
            return Ok(Some(event));
        }
        state.failure.take().map_or(Ok(None), Err)
    }

    /// Takes back the event that [`Feed::next`] gave: it is the next one again.
    pub fn put_back(&self, event: E) {
        let mut state = lock(&self.state);
        if state.taken > 0 {
            state.taken -= 1;
        } else {
            state.events.push_front(event);
        }
    }

    /// The latest events, whether they were taken or not.
    pub(super) fn latest(&self) -> Vec<E>
    where
        E: Clone,
    {
        lock(&self.state).events.iter().cloned().collect()
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.state).over
    }

    /// Whether it is over and all events are taken.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        let state = lock(&self.state);
        state.over && !state.has_news()
    }

    /// Events that nobody took in time.
    #[must_use]
    pub fn missed_events(&self) -> u64 {
        lock(&self.state).missed
    }

    fn wait_for(&self, limit: Duration, done: impl Fn(&State<E>) -> bool) -> MutexGuard<'_, State<E>> {
        let waited = self.news.wait_timeout_while(lock(&self.state), limit, |state| !done(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<E> State<E> {
    fn has_news(&self) -> bool {
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

/// The end of a thread's work, however it comes.
struct Ending<'a, E> {
    feed: &'a Feed<E>,
    action: &'static str,
}

impl<E> Drop for Ending<'_, E> {
    fn drop(&mut self) {
        self.feed.close(self.action);
    }
}

/// A panic in a thread has been reported as its end; the data behind the lock is still whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_slow_reader_misses_the_latest_and_is_told_how_many() {
        let feed = Feed::new();
        feed.tell(0..MOST_EVENTS + 3);
        assert_eq!((feed.next(NOW).unwrap(), feed.missed_events()), (Some(0), 3));
        feed.end();
        assert!(feed.is_over() && !feed.exhausted());
        while feed.next(NOW).unwrap().is_some() {}
        assert!(feed.exhausted() && feed.wait(NOW).unwrap());
    }

    #[test]
    fn a_log_keeps_the_latest_and_a_slow_reader_misses_the_earliest() {
        let feed = Feed::keeping();
        feed.tell(0..MOST_EVENTS);
        assert_eq!((feed.next(NOW).unwrap(), feed.next(NOW).unwrap()), (Some(0), Some(1)));
        feed.put_back(1);
        feed.tell(MOST_EVENTS..MOST_EVENTS + 4);
        assert_eq!((feed.next(NOW).unwrap(), feed.missed_events()), (Some(4), 3));
        feed.end();
        while feed.next(NOW).unwrap().is_some() {}
        assert!(feed.exhausted() && feed.missed_events() == 3);
        assert_eq!(feed.latest(), (4..MOST_EVENTS + 4).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_is_told_once_and_after_the_events() {
        let feed = Feed::new();
        feed.tell([1]);
        feed.conclude("work", || Err(Error::System { action: "work", source: io::Error::other("tired") }));
        assert_eq!(feed.next(NOW).unwrap(), Some(1));
        assert!(feed.next(NOW).unwrap_err().to_string().contains("tired"));
        assert!(feed.next(NOW).unwrap().is_none() && feed.wait(NOW).unwrap());
    }

    #[test]
    fn a_panic_is_an_end_and_a_failure() {
        let feed = Arc::new(Feed::<()>::new());
        let thread = Arc::clone(&feed);
        let worker = std::thread::spawn(move || thread.conclude("go on", || panic!("on purpose")));
        assert!(worker.join().is_err());
        assert!(feed.wait(NOW).unwrap_err().to_string().contains("cannot go on"));
        assert!(feed.is_over());
    }
}
