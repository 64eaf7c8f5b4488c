//! What Linux alone has, under the same names on other systems: it cannot be made, or says that it is not there.

use std::io;
use std::net::SocketAddr;

use rustix::fd::{AsFd, BorrowedFd};

use crate::logic::Nanos;
use crate::net::datagram::{Datagram, ErrorQueueEntry, PktInfo, Transmit};

#[derive(Debug)]
pub(in crate::net) enum RecvBatch {}

impl RecvBatch {
    pub(in crate::net) fn make(_slots: usize, _slot: usize) -> Option<Self> {
        None
    }

    pub(in crate::net) fn receive(&mut self, _socket: BorrowedFd<'_>, _most: usize) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::net) fn is_full(&self) -> bool {
        match *self {}
    }

    pub(in crate::net) fn datagrams(&self) -> std::iter::Empty<Datagram<'_>> {
        match *self {}
    }
}

#[derive(Debug)]
pub(in crate::net) enum SendBatch {}

impl SendBatch {
    pub(in crate::net) fn make() -> Option<Self> {
        None
    }

    pub(in crate::net) fn send<'a>(
        &mut self,
        _socket: BorrowedFd<'_>,
        _addressed: bool,
        _transmits: impl Iterator<Item = Transmit<'a>>,
    ) -> io::Result<usize> {
        match *self {}
    }
}

#[derive(Debug)]
pub(in crate::net) enum Epoll {}

impl Epoll {
    pub(in crate::net) fn new() -> io::Result<Self> {
        unsupported()
    }

    pub(in crate::net) fn add(&self, _socket: BorrowedFd<'_>, _key: u64) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::net) fn delete(&self, _socket: BorrowedFd<'_>) -> io::Result<()> {
        match *self {}
    }

    pub(in crate::net) fn take(&self, _ready: &mut Vec<u64>) -> io::Result<()> {
        match *self {}
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}

pub(in crate::net) fn send(
    _socket: BorrowedFd<'_>,
    _bytes: &[u8],
    _to: SocketAddr,
    _pktinfo: Option<PktInfo>,
) -> io::Result<()> {
    unsupported()
}

pub(in crate::net) fn read_error_queue(
    _socket: BorrowedFd<'_>,
    _quoted: &mut Vec<u8>,
) -> io::Result<Option<ErrorQueueEntry>> {
    unsupported()
}

pub(in crate::net) fn bind_device(_socket: &socket2::Socket, _name: &[u8]) -> io::Result<()> {
    unsupported()
}

pub(in crate::net) fn clock_state() -> Option<(bool, Nanos)> {
    None
}

pub(in crate::net) fn set_timer_slack(_nanos: u64) -> io::Result<()> {
    unsupported()
}

pub(in crate::net) mod options {
    use super::{BorrowedFd, io, unsupported};

    pub(in crate::net) fn enable_pktinfo(_socket: BorrowedFd<'_>, _ipv4: bool) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn enable_gro(_socket: BorrowedFd<'_>) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn force_receive_buffer(_socket: BorrowedFd<'_>, _bytes: usize) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn share_port(_socket: BorrowedFd<'_>) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn enable_recverr(_socket: BorrowedFd<'_>, _ipv4: bool) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn enable_recvttl(_socket: BorrowedFd<'_>, _ipv4: bool) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn enable_recvtos(_socket: BorrowedFd<'_>, _ipv4: bool) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn path_mtu(_socket: BorrowedFd<'_>, _ipv4: bool) -> Option<usize> {
        None
    }

    pub(in crate::net) fn kernel_drops(_socket: BorrowedFd<'_>) -> Option<u64> {
        None
    }
}

pub(in crate::net) mod timestamping {
    use super::{BorrowedFd, io, unsupported};

    pub(in crate::net) fn both(_socket: BorrowedFd<'_>) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn receive(_socket: BorrowedFd<'_>) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn none(_socket: BorrowedFd<'_>) -> io::Result<()> {
        unsupported()
    }

    pub(in crate::net) fn recount(_socket: BorrowedFd<'_>) -> io::Result<()> {
        unsupported()
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
