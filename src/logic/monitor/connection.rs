//! The monitor's own connection. No client is down while the monitor can show that it could not hear it.

use std::net::SocketAddr;

use super::event::Cause;
use super::peer::Peer;
use crate::logic::{Moment, Nanos, SECOND};

/// How often the connection to a client that is unknown is looked at again.
pub(super) const AGAIN: Nanos = SECOND;
/// The connection is back when nothing was wrong for so long.
const BACK: Nanos = 2 * SECOND;

/// Tells why nothing can come from an address, if that can be shown.
pub type Path<'a> = &'a mut dyn FnMut(SocketAddr) -> Option<Cause>;

/// What the answers of a witness show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name.
    pub name: Box<str>,
    /// When the first of the latest probes was sent that were all answered.
    pub unbroken_since: Nanos,
    /// When the latest probe was sent that was answered.
    pub answered: Nanos,
    /// When the first of several probes was sent, if none of them is answered.
    pub silent_since: Option<Nanos>,
}

#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) witness: Option<Witness>,
    /// Since when it is gone, and when that was seen last.
    gone: Option<(Moment, Nanos)>,
}

impl Connection {
    pub(super) fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    /// Why this client cannot be heard. `heard` is when any client was heard last.
    pub(super) fn cause(&self, peer: &Peer, heard: Nanos, path: Path<'_>) -> Option<Cause> {
        let silent =
            self.witness.as_ref().filter(|witness| witness.silent_since.is_some_and(|since| heard < since));
        let witness = silent.map(|witness| Cause::NoWitness(witness.name.clone()));
        witness.or_else(|| peer.routed.then(|| path(peer.source)).flatten())
    }

    /// Notes that it is gone; returns whether that is new.
    pub(super) fn lose(&mut self, now: Moment) -> bool {
        let since = self.gone.map(|(since, _)| since);
        self.gone = Some((since.unwrap_or(now), now.mono));
        since.is_none()
    }

    /// Since when it was gone, if it is back.
    pub(super) fn regain(&mut self, now: Moment) -> Option<Moment> {
        self.gone.take_if(|(_, seen)| now.mono.saturating_sub(*seen) > BACK).map(|(since, _)| since)
    }

    /// Whether the witness answered all the time since this client was heard, so that its silence is its own.
    pub(super) fn is_shown(&self, peer: &Peer, late: Nanos) -> bool {
        self.witness
            .as_ref()
            .is_some_and(|witness| witness.unbroken_since <= peer.last.mono && witness.answered >= late)
    }
}
