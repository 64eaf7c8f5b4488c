//! Socket options of Linux.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::option::set_option;

/// Reports the local address of received datagrams. An IPv6 socket may receive IPv4 too.
pub(in crate::net) fn enable_pktinfo(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if !ipv4 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
}

/// Sends and receives by this interface alone.
pub(in crate::net) fn bind_device(socket: &socket2::Socket, name: &[u8]) -> io::Result<()> {
    socket.bind_device(Some(name))
}

/// Receives a GRO batch as one; kernels before 5.0 do not support it.
pub(in crate::net) fn enable_gro(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Sets a receive buffer of any size, which needs `CAP_NET_ADMIN`.
pub(in crate::net) fn force_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
}

/// Lets other sockets with this option be bound to the same address; the kernel distributes the clients among them.
pub(in crate::net) fn share_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)
}

/// Reports ICMP errors in the error queue.
pub(in crate::net) fn enable_recverr(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if ipv4 {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)
    }
}

/// Reports the remaining hops of received datagrams. An IPv6 socket may receive IPv4 too.
pub(in crate::net) fn enable_recvttl(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if !ipv4 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
    }
    set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)
}

/// Reports the type of service or traffic class of received datagrams. An IPv6 socket may receive IPv4 too.
pub(in crate::net) fn enable_recvtos(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if !ipv4 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
    }
    set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)
}

/// The longest packet on the path of a connected socket.
pub(in crate::net) fn path_mtu(socket: BorrowedFd<'_>, ipv4: bool) -> Option<usize> {
    let (level, name) =
        if ipv4 { (libc::IPPROTO_IP, libc::IP_MTU) } else { (libc::IPPROTO_IPV6, libc::IPV6_MTU) };
    let mut mtu = 0_i32;
    let mut length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the kernel writes at most `length` bytes into `mtu`.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut mtu).cast(), &raw mut length) };
    usize::try_from(mtu).ok().filter(|mtu| result == 0 && *mtu > 0)
}

/// Datagrams that the kernel dropped because this socket's receive buffer was full.
///
/// From `SO_MEMINFO`: `SO_RXQ_OVFL` reports them only with the next datagram that fits.
pub(in crate::net) fn kernel_drops(socket: BorrowedFd<'_>) -> Option<u64> {
    const DROPS: usize = 8; // SK_MEMINFO_DROPS in linux/sock_diag.h
    let mut fields = [0_u32; DROPS + 1];
    let mut length = libc::socklen_t::try_from(size_of_val(&fields)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes into `fields`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            fields.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (result == 0 && length as usize >= size_of_val(&fields)).then(|| u64::from(fields[DROPS]))
}

#[cfg(test)]
pub(in crate::net) mod tests {
    use super::*;

    /// Makes the kernel refuse GSO batches, as for a device that computes no checksums.
    pub(in crate::net) fn send_no_checksums(socket: BorrowedFd<'_>) {
        set_option(socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    }
}
