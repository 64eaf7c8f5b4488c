//! Receives many datagrams with one system call, or one entry of the error queue.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use super::control::{RawVec, RecvMeta, recv_meta};
use super::message::{CONTROL, Control, address, cmsgs, header, read};
use crate::net::datagram::{Datagram, ErrorQueueEntry, IcmpError, PktInfo};

/// Buffers for several datagrams, filled by one system call.
#[derive(Debug)]
pub(in crate::net) struct RecvBatch {
    buffers: Vec<u8>,
    slot: usize,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    vectors: RawVec<libc::iovec>,
    headers: RawVec<libc::mmsghdr>,
    received: Vec<Received>,
    is_full: bool,
}

/// One datagram, or a GRO batch: several of one length from one sender, the last perhaps shorter.
#[derive(Debug, Clone, Copy)]
struct Received {
    slot: usize,
    len: usize,
    /// The length of each datagram of a batch but the last.
    segment_size: Option<NonZeroUsize>,
    source: SocketAddr,
    ttl: Option<u8>,
    tos: Option<u8>,
    pktinfo: Option<PktInfo>,
    timestamp: Option<i64>,
}

impl RecvBatch {
    /// Room for `slots` datagrams or GRO batches of up to `slot` bytes each.
    pub(in crate::net) fn make(slots: usize, slot: usize) -> Option<Self> {
        // SAFETY: a sockaddr_storage of all zeroes is a valid value (family AF_UNSPEC).
        let name: libc::sockaddr_storage = unsafe { mem::zeroed() };
        Some(Self {
            buffers: vec![0; slots * slot],
            slot,
            names: vec![name; slots],
            controls: vec![Control([0; CONTROL]); slots],
            vectors: RawVec::new(slots),
            headers: RawVec::new(slots),
            received: Vec::with_capacity(slots),
            is_full: false,
        })
    }

    /// Receives up to `most` packets without waiting; `WouldBlock` if nothing has arrived.
    pub(in crate::net) fn receive(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<()> {
        self.received.clear();
        let vectors = self.vectors.refill(
            self.buffers
                .chunks_exact_mut(self.slot)
                .take(most)
                .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }),
        );
        let each = vectors.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        let headers = self.headers.refill(each.map(|((vector, name), control)| libc::mmsghdr {
            msg_hdr: header(ptr::from_mut(name), vector, control.0.as_mut_ptr(), CONTROL),
            msg_len: 0,
        }));
        let slots = u32::try_from(headers.len()).unwrap_or(u32::MAX);
        // SAFETY: `headers` holds `slots` entries whose pointers lead to `names`, `vectors`, `buffers` and `controls`,
        // which live until after the call and are not touched during it; the descriptor is open.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                slots,
                libc::MSG_DONTWAIT as _, // musl has it unsigned
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        self.is_full = count == headers.len();
        for (slot, (header, name)) in headers.iter().zip(&self.names).take(count).enumerate() {
            let RecvMeta { pktinfo, ttl, tos, timestamp, segment_size } = recv_meta(&header.msg_hdr);
            // A datagram whose sender has no IP address cannot be answered or matched.
            let Some(source) = address(name) else { continue };
            let len = (header.msg_len as usize).min(self.slot);
            self.received.push(Received { slot, len, segment_size, source, ttl, tos, pktinfo, timestamp });
        }
        Ok(())
    }

    /// Whether the last receive got as many packets as there was room for.
    pub(in crate::net) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The datagrams of the last [`RecvBatch::receive`], those of GRO batches one by one.
    pub(in crate::net) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.received.iter().flat_map(|received| {
            let start = received.slot * self.slot;
            let bytes = &self.buffers[start..start + received.len];
            let size = received.segment_size.map_or(usize::MAX, NonZeroUsize::get);
            // An empty datagram counts.
            (0..bytes.len().div_ceil(size).max(1)).map(move |at| Datagram {
                source: received.source,
                bytes: &bytes[at * size..at.saturating_add(1).saturating_mul(size).min(bytes.len())],
                ttl: received.ttl,
                tos: received.tos,
                pktinfo: received.pktinfo,
                timestamp: received.timestamp,
            })
        })
    }
}

/// Takes one entry from the error queue; `None` when it is empty. `quoted` gets the datagram that an ICMP error quotes.
pub(in crate::net) fn read_error_queue(
    socket: BorrowedFd<'_>,
    quoted: &mut Vec<u8>,
) -> io::Result<Option<ErrorQueueEntry>> {
    quoted.clear();
    quoted.reserve(2_048);
    // SAFETY: as in `RecvBatch::make`.
    let mut name: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let room = quoted.spare_capacity_mut();
    let mut vector = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let mut control = Control([0; CONTROL]);
    let mut header = header(&raw mut name, &mut vector, control.0.as_mut_ptr(), CONTROL);
    // SAFETY: the header leads to `name`, `vector`, the room of `quoted` and `control`, all alive until after the call.
    let count = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    let Ok(count) = usize::try_from(count) else {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    };
    // SAFETY: the kernel has written so many bytes to that room, and no more than there was.
    unsafe { quoted.set_len(count.min(quoted.capacity())) };
    Ok(Some(match extended_error(&header) {
        Some((error, _)) if error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING => {
            ErrorQueueEntry::Timestamp { key: error.ee_data, timestamp: recv_meta(&header).timestamp }
        }
        Some((error, _)) if error.ee_origin == libc::SO_EE_ORIGIN_LOCAL => ErrorQueueEntry::Local,
        Some((error, by)) => ErrorQueueEntry::Icmp(IcmpError {
            target: address(&name),
            errno: error.ee_errno.cast_signed(),
            by,
        }),
        None => ErrorQueueEntry::Icmp(IcmpError { target: address(&name), errno: 0, by: None }),
    }))
}

/// The extended error of an entry, and the address that reported it.
fn extended_error(header: &libc::msghdr) -> Option<(libc::sock_extended_err, Option<IpAddr>)> {
    for (level, kind, data) in cmsgs(header) {
        if !matches!(
            (level, kind),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        ) {
            continue;
        }
        let Some(error) = read::<libc::sock_extended_err>(data) else { continue };
        // SO_EE_OFFENDER: the address of the reporter follows the structure.
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
        return Some((error, offender));
    }
    None
}
