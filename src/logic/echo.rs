//! The lossy echo server, without its sockets: each datagram is replied to at once, later or not at all.
//!
//! The [`Link`] alone decides, not the contents of a datagram. The driver sends what [`Echo::decide`] wrote, keeps delayed
//! replies in a [`DelayQueue`](super::link::DelayQueue) and reports the result of each send.

mod arriving;
mod log;
mod mirror;
mod replay;
mod reply;
mod telling;
#[cfg(test)]
mod tests;

use std::iter::Sum;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

pub use super::row_log::LogEntry;
pub use arriving::{Arriving, Decided};
pub use log::{Columns, Damages, Log, Outcome, Row};
pub use mirror::exact;
pub use replay::{Heard, replay};
pub use reply::Reply;
pub use telling::{Ends, Held, Sent, TestClock};

use super::counters::counters;
use super::link::{Deliveries, Fate, Link, LinkPlan, Packet, Reason};
use super::random::Direction;
use super::reflector::ReflectorPlan;
use super::{Arrival, Moment, Nanos};
use mirror::Mirror;
use telling::Telling;

/// Replies that may wait at one time.
pub const MOST_HELD: usize = 65_536;
/// Bytes that may wait at one time.
pub const MOST_HELD_BYTES: usize = 64 << 20;
/// The port of the course's server.
pub const PORT: u16 = 12_000;

/// A request that its reply repeats is not answered if it has so many hops left: two servers have sent it to and fro.
/// Those of clients have more, or fewer if they are to stay near. Routers between the servers skip some numbers.
const SPENT_HOPS: RangeInclusive<u8> = 16..=32;
/// The most hops of a reply that repeats its request.
const MOST_HOPS: u8 = 64;

/// How far a reply may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hops {
    /// As far as any datagram.
    Any,
    /// So many hops.
    Most(u8),
    /// Nowhere.
    Spent,
}

/// The settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoPlan {
    /// What happens to datagrams.
    pub link: LinkPlan,
    /// What is sent back.
    pub reply: Reply,
    /// Whether clients that ask are told the server's times; by another clock in tests.
    pub server_times: Option<TestClock>,
}

impl EchoPlan {
    /// A server with times or without, by its own clock.
    pub fn new(link: LinkPlan, reply: Reply, server_times: bool) -> Self {
        Self { link, reply, server_times: server_times.then(TestClock::default) }
    }

    /// The link; a server that tells its times needs to know when each request has come up.
    pub fn link(&self) -> Link {
        let link = Link::new(self.link.clone());
        if self.server_times.is_some() { link.in_two_steps() } else { link }
    }
}

/// The server: the link that datagrams pass, and the responder.
#[derive(Debug)]
pub struct Echo {
    link: Link,
    responder: Responder,
    /// What replies in its place.
    mirror: Option<Box<Mirror>>,
}

/// Writes replies and counts. A server of several threads has one for each, behind one [`Link`].
#[derive(Debug)]
pub struct Responder {
    reply: Reply,
    telling: Option<Telling>,
    counters: Counters,
}

counters! {
    /// What a server has done so far. Once every reply is sent, `received` and `copies` together are the sum of `answered`,
    /// `dropped` and `errors`; before that, the difference is `waiting`. The driver fills in `waiting`, `kernel_drops`, `clients` and
    /// `unlogged`.
    received: u64 = Counter, "datagrams", "Datagrams that arrived.";
    answered: u64 = Counter, "replies", "Replies that were sent.";
    dropped: u64 = Counter, "datagrams", "Datagrams dropped on purpose, by what the link does, and nothing else.";
    dropped_up: u64 = Counter, "datagrams", "Dropped datagrams that were on their way to the server.";
    dropped_down: u64 = Counter, "datagrams", "Dropped datagrams whose replies were dropped.";
    dropped_copies: u64 = Counter, "copies", "Copies made on purpose that were dropped on purpose, too.";
    delayed: u64 = Counter, "replies", "Replies that were delayed on purpose.";
    copies: u64 = Counter, "replies", "Further replies to the same datagram, by duplication on purpose.";
    damaged: u64 = Counter, "datagrams", "Datagrams that were cut or changed on purpose, on their way or on that of the reply.";
    waiting: u64 = Gauge, "replies", "Replies that are delayed now and not yet sent.";
    errors: u64 = Counter, "replies",
        "Replies that could not be given: the system refused to send them, they found no room to wait, or they \
         would have gone to the server itself or to and fro between two servers.";
    kernel_drops: Option<u64> = Counter, "datagrams",
        "Datagrams that the kernel dropped because the server did not keep up.";
    clients: u64 = Counter, "clients", "Clients that were seen, by address and port.";
    unlogged: u64 = Counter, "datagrams",
        "Datagrams that a log of a million rows had no room for; 0 unless recording.";
}

impl Echo {
    /// A server without clients.
    pub fn new(plan: &EchoPlan) -> Self {
        Self { link: plan.link(), responder: Responder::new(plan), mirror: None }
    }

    /// A reflector of STAMP at an address, behind the link of a server.
    pub fn reflecting(link: LinkPlan, at: SocketAddr, plan: ReflectorPlan) -> Self {
        let echo = Self::new(&EchoPlan::new(link, Reply::Same, true));
        Self { mirror: Some(Box::new(Mirror::new(at, plan))), ..echo }
    }

