//! The few things that `std` cannot ask of Linux: the only file with `unsafe` and `libc`.
#![allow(unsafe_code, reason = "socket options and control messages have no safe wrapper in std")]

use std::io::{self, Read as _};
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use crate::args::Result;

/// A socket at `host` with this receive buffer, as far as the system grants it (it doubles the number).
pub fn bound(host: Ipv4Addr, buffer: i32) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((host, 0))?;
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, buffer)?;
    Ok(socket)
}

/// Let each send be cut by the kernel into datagrams of `size` bytes, and take in several at once.
pub fn segment(socket: &UdpSocket, size: u16) -> Result<()> {
    set(socket, libc::SOL_UDP, libc::UDP_SEGMENT, i32::from(size))?;
    set(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

/// Let the kernel stamp what is sent and what arrives.
pub fn stamp(socket: &UdpSocket) -> Result<()> {
    let flags = libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_RX_SOFTWARE
        | libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags as i32)
}

/// Wait until something arrives, a second at most.
pub fn wait(socket: &UdpSocket) {
    let mut watched = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, as said, which outlives the call.
    unsafe { libc::poll(&raw mut watched, 1, 1_000) };
}

/// Take a datagram, or what the error queue has, with all that the kernel says of it; not waiting for it.
pub fn take(socket: &UdpSocket, payload: &mut [u8], error_queue: bool) -> io::Result<usize> {
    let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    let mut control = [0_u64; 32];
    let flags = libc::MSG_DONTWAIT | if error_queue { libc::MSG_ERRQUEUE } else { 0 };
    // SAFETY: all bytes zero are valid for both structures. Every pointer put into the header is to a local, or to what
    // is borrowed here, of the length given, and outlives the call.
    let taken = unsafe {
        let mut name: libc::sockaddr_in = mem::zeroed();
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_name = (&raw mut name).cast();
        message.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control);
        libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags)
    };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}

/// Sockets that have something to receive.
pub struct Ready(OwnedFd);

impl Ready {
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor, if there is one, that nobody else has.
        match unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the same.
            made => Ok(Self(unsafe { OwnedFd::from_raw_fd(made) })),
        }
    }

    pub fn add(&self, socket: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: the kernel reads the event, which outlives the call.
        let done =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, socket, &raw mut event) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits, and gives the tokens of those that are ready.
    pub fn wait(&self) -> io::Result<impl Iterator<Item = u64>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: the kernel writes no more events than there is room for.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 64, -1) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(events.into_iter().take(count).map(|event| event.u64))
    }
}

/// As many descriptors as the system allows.
pub fn raise_files() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes and reads a structure that outlives the calls.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ends with the bench that started us, whose end is that of stdin.
pub fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

fn set(socket: &UdpSocket, level: i32, name: i32, value: i32) -> Result<()> {
    // SAFETY: the kernel reads an int from a reference that outlives the call, with its true length.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of::<i32>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
}

/// Sends from an address of our choice: on loopback, all of 127/8 is ours. So one socket is many clients.
pub struct Sender {
    to: libc::sockaddr_in,
}

#[repr(C, align(8))]
struct Control([u8; 32]);

impl Sender {
    pub fn new(to: SocketAddrV4) -> Self {
        // SAFETY: all bytes zero is a valid sockaddr_in.
        let mut name: libc::sockaddr_in = unsafe { mem::zeroed() };
        name.sin_family = libc::AF_INET as libc::sa_family_t;
        name.sin_port = to.port().to_be();
        name.sin_addr.s_addr = u32::from(*to.ip()).to_be();
        Self { to: name }
    }

    pub fn send(&mut self, socket: &UdpSocket, from: Ipv4Addr, payload: &[u8]) -> io::Result<()> {
        let mut control = Control([0; 32]);
        let mut part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from(from).to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        // SAFETY: all bytes zero is a valid msghdr. Every pointer put into it is to a local, or to what is borrowed
        // here, that outlives the call; the kernel only reads. The control buffer is aligned, and 32 bytes hold one
        // header (16) with an in_pktinfo (12), so CMSG_FIRSTHDR is not null and CMSG_DATA has room.
        let sent = unsafe {
            let mut message: libc::msghdr = mem::zeroed();
            message.msg_name = (&raw mut self.to).cast();
            message.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            message.msg_control = (&raw mut control).cast();
            message.msg_controllen = libc::CMSG_SPACE(mem::size_of::<libc::in_pktinfo>() as u32) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::IPPROTO_IP;
            (*header).cmsg_type = libc::IP_PKTINFO;
            (*header).cmsg_len = libc::CMSG_LEN(mem::size_of::<libc::in_pktinfo>() as u32) as usize;
            libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().write_unaligned(info);
            libc::sendmsg(socket.as_raw_fd(), &raw const message, 0)
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The address of client number `index`: 127.1.0.1 and on.
pub fn address_of(index: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + index)
}
