//! Heartbeats on real sockets: background threads that each drive many [`Sender`](crate::logic::heartbeat::Sender)s.
//!
//! Nothing that the network does ends it: an unknown name, a lost interface or an absent monitor are counted, told, and
//! tried again. A wrong setting alone is an error.

mod duty;
mod fleet;
mod hosts;
mod mailbox;
mod names;
mod state;
#[cfg(test)]
mod tests;
mod thread;
mod way;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::event_queue::lock;
use super::resolve::bare;
use super::socket::Backend;
use super::{Error, Result};
use crate::logic::heartbeat::{Counters, HeartbeatPlan};
use crate::logic::{Invalid, Nanos};
use duty::Duty;
use fleet::Fleet;
use hosts::Reader;
use mailbox::Mailbox;
use names::Names;
use state::{Network, SenderState};
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
    pub backend: Backend,
}

/// A sender: it sends between [`Heartbeat::start`] and [`Heartbeat::stop`].
#[derive(Debug)]
pub struct Heartbeat {
    host: String,
    port: u16,
    backend: Backend,
    state: Arc<SenderState>,
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
        let state = Arc::new(SenderState::new(Fleet::own().clock, settings.plan));
        Ok(Self {
            host: settings.host,
            port: settings.port,
            backend: settings.backend,
            state,
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
        let (lease, new) = fleet.lease(self.backend)?;
        let mut way = Way::new(self.backend, &lease);
        if let Some(address) = names::fixed(&self.host, self.port) {
            // What the network refuses it may grant later. What this process may not have, nobody else can free.
            way.prepare(address).or_else(|error| if error.is_shortage() { Err(error) } else { Ok(()) })?;
        }
        let (mailbox, key) = (Arc::clone(&lease.mailbox), lease.key);
        let names = Names::new(&self.host, self.port, &fleet.hosts, Reader::new(&mailbox, key));
        self.process.store(std::process::id(), Ordering::Release);
        // The lease keeps the driver, so it is there to take this.
        drop(new.send(Duty::new(Arc::clone(&self.state), lease, names, way)));
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
                lock(&self.state.sender).bye(self.state.clock.now(), status);
                self.state.leave(Fleet::own().leaving());
                mailbox.call(*key);
            }
            Some(_) => {}
            None => self.state.events.end(),
        }
        drop(driver);
        self.state.events.wait_for_event(LONG);
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
        self.state.touched.fetch_max(self.state.clock.now(), Ordering::Relaxed);
    }

    /// Waits until it is over, at most `limit`; says whether it is.
    ///
    /// # Errors
    /// What ended it, if it was a failure.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        self.state.events.wait(limit)
    }

    /// Whether it sends now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_own() && !self.stopped.load(Ordering::Acquire) && !self.state.events.is_over()
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let Network { address, problem } = lock(&self.state.network).clone();
        let refused = self.state.refused.load(Ordering::Relaxed);
        let sender = lock(&self.state.sender);
        let counters = Counters { refused, ..sender.counters() };
        Totals { counters, round_trip: sender.round_trip(), address, problem }
    }
}

impl Drop for Heartbeat {
    /// Without a word, as nobody stopped it on purpose: the monitor shall notice.
    fn drop(&mut self) {
        if self.stopped.load(Ordering::Acquire) || self.is_inherited() {
            return;
        }
        if let Some(Driver { mailbox, key }) = &*lock(&self.driver) {
            self.state.hush.store(true, Ordering::Release);
            mailbox.call(*key);
            drop(self.state.events.wait(LONG));
        }
    }
}

/// Waits until all heartbeats of this process that were stopped have said their last words, at most `limit`: for a
/// process that ends.
pub fn see_off(limit: Duration) {
    Fleet::own().see_off(limit);
}
