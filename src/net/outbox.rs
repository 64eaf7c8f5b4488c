//! Datagrams on their way out of a socket, many with one system call.
//!
//! Those in a row for one receiver, of one length (the last may be shorter), are a train: the kernel carries it as one
//! packet and takes it apart at the end of its way. Nothing else about a datagram changes, least of all its order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use lru::LruCache;
use rustix::fd::AsFd as _;

use super::datagram::{Parcel, Via};
use super::pace;
use super::socket::{Path, Socket};
use super::sys;
use crate::logic::wire::MAX_PAYLOAD;

/// What a train may carry: the kernel's own bounds.
const MOST_IN_TRAIN: usize = 64;
const MOST_BYTES_OF_TRAIN: usize = MAX_PAYLOAD;
/// Past so many bytes or datagrams it is time to send: what was just written is then still in the cache.
const FULL_BYTES: usize = 128 << 10;
const FULL: usize = 1_024;
/// Receivers to whom trains were refused that are remembered; with more of them a refusal is met again, no more.
const MOST_REFUSED: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Datagrams that wait to be sent, each with a `T` that tells it.
#[derive(Debug)]
pub(super) struct Outbox<T> {
    bytes: Vec<u8>,
    tags: Vec<T>,
    trains: Vec<Train>,
    /// Whether there are trains at all.
    trains_leave: bool,
    /// How long a datagram may be at most to be in a train, where longer trains were refused: each way has its own MTU,
    /// and its own device.
    longest: LruCache<IpAddr, usize>,
    #[cfg(target_os = "linux")]
    batch: Option<sys::Outbox>,
}

#[derive(Debug, Clone, Copy)]
struct Train {
    to: SocketAddr,
    via: Option<Via>,
    /// Where its bytes begin, and its tags.
    start: usize,
    first: usize,
    len: usize,
    step: usize,
    count: usize,
}

impl<T> Outbox<T> {
    pub(super) fn new(path: Path) -> Self {
        Self {
            bytes: Vec::new(),
            tags: Vec::new(),
            trains: Vec::new(),
            trains_leave: path == Path::Full,
            longest: LruCache::new(MOST_REFUSED),
            #[cfg(target_os = "linux")]
            batch: (path == Path::Full).then(sys::Outbox::new),
        }
    }

