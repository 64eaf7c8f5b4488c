//! The monitor on a real socket: one thread that receives and asks [`Monitor`], and one that keeps what must outlive it.

mod keeper;

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::fd::AsFd as _;

use super::clock::EverClock;
use super::datagram::Datagram;
use super::event_queue::lock;
use super::resolve::reachable;
use super::socket::{Backend, RecvBatch, Socket, is_transient};
use super::wait::{self, Bell};
use super::worker::{Shared, Worker};
use super::{Error, Result};
use crate::logic::Nanos;
use crate::logic::link::{Link, LinkPlan, Packet};
use crate::logic::monitor::{Counters, Event, LOOK, Monitor, MonitorPlan, PeerRow, Unread};
use crate::logic::random::Direction;
use keeper::Keeper;

/// Datagrams taken by one system call.
const SLOTS: usize = 64;
/// Events that wait for a disk that does not take them; later ones are lost to the files.
const MOST_UNKEPT: usize = 1 << 20;
/// However much is waiting, verdicts are given this often, and to stop takes no longer.
const PATIENCE: Nanos = 5 * LOOK;

/// Where and how to watch.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address; empty for every IPv4 interface, `::` for every interface of both versions.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How many ports to try, counting up from `port`.
    pub port_tries: u16,
    /// Whom to watch and how.
    pub plan: MonitorPlan,
    /// A directory for what is to be known after a restart.
    pub state: Option<PathBuf>,
    /// A CSV file to which events are added.
    pub log: Option<PathBuf>,
    /// Which socket backend to take.
    pub backend: Backend,
}

/// A monitor: bound when made, watching between [`Watcher::start`] and [`Watcher::stop`].
#[derive(Debug)]
pub struct Watcher {
    bound: SocketAddr,
    socket: Mutex<Option<Arc<Socket>>>,
    post: Arc<Post>,
    background: Worker<Event>,
    keeper: Option<Keeper>,
}

/// What the thread and its onlookers share.
#[derive(Debug)]
struct Post {
    backend: Backend,
    clock: EverClock,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    monitor: Monitor,
    /// `None` loses nothing.
    link: Option<Link>,
    dropped: u64,
    /// Events that are not in a file yet; `None` if none are to be.
    unkept: Option<Vec<Event>>,
}

/// A look at the books.
#[derive(Debug, Clone)]
pub struct Totals {
    /// The counts, with all datagrams that arrived as received.
    pub counters: Counters,
    /// Why something could not be kept on disk, the last time that happened.
    pub unkept: Option<String>,
}

impl Watcher {
    /// Binds, and takes up what was known before. Nobody is heard before [`Watcher::start`].
    ///
    /// # Errors
    /// [`Error::PortBusy`] when every port tried is taken, a state or log that cannot be used, or whatever else the
    /// system refuses.
    pub fn bind(settings: Settings) -> Result<Self> {
        let plan = settings.plan.checked()?;
        let socket = Socket::listen(&settings.host, settings.port, settings.port_tries, settings.backend)?;
        let bound = socket.local()?;
        let clock = EverClock::start();
        let mut monitor = Monitor::new(plan, clock.moment());
        let keeper = Keeper::open(settings.state, settings.log, &mut monitor, clock.moment())?;
        let unkept = keeper.as_ref().map(|_| Vec::new());
        let books = Books { monitor, link: None, dropped: 0, unkept };
        let post = Arc::new(Post { backend: settings.backend, clock, books: Mutex::new(books) });
        let socket = Mutex::new(Some(Arc::new(socket)));
        Ok(Self { bound, socket, post, background: Worker::keeping()?, keeper })
    }

    /// Drops datagrams on purpose, before they are read. Those that the link delivers are read at once, whatever their time.
    #[must_use]
    pub fn losing(self, plan: LinkPlan) -> Self {
        lock(&self.post.books).link = (!plan.up.is_none()).then(|| Link::new(plan));
        self
    }

    /// Starts watching in the background. A second call does nothing.
    ///
    /// # Errors
    /// It has been stopped, or the system refuses a thread.
    pub fn start(&self) -> Result<()> {
        let (post, socket) = (Arc::clone(&self.post), lock(&self.socket).clone());
        self.background.start("monitor", "go on watching", move |shared, bell| {
            socket.map_or(Ok(()), |socket| post.watch(&socket, shared, bell))
        })?;
        self.keeper.as_ref().map_or(Ok(()), |keeper| keeper.start(&self.post))
    }

    /// Stops watching, keeps what there is to keep, and waits until all that is done.
    pub fn stop(&self) {
        self.background.stop();
        if let Some(keeper) = &self.keeper {
            keeper.stop(&self.post);
        }
        drop(lock(&self.socket).take());
    }

