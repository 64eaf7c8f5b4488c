//! Requests on their way up, where the way down is decided when they have come up.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::LogEntry;
use super::log::{Outcome, Row};
use crate::logic::Nanos;
use crate::logic::link::{DelayQueue, Deliveries, Fate, Link, Packet, Reason, WayDown};
use crate::logic::random::Direction;

/// The requests, with what the driver needs to send the reply to a copy of one.
#[derive(Debug)]
pub struct Arriving<T> {
    copies: DelayQueue<Copy<T>>,
    requests: HashMap<u64, Request>,
    held: u64,
}

/// A copy of a request.
#[derive(Debug)]
struct Copy<T> {
    request: u64,
    /// Its number from 0.
    number: u8,
    at: Nanos,
    /// Bytes of its reply.
    len: usize,
    value: T,
}

#[derive(Debug)]
struct Request {
    source: SocketAddr,
    way: WayDown,
    /// Copies that are still coming up.
    left: u8,
    decided: Decided,
}

/// What is decided on a request in the end.
#[derive(Debug)]
pub struct Decided {
    /// What became of it.
    pub row: Row,
    /// Its row in the log.
    pub entry: Option<LogEntry>,
    /// The beginning of it, if somebody asked for it.
    pub message: Option<Box<[u8]>>,
    /// How many of them are held back.
    pub delayed: u64,
    /// Whether it or its reply was damaged.
    pub is_damaged: bool,
}

impl<T> Arriving<T> {
    /// None.
    pub fn new() -> Self {
        Self { copies: DelayQueue::new(), requests: HashMap::new(), held: 0 }
    }

    /// Keeps a request that is in two steps, if it is; `reply` gives the length of a reply whose request comes up then, and
    /// what is needed to send it.
    pub fn hold(
        &mut self,
        source: SocketAddr,
        fate: &Fate,
        row: Row,
        entry: Option<LogEntry>,
        message: Option<Box<[u8]>>,
        mut reply: impl FnMut(Nanos) -> (usize, T),
    ) {
        let Some(way) = fate.way_down else { return };
        let (request, mut left) = (self.held, 0);
        self.held += 1;
        for delivery in &*fate.deliveries {
            let (len, value) = reply(delivery.at);
            let copy = Copy { request, number: left, at: delivery.at, len, value };
            // Without bounds: whoever holds it has looked for room.
            left += u8::from(self.copies.try_push(delivery.at, len, copy).is_ok());
        }
        let row =
            Row { verdict: Outcome::Drop, direction: Some(Direction::Down), delay_ns: 0, replies: 0, ..row };
        let is_damaged = !(fate.up.is_none() && fate.down.is_none());
        let decided = Decided { row, entry, message, delayed: 0, is_damaged };
        self.requests.insert(request, Request { source, way, left, decided });
    }

    /// When the next copy has come up.
    pub fn next_due(&self) -> Option<Nanos> {
        self.copies.next_due()
    }

    /// How many copies are coming up.
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Bytes of their replies.
    pub fn bytes(&self) -> usize {
        self.copies.bytes()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// Decides when the replies to the next copy that has come up by `now` arrive; and on the request in the end, if it was
    /// the last one.
    pub fn settle(&mut self, link: &mut Link, now: Nanos) -> Option<(Deliveries, T, Option<Decided>)> {
        let Copy { request: key, number, at, len, value } = self.copies.pop_due(now)?;
        let request = self.requests.get_mut(&key)?;
        let deliveries = link.reply(request.source, request.way, number, Packet { at, len });
        request.decided.add(&deliveries);
        request.left -= 1;
        if request.left > 0 {
            return Some((deliveries, value, None));
        }
        let Request { source, decided, .. } = self.requests.remove(&key)?;
        if decided.row.replies == 0 {
            link.lost(source);
        }
        Some((deliveries, value, Some(decided)))
    }
}

impl<T> Default for Arriving<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Decided {
    fn add(&mut self, deliveries: &Deliveries) {
        let row = &mut self.row;
        if let Some(first) = deliveries.iter().map(|delivery| delivery.at).min() {
            let delay = first - row.recv_ns;
            row.delay_ns = if row.replies == 0 { delay } else { delay.min(row.delay_ns) };
            (row.verdict, row.direction, row.reason) = (Outcome::Answer, None, Reason::None);
        } else if row.replies == 0 {
            row.reason = deliveries.reason();
        }
        row.replies += deliveries.count();
        self.delayed += deliveries.iter().filter(|delivery| delivery.at > row.recv_ns).count() as u64;
    }
}
