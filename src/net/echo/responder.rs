//! Implements [`Decide`] for the echo server: the threads share the link and the log, and each writes replies.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Event;
use crate::logic::codec::timed_line::Told;
use crate::logic::echo::{Arriving, Ends, Held, Hops, Log, LogEntry, Reply, Responder, Row, Sent};
use crate::logic::link::{Fate, Link, Packet, Reason};
use crate::logic::random::Direction;
use crate::logic::{Arrival, Moment, Nanos};
use crate::net::clock::wall_ns;
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
    /// Something as long as what is told of times, if that is told.
    pub(super) told: Option<Told>,
    /// How many replies more may wait, and how many bytes, of the thread that decides.
    pub(super) room: (usize, usize),
    /// Whether there will be events.
    pub(super) is_followed: bool,
}

/// What one thread has: it writes replies, and keeps those on which the link decides later.
#[derive(Debug)]
pub(in crate::net) struct Replying {
    pub(super) responder: Responder,
    pub(super) arriving: Arriving<Waiting>,
    /// The replies of which the kernel says when they leave, if it does.
    pub(super) leaving: Option<Leaving>,
}

/// What a reply that is sent is reported by: its row, and its number in [`Leaving`] if the kernel is to say when it left.
pub(in crate::net) type Reported = (Option<LogEntry>, Option<u32>);

/// Replies that the kernel has not said yet that it sent; a tag for each would hold too much.
#[derive(Debug, Default)]
pub(in crate::net) struct Leaving {
    replies: HashMap<u32, Sent>,
    /// Those that are sent: of the latest ones the kernel may still say when.
    sent: VecDeque<u32>,
    next: u32,
}

impl Leaving {
    const KEPT: usize = 4_096;

    fn push(&mut self, sent: Sent) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.replies.insert(number, sent);
        number
    }

    fn sent(&mut self, number: u32) {
        self.sent.push_back(number);
        if self.sent.len() > Self::KEPT
            && let Some(old) = self.sent.pop_front()
        {
            self.replies.remove(&old);
        }
    }
}

/// A reply, its row, both its ends, and where it goes, unless it is to go nowhere.
type Waiting = (Option<Route<()>>, Held, Option<LogEntry>, Ends);

impl Decide for Replying {
    type Sockets = Arc<Socket>;
    type Shared = LinkState;
    type Decision = (Fate, Option<LogEntry>, Option<u16>);
    type Tag = Reported;
    type Event = Event;

    const REPORTS: Reports = Reports { ttl: true, tos: false, timestamp: false };

    fn reports(&self) -> Reports {
        Reports { timestamp: self.responder.blank().is_some(), ..Self::REPORTS }
    }

    fn decide<'a>(
        LinkState { link, log, reply, told, room, is_followed }: &mut LinkState,
        (): (),
        received: impl Iterator<Item = (Datagram<'a>, Arrival)>,
        decisions: &mut Vec<Self::Decision>,
    ) {
        let mut received = received.peekable();
        let (can_delay, has_rows) = (link.can_delay(), *is_followed || log.is_kept());
        let most = link.most_copies(Direction::Up) * link.most_copies(Direction::Down);
        while let Some(source) = received.peek().map(|(first, _)| first.source) {
            let mut client = link.client(source);
            while let Some((datagram, arrival)) = received.next_if(|(next, _)| next.source == source) {
                let Moment { mono, wall } = arrival.at;
                let request = Packet { at: mono, len: datagram.bytes.len() };
                let longest = reply.longest(request.len);
                client.with_bytes(Direction::Up, datagram.bytes);
                let fate = if can_delay && (most > room.0 || most * longest > room.1) {
                    client.refuse(request)
                } else {
                    client.round_trip_by(request, |damage, lost, wanted| {
                        reply.measure(datagram.bytes, damage, &arrival, lost, told.as_ref(), wanted)
                    })
                };
                if can_delay {
                    let waiting = if fate.way_down.is_some() { most } else { fate.deliveries.len() };
                    *room = (room.0.saturating_sub(waiting), room.1.saturating_sub(waiting * longest));
                }
                let len = (has_rows && fate.dropped != Some(Direction::Up)).then(|| {
                    let len =
                        reply.length(datagram.bytes, fate.up, &arrival, fate.lost_before, told.as_ref());
                    u16::try_from(len).unwrap_or(u16::MAX)
                });
                let row = || Row::of(mono, wall, unmapped(source), datagram.bytes, &fate, len);
                let entry = log.add(row);
                decisions.push((fate, entry, len));
            }
        }
    }

    fn event(datagram: &Datagram<'_>, arrival: &Arrival, (fate, _, len): &Self::Decision) -> Option<Event> {
        Some(event(datagram, arrival, fate, *len))
    }

