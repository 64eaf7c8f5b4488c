//! Batched receives, control messages and the error queue of Linux: the only room with `unsafe` and `libc`.
//!
//! Every pointer handed to the kernel is made within the call that uses it, from memory that outlives that call.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmsg with control messages and some socket options have no safe wrapper"
)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use super::socket::{Datagram, Refusal, Via};

/// Room for the control messages of one datagram: an IPv6 packet info, hop limit and extended error with its sender.
const CONTROL: usize = 256;

/// What Linux makes of ICMP messages (`icmp_err_convert` and `icmpv6_err_convert`), beside those with a name in `std`.
pub(super) const ICMP_ERRORS: [i32; 7] = [
    libc::EACCES,
    libc::EHOSTDOWN,
    libc::EMSGSIZE,
    libc::ENONET,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::EPROTO,
];

/// Aligned as control messages must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Buffers for several datagrams, filled by one system call.
#[derive(Debug)]
pub(super) struct Inbox {
    buffers: Vec<u8>,
    slot: usize,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    received: Vec<Received>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

#[derive(Debug, Clone, Copy)]
struct Received {
    slot: usize,
    len: usize,
    source: SocketAddr,
    ttl: Option<u8>,
    via: Option<Via>,
}

impl Inbox {
    /// Room for `slots` datagrams of up to `slot` bytes each.
    pub(super) fn new(slots: usize, slot: usize) -> Self {
        // SAFETY: a sockaddr_storage of all zeroes is a valid value (family AF_UNSPEC).
        let name: libc::sockaddr_storage = unsafe { mem::zeroed() };
        Self {
            buffers: vec![0; slots * slot],
            slot,
            names: vec![name; slots],
            controls: vec![Control([0; CONTROL]); slots],
            received: Vec::with_capacity(slots),
        }
    }

    /// Takes what has arrived, without waiting; `WouldBlock` if nothing has.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.received.clear();
        let mut vectors: Vec<libc::iovec> = self
            .buffers
            .chunks_exact_mut(self.slot)
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = vectors
            .iter_mut()
            .zip(&mut self.names)
            .zip(&mut self.controls)
            .map(|((vector, name), control)| libc::mmsghdr {
                msg_hdr: header(ptr::from_mut(name), vector, control.0.as_mut_ptr(), CONTROL),
                msg_len: 0,
            })
            .collect();
        let slots = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        // SAFETY: `headers` holds `slots` entries whose pointers lead to `names`, `vectors`, `buffers` and `controls`,
        // which live until after the call and are not touched during it; the descriptor is open.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                slots,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, (header, name)) in headers.iter().zip(&self.names).take(count).enumerate() {
            let (via, ttl) = local_facts(&header.msg_hdr);
            // A datagram whose sender has no IP address cannot be answered or credited.
            let Some(source) = address(name) else { continue };
            self.received.push(Received { slot, len: header.msg_len as usize, source, ttl, via });
        }
        Ok(())
    }

    /// What the last [`Inbox::receive`] brought.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.received.iter().map(|received| {
            let start = received.slot * self.slot;
            Datagram {
                source: received.source,
                bytes: &self.buffers[start..start + received.len.min(self.slot)],
                ttl: received.ttl,
                via: received.via,
            }
        })
    }
}

/// Sends one datagram; with `via`, from that local address and interface.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], to: SocketAddr, via: Option<Via>) -> io::Result<()> {
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

/// Takes one report from the error queue; `None` when it is empty. `quoted` receives the message that was refused.
pub(super) fn read_refusal(socket: BorrowedFd<'_>, quoted: &mut Vec<u8>) -> io::Result<Option<Refusal>> {
    quoted.resize(2_048, 0);
    // SAFETY: as in `Inbox::new`.
    let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut vector = libc::iovec { iov_base: quoted.as_mut_ptr().cast(), iov_len: quoted.len() };
    let mut control = Control([0; CONTROL]);
    let mut header = header(&raw mut name, &mut vector, control.0.as_mut_ptr(), CONTROL);
    // SAFETY: the header leads to `name`, `vector`, `quoted` and `control`, all alive until after the call.
    let count = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    let Ok(count) = usize::try_from(count) else {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    };
    quoted.truncate(count);
    let (errno, by) = extended_error(&header);
    Ok(Some(Refusal { target: address(&name), errno, by }))
}

/// Every datagram received will say at which address it came in.
pub(super) fn tell_local_address(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if ipv4 {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    }
}

/// ICMP errors go to the error queue, and every datagram received will say how many hops it had left.
pub(super) fn tell_refusals(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if ipv4 {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)
    }
}

/// Datagrams that are too long for the path are refused, not cut up.
pub(super) fn forbid_fragments(socket: BorrowedFd<'_>, ipv4: bool) -> io::Result<()> {
    if ipv4 {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO)
    }
}

fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: the value is read during the call only, and its length is the one given.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Datagrams that the kernel has dropped because this socket's buffer was full.
///
/// From `SO_MEMINFO`, which tells at once; `SO_RXQ_OVFL` tells only with the next datagram that fits.
pub(super) fn kernel_drops(socket: BorrowedFd<'_>) -> Option<u64> {
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

fn header(
    name: *mut libc::sockaddr_storage,
    vector: &mut libc::iovec,
    control: *mut u8,
    control_len: usize,
) -> libc::msghdr {
    // SAFETY: all zeroes is a valid msghdr: null pointers with zero lengths.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = name.cast();
    header.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(0);
    header.msg_iov = vector;
    header.msg_iovlen = 1;
    header.msg_control = if control_len == 0 { ptr::null_mut() } else { control.cast() };
    header.msg_controllen = control_len as _;
    header
}

/// The IP address in a socket name that the kernel filled in.
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in, which a sockaddr_storage has room and alignment for.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: likewise a sockaddr_in6.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The control messages that the kernel wrote behind a received header, as (level, type, data).
fn control_messages(header: &libc::msghdr) -> impl Iterator<Item = (i32, i32, &[u8])> {
    // SAFETY: the kernel has set msg_control and msg_controllen to the messages it wrote, within our buffer.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    std::iter::from_fn(move || {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a whole message within the buffer of `header`, which is
        // borrowed for as long as the data is.
        let message = unsafe { next.as_ref() }?;
        // SAFETY: as above; cmsg_len counts the header and the data that follow each other there.
        let data = unsafe {
            // Not of `message`: a reference reaches no further than the header itself.
            let data = libc::CMSG_DATA(next);
            let start = data.offset_from(next.cast::<u8>()).unsigned_abs();
            std::slice::from_raw_parts(data, (message.cmsg_len as usize).saturating_sub(start))
        };
        let found = (message.cmsg_level, message.cmsg_type, data);
        // SAFETY: `next` is a message of this header.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
        Some(found)
    })
}

/// The start of `data` as a C structure.
fn read<T: Copy>(data: &[u8]) -> Option<T> {
    if data.len() < size_of::<T>() {
        return None;
    }
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `data` has at least the size of T, and T is only ever a C structure of integers, for which any bytes
    // are valid.
    unsafe {
        ptr::copy_nonoverlapping(data.as_ptr(), value.as_mut_ptr().cast(), size_of::<T>());
        Some(value.assume_init())
    }
}

/// Where a datagram was sent to, and the hops it had left.
fn local_facts(header: &libc::msghdr) -> (Option<Via>, Option<u8>) {
    let (mut via, mut ttl) = (None, None);
    for (level, kind, data) in control_messages(header) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                via = read::<libc::in_pktinfo>(data).map(|info| Via {
                    ip: IpAddr::V4(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())),
                    interface: info.ipi_ifindex.unsigned_abs(),
                });
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                via = read::<libc::in6_pktinfo>(data).map(|info| Via {
                    ip: IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
                    interface: info.ipi6_ifindex,
                });
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                ttl = read::<i32>(data).and_then(|hops| u8::try_from(hops).ok());
            }
            _ => {}
        }
    }
    // A group's address cannot be answered from.
    (via.filter(|via| !via.ip.is_multicast()), ttl)
}

fn extended_error(header: &libc::msghdr) -> (i32, Option<IpAddr>) {
    for (level, kind, data) in control_messages(header) {
        if !matches!(
            (level, kind),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        ) {
            continue;
        }
        let Some(error) = read::<libc::sock_extended_err>(data) else { continue };
        // SO_EE_OFFENDER: the address of who reported it follows the structure.
        let offender = data.get(size_of::<libc::sock_extended_err>()..).and_then(|rest| {
            read::<libc::sockaddr_in6>(rest)
                .filter(|v6| i32::from(v6.sin6_family) == libc::AF_INET6)
                .map(|v6| IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
                .or_else(|| {
                    read::<libc::sockaddr_in>(rest)
                        .filter(|v4| i32::from(v4.sin_family) == libc::AF_INET)
                        .map(|v4| IpAddr::V4(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes())))
                })
        });
        return (error.ee_errno.cast_signed(), offender);
    }
    (0, None)
}

/// Writes the control message that sends from `via`; gives back its length.
fn write_via(control: &mut Control, via: Via) -> usize {
    match via.ip {
        IpAddr::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(ip) => {
            // A link-local address means nothing without its interface; for the others routing decides.
            let interface = if ip.is_unicast_link_local() { via.interface } else { 0 };
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                ipi6_ifindex: interface,
            };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T: Copy>(control: &mut Control, level: i32, kind: i32, value: T) -> usize {
    let size = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: CMSG_SPACE, CMSG_LEN only compute.
    let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size)) };
    assert!(space <= CONTROL, "the control buffer holds one packet info");
    let message = ptr::from_mut(control).cast::<libc::cmsghdr>();
    // SAFETY: the buffer is aligned for cmsghdr and, as just checked, large enough for it and its data.
    unsafe {
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = length as _;
        ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), libc::CMSG_DATA(message), size_of::<T>());
    }
    space
}
