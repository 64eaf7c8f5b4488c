//! Pings in virtual time: a [`Pinger`] and whatever answers it, with nobody waiting.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddr};

use super::EPOCH;
use crate::logic::Nanos;
use crate::logic::echo::{Echo, Verdict};
use crate::logic::ping::{Action, Arrival, Pinger};

/// The far end of a simulated path.
pub trait Peer {
    /// A datagram is sent at `now`; `answer` takes what comes back: when, from whom, and what.
    fn receive(&mut self, now: Nanos, datagram: &[u8], answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>));
}

/// The lossy server as the far end: loss and delay are the whole path.
#[derive(Debug)]
pub struct EchoPeer {
    echo: Echo,
    address: SocketAddr,
    reply: Vec<u8>,
}

impl EchoPeer {
    /// A server that answers from `address`.
    #[must_use]
    pub fn new(echo: Echo, address: SocketAddr) -> Self {
        Self { echo, address, reply: Vec::new() }
    }

    /// The server, for its counters.
    #[must_use]
    pub fn echo(&self) -> &Echo {
        &self.echo
    }
}

/// The only client of a simulated server.
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

impl Peer for EchoPeer {
    fn receive(&mut self, now: Nanos, datagram: &[u8], answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        let decision = self.echo.decide(CLIENT, EPOCH + now, datagram, &mut self.reply);
        if let Verdict::Answer { delay } = decision.verdict {
            answer(now + delay, self.address, self.reply.clone());
            self.echo.answered();
        }
    }
}

/// Runs `pinger` against `peer` until it is done, or up to `until`; gives back the virtual time it took.
///
/// Answers that come at the same moment arrive in the order in which they were sent.
pub fn run(pinger: &mut Pinger, peer: &mut impl Peer, until: Nanos) -> Nanos {
    let mut now = 0;
    let mut order = 0_u64;
    let mut on_the_way = BinaryHeap::new();
    let mut message = Vec::new();
    let ignore = &mut |_| ();
    while now < until {
        match pinger.poll(now, ignore) {
            Action::Send(seq) => {
                message.clear();
                pinger.write(seq, EPOCH + now, &mut message);
                pinger.sent(now, EPOCH + now);
                peer.receive(now, &message, &mut |at, source, bytes| {
                    on_the_way.push(Reverse((at, order, source, bytes)));
                    order += 1;
                });
            }
            Action::Wait(deadline) => match on_the_way.peek() {
                Some(Reverse((at, ..))) if *at <= deadline => {
                    now = now.max(*at);
                    if let Some(Reverse((_, _, source, bytes))) = on_the_way.pop() {
                        pinger.receive(Arrival { at: now, source, bytes: &bytes, ttl: None }, ignore);
                    }
                }
                _ => now = deadline,
            },
            Action::Done => break,
        }
    }
    now
}
