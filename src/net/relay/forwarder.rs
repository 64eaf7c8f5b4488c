//! Implements [`Decide`] for the relay.

use std::net::SocketAddr;
use std::sync::Weak;

use super::super::datagram::{Datagram, PktInfo, Reports, unmapped};
use super::super::send_queue::Route;
use super::super::server::{Decide, Outgoing, ServerState};
use super::super::socket::Socket;
use super::Event;
use super::upstream::{Header, Port, REPORTS, Upstream};
use crate::logic::link::{Packet, Reason};
use crate::logic::random::Direction;
use crate::logic::relay::{Counters, Log, LogEntry, Relay, Relayed, Row, SessionKey, Verdict};
use crate::logic::{Arrival, Nanos};

/// The longest part of a datagram in an event.
const SHOWN: usize = 1_024;

/// What the thread shares with the relay's owner.
#[derive(Debug)]
pub(super) struct RelayState {
    pub(super) machine: Relay<Peer>,
    pub(super) log: Log,
    /// How often each client was to get another port.
    pub(super) rebinds: u32,
    /// Not kept open by this: the port is free when the relay has stopped.
    listener: Weak<Socket>,
    target: SocketAddr,
    follow_port: bool,
}

/// What is kept for a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// The address of this machine at which its datagrams arrive.
    pktinfo: Option<PktInfo>,
    /// Where they go.
    far: SocketAddr,
}

/// Carries out what is decided, and counts.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    pub(super) counters: [Counters; 2],
    pub(super) unreachable: u64,
    pub(super) foreign: u64,
}

/// What is decided on a datagram.
type Decision = Result<Forward, Nowhere>;

/// Why a datagram goes nowhere, whatever the link does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Nowhere {
    /// There is no room for its client.
    Refused,
    /// It does not come from where it is to come from, or its client is forgotten.
    Foreign,
}

/// How a datagram goes to the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forward {
    direction: Direction,
    key: SessionKey,
    client: SocketAddr,
    relayed: Relayed,
    destination: SocketAddr,
    pktinfo: Option<PktInfo>,
    entry: Option<LogEntry>,
    /// What comes after a `rebind` goes from another port.
    rebinds: u32,
}

/// Identifies a datagram to be sent: its direction, and its row in the log.
pub(super) type Tag = (Direction, Option<LogEntry>);

impl RelayState {
    pub(super) fn new(
        machine: Relay<Peer>,
        log: Log,
        listener: Weak<Socket>,
        target: SocketAddr,
        follow_port: bool,
    ) -> Self {
        Self { machine, log, rebinds: 0, listener, target, follow_port }
    }

    /// Whether a datagram is from a client. One that claims to be from the target or from the relay itself is forged: its
    /// replies would be the next datagrams, for ever.
    fn is_client(&self, source: SocketAddr) -> bool {
        let same = |one: SocketAddr, other: SocketAddr| {
            (one.port(), one.ip().to_canonical()) == (other.port(), other.ip().to_canonical())
        };
        !same(source, self.target) && !self.listener.upgrade().is_some_and(|own| own.is_own(source))
    }

    fn is_target(&self, source: SocketAddr) -> bool {
        source.ip() == self.target.ip() && (self.follow_port || source.port() == self.target.port())
    }
}

impl Decide for Forwarder {
    type Sockets = Upstream;
    type Shared = RelayState;
    type Decision = Decision;
    type Tag = Tag;
    type Event = Event;

    const REPORTS: Reports = REPORTS;
    const TENDS: bool = true;

    fn decide<'a>(
        shared: &mut RelayState,
        from: Port,
        received: impl Iterator<Item = (Datagram<'a>, Arrival)>,
        decisions: &mut Vec<Decision>,
    ) {
        let mut received = received.peekable();
        while let Some((first, arrival)) = received.peek().copied() {
            let source = first.source;
            let like_first = |next: &Datagram<'_>| next.source == source && next.pktinfo == first.pktinfo;
            let (direction, lane, nowhere) = match from {
                Port::Listener if !shared.is_client(source) => (Direction::Up, None, Nowhere::Foreign),
                Port::Listener => {
                    let peer = Peer { pktinfo: first.pktinfo, far: shared.target };
                    let near = first.pktinfo.map(|pktinfo| pktinfo.ip);
                    let lane = shared.machine.up(source, near, arrival.at.mono, || peer);
                    (Direction::Up, lane, Nowhere::Refused)
                }
                Port::Client(key) => {
                    let is_target = shared.is_target(source);
                    let lane = if is_target { shared.machine.down(key) } else { None };
                    (Direction::Down, lane, Nowhere::Foreign)
                }
            };
            let Some(mut lane) = lane else {
                while received.next_if(|(next, _)| like_first(next)).is_some() {
                    decisions.push(Err(nowhere));
                }
                continue;
            };
            match direction {
                Direction::Up => lane.about.pktinfo = first.pktinfo,
                Direction::Down => lane.about.far = source,
            }
            let (key, client, Peer { pktinfo, far }) = (lane.key, lane.client, *lane.about);
            let (destination, pktinfo) = match direction {
                Direction::Up => (far, None),
                Direction::Down => (client, pktinfo),
            };
            while let Some((datagram, arrival)) = received.next_if(|(next, _)| like_first(next)) {
                let len = datagram.bytes.len();
                let packet = Packet { at: arrival.at.mono, len };
                let relayed = lane.with_bytes(datagram.bytes).pass(packet);
                let entry =
                    shared.log.add(|| Row::of(arrival.at, direction, unmapped(client), len, &relayed));
                let rebinds = shared.rebinds;
                let forward =
                    Forward { direction, key, client, relayed, destination, pktinfo, entry, rebinds };
                decisions.push(Ok(forward));
            }
        }
    }

