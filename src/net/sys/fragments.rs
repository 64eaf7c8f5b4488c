//! Refuses to send what the path takes in fragments only.

use std::io;

use rustix::fd::BorrowedFd;

use super::set_option;

/// Level, name and value of the option for IPv4 and for IPv6.
#[cfg(target_os = "linux")]
const OPTIONS: [(i32, i32, i32); 2] = [
    (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
    (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
];
#[cfg(all(unix, not(target_os = "linux")))]
const OPTIONS: [(i32, i32, i32); 2] =
    [(libc::IPPROTO_IP, libc::IP_DONTFRAG, 1), (libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)];
#[cfg(windows)]
const OPTIONS: [(i32, i32, i32); 2] = {
    use windows_sys::Win32::Networking::WinSock::{IP_DONTFRAGMENT, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG};
    [(IPPROTO_IP, IP_DONTFRAGMENT, 1), (IPPROTO_IPV6, IPV6_DONTFRAG, 1)]
};

/// Sets the don't-fragment bit, or refuses datagrams longer than the path MTU.
pub(in crate::net) fn forbid_fragments(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    let (level, name, value) = OPTIONS[usize::from(!ipv4)];
    set_option(socket, level, name, value)
}
