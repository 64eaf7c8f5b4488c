//! The events of a background thread in a bounded queue, and how the thread ended.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backlog::{self, Backlog, Format};
use super::{Error, Result};

/// The most queued events: a slow reader must not delay the thread.
const MOST_EVENTS: usize = 65_536;
/// The same where none may be missed: more are stored, or the thread makes none.
const FEW_EVENTS: usize = 1_024;

/// Events from one thread to others, and its end.
#[derive(Debug)]
pub struct EventQueue<E> {
    state: Mutex<State<E>>,
    changed: Condvar,
    /// A block of the backlog has to be written to its file, or the work is over.
    needs_file: Condvar,
}

#[derive(Debug)]
struct State<E> {
    over: bool,
    failure: Option<Error>,
    events: VecDeque<E>,
    when_full: WhenFull<E>,
    /// How many events at the front were taken.
    taken: usize,
    missed: u64,
}

/// What becomes of events for which the queue has no room.
#[derive(Debug)]
enum WhenFull<E> {
    /// A slow reader misses the latest events.
    MissLatest,
    /// A slow reader misses the earliest; taken events stay in the queue until later ones replace them.
    MissEarliest,
    /// The thread makes no events until there is room; it asks [`EventQueue::has_room`].
    Wait,
    /// They wait in a backlog.
    Store(Box<Backlog<E>>),
}

impl<E> EventQueue<E> {
    /// A queue whose slow reader misses the latest events, which are counted.
    pub(super) fn new() -> Self {
        Self::with(WhenFull::MissLatest)
    }

    /// A queue that keeps the latest events, taken or not; a slow reader misses the earliest.
    pub(super) fn keeping() -> Self {
        Self::with(WhenFull::MissEarliest)
    }

    fn with(when_full: WhenFull<E>) -> Self {
        let (events, taken, missed) = (VecDeque::new(), 0, 0);
        let state = State { over: false, failure: None, events, when_full, taken, missed };
        Self { state: Mutex::new(state), changed: Condvar::new(), needs_file: Condvar::new() }
    }

    /// From now on the thread waits for a slow reader.
    pub(super) fn wait_when_full(&self) {
        lock(&self.state).when_full = WhenFull::Wait;
    }

    /// From now on events wait for a slow reader, up to `memory` bytes in memory, which [`EventQueue::write_backlog`]
    /// moves to a file.
    pub(super) fn store_when_full(&self, memory: usize, format: Format<E>) {
        lock(&self.state).when_full = WhenFull::Store(Box::new(Backlog::new(memory, format)));
    }

