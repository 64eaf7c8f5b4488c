//! What goes into a socket and comes out of it: data types alone, below the code that does so.

use std::net::{IpAddr, SocketAddr};

/// A local address and interface, as a datagram came in and its answer should go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via {
    /// The address that was asked.
    pub ip: IpAddr,
    /// The interface's index.
    pub interface: u32,
}

/// What leaves as one packet: a datagram, or a train of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) to: SocketAddr,
    pub(super) via: Option<Via>,
    /// The length of each datagram of a train but the last.
    pub(super) step: Option<u16>,
}

/// A datagram that was received.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Its sender.
    pub source: SocketAddr,
    /// Its payload.
    pub bytes: &'a [u8],
    /// Hops left, where the system tells.
    pub ttl: Option<u8>,
    /// Where it was sent to, where the system tells.
    pub via: Option<Via>,
    /// When the kernel received it, in nanoseconds since 1970, where it tells.
    pub stamp: Option<i64>,
}

/// The network's report that a datagram was not delivered.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Where the datagram was going.
    pub target: Option<SocketAddr>,
    /// The system's error number for the reason.
    pub errno: i32,
    /// Who reported it.
    pub by: Option<IpAddr>,
}

/// What a socket's error queue tells.
#[derive(Debug, Clone, Copy)]
pub enum Report {
    /// A datagram was not delivered.
    Refused(Refusal),
    /// One did not even leave, as the send has said itself.
    Unsent,
    /// The datagram with this place in the order of sending, counted from 0, was sent then.
    Sent {
        /// The place.
        key: u32,
        /// Nanoseconds since 1970.
        stamp: Option<i64>,
    },
}

/// Which datagrams the kernel stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamping {
    /// None.
    None,
    /// Those that arrive.
    Receive,
    /// The same, and those that leave.
    Both,
}
