//! Sets which datagrams of a socket the kernel timestamps
//! ([timestamping](https://docs.kernel.org/networking/timestamping.html)).

use std::io;
use std::os::fd::BorrowedFd;

use super::option::set_option;

const RECEIVE: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
const SEND: u32 = RECEIVE | libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_OPT_TSONLY;
const BOTH: u32 = SEND | libc::SOF_TIMESTAMPING_OPT_ID;

/// Received datagrams and sent ones, which the kernel counts from 0.
pub(in crate::net) fn both(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, BOTH)
}

/// Received datagrams. Where `SO_TIMESTAMPING` is unknown, `SO_TIMESTAMPNS` may be known.
pub(in crate::net) fn receive(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, 0)
        .and_then(|()| set(socket, RECEIVE))
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1))
}

/// None.
pub(in crate::net) fn none(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, 0)
}

/// Restarts the count of sent datagrams at 0.
pub(in crate::net) fn recount(socket: BorrowedFd<'_>) -> io::Result<()> {
    // `OPT_ID` starts at 0 when it is switched on.
    set(socket, SEND).and_then(|()| set(socket, BOTH))
}

fn set(socket: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags.cast_signed())
}
