//! The reflector of STAMP as a state machine: a test packet comes in, and its reply goes out, or nothing.
//!
//! Whoever forges senders gets no more out of it than goes in: no reply is longer than its request, or there are few such
//! (`base_reply`); the HMAC is checked before anything is remembered; what is remembered has a bound for each address and
//! in all; and what comes from a port of reflectors is not answered, since the reply would be the next request.

mod budget;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use super::codec::Secret;
use super::codec::stamp::{
    self, AUTHENTICATED, ErrorEstimate, Facts, Keys, Layout, OPEN, Previous, SHORTEST, TimeFormat,
};
use super::counters::counters;
use super::sessions::{Id, Sessions};
use super::words::words;
use super::{Invalid, Nanos};
use budget::Budget;

pub use super::sessions::{MOST_OF_SOURCE, MOST_SESSIONS};

words! {
    /// Which sessions are answered.
    Admit {
        /// All.
        Learned = "learned",
        /// Those whose SSID has a key of its own.
        Provisioned = "provisioned",
    }
}

counters! {
    /// What a reflector has done.
    received: u64 = Counter, "packets", "Packets received.";
    reflected: u64 = Counter, "packets", "Packets answered.";
    short: u64 = Counter, "packets", "Packets not answered because the reply would have been longer.";
    unverified: u64 = Counter, "packets", "Packets not answered because their HMAC was wrong or missing.";
    unknown: u64 = Counter, "packets", "Packets not answered because their session was not provisioned.";
    refused: u64 = Counter, "packets", "Packets not answered because there was no room for their session: their address has 1,024 of them.";
    looped: u64 = Counter, "packets", "Packets not answered because they came from a port of reflectors.";
    replayed: u64 = Counter, "packets", "Packets received again, or too late to tell; they are answered, unless such are dropped.";
    errors: u64 = Counter, "packets", "Replies that could not be sent.";
    sessions: u64 = Gauge, "sessions", "Sessions known now.";
    kernel_drops: Option<u64> = Counter, "packets", "Packets that the kernel dropped because the receive buffer was full.";
}

/// How a reflector answers.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct ReflectorPlan {
    /// Whether replies repeat the number of the request, so that no session is remembered.
    pub stateless: bool,
    /// Which sessions are answered.
    pub admit: Admit,
    /// The secrets; with any, only authenticated packets are answered.
    pub keys: Keys,
    /// Whether requests shorter than a base packet are answered with one.
    pub base_reply: bool,
    /// Whether packets received again are not answered.
    pub drop_replayed: bool,
    /// Whether replies tell the addresses and ports of a request (Location TLV).
    pub location: bool,
    /// Whether the kernel is asked when each reply left, so that the next one tells it (Follow-Up TLV).
    pub send_stamps: bool,
    /// The format of timestamps.
    pub format: TimeFormat,
}

impl Default for ReflectorPlan {
    /// Answers everybody, and remembers sessions.
    fn default() -> Self {
        Self {
            stateless: false,
            admit: Admit::Learned,
            keys: Keys::default(),
            base_reply: false,
            drop_replayed: false,
            location: false,
            send_stamps: false,
            format: TimeFormat::Ntp,
        }
    }
}

impl ReflectorPlan {
    /// Refuses what would answer nobody.
    ///
    /// # Errors
    /// Provisioned sessions, and no key that is for one.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.admit == Admit::Provisioned && self.keys.sessions() == 0 {
            let expected =
                "keys with a line for each session: `SSID secret`; without any nobody would be answered";
            return Err(Invalid::new("admit", "\"provisioned\"", expected));
        }
        Ok(())
    }
}

/// A packet as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its payload.
    pub bytes: &'a [u8],
    /// Its sender.
    pub source: SocketAddr,
    /// Where it arrived.
    pub local: SocketAddr,
    /// When it was taken in, by the monotonic clock.
    pub at: Nanos,
    /// T2: when it arrived, nanoseconds since 1970.
    pub received: i64,
    /// Hops left.
    pub ttl: Option<u8>,
    /// Class of service and ECN bits.
    pub tos: Option<u8>,
}

/// The reply to a request, before it has its time.
#[derive(Debug, Clone, Copy)]
pub struct Reflection {
    id: Id,
    ssid: u16,
    seq: u32,
    received: u32,
    previous: Option<Previous>,
    /// The class of service and ECN bits that the reply leaves with: the class asked for, or else that of the request.
    pub tos: Option<u8>,
}

/// A reply that is sent: what the kernel's time stamp of it is for.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    id: Id,
    seq: u32,
}

impl Reflection {
    /// What tells this reply from others.
    pub fn sent(&self) -> Sent {
        Sent { id: self.id, seq: self.seq }
    }
}

/// A reflector.
#[derive(Debug)]
pub struct Reflector {
    plan: ReflectorPlan,
    layout: &'static Layout,
    sessions: Sessions,
    budget: Budget,
    counters: Counters,
}

impl Reflector {
    /// One that knows no session yet.
    #[inline(never)]
    pub fn new(plan: ReflectorPlan) -> Self {
        let layout = if plan.keys.is_empty() { &OPEN } else { &AUTHENTICATED };
        Self {
            plan,
            layout,
            sessions: Sessions::default(),
            budget: Budget::default(),
            counters: Counters::default(),
        }
    }

