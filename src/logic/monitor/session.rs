//! The session of a heartbeat: the current one, a new one, or one that is over.

use super::niche::NicheI64;
use crate::logic::codec::heartbeat::Heartbeat;

/// Sessions that are remembered as over.
pub(super) const EARLIER: usize = 2;

/// One run of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Session {
    number: Option<NicheI64>,
    boot: Option<NicheI64>,
    start: Option<NicheI64>,
}

/// Which session a heartbeat belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionMatch {
    /// The current one.
    Current,
    /// A new one.
    New,
    /// One that is over; `alive` if its sender still sends.
    Over { alive: bool },
}

impl Session {
    pub(super) fn of(beat: &Heartbeat<'_>) -> Self {
        let start = beat.wall_ns.zip(beat.mono).map(|(wall, mono)| wall.saturating_sub(mono));
        Self::new(beat.session, beat.boot, start.or(beat.wall_ns))
    }

    pub(super) fn new(number: Option<u64>, boot: Option<u64>, start: Option<i64>) -> Self {
        Self {
            number: number.map(NicheI64::from),
            boot: boot.map(NicheI64::from),
            start: start.map(NicheI64::from),
        }
    }

    pub(super) fn number(self) -> Option<u64> {
        Some(self.number?.get().cast_unsigned())
    }

    pub(super) fn boot(self) -> Option<u64> {
        Some(self.boot?.get().cast_unsigned())
    }

    /// Whether it has a higher boot number than another one, or began later by the sender's clock. A sealed sender that
    /// has counted its boots goes on to, as what was recorded before it did can be replayed.
    pub(super) fn is_after(self, other: Self, sealed: bool) -> bool {
        match (self.boot(), other.boot()) {
            (Some(new), Some(known)) if new != known => new > known,
            (new, known) if sealed && new.is_some() != known.is_some() => new.is_some(),
            _ => self.start().zip(other.start()).is_some_and(|(new, known)| new > known),
        }
    }

    /// Takes in a later start of the same session: its sender's clock was put forward, and when that is put back, what
    /// was recorded meanwhile must not be of a newer session.
    pub(super) fn starts_later(&mut self, start: Option<i64>) {
        self.start = self.start().max(start).map(NicheI64::from);
    }

    /// When it began, by the sender's wall clock.
    pub(super) fn start(self) -> Option<i64> {
        self.start.map(NicheI64::get)
    }
}
