//! Which datagrams of a socket the kernel stamps with the time.

use std::io;
use std::os::fd::BorrowedFd;

use super::options::set_option;

const RECEIVE: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
const SEND: u32 = RECEIVE | libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_OPT_TSONLY;
const BOTH: u32 = SEND | libc::SOF_TIMESTAMPING_OPT_ID;

/// Those that arrive and those that leave, which it counts from 0.
pub(in crate::net) fn both(socket: BorrowedFd<'_>) -> io::Result<()> {
    ask(socket, BOTH)
}

/// Those that arrive. The newer option may be unknown where the older one is not.
pub(in crate::net) fn receive(socket: BorrowedFd<'_>) -> io::Result<()> {
    ask(socket, 0)
        .and_then(|()| ask(socket, RECEIVE))
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1))
}

/// None.
pub(in crate::net) fn none(socket: BorrowedFd<'_>) -> io::Result<()> {
    ask(socket, 0)
}

/// Counts what is sent from 0 again.
pub(in crate::net) fn recount(socket: BorrowedFd<'_>) -> io::Result<()> {
    // It begins anew when the counting is switched on.
    ask(socket, SEND).and_then(|()| ask(socket, BOTH))
}

fn ask(socket: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags.cast_signed())
}