    /// Whether the thread may make an event now.
    pub(super) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        !matches!(state.when_full, WhenFull::Wait) || state.events.len() < FEW_EVENTS
    }

    /// Writes a backlog to a file while it grows, until the work is over or writing fails.
    pub(super) fn write_backlog(&self) {
        let mut file = None;
        loop {
            let idle = |state: &mut State<E>| !state.over && !state.needs_file();
            let waited = self.needs_file.wait_while(lock(&self.state), idle);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            if state.over {
                return;
            }
            let Some((start, block)) = state.backlog().and_then(Backlog::next_to_write) else { return };
            drop(state);
            let result = backlog::write(&mut file, start, &block);
            let failed = result.is_err();
            if let Some(backlog) = lock(&self.state).backlog() {
                backlog.written(start, block, result);
            }
            self.changed.notify_all();
            if failed {
                return;
            }
        }
    }

    /// Why events could not wait in a file, if that failed.
    pub fn backlog_failure(&self) -> Option<String> {
        lock(&self.state).backlog().and_then(|backlog| backlog.failure.clone())
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
        self.needs_file.notify_all();
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
        if state.needs_file() {
            self.needs_file.notify_all();
        }
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
        let mut state = self.wait_for(limit, State::has_news);
        if let Some(block) = state.next_block() {
            drop(state);
            let read = block.read();
            state = lock(&self.state);
            state.restore(read);
        }
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

    /// The latest events, taken or not, of a queue that keeps them.
    pub fn latest(&self) -> Vec<E>
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
        state.over && !state.is_waiting()
    }

    /// Events that were discarded before they were taken.
    pub fn missed_events(&self) -> u64 {
        let mut state = lock(&self.state);
        state.missed + state.backlog().map_or(0, |backlog| backlog.lost)
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

    /// Whether events are in the queue or its backlog.
    fn is_waiting(&self) -> bool {
        self.has_event() || matches!(&self.when_full, WhenFull::Store(backlog) if backlog.is_waiting())
    }

    /// Whether a reader has an event to take, or none will come.
    fn has_news(&self) -> bool {
        let is_ready = matches!(&self.when_full, WhenFull::Store(backlog) if backlog.is_ready());
        self.has_event() || is_ready || (self.over && !self.is_waiting())
    }

    fn needs_file(&self) -> bool {
        matches!(&self.when_full, WhenFull::Store(backlog) if backlog.needs_file())
    }

    fn backlog(&mut self) -> Option<&mut Backlog<E>> {
        if let WhenFull::Store(backlog) = &mut self.when_full { Some(backlog) } else { None }
    }

    fn add(&mut self, event: E) {
        let (is_short, is_full) = (self.events.len() < FEW_EVENTS, self.events.len() >= MOST_EVENTS);
        match &mut self.when_full {
            WhenFull::Store(backlog) if !is_short || backlog.is_waiting() => return backlog.push(&event),
            WhenFull::MissLatest if is_full => {
                self.missed += 1;
                return;
            }
            WhenFull::MissEarliest if is_full => {
                self.missed += u64::from(self.taken == 0);
                self.events.pop_front();
                self.taken = self.taken.saturating_sub(1);
            }
            _ => {}
        }
        self.events.push_back(event);
    }

    /// The next block of the backlog, once the queue itself is empty.
    fn next_block(&mut self) -> Option<backlog::Next> {
        if self.has_event() { None } else { self.backlog().and_then(Backlog::next) }
    }

    fn restore(&mut self, read: (io::Result<()>, backlog::Block)) {
        let events = self.backlog().map(|backlog| backlog.restore(read));
        self.events.extend(events.into_iter().flatten());
    }

    fn take(&mut self) -> Option<E>
    where
        E: Clone,
    {
        if !matches!(self.when_full, WhenFull::MissEarliest) {
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
    use std::thread;

    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(30);

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

    const NUMBERS: Format<u64> = Format {
        store: |number, out| out.extend(number.to_le_bytes()),
        restore: |bytes| bytes.split_off(..8).map(|eight| u64::from_le_bytes(eight.try_into().unwrap())),
    };

    #[test]
    fn a_slow_reader_for_whom_the_thread_waits_misses_nothing() {
        let queue = EventQueue::new();
        assert!(queue.has_room());
        queue.wait_when_full();
        queue.extend(0..FEW_EVENTS);
        assert!(!queue.has_room());
        queue.extend([FEW_EVENTS]);
        assert_eq!((queue.next(NOW).unwrap(), queue.has_room()), (Some(0), false));
        assert_eq!((queue.next(NOW).unwrap(), queue.has_room()), (Some(1), true));
        assert_eq!(queue.missed_events(), 0);
    }

    #[test]
    fn events_wait_in_memory_and_in_a_file_and_come_in_order() {
        const ALL: u64 = 200_000;
        const MEMORY: usize = 200_000;
        let queue = EventQueue::<u64>::new();
        queue.store_when_full(MEMORY, NUMBERS);
        thread::scope(|scope| {
            scope.spawn(|| queue.write_backlog());
            // Half of them before anything is read, the others at the same time.
            let add = |from: u64, to: u64| {
                for start in (from..to).step_by(1_000) {
                    while lock(&queue.state).backlog().is_some_and(|backlog| backlog.is_behind()) {
                        thread::yield_now();
                    }
                    queue.extend(start..start + 1_000);
                }
            };
            add(0, ALL / 2);
            assert!(lock(&queue.state).backlog().is_some_and(|backlog| backlog.bytes_in_file() > MEMORY));
            scope.spawn(move || add(ALL / 2, ALL));
            for number in 0..ALL {
                assert_eq!(queue.next(LONG).unwrap(), Some(number));
            }
            queue.end();
        });
        assert!(queue.exhausted() && queue.next(LONG).unwrap().is_none());
        assert_eq!((queue.missed_events(), queue.backlog_failure()), (0, None));
    }

    #[test]
    fn what_memory_has_no_room_for_is_counted() {
        let queue = EventQueue::<u64>::new();
        queue.store_when_full(80, NUMBERS);
        let few = u64::try_from(FEW_EVENTS).unwrap();
        queue.extend(0..few + 13);
        assert_eq!(queue.missed_events(), 3);
        queue.end();
        assert!(!queue.exhausted());
        let taken: Vec<_> = std::iter::from_fn(|| queue.next(NOW).unwrap()).collect();
        assert_eq!(taken, (0..few + 10).collect::<Vec<_>>());
        assert!(queue.exhausted());
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
        let worker = thread::spawn(move || thread.run("go on", || panic!("on purpose")));
        assert!(worker.join().is_err());
        assert!(queue.wait(NOW).unwrap_err().to_string().contains("cannot go on"));
        assert!(queue.is_over());
    }
}
