//! A reflector of STAMP in the place of the server, behind the same link.

use std::net::SocketAddr;

use crate::logic::codec::stamp::{ErrorEstimate, TimeFormat};
use crate::logic::link::{Damage, Match};
use crate::logic::reflector::{Reflector, ReflectorPlan, Request};
use crate::logic::{Moment, Nanos};

/// The reflector, and where it listens.
#[derive(Debug)]
pub(super) struct Mirror {
    reflector: Reflector,
    local: SocketAddr,
}

/// How wrong a clock in virtual time is: by less than can be told.
pub fn exact(format: TimeFormat) -> ErrorEstimate {
    const LEAST: Nanos = 1;
    ErrorEstimate::new(LEAST, true, format)
}

impl Mirror {
    pub(super) fn new(local: SocketAddr, plan: ReflectorPlan) -> Self {
        Self { reflector: Reflector::new(plan), local }
    }

    /// The reply to a packet that arrives at `now`, if it gets one.
    #[inline(never)]
    pub(super) fn reply(&mut self, source: SocketAddr, now: Moment, packet: &[u8]) -> Option<Vec<u8>> {
        let Self { reflector, local } = self;
        let Moment { mono, wall } = now;
        let request = Request {
            bytes: packet,
            source,
            local: *local,
            at: mono,
            received: wall,
            ttl: None,
            tos: Some(0),
        };
        let reflection = reflector.admit(&request)?;
        let mut out = Vec::new();
        reflector.write(&request, &reflection, wall, exact(reflector.format()), &mut out);
        Some(out)
    }

    /// The length of the reply to a packet to which that happened on its way, and whether it fits, whatever the number of
    /// the reply will be.
    pub(super) fn measure(
        &self,
        source: SocketAddr,
        now: Moment,
        packet: &[u8],
        damage: Damage,
        wanted: Option<&Match>,
    ) -> (usize, bool) {
        let Some(wanted) = wanted else { return (damage.length(packet.len()), true) };
        let mut arrived = packet.to_vec();
        damage.apply(&mut arrived, 0);
        let other = ReflectorPlan { stateless: true, ..ReflectorPlan::default() };
        let reply = Self::new(self.local, other).reply(source, now, &arrived).unwrap_or_default();
        (reply.len(), wanted.fits(&reply))
    }
}
