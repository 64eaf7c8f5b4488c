//! What the monitor can find out about its own connection: routes, interfaces, and a witness that it pings.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::logic::monitor::{Cause, TICK, Witness};
use crate::logic::{Moment, Nanos, SECOND};
use crate::net::sys::down_interfaces;

/// The time between two probes, and while a client is silent.
const CALM: Nanos = 5 * SECOND;
const ANXIOUS: Nanos = SECOND / 2;
/// An answer may take so long.
const TIMEOUT: Nanos = SECOND;
/// A witness is silent when so many probes in a row have no answer, the first of them for so long.
const PROBES: usize = 4;
const SILENCE: Nanos = 2 * SECOND;

/// What is known of the ways to clients is asked anew after this time.
const FRESH: Nanos = TICK;
/// Addresses that are looked at in that time; others have no excuse.
const ADDRESSES: usize = 1_024;

/// The ways to clients: asking the system for each of very many takes too long.
#[derive(Debug, Default)]
pub(super) struct Paths {
    asked: Option<Nanos>,
    down: Vec<(IpAddr, String)>,
    causes: HashMap<IpAddr, Option<Cause>>,
}

impl Paths {
    /// Tells whether nothing can come from this address: no route leads there, or only by an interface that is down.
    pub(super) fn cause(&mut self, now: Nanos, client: SocketAddr) -> Option<Cause> {
        if self.asked.is_none_or(|asked| now - asked > FRESH) {
            (self.asked, self.down) = (Some(now), down_interfaces());
            self.causes.clear();
        }
        if let Some(known) = self.causes.get(&client.ip()) {
            return known.clone();
        }
        if self.causes.len() == ADDRESSES {
            return None;
        }
        let cause = match connected(client).and_then(|socket| socket.local_addr()) {
            Ok(local) => {
                let down = self.down.iter().find(|(address, _)| *address == local.ip());
                down.map(|(_, name)| Cause::InterfaceDown(name.as_str().into()))
            }
            Err(error) => is_cut_off(&error).then(|| Cause::NoRoute(client.ip())),
        };
        self.causes.insert(client.ip(), cause.clone());
        cause
    }
}

fn is_cut_off(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown
    )
}

/// A socket of its own, as a second `connect` would keep the local address of the first. It sends nothing.
fn connected(to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match to {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
    };
    socket.connect(to)?;
    Ok(socket)
}

/// Pings a host that is no client: what answers shows that the monitor can hear.
#[derive(Debug)]
pub(super) struct Prober {
    name: Box<str>,
    address: SocketAddr,
    socket: Option<UdpSocket>,
    sent: u64,
    last: Option<Nanos>,
    /// When the probes were sent that have no answer yet.
    waiting: VecDeque<Nanos>,
    answered: Nanos,
    /// Since when all were answered; `None` before the first.
    unbroken_since: Option<Nanos>,
}

impl Prober {
    pub(super) fn new(name: String, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            socket: None,
            sent: 0,
            last: None,
            waiting: VecDeque::new(),
            answered: Nanos::MIN,
            unbroken_since: None,
        }
    }

    /// Takes answers, and sends a probe that is due.
    pub(super) fn probe(&mut self, now: Moment, anxious: bool) -> Witness {
        self.take_answers();
        if self.waiting.front().is_some_and(|sent| now.mono - sent > TIMEOUT) {
            self.unbroken_since = None;
        }
        let pause = if anxious { ANXIOUS } else { CALM };
        if self.last.is_none_or(|last| now.mono - last >= pause) {
            self.last = Some(now.mono);
            self.send(now);
        }
        let silent = self.waiting.len() >= PROBES;
        Witness {
            name: self.name.clone(),
            unbroken_since: self.unbroken_since.unwrap_or(Nanos::MAX),
            answered: self.answered,
            silent_since: self.waiting.front().copied().filter(|sent| silent && now.mono - sent > SILENCE),
        }
    }

    fn send(&mut self, now: Moment) {
        self.sent += 1;
        if self.waiting.len() == PROBES {
            // The first says since when the witness is silent.
            self.waiting.pop_back();
        }
        self.waiting.push_back(now.mono);
        if self.socket.is_none() {
            self.socket = connected(self.address)
                .and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                })
                .ok();
        }
        let line = format!("Ping {} {}.{:09}", self.sent, now.wall / SECOND, now.wall % SECOND);
        let sent = self.socket.as_ref().map(|socket| socket.send(line.as_bytes()));
        if sent.is_some_and(|sent| sent.is_err_and(|error| is_cut_off(&error))) {
            // The next one may find another way.
            self.socket = None;
        }
    }

    /// Whatever comes from the witness is an answer, also that nothing listens there.
    fn take_answers(&mut self) {
        let mut bytes = [0; 1];
        while let Some(got) = self.socket.as_ref().map(|socket| socket.recv(&mut bytes)) {
            match got {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() != ErrorKind::ConnectionRefused => return,
                _ => self.answer(),
            }
        }
    }

    fn answer(&mut self) {
        // Which probe it answers is not known: the first one at least was heard.
        if let Some(sent) = self.waiting.front().copied() {
            self.answered = sent;
            self.unbroken_since.get_or_insert(sent);
            self.waiting.clear();
        }
    }
}
