//! Receives one datagram with its hops, type of service and timestamp, as every Unix can.

use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::message::{CONTROL, Control, address, cmsgs, header, read};
use super::option::set_option;
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
    // SAFETY: a sockaddr_storage of all zeroes is a valid value (family AF_UNSPEC).
    let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = Control([0; CONTROL]);
    let mut header = header(&raw mut name, &mut vector, control.0.as_mut_ptr(), CONTROL);
    // SAFETY: the header leads to `name`, `vector`, `buffer` and `control`, all alive until after the call.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let len = usize::try_from(count).map_err(|_| io::Error::last_os_error())?.min(buffer.len());
    let source = address(&name).ok_or(io::ErrorKind::WouldBlock)?;
    let mut single = Single { len, source, ttl: None, tos: None, timestamp: None };
    for (level, kind, data) in cmsgs(&header) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_RECVTTL | libc::IP_TTL)
            | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => single.ttl = byte(data),
            (libc::IPPROTO_IP, libc::IP_RECVTOS | libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                single.tos = byte(data);
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMP) => {
                single.timestamp = read::<libc::timeval>(data).and_then(nanos);
            }
            _ => {}
        }
    }
    Ok(single)
}

/// Lets [`receive`] report more. An IPv6 socket may receive IPv4 too, where the system lets it be asked.
pub(in crate::net) fn enable(socket: BorrowedFd<'_>, ipv4: bool, reports: Reports) -> io::Result<()> {
    let both = |v4: i32, v6: i32| {
        if ipv4 {
            set_option(socket, libc::IPPROTO_IP, v4, 1)
        } else {
            let _ = set_option(socket, libc::IPPROTO_IP, v4, 1);
            set_option(socket, libc::IPPROTO_IPV6, v6, 1)
        }
    };
    if reports.ttl {
        both(libc::IP_RECVTTL, libc::IPV6_RECVHOPLIMIT)?;
    }
    if reports.tos {
        both(libc::IP_RECVTOS, libc::IPV6_RECVTCLASS)?;
    }
    if reports.timestamp {
        set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1)?;
    }
    Ok(())
}

/// A number that is one byte on some systems and an int on others.
fn byte(data: &[u8]) -> Option<u8> {
    match read::<i32>(data) {
        Some(number) => u8::try_from(number).ok(),
        None => data.first().copied(),
    }
}

/// Nanoseconds since 1970; `None` for an unknown time.
fn nanos(time: libc::timeval) -> Option<i64> {
    #[allow(clippy::useless_conversion, reason = "a narrower type on some machines")]
    let (seconds, micros) = (i64::from(time.tv_sec), i64::from(time.tv_usec));
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(micros.checked_mul(1_000)?)?;
    (nanos != 0).then_some(nanos)
}
