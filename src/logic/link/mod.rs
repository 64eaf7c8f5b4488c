//! What a network does to datagrams: it drops some and delays others.
//!
//! A [`Link`] has impairments for each [`Direction`]. It is asked once for each datagram, with its direction, client,
//! length and time, and answers with a list of deliveries.

mod clients;
mod delay;
mod fate;
mod impair;
mod loss;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

pub use delay::Delay;
pub(in crate::logic) use delay::exponential;
pub use fate::{Deliveries, Delivery, Fate, Packet, Reason};
pub use impair::Impairments;
pub use loss::{Burst, GilbertElliott, Loss, Marks, Numbers, RandInt};
pub use queue::DelayQueue;

use self::clients::Clients;
use self::fate::Transmission;
use self::impair::{Pipeline, Stream};
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
    streams: &'a mut [Stream; 2],
    lost_in_a_row: &'a mut u64,
}

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
        Client { seed, uniforms, pipelines, index, drawn, streams, lost_in_a_row }
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

impl Client<'_> {
    /// Sends the client's next datagram in one direction.
    pub fn transmit(&mut self, direction: Direction, packet: Packet) -> Deliveries {
        let stream = &mut self.streams[direction as usize];
        stream.sent += 1;
        let number = stream.sent;
        self.pass(direction, number, packet)
    }

    /// Sends the client's next request up, and a reply of the same length down for each copy that arrives. A reply has
    /// the number of its request, so a lost request moves no draw of later replies.
    pub fn round_trip(&mut self, request: Packet) -> Fate {
        let mut deliveries = self.transmit(Direction::Up, request);
        let number = self.streams[Direction::Up as usize].sent;
        if !self.pipelines[Direction::Down as usize].is_none() {
            let arrivals = deliveries;
            deliveries = Deliveries::dropped(arrivals.reason());
            for arrival in &*arrivals {
                let reply = Packet { at: arrival.at, ..request };
                deliveries.extend(&self.pass(Direction::Down, number, reply));
            }
        }
        let lost_before = *self.lost_in_a_row;
        *self.lost_in_a_row = if deliveries.is_empty() { lost_before + 1 } else { 0 };
        Fate { client: self.index, number, deliveries, lost_before }
    }

    fn pass(&mut self, direction: Direction, number: u64, packet: Packet) -> Deliveries {
        let Self { seed, uniforms, drawn: client, .. } = *self;
        let sent = Transmission { seed, uniforms, direction, client, number, packet };
        let way = direction as usize;
        self.pipelines[way].transmit(&sent, &mut self.streams[way])
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
