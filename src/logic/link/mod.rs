//! What a network does to datagrams: it drops, delays, reorders, duplicates and damages them.
//!
//! A [`Link`] has impairments for each [`Direction`]. It is asked once for each datagram, with its direction, client,
//! length and time, and answers with a list of deliveries.

mod chance;
mod clients;
mod copula;
mod damage;
mod delay;
mod duplicate;
mod fate;
mod impair;
mod jitter;
mod loss;
mod packet;
mod queue;
mod rate;
mod reorder;
mod schedule;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

pub use damage::{Corrupt, Damage, Truncate};
pub use delay::Delay;
pub(in crate::logic) use delay::exponential;
pub use duplicate::Duplicate;
pub use fate::{Deliveries, Delivery, Fate, Reason};
pub use impair::Impairments;
pub use jitter::Jitter;
pub use loss::{Burst, GilbertElliott, Loss, Marks, Numbers, RandInt};
pub use packet::Packet;
pub use queue::DelayQueue;
pub use rate::{Queue, Rate};
pub use reorder::Reorder;
pub use schedule::Schedule;

use self::clients::Clients;
use self::fate::MOST_DELIVERIES;
use self::impair::{Pipeline, Stream};
use self::packet::Transmission;
use super::Invalid;
use super::random::{Direction, Seed, Uniforms};

/// What a link does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPlan {
    /// From clients to the server.
    pub up: Impairments,
    /// From the server to clients.
    pub down: Impairments,
    /// With the same seed, a run repeats.
    pub seed: Seed,
    /// Whose datagrams are counted together; `None` is [`Scope::Shared`] for `randint`, as the servers have it that
    /// draw so, and [`Scope::Client`] for everything else.
    pub scope: Option<Scope>,
}

impl LinkPlan {
    /// A link that loses requests and delays replies.
    pub fn new(loss: Loss, delay: Delay, seed: Seed) -> Self {
        let up = Impairments { loss, ..Impairments::default() };
        let down = Impairments { delay, ..Impairments::default() };
        Self { up, down, seed, scope: None }
    }

    /// A link of two directions, `loss` being of the first and `delay` of the second.
    ///
    /// # Errors
    /// A direction has another loss or delay, or a datagram can have more copies than are delivered.
    pub fn between(
        up: Impairments,
        down: Impairments,
        loss: Loss,
        delay: Delay,
        seed: Seed,
    ) -> Result<Self, Invalid> {
        let mut plan = Self { up, down, seed, scope: None };
        if loss != Loss::NONE {
            if plan.up.loss != Loss::NONE {
                return Err(Invalid::new("loss", loss, "0 beside an up that has a loss: they are the same"));
            }
            plan.up.loss = loss;
        }
        if delay != Delay::NONE {
            if plan.down.delay != Delay::NONE {
                return Err(Invalid::new(
                    "delay",
                    delay,
                    "0 beside a down that has a delay: they are the same",
                ));
            }
            plan.down.delay = delay;
        }
        let most = plan.most_replies();
        if most > MOST_DELIVERIES {
            let expected =
                "at most 8 replies to one request: 1 and the copies up, times 1 and the copies down";
            return Err(Invalid::new("duplicate", format!("for {most} replies"), expected));
        }
        Ok(plan)
    }

    /// The most replies to one request.
    pub fn most_replies(&self) -> usize {
        self.up.most_copies() * self.down.most_copies()
    }

    /// The scope in force.
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(match (&self.up.loss, &self.down.loss) {
            (Loss::RandInt(_), _) | (_, Loss::RandInt(_)) => Scope::Shared,
            _ => Scope::Client,
        })
    }
}

/// Whose datagrams are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Each client's: what happens to it does not depend on who else is there.
    Client,
    /// Each client's, and all have the losses and delays of the first.
    Same,
    /// All clients': one stream.
    Shared,
}

/// A network path that does what is planned.
#[derive(Debug)]
pub struct Link {
    seed: Seed,
    uniforms: Uniforms,
    scope: Scope,
    /// By direction, as all pairs here.
    pipelines: [Pipeline; 2],
    clients: Clients<ClientState>,
    shared: [Stream; 2],
}

/// One client of a link, looked up.
#[derive(Debug)]
pub struct Client<'a> {
    seed: &'a Seed,
    uniforms: &'a Uniforms,
    pipelines: &'a [Pipeline; 2],
    /// The client's index.
    index: u32,
    /// The client whose uniforms are drawn.
    drawn: u32,
    /// Bytes in front of a payload.
    headers: usize,
    streams: &'a mut [Stream; 2],
    lost_in_a_row: &'a mut u64,
}

/// Bytes of the headers of IP and UDP.
const HEADERS_V4: usize = 20 + 8;
const HEADERS_V6: usize = 40 + 8;

/// What is kept for each client.
#[derive(Debug, Default)]
struct ClientState {
    streams: [Stream; 2],
    lost_in_a_row: u64,
}

impl Link {
    /// A link without clients.
    pub fn new(plan: LinkPlan) -> Self {
        Self {
            uniforms: Uniforms::new(plan.seed.key()),
            scope: plan.scope(),
            pipelines: [Pipeline::new(&plan.up), Pipeline::new(&plan.down)],
            clients: Clients::new(),
            shared: Default::default(),
            seed: plan.seed,
        }
    }

