//! The lossy server on a real socket: one thread that receives, asks [`Echo`], and answers.
//!
//! A delayed reply waits in a heap, not in the loop, so it holds up nobody.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fd::AsFd as _;

use super::clock::{Clock, wall_ns};
use super::pace::{self, Bell, Waker};
use super::resolve::reachable;
use super::socket::{Inbox, Path, Socket, Via};
use super::{Error, Result, resolve};
use crate::logic::echo::{Columns, Counters, Echo, EchoPlan, Held, Log, Note, Reason, Verdict};
use crate::logic::{Invalid, Nanos};

/// Datagrams taken by one system call.
const SLOTS: usize = 32;

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
}

/// What the thread and its onlookers share.
#[derive(Debug)]
struct Desk {
    path: Path,
    clock: Clock,
    stop: AtomicBool,
    books: Mutex<Books>,
    over: Mutex<Over>,
    ended: Condvar,
}

#[derive(Debug)]
struct Books {
    echo: Echo,
    log: Log,
    held: Held<Reply>,
}

#[derive(Debug, Default)]
struct Over {
    over: bool,
    failure: Option<Error>,
}

/// A reply on its way out.
#[derive(Debug)]
struct Reply {
    bytes: Vec<u8>,
    to: SocketAddr,
    via: Option<Via>,
    note: Option<Note>,
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
            over: Mutex::default(),
            ended: Condvar::new(),
        };
        Ok(Self {
            bound,
            socket: Mutex::new(Some(Arc::new(socket))),
            kernel_drops: Mutex::new(None),
            desk: Arc::new(desk),
            waker,
            bell: Mutex::new(Some(bell)),
            thread: Mutex::new(None),
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
            let finish = Finish(Arc::clone(&desk));
            pace::be_punctual();
            if let Err(error) = desk.serve(&socket, &bell) {
                lock(&finish.0.over).failure = Some(error);
            }
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
            // A panic in the thread has been printed by its hook.
            Some(thread) => drop(thread.join()),
            None => self.desk.finish(),
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
        let over = lock(&self.desk.over);
        let (mut over, _) = self
            .desk
            .ended
            .wait_timeout_while(over, limit, |over| !over.over)
            .unwrap_or_else(PoisonError::into_inner);
        over.failure.take().map_or(Ok(over.over), Err)
    }

    /// Whether it serves now.
    #[must_use]
    pub fn is_running(&self) -> bool {
        lock(&self.thread).is_some() && !lock(&self.desk.over).over
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

impl Desk {
    fn serve(&self, socket: &Socket, bell: &Bell) -> Result<()> {
        let mut inbox = Inbox::new(SLOTS, self.path);
        let mut out = Vec::new();
        while !self.stop.load(Ordering::Acquire) {
            match inbox.receive(socket) {
                Ok(true) => self.answer(socket, &inbox, &mut out),
                Ok(false) => {
                    let until = lock(&self.books).held.next_due();
                    let wait = until.map(|due| due - self.clock.now());
                    pace::wait(std::iter::once(socket.as_fd()), bell, wait)
                        .map_err(|source| Error::System { action: "wait for datagrams", source })?;
                }
                // A client that has gone: its machine refused an earlier reply. No reason to stop serving.
                Err(error) if passes(&error) => {}
                Err(source) => return Err(Error::System { action: "receive", source }),
            }
            self.release(socket);
        }
        Ok(())
    }

    fn answer(&self, socket: &Socket, inbox: &Inbox, out: &mut Vec<u8>) {
        let (now, wall) = (self.clock.now(), wall_ns());
        let mut books = lock(&self.books);
        for datagram in inbox.datagrams() {
            let decision = books.echo.decide(datagram.source, wall, datagram.bytes, out);
            let note = books.log.note(now, wall, datagram.source, datagram.bytes, &decision);
            match decision.verdict {
                Verdict::Drop => {}
                Verdict::Answer { delay: 0 } => {
                    books.send(socket, out, datagram.source, datagram.via, note);
                }
                Verdict::Answer { delay } => {
                    let reply = Reply { bytes: out.clone(), to: datagram.source, via: datagram.via, note };
                    books.hold(now + delay, reply);
                }
            }
        }
    }

    /// Sends the delayed replies whose time has come.
    fn release(&self, socket: &Socket) {
        let mut books = lock(&self.books);
        if books.held.is_empty() {
            return;
        }
        let now: Nanos = self.clock.now();
        while let Some(reply) = books.held.pop_due(now) {
            books.send(socket, &reply.bytes, reply.to, reply.via, reply.note);
        }
    }

    fn finish(&self) {
        lock(&self.over).over = true;
        self.ended.notify_all();
    }
}

impl Books {
    fn send(&mut self, socket: &Socket, bytes: &[u8], to: SocketAddr, via: Option<Via>, note: Option<Note>) {
        match socket.send(bytes, to, via) {
            Ok(()) => self.echo.answered(),
            Err(_) => self.fail(note, Reason::Send),
        }
    }

    fn hold(&mut self, due: Nanos, reply: Reply) {
        if let Err(reply) = self.held.push(due, reply.bytes.len(), reply) {
            self.fail(reply.note, Reason::Full);
        }
    }

    fn fail(&mut self, note: Option<Note>, reason: Reason) {
        self.echo.failed();
        if let Some(note) = note {
            self.log.failed(note, reason);
        }
    }
}

/// Says that the server has stopped, also if the thread panics.
struct Finish(Arc<Desk>);

impl Drop for Finish {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let source =
                std::io::Error::other("a defect in udpping; please report it with the message above");
            lock(&self.0.over).failure = Some(Error::System { action: "go on serving", source });
        }
        self.0.finish();
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

/// Errors of a receive that are about an earlier reply, or about nothing that lasts.
fn passes(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable, OutOfMemory,
    };
    matches!(
        error.kind(),
        ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkUnreachable
            | OutOfMemory
    )
}

/// A panic in the thread has ended the server; the books behind the lock are still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
