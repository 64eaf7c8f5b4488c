//! Options of a socket that every Unix has.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

pub(in crate::net) fn set_option(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the value is read during the call only, and its length is the one given.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets the traffic class of what is sent over IPv6.
pub(in crate::net) fn set_traffic_class(socket: BorrowedFd<'_>, class: i32) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class)
}

/// There is nothing to do: a socket that is not connected never reports them.
pub(in crate::net) fn ignore_refusals(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}
