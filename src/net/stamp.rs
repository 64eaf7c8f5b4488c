//! The kernel's time stamps: asked for, and believed only after they have been tried on the socket in question.
//!
//! The kernel begins to stamp some time after it was asked to, for the whole machine; until then it fills in the time at
//! which a datagram is taken. So the first is thrown away, and a trial lets each wait a while before it is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread::sleep;
use std::time::Duration;
use std::{io, iter};

use super::batch::set_option;
use super::clock::Clock;
use super::socket::{Inbox, Path, Report, Socket, Stamping};
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

/// Lets the kernel stamp the datagrams of a socket, which is not connected yet; says what works.
pub(super) fn enable(socket: &Socket, most: Stamping) -> Stamping {
    let fd = socket.as_fd();
    let asked = match most {
        Stamping::Both => ask(fd, BOTH).or_else(|_| ask_to_receive(fd)),
        Stamping::Receive => ask_to_receive(fd),
        Stamping::None => return Stamping::None,
    };
    let works = match asked.ok().and_then(|()| tries(socket)) {
        Some((true, true)) if most == Stamping::Both => Stamping::Both,
        Some((true, _)) => Stamping::Receive,
        _ => Stamping::None,
    };
    match works {
        Stamping::Both => recount(fd),
        // Whatever the socket refuses now it has not been granted.
        Stamping::Receive => drop(ask_to_receive(fd)),
        Stamping::None => drop(ask(fd, 0)),
    }
    works
}

const RECEIVE: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
const SEND: u32 = RECEIVE | libc::SOF_TIMESTAMPING_TX_SOFTWARE | libc::SOF_TIMESTAMPING_OPT_TSONLY;
const BOTH: u32 = SEND | libc::SOF_TIMESTAMPING_OPT_ID;

/// Lets the kernel count what is sent from 0 again.
pub(super) fn recount(socket: BorrowedFd<'_>) {
    // It begins anew when the counting is switched on.
    let _ = ask(socket, SEND).and_then(|()| ask(socket, BOTH));
}

fn ask(socket: BorrowedFd<'_>, flags: u32) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, flags.cast_signed())
}

/// The newer option may be unknown where the older one is not.
fn ask_to_receive(socket: BorrowedFd<'_>) -> io::Result<()> {
    ask(socket, 0)
        .and_then(|()| ask(socket, RECEIVE))
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1))
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
        let reports = iter::from_fn(|| self.socket.read_report(&mut quoted).ok().flatten());
        let sent = reports.take(MOST_REPORTS).fold(None, |last, report| match report {
            Report::Sent { stamp, .. } => stamp,
            Report::Refused(_) | Report::Unsent => last,
        });
        received.map(|stamp| (right(stamp), right(sent)))
    }
}
