//! The kernel's time stamps: asked for, and believed only after they have been tried on the socket in question.
//!
//! The kernel begins to stamp some time after it was asked to, for the whole machine; until then it fills in the time at
//! which a datagram is taken. So the first is thrown away, and a trial lets each wait a while before it is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::thread::sleep;
use std::time::Duration;

use super::clock::Clock;
use super::datagram::{Report, Stamping};
use super::socket::{Inbox, Path, Socket};
use super::sys::timestamping;
use crate::logic::Nanos;

/// How long the datagrams of the trial wait. The first is not looked at.
const PAUSES: [Duration; 6] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
];
/// Reports taken from the error queue after a trial: there are no more than datagrams.
const MOST_REPORTS: usize = 64;

/// Lets the kernel stamp the datagrams of a socket that is not connected yet, as far as that works: the trial is a
/// datagram to itself.
pub(super) fn enable(socket: &mut Socket, most: Stamping) {
    if !socket.has_reports() {
        return;
    }
    let fd = socket.as_fd();
    let asked = match most {
        Stamping::Both => timestamping::both(fd).or_else(|_| timestamping::receive(fd)),
        Stamping::Receive => timestamping::receive(fd),
        Stamping::None => return,
    };
    let works = match asked.ok().and_then(|()| tries(socket)) {
        Some((true, true)) if most == Stamping::Both => Stamping::Both,
        Some((true, _)) => Stamping::Receive,
        _ => Stamping::None,
    };
    // Whatever the socket refuses now it has not been granted.
    let _ = match works {
        Stamping::Both => timestamping::recount(fd),
        Stamping::Receive => timestamping::receive(fd),
        Stamping::None => timestamping::none(fd),
    };
    socket.set_stamping(works);
}

/// Whether the stamps of receiving and of sending are right; `None` if that cannot be found out.
fn tries(socket: &Socket) -> Option<(bool, bool)> {
    let mut trial =
        Trial { socket, to: own_address(socket)?, clock: Clock::start(), inbox: Inbox::new(1, Path::Full) };
    let mut outcome = None;
    for (index, pause) in PAUSES.into_iter().enumerate() {
        let tried = trial.run(pause);
        if index > 0 {
            outcome = tried.or(outcome);
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

struct Trial<'a> {
    socket: &'a Socket,
    to: SocketAddr,
    clock: Clock,
    inbox: Inbox,
}

impl Trial<'_> {
    /// A datagram to itself that waits for `pause`: whether its two stamps are right.
    fn run(&mut self, pause: Duration) -> Option<(bool, bool)> {
        let (_, before) = self.clock.moment();
        self.socket.send(b"udpping tries its clock", self.to, None).ok()?;
        sleep(pause);
        let mut received = None;
        while self.inbox.receive(self.socket).ok()? {
            let own = self.inbox.datagrams().find(|datagram| datagram.source == self.to);
            received = own.map(|datagram| datagram.stamp).or(received);
        }
        let waited = Nanos::try_from(pause.as_nanos()).unwrap_or(0) / 2;
        let right = |stamp: Option<i64>| {
            stamp.is_some_and(|stamp| (0..waited).contains(&(stamp.saturating_sub(before))))
        };
        let mut quoted = Vec::new();
        let reports = std::iter::from_fn(|| self.socket.read_report(&mut quoted).ok().flatten());
        let sent = reports.take(MOST_REPORTS).fold(None, |last, report| match report {
            Report::Sent { stamp, .. } => stamp,
            Report::Refused(_) | Report::Unsent => last,
        });
        received.map(|stamp| (right(stamp), right(sent)))
    }
}
