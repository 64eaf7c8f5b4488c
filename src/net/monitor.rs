//! The monitor on a real socket: one thread receives and drives [`Monitor`], and one writes its files.

mod connection;
mod state_writer;

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::fd::AsFd as _;

use super::clock::EverClock;
use super::datagram::{Datagram, unmapped};
use super::event_queue::lock;
use super::resolve::{reachable, resolve};
use super::socket::{Backend, RecvBatch, Socket, is_transient};
use super::wait::{self, Bell};
use super::worker::{Shared, Worker};
use super::{Error, Result};
use crate::logic::Nanos;
use crate::logic::codec::heartbeat::Keys;
use crate::logic::link::{Link, LinkPlan, Packet};
use crate::logic::monitor::{Counters, Event, Monitor, MonitorPlan, PeerRow, TICK, Unread};
use crate::logic::random::Direction;
use connection::{Paths, Prober};
use state_writer::StateWriter;

/// Datagrams received with one system call.
const SLOTS: usize = 64;
/// The most events waiting to be written; the files lack further ones.
const MAX_UNWRITTEN: usize = 1 << 16;
/// The longest time between two checks of the detectors, and the longest stop, however many datagrams wait.
const MAX_BUSY: Nanos = 5 * TICK;

/// Where to listen, and the settings of the monitor.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address; empty for every IPv4 interface, `::` for every interface of both versions.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How many ports to try, counting up from `port`.
    pub port_tries: u16,
    /// The settings of the monitor.
    pub plan: MonitorPlan,
    /// The directory of the state that is restored after a restart.
    pub state: Option<PathBuf>,
    /// A CSV file to which events are appended.
    pub log: Option<PathBuf>,
    /// A host and port that is pinged to find out whether the monitor's own connection works.
    pub witness: Option<(String, u16)>,
    /// Which socket backend to use.
    pub backend: Backend,
}

/// A monitor: bound when made, watching between [`Watcher::start`] and [`Watcher::stop`].
#[derive(Debug)]
pub struct Watcher {
    bound: SocketAddr,
    socket: Mutex<Option<Arc<Socket>>>,
    state: Arc<MonitorState>,
    worker: Worker<Event>,
    writer: Option<StateWriter>,
}

#[derive(Debug)]
struct MonitorState {
    backend: Backend,
    clock: EverClock,
    prober: Mutex<Option<Prober>>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    monitor: Monitor,
    /// The link that drops datagrams; `None` drops nothing.
    link: Option<Link>,
    dropped: u64,
    /// Events not written yet; `None` without files.
    unwritten: Option<Vec<Event>>,
    /// Events that the files lack.
    lost_to_files: u64,
}

/// A snapshot.
#[derive(Debug, Clone)]
pub struct Totals {
    /// The counts; `received` includes datagrams dropped on purpose.
    pub counters: Counters,
    /// The last error of writing a file.
    pub unkept: Option<String>,
}

impl Watcher {
    /// Binds, and restores the state. Nothing is received before [`Watcher::start`].
    ///
    /// # Errors
    /// [`Error::PortBusy`] when every port tried is taken, a state or log that cannot be used, or any other
    /// error of the system.
    pub fn bind(settings: Settings) -> Result<Self> {
        let plan = settings.plan.checked()?;
        let socket = Socket::listen(&settings.host, settings.port, settings.port_tries, settings.backend)?;
        let bound = socket.local()?;
        let prober = settings.witness.map(|(host, port)| {
            let address = resolve(&host, port, None)?;
            let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            Ok::<_, Error>(Prober::new(name, address))
        });
        let prober = Mutex::new(prober.transpose()?);
        let clock = EverClock::start();
        let mut monitor = Monitor::new(plan, clock.moment());
        let writer = StateWriter::open(settings.state, settings.log, &mut monitor, clock.moment())?;
        let unwritten = writer.as_ref().map(|_| Vec::new());
        let inner = Inner { monitor, link: None, dropped: 0, unwritten, lost_to_files: 0 };
        let state =
            Arc::new(MonitorState { backend: settings.backend, clock, prober, inner: Mutex::new(inner) });
        let socket = Mutex::new(Some(Arc::new(socket)));
        Ok(Self { bound, socket, state, worker: Worker::keeping()?, writer })
    }

    /// Drops datagrams on purpose before they are parsed; delivered ones are not delayed.
    #[must_use]
    pub fn losing(self, plan: LinkPlan) -> Self {
        lock(&self.state.inner).link = (!plan.up.is_none()).then(|| Link::new(plan));
        self
    }

    /// Starts watching in the background. A second call does nothing.
    pub fn start(&self) -> Result<()> {
        let (state, socket) = (Arc::clone(&self.state), lock(&self.socket).clone());
        self.worker.start("monitor", "go on watching", move |shared, bell| {
            socket.map_or(Ok(()), |socket| state.watch(&socket, shared, bell))
        })?;
        self.writer.as_ref().map_or(Ok(()), |writer| writer.start(&self.state))
    }

    /// Stops watching, and waits until the files are written.
    pub fn stop(&self) {
        self.worker.stop();
        if let Some(writer) = &self.writer {
            writer.stop(&self.state);
        }
        drop(lock(&self.socket).take());
    }

