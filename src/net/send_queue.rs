//! A queue of datagrams, which are sent many with one system call.
//!
//! With GSO, consecutive datagrams to one destination, of one length (the last may be shorter), form a batch: one packet
//! for firewalls and queues of this host, which the kernel segments behind them
//! ([UDP_SEGMENT](https://lwn.net/Articles/752184/)). Datagrams are sent in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use lru::LruCache;
use rustix::fd::AsFd as _;

use super::datagram::{PktInfo, Transmit};
use super::socket::{Backend, Socket, is_icmp_error};
use super::sockets::Sockets;
use super::sys;
use super::wait;
use crate::logic::codec::MAX_PAYLOAD;

/// The kernel's bounds of a batch (`UDP_MAX_SEGMENTS`, and the length of a datagram).
const MOST_SEGMENTS: usize = 64;
const MOST_BATCH_BYTES: usize = MAX_PAYLOAD;
/// The queue is full at this many bytes or datagrams, which are then still in the processor's cache.
const FULL_BYTES: usize = 128 << 10;
const FULL: usize = 1_024;
/// Destinations whose longest GSO datagram is cached.
const MOST_REFUSED: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// The destination of a datagram, how it gets there, and the socket that sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route<K> {
    /// The key of the socket.
    pub(super) socket: K,
    pub(super) destination: SocketAddr,
    pub(super) pktinfo: Option<PktInfo>,
    /// How many hops the datagram may take, if not as many as others.
    pub(super) hops: Option<u8>,
    /// Its type of service or traffic class, if not that of others.
    pub(super) tos: Option<u8>,
}

/// Queued datagrams, each with a tag.
#[derive(Debug)]
pub(super) struct SendQueue<K, T> {
    bytes: Vec<u8>,
    tags: Vec<T>,
    batches: Vec<GsoBatch<K>>,
    /// Whether batches may have more than one datagram.
    gso: bool,
    /// The longest datagram that a batch may have, by destination: each path has its own MTU and device.
    longest: LruCache<IpAddr, usize>,
    sys: Option<sys::SendBatch>,
}

#[derive(Debug, Clone, Copy)]
struct GsoBatch<K> {
    route: Route<K>,
    /// The index of its first byte.
    start: usize,
    /// The index of its first tag.
    first: usize,
    len: usize,
    segment_size: usize,
    count: usize,
}

impl<K: Copy + Eq, T> SendQueue<K, T> {
    /// An empty queue; `gso` is for the full backend alone.
    pub(super) fn new(backend: Backend, gso: bool) -> Self {
        Self {
            bytes: Vec::new(),
            tags: Vec::new(),
            batches: Vec::new(),
            gso: gso && backend == Backend::Full,
            longest: LruCache::new(MOST_REFUSED),
            sys: if backend == Backend::Full { sys::SendBatch::make() } else { None },
        }
    }

