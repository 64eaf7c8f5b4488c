//! The columns of a run: one row per ping, written when it is sent and amended until it is settled.
//!
//! Plain vectors: a row is found by its number, a finished run is copied once into the table that is then shared. A run
//! without an end keeps a window of the latest rows only.

use std::net::IpAddr;
use std::net::SocketAddr;

use super::Nanos;

/// What stands in a column of [`Nanos`] where there is no value; numpy shows it as `NaT`.
pub const NONE: Nanos = Nanos::MIN;

/// The longest part of an answer that is kept in a row.
pub const KEPT_REPLY: usize = 1_024;

/// How a ping ended. The order is that of the names in [`Status::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// A reply within the timeout.
    Reply,
    /// A reply after the timeout.
    Late,
    /// No reply.
    Timeout,
    /// The network said that the target cannot be reached.
    Unreachable,
    /// It could not be sent.
    Error,
    /// In flight: never in a finished run.
    Open,
}

impl Status {
    /// The names in the table, by discriminant.
    pub const NAMES: [&'static str; 6] = ["reply", "late", "timeout", "unreachable", "error", "open"];

    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Reply, Self::Late, Self::Timeout, Self::Unreachable, Self::Error, Self::Open]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// What ties an answer to its ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Match {
    /// The answer carries the ping's sequence number.
    Seq,
    /// The answer carries the ping's own time text, though no (or another) number can be read.
    Payload,
    /// Nothing but that it came from the target while this was the only ping in flight.
    Unverified,
}

impl Match {
    /// The names in the table, by discriminant.
    pub const NAMES: [&'static str; 3] = ["seq", "payload", "unverified"];
}

/// Who took the two times that a round trip lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stamp {
    /// This program, around its system calls.
    User,
    /// The kernel, both.
    Kernel,
    /// The kernel that of the arrival, this program that of the sending.
    KernelRx,
    /// The kernel that of the sending, this program that of the arrival.
    KernelTx,
    /// This program: the kernel's clock was set while the ping was out.
    Stepped,
}

impl Stamp {
    /// The names in the table, by discriminant.
    pub const NAMES: [&'static str; 5] = ["user", "kernel", "kernel-rx", "kernel-tx", "stepped"];

    /// The stamp of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Kernel, Self::KernelRx, Self::KernelTx, Self::Stepped]
            .into_iter()
            .find(|stamp| stamp.name() == name)
    }

    /// The name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// One ping, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The number in the message.
    pub seq: u64,
    /// When the schedule wanted it sent.
    pub due: Nanos,
    /// When it was handed to the socket; [`NONE`] if it never was.
    pub sent: Nanos,
    /// The same moment in nanoseconds since 1970, as the message says it.
    pub sent_wall: i64,
    /// From the sending to the first copy of the reply, by the best two times there are; [`NONE`] without one.
    pub rtt: Nanos,
    /// The same by this program's own times.
    pub user_rtt: Nanos,
    /// How it ended, so far.
    pub status: Status,
    /// Datagrams credited to it.
    pub copies: u32,
    /// The answer that counts, or who said that the target cannot be reached.
    pub source: Option<Source>,
    /// Hops left in the answer, where the system tells.
    pub ttl: Option<u8>,
    /// The answer; `None` without one.
    pub reply: Option<Reply>,
}

/// Who answered. An ICMP message has no port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The sender of a datagram.
    Peer(SocketAddr),
    /// The sender of an ICMP message.
    Router(IpAddr),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(address) => address.fmt(f),
            Self::Router(address) => address.fmt(f),
        }
    }
}

/// The first copy of the answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its length on the wire.
    pub bytes: u32,
    /// Who took the times of `rtt`.
    pub stamp: Stamp,
    /// Why it is credited to this ping.
    pub matched: Match,
    /// Its first [`KEPT_REPLY`] bytes.
    pub text: Box<[u8]>,
}

/// The rows of one target, oldest first. Row `i` has sequence number `first_seq + i`.
#[derive(Debug, Default)]
pub struct Rows {
    first_seq: u64,
    /// When the schedule wanted each ping sent.
    pub due: Vec<Nanos>,
    /// When each was sent.
    pub sent: Vec<Nanos>,
    /// The same, nanoseconds since 1970.
    pub sent_wall: Vec<i64>,
    /// When the kernel sent each, nanoseconds since 1970.
    pub sent_stamp: Vec<i64>,
    /// Round-trip times by the best two times.
    pub rtt: Vec<Nanos>,
    /// Round-trip times by this program's own.
    pub user_rtt: Vec<Nanos>,
    /// [`Status`] codes.
    pub status: Vec<u8>,
    /// Datagrams credited.
    pub copies: Vec<u32>,
    /// Index into [`Rows::sources`], or [`Rows::NO_SOURCE`].
    pub source: Vec<u32>,
    /// Hops left; 0 where unknown (no datagram arrives with 0).
    pub ttl: Vec<u8>,
    /// Length of the reply.
    pub bytes: Vec<u32>,
    /// [`Stamp`] codes; valid where `copies` is not 0.
    pub stamp: Vec<u8>,
    /// [`Match`] codes; valid where `copies` is not 0.
    pub matched: Vec<u8>,
    /// Beginnings of the replies; empty where there is none.
    pub reply: Vec<Box<[u8]>>,
    sources: Vec<Source>,
}