    /// Opens the log and the file of events anew, which may have been moved.
    pub fn reopen(&self) {
        if let Some(writer) = &self.writer {
            writer.reopen();
        }
    }

    /// Replaces the keys.
    pub fn set_keys(&self, keys: Keys) {
        lock(&self.state.inner).monitor.set_keys(keys);
    }

    /// The address it is bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The address for senders on this machine: loopback for a wildcard.
    pub fn address(&self) -> SocketAddr {
        reachable(self.bound)
    }

    /// The counts so far.
    pub fn totals(&self) -> Totals {
        let unkept = self.writer.as_ref().and_then(StateWriter::failure);
        let inner = lock(&self.state.inner);
        let (heard, dropped) = (inner.monitor.counters(), inner.dropped);
        let unwritten = inner.lost_to_files;
        let counters = Counters { received: heard.received + dropped, dropped, unwritten, ..heard };
        Totals { counters, unkept }
    }

    /// The clients by name.
    pub fn peers(&self) -> Vec<PeerRow> {
        let now = self.state.clock.moment();
        let mut rows: Vec<PeerRow> = lock(&self.state.inner).monitor.peers(now).collect();
        rows.sort_by_cached_key(|row| row.client.clone());
        rows
    }

    /// The latest 65,536 events.
    pub fn events(&self) -> Vec<Event> {
        self.worker.latest()
    }

    /// The latest datagrams that could not be read.
    pub fn unread(&self) -> Vec<Unread> {
        lock(&self.state.inner).monitor.unread().cloned().collect()
    }
}

impl Deref for Watcher {
    type Target = Worker<Event>;

    fn deref(&self) -> &Worker<Event> {
        &self.worker
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl MonitorState {
    fn watch(&self, socket: &Socket, shared: &Shared<Event>, bell: &Bell) -> Result<()> {
        let mut batch = RecvBatch::new(SLOTS, self.backend);
        let mut woken = self.clock.now();
        let mut looked = woken;
        // Datagrams that arrived before the stop are still received, for a limited time.
        let mut stop_at = None;
        let (mut prober, mut paths) = (lock(&self.prober).take(), Paths::default());
        lock(&self.inner).monitor.rested(self.clock.moment());
        loop {
            if stop_at.is_none() && shared.is_stopping() {
                stop_at = Some(self.clock.now() + MAX_BUSY);
            }
            let more = match batch.receive(socket, usize::MAX) {
                Ok(more) => more,
                // An ICMP error about an answer: that client is gone.
                Err(error) if is_transient(&error) => true,
                Err(source) => return Err(Error::System { action: "receive", source }),
            };
            let now = self.clock.moment();
            if now.mono - std::mem::replace(&mut looked, now.mono) > 2 * TICK {
                // Datagrams that arrived while this thread did not run are processed before the detectors are checked.
                woken = now.mono;
            }
            let mut inner = lock(&self.inner);
            let arrived = batch.datagrams().filter(|_| more);
            let taken: Vec<_> = arrived.filter(|datagram| !inner.drops(datagram, now.mono)).collect();
            let datagrams = taken.iter().map(|datagram| (unmapped(datagram.source), datagram.bytes));
            inner.monitor.hear_all(now, datagrams, |place, answer| {
                // An answer that cannot be sent is lost.
                let _ = socket.send(answer, taken[place].source, taken[place].pktinfo);
            });
            if stop_at.is_some_and(|at| !more || now.mono > at) {
                inner.publish(shared);
                return Ok(());
            }
            if more && now.mono - woken < MAX_BUSY {
                inner.publish(shared);
                continue;
            }
            woken = now.mono;
            if let Some(prober) = &mut prober {
                let witness = prober.probe(now, inner.monitor.is_anxious());
                inner.monitor.set_witness(Some(witness));
            }
            inner.monitor.wake_with(now, socket.kernel_drops(), &mut |to| paths.cause(now.mono, to));
            inner.publish(shared);
            let next = inner.monitor.next_deadline().map_or(TICK, |at| (at - now.mono).min(TICK));
            drop(inner);
            if !more {
                wait::readable(std::iter::once(socket.as_fd()), bell, Some(next))
                    .map_err(Error::system("wait for heartbeats"))?;
            }
        }
    }
}

impl Inner {
    /// Whether to drop the next datagram of this client.
    fn drops(&mut self, datagram: &Datagram<'_>, at: Nanos) -> bool {
        let lost = self.link.as_mut().is_some_and(|link| {
            let sent = Packet { at, len: datagram.bytes.len() };
            let mut client = link.client(unmapped(datagram.source));
            client.with_bytes(Direction::Up, datagram.bytes).transmit(Direction::Up, sent).is_empty()
        });
        self.dropped += u64::from(lost);
        lost
    }

    /// Publishes the new events, and keeps the notable ones for the files.
    fn publish(&mut self, shared: &Shared<Event>) {
        let mut events = self.monitor.events().peekable();
        if events.peek().is_none() {
            return;
        }
        let (unwritten, lost) = (&mut self.unwritten, &mut self.lost_to_files);
        shared.events.extend(events.inspect(|event| {
            let Some(unwritten) = unwritten.as_mut().filter(|_| event.is_notable()) else { return };
            if unwritten.len() < MAX_UNWRITTEN {
                unwritten.push(event.clone());
            } else {
                *lost += 1;
            }
        }));
    }
}
