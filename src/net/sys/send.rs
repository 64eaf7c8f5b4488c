//! Sends: one datagram, or many with one system call.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use super::control::RawVec;
use super::message::{CONTROL, Control, header};
use crate::net::datagram::{PktInfo, Transmit};

/// Packets sent with one system call.
const MOST: usize = 64;

/// Sends one datagram, from the local address and interface of `pktinfo` if given.
pub(in crate::net) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    pktinfo: Option<PktInfo>,
) -> io::Result<()> {
    let name = socket2::SockAddr::from(to);
    let mut vector = vector(bytes);
    let mut control = Control([0; CONTROL]);
    let used = pktinfo.map_or(0, |pktinfo| control.set_pktinfo(0, pktinfo));
    let mut header = header(ptr::null_mut(), &mut vector, control.0.as_mut_ptr(), used);
    header.msg_name = name.as_ptr().cast_mut().cast();
    header.msg_namelen = name.len();
    // SAFETY: the header leads to `name`, `vector`, `bytes` and `control`, all alive until after the call; sendmsg
    // does not write through any of them.
    let sent = unsafe {
        libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The memory for sending several packets with one system call, used again by each.
#[derive(Debug)]
pub(in crate::net) struct SendBatch {
    names: Vec<socket2::SockAddr>,
    controls: Vec<Control>,
    used: Vec<usize>,
    vectors: RawVec<libc::iovec>,
    headers: RawVec<libc::mmsghdr>,
}

impl SendBatch {
    pub(in crate::net) fn make() -> Option<Self> {
        Some(Self {
            names: Vec::with_capacity(MOST),
            controls: vec![Control([0; CONTROL]); MOST],
            used: Vec::with_capacity(MOST),
            vectors: RawVec::new(MOST),
            headers: RawVec::new(MOST),
        })
    }

    /// Sends packets in order, without waiting; returns how many were sent, possibly not all. They are `addressed` unless
    /// the socket is connected: then the kernel need not look for the route of each.
    ///
    /// An error is that of the first packet; then none was sent.
    pub(in crate::net) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        addressed: bool,
        transmits: impl Iterator<Item = Transmit<'a>>,
    ) -> io::Result<usize> {
        self.names.clear();
        self.used.clear();
        let vectors = self.vectors.refill(transmits.zip(&mut self.controls).map(|(transmit, control)| {
            self.names.push(transmit.destination.into());
            let used = transmit.pktinfo.map_or(0, |pktinfo| control.set_pktinfo(0, pktinfo));
            let ipv4 = transmit.destination.ip().to_canonical().is_ipv4();
            let used = transmit.hops.map_or(used, |hops| control.set_hops(used, hops, ipv4));
            let used = transmit.tos.map_or(used, |tos| control.set_tos(used, tos, ipv4));
            self.used.push(transmit.segment_size.map_or(used, |size| control.set_segment_size(used, size)));
            vector(transmit.contents)
        }));
        let each = vectors.iter_mut().zip(&self.names).zip(&mut self.controls).zip(&self.used);
        let headers = self.headers.refill(each.map(|(((vector, name), control), used)| {
            let mut header = header(ptr::null_mut(), vector, control.0.as_mut_ptr(), *used);
            if addressed {
                header.msg_name = name.as_ptr().cast_mut().cast();
            }
            header.msg_namelen = if addressed { name.len() } else { 0 };
            libc::mmsghdr { msg_hdr: header, msg_len: 0 }
        }));
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        // SAFETY: `headers` holds `count` entries whose pointers lead to `names`, `vectors`, `controls` and the
        // contents of `transmits`, which live until after the call and are not touched during it; sendmmsg writes to
        // the headers alone.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _, // musl has them unsigned
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}