    fn carry_out(
        &mut self,
        socket: &mut Arc<Socket>,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        (fate, entry, len): &Self::Decision,
        out: &mut Outgoing<'_, (), Reported>,
    ) {
        let Self { responder, arriving, leaving } = self;
        responder.received(fate, arrival.at.mono);
        let hops = match responder.hops(datagram.bytes, datagram.ttl) {
            // The reply would be the next request, for ever.
            _ if socket.is_own(datagram.source) => Hops::Spent,
            hops => hops,
        };
        let most = if let Hops::Most(most) = hops { Some(most) } else { None };
        let route = Route {
            socket: (),
            destination: datagram.source,
            pktinfo: datagram.pktinfo,
            hops: most,
            tos: None,
        };
        let local = datagram.pktinfo.map_or(datagram.source.ip(), |pktinfo| pktinfo.ip);
        let ends = Ends { source: datagram.source, local };
        if fate.way_down.is_some() {
            let Event { row, message } = event(datagram, arrival, fate, *len);
            let message = out.is_followed.then_some(message);
            return arriving.hold(datagram.source, fate, row, *entry, message, |at| {
                let (len, reply) = responder.hold(fate, arrival, datagram.bytes, at);
                let route = if hops == Hops::Spent { None } else { Some(route) };
                (len, (route, reply, *entry, ends))
            });
        }
        for delivery in &*fate.deliveries {
            if hops == Hops::Spent {
                out.refuse((*entry, None));
                continue;
            }
            let now = || Moment { mono: arrival.at.mono, wall: wall_ns() };
            let told = responder.tell(ends, fate, arrival, datagram.bytes, now);
            let sent = told.as_ref().and_then(|told| Sent::of(ends, told, 0));
            let number = sent.zip(leaving.as_mut()).map(|(sent, leaving)| leaving.push(sent));
            out.push(delivery.at, route, (*entry, number), |out| {
                responder.reply(fate, arrival, datagram.bytes, told.as_ref(), out);
            });
        }
    }

    fn prepare(&self, shared: &mut LinkState, (replies, bytes): (usize, usize), is_followed: bool) {
        let LinkState { link, room, .. } = shared;
        let most = link.most_copies(Direction::Down);
        let (coming, bytes_coming) = (self.arriving.len(), self.arriving.bytes());
        *room = (replies.saturating_sub(most * coming), bytes.saturating_sub(most * bytes_coming));
        shared.is_followed = is_followed;
    }

    fn next_due(&self) -> Option<Nanos> {
        self.arriving.next_due()
    }

    fn settle(
        &mut self,
        LinkState { link, log, .. }: &mut LinkState,
        now: Nanos,
        out: &mut Outgoing<'_, (), Reported>,
        events: &mut Vec<Event>,
    ) {
        while let Some((deliveries, (route, held, entry, ends), decided)) = self.arriving.settle(link, now) {
            let (reply, told) = self.responder.release(ends, held, Moment { mono: now, wall: wall_ns() });
            // Copies have one number, and each has left at another time.
            let told = told.filter(|_| deliveries.len() == 1);
            for delivery in &*deliveries {
                let Some(route) = route else {
                    out.refuse((entry, None));
                    continue;
                };
                let sent = told.and_then(|told| Sent::of(ends, &told, (delivery.at - now).max(0)));
                let number = sent.zip(self.leaving.as_mut()).map(|(sent, leaving)| leaving.push(sent));
                out.push(delivery.at, route, (entry, number), |out| out.extend_from_slice(&reply));
            }
            if let Some(decided) = decided {
                self.responder.decided(&decided);
                if let Some(entry) = decided.entry {
                    log.decided(entry, decided.row);
                }
                events.extend(decided.message.map(|message| Event { row: decided.row, message }));
            }
        }
    }

    fn is_final((fate, ..): &Self::Decision) -> bool {
        fate.way_down.is_none()
    }

    fn sent(&mut self, tags: &[Self::Tag]) {
        self.responder.answered(tags.len() as u64);
        if let Some(leaving) = &mut self.leaving {
            tags.iter().filter_map(|(_, number)| *number).for_each(|number| leaving.sent(number));
        }
    }

    fn stamped(&mut self, (_, number): Reported, stamp: i64, now: Moment) {
        if let Some(sent) =
            number.zip(self.leaving.as_mut()).and_then(|(at, leaving)| leaving.replies.remove(&at))
        {
            self.responder.stamped(sent, stamp, now);
        }
    }

    fn failed(&mut self, LinkState { log, .. }: &mut LinkState, (entry, number): Reported, reason: Reason) {
        self.responder.failed();
        if let Some((number, leaving)) = number.zip(self.leaving.as_mut()) {
            leaving.replies.remove(&number);
        }
        if let Some(entry) = entry {
            log.failed(entry, reason);
        }
    }
}

fn event(datagram: &Datagram<'_>, arrival: &Arrival, fate: &Fate, len: Option<u16>) -> Event {
    Event {
        row: Row::of(arrival.at.mono, arrival.at.wall, unmapped(datagram.source), datagram.bytes, fate, len),
        message: datagram.bytes[..datagram.bytes.len().min(SHOWN)].into(),
    }
}