    /// Decides on one datagram that arrived `now`, and leaves the reply in `out`, which is empty if there is none.
    ///
    /// `upper` and `same` allocate nothing once `out` has room and the client is known.
    pub fn decide(&mut self, source: SocketAddr, now: Moment, datagram: &[u8], out: &mut Vec<u8>) -> Fate {
        out.clear();
        let arrival = Arrival { at: now, ..Arrival::default() };
        let request = Packet { at: now.mono, len: datagram.len() };
        let Self { link, responder, mirror } = self;
        let (reply, told) = (&responder.reply, responder.blank());
        let mut client = link.client(source);
        let fate =
            client.with_bytes(Direction::Up, datagram).round_trip_by(request, |damage, lost, wanted| {
                match mirror {
                    Some(mirror) => mirror.measure(source, now, datagram, damage, wanted),
                    None => reply.measure(datagram, damage, &arrival, lost, told.as_ref(), wanted),
                }
            });
        responder.received(&fate, now.mono);
        if !fate.deliveries.is_empty() && fate.way_down.is_none() {
            if let Some(mirror) = mirror {
                // Nothing happened to it on its way, as there is no link.
                out.extend(mirror.reply(source, now, datagram).unwrap_or_default());
                return fate;
            }
            let told = responder.tell(source.into(), &fate, &arrival, datagram, || now);
            responder.reply(&fate, &arrival, datagram, told.as_ref(), out);
        }
        fate
    }

    /// Keeps the replies to a request that is in two steps, as [`Echo::decide`] says.
    pub fn hold(
        &self,
        arriving: &mut Arriving<Held>,
        source: SocketAddr,
        now: Moment,
        datagram: &[u8],
        fate: &Fate,
    ) {
        let arrival = Arrival { at: now, ..Arrival::default() };
        let row = Row::of(now.mono, now.wall, source, datagram, fate, None);
        arriving.hold(source, fate, row, None, None, |at| match self.mirror {
            Some(_) => Held::reflected(fate, arrival, datagram, at),
            None => self.responder.hold(fate, &arrival, datagram, at),
        });
    }

    /// Decides on a reply whose request has come up by `now`; see [`Arriving::settle`].
    pub fn settle<T>(&mut self, arriving: &mut Arriving<T>, now: Nanos) -> Option<(Deliveries, T)> {
        let (deliveries, value, decided) = arriving.settle(&mut self.link, now)?;
        if let Some(decided) = decided {
            self.responder.decided(&decided);
        }
        Some((deliveries, value))
    }

    /// The bytes of a reply whose request has come up, sent at `now`; `None` if a reflector does not answer it.
    pub fn release(&mut self, source: SocketAddr, held: Held, now: Moment) -> Option<Vec<u8>> {
        match &mut self.mirror {
            Some(mirror) => held.reflect(|packet| mirror.reply(source, now, packet)),
            None => Some(self.responder.release(source.into(), held, now).0),
        }
    }

    /// A reply was sent.
    pub fn answered(&mut self) {
        self.responder.answered(1);
    }
}

impl Responder {
    /// A responder with counters at 0.
    pub fn new(plan: &EchoPlan) -> Self {
        let telling = plan.server_times.map(Telling::by);
        Self { reply: plan.reply.clone(), telling, counters: Counters::default() }
    }

    /// Counts one datagram that arrived at `now`, and what is decided on it.
    pub fn received(&mut self, fate: &Fate, now: Nanos) {
        self.counters.received += 1;
        if fate.way_down.is_some() {
            return;
        }
        self.counters.errors += u64::from(fate.deliveries.reason() == Reason::Full);
        self.counters.count(fate.dropped, fate.copies, fate.deliveries.count());
        let is_whole = fate.deliveries.is_empty() || fate.up.is_none() && fate.down.is_none();
        self.counters.damaged += u64::from(!is_whole);
        self.counters.delayed += fate.deliveries.iter().filter(|delivery| delivery.at > now).count() as u64;
    }

    /// Counts what is decided in the end.
    pub fn decided(&mut self, decided: &Decided) {
        let Row { direction, copies, replies, .. } = decided.row;
        self.counters.count(direction, copies, replies);
        self.counters.damaged += u64::from(replies > 0 && decided.is_damaged);
        self.counters.delayed += decided.delayed;
    }

    /// How far the reply to a request that came with so many hops `left` may go.
    ///
    /// Two servers answer each other for ever if nothing tells a reply from a request. Hops do: a reply that could go to
    /// and fro has fewer than its request had.
    pub fn hops(&self, request: &[u8], left: Option<u8>) -> Hops {
        match left.filter(|_| self.reply.may_repeat(request)) {
            Some(left) if SPENT_HOPS.contains(&left) => Hops::Spent,
            Some(left) if left > *SPENT_HOPS.end() => Hops::Most((left - 1).min(MOST_HOPS)),
            _ => Hops::Any,
        }
    }

    /// Counts replies that were sent.
    pub fn answered(&mut self, replies: u64) {
        self.counters.answered += replies;
    }

    /// Counts a reply that could not be sent.
    pub fn failed(&mut self) {
        self.counters.errors += 1;
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl Counters {
    fn count(&mut self, dropped: Option<Direction>, copies: u8, replies: u8) {
        self.dropped += u64::from(dropped.is_some());
        self.dropped_up += u64::from(dropped == Some(Direction::Up));
        self.dropped_down += u64::from(dropped == Some(Direction::Down));
        self.copies += u64::from(replies.saturating_sub(1));
        self.dropped_copies += u64::from(copies - replies.saturating_sub(1));
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            received: sum.received + part.received,
            answered: sum.answered + part.answered,
            dropped: sum.dropped + part.dropped,
            dropped_up: sum.dropped_up + part.dropped_up,
            dropped_down: sum.dropped_down + part.dropped_down,
            dropped_copies: sum.dropped_copies + part.dropped_copies,
            delayed: sum.delayed + part.delayed,
            copies: sum.copies + part.copies,
            damaged: sum.damaged + part.damaged,
            errors: sum.errors + part.errors,
            ..sum
        })
    }
}
