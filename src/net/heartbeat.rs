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
use std::time::Duration;

use super::Result;
use super::background::Background;
use super::clock::EverClock;
use super::feed::lock;
use super::resolve::bare;
use super::socket::Path;
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
    background: Background<()>,
    ready: Mutex<Option<Ready>>,
}

/// What the thread and its onlookers share.
#[derive(Debug)]
struct Desk {
    clock: EverClock,
    sender: Mutex<Sender>,
    /// The latest sign of life: without a lock, as programs give it in their innermost loops.
    touched: AtomicI64,
    /// The thread is to end without a word.
    hush: AtomicBool,
    refused: AtomicU64,
    state: Mutex<State>,
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
        let background = Background::new()?;
        let desk = Arc::new(Desk {
            clock: EverClock::start(),
            sender: Mutex::new(Sender::new(settings.plan)),
            touched: AtomicI64::new(0),
            hush: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            state: Mutex::new(State::default()),
        });
        let names = names::Names::new(&settings.host, settings.port, background.waker());
        let ready = Ready::new(Arc::clone(&desk), names, settings.path);
        Ok(Self { desk, background, ready: Mutex::new(Some(ready)) })
    }

    /// Starts sending in the background. A second call does nothing.
    ///
    /// # Errors
    /// It has been stopped, or the system refuses a thread.
    pub fn start(&self) -> Result<()> {
        let ready = lock(&self.ready).take();
        self.background.start("heartbeat", "go on sending heartbeats", |shared, bell| {
            ready.map_or(Ok(()), |mut ready| ready.run(shared, bell))
        })
    }

    /// Says goodbye with an exit status and waits until the thread has ended. A second call does nothing.
    pub fn stop(&self, status: i32) {
        self.end(Some(status));
    }

    fn end(&self, goodbye: Option<i32>) {
        if !self.background.is_inherited() {
            match goodbye {
                Some(status) => lock(&self.desk.sender).bye(self.desk.clock.now(), status),
                None => self.desk.hush.store(true, Ordering::Release),
            }
        }
        self.background.stop();
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
        self.background.wait(limit)
    }

    /// Whether it sends now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.background.is_running()
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
