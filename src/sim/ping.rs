//! Pings in virtual time: a [`Pinger`] and a far end that replies.

use std::net::{Ipv4Addr, SocketAddr};

use super::EPOCH;
use crate::logic::echo::{Arriving, Echo, Held};
use crate::logic::link::DelayQueue;
use crate::logic::memory::{NoMemory, room_for};
use crate::logic::ping::{Action, Pinger, Verdict};
use crate::logic::{Arrival, Moment, Nanos};

/// The far end of a simulated path.
pub trait Peer {
    /// Receives a datagram sent at `now`; calls `answer` with the time of arrival, source and bytes of each reply.
    fn receive(&mut self, now: Nanos, datagram: &[u8], answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>));

    /// When it has something to do.
    fn next_due(&self) -> Option<Nanos> {
        None
    }

    /// Does what is due by `now`; calls `answer` as [`Peer::receive`] does.
    fn wake(&mut self, now: Nanos, answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        let _ = (now, answer);
    }
}

/// The lossy server as the far end; its link is the whole path.
#[derive(Debug)]
pub struct EchoPeer {
    echo: Echo,
    address: SocketAddr,
    reply: Vec<u8>,
    arriving: Arriving<Held>,
}

impl EchoPeer {
    /// A server that answers from `address`.
    pub fn new(echo: Echo, address: SocketAddr) -> Self {
        Self { echo, address, reply: Vec::new(), arriving: Arriving::new() }
    }
}

/// The only client of a simulated server.
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

impl Peer for EchoPeer {
    fn receive(&mut self, now: Nanos, datagram: &[u8], answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        let moment = Moment { mono: now, wall: EPOCH + now };
        let fate = self.echo.decide(CLIENT, moment, datagram, &mut self.reply);
        if fate.way_down.is_some() {
            return self.echo.hold(&mut self.arriving, CLIENT, moment, datagram, &fate);
        }
        for delivery in &*fate.deliveries {
            answer(delivery.at, self.address, self.reply.clone());
            self.echo.answered();
        }
    }

    fn next_due(&self) -> Option<Nanos> {
        self.arriving.next_due()
    }

    fn wake(&mut self, now: Nanos, answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        let moment = Moment { mono: now, wall: EPOCH + now };
        while let Some((deliveries, held)) = self.echo.settle(&mut self.arriving, now) {
            let Some(reply) = self.echo.release(CLIENT, held, moment) else { continue };
            for delivery in &*deliveries {
                answer(delivery.at, self.address, reply.clone());
                self.echo.answered();
            }
        }
    }
}

/// A run in progress: the pinger, the virtual clock and the replies on their way.
#[derive(Debug)]
pub struct Run {
    pinger: Pinger,
    now: Nanos,
    /// Replies by arrival, with their source.
    in_flight: DelayQueue<(SocketAddr, Vec<u8>)>,
    message: Vec<u8>,
    verdicts: Vec<Verdict>,
}

impl Run {
    /// A run at time 0.
    pub fn new(pinger: Pinger) -> Self {
        Self { pinger, now: 0, in_flight: DelayQueue::new(), message: Vec::new(), verdicts: Vec::new() }
    }

    /// Whether there is memory for some thousand steps more.
    ///
    /// # Errors
    /// There is not.
    pub fn room(&self) -> Result<(), NoMemory> {
        self.pinger.room()?;
        room_for(self.in_flight.bytes_to_grow())
    }

    /// The virtual time.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// When the target was up or down, by the detector of the plan.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The pinger, for its rows and its summary.
    pub fn pinger(&self) -> &Pinger {
        &self.pinger
    }

    /// Advances by `steps` (a send, an arrival or a wait each) or to the end; returns whether that is reached.
    pub fn advance(&mut self, peer: &mut impl Peer, steps: u64) -> bool {
        let Self { pinger, now, in_flight, message, verdicts } = self;
        let ignore = &mut |_| ();
        for _ in 0..steps {
            match pinger.poll(*now, ignore) {
                Action::Send(seq) => {
                    message.clear();
                    pinger.write(seq, EPOCH + *now, message);
                    pinger.sent(*now, EPOCH + *now);
                    peer.receive(*now, message, &mut |at, source, bytes| {
                        in_flight.push(at, (source, bytes));
                    });
                }
                Action::Wait(deadline) => match (peer.next_due(), in_flight.next_due()) {
                    (Some(due), next) if due <= deadline && next.is_none_or(|next| due <= next) => {
                        *now = due.max(*now);
                        peer.wake(*now, &mut |at, source, bytes| in_flight.push(at, (source, bytes)));
                    }
                    (_, Some(due)) if due <= deadline => {
                        *now = due.max(*now);
                        if let Some((source, bytes)) = in_flight.pop_due(due) {
                            let at = Moment { mono: *now, wall: EPOCH + *now };
                            let arrival = Arrival { at, ..Arrival::default() };
                            pinger.receive(source, &bytes, &arrival, ignore);
                        }
                    }
                    _ => *now = deadline,
                },
                Action::Done => return true,
            }
            verdicts.extend(pinger.take_verdict());
        }
        false
    }
}
