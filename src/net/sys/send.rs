//! Sends: one datagram, or many with one system call.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use super::control::{CONTROL, Control, Scratch, header};
use crate::net::datagram::{Parcel, Via};

/// Parcels that leave with one system call.
const MOST: usize = 64;

/// Sends one datagram; with `via`, from that local address and interface.
pub(in crate::net) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    via: Option<Via>,
) -> io::Result<()> {
    let name = socket2::SockAddr::from(to);
    let mut vector = vector(bytes);
    let mut control = Control([0; CONTROL]);
    let used = via.map_or(0, |via| control.put_via(0, via));
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

/// What one system call for several sends needs; the room stays from call to call.
#[derive(Debug)]
pub(in crate::net) struct Outbox {
    names: Vec<socket2::SockAddr>,
    controls: Vec<Control>,
    used: Vec<usize>,
    vectors: Scratch<libc::iovec>,
    headers: Scratch<libc::mmsghdr>,
}

impl Outbox {
    pub(in crate::net) fn new() -> Self {
        Self {
            names: Vec::with_capacity(MOST),
            controls: vec![Control([0; CONTROL]); MOST],
            used: Vec::with_capacity(MOST),
            vectors: Scratch::new(MOST),
            headers: Scratch::new(MOST),
        }
    }

    /// Sends parcels in their order, without waiting; says how many left, which may be less than there are.
    ///
    /// The error is that of the first one, and then none has left.
    pub(in crate::net) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        parcels: impl Iterator<Item = Parcel<'a>>,
    ) -> io::Result<usize> {
        self.names.clear();
        self.used.clear();
        let vectors = self.vectors.refill(parcels.zip(&mut self.controls).map(|(parcel, control)| {
            self.names.push(parcel.to.into());
            let used = parcel.via.map_or(0, |via| control.put_via(0, via));
            self.used.push(parcel.step.map_or(used, |step| control.put_step(used, step)));
            vector(parcel.bytes)
        }));
        let each = vectors.iter_mut().zip(&self.names).zip(&mut self.controls).zip(&self.used);
        let headers = self.headers.refill(each.map(|(((vector, name), control), used)| {
            let mut header = header(ptr::null_mut(), vector, control.0.as_mut_ptr(), *used);
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
            libc::mmsghdr { msg_hdr: header, msg_len: 0 }
        }));
        let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        // SAFETY: `headers` holds `count` entries whose pointers lead to `names`, `vectors`, `controls` and the bytes of
        // the parcels, which live until after the call and are not touched during it; sendmmsg writes to the headers
        // alone.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}
