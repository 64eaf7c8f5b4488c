//! The columns of a run: one row per ping, written when it is sent and amended until it is settled.
//!
//! A row is found by its number. [`Rows`] keeps them in chunks, which a table shares; a run without an end keeps the
//! latest chunks only.

mod rows;
mod stored;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::net::SocketAddr;

use super::Nanos;
use super::codec::ServerTimes;
use super::words::words;

pub use super::time_source::TimeSource;
pub use rows::{Chunk, Rows};

/// The value of a column of [`Nanos`] that means none; numpy shows it as `NaT`.
pub const NONE: Nanos = Nanos::MIN;

/// The longest part of an answer that is kept in a row.
pub const KEPT_REPLY: usize = 1_024;

words! {
    /// How a ping ended.
    Status {
        /// A reply within the timeout.
        Reply = "reply",
        /// A reply after the timeout.
        Late = "late",
        /// No reply.
        Timeout = "timeout",
        /// An ICMP error: the target cannot be reached.
        Unreachable = "unreachable",
        /// It could not be sent.
        Error = "error",
        /// In flight: never in a finished run.
        Open = "open",
    }
}

words! {
    /// What ties an answer to its ping.
    Match {
        /// The answer carries the ping's sequence number.
        Seq = "seq",
        /// The answer carries the ping's own time text, though no (or another) number can be read.
        Payload = "payload",
        /// Only that it came from the target while this was the only ping in flight.
        Unverified = "unverified",
    }
}

words! {
    /// On which way a ping without a reply was lost.
    LostOn {
        /// On the way up: the server did not receive it, or dropped it.
        Up = "up",
        /// On the way down: the server received it, and no reply to it came.
        Down = "down",
        /// Nobody can know.
        Unknown = "unknown",
    }
}

words! {
    /// What a column of the table of a run holds.
    Kind {
        /// Nanoseconds.
        Time = "int64",
        /// A whole number from 0.
        U64 = "uint64",
        /// One below 2^32.
        U32 = "uint32",
        /// One below 256.
        U8 = "uint8",
        /// One of few words.
        Word = "word",
        /// Bytes.
        Bytes = "bytes",
    }
}

/// A column of the table of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a value may be missing: other programs do not measure everything.
    pub nullable: bool,
    /// What it counts, if anything.
    pub unit: &'static str,
}

impl Column {
    const fn new(name: &'static str, kind: Kind, unit: &'static str) -> Self {
        Self { name, kind, nullable: false, unit }
    }

    const fn or_missing(self) -> Self {
        Self { nullable: true, ..self }
    }

    const fn time(name: &'static str) -> Self {
        Self::new(name, Kind::Time, "ns").or_missing()
    }
}

/// The columns of the table of a run, in their order.
pub const COLUMNS: [Column; 26] = [
    Column::time("run"),
    Column::new("target", Kind::Word, ""),
    Column::new("seq", Kind::U64, ""),
    Column::time("due_ns"),
    Column::time("sent_ns"),
    Column::time("sent_wall_ns"),
    Column::time("rtt_ns"),
    Column::time("user_rtt_ns"),
    Column::new("status", Kind::Word, ""),
    Column::new("copies", Kind::U32, "replies"),
    Column::new("source", Kind::Word, "").or_missing(),
    Column::new("ttl", Kind::U8, "hops").or_missing(),
    Column::new("bytes", Kind::U32, "bytes").or_missing(),
    Column::new("stamp", Kind::Word, "").or_missing(),
    Column::new("reply", Kind::Bytes, "").or_missing(),
    Column::new("match", Kind::Word, "").or_missing(),
    Column::time("server_recv_ns"),
    Column::time("server_sent_ns"),
    Column::new("arrival", Kind::U64, "").or_missing(),
    Column::time("path_rtt_ns"),
    Column::new("server_seq", Kind::U32, "").or_missing(),
    Column::new("lost_on", Kind::Word, "").or_missing(),
    Column::time("up_ns"),
    Column::time("down_ns"),
    Column::time("owd_error_ns"),
    Column::new("server_stamp", Kind::Word, "").or_missing(),
];

/// One ping, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The number in the message.
    pub seq: u64,
    /// When it was due.
    pub due: Nanos,
    /// When it was passed to the socket; [`NONE`] if it never was.
    pub sent: Nanos,
    /// The same in nanoseconds since 1970, as in the ping.
    pub sent_wall: i64,
    /// From the sending to the first copy of the reply, by the best two times there are; [`NONE`] without one.
    pub rtt: Nanos,
    /// The same by this program's own times.
    pub user_rtt: Nanos,
    /// How it ended, so far.
    pub status: Status,
    /// Datagrams credited to it.
    pub copies: u32,
    /// The sender of the first reply, or of the ICMP error.
    pub source: Option<Source>,
    /// Hops left in the reply, where the system reports them.
    pub ttl: Option<u8>,
    /// The answer; `None` without one.
    pub reply: Option<Reply>,
    /// The server's times and its number, if its reply has them.
    pub server: ServerTimes,
    /// The place of its reply among those to this target, in the order in which they came, from 1.
    pub arrival: Option<u64>,
}

/// The sender of an answer. An ICMP message has no port.
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
    /// Which clocks the times of `rtt` are from.
    pub stamp: TimeSource,
    /// What ties it to this ping.
    pub matched: Match,
    /// Its first [`KEPT_REPLY`] bytes.
    pub text: Box<[u8]>,
}
