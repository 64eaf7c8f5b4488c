//! The reflector of STAMP on a real socket: one thread that receives test packets and answers them.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::clock::{ClockState, wall_ns};
use super::datagram::{Datagram, Reports, Timestamping};
use super::event_queue::lock;
use super::resolve::reachable;
use super::send_queue::Route;
use super::server::{Decide, Outgoing, ServerState};
use super::socket::{Backend, Socket};
use super::worker::Worker;
use super::{Error, Result, timestamping};
use crate::logic::codec::stamp::{ErrorEstimate, TimeFormat};
use crate::logic::link::Reason;
use crate::logic::reflector::{Counters, Reflector, ReflectorPlan, Request, Sent};
use crate::logic::{Arrival, Moment, Nanos, SECOND};

/// How long what the clock says of itself is good for.
const CLOCK_STATE: Nanos = SECOND;
/// The hops that a reply may take, as those of a request (RFC 5357), so that a sender can count them.
const HOPS: u8 = 255;

/// The address and behaviour of a reflector.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A host name or address; empty for every IPv4 interface, `::` for every interface of both versions.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// How many ports to try, counting up from `port`.
    pub port_tries: u16,
    /// What to do with test packets.
    pub plan: ReflectorPlan,
    /// How its socket works.
    pub backend: Backend,
}

/// A reflector: bound when made, answering between [`Server::start`] and [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    bound: SocketAddr,
    /// `None` once stopped, so that the port is free while the counters can still be read.
    socket: Mutex<Option<Arc<Socket>>>,
    kernel_drops: Mutex<Option<u64>>,
    state: Arc<ServerState<Mirror>>,
    worker: Worker<()>,
}

/// What the thread decides by.
#[derive(Debug)]
struct Mirror {
    reflector: Reflector,
    bound: SocketAddr,
    error_estimate: ErrorEstimate,
    /// When that is to be read again.
    read_again: Nanos,
}

/// How wrong this machine's wall clock may be, by its own account.
pub fn error_estimate(format: TimeFormat) -> ErrorEstimate {
    let ClockState { synchronised, error } = ClockState::read();
    ErrorEstimate::new(error, synchronised, format)
}

impl Server {
    /// Binds. No packet is answered before [`Server::start`].
    ///
    /// # Errors
    /// [`Error::PortBusy`] when every port tried is taken, or any other error of the system.
    pub fn bind(settings: Settings) -> Result<Self> {
        let Settings { host, port, port_tries, plan, backend } = settings;
        let mut socket = Socket::listen(&host, port, port_tries, backend).map_err(|error| match error {
            Error::Io { action: "listen on", address, source } => {
                Error::Io { action: "reflect at", address, source }
            }
            other => other,
        })?;
        if plan.send_stamps {
            timestamping::enable(&mut socket, Timestamping::Both);
        }
        let bound = socket.local()?;
        let reflector = Reflector::new(plan);
        let error_estimate = error_estimate(reflector.format());
        let mirror = Mirror { reflector, bound, error_estimate, read_again: CLOCK_STATE };
        Ok(Self {
            bound,
            socket: Mutex::new(Some(Arc::new(socket))),
            kernel_drops: Mutex::new(None),
            state: Arc::new(ServerState::new(backend, false, (), vec![mirror], 0, 0)),
            worker: Worker::new()?,
        })
    }

    /// Starts answering in the background. A second call does nothing.
    pub fn start(&self) -> Result<()> {
        let (state, socket) = (Arc::clone(&self.state), lock(&self.socket).clone());
        let waker = self.worker.waker();
        self.worker.start("reflector", "go on reflecting", move |shared, bell| {
            socket.map_or(Ok(()), |socket| state.serve(vec![socket], shared, bell, &waker))
        })
    }

    /// Stops answering and waits until the thread has ended.
    pub fn stop(&self) {
        self.worker.stop();
        if let Some(socket) = lock(&self.socket).take() {
            *lock(&self.kernel_drops) = socket.kernel_drops();
        }
    }

    /// The address it is bound to.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The address for senders on this machine: loopback for a wildcard.
    pub fn address(&self) -> SocketAddr {
        reachable(self.bound)
    }

    /// Which packets the kernel timestamps, as far as [`ReflectorPlan::send_stamps`] asks; none after [`Server::stop`].
    pub fn timestamping(&self) -> Timestamping {
        lock(&self.socket).as_ref().map_or(Timestamping::None, |socket| socket.timestamping())
    }

    /// The counts so far.
    pub fn counters(&self) -> Counters {
        let open = lock(&self.socket).clone();
        let kernel_drops = open.map_or_else(|| *lock(&self.kernel_drops), |socket| socket.kernel_drops());
        let each = self.state.workers().map(|worker| worker.decider.reflector.counters());
        Counters { kernel_drops, ..each.last().unwrap_or_default() }
    }
}

impl Decide for Mirror {
    type Sockets = Arc<Socket>;
    type Shared = ();
    type Decision = ();
    type Tag = Sent;
    type Event = ();

    const REPORTS: Reports = Reports { ttl: true, tos: true, timestamp: true };

    /// All is decided when it is carried out: there is one thread.
    fn decide<'a>(
        (): &mut (),
        (): (),
        received: impl Iterator<Item = (Datagram<'a>, Arrival)>,
        decisions: &mut Vec<()>,
    ) {
        decisions.extend(received.map(|_| ()));
    }

    fn event(_: &Datagram<'_>, _: &Arrival, (): &()) -> Option<()> {
        None
    }

    fn carry_out(
        &mut self,
        _: &mut Arc<Socket>,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        (): &(),
        out: &mut Outgoing<'_, (), Sent>,
    ) {
        let Arrival { at, kernel, ttl, tos } = *arrival;
        if at.mono >= self.read_again {
            self.read_again = at.mono + CLOCK_STATE;
            self.error_estimate = error_estimate(self.reflector.format());
        }
        let ip = datagram.pktinfo.map_or(self.bound.ip(), |pktinfo| pktinfo.ip);
        let request = Request {
            bytes: datagram.bytes,
            source: datagram.source,
            local: SocketAddr::new(ip, self.bound.port()),
            at: at.mono,
            // A stamp that is later than now was taken before the clock was set back.
            received: kernel.filter(|kernel| *kernel <= at.wall).unwrap_or(at.wall),
            ttl,
            tos,
        };
        let Some(reflection) = self.reflector.admit(&request) else { return };
        let route = Route {
            socket: (),
            destination: datagram.source,
            pktinfo: datagram.pktinfo,
            hops: Some(HOPS),
            tos: reflection.tos,
        };
        let Self { reflector, error_estimate, .. } = self;
        out.push(at.mono, route, reflection.sent(), |out| {
            reflector.write(&request, &reflection, wall_ns().max(request.received), *error_estimate, out);
        });
    }

    fn sent(&mut self, _: &[Sent]) {}

    fn stamped(&mut self, sent: Sent, stamp: i64, _: Moment) {
        self.reflector.stamped(sent, stamp);
    }

    fn failed(&mut self, (): &mut (), _: Sent, _: Reason) {
        self.reflector.failed();
    }
}

impl Deref for Server {
    type Target = Worker<()>;

    fn deref(&self) -> &Worker<()> {
        &self.worker
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
