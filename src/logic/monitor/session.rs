//! Which run of a sender a heartbeat belongs to: the one that is known, another, or one that is over.

use super::event::State;
use super::peer::Peer;
use super::slim::Slim;
use crate::logic::wire::heartbeat::Heartbeat;

/// Sessions that are remembered as over.
pub(super) const EARLIER: usize = 2;

/// Which run of a sender a heartbeat belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Session {
    number: Option<Slim>,
    boot: Option<Slim>,
    start: Option<Slim>,
}

/// What a heartbeat is to the session that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// It is of this session.
    Here,
    /// It begins another.
    Next,
    /// It is of a session that is over; `alive` if that goes on beside this one.
    Before { alive: bool },
}

impl Session {
    pub(super) fn of(beat: &Heartbeat<'_>) -> Self {
        let start = beat.wall_ns.zip(beat.mono).map(|(wall, mono)| wall.saturating_sub(mono));
        Self::new(beat.session, beat.boot, start.or(beat.wall_ns))
    }

    pub(super) fn new(number: Option<u64>, boot: Option<u64>, start: Option<i64>) -> Self {
        Self { number: number.map(Slim::from), boot: boot.map(Slim::from), start: start.map(Slim::from) }
    }

    pub(super) fn number(self) -> Option<u64> {
        Some(self.number?.get().cast_unsigned())
    }

    pub(super) fn boot(self) -> Option<u64> {
        Some(self.boot?.get().cast_unsigned())
    }

    /// When it began by the sender's wall clock.
    pub(super) fn start(self) -> Option<i64> {
        self.start.map(Slim::get)
    }
}

impl Peer {
    /// Where a heartbeat belongs. Newer is what has a higher boot number, or began later by the sender's clock; of
    /// sealed senders nothing else is believed, as whoever listens could replay an old session.
    pub(super) fn place(&mut self, beat: &Heartbeat<'_>) -> Belongs {
        let of = Session::of(beat);
        let (Some(number), Some(current)) = (of.number(), self.session.number()) else {
            return self.place_unnumbered(beat);
        };
        if number == current {
            return Belongs::Here;
        }
        if let Some((_, highest)) = self
            .past
            .iter()
            .flat_map(|past| past.earlier.iter().flatten())
            .find(|(earlier, _)| *earlier == number)
        {
            let alive = beat.seq.is_some_and(|seq| seq > highest.saturating_add(1));
            // A second sender of this name came, and is gone: one that was started by mistake, or one forged datagram.
            // Who listens could have kept what a sealed sender wrote meanwhile.
            let alone = matches!(self.state, State::Suspect | State::Down | State::Bye) && !self.sealed;
            return if alive && alone { Belongs::Next } else { Belongs::Before { alive } };
        }
        let boots = of.boot().zip(self.session.boot()).map(|(new, known)| new.cmp(&known));
        let newer = boots.filter(|order| order.is_ne()).map_or_else(
            || of.start().zip(self.session.start()).is_some_and(|(new, known)| new > known),
            std::cmp::Ordering::is_gt,
        );
        let silent = !matches!(self.state, State::New | State::Up);
        if newer || (!self.sealed && silent) {
            return Belongs::Next;
        }
        if let Some(seq) = beat.seq.filter(|_| !self.sealed) {
            // It began before this one and was never heard: two senders of a name may be heard in either order. It is
            // worth less than those that were heard; if it goes on, it is told by that.
            self.past().earlier[EARLIER - 1] = Some((number, seq));
        }
        Belongs::Before { alive: false }
    }

    /// Senders that number no sessions: their numbers go back while their time goes on.
    fn place_unnumbered(&self, beat: &Heartbeat<'_>) -> Belongs {
        if self.sealed {
            return Belongs::Here;
        }
        let back = beat.seq.is_some_and(|seq| self.account.is_some() && seq < self.seq);
        let later = beat.wall_ns.zip(self.last_sent).is_some_and(|(new, last)| new > last.get());
        if back && later { Belongs::Next } else { Belongs::Here }
    }

    /// Forgets the session, of which anybody could have told anything.
    pub(super) fn distrust(&mut self) {
        self.begin_anew();
        (self.session, self.last_sent) = (Session::default(), None);
        if let Some(past) = &mut self.past {
            (past.earlier, past.floor) = ([None; EARLIER], None);
        }
    }

    /// Begins another session; gives back what of the old one counts as lost by that.
    pub(super) fn restart(&mut self, beat: &Heartbeat<'_>) -> Vec<(u64, u64)> {
        let of = Session::of(beat);
        let (over, highest) = (self.session.number(), self.seq);
        let past = self.past();
        let returns = past
            .earlier
            .iter()
            .position(|earlier| earlier.is_some_and(|(number, _)| of.number() == Some(number)));
        past.floor = returns.and_then(|place| past.earlier[place].take()).map(|(_, highest)| highest);
        if let Some(over) = over {
            let oldest = returns.unwrap_or(EARLIER - 1);
            past.earlier[..=oldest].rotate_right(1);
            past.earlier[0] = Some((over, highest));
        }
        let lost = self.begin_anew();
        self.session = of;
        self.sessions = self.sessions.saturating_add(1);
        self.duplicate_told = false;
        self.last_sent = None;
        self.interval.gaps = 0;
        self.interval.state(beat.interval);
        lost
    }
}
