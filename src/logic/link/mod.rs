//! What a network does to a datagram: some are lost, some come later.
//!
//! A [`Link`] meets one datagram after the other and tells each its fate. Loss happens on the way up (the
//! request is lost), delay on the way down (the reply is late), and neither ever changes the other.

mod clients;
mod delay;
mod loss;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

pub use clients::{Clients, MOST_CLIENTS};
pub use delay::Delay;
pub(in crate::logic) use delay::exponential;
pub use loss::{Burst, GilbertElliott, Loss, Marks, Numbers, RandInt};
pub use queue::DelayQueue;

use self::loss::Rule;
use super::random::{Direction, Effect, Mt19937, Seed, Uniforms};
use super::{Invalid, Nanos};

/// What a link is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPlan {
    /// Which datagrams are lost, on the way up.
    pub loss: Loss,
    /// How long the others take, on the way down.
    pub delay: Delay,
    /// What a run can be repeated from.
    pub seed: Seed,
    /// Whether each client has a stream of its own; `None` is [`Scope::Shared`] for `randint`, as the servers
    /// have it that draw so, and [`Scope::Client`] for everything else.
    pub scope: Option<Scope>,
}

impl LinkPlan {
    /// The scope in force.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope.unwrap_or(match self.loss {
            Loss::RandInt(_) => Scope::Shared,
            _ => Scope::Client,
        })
    }
}

/// Whose datagrams are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Each client's: what happens to it does not depend on who else is there.
    Client,
    /// All clients': one stream.
    Shared,
}

/// What happens to one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// The client's index, in order of first appearance.
    pub client: u32,
    /// The datagram's number in its stream, from 1.
    pub number: u64,
    /// Whether it is lost.
    pub lost: bool,
    /// How long its reply is held back; 0 for a lost one.
    pub delay: Nanos,
    /// How many datagrams of this client were lost since the last that was not.
    pub lost_before: u64,
}

/// A network path that loses and delays as planned.
#[derive(Debug)]
pub struct Link {
    plan: LinkPlan,
    rule: Rule,
    uniforms: Uniforms,
    scope: Scope,
    clients: Clients<Known>,
    shared: Stream,
}

/// One client of a link, looked up.
#[derive(Debug)]
pub struct Client<'a> {
    plan: &'a LinkPlan,
    rule: &'a Rule,
    uniforms: &'a Uniforms,
    /// The client's index.
    number: u32,
    /// Whose uniforms its stream has.
    index: u32,
    stream: &'a mut Stream,
    lost_in_a_row: &'a mut u64,
}

/// What is kept for each client.
#[derive(Debug, Default)]
struct Known {
    stream: Stream,
    lost_in_a_row: u64,
}

/// What is kept for those whose datagrams are counted together.
#[derive(Debug, Default)]
struct Stream {
    met: u64,
    /// The state of a channel with memory.
    bad: bool,
    /// Made when `randint` is first asked for; 2.5 KB.
    generator: Option<Box<Mt19937>>,
}

impl Link {
    /// A link that has met nobody yet.
    #[must_use]
    pub fn new(plan: LinkPlan) -> Self {
        Self {
            rule: plan.loss.rule(),
            uniforms: Uniforms::new(plan.seed.key()),
            scope: plan.scope(),
            clients: Clients::new(),
            shared: Stream::default(),
            plan,
        }
    }

    /// Tells the next datagram from `source` its fate. Call it once for each datagram that arrives, whatever
    /// is in it; allocates only for a client not known.
    pub fn meet(&mut self, source: SocketAddr) -> Fate {
        self.client(source).meet()
    }

    /// Looks a client up, for several of its datagrams in a row.
    pub fn client(&mut self, source: SocketAddr) -> Client<'_> {
        let (number, Known { stream, lost_in_a_row }) = self.clients.meet(source);
        // A shared stream has the uniforms of client 0, whoever sends.
        let (stream, index) = match self.scope {
            Scope::Client => (stream, number),
            Scope::Shared => (&mut self.shared, 0),
        };
        Client {
            plan: &self.plan,
            rule: &self.rule,
            uniforms: &self.uniforms,
            number,
            index,
            stream,
            lost_in_a_row,
        }
    }

    /// What was planned.
    #[must_use]
    pub fn plan(&self) -> &LinkPlan {
        &self.plan
    }

    /// Clients met so far, those that returned after they were forgotten counted again.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.clients.seen()
    }
}

impl Client<'_> {
    /// Tells the client's next datagram its fate.
    pub fn meet(&mut self) -> Fate {
        let (stream, index) = (&mut *self.stream, self.index);
        let packet = stream.met;
        stream.met += 1;
        let number = stream.met;
        let lost = self.rule.loses(
            number,
            |effect| self.uniforms.draw(Direction::Up, index, effect, packet),
            &mut stream.bad,
            || stream.generator.get_or_insert_with(|| Box::new(Mt19937::new(self.plan.seed.words()))),
        );
        let delay = if lost || self.plan.delay.is_none() {
            0
        } else {
            self.plan.delay.at(self.uniforms.draw(Direction::Down, index, Effect::Delay, packet))
        };
        let lost_before = *self.lost_in_a_row;
        *self.lost_in_a_row = if lost { lost_before + 1 } else { 0 };
        Fate { client: self.number, number, lost, delay, lost_before }
    }
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.trim() {
            "client" => Ok(Self::Client),
            "shared" => Ok(Self::Shared),
            _ => Err(Invalid::new(
                "scope",
                format!("{text:?}"),
                "client (each client has a stream of its own) or shared (one stream for all)",
            )),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Shared => "shared",
        })
    }
}