    fn event(datagram: &Datagram<'_>, arrival: &Arrival, decision: &Decision) -> Option<Event> {
        let Ok(Forward { direction, client, relayed, .. }) = decision else { return None };
        Some(Event {
            row: Row::of(arrival.at, *direction, unmapped(*client), datagram.bytes.len(), relayed),
            message: datagram.bytes[..datagram.bytes.len().min(SHOWN)].into(),
        })
    }

    fn carry_out(
        &mut self,
        sockets: &mut Upstream,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        decision: &Decision,
        out: &mut Outgoing<'_, Port, Tag>,
    ) {
        let Forward { direction, key, relayed, destination, pktinfo, entry, rebinds, .. } = match decision {
            Ok(forward) => *forward,
            Err(Nowhere::Refused) => return self.counters[Direction::Up as usize].refused(),
            Err(Nowhere::Foreign) => {
                self.foreign += 1;
                return;
            }
        };
        let (deliveries, damage) = (&relayed.passage.deliveries, relayed.passage.damage);
        self.counters[direction as usize].relayed(&relayed, arrival.at.mono);
        if deliveries.is_empty() {
            return;
        }
        let header = Header { hops: datagram.ttl.map(|left| hops(left, 0)), tos: datagram.tos };
        // The socket sends with these, unless a datagram says otherwise.
        let (socket, own) = match direction {
            Direction::Up => {
                sockets.rebind(rebinds);
                (Port::Client(key), sockets.open(key, header))
            }
            Direction::Down => (Port::Listener, Ok(sockets.near(header))),
        };
        for (copy, delivery) in deliveries.iter().enumerate() {
            let hops = datagram.ttl.map(|left| hops(left, copy));
            let Some(own) = own.as_ref().ok().filter(|_| hops != Some(0)) else {
                out.refuse((direction, entry));
                continue;
            };
            let route = Route {
                socket,
                destination,
                pktinfo,
                hops: hops.filter(|_| hops != own.hops),
                tos: datagram.tos.filter(|_| datagram.tos != own.tos),
            };
            out.push(delivery.at, route, (direction, entry), |out| {
                let start = out.len();
                out.extend_from_slice(datagram.bytes);
                damage.apply(out, start);
            });
        }
    }

    fn sent(&mut self, tags: &[Tag]) {
        for (direction, _) in tags {
            self.counters[*direction as usize].sent();
        }
    }

    fn failed(&mut self, RelayState { log, .. }: &mut RelayState, (direction, entry): Tag, reason: Reason) {
        self.counters[direction as usize].failed();
        if let Some(row) = entry.and_then(|entry| log.get_mut(entry)) {
            (row.verdict, row.reason) = (Verdict::Error, reason);
        }
    }

    fn unreachable(&mut self) {
        self.unreachable += 1;
    }

    fn tend(&mut self, server: &ServerState<Self>, sockets: &mut Upstream, now: Nanos) -> Option<Nanos> {
        let mut shared = server.shared();
        let next = shared.machine.expire(now, |key| sockets.close(key));
        let rebinds = shared.rebinds;
        drop(shared);
        sockets.rebind(rebinds);
        next
    }
}

/// The hops that a datagram may take that came with so many `left`; 0 if it has taken all.
///
/// Each relay takes one, so what goes in a circle of relays ends. A copy takes half of them: where each made one at each
/// turn, there would be more than can be sent before the first had taken all.
fn hops(left: u8, copy: usize) -> u8 {
    if copy == 0 { left.saturating_sub(1) } else { left / 2 }
}
