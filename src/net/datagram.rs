//! The types of datagrams and error queue entries that sockets send and receive.

use std::net::{IpAddr, SocketAddr};

use crate::logic::{Arrival, Moment};

/// The local address and interface at which a datagram arrived, and from which its reply is sent (`IP_PKTINFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PktInfo {
    /// The local address.
    pub ip: IpAddr,
    /// The index of the interface.
    pub interface: u32,
}

/// The payload of one send: a datagram, or a GSO batch of datagrams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transmit<'a> {
    pub(super) contents: &'a [u8],
    pub(super) destination: SocketAddr,
    pub(super) pktinfo: Option<PktInfo>,
    /// How many hops it may take, if not as many as others; on Linux.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    pub(super) hops: Option<u8>,
    /// Its type of service or traffic class, if not that of others; on Linux.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    pub(super) tos: Option<u8>,
    /// The length of each datagram of a batch but the last, which may be shorter; on Linux.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    pub(super) segment_size: Option<u16>,
}

/// A received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Its sender.
    pub source: SocketAddr,
    /// Its payload.
    pub bytes: &'a [u8],
    /// Hops left, where the system reports them.
    pub ttl: Option<u8>,
    /// Type of service or traffic class, where the system reports it.
    pub tos: Option<u8>,
    /// Where it arrived, where the system reports that.
    pub pktinfo: Option<PktInfo>,
    /// When the kernel received it, in nanoseconds since 1970, where it reports that.
    pub timestamp: Option<i64>,
}

impl Datagram<'_> {
    /// Its arrival, if it was received `now`.
    pub(super) fn arrival(&self, now: Moment) -> Arrival {
        Arrival { at: now, kernel: self.timestamp, ttl: self.ttl, tos: self.tos }
    }
}

/// What a socket reports of each received datagram beside its source; each takes the kernel a little time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports {
    /// The remaining hops.
    pub ttl: bool,
    /// The type of service or traffic class.
    pub tos: bool,
    /// When the kernel received it. The first ones may have no time: the kernel takes a moment to begin.
    pub timestamp: bool,
}

/// An ICMP error about a datagram.
#[derive(Debug, Clone, Copy)]
pub struct IcmpError {
    /// The destination of the datagram.
    pub target: Option<SocketAddr>,
    /// The system's error number for the reason.
    pub errno: i32,
    /// The router or host that reported it.
    pub by: Option<IpAddr>,
}

/// An entry of a socket's error queue.
#[derive(Debug, Clone, Copy)]
pub enum ErrorQueueEntry {
    /// An ICMP error.
    Icmp(IcmpError),
    /// This machine did not send a datagram; the send returned the same error.
    Local,
    /// When the kernel sent a datagram.
    Timestamp {
        /// Its number in the order of sending, counted from 0.
        key: u32,
        /// Nanoseconds since 1970.
        timestamp: Option<i64>,
    },
}

/// Which datagrams the kernel timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamping {
    /// None.
    None,
    /// Those received.
    Receive,
    /// Those received and those sent.
    Both,
}

/// The IPv4 address of a client that a socket for both versions shows as IPv4-mapped.
pub(super) fn unmapped(source: SocketAddr) -> SocketAddr {
    let SocketAddr::V6(v6) = source else { return source };
    v6.ip().to_ipv4_mapped().map_or(source, |v4| SocketAddr::new(v4.into(), v6.port()))
}
