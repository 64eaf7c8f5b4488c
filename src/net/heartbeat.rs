//! Heartbeats on real sockets: background threads that each drive many [`Sender`]s.
//!
//! Nothing that the network does ends it: an unknown name, a lost interface or an absent monitor are counted, told, and
//! tried again. A wrong setting alone is an error.

mod duty;
mod fleet;
mod hosts;
mod mailbox;
mod names;
#[cfg(test)]
mod tests;
mod thread;
mod way;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::clock::EverClock;
use super::feed::{Feed, lock};
use super::resolve::bare;
use super::socket::Path;
use super::{Error, Result};
use crate::logic::heartbeat::{Counters, HeartbeatPlan, Sender};
use crate::logic::{Invalid, Nanos};
use duty::Duty;
use fleet::Fleet;
use hosts::Reader;
use mailbox::Mailbox;
use names::Names;
use way::Way;

/// As good as for ever: no driver takes so long to come to a sender that it is called to.
const LONG: Duration = Duration::from_secs(3_600);

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
    host: String,
    port: u16,
    path: Path,
    desk: Arc<Desk>,
    driver: Mutex<Option<Driver>>,
    /// The process that started it, or 0.
    process: AtomicU32,
    stopped: AtomicBool,
}

/// Where its driver is reached.
#[derive(Debug)]
struct Driver {
    mailbox: Arc<Mailbox>,
    key: u64,
}

/// What the driver and the onlookers of one sender share.
#[derive(Debug)]
struct Desk {
    clock: EverClock,
    sender: Mutex<Sender>,
    /// The latest sign of life: without a lock, as programs give it in their innermost loops.
    touched: AtomicI64,
    /// It is to end without a word.
    hush: AtomicBool,
    /// It was stopped and is not over yet.
    leaving: AtomicBool,
    refused: AtomicU64,
    state: Mutex<State>,
    /// The event is that a last word has been said.
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
    /// The counts.
    pub counters: Counters,
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
        let desk = Arc::new(Desk {
            clock: Fleet::own().clock,
            sender: Mutex::new(Sender::new(settings.plan)),
            touched: AtomicI64::new(0),
            hush: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            state: Mutex::new(State::default()),
            feed: Feed::new(),
        });
        Ok(Self {
            host: settings.host,
            port: settings.port,
            path: settings.path,
            desk,
            driver: Mutex::new(None),
            process: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
        })
    }

    /// Starts sending in the background. A second call does nothing.
    ///
    /// # Errors
    /// It has been stopped, or the system refuses a thread or a socket, as it has too many.
    pub fn start(&self) -> Result<()> {
        if self.stopped.load(Ordering::Acquire) {
            let source = std::io::Error::other("the heartbeat has been stopped; make a new one");
            return Err(Error::System { action: "start again", source });
        }
        if self.is_inherited() {
            return Ok(());
        }
        let mut driver = lock(&self.driver);
        if driver.is_some() {
            return Ok(());
        }
        let fleet = Fleet::own();
        let (lease, new) = fleet.lease(self.path)?;
        let mut way = Way::new(self.path, &lease);
        if let Some(address) = names::fixed(&self.host, self.port) {
            // What the network refuses it may grant later. What this process may not have, nobody else can free.
            way.prepare(address).or_else(|error| if error.is_shortage() { Err(error) } else { Ok(()) })?;
        }
        let (mailbox, key) = (Arc::clone(&lease.mailbox), lease.key);
        let names = Names::new(&self.host, self.port, &fleet.hosts, Reader::new(&mailbox, key));
        self.process.store(std::process::id(), Ordering::Release);
        // The lease keeps the driver, so it is there to take this.
        drop(new.send(Duty::new(Arc::clone(&self.desk), lease, names, way)));
        mailbox.wake();
        *driver = Some(Driver { mailbox, key });
        Ok(())
    }

    /// Says goodbye with an exit status. The first of the last words has been said when this returns, and the others
    /// follow; [`Heartbeat::wait`] waits for them. A second call does nothing.
    pub fn stop(&self, status: i32) {
        if self.is_inherited() {
            return;
        }
        let driver = lock(&self.driver);
        let is_first = !self.stopped.swap(true, Ordering::AcqRel);
        match &*driver {
            Some(Driver { mailbox, key }) if is_first => {
                lock(&self.desk.sender).bye(self.desk.clock.now(), status);
                self.desk.leave();
                mailbox.call(*key);
            }
            Some(_) => {}
            None => self.desk.feed.end(),
        }
        drop(driver);
        self.desk.feed.wait_for_news(LONG);
    }

    /// Whether this process is a fork of the one that started it. Its driver does not exist here, and may have held
    /// any lock.
    fn is_inherited(&self) -> bool {
        self.process.load(Ordering::Acquire) != 0 && !self.is_own()
    }

    /// Whether this process started it.
    fn is_own(&self) -> bool {
        self.process.load(Ordering::Acquire) == std::process::id()
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
        self.is_own() && !self.stopped.load(Ordering::Acquire) && !self.desk.feed.is_over()
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let State { address, problem } = lock(&self.desk.state).clone();
        let refused = self.desk.refused.load(Ordering::Relaxed);
        let sender = lock(&self.desk.sender);
        let counters = Counters { refused, ..sender.counters() };
        Totals { counters, round_trip: sender.round_trip(), address, problem }
    }
}

impl Desk {
    /// It was stopped: until it is over, a process that ends waits for it.
    fn leave(&self) {
        Fleet::own().leave();
        self.leaving.store(true, Ordering::Release);
        self.settle();
    }

    /// It is no longer waited for if it is over. Whoever comes last, the one who stops it or its driver, finds it so.
    fn settle(&self) {
        if self.feed.is_over() && self.leaving.swap(false, Ordering::AcqRel) {
            Fleet::own().left();
        }
    }
}

impl Drop for Heartbeat {
    /// Without a word, as nobody stopped it on purpose: the monitor shall notice.
    fn drop(&mut self) {
        if self.stopped.load(Ordering::Acquire) || self.is_inherited() {
            return;
        }
        if let Some(Driver { mailbox, key }) = &*lock(&self.driver) {
            self.desk.hush.store(true, Ordering::Release);
            mailbox.call(*key);
            drop(self.desk.feed.wait(LONG));
        }
    }
}

/// Waits until all heartbeats of this process that were stopped have said their last words, at most `limit`: for a
/// process that ends.
pub fn see_off(limit: Duration) {
    Fleet::own().see_off(limit);
}
