//! The relay, without its sockets: datagrams of clients go up to the target and its replies down to them, each as the
//! [`Link`] decides.
//!
//! The driver has a socket toward the target for each client, by which it knows whose reply a datagram is.

mod counters;
mod log;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

pub use counters::Counters;
pub use log::{Log, Row, Verdict};
pub use sessions::SessionKey;

pub use super::row_log::LogEntry;

use self::sessions::Sessions;
use super::link::{self, Deliveries, Impairments, Link, LinkPlan, Packet, Passage, Reason, Share};
use super::random::Direction;
use super::{DAY, Nanos, SECOND};

/// Clients known at a time, at most.
pub const MOST_CLIENTS: usize = 65_536;
/// How long a client may be silent before it is forgotten.
pub const IDLES: RangeInclusive<Nanos> = 10_000_000..=DAY;
/// How long it may be if nothing else is said: what [RFC 4787](https://www.rfc-editor.org/rfc/rfc4787#section-4.3)
/// recommends for a NAT.
pub const IDLE: Nanos = 300 * SECOND;

/// A relay; of each client the driver keeps a `T`.
#[derive(Debug)]
pub struct Relay<T> {
    link: Link,
    sessions: Sessions<T>,
    blocked_until: Nanos,
    closed: Vec<SessionKey>,
    refused: u64,
}

/// A client in one direction, looked up for several of its datagrams in a row.
#[derive(Debug)]
pub struct Lane<'a, T> {
    /// Its key.
    pub key: SessionKey,
    /// Its address.
    pub client: SocketAddr,
    /// What the driver keeps.
    pub about: &'a mut T,
    link: link::Client<'a>,
    direction: Direction,
    latest: &'a mut Nanos,
    active: &'a mut Nanos,
    blocked_until: Nanos,
}

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relayed {
    /// What the link does.
    pub passage: Passage,
    /// Whether it leaves before one that came earlier.
    pub reordered: bool,
}

impl<T> Relay<T> {
    /// A relay without clients, for at most `most` at a time.
    pub fn new(plan: LinkPlan, idle: Nanos, most: usize) -> Self {
        Self {
            link: Link::new(plan),
            sessions: Sessions::new(most.clamp(1, MOST_CLIENTS), idle),
            blocked_until: Nanos::MIN,
            closed: Vec::new(),
            refused: 0,
        }
    }

    /// The way up of a client that sends to the relay's address `near`; `None` if there is no room for a new one.
    pub fn up(
        &mut self,
        source: SocketAddr,
        near: Option<IpAddr>,
        now: Nanos,
        about: impl FnOnce() -> T,
    ) -> Option<Lane<'_, T>> {
        let Some(key) = self.sessions.entry(source, near, now, &mut self.closed, about) else {
            self.refused += 1;
            return None;
        };
        self.lane(key, Direction::Up)
    }

    /// The way down to a client, unless it was forgotten.
    pub fn down(&mut self, key: SessionKey) -> Option<Lane<'_, T>> {
        self.lane(key, Direction::Down)
    }

    fn lane(&mut self, key: SessionKey, direction: Direction) -> Option<Lane<'_, T>> {
        let session = self.sessions.touch(key, direction == Direction::Down)?;
        Some(Lane {
            key,
            client: session.client,
            about: &mut session.about,
            link: self.link.client(session.client),
            direction,
            latest: &mut session.latest[direction as usize],
            active: &mut session.active,
            blocked_until: self.blocked_until,
        })
    }

    /// What is kept of a client, unless it was forgotten.
    pub fn about(&self, key: SessionKey) -> Option<&T> {
        self.sessions.get(key).map(|session| &session.about)
    }

    /// Forgets the clients that were silent for too long, and gives the keys of all that were forgotten since the last
    /// time to `close`; returns when to ask again.
    pub fn expire(&mut self, now: Nanos, close: impl FnMut(SessionKey)) -> Option<Nanos> {
        let next = self.sessions.expire(now, &mut self.closed);
        self.closed.drain(..).for_each(close);
        next
    }

    /// Lets nothing pass until then.
    pub fn block_until(&mut self, until: Nanos) {
        self.blocked_until = until;
    }

    /// Has a direction do something else from now on.
    pub fn set(&mut self, direction: Direction, impairments: &Impairments) {
        self.link.set(direction, impairments);
    }

    /// What was asked of each effect in each direction, up first, and what it did since that was set.
    pub fn shares(&self) -> [Vec<Share>; 2] {
        self.link.shares()
    }

    /// Clients known now.
    pub fn clients(&self) -> u64 {
        self.sessions.len() as u64
    }

    /// Datagrams of clients for whom there was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl<T> Lane<'_, T> {
    /// Says what the bytes of the next datagram are; see [`Client::with_bytes`](super::link::Client::with_bytes).
    pub fn with_bytes(&mut self, payload: &[u8]) -> &mut Self {
        self.link.with_bytes(self.direction, payload);
        self
    }

    /// Decides on the client's next datagram.
    pub fn pass(&mut self, packet: Packet) -> Relayed {
        let mut passage = self.link.carry(self.direction, packet);
        if packet.at < self.blocked_until {
            passage.deliveries = Deliveries::dropped(Reason::Schedule);
        }
        let first = passage.deliveries.first().map_or(packet.at, |first| first.at);
        let last = passage.deliveries.iter().map(|delivery| delivery.at).fold(packet.at, Nanos::max);
        let reordered = !passage.deliveries.is_empty() && first < *self.latest;
        if !passage.deliveries.is_empty() {
            *self.latest = first.max(*self.latest);
        }
        *self.active = last.max(*self.active);
        Relayed { passage, reordered }
    }
}
