//! Heartbeats on real sockets: background threads that each drive many [`Sender`](crate::logic::heartbeat::Sender)s.
//! Network errors are counted and reported and end no sender; only an invalid setting is an error.

mod driver;
mod driver_pool;
mod mailbox;
mod sender_task;
mod state;
#[cfg(test)]
mod tests;
mod transport;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::event_queue::lock;
use super::name_watcher::NameWatcher;
use super::resolve::{bare, fixed, zoned};
use super::resolver::{Resolver, Subscriber};
use super::socket::Backend;
use super::{Error, Result};
use crate::logic::codec::heartbeat::Key;
use crate::logic::heartbeat::{Counters, HeartbeatPlan};
use crate::logic::{Invalid, Nanos};
use driver_pool::DriverPool;
use mailbox::Mailbox;
use sender_task::SenderTask;
use state::{Network, SenderState};
use transport::Transport;

/// Longer than a driver takes to serve a sender.
const LONG: Duration = Duration::from_secs(3_600);

/// The monitor's address, and the heartbeats to send.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The heartbeats and their schedule.
    pub plan: HeartbeatPlan,
    /// Which socket backend to use.
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

/// How to reach its driver.
#[derive(Debug)]
struct Driver {
    mailbox: Arc<Mailbox>,
    key: u64,
}

/// A snapshot.
#[derive(Debug, Clone)]
pub struct Totals {
    /// The counts.
    pub counters: Counters,
    /// The round trip of the last answered heartbeat.
    pub round_trip: Option<Nanos>,
    /// The monitor's address, once it is resolved.
    pub address: Option<SocketAddr>,
    /// The current problem.
    pub problem: Option<String>,
}

impl Heartbeat {
    /// Looks up no name and sends nothing before [`Heartbeat::start`].
    pub fn new(settings: Settings) -> Result<Self> {
        bare(&settings.host)?;
        if let Some(address) = fixed(&settings.host, settings.port) {
            zoned("host", address, None)?;
        }
        if settings.port == 0 {
            return Err(Invalid::new("port", 0, "1 to 65535").into());
        }
        let state = Arc::new(SenderState::new(DriverPool::own().clock, settings.plan));
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
    pub fn start(&self) -> Result<()> {
        if self.stopped.load(Ordering::Acquire) {
            let source = std::io::Error::other("the heartbeat has been stopped; make a new one");
            return Err(Error::System { action: "start again", source });
        }
        if self.is_forked() {
            return Ok(());
        }
        let mut driver = lock(&self.driver);
        if driver.is_some() {
            return Ok(());
        }
        let pool = DriverPool::own();
        let (lease, new) = pool.lease(self.backend)?;
        let mut transport = Transport::new(self.backend, &lease);
        if let Some(address) = fixed(&self.host, self.port) {
            // A network error may be temporary; a lack of descriptors or memory is reported at once.
            transport.prepare(address).or_else(|error| {
                if error.is_shortage() || matches!(error, Error::Invalid(_)) { Err(error) } else { Ok(()) }
            })?;
        }
        let (mailbox, key) = (Arc::clone(&lease.mailbox), lease.key);
        let subscriber = Subscriber::new(mailbox.clone(), key);
        let name = NameWatcher::new(&self.host, self.port, Resolver::own(), subscriber);
        self.process.store(std::process::id(), Ordering::Release);
        // The lease keeps the driver running, so the channel is open.
        drop(new.send(SenderTask::new(Arc::clone(&self.state), lease, name, transport)));
        mailbox.wake();
        *driver = Some(Driver { mailbox, key });
        Ok(())
    }

    /// Sends goodbyes with an exit status. The first has been sent when this returns; [`Heartbeat::wait`] waits for the
    /// others. A second call does nothing.
    pub fn stop(&self, status: i32) {
        if self.is_forked() {
            return;
        }
        let driver = lock(&self.driver);
        let is_first = !self.stopped.swap(true, Ordering::AcqRel);
        match &*driver {
            Some(Driver { mailbox, key }) if is_first => {
                lock(&self.state.sender).bye(self.state.clock.now(), status);
                self.state.set_draining(DriverPool::own().draining());
                mailbox.call(*key);
            }
            Some(_) => {}
            None => self.state.events.end(),
        }
        drop(driver);
        self.state.events.wait_for_event(LONG);
    }

    /// Whether this process is a fork of the one that started it: no driver runs here, and its locks may be held.
    fn is_forked(&self) -> bool {
        self.process.load(Ordering::Acquire) != 0 && !self.is_own()
    }

    fn is_own(&self) -> bool {
        self.process.load(Ordering::Acquire) == std::process::id()
    }

    /// Seals the next heartbeats with another key.
    pub fn set_key(&self, key: Key) -> std::result::Result<(), Invalid> {
        lock(&self.state.sender).set_key(key)
    }

    /// Records that the program is alive, for a plan with `touch`.
    pub fn touch(&self) {
        self.state.touched.fetch_max(self.state.clock.now(), Ordering::Relaxed);
    }

    /// Waits until it is over, at most `limit`; returns whether it is.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        self.state.events.wait(limit)
    }

    /// Whether it sends now.
    pub fn is_running(&self) -> bool {
        self.is_own() && !self.stopped.load(Ordering::Acquire) && !self.state.events.is_over()
    }

    /// The counts so far.
    pub fn totals(&self) -> Totals {
        let Network { address, problem } = lock(&self.state.network).clone();
        let refused = self.state.refused.load(Ordering::Relaxed);
        let sender = lock(&self.state.sender);
        let counters = Counters { refused, ..sender.counters() };
        Totals { counters, round_trip: sender.round_trip(), address, problem }
    }
}

impl Drop for Heartbeat {
    /// Ends without a goodbye, as it was not stopped on purpose: the monitor is to report it.
    fn drop(&mut self) {
        if self.stopped.load(Ordering::Acquire) || self.is_forked() {
            return;
        }
        if let Some(Driver { mailbox, key }) = &*lock(&self.driver) {
            self.state.silenced.store(true, Ordering::Release);
            mailbox.call(*key);
            drop(self.state.events.wait(LONG));
        }
    }
}

/// Waits until all stopped heartbeats of this process have sent their goodbyes, at most `limit`.
pub fn drain(limit: Duration) {
    DriverPool::own().drain(limit);
}