    /// The format of its timestamps.
    pub fn format(&self) -> TimeFormat {
        self.plan.format
    }

    /// Decides on a request; `None` gets no reply.
    #[inline(never)]
    pub fn admit(&mut self, request: &Request<'_>) -> Option<Reflection> {
        self.counters.received += 1;
        let counter = match self.check(request) {
            Ok(reflection) => {
                self.counters.reflected += 1;
                return Some(reflection);
            }
            Err(Silence::Short) => &mut self.counters.short,
            Err(Silence::Unverified) => &mut self.counters.unverified,
            Err(Silence::Unknown) => &mut self.counters.unknown,
            Err(Silence::Refused) => &mut self.counters.refused,
            Err(Silence::Looped) => &mut self.counters.looped,
            // Counted already, as those that are answered are.
            Err(Silence::Replayed) => return None,
        };
        *counter += 1;
        None
    }

    fn check(&mut self, request: &Request<'_>) -> Result<Reflection, Silence> {
        let Request { bytes, source, local, at, .. } = *request;
        if source.port() == stamp::PORT || source.port() == local.port() {
            return Err(Silence::Looped);
        }
        let ssid = self.layout.ssid(bytes);
        if bytes.len() < self.layout.base {
            // In authenticated mode a short packet has no HMAC.
            let is_asked = self.plan.base_reply && self.plan.keys.is_empty() && bytes.len() >= SHORTEST;
            if !is_asked || !self.budget.spend(source.ip(), at) {
                return Err(Silence::Short);
            }
        }
        if let Some(secret) = self.secret(ssid)?
            && !self.layout.is_authentic(bytes, secret)
        {
            return Err(Silence::Unverified);
        }
        let keys = &self.plan.keys;
        let is_admitted = match self.plan.admit {
            Admit::Learned => keys.may_be_at(ssid, source.ip()),
            Admit::Provisioned => keys.is_provisioned(ssid, source.ip()),
        };
        if !is_admitted {
            return Err(Silence::Unknown);
        }
        let id = Id { source, local: local.ip(), name: ssid.into() };
        let seq = self.layout.seq(bytes);
        let wanted = self.layout.wanted_class(bytes, keys.find(ssid)).map(|class| class << 2);
        let tos = request.tos.map(|tos| wanted.unwrap_or(tos & !3));
        if self.plan.stateless {
            return Ok(Reflection { id, ssid, seq, received: 0, previous: None, tos });
        }
        let session = self.sessions.find(id, at).ok_or(Silence::Refused)?;
        session.received = session.received.wrapping_add(1);
        if session.is_replay(seq, self.layout.raw_timestamp(bytes)) {
            self.counters.replayed += 1;
            if self.plan.drop_replayed {
                return Err(Silence::Replayed);
            }
        }
        let seq = session.next;
        session.next = seq.wrapping_add(1);
        Ok(Reflection { id, ssid, seq, received: session.received, previous: session.previous, tos })
    }

    /// The secret of a session, if packets are to be authentic.
    fn secret(&self, ssid: u16) -> Result<Option<&Secret>, Silence> {
        if self.plan.keys.is_empty() {
            return Ok(None);
        }
        self.plan.keys.find(ssid).map(Some).ok_or(Silence::Unverified)
    }

    /// Appends the reply to a request that was admitted, to be sent at `sent` (T3, nanoseconds since 1970).
    #[inline(never)]
    pub fn write(
        &mut self,
        request: &Request<'_>,
        reflection: &Reflection,
        sent: i64,
        error_estimate: ErrorEstimate,
        out: &mut Vec<u8>,
    ) {
        let Reflection { id, ssid, seq, received, previous, .. } = *reflection;
        let answer =
            stamp::Answer { seq, received: request.received, sent, error_estimate, ttl: request.ttl };
        let facts = Facts {
            source: request.source,
            local: request.local,
            discloses: self.plan.location,
            tos: request.tos,
            synchronised: error_estimate.is_synchronised(),
            received,
            sent: if self.plan.stateless { 0 } else { seq.wrapping_add(1) },
            previous,
            format: error_estimate.format(),
        };
        let secret = self.plan.keys.find(ssid);
        self.layout.write_reply(request.bytes, &answer, secret, &facts, out);
        self.sessions.sent(id, Previous { seq, sent });
    }

    /// The kernel sent a reply at `stamp`, nanoseconds since 1970: the next of its session can tell it.
    pub fn stamped(&mut self, Sent { id, seq }: Sent, stamp: i64) {
        self.sessions.stamped(id, Previous { seq, sent: stamp });
    }

    /// A reply could not be sent.
    pub fn failed(&mut self) {
        self.counters.errors += 1;
        self.counters.reflected = self.counters.reflected.saturating_sub(1);
    }

    /// The counts so far.
    pub fn counters(&self) -> Counters {
        Counters { sessions: self.sessions.len() as u64, ..self.counters }
    }
}

/// Why a request gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    Short,
    Unverified,
    Unknown,
    Refused,
    Looped,
    Replayed,
}