    /// Looks a client up, for several of its datagrams in a row; allocates only for a new one.
    pub fn client(&mut self, client: SocketAddr) -> Client<'_> {
        let (index, ClientState { streams, lost_in_a_row }) = self.clients.entry(client);
        let (streams, drawn) = match self.scope {
            Scope::Client => (streams, index),
            Scope::Same => (streams, 0),
            Scope::Shared => (&mut self.shared, 0),
        };
        let Self { seed, uniforms, pipelines, .. } = self;
        let headers = if client.ip().to_canonical().is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
        Client { seed, uniforms, pipelines, index, drawn, headers, streams, lost_in_a_row }
    }

    /// Sends a client's next datagram in one direction.
    pub fn transmit(&mut self, direction: Direction, client: SocketAddr, packet: Packet) -> Deliveries {
        self.client(client).transmit(direction, packet)
    }

    /// Sends a client's next request up and its reply down; see [`Client::round_trip`].
    pub fn round_trip(&mut self, client: SocketAddr, request: Packet) -> Fate {
        self.client(client).round_trip(request)
    }

    /// Clients seen so far; one that returned after it was removed counts again.
    pub fn clients(&self) -> u64 {
        self.clients.seen()
    }
}

impl<'a> Client<'a> {
    /// Sends the client's next datagram in one direction.
    pub fn transmit(&mut self, direction: Direction, packet: Packet) -> Deliveries {
        self.carry(direction, packet).0
    }

    /// The same, with what happens to its bytes.
    pub fn carry(&mut self, direction: Direction, packet: Packet) -> (Deliveries, Damage) {
        let number = self.next(direction);
        self.pass(direction, number, &Deliveries::one(packet.at), packet.len)
    }

    /// Sends the client's next request up, and a reply of the length of what arrives down for each copy of it.
    pub fn round_trip(&mut self, request: Packet) -> Fate {
        self.round_trip_with(request, |damage, _| damage.length(request.len))
    }

    /// Sends the client's next request up, and a reply down for each copy that arrives. A reply has the number of its
    /// request, and the loss of the way down is decided for lost requests too, so what the way up does moves no draw of
    /// later replies. `reply_len` gives its length from what happened to the request and how many before it were lost; it
    /// is asked only if that decides anything.
    pub fn round_trip_with(&mut self, request: Packet, reply_len: impl FnOnce(Damage, u64) -> usize) -> Fate {
        let number = self.next(Direction::Up);
        let (mut deliveries, up) =
            self.pass(Direction::Up, number, &Deliveries::one(request.at), request.len);
        let (lost_before, mut down) = (*self.lost_in_a_row, Damage::NONE);
        let way_down = &self.pipelines[Direction::Down as usize];
        if deliveries.is_empty() {
            way_down.pass_over(
                &self.transmission(Direction::Down, number, request),
                &mut self.streams[Direction::Down as usize],
            );
        } else if !way_down.is_none() {
            let len = if way_down.asks_for_length() { reply_len(up, lost_before) } else { request.len };
            (deliveries, down) = self.pass(Direction::Down, number, &deliveries, len);
        }
        *self.lost_in_a_row = if deliveries.is_empty() { lost_before + 1 } else { 0 };
        Fate { client: self.index, number, deliveries, up, down, lost_before }
    }

    /// The number of the next packet.
    fn next(&mut self, direction: Direction) -> u64 {
        let stream = &mut self.streams[direction as usize];
        stream.sent += 1;
        stream.sent
    }

    fn transmission(&self, direction: Direction, number: u64, packet: Packet) -> Transmission<'a> {
        let Self { seed, uniforms, drawn: client, headers, .. } = *self;
        Transmission { seed, uniforms, direction, client, number, headers, packet }
    }

    /// Sends a packet once or several times; returns what arrives when, and what happened to its bytes.
    fn pass(
        &mut self,
        direction: Direction,
        number: u64,
        times: &Deliveries,
        len: usize,
    ) -> (Deliveries, Damage) {
        let at = times.first().map_or(0, |first| first.at);
        let mut sent = self.transmission(direction, number, Packet { at, len });
        let (pipeline, stream) = (&self.pipelines[direction as usize], &mut self.streams[direction as usize]);
        let passes = match pipeline.admit(&sent, stream) {
            Ok(passes) => passes,
            Err(reason) => return (Deliveries::dropped(reason), Damage::NONE),
        };
        let (mut deliveries, mut copy) = (Deliveries::dropped(Reason::None), 0);
        for time in &**times {
            sent.packet.at = time.at;
            for _ in 0..=passes.copies {
                deliveries.add(pipeline.arrival(&sent, passes, copy, stream));
                copy += 1;
            }
        }
        (deliveries, passes.damage)
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.trim() {
            "client" => Ok(Self::Client),
            "same" => Ok(Self::Same),
            "shared" => Ok(Self::Shared),
            _ => Err(Invalid::new(
                "scope",
                format!("{text:?}"),
                "client (each client has losses and delays of its own), same (every client has the same ones) \
                 or shared (one sequence for the datagrams of all clients)",
            )),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Same => "same",
            Self::Shared => "shared",
        })
    }
}
