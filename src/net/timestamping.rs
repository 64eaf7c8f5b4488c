//! Enables kernel timestamps of a socket after a test on that socket.
//!
//! The kernel starts to timestamp some time after the option is set, for the whole machine; until then a datagram's
//! timestamp is the time at which it is read. So the first is discarded, and the others wait before they are read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use rustix::fd::AsFd as _;

use super::clock::Clock;
use super::datagram::{ErrorQueueEntry, Reports, Timestamping};
use super::socket::{Backend, RecvBatch, Socket};
use super::sys::{single, timestamping};
use crate::logic::Nanos;

/// How long the datagrams of the test wait. The first is discarded.
const PAUSES: [Duration; 6] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
];
/// Entries taken from the error queue after a test.
const MOST_ENTRIES: usize = 64;

/// Enables the timestamps that work on a socket that is not connected yet: the test sends datagrams to the socket
/// itself.
pub(super) fn enable(socket: &mut Socket, most: Timestamping) {
    if !socket.has_error_queue() {
        // There, a kernel timestamps from the first datagram on, or not at all.
        let only = Reports { timestamp: true, ..Reports::default() };
        if most != Timestamping::None && single::enable(socket.as_fd(), true, only).is_ok() {
            socket.set_timestamping(Timestamping::Receive);
        }
        return;
    }
    let fd = socket.as_fd();
    let asked = match most {
        Timestamping::Both => timestamping::both(fd).or_else(|_| timestamping::receive(fd)),
        Timestamping::Receive => timestamping::receive(fd),
        Timestamping::None => return,
    };
    let works = match asked.ok().and_then(|()| test(socket)) {
        Some((true, true)) if most == Timestamping::Both => Timestamping::Both,
        Some((true, _)) => Timestamping::Receive,
        _ => Timestamping::None,
    };
    // An option that cannot be set was not set before.
    let _ = match works {
        Timestamping::Both => timestamping::recount(fd),
        Timestamping::Receive => timestamping::receive(fd),
        Timestamping::None => timestamping::none(fd),
    };
    socket.set_timestamping(works);
}

/// Whether the timestamps of receives and of sends are right; `None` if the test fails.
fn test(socket: &Socket) -> Option<(bool, bool)> {
    let mut test = Test {
        socket,
        to: own_address(socket)?,
        clock: Clock::start(),
        batch: RecvBatch::new(1, Backend::Full),
    };
    let mut outcome = None;
    for (index, pause) in PAUSES.into_iter().enumerate() {
        let result = test.run(pause);
        if index > 0 {
            outcome = result.or(outcome);
        }
        if outcome.is_some_and(|(receive, _)| receive) {
            break;
        }
    }
    outcome
}

fn own_address(socket: &Socket) -> Option<SocketAddr> {
    let mut own = socket.local().ok()?;
    match own.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => own.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => own.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(own)
}

struct Test<'a> {
    socket: &'a Socket,
    to: SocketAddr,
    clock: Clock,
    batch: RecvBatch,
}

impl Test<'_> {
    /// Sends a datagram that waits for `pause`; returns whether its two timestamps are right.
    fn run(&mut self, pause: Duration) -> Option<(bool, bool)> {
        let (_, before) = self.clock.moment();
        self.socket.send(b"udpping tries its clock", self.to, None).ok()?;
        sleep(pause);
        let mut received = None;
        while self.batch.receive(self.socket, usize::MAX).ok()? {
            let own = self.batch.datagrams().find(|datagram| datagram.source == self.to);
            received = own.map(|datagram| datagram.timestamp).or(received);
        }
        let waited = Nanos::try_from(pause.as_nanos()).unwrap_or(0) / 2;
        let right = |timestamp: Option<i64>| {
            timestamp.is_some_and(|at| (0..waited).contains(&(at.saturating_sub(before))))
        };
        let mut quoted = Vec::new();
        let entries = std::iter::from_fn(|| self.socket.read_error_queue(&mut quoted).ok().flatten());
        let sent = entries.take(MOST_ENTRIES).fold(None, |last, entry| match entry {
            ErrorQueueEntry::Timestamp { timestamp, .. } => timestamp,
            ErrorQueueEntry::Icmp(_) | ErrorQueueEntry::Local => last,
        });
        received.map(|timestamp| (right(timestamp), right(sent)))
    }
}
