//! Reads and writes the control messages of Linux.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::ptr;

use super::message::{CONTROL, Control, cmsgs, read};
use crate::net::datagram::PktInfo;

/// Memory for C structures with pointers, which are valid during one system call only.
#[derive(Debug)]
pub(super) struct RawVec<T>(Vec<T>);

// SAFETY: nothing reads its contents between calls, and `refill` discards them first; a pointer that is not followed
// may be in any thread.
unsafe impl<T> Send for RawVec<T> {}

impl<T> RawVec<T> {
    pub(super) fn new(room: usize) -> Self {
        Self(Vec::with_capacity(room))
    }

    pub(super) fn refill(&mut self, values: impl Iterator<Item = T>) -> &mut [T] {
        self.0.clear();
        self.0.extend(values);
        &mut self.0
    }
}

/// The control messages of a received datagram.
#[derive(Debug, Default)]
pub(super) struct RecvMeta {
    /// The address and interface at which it arrived.
    pub(super) pktinfo: Option<PktInfo>,
    /// Its remaining hops.
    pub(super) ttl: Option<u8>,
    /// Its type of service or traffic class.
    pub(super) tos: Option<u8>,
    /// When the kernel received or sent it, in nanoseconds since 1970.
    pub(super) timestamp: Option<i64>,
    /// The length of each datagram of a GRO batch but the last.
    pub(super) segment_size: Option<NonZeroUsize>,
}

pub(super) fn recv_meta(header: &libc::msghdr) -> RecvMeta {
    let mut meta = RecvMeta::default();
    for (level, kind, data) in cmsgs(header) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                meta.pktinfo = read::<libc::in_pktinfo>(data).map(|info| PktInfo {
                    ip: IpAddr::V4(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())),
                    interface: info.ipi_ifindex.unsigned_abs(),
                });
            }
            // Of IPv4 this has the destination, which may be a broadcast address; the other has the address to reply from.
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)
                if !meta.pktinfo.is_some_and(|info| info.ip.is_ipv4()) =>
            {
                meta.pktinfo = read::<libc::in6_pktinfo>(data).map(|info| PktInfo {
                    ip: IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)),
                    interface: info.ipi6_ifindex,
                });
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                meta.ttl = read::<i32>(data).and_then(|hops| u8::try_from(hops).ok());
            }
            // IPv4's is one byte, IPv6's an int.
            (libc::IPPROTO_IP, libc::IP_TOS) => meta.tos = read::<u8>(data),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                meta.tos = read::<i32>(data).and_then(|class| u8::try_from(class).ok());
            }
            // The first of the three times of SCM_TIMESTAMPING is the software timestamp.
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING | libc::SCM_TIMESTAMPNS) => {
                meta.timestamp = read::<libc::timespec>(data).and_then(nanos);
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                let size = read::<i32>(data).and_then(|size| usize::try_from(size).ok());
                meta.segment_size = size.and_then(NonZeroUsize::new);
            }
            _ => {}
        }
    }
    // A multicast address is no source address.
    meta.pktinfo = meta.pktinfo.filter(|info| !info.ip.is_multicast());
    meta
}

/// Nanoseconds since 1970; the kernel writes 0 for an unknown time.
fn nanos(time: libc::timespec) -> Option<i64> {
    #[allow(clippy::useless_conversion, reason = "a narrower type on some machines")]
    let (seconds, nanos) = (i64::from(time.tv_sec), i64::from(time.tv_nsec));
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    (nanos != 0).then_some(nanos)
}

impl Control {
    /// Appends the control message that sends from `pktinfo` after the first `used` bytes; returns how many are then
    /// used.
    pub(super) fn set_pktinfo(&mut self, used: usize, pktinfo: PktInfo) -> usize {
        match pktinfo.ip {
            IpAddr::V4(ip) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.put(used, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            IpAddr::V6(ip) => {
                // A link-local address needs its interface; routing chooses that of the others.
                let interface = if ip.is_unicast_link_local() { pktinfo.interface } else { 0 };
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    ipi6_ifindex: interface,
                };
                self.put(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        }
    }

    /// Appends the control message for segments of `size` bytes (GSO).
    pub(super) fn set_segment_size(&mut self, used: usize, size: u16) -> usize {
        self.put(used, libc::SOL_UDP, libc::UDP_SEGMENT, size)
    }

    /// Appends the control message that allows so many hops.
    pub(super) fn set_hops(&mut self, used: usize, hops: u8, ipv4: bool) -> usize {
        let (level, kind) =
            if ipv4 { (libc::IPPROTO_IP, libc::IP_TTL) } else { (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) };
        self.put(used, level, kind, i32::from(hops))
    }

    /// Appends the control message for this type of service or traffic class.
    pub(super) fn set_tos(&mut self, used: usize, tos: u8, ipv4: bool) -> usize {
        let (level, kind) =
            if ipv4 { (libc::IPPROTO_IP, libc::IP_TOS) } else { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) };
        self.put(used, level, kind, i32::from(tos))
    }

    fn put<T: Copy>(&mut self, used: usize, level: i32, kind: i32, value: T) -> usize {
        let size = u32::try_from(size_of::<T>()).unwrap_or(0);
        // SAFETY: CMSG_SPACE, CMSG_LEN only compute.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size)) };
        assert!(used.is_multiple_of(align_of::<libc::cmsghdr>()), "messages are padded to their alignment");
        assert!(
            used + space <= CONTROL,
            "the control buffer holds a packet info, the hops, the type of service and a segment size"
        );
        // SAFETY: within the buffer, as just checked.
        let message = unsafe { ptr::from_mut(self).byte_add(used) }.cast::<libc::cmsghdr>();
        // SAFETY: the buffer is aligned for cmsghdr and so is `used`; behind it there is room for header and data.
        unsafe {
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = length as _;
            ptr::copy_nonoverlapping(
                (&raw const value).cast::<u8>(),
                libc::CMSG_DATA(message),
                size_of::<T>(),
            );
        }
        used + space
    }
}
