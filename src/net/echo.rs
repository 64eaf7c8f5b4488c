//! The lossy server on a real socket: one thread that receives, asks [`Echo`], and answers.
//!
//! A delayed reply waits in a heap, not in the loop, so it holds up nobody.

mod desk;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::clock::Clock;
use super::feed::{Feed, lock};
use super::pace::{self, Bell, Waker};
use super::resolve::reachable;
use super::socket::{Path, Socket};
use super::{Error, Result, resolve};
use crate::logic::Invalid;
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
    waker: Waker,
    bell: Mutex<Option<Bell>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    process: u32,
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
    /// [`Error::PortBusy`] when every port tried is taken, or whatever else the system refuses.
    pub fn bind(settings: Settings) -> Result<Self> {
        let socket = open(&settings)?;
        let bound = socket.local()?;
        let (waker, bell) =
            pace::waker().map_err(|source| Error::System { action: "set up the server", source })?;
        let books =
            Books { echo: Echo::new(settings.echo), log: Log::new(settings.record), held: Held::new() };
        let desk = Desk {
            path: settings.path,
            clock: Clock::start(),
            stop: AtomicBool::new(false),
            books: Mutex::new(books),
            followed: AtomicBool::new(false),
            feed: Feed::new(),
        };
        Ok(Self {
            bound,
            socket: Mutex::new(Some(Arc::new(socket))),
            kernel_drops: Mutex::new(None),
            desk: Arc::new(desk),
            waker,
            bell: Mutex::new(Some(bell)),
            thread: Mutex::new(None),
            process: std::process::id(),
        })
    }

    /// Starts serving in the background. A second call does nothing.
    ///
    /// # Errors
    /// The server has been stopped, or the system refuses a thread.
    pub fn start(&self) -> Result<()> {
        if self.desk.stop.load(Ordering::Acquire) {
            let source = std::io::Error::other("it has been stopped; make a new one");
            return Err(Error::System { action: "start the server again", source });
        }
        let mut thread = lock(&self.thread);
        let Some(bell) = lock(&self.bell).take() else { return Ok(()) };
        let Some(socket) = lock(&self.socket).clone() else { return Ok(()) };
        let desk = Arc::clone(&self.desk);
        let spawned = std::thread::Builder::new().name("udpping server".into()).spawn(move || {
            pace::be_punctual();
            desk.feed.conclude("go on serving", || desk.serve(&socket, &bell));
        });
        *thread = Some(spawned.map_err(|source| Error::System { action: "start a thread", source })?);
        Ok(())
    }

    /// Stops serving and waits until the thread has ended. Replies that still wait are not sent.
    pub fn stop(&self) {
        self.desk.stop.store(true, Ordering::Release);
        self.waker.wake();
        let mut thread = lock(&self.thread);
        match thread.take() {
            // In a forked child the thread does not exist; its handle can be neither joined nor dropped.
            Some(thread) if std::process::id() != self.process => std::mem::forget(thread),
            // A panic in the thread has been printed by its hook.
            Some(thread) => drop(thread.join()),
            None => self.desk.feed.end(),
        }
        if let Some(socket) = lock(&self.socket).take() {
            *lock(&self.kernel_drops) = socket.kernel_drops();
        }
    }

    /// Waits until the server has stopped, at most `limit`; says whether it has.
    ///
    /// # Errors
    /// What stopped it, if it was a failure.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        self.desk.feed.wait(limit)
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
        self.desk.feed.next(limit)
    }

    /// Whether the server has stopped and all events are taken.
    #[must_use]
    pub fn exhausted(&self) -> bool {
        self.desk.feed.is_exhausted()
    }

    /// Events that nobody took in time.
    #[must_use]
    pub fn missed_events(&self) -> u64 {
        self.desk.feed.missed()
    }

    /// Whether it serves now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        lock(&self.thread).is_some() && !self.desk.feed.is_over()
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

fn open(settings: &Settings) -> Result<Socket> {
    if settings.port_tries == 0 {
        return Err(Invalid::new("port_tries", 0, "1 to 65535").into());
    }
    let mut taken = None;
    for port in (settings.port..=u16::MAX).take(settings.port_tries.into()) {
        let address = if settings.host.is_empty() {
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
        } else {
            resolve(&settings.host, port, None)?
        };
        match Socket::serve(address, settings.path) {
            Err(busy @ Error::PortBusy { .. }) => taken = taken.or(Some(busy)),
            result => return result,
        }
    }
    Err(taken.unwrap_or_else(|| Invalid::new("port", settings.port, "0 to 65535").into()))
}
