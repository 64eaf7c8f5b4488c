//! The C structures of messages that every Unix has: headers, socket addresses and control messages.

use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// Bytes for the control messages of one datagram: packet infos of IPv6 and IPv4, a hop limit, a segment size, timestamps, and an
/// extended error with its sender.
pub(super) const CONTROL: usize = 256;

/// Aligned as control messages must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control(pub(super) [u8; CONTROL]);

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

pub(super) fn header(
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

/// The address in a socket name that the kernel wrote.
pub(super) fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: by its family this is a sockaddr_in, which a sockaddr_storage has room and alignment for.
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
pub(super) fn cmsgs(header: &libc::msghdr) -> impl Iterator<Item = (i32, i32, &[u8])> {
    // SAFETY: the kernel has set msg_control and msg_controllen to the messages it wrote, within our buffer.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    std::iter::from_fn(move || {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a whole message within the buffer of `header`, which is
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
pub(super) fn read<T: Copy>(data: &[u8]) -> Option<T> {
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
