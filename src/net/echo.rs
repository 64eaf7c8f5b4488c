//! The lossy server on a real socket: one thread that receives, asks [`Echo`], and answers.
//!
//! A delayed reply waits in a heap, not in the loop, so it holds up nobody.

mod desk;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::background::Background;
use super::clock::Clock;
use super::feed::lock;
use super::resolve::reachable;
use super::socket::{Path, Socket};
use super::{Result, listen};
use crate::logic::echo::{Columns, Counters, Echo, EchoPlan, Held, Log, Row};
use desk::{Books, Desk};

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address; empty for every IPv4 interface, `::` for every interface of both versions.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How many ports to try, counting up from `port`.
    pub port_tries: u16,
    /// What to do with datagrams.
    pub echo: EchoPlan,
    /// How many log rows to keep.
    pub record: usize,
    /// Which socket path to take.
    pub path: Path,
}

/// A server: bound when made, serving between [`Server::start`] and [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    bound: SocketAddr,
    /// Gone once stopped, so that the port is free again however long the counters are looked at.
    socket: Mutex<Option<Arc<Socket>>>,
    kernel_drops: Mutex<Option<u64>>,
    desk: Arc<Desk>,
    background: Background<Event>,
}

/// One datagram and what was decided on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The decision, as the log has it.
    pub row: Row,
    /// The beginning of the datagram.
    pub message: Box<[u8]>,
}

/// A look at the books.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// The machine's counts.
    pub counters: Counters,
    /// Replies that wait for their time.
    pub waiting: u64,
    /// Datagrams that the kernel dropped because the socket's buffer was full, where it tells.
    pub kernel_drops: Option<u64>,
    /// Clients seen, by address and port.
    pub clients: u64,
    /// Rows that did not fit into the log.
    pub unlogged: u64,
}

impl Server {
    /// Binds. Nothing is answered before [`Server::start`].
    ///
    /// # Errors
    /// [`super::Error::PortBusy`] when every port tried is taken, or whatever else the system refuses.
    pub fn bind(settings: Settings) -> Result<Self> {
        let socket = listen(&settings.host, settings.port, settings.port_tries, settings.path)?;
        let bound = socket.local()?;
        let books =
            Books { echo: Echo::new(settings.echo), log: Log::new(settings.record), held: Held::new() };
        let desk = Desk {
            path: settings.path,
            clock: Clock::start(),
            books: Mutex::new(books),
            followed: AtomicBool::new(false),
        };
        Ok(Self {
            bound,
            socket: Mutex::new(Some(Arc::new(socket))),
            kernel_drops: Mutex::new(None),
            desk: Arc::new(desk),
            background: Background::new()?,
        })
    }

    /// Starts serving in the background. A second call does nothing.
    ///
    /// # Errors
    /// The server has been stopped, or the system refuses a thread.
    pub fn start(&self) -> Result<()> {
        let (desk, socket) = (Arc::clone(&self.desk), lock(&self.socket).clone());
        self.background.start("server", "go on serving", move |shared, bell| {
            socket.map_or(Ok(()), |socket| desk.serve(&socket, shared, bell))
        })
    }

    /// Stops serving and waits until the thread has ended. Replies that still wait are not sent.
    pub fn stop(&self) {
        self.background.stop();
        if let Some(socket) = lock(&self.socket).take() {
            *lock(&self.kernel_drops) = socket.kernel_drops();
        }
    }

    /// Waits until the server has stopped, at most `limit`; says whether it has.
    ///
    /// # Errors
    /// What stopped it, if it was a failure.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        self.background.wait(limit)
    }

    /// From now on keep what [`Server::next`] gives.
    pub fn follow(&self) {
        self.desk.followed.store(true, Ordering::Release);
    }

    /// The next datagram that was handled, waiting at most `limit`. `None` if there was none, or the server has stopped.
    ///
    /// # Errors
    /// What stopped the server, if it was a failure.
    pub fn next(&self, limit: Duration) -> Result<Option<Event>> {
        self.background.next(limit)
    }

    /// Whether the server has stopped and all events are taken.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        self.background.is_exhausted()
    }

    /// Events that nobody took in time.
    #[must_use]
    pub fn missed_events(&self) -> u64 {
        self.background.missed()
    }

    /// Whether it serves now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.background.is_running()
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
    pub fn totals(&self) -> Totals {
        let socket = lock(&self.socket).clone();
        let kernel_drops = socket.map_or_else(|| *lock(&self.kernel_drops), |socket| socket.kernel_drops());
        let books = lock(&self.desk.books);
        Totals {
            counters: books.echo.counters(),
            waiting: books.held.len() as u64,
            kernel_drops,
            clients: books.echo.clients(),
            unlogged: books.log.unlogged(),
        }
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> Columns {
        lock(&self.desk.books).log.columns()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
