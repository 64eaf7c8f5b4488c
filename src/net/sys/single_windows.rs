//! Receives one datagram, of which Windows tells no more than its sender.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::fd::BorrowedFd;

use crate::net::datagram::Reports;

/// What is known of a received datagram.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) struct Single {
    pub(in crate::net) len: usize,
    pub(in crate::net) source: SocketAddr,
    pub(in crate::net) ttl: Option<u8>,
    pub(in crate::net) tos: Option<u8>,
    pub(in crate::net) timestamp: Option<i64>,
}

/// Receives without waiting; `WouldBlock` if nothing has arrived.
pub(in crate::net) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Single> {
    let (len, source) = socket.recv_from(buffer)?;
    Ok(Single { len, source, ttl: None, tos: None, timestamp: None })
}

/// Lets [`receive`] report more, which it cannot.
pub(in crate::net) fn enable(_socket: BorrowedFd<'_>, _ipv4: bool, _reports: Reports) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