    /// Where it is bound.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Where a sender on this machine finds it: loopback for a wildcard.
    pub fn address(&self) -> SocketAddr {
        reachable(self.bound)
    }

    /// The counts so far.
    pub fn totals(&self) -> Totals {
        let unkept = self.keeper.as_ref().and_then(Keeper::failure);
        let books = lock(&self.post.books);
        let (heard, dropped) = (books.monitor.counters(), books.dropped);
        let counters = Counters { received: heard.received + dropped, dropped, ..heard };
        Totals { counters, unkept }
    }

    /// The clients by name.
    pub fn peers(&self) -> Vec<PeerRow> {
        let now = self.post.clock.moment();
        let mut rows: Vec<PeerRow> = lock(&self.post.books).monitor.peers(now).collect();
        rows.sort_unstable_by(|a, b| a.client.cmp(&b.client));
        rows
    }

    /// What happened, the latest 65,536 of it.
    pub fn events(&self) -> Vec<Event> {
        self.background.latest()
    }

    /// The latest datagrams that could not be read.
    pub fn unread(&self) -> Vec<Unread> {
        lock(&self.post.books).monitor.unread().cloned().collect()
    }
}

impl Deref for Watcher {
    type Target = Worker<Event>;

    fn deref(&self) -> &Worker<Event> {
        &self.background
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Post {
    fn watch(&self, socket: &Socket, shared: &Shared<Event>, bell: &Bell) -> Result<()> {
        let mut inbox = RecvBatch::new(SLOTS, self.backend);
        let mut woken = self.clock.now();
        let mut looked = woken;
        // What had arrived when it was told to stop is heard as well, but nobody can keep it from stopping.
        let mut stop_at = None;
        lock(&self.books).monitor.rested(self.clock.moment());
        loop {
            if stop_at.is_none() && shared.is_stopping() {
                stop_at = Some(self.clock.now() + PATIENCE);
            }
            let more = match inbox.receive(socket) {
                Ok(more) => more,
                // A client that has gone: its machine refused an answer. No reason to stop watching.
                Err(error) if is_transient(&error) => true,
                Err(source) => return Err(Error::System { action: "receive", source }),
            };
            let now = self.clock.moment();
            if now.mono - std::mem::replace(&mut looked, now.mono) > 2 * LOOK {
                // What waited while this thread stood still comes before the verdicts.
                woken = now.mono;
            }
            let mut books = lock(&self.books);
            let arrived = inbox.datagrams().filter(|_| more);
            let heard: Vec<_> = arrived.filter(|datagram| !books.loses(datagram, now.mono)).collect();
            let said = heard.iter().map(|datagram| (plain(datagram.source), datagram.bytes));
            books.monitor.hear_all(now, said, |place, answer| {
                // An answer that cannot be sent is one that got lost.
                let _ = socket.send(answer, heard[place].source, heard[place].pktinfo);
            });
            if stop_at.is_some_and(|at| !more || now.mono > at) {
                books.tell(shared);
                return Ok(());
            }
            if more && now.mono - woken < PATIENCE {
                books.tell(shared);
                continue;
            }
            woken = now.mono;
            books.monitor.wake(now, socket.kernel_drops());
            books.tell(shared);
            let next = books.monitor.next_deadline().map_or(LOOK, |at| (at - now.mono).min(LOOK));
            drop(books);
            if !more {
                wait::readable(std::iter::once(socket.as_fd()), bell, Some(next))
                    .map_err(Error::system("wait for heartbeats"))?;
            }
        }
    }
}

/// An IPv4 client that is heard through a socket for both versions has its own address all the same.
fn plain(source: SocketAddr) -> SocketAddr {
    let SocketAddr::V6(v6) = source else { return source };
    v6.ip().to_ipv4_mapped().map_or(source, |v4| SocketAddr::new(v4.into(), v6.port()))
}

impl Books {
    /// Whether the next datagram of this client is to be lost.
    fn loses(&mut self, datagram: &Datagram<'_>, at: Nanos) -> bool {
        let lost = self.link.as_mut().is_some_and(|link| {
            let sent = Packet { at, len: datagram.bytes.len() };
            link.transmit(Direction::Up, plain(datagram.source), sent).is_empty()
        });
        self.dropped += u64::from(lost);
        lost
    }

    /// Hands on what happened.
    fn tell(&mut self, shared: &Shared<Event>) {
        let mut events = self.monitor.events().peekable();
        if events.peek().is_none() {
            return;
        }
        let unkept = &mut self.unkept;
        shared.events.extend(events.inspect(|event| {
            if let Some(unkept) = unkept
                && event.is_notable()
                && unkept.len() < MOST_UNKEPT
            {
                unkept.push(event.clone());
            }
        }));
    }
}
