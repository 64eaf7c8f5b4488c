//! The lossy server on real sockets: threads that receive, ask the link what becomes of each datagram, and answer.
//!
//! Each has a socket of its own at one address, and the system gives a client's datagrams to one of them. What is decided
//! does not depend on which: they share the link. A delayed reply waits in a heap, not in the loop, so it holds up nobody.

mod desk;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::Result;
use super::event_queue::lock;
use super::resolve::reachable;
use super::socket::{Backend, Socket};
use super::worker::Worker;
use crate::logic::Invalid;
use crate::logic::echo::{Columns, Counters, EchoPlan, Row};
use crate::logic::link::{LinkPlan, Scope};
use desk::Office;

/// Threads that one server may have.
const MOST_WORKERS: usize = 64;

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address; empty for every IPv4 interface, `::` for every interface of both versions.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How many ports to try, counting up from `port`.
    pub port_tries: u16,
    /// How many threads to serve with, 1 to 64.
    pub workers: usize,
    /// What to do with datagrams.
    pub echo: EchoPlan,
    /// How many log rows to keep.
    pub record: usize,
    /// Which socket path to take.
    pub backend: Backend,
}

/// A server: bound when made, serving between [`Server::start`] and [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    bound: SocketAddr,
    /// Gone once stopped, so that the port is free again however long the counters are looked at.
    sockets: Mutex<Option<Arc<[Socket]>>>,
    kernel_drops: Mutex<Option<u64>>,
    office: Arc<Office>,
    background: Worker<Event>,
}

/// One datagram and what was decided on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The decision, as the log has it.
    pub row: Row,
    /// The beginning of the datagram.
    pub message: Box<[u8]>,
}

impl Server {
    /// Binds. Nothing is answered before [`Server::start`].
    ///
    /// # Errors
    /// [`super::Error::PortBusy`] when every port tried is taken, or whatever else the system refuses; a number of workers
    /// that cannot be.
    pub fn bind(settings: Settings) -> Result<Self> {
        check_workers(settings.workers, &settings.echo.link, settings.backend)?;
        let first = Socket::listen(&settings.host, settings.port, settings.port_tries, settings.backend)?;
        let bound = first.local()?;
        let others = (1..settings.workers).map(|_| first.beside()).collect::<Result<Vec<_>>>()?;
        let sockets: Arc<[Socket]> = std::iter::once(first).chain(others).collect();
        sockets.iter().for_each(Socket::enable_gro);
        Ok(Self {
            bound,
            sockets: Mutex::new(Some(sockets)),
            kernel_drops: Mutex::new(None),
            office: Arc::new(Office::new(settings)),
            background: Worker::new()?,
        })
    }

    /// Starts serving in the background. A second call does nothing.
    ///
    /// # Errors
    /// The server has been stopped, or the system refuses a thread.
    pub fn start(&self) -> Result<()> {
        let (office, sockets) = (Arc::clone(&self.office), lock(&self.sockets).clone());
        let waker = self.background.waker();
        self.background.start("server", "go on serving", move |shared, bell| {
            sockets.map_or(Ok(()), |sockets| office.serve(&sockets, shared, bell, &waker))
        })
    }

    /// Stops serving and waits until the threads have ended. Replies that still wait are not sent.
    pub fn stop(&self) {
        self.background.stop();
        if let Some(sockets) = lock(&self.sockets).take() {
            *lock(&self.kernel_drops) = kernel_drops(&sockets);
        }
    }

    /// From now on keep what [`super::EventQueue::next`] gives.
    pub fn follow(&self) {
        self.office.followed.store(true, Ordering::Release);
    }

    /// Where it is bound.
    #[must_use]
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Where a client on this machine finds it: loopback for a wildcard.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        reachable(self.bound)
    }

    /// The counts so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let sockets = lock(&self.sockets).clone();
        let kernel_drops =
            sockets.map_or_else(|| *lock(&self.kernel_drops), |sockets| kernel_drops(&sockets));
        self.office.counters(kernel_drops)
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> Columns {
        self.office.log()
    }
}

/// Whether so many threads can serve as planned.
fn check_workers(workers: usize, plan: &LinkPlan, backend: Backend) -> std::result::Result<(), Invalid> {
    let expected = if !(1..=MOST_WORKERS).contains(&workers) {
        "1 to 64"
    } else if workers == 1 {
        return Ok(());
    } else if plan.scope() == Scope::Shared {
        "1 with one stream for all clients (scope shared, also the default with randint); choose scope client for more"
    } else if backend == Backend::Portable {
        "1 on this system, which does not share out what arrives between several sockets"
    } else {
        return Ok(());
    };
    Err(Invalid::new("workers", workers, expected))
}

/// Of all sockets together.
fn kernel_drops(sockets: &[Socket]) -> Option<u64> {
    sockets.iter().map(Socket::kernel_drops).sum()
}

impl Deref for Server {
    type Target = Worker<Event>;

    fn deref(&self) -> &Worker<Event> {
        &self.background
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
