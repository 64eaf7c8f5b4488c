//! The lossy server on real sockets: threads that receive, let the link drop or delay each datagram, and reply.
//!
//! Each thread has a socket of its own, all bound to one address; the kernel delivers a client's datagrams to one of
//! them.

mod responder;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::datagram::Timestamping;
use super::event_queue::lock;
use super::resolve::reachable;
use super::server::ServerState;
use super::socket::{Backend, Socket};
use super::worker::Worker;
use super::{Result, timestamping};
use crate::logic::Invalid;
use crate::logic::echo::{
    Arriving, Columns, Counters, EchoPlan, Log, MOST_HELD, MOST_HELD_BYTES, Responder, Row,
};
use crate::logic::link::{LinkPlan, Scope, Share};
use crate::logic::memory::{NoMemory, room_for_each};
use responder::{Leaving, LinkState, Replying};

/// The most threads of a server.
const MOST_WORKERS: usize = 64;

/// The address, threads and behaviour of a server.
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
    /// How its sockets work.
    pub backend: Backend,
    /// Whether replies to one client are sent in GSO batches.
    pub gso: bool,
    /// Whether the kernel is asked when each reply left, so that a later one tells it to who asks.
    pub send_stamps: bool,
}

/// A server: bound when made, serving between [`Server::start`] and [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    bound: SocketAddr,
    /// `None` once stopped, so that the port is free while the counters can still be read.
    sockets: Mutex<Option<Vec<Arc<Socket>>>>,
    kernel_drops: Mutex<Option<u64>>,
    state: Arc<ServerState<Replying>>,
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

impl Server {
    /// Binds. No datagram is answered before [`Server::start`].
    ///
    /// # Errors
    /// [`super::Error::PortBusy`] when every port tried is taken, or any other error of the system; workers or GSO that
    /// this plan or system does not allow.
    pub fn bind(settings: Settings) -> Result<Self> {
        let Settings { host, port, port_tries, workers, echo, record, backend, gso, send_stamps } = settings;
        check_workers(workers, &echo.link, backend)?;
        if send_stamps && (echo.server_times.is_none() || workers > 1 || gso) {
            let expected = "False, or server_times=True and neither more than one of workers nor gso";
            return Err(Invalid::new("send_stamps", "True", expected).into());
        }
        if gso && backend == Backend::Portable {
            let expected = "False on this system, which cannot send several datagrams as one packet";
            return Err(Invalid::new("gso", "True", expected).into());
        }
        let mut first = Socket::listen(&host, port, port_tries, backend)?;
        if send_stamps {
            timestamping::enable(&mut first, Timestamping::Both);
        }
        let bound = first.local()?;
        let others = (1..workers).map(|_| first.beside()).collect::<Result<Vec<_>>>()?;
        let sockets: Vec<_> = std::iter::once(first).chain(others).map(Arc::new).collect();
        for socket in &sockets {
            socket.enable_gro();
        }
        let shared = LinkState {
            link: echo.link(),
            log: Log::new(record),
            reply: echo.reply.clone(),
            told: Responder::new(&echo).blank(),
            room: (0, 0),
            is_followed: false,
        };
        let stamps_sends = sockets[0].timestamping() == Timestamping::Both;
        let replying = |_| Replying {
            responder: Responder::new(&echo),
            arriving: Arriving::new(),
            leaving: stamps_sends.then(Leaving::default),
        };
        let deciders = (0..workers).map(replying).collect();
        Ok(Self {
            bound,
            sockets: Mutex::new(Some(sockets)),
            kernel_drops: Mutex::new(None),
            state: Arc::new(ServerState::new(backend, gso, shared, deciders, MOST_HELD, MOST_HELD_BYTES)),
            worker: Worker::new()?,
        })
    }

    /// Starts serving in the background. A second call does nothing.
    pub fn start(&self) -> Result<()> {
        let (state, sockets) = (Arc::clone(&self.state), lock(&self.sockets).clone());
        let waker = self.worker.waker();
        self.worker.start("server", "go on serving", move |shared, bell| {
            sockets.map_or(Ok(()), |sockets| state.serve(sockets, shared, bell, &waker))
        })
    }

    /// Stops serving and waits until the threads have ended. Delayed replies are not sent.
    pub fn stop(&self) {
        self.worker.stop();
        if let Some(sockets) = lock(&self.sockets).take() {
            *lock(&self.kernel_drops) = kernel_drops(&sockets);
        }
    }

    /// Makes events from now on.
    pub fn follow(&self) {
        self.state.follow();
    }

    /// The address it is bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The address for clients on this machine: loopback for a wildcard.
    pub fn address(&self) -> SocketAddr {
        reachable(self.bound)
    }

    /// Which datagrams the kernel timestamps, as far as [`Settings::send_stamps`] asks; none after [`Server::stop`].
    pub fn timestamping(&self) -> Timestamping {
        let sockets = lock(&self.sockets);
        sockets.as_ref().map_or(Timestamping::None, |sockets| sockets[0].timestamping())
    }

    /// The counts so far.
    pub fn counters(&self) -> Counters {
        let sockets = lock(&self.sockets).clone();
        let kernel_drops =
            sockets.map_or_else(|| *lock(&self.kernel_drops), |sockets| kernel_drops(&sockets));
        let workers = self.state.workers().map(|worker| {
            let Replying { responder, arriving, .. } = &worker.decider;
            (responder.counters(), (worker.delayed.len() + arriving.len()) as u64)
        });
        let (counters, waiting): (Vec<_>, Vec<_>) = workers.unzip();
        let LinkState { link, log, .. } = &*self.state.shared();
        Counters {
            waiting: waiting.into_iter().sum(),
            kernel_drops,
            clients: link.clients(),
            unlogged: log.unlogged(),
            ..counters.into_iter().sum()
        }
    }

    /// What was asked of each effect in each direction, up first, and what it did.
    pub fn shares(&self) -> [Vec<Share>; 2] {
        self.state.shared().link.shares()
    }

    /// The log so far.
    ///
    /// # Errors
    /// There is no memory for a copy, and a table of it.
    pub fn log(&self) -> std::result::Result<Columns, NoMemory> {
        let shared = self.state.shared();
        room_for_each(shared.log.len(), 4 * size_of::<Row>())?;
        Ok(shared.log.columns())
    }
}

/// Refuses a number of threads that the plan, the backend or the limit does not allow.
fn check_workers(workers: usize, plan: &LinkPlan, backend: Backend) -> std::result::Result<(), Invalid> {
    let expected = if !(1..=MOST_WORKERS).contains(&workers) {
        "1 to 64"
    } else if workers == 1 {
        return Ok(());
    } else if plan.scope() == Scope::Shared {
        "1 with scope=\"shared\", which is the default with randint; use scope=\"client\" or scope=\"same\" for more"
    } else if backend == Backend::Portable {
        "1 on this system, which does not share out what arrives between several sockets"
    } else {
        return Ok(());
    };
    Err(Invalid::new("workers", workers, expected))
}

/// The kernel drops of all sockets together.
fn kernel_drops(sockets: &[Arc<Socket>]) -> Option<u64> {
    sockets.iter().map(|socket| socket.kernel_drops()).sum()
}

impl Deref for Server {
    type Target = Worker<Event>;

    fn deref(&self) -> &Worker<Event> {
        &self.worker
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
