//! Heartbeats on a real socket: a background thread that drives one [`Sender`].
//!
//! Nothing that the network does ends it: an unknown name, a lost interface or an absent monitor are counted, told, and
//! tried again. A wrong setting alone is an error.

mod names;
mod thread;
mod way;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clock::EverClock;
use super::feed::{Feed, lock};
use super::pace::{self, Waker};
use super::resolve::bare;
use super::socket::Path;
use super::{Error, Result};
use crate::logic::heartbeat::{HeartbeatPlan, Sender, Tally};
use crate::logic::{Invalid, Nanos};
use thread::Ready;

/// Where to send heartbeats, and which.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What to send, and when.
    pub plan: HeartbeatPlan,
    /// Which socket path to take.
    pub path: Path,
}

/// A sender: it sends between [`Heartbeat::start`] and [`Heartbeat::stop`].
#[derive(Debug)]
pub struct Heartbeat {
    desk: Arc<Desk>,
    waker: Arc<Waker>,
    ready: Mutex<Option<Ready>>,
    thread: Mutex<Option<Running>>,
}

/// The thread, and the process that it lives in.
#[derive(Debug)]
struct Running {
    handle: JoinHandle<()>,
    process: u32,
}

/// What the thread and its onlookers share.
#[derive(Debug)]
struct Desk {
    clock: EverClock,
    sender: Mutex<Sender>,
    /// The latest sign of life: without a lock, as programs give it in their innermost loops.
    touched: AtomicI64,
    /// The session is to end with its last words.
    stop: AtomicBool,
    /// The thread is to end without a word.
    hush: AtomicBool,
    refused: AtomicU64,
    state: Mutex<State>,
    feed: Feed<()>,
}

/// How it stands with the network.
#[derive(Debug, Clone, Default)]
struct State {
    address: Option<SocketAddr>,
    problem: Option<String>,
}

/// A look at the books.
#[derive(Debug, Clone)]
pub struct Totals {
    /// The machine's counts.
    pub tally: Tally,
    /// Reports that nobody listens there (ICMP).
    pub refused: u64,
    /// The round trip of the heartbeat that was answered last.
    pub round_trip: Option<Nanos>,
    /// Where heartbeats go, once that is known.
    pub address: Option<SocketAddr>,
    /// What is wrong now.
    pub problem: Option<String>,
}

impl Heartbeat {
    /// Gets ready. No name is looked up and nothing is sent before [`Heartbeat::start`].
    ///
    /// # Errors
    /// A host or port that cannot be one.
    pub fn new(settings: Settings) -> Result<Self> {
        bare(&settings.host)?;
        if settings.port == 0 {
            return Err(Invalid::new("port", 0, "1 to 65535").into());
        }
        let (waker, bell) =
            pace::waker().map_err(|source| Error::System { action: "set up the heartbeat", source })?;
        let waker = Arc::new(waker);
        let desk = Arc::new(Desk {
            clock: EverClock::start(),
            sender: Mutex::new(Sender::new(settings.plan)),
            touched: AtomicI64::new(0),
            stop: AtomicBool::new(false),
            hush: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            feed: Feed::new(),
        });
        let names = names::Names::new(&settings.host, settings.port, Arc::clone(&waker));
        let ready = Ready::new(Arc::clone(&desk), names, bell, settings.path);
        Ok(Self { desk, waker, ready: Mutex::new(Some(ready)), thread: Mutex::new(None) })
    }

    /// Starts sending in the background. A second call does nothing.
    ///
    /// # Errors
    /// It has been stopped, or the system refuses a thread.
    pub fn start(&self) -> Result<()> {
        if self.desk.stop.load(Ordering::Acquire) {
            let source = std::io::Error::other("it has been stopped; make a new one");
            return Err(Error::System { action: "start the heartbeat again", source });
        }
        let mut thread = lock(&self.thread);
        let Some(mut ready) = lock(&self.ready).take() else { return Ok(()) };
        let desk = Arc::clone(&self.desk);
        let spawned = std::thread::Builder::new().name("udpping beat".into()).spawn(move || {
            pace::be_punctual();
            desk.feed.conclude("go on sending heartbeats", || ready.run());
        });
        let handle = spawned.map_err(|source| {
            // Nobody else will say that it is over.
            self.desk.feed.end();
            Error::System { action: "start a thread", source }
        })?;
        *thread = Some(Running { handle, process: std::process::id() });
        Ok(())
    }

    /// Says goodbye with an exit status and waits until the thread has ended. A second call does nothing.
    pub fn stop(&self, status: i32) {
        self.end(Some(status));
    }

    fn end(&self, goodbye: Option<i32>) {
        let mut thread = lock(&self.thread);
        if thread.as_ref().is_some_and(Running::is_inherited) {
            // In a forked child the thread does not exist: it is the parent's to stop, and cannot even be dropped.
            std::mem::forget(thread.take());
            return;
        }
        match goodbye {
            Some(status) => lock(&self.desk.sender).bye(self.desk.clock.now(), status),
            None => self.desk.hush.store(true, Ordering::Release),
        }
        self.desk.stop.store(true, Ordering::Release);
        self.waker.wake();
        match thread.take() {
            // A panic in the thread has been printed by its hook.
            Some(running) => drop(running.handle.join()),
            None => self.desk.feed.end(),
        }
    }

    /// A sign of life of the program, for a plan with a gate.
    pub fn touch(&self) {
        self.desk.touched.fetch_max(self.desk.clock.now(), Ordering::Relaxed);
    }

    /// Waits until it is over, at most `limit`; says whether it is.
    ///
    /// # Errors
    /// What ended it, if it was a failure.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        self.desk.feed.wait(limit)
    }

    /// Whether it sends now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|running| !running.is_inherited())
            && !self.desk.feed.is_over()
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let State { address, problem } = lock(&self.desk.state).clone();
        let refused = self.desk.refused.load(Ordering::Relaxed);
        let sender = lock(&self.desk.sender);
        Totals { tally: sender.tally(), refused, round_trip: sender.round_trip(), address, problem }
    }
}

impl Drop for Heartbeat {
    /// Without a word, as nobody stopped it on purpose: the monitor shall notice.
    fn drop(&mut self) {
        self.end(None);
    }
}

impl Running {
    /// Whether this process is a fork of the one that started the thread.
    fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }
}
