//! Implements [`Decide`] for the echo server: the threads share the link and the log, and each writes replies.

use std::sync::Arc;

use super::Event;
use crate::logic::echo::{Hops, Log, LogEntry, Reply, Responder, Row};
use crate::logic::link::{Fate, Link, Packet, Reason};
use crate::logic::{Arrival, Moment};
use crate::net::datagram::{Datagram, Reports, unmapped};
use crate::net::send_queue::Route;
use crate::net::server::{Decide, Outgoing};
use crate::net::socket::Socket;

/// The longest part of a datagram in an event.
const SHOWN: usize = 1_024;

/// The link and the log, which the threads share.
#[derive(Debug)]
pub(in crate::net) struct LinkState {
    pub(super) link: Link,
    pub(super) log: Log,
    pub(super) reply: Reply,
}

impl Decide for Responder {
    type Sockets = Arc<Socket>;
    type Shared = LinkState;
    type Decision = (Fate, Option<LogEntry>);
    type Tag = Option<LogEntry>;
    type Event = Event;

    const REPORTS: Reports = Reports { ttl: true, tos: false, timestamp: false };

    fn decide<'a>(
        LinkState { link, log, reply }: &mut LinkState,
        (): (),
        received: impl Iterator<Item = (Datagram<'a>, Arrival)>,
        decisions: &mut Vec<Self::Decision>,
    ) {
        let mut received = received.peekable();
        while let Some(source) = received.peek().map(|(first, _)| first.source) {
            let mut client = link.client(source);
            while let Some((datagram, arrival)) = received.next_if(|(next, _)| next.source == source) {
                let Moment { mono, wall } = arrival.at;
                let request = Packet { at: mono, len: datagram.bytes.len() };
                let fate = client.round_trip_with(request, |damage, lost| {
                    reply.length(datagram.bytes, damage, &arrival, lost)
                });
                let entry = log.push(mono, wall, unmapped(source), datagram.bytes, &fate);
                decisions.push((fate, entry));
            }
        }
    }

    fn event(datagram: &Datagram<'_>, arrival: &Arrival, (fate, _): &Self::Decision) -> Event {
        Event {
            row: Row::of(arrival.at.mono, arrival.at.wall, unmapped(datagram.source), datagram.bytes, fate),
            message: datagram.bytes[..datagram.bytes.len().min(SHOWN)].into(),
        }
    }

    fn carry_out(
        &mut self,
        socket: &mut Arc<Socket>,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        (fate, entry): &Self::Decision,
        out: &mut Outgoing<'_, (), Option<LogEntry>>,
    ) {
        self.received(fate, arrival.at.mono);
        let hops = match self.hops(datagram.bytes, datagram.ttl) {
            // The reply would be the next request, for ever.
            _ if socket.is_own(datagram.source) => Hops::Spent,
            hops => hops,
        };
        let most = if let Hops::Most(most) = hops { Some(most) } else { None };
        let route = Route { socket: (), destination: datagram.source, pktinfo: datagram.pktinfo, hops: most };
        for delivery in &*fate.deliveries {
            if hops == Hops::Spent {
                out.refuse(*entry);
                continue;
            }
            out.push(delivery.at, route, *entry, |out| self.write(fate, arrival, datagram.bytes, out));
        }
    }

    fn sent(&mut self, count: u64) {
        self.answered(count);
    }

    fn failed(&mut self, LinkState { log, .. }: &mut LinkState, entry: Option<LogEntry>, reason: Reason) {
        Responder::failed(self);
        if let Some(entry) = entry {
            log.failed(entry, reason);
        }
    }
}
