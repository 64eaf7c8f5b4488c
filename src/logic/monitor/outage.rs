//! Outages: many clients fall silent together. One event names the worst of them, and each has its own verdict.

use super::event::State;
use super::peer::Peer;
use crate::logic::{Moment, Nanos, SECOND};

/// Fewer silent clients are no outage: each is reported by itself.
const LEAST: usize = 3;
/// Clients that an event names.
pub(super) const NAMED: usize = 5;
/// In an outage a verdict falls after so many detection times, and so much more: what all of them share may come back.
const HELD: (Nanos, Nanos) = (2, 2 * SECOND);
/// No verdict falls later than this, whoever else is silent.
const LATEST: (Nanos, Nanos) = (3, 5 * SECOND);

/// How many clients are watched, and how many of them are silent: those that are in no outage yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Crowd {
    pub(super) watched: usize,
    pub(super) silent: usize,
}

/// Clients that fell silent together. It is over when most of them are heard again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) since: Moment,
    pub(super) size: usize,
    pub(super) heard: usize,
    /// Whether it was reported.
    pub(super) told: bool,
}

impl Crowd {
    pub(super) fn add(&mut self, peer: &Peer) {
        self.watched += usize::from(is_counted(peer));
        self.silent += usize::from(is_counted(peer) && peer.state.is_silent());
    }

    pub(super) fn remove(&mut self, peer: &Peer) {
        self.watched -= usize::from(is_counted(peer));
        self.silent -= usize::from(is_counted(peer) && peer.state.is_silent());
    }

    /// Whether so many are silent that it is one outage.
    pub(super) fn is_outage(self) -> bool {
        self.silent >= LEAST && 2 * self.silent >= self.watched
    }
}

fn is_counted(peer: &Peer) -> bool {
    peer.state.is_watched() && peer.state != State::Unknown && !peer.in_outage
}

impl Outage {
    pub(super) fn is_over(self) -> bool {
        2 * self.heard > self.size
    }
}

/// When the verdict on a client that waits for others falls.
pub(super) fn held(peer: &Peer, down: Nanos) -> Nanos {
    after(peer, HELD).max(down).min(after(peer, LATEST))
}

/// The deadline of a client that gets one more detection time from now.
pub(super) fn extended(peer: &Peer, now: Nanos) -> Nanos {
    now.saturating_add(peer.patience).min(after(peer, LATEST))
}

fn after(peer: &Peer, (times, more): (Nanos, Nanos)) -> Nanos {
    peer.silent_from().saturating_add(peer.patience.saturating_mul(times)).saturating_add(more)
}
