//! A thread that works until it is told to stop, and those who wait for it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::feed::{Feed, lock};
use super::pace::{self, Bell, Waker};
use super::{Error, Result};

/// Work in the background, and what it tells: what a server and a monitor have in common.
#[derive(Debug)]
pub struct Background<E> {
    shared: Arc<Shared<E>>,
    waker: Arc<Waker>,
    bell: Mutex<Option<Bell>>,
    thread: Mutex<Option<Running>>,
}

/// The thread, and the process that it lives in.
#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    process: u32,
}

/// What the work sees of it.
#[derive(Debug)]
pub(super) struct Shared<E> {
    stop: AtomicBool,
    pub(super) feed: Feed<E>,
}

impl<E> Shared<E> {
    /// Whether the work is to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl<E: Clone + Send + 'static> Background<E> {
    pub(super) fn new() -> Result<Self> {
        Self::with(Feed::new())
    }

    /// One that keeps the latest events, whether they are taken or not.
    pub(super) fn keeping() -> Result<Self> {
        Self::with(Feed::keeping())
    }

    fn with(feed: Feed<E>) -> Result<Self> {
        let (waker, bell) = pace::waker().map_err(Error::system("set up a thread"))?;
        Ok(Self {
            shared: Arc::new(Shared { stop: AtomicBool::new(false), feed }),
            waker: Arc::new(waker),
            bell: Mutex::new(Some(bell)),
            thread: Mutex::new(None),
        })
    }

    /// What ends the waits of the thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Begins. `what` names the worker (`server`), and `action` what then could not go on. A second call does nothing.
    ///
    /// # Errors
    /// It has been stopped, or the system refuses a thread.
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
            pace::be_punctual();
            shared.feed.conclude(action, || work(&shared, &bell));
        });
        let handle = spawned.map_err(|source| {
            // Nobody else will say that it is over.
            self.shared.feed.end();
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
            // A panic in the thread has been printed by its hook.
            Some(running) => drop(running.handle.join()),
            None => self.shared.feed.end(),
        }
    }

    /// Whether it works now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|running| !running.is_inherited())
            && !self.shared.feed.is_over()
    }
}

impl<E> Deref for Background<E> {
    type Target = Feed<E>;

    fn deref(&self) -> &Feed<E> {
        &self.shared.feed
    }
}

impl Running {
    /// Whether this process is a fork of the one that started the thread. The thread does not exist here: it is the
    /// parent's to stop, cannot even be dropped, and may have held any lock.
    fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }
}