    /// Appends a datagram; `write` appends its payload to the bytes.
    pub(super) fn push(&mut self, route: Route<K>, tag: T, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len() - start;
        self.tags.push(tag);
        match self.batches.last_mut() {
            Some(batch)
                if self.gso
                    && batch.accepts(&route, len)
                    && (self.longest.is_empty()
                        || self
                            .longest
                            .get(&route.destination.ip())
                            .is_none_or(|longest| len <= *longest)) =>
            {
                batch.len += len;
                batch.count += 1;
            }
            _ => {
                let first = self.tags.len() - 1;
                self.batches.push(GsoBatch { route, start, first, len, segment_size: len, count: 1 });
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES || self.tags.len() >= FULL
    }

    /// Sends all datagrams in order; `done` gets the tags and the result of each run of datagrams.
    ///
    /// If a send buffer is full, it waits once and sends again, but only if `is_patient`: no thread may block on a dead
    /// link. The datagrams of a refused batch are sent one by one, so that each has a result of its own. A send on a
    /// connected socket may return the ICMP error of an earlier datagram: `done` gets it without tags.
    pub(super) fn send(
        &mut self,
        sockets: &impl Sockets<Key = K>,
        is_patient: impl Fn() -> bool,
        mut done: impl FnMut(&[T], io::Result<()>),
    ) {
        let (mut at, mut waited, mut told) = (0, false, false);
        // Of a refused batch: the end of its tags, and the longest datagram of later batches if its length was the
        // reason.
        let mut refused = None;
        while let Some(next) = self.batches.get(at).copied() {
            let sent = match sockets.get(next.route.socket) {
                Some(socket) => self.send_from(at, socket),
                None => Err(io::ErrorKind::NotConnected.into()),
            };
            match sent {
                Ok(count) => {
                    if let Some((_, longest)) = refused.take_if(|(end, _)| next.first < *end) {
                        // They were accepted one by one, so the batch was the reason.
                        self.longest.put(next.route.destination.ip(), longest);
                    }
                    let end = self.batches.get(at + count).map_or(self.tags.len(), |batch| batch.first);
                    done(&self.tags[next.first..end], Ok(()));
                    (at, waited, told) = (at + count, false, false);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !waited && is_patient() => {
                    waited = true;
                    // If the wait fails, the next send fails too.
                    let _ = sockets.get(next.route.socket).map(|socket| wait::writable(socket.as_fd()));
                }
                Err(error)
                    if !told
                        && is_icmp_error(&error)
                        && sockets.get(next.route.socket).is_some_and(Socket::is_connected) =>
                {
                    told = true;
                    done(&[], Err(error));
                }
                Err(error) if next.count > 1 => {
                    if error.raw_os_error().is_some_and(|errno| sys::GSO_ERRORS.contains(&errno)) {
                        refused = Some((next.first + next.count, next.segment_size - 1));
                    }
                    self.batches.splice(at..=at, next.split());
                }
                Err(error) => {
                    done(&self.tags[next.first..=next.first], Err(error));
                    (at, told) = (at + 1, false);
                }
            }
        }
        self.bytes.clear();
        self.tags.clear();
        self.batches.clear();
    }

    /// Sends batches for `socket`, from `at` on; returns how many were sent.
    fn send_from(&mut self, at: usize, socket: &Socket) -> io::Result<usize> {
        let key = self.batches[at].route.socket;
        let mut transmits = self.batches[at..]
            .iter()
            .take_while(|batch| batch.route.socket == key)
            .map(|batch| batch.transmit(&self.bytes));
        if let Some(sys) = &mut self.sys {
            return sys.send(socket.as_fd(), !socket.is_connected(), transmits);
        }
        let Some(Transmit { contents, destination, pktinfo, .. }) = transmits.next() else { return Ok(0) };
        socket.send_now(contents, destination, pktinfo).map(|()| 1)
    }
}

impl<K: Copy + Eq> GsoBatch<K> {
    fn accepts(&self, route: &Route<K>, len: usize) -> bool {
        let is_open = self.len == self.count * self.segment_size;
        self.route == *route
            && is_open
            && (1..=self.segment_size).contains(&len)
            && self.count < MOST_SEGMENTS
            && self.len + len <= MOST_BATCH_BYTES
    }

    fn transmit<'a>(&self, bytes: &'a [u8]) -> Transmit<'a> {
        Transmit {
            contents: &bytes[self.start..self.start + self.len],
            destination: self.route.destination,
            pktinfo: self.route.pktinfo,
            hops: self.route.hops,
            tos: self.route.tos,
            segment_size: if self.count > 1 { u16::try_from(self.segment_size).ok() } else { None },
        }
    }

    /// Its datagrams as batches of one.
    fn split(self) -> impl Iterator<Item = Self> {
        (0..self.count).map(move |at| {
            let done = at * self.segment_size;
            let len = self.segment_size.min(self.len - done);
            Self {
                start: self.start + done,
                first: self.first + at,
                len,
                segment_size: len,
                count: 1,
                ..self
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::net::patiently;

    fn ours(backend: Backend) -> Arc<Socket> {
        Arc::new(Socket::serve((Ipv4Addr::LOCALHOST, 0).into(), backend).unwrap())
    }

    fn theirs() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn put(queue: &mut SendQueue<(), usize>, to: SocketAddr, tag: usize, bytes: &[u8]) {
        let route = Route { socket: (), destination: to, pktinfo: None, hops: None, tos: None };
        queue.push(route, tag, |out| out.extend_from_slice(bytes));
    }

    /// Sends everything; returns each tag and whether it was sent, in order.
    fn send(queue: &mut SendQueue<(), usize>, socket: &Arc<Socket>) -> Vec<(usize, bool)> {
        let mut results = Vec::new();
        queue.send(
            socket,
            || true,
            |tags, result| {
                results.extend(tags.iter().map(|tag| (*tag, result.is_ok())));
            },
        );
        results
    }

    fn batches(queue: &SendQueue<(), usize>) -> Vec<(usize, usize)> {
        queue.batches.iter().map(|batch| (batch.count, batch.len)).collect()
    }

    #[test]
    fn a_batch_has_one_destination_and_one_length_and_its_last_may_be_shorter() {
        let mut queue = SendQueue::new(Backend::Full, true);
        let (a, b): (SocketAddr, SocketAddr) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        let each = [(a, 5), (a, 5), (a, 3), (a, 3), (b, 3), (b, 4), (b, 0), (b, 0), (a, 1), (a, 1)];
        for (tag, (to, len)) in each.into_iter().enumerate() {
            put(&mut queue, to, tag, &vec![0; len]);
        }
        let expected = [(3, 13), (1, 3), (1, 3), (1, 4), (1, 0), (1, 0), (2, 2)];
        if cfg!(target_os = "linux") {
            assert_eq!(batches(&queue), expected);
        }
        for (backend, gso) in [(Backend::best(), false), (Backend::Portable, true)] {
            let mut queue = SendQueue::new(backend, gso);
            (0..3).for_each(|tag| put(&mut queue, a, tag, b"x"));
            assert_eq!(batches(&queue), [(1, 1); 3], "{backend:?}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_batch_has_64_datagrams_and_the_bytes_of_one_at_most() {
        let to = ([127, 0, 0, 1], 1).into();
        let mut queue = SendQueue::new(Backend::Full, true);
        (0..65).for_each(|tag| put(&mut queue, to, tag, b"x"));
        (0..3).for_each(|tag| put(&mut queue, to, tag, &vec![0; 30_000]));
        assert_eq!(batches(&queue), [(64, 64), (1, 1), (2, 60_000), (1, 30_000)]);
    }

    #[test]
    fn each_datagram_has_a_result_of_its_own() {
        // Port 0 is unreachable.
        let (receiver, nowhere) = (theirs(), ([127, 0, 0, 1], 0).into());
        for backend in [Backend::best(), Backend::Portable] {
            let (socket, mut queue) = (ours(backend), SendQueue::new(backend, true));
            let to = receiver.local_addr().unwrap();
            for (tag, to) in [to, to, nowhere, nowhere, nowhere, to].into_iter().enumerate() {
                put(&mut queue, to, tag, &[b'0' + u8::try_from(tag).unwrap()]);
            }
            let expected = [(0, true), (1, true), (2, false), (3, false), (4, false), (5, true)];
            assert_eq!(send(&mut queue, &socket), expected, "{backend:?}");
            let mut buffer = [0; 10];
            for digit in b"015" {
                assert_eq!(patiently(|| receiver.recv(&mut buffer)).unwrap(), 1);
                assert_eq!(buffer[0], *digit);
            }
            assert_eq!(send(&mut queue, &socket), [], "everything is reported once");
            assert!(queue.longest.is_empty(), "an unreachable destination stops no batches");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_refused_batch_is_sent_as_datagrams_and_later_batches_to_there_have_shorter_ones() {
        let (receiver, socket) = (theirs(), ours(Backend::Full));
        sys::options::tests::send_no_checksums(socket.as_fd());
        let (to, mut queue) = (receiver.local_addr().unwrap(), SendQueue::new(Backend::Full, true));
        for (tag, bytes) in [&b"aaa"[..], b"bbb", b"c"].into_iter().enumerate() {
            put(&mut queue, to, tag, bytes);
        }
        assert_eq!(queue.batches.len(), 1);
        assert_eq!(send(&mut queue, &socket), [(0, true), (1, true), (2, true)]);
        let mut buffer = [0; 10];
        let lengths = [(); 3].map(|()| patiently(|| receiver.recv(&mut buffer)).unwrap());
        assert_eq!(lengths, [3, 3, 1]);
        let elsewhere = ([127, 0, 0, 2], to.port()).into();
        for (tag, (to, bytes)) in [(to, &b"aaa"[..]), (to, b"bbb"), (elsewhere, b"ccc"), (elsewhere, b"ddd")]
            .into_iter()
            .chain([(to, &b"ee"[..]), (to, b"ff")])
            .enumerate()
        {
            put(&mut queue, to, tag, bytes);
        }
        assert_eq!(batches(&queue), [(1, 3), (1, 3), (2, 6), (2, 4)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_queued_datagrams_arrive_on_both_backends(
            each in prop::collection::vec((0..2_usize, prop::sample::select(vec![0_usize, 1, 20, 20, 20, 21])), 1..100),
        ) {
            for backend in [Backend::best(), Backend::Portable] {
                let (receivers, socket, mut queue) = ([theirs(), theirs()], ours(backend), SendQueue::new(backend, true));
                for (tag, (to, len)) in each.iter().enumerate() {
                    let bytes = vec![u8::try_from(tag).unwrap(); *len];
                    put(&mut queue, receivers[*to].local_addr().unwrap(), tag, &bytes);
                }
                let expected: Vec<_> = (0..each.len()).map(|tag| (tag, true)).collect();
                prop_assert_eq!(send(&mut queue, &socket), expected);
                let mut buffer = [0; 100];
                for (tag, (to, len)) in each.iter().enumerate() {
                    let got = patiently(|| receivers[*to].recv(&mut buffer)).unwrap();
                    prop_assert_eq!(&buffer[..got], &vec![u8::try_from(tag).unwrap(); *len][..]);
                }
            }
        }
    }
}