    /// Appends a datagram, which `write` appends to the bytes.
    pub(super) fn push(
        &mut self,
        to: SocketAddr,
        via: Option<Via>,
        tag: T,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len() - start;
        self.tags.push(tag);
        match self.trains.last_mut() {
            Some(train)
                if self.trains_leave
                    && train.takes(to, via, len)
                    && (self.longest.is_empty()
                        || self.longest.get(&to.ip()).is_none_or(|longest| len <= *longest)) =>
            {
                train.len += len;
                train.count += 1;
            }
            _ => {
                let first = self.tags.len() - 1;
                self.trains.push(Train { to, via, start, first, len, step: len, count: 1 });
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES || self.tags.len() >= FULL
    }

    /// Sends everything, in order; `done` is told what became of each stretch of datagrams.
    ///
    /// If the system's send buffer is full it waits a moment, as long as that helps and `is_patient`: nothing may hang on
    /// a dead link. A train that is refused leaves as separate datagrams, so that each has an outcome of its own.
    pub(super) fn send(
        &mut self,
        socket: &Socket,
        is_patient: impl Fn() -> bool,
        mut done: impl FnMut(&[T], io::Result<()>),
    ) {
        let (mut at, mut waited) = (0, false);
        // A refused train: where its tags end, and how long datagrams may be if it was refused for being one.
        let mut refused = None;
        while let Some(next) = self.trains.get(at).copied() {
            match self.send_from(at, socket) {
                Ok(count) => {
                    if let Some((_, longest)) = refused.take_if(|(end, _)| next.first < *end) {
                        // Alone they may leave: so it was the train.
                        self.longest.put(next.to.ip(), longest);
                    }
                    let end = self.trains.get(at + count).map_or(self.tags.len(), |train| train.first);
                    done(&self.tags[next.first..end], Ok(()));
                    (at, waited) = (at + count, false);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !waited && is_patient() => {
                    waited = true;
                    // If it cannot even wait, the next try says so.
                    let _ = pace::wait_to_send(socket.as_fd());
                }
                Err(error) if next.count > 1 => {
                    if error.raw_os_error().is_some_and(|errno| sys::TRAIN_ERRORS.contains(&errno)) {
                        refused = Some((next.first + next.count, next.step - 1));
                    }
                    self.trains.splice(at..=at, next.apart());
                }
                Err(error) => {
                    done(&self.tags[next.first..=next.first], Err(error));
                    at += 1;
                }
            }
        }
        self.bytes.clear();
        self.tags.clear();
        self.trains.clear();
    }

    /// Sends what it can, beginning with the train `at`; says how many trains left.
    fn send_from(&mut self, at: usize, socket: &Socket) -> io::Result<usize> {
        let mut parcels = self.trains[at..].iter().map(|train| train.parcel(&self.bytes));
        #[cfg(target_os = "linux")]
        if let Some(batch) = &mut self.batch {
            return batch.send(socket.as_fd(), parcels);
        }
        let Some(Parcel { bytes, to, via, .. }) = parcels.next() else { return Ok(0) };
        socket.send_now(bytes, to, via).map(|()| 1)
    }
}

impl Train {
    /// Whether another datagram may be coupled to it.
    fn takes(&self, to: SocketAddr, via: Option<Via>, len: usize) -> bool {
        let is_open = self.len == self.count * self.step;
        (self.to, self.via) == (to, via)
            && is_open
            && (1..=self.step).contains(&len)
            && self.count < MOST_IN_TRAIN
            && self.len + len <= MOST_BYTES_OF_TRAIN
    }

    fn parcel<'a>(&self, bytes: &'a [u8]) -> Parcel<'a> {
        let step = if self.count > 1 { u16::try_from(self.step).ok() } else { None };
        Parcel { bytes: &bytes[self.start..self.start + self.len], to: self.to, via: self.via, step }
    }

    /// Its datagrams as trains of one.
    fn apart(self) -> impl Iterator<Item = Self> {
        (0..self.count).map(move |at| {
            let done = at * self.step;
            let len = self.step.min(self.len - done);
            Self { start: self.start + done, first: self.first + at, len, step: len, count: 1, ..self }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ours(path: Path) -> Socket {
        Socket::serve((Ipv4Addr::LOCALHOST, 0).into(), path).unwrap()
    }

    fn theirs() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn put(outbox: &mut Outbox<usize>, to: SocketAddr, tag: usize, bytes: &[u8]) {
        outbox.push(to, None, tag, |out| out.extend_from_slice(bytes));
    }

    /// Sends everything; gives back each tag and whether it went well, in the order told.
    fn send(outbox: &mut Outbox<usize>, socket: &Socket) -> Vec<(usize, bool)> {
        let mut told = Vec::new();
        outbox.send(
            socket,
            || true,
            |tags, result| {
                told.extend(tags.iter().map(|tag| (*tag, result.is_ok())));
            },
        );
        told
    }

    fn trains(outbox: &Outbox<usize>) -> Vec<(usize, usize)> {
        outbox.trains.iter().map(|train| (train.count, train.len)).collect()
    }

    #[test]
    fn a_train_is_for_one_receiver_and_of_one_length_and_its_last_may_be_shorter() {
        let mut outbox = Outbox::new(Path::Full);
        let (a, b): (SocketAddr, SocketAddr) = (([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into());
        let each = [(a, 5), (a, 5), (a, 3), (a, 3), (b, 3), (b, 4), (b, 0), (b, 0), (a, 1), (a, 1)];
        for (tag, (to, len)) in each.into_iter().enumerate() {
            put(&mut outbox, to, tag, &vec![0; len]);
        }
        let expected = [(3, 13), (1, 3), (1, 3), (1, 4), (1, 0), (1, 0), (2, 2)];
        if cfg!(target_os = "linux") {
            assert_eq!(trains(&outbox), expected);
        }
        let mut outbox = Outbox::new(Path::Portable);
        (0..3).for_each(|tag| put(&mut outbox, a, tag, b"x"));
        assert_eq!(trains(&outbox), [(1, 1); 3], "the portable path has none");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_train_has_64_datagrams_and_as_many_bytes_as_one_may_have_at_most() {
        let to = ([127, 0, 0, 1], 1).into();
        let mut outbox = Outbox::new(Path::Full);
        (0..65).for_each(|tag| put(&mut outbox, to, tag, b"x"));
        (0..3).for_each(|tag| put(&mut outbox, to, tag, &vec![0; 30_000]));
        assert_eq!(trains(&outbox), [(64, 64), (1, 1), (2, 60_000), (1, 30_000)]);
    }

    #[test]
    fn each_datagram_has_an_outcome_of_its_own() {
        // Nobody can be reached at port 0.
        let (receiver, nowhere) = (theirs(), ([127, 0, 0, 1], 0).into());
        for path in [Path::best(), Path::Portable] {
            let (socket, mut outbox) = (ours(path), Outbox::new(path));
            let to = receiver.local_addr().unwrap();
            for (tag, to) in [to, to, nowhere, nowhere, nowhere, to].into_iter().enumerate() {
                put(&mut outbox, to, tag, &[b'0' + u8::try_from(tag).unwrap()]);
            }
            let expected = [(0, true), (1, true), (2, false), (3, false), (4, false), (5, true)];
            assert_eq!(send(&mut outbox, &socket), expected, "{path:?}");
            let mut buffer = [0; 10];
            for digit in b"015" {
                assert_eq!(receiver.recv(&mut buffer).unwrap(), 1);
                assert_eq!(buffer[0], *digit);
            }
            assert_eq!(send(&mut outbox, &socket), [], "everything is told once");
            assert!(outbox.longest.is_empty(), "who cannot be reached stops nobody's trains");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_train_that_the_kernel_refuses_leaves_as_datagrams_and_only_shorter_ones_to_there_are_tried() {
        let (receiver, socket) = (theirs(), ours(Path::Full));
        sys::options::tests::send_no_checksums(socket.as_fd());
        let (to, mut outbox) = (receiver.local_addr().unwrap(), Outbox::new(Path::Full));
        for (tag, bytes) in [&b"aaa"[..], b"bbb", b"c"].into_iter().enumerate() {
            put(&mut outbox, to, tag, bytes);
        }
        assert_eq!(outbox.trains.len(), 1);
        assert_eq!(send(&mut outbox, &socket), [(0, true), (1, true), (2, true)]);
        let mut buffer = [0; 10];
        let lengths = [(); 3].map(|()| receiver.recv(&mut buffer).unwrap());
        assert_eq!(lengths, [3, 3, 1]);
        let elsewhere = ([127, 0, 0, 2], to.port()).into();
        for (tag, (to, bytes)) in [(to, &b"aaa"[..]), (to, b"bbb"), (elsewhere, b"ccc"), (elsewhere, b"ddd")]
            .into_iter()
            .chain([(to, &b"ee"[..]), (to, b"ff")])
            .enumerate()
        {
            put(&mut outbox, to, tag, bytes);
        }
        assert_eq!(trains(&outbox), [(1, 3), (1, 3), (2, 6), (2, 4)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_arrives_is_what_was_put_in_whatever_the_path(
            each in prop::collection::vec((0..2_usize, prop::sample::select(vec![0_usize, 1, 20, 20, 20, 21])), 1..100),
        ) {
            for path in [Path::best(), Path::Portable] {
                let (receivers, socket, mut outbox) = ([theirs(), theirs()], ours(path), Outbox::new(path));
                for (tag, (to, len)) in each.iter().enumerate() {
                    let bytes = vec![u8::try_from(tag).unwrap(); *len];
                    put(&mut outbox, receivers[*to].local_addr().unwrap(), tag, &bytes);
                }
                let expected: Vec<_> = (0..each.len()).map(|tag| (tag, true)).collect();
                prop_assert_eq!(send(&mut outbox, &socket), expected);
                let mut buffer = [0; 100];
                for (tag, (to, len)) in each.iter().enumerate() {
                    let got = receivers[*to].recv(&mut buffer).unwrap();
                    prop_assert_eq!(&buffer[..got], &vec![u8::try_from(tag).unwrap(); *len][..]);
                }
            }
        }
    }
}