impl Rows {
    /// Stands in `source` where nobody answered.
    pub const NO_SOURCE: u32 = u32::MAX;
    /// Different senders remembered by name. Only the target and routers on the way can be one, so this is ample;
    /// later ones are left out of the column.
    const MOST_SOURCES: usize = 1_024;

    /// No rows yet; the first will be `first_seq`.
    #[must_use]
    pub fn new(first_seq: u64) -> Self {
        Self { first_seq, ..Self::default() }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// The sequence number of the first row that is kept.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The row of `seq`, while it is kept.
    #[must_use]
    pub fn index(&self, seq: u64) -> Option<usize> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        (index < self.len()).then_some(index)
    }

    /// The sequence number of a row.
    #[must_use]
    pub fn seq(&self, index: usize) -> u64 {
        self.first_seq + index as u64
    }

    /// A new row, in flight (or [`Status::Error`] if `sent` is [`NONE`]).
    pub fn push(&mut self, due: Nanos, sent: Nanos, sent_wall: i64) {
        let status = if sent == NONE { Status::Error } else { Status::Open };
        self.due.push(due);
        self.sent.push(sent);
        self.sent_wall.push(sent_wall);
        self.sent_stamp.push(NONE);
        self.rtt.push(NONE);
        self.user_rtt.push(NONE);
        self.status.push(status as u8);
        self.copies.push(0);
        self.source.push(Self::NO_SOURCE);
        self.ttl.push(0);
        self.bytes.push(0);
        self.stamp.push(0);
        self.matched.push(0);
        self.reply.push(Box::default());
    }

    /// The status of a row.
    #[must_use]
    pub fn status(&self, index: usize) -> Status {
        match self.status[index] {
            0 => Status::Reply,
            1 => Status::Late,
            2 => Status::Timeout,
            3 => Status::Unreachable,
            4 => Status::Error,
            _ => Status::Open,
        }
    }

    /// Who took the times of a row; valid where `copies` is not 0.
    #[must_use]
    pub fn stamp_of(&self, index: usize) -> Stamp {
        match self.stamp[index] {
            0 => Stamp::User,
            1 => Stamp::Kernel,
            2 => Stamp::KernelRx,
            3 => Stamp::KernelTx,
            _ => Stamp::Stepped,
        }
    }

    /// Writes down who answered a row.
    pub fn set_source(&mut self, index: usize, source: Source) {
        let place = self.sources.iter().position(|known| *known == source).or_else(|| {
            (self.sources.len() < Self::MOST_SOURCES).then(|| {
                self.sources.push(source);
                self.sources.len() - 1
            })
        });
        self.source[index] = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(Self::NO_SOURCE);
    }

    /// The senders that `source` counts into.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// One row, put together.
    #[must_use]
    pub fn get(&self, index: usize) -> Row {
        let matched = match self.matched[index] {
            0 => Match::Seq,
            1 => Match::Payload,
            _ => Match::Unverified,
        };
        Row {
            seq: self.seq(index),
            due: self.due[index],
            sent: self.sent[index],
            sent_wall: self.sent_wall[index],
            rtt: self.rtt[index],
            user_rtt: self.user_rtt[index],
            status: self.status(index),
            copies: self.copies[index],
            source: self.sources.get(self.source[index] as usize).copied(),
            ttl: (self.ttl[index] != 0).then_some(self.ttl[index]),
            reply: (self.copies[index] != 0).then(|| Reply {
                bytes: self.bytes[index],
                stamp: self.stamp_of(index),
                matched,
                text: self.reply[index].clone(),
            }),
        }
    }

    /// The round trips of replies in time.
    pub fn round_trips(&self) -> impl Iterator<Item = Nanos> {
        let in_time = Status::Reply as u8;
        self.rtt.iter().zip(&self.status).filter(move |(_, status)| **status == in_time).map(|(rtt, _)| *rtt)
    }

    /// Forgets the oldest `count` rows.
    pub fn drop_front(&mut self, count: usize) {
        self.first_seq += count as u64;
        self.due.drain(..count);
        self.sent.drain(..count);
        self.sent_wall.drain(..count);
        self.sent_stamp.drain(..count);
        self.rtt.drain(..count);
        self.user_rtt.drain(..count);
        self.status.drain(..count);
        self.copies.drain(..count);
        self.source.drain(..count);
        self.ttl.drain(..count);
        self.bytes.drain(..count);
        self.stamp.drain(..count);
        self.matched.drain(..count);
        self.reply.drain(..count);
    }
}
