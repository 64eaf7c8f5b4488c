//! A background thread that works until it is stopped, and the queue of its events.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::event_queue::{EventQueue, lock};
use super::wait::{self, Bell, Waker};
use super::{Error, Result};

/// A background thread and its events.
#[derive(Debug)]
pub struct Worker<E> {
    shared: Arc<Shared<E>>,
    waker: Arc<Waker>,
    bell: Mutex<Option<Bell>>,
    thread: Mutex<Option<Running>>,
}

/// A thread, and the process that started it.
#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    process: u32,
}

/// The state that the thread shares with its owner.
#[derive(Debug)]
pub(super) struct Shared<E> {
    stop: AtomicBool,
    pub(super) events: EventQueue<E>,
}

impl<E> Shared<E> {
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl<E: Clone + Send + 'static> Worker<E> {
    pub(super) fn new() -> Result<Self> {
        Self::with(EventQueue::new())
    }

    /// A worker whose queue keeps the latest events, taken or not.
    pub(super) fn keeping() -> Result<Self> {
        Self::with(EventQueue::keeping())
    }

    fn with(events: EventQueue<E>) -> Result<Self> {
        let (waker, bell) = wait::waker().map_err(Error::system("set up a thread"))?;
        Ok(Self {
            shared: Arc::new(Shared { stop: AtomicBool::new(false), events }),
            waker: Arc::new(waker),
            bell: Mutex::new(Some(bell)),
            thread: Mutex::new(None),
        })
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Starts the thread; a second call does nothing. Errors name the worker as `what` (`server`) and its work as
    /// `action`.
    pub(super) fn start(
        &self,
        what: &'static str,
        action: &'static str,
        work: impl FnOnce(&Shared<E>, &Bell) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        if self.shared.is_stopping() {
            let source = std::io::Error::other(format!("the {what} has been stopped; make a new one"));
            return Err(Error::System { action: "start again", source });
        }
        let mut thread = lock(&self.thread);
        let Some(bell) = lock(&self.bell).take() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let spawned = std::thread::Builder::new().name(format!("udpping {what}")).spawn(move || {
            wait::set_timer_slack();
            shared.events.run(action, || work(&shared, &bell));
        });
        let handle = spawned.map_err(|source| {
            // No thread closes the queue.
            self.shared.events.end();
            Error::System { action: "start a thread", source }
        })?;
        *thread = Some(Running { handle, process: std::process::id() });
        Ok(())
    }

    /// Stops and waits until the thread has ended.
    pub(super) fn stop(&self) {
        let mut thread = lock(&self.thread);
        if thread.as_ref().is_some_and(Running::is_inherited) {
            std::mem::forget(thread.take());
            return;
        }
        self.shared.stop.store(true, Ordering::Release);
        self.waker.wake();
        match thread.take() {
            // The panic hook has printed a panic of the thread.
            Some(running) => drop(running.handle.join()),
            None => self.shared.events.end(),
        }
    }

    /// Whether the thread runs.
    pub fn is_running(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|running| !running.is_inherited())
            && !self.shared.events.is_over()
    }
}

impl<E> Deref for Worker<E> {
    type Target = EventQueue<E>;

    fn deref(&self) -> &EventQueue<E> {
        &self.shared.events
    }
}

impl Running {
    /// Whether this process is a fork of the one that started the thread, which then does not exist here: it cannot be
    /// joined or detached, and may have held any lock.
    fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }
}
