//! The server's decisions: a datagram comes in, and a reply goes out at once, later or not at all.
//!
//! Nothing that a datagram holds can stop the machine, and nothing in it decides whether it is answered: only
//! the [`Link`] does. The driver brings datagrams, sends what [`Echo::decide`] wrote, keeps late replies in
//! [`Held`] and tells the machine how each send went.

mod held;
mod log;
mod reply;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use held::{Held, MOST_HELD, MOST_HELD_BYTES};
pub use log::{Columns, Log, Note, Outcome, Reason, Row};
pub use reply::Reply;

use super::Nanos;
use super::link::{Fate, Link, LinkPlan};

/// What a server is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoPlan {
    /// What happens to the datagrams.
    pub link: LinkPlan,
    /// What is sent back.
    pub reply: Reply,
}

/// The server, without its sockets.
#[derive(Debug)]
pub struct Echo {
    link: Link,
    reply: Reply,
    counters: Counters,
}

/// What becomes of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the link did to it.
    pub fate: Fate,
    /// What the driver has to do.
    pub verdict: Verdict,
}

/// What the driver has to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send the reply, after this time (0: at once).
    Answer {
        /// Counted from the arrival of the datagram.
        delay: Nanos,
    },
    /// Send nothing.
    Drop,
}

/// What a server has done so far. Once every reply is sent, `received` is the sum of `answered`, `dropped`
/// and `errors`; before that, the difference is waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that arrived.
    pub received: u64,
    /// Replies that were sent.
    pub answered: u64,
    /// Datagrams without a reply on purpose, and those whose delayed reply found no room.
    pub dropped: u64,
    /// Of those to be answered, how many were to be answered later.
    pub delayed: u64,
    /// Replies that could not be sent.
    pub errors: u64,
}

impl Echo {
    /// A server that has met nobody yet.
    #[must_use]
    pub fn new(plan: EchoPlan) -> Self {
        Self { link: Link::new(plan.link), reply: plan.reply, counters: Counters::default() }
    }

    /// Decides on one datagram that arrived at `wall_ns` (since 1970), and leaves the reply in `out`, which
    /// is empty if there is none.
    ///
    /// `upper` and `same` allocate nothing once `out` has room and the client is known.
    pub fn decide(
        &mut self,
        source: SocketAddr,
        wall_ns: i64,
        datagram: &[u8],
        out: &mut Vec<u8>,
    ) -> Decision {
        out.clear();
        self.counters.received += 1;
        let fate = self.link.meet(source);
        if fate.lost {
            self.counters.dropped += 1;
            return Decision { fate, verdict: Verdict::Drop };
        }
        self.counters.delayed += u64::from(fate.delay > 0);
        self.reply.write(datagram, wall_ns, fate.lost_before, out);
        Decision { fate, verdict: Verdict::Answer { delay: fate.delay } }
    }

    /// A reply was sent.
    pub fn answered(&mut self) {
        self.counters.answered += 1;
    }

    /// A reply could not be sent.
    pub fn failed(&mut self) {
        self.counters.errors += 1;
    }

    /// What has been done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Clients met so far, those that returned after they were forgotten counted again.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.link.clients()
    }
}
