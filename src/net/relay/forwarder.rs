//! Implements [`Decide`] for the relay.

use std::net::SocketAddr;

use super::super::datagram::{Datagram, PktInfo, Reports};
use super::super::send_queue::Route;
use super::super::server::{Decide, Outgoing, ServerState};
use super::Event;
use super::upstream::{Port, REPORTS, Upstream};
use crate::logic::link::{Packet, Reason};
use crate::logic::random::Direction;
use crate::logic::relay::{Counters, Relay, Relayed, SessionKey};
use crate::logic::{Arrival, Nanos};

/// What the thread shares with the relay's owner.
#[derive(Debug)]
pub(super) struct RelayState {
    pub(super) machine: Relay<Peer>,
    /// Whether each client is to get another port.
    pub(super) rebind: bool,
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
#[derive(Debug, Clone, Copy)]
pub(super) enum Decision {
    /// It goes to the other side.
    Forward {
        direction: Direction,
        client: SessionKey,
        relayed: Relayed,
        destination: SocketAddr,
        pktinfo: Option<PktInfo>,
    },
    /// There is no room for its client.
    Refuse,
    /// It comes from neither a client nor the target, or its client is forgotten.
    Foreign,
}

impl RelayState {
    pub(super) fn new(machine: Relay<Peer>, target: SocketAddr, follow_port: bool) -> Self {
        Self { machine, rebind: false, target, follow_port }
    }

    fn is_target(&self, source: SocketAddr) -> bool {
        source.ip() == self.target.ip() && (self.follow_port || source.port() == self.target.port())
    }
}

impl Decide for Forwarder {
    type Sockets = Upstream;
    type Shared = RelayState;
    type Decision = Decision;
    type Tag = Direction;
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
            let (source, now) = (first.source, arrival.at.mono);
            let (lane, direction, other) = match from {
                Port::Listener => {
                    let peer = Peer { pktinfo: first.pktinfo, far: shared.target };
                    (shared.machine.up(source, now, || peer), Direction::Up, Decision::Refuse)
                }
                Port::Client(key) => {
                    let is_target = shared.is_target(source);
                    let lane = if is_target { shared.machine.down(key) } else { None };
                    (lane, Direction::Down, Decision::Foreign)
                }
            };
            let mut lane = lane;
            if let Some(lane) = &mut lane {
                match direction {
                    Direction::Up => lane.about.pktinfo = first.pktinfo,
                    Direction::Down => lane.about.far = source,
                }
            }
            while let Some((datagram, arrival)) = received.next_if(|(next, _)| next.source == source) {
                let Some(lane) = &mut lane else {
                    decisions.push(other);
                    continue;
                };
                let relayed = lane.pass(Packet { at: arrival.at.mono, len: datagram.bytes.len() });
                let (destination, pktinfo) = match direction {
                    Direction::Up => (lane.about.far, None),
                    Direction::Down => (lane.client, lane.about.pktinfo),
                };
                decisions.push(Decision::Forward {
                    direction,
                    client: lane.key,
                    relayed,
                    destination,
                    pktinfo,
                });
            }
        }
    }

    fn event(_: &Datagram<'_>, _: &Arrival, _: &Decision) -> Event {
        Event {}
    }

    fn carry_out(
        &mut self,
        sockets: &mut Upstream,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        decision: &Decision,
        out: &mut Outgoing<'_, Port, Direction>,
    ) {
        let (direction, client, relayed, destination, pktinfo) = match *decision {
            Decision::Forward { direction, client, relayed, destination, pktinfo } => {
                (direction, client, relayed, destination, pktinfo)
            }
            Decision::Refuse => return self.counters[Direction::Up as usize].refused(),
            Decision::Foreign => {
                self.foreign += 1;
                return;
            }
        };
        let (deliveries, damage) = (&relayed.passage.deliveries, relayed.passage.damage);
        self.counters[direction as usize].relayed(&relayed, arrival.at.mono);
        if deliveries.is_empty() {
            return;
        }
        let socket = match direction {
            Direction::Up => Port::Client(client),
            Direction::Down => Port::Listener,
        };
        let is_open = direction == Direction::Down || sockets.open(client).is_ok();
        for (copy, delivery) in deliveries.iter().enumerate() {
            let hops = datagram.ttl.map(|left| hops(left, copy));
            if !is_open || hops == Some(0) {
                out.refuse(direction);
                continue;
            }
            let route = Route { socket, destination, pktinfo, hops, tos: datagram.tos };
            out.push(delivery.at, route, direction, |out| {
                let start = out.len();
                out.extend_from_slice(datagram.bytes);
                damage.apply(out, start);
            });
        }
    }

    fn sent(&mut self, tags: &[Direction]) {
        for direction in tags {
            self.counters[*direction as usize].sent();
        }
    }

    fn failed(&mut self, _: &mut RelayState, direction: Direction, _: Reason) {
        self.counters[direction as usize].failed();
    }

    fn unreachable(&mut self) {
        self.unreachable += 1;
    }

    fn tend(&mut self, server: &ServerState<Self>, sockets: &mut Upstream, now: Nanos) -> Option<Nanos> {
        let mut shared = server.shared();
        let next = shared.machine.expire(now, |key| sockets.close(key));
        if std::mem::take(&mut shared.rebind) {
            drop(shared);
            sockets.rebind();
        }
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
