//! The log of a relay: a row for each datagram that arrived, and what happened to it.

use std::net::SocketAddr;

use super::Relayed;
use crate::logic::link::{Damage, Reason};
use crate::logic::random::Direction;
use crate::logic::row_log::RowLog;
use crate::logic::words::words;
use crate::logic::{Moment, Nanos};

/// The log of a relay.
pub type Log = RowLog<Row>;

/// One datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// When it arrived, by both clocks.
    pub at: Moment,
    /// Where it was going.
    pub direction: Direction,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The client's index, in order of first appearance.
    pub client_index: u32,
    /// The datagram's number among those of its client and direction, from 1.
    pub number: u64,
    /// Bytes of its payload.
    pub len: u16,
    /// What happened to it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// How long it was held back.
    pub delay_ns: Nanos,
    /// How many further copies were made of it.
    pub copies: u8,
    /// Whether it was to leave before one that came earlier.
    pub reordered: bool,
    /// Whether it was changed or cut.
    pub corrupted: bool,
}

words! {
    /// What happened to a datagram.
    Verdict {
        /// It was sent, or will be.
        Send = "send",
        /// It was not.
        Drop = "drop",
        /// It could not be sent.
        Error = "error",
    }
}

impl Row {
    /// What was decided on a datagram.
    pub fn of(at: Moment, direction: Direction, client: SocketAddr, len: usize, relayed: &Relayed) -> Self {
        let Relayed { passage, reordered } = relayed;
        let first = passage.deliveries.first();
        Self {
            at,
            direction,
            client,
            client_index: passage.client,
            number: passage.number,
            len: u16::try_from(len).unwrap_or(u16::MAX),
            verdict: if first.is_some() { Verdict::Send } else { Verdict::Drop },
            reason: passage.deliveries.reason(),
            delay_ns: first.map_or(0, |first| first.at - at.mono),
            copies: u8::try_from(passage.deliveries.len().saturating_sub(1)).unwrap_or(u8::MAX),
            reordered: *reordered,
            corrupted: first.is_some() && passage.damage != Damage::NONE,
        }
    }
}
