//! The relay on real sockets: one at which clients arrive, and one toward the target for each client.

mod forwarder;
mod upstream;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::event_queue::lock;
use super::resolve::reachable;
use super::server::ServerState;
use super::socket::{Backend, Socket, check_route};
use super::worker::Worker;
use super::{Error, Result};
use crate::logic::echo::{MOST_HELD, MOST_HELD_BYTES};
use crate::logic::link::{Impairments, LinkPlan, Share};
use crate::logic::memory::{NoMemory, room_for_each};
use crate::logic::random::Direction;
use crate::logic::relay::{Counters, Log, Relay as Machine, Row};
use crate::logic::{Invalid, Nanos};
use forwarder::{Forwarder, RelayState};
use upstream::{Ports, Upstream};

/// The addresses and behaviour of a relay.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen at; empty for every IPv4 interface, `::` for every interface of both versions.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How many ports to try, counting up from `port`.
    pub port_tries: u16,
    /// Where datagrams of clients go.
    pub target: SocketAddr,
    /// What happens to datagrams.
    pub link: LinkPlan,
    /// How long a client may be silent before it is forgotten.
    pub idle: Nanos,
    /// Whether replies may come from another port of the target, to which the client's next datagrams then go.
    pub follow_port: bool,
    /// How many log rows to keep.
    pub record: usize,
    /// How long before a datagram is due it is no longer waited for, but looked for again and again.
    pub spin: Nanos,
    /// How its sockets work.
    pub backend: Backend,
}

/// A relay: bound when made, working between [`Relay::start`] and [`Relay::stop`].
#[derive(Debug)]
pub struct Relay {
    bound: SocketAddr,
    target: SocketAddr,
    /// `None` once stopped, so that the port is free while the counters can still be read.
    upstream: Mutex<Option<Upstream>>,
    listener: Mutex<Option<Arc<Socket>>>,
    kernel_drops: Mutex<Option<u64>>,
    ports: Arc<Mutex<Ports>>,
    state: Arc<ServerState<Forwarder>>,
    worker: Worker<Event>,
}

/// One datagram and the decision on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The decision, as a row of the log.
    pub row: Row,
    /// The beginning of the datagram.
    pub message: Box<[u8]>,
}

/// The counters of both directions, and those of the relay as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllCounters {
    /// Those of each direction.
    pub ways: [Counters; 2],
    /// Clients known now.
    pub clients: u64,
    /// Datagrams of clients for whom there was no room.
    pub refused: u64,
    /// ICMP errors of the target: mostly that nothing listens there.
    pub unreachable: u64,
    /// Datagrams from where none is to come from.
    pub foreign: u64,
    /// Datagrams that the log had no room for.
    pub unlogged: u64,
}

impl Relay {
    /// Binds. No datagram is passed on before [`Relay::start`].
    ///
    /// # Errors
    /// [`super::Error::PortBusy`] when every port tried is taken, a target that cannot be reached, or any other error of
    /// the system.
    pub fn bind(settings: Settings) -> Result<Self> {
        let Settings { host, port, port_tries, target, link, idle, follow_port, record, spin, backend } =
            settings;
        check_route(target)?;
        let listener = Arc::new(Socket::listen(&host, port, port_tries, backend)?);
        let bound = listener.local()?;
        if listener.is_own(target) {
            let expected = "an address other than the one that the relay itself listens at";
            return Err(Invalid::new("to", target, expected).into());
        }
        listener.enable_gro();
        let ports = Arc::new(Mutex::new(Ports::default()));
        let upstream =
            Upstream::new(Arc::clone(&listener), target, !follow_port, backend, Arc::clone(&ports))
                .map_err(Error::system("wait for several sockets"))?;
        let machine = Machine::new(link, idle, upstream::most_clients());
        let state =
            RelayState::new(machine, Log::new(record), Arc::downgrade(&listener), target, follow_port);
        let deciders = vec![Forwarder::default()];
        let state =
            ServerState::new(backend, false, state, deciders, MOST_HELD, MOST_HELD_BYTES).spinning(spin);
        Ok(Self {
            bound,
            target,
            upstream: Mutex::new(Some(upstream)),
            listener: Mutex::new(Some(listener)),
            kernel_drops: Mutex::new(None),
            ports,
            state: Arc::new(state),
            worker: Worker::new()?,
        })
    }

    /// Starts relaying in the background. A second call does nothing.
    pub fn start(&self) -> Result<()> {
        let (state, waker) = (Arc::clone(&self.state), self.worker.waker());
        let upstream = lock(&self.upstream).take();
        self.worker.start("relay", "go on relaying", move |shared, bell| {
            upstream.map_or(Ok(()), |upstream| state.serve(vec![upstream], shared, bell, &waker))
        })
    }

    /// Stops and waits until the thread has ended. Delayed datagrams are not sent.
    pub fn stop(&self) {
        self.worker.stop();
        drop(lock(&self.upstream).take());
        if let Some(listener) = lock(&self.listener).take() {
            *lock(&self.kernel_drops) = listener.kernel_drops();
        }
    }

    /// The address it is bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The address for clients on this machine: loopback for a wildcard.
    pub fn address(&self) -> SocketAddr {
        reachable(self.bound)
    }

    /// Where datagrams of clients go.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// Has a direction do something else from now on.
    pub fn set(&self, direction: Direction, impairments: &Impairments) {
        self.state.shared().machine.set(direction, impairments);
    }

    /// What was asked of each effect in each direction, up first, and what it did since that was set.
    pub fn shares(&self) -> [Vec<Share>; 2] {
        self.state.shared().machine.shares()
    }

    /// Gives each client another port toward the target, as a NAT does: what arrives from now on goes from there.
    pub fn rebind(&self) {
        let mut shared = self.state.shared();
        shared.rebinds = shared.rebinds.wrapping_add(1);
        drop(shared);
        self.worker.waker().wake();
    }

    /// Lets nothing pass for so long.
    pub fn block(&self, nanos: Nanos) {
        let until = self.state.now().saturating_add(nanos);
        self.state.shared().machine.block_until(until);
    }

    /// Makes events from now on.
    pub fn follow(&self) {
        self.state.follow();
    }

    /// The log so far.
    ///
    /// # Errors
    /// There is no memory for a copy, and a table of it.
    pub fn log(&self) -> std::result::Result<Vec<Row>, NoMemory> {
        let shared = self.state.shared();
        room_for_each(shared.log.len(), 4 * size_of::<Row>())?;
        Ok(shared.log.rows().copied().collect())
    }

    /// The counts so far.
    pub fn counters(&self) -> AllCounters {
        let near = lock(&self.listener).clone();
        let near = near.map_or_else(|| *lock(&self.kernel_drops), |listener| listener.kernel_drops());
        let far = lock(&self.ports).kernel_drops();
        let (mut ways, unreachable, foreign) =
            self.state.workers().next().map_or_else(Default::default, |worker| {
                let forwarder = &worker.decider;
                (forwarder.counters, forwarder.unreachable, forwarder.foreign)
            });
        (ways[0].kernel_drops, ways[1].kernel_drops) = (near, near.and(Some(far)));
        let shared = self.state.shared();
        let (clients, refused) = (shared.machine.clients(), shared.machine.refused());
        AllCounters { ways, clients, refused, unreachable, foreign, unlogged: shared.log.unlogged() }
    }
}

impl Deref for Relay {
    type Target = Worker<Event>;

    fn deref(&self) -> &Worker<Event> {
        &self.worker
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}
