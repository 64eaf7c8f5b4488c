//! Sends.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use super::control::{CONTROL, Control, header, write_via};
use crate::net::socket::Via;

/// Sends one datagram; with `via`, from that local address and interface.
pub(in crate::net) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    via: Option<Via>,
) -> io::Result<()> {
    let name = socket2::SockAddr::from(to);
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = Control([0; CONTROL]);
    let used = via.map_or(0, |via| write_via(&mut control, via));
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
