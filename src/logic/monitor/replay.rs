//! What was recorded and is sent again: sealed heartbeats are told from their replays, or refused.

use super::peer::Peer;
use crate::logic::Nanos;
use crate::logic::codec::heartbeat::{Heartbeat, Key, Unreadable};

/// Whether a heartbeat with a right seal says all that tells it from its replay, and has a key that is for its sender.
pub(super) fn check(beat: &Heartbeat<'_>, key: &Key) -> Result<(), Unreadable> {
    let (Some(id), Some(_), Some(_)) = (beat.id, beat.seq, beat.session) else {
        return Err(Unreadable::Replayable);
    };
    if key.is_for(id) { Ok(()) } else { Err(Unreadable::OtherSender) }
}

impl Peer {
    /// Whether a sealed heartbeat was sent before this monitor took over from another, by the clock of its sender, whose
    /// difference from ours is known from before. `steps` is by how much ours was set since.
    pub(super) fn is_recorded(&self, beat: &Heartbeat<'_>, steps: Nanos) -> bool {
        let resumed = self.history.as_ref().and_then(|history| history.resumed).filter(|_| self.sealed);
        let (Some(resumed), Some(sent)) = (resumed, beat.wall_ns.filter(|_| !beat.local)) else {
            return false;
        };
        sent < resumed.get().saturating_add(steps)
    }

    /// Sets when a monitor takes over, by its wall clock; `sent` is when the last heartbeat was, by its sender's.
    pub(super) fn resume(&mut self, now: i64, sent: Option<i64>) {
        // A clock may have been corrected meanwhile, and so little changes no verdict.
        let tolerance = self.patience;
        let difference = sent.map(|sent| self.last.wall.saturating_sub(sent));
        self.history().resumed =
            difference.map(|difference| now.saturating_sub(difference).saturating_sub(tolerance).into());
    }
}
