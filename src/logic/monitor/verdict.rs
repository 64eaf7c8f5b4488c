//! What a heartbeat changes about a client, and what its silence does.

use super::Monitor;
use super::detect::Marks;
use super::event::{Kind, State};
use super::roster::Place;
use crate::logic::Moment;
use crate::logic::Nanos;

/// From so many clients on, most of them falling silent at once is more likely this machine's fault than theirs.
const COMPANY: usize = 3;
/// Nobody is looked at more often than this for the mere passing of time.
const SOON: Nanos = 1_000_000;

impl Monitor {
    /// A fresh heartbeat came: `before` is when the last one did.
    pub(super) fn raise(&mut self, place: Place, before: Moment, now: Moment) {
        let Some(peer) = self.roster.get_mut(place) else { return };
        // One that was so long on the way that silence is suspicious all the same revives nobody.
        let grace = self.health.grace(peer.excused, peer.interval());
        let in_time = peer.marks().is_some_and(|marks| now.mono <= marks.down.saturating_add(grace));
        let to = match peer.state {
            _ if peer.bye().is_some() => State::Bye,
            State::Late | State::Suspect if in_time => State::Up,
            State::New | State::Down | State::Bye => {
                if !in_time {
                    peer.falls();
                    return self.look_again(place, now);
                }
                if !peer.rises() {
                    return self.look_again(place, now);
                }
                State::Up
            }
            state => state,
        };
        let span = now.mono.saturating_sub(before.mono);
        self.turn(place, to, span, now);
        self.look_again(place, now);
    }

    /// Looks at a client because the time for it has come.
    pub(super) fn judge(&mut self, place: Place, now: Moment) {
        self.settle(place, now);
        let Some(peer) = self.roster.get_mut(place) else { return };
        let grace = self.health.grace(peer.excused, peer.interval());
        let silent = |mark: Option<Nanos>| mark.is_some_and(|mark| now.mono > mark.saturating_add(grace));
        let marks = peer.marks();
        let span = now.mono.saturating_sub(peer.last.mono);
        let to = match peer.state {
            State::New if silent(peer.second_by()) => {
                if !peer.sealed {
                    self.tell(place, now, Kind::Forgotten, |_| {});
                    self.roster.remove(place);
                    return;
                }
                State::Down
            }
            state if !state.is_watched() => state,
            _ if silent(marks.map(|marks| marks.down)) => {
                if self.find_isolated(now) && !self.is_refuted(place, now) {
                    State::Suspect
                } else {
                    State::Down
                }
            }
            _ if silent(marks.map(|marks| marks.suspect)) => State::Suspect,
            _ if silent(marks.map(|marks| marks.late)) => State::Late,
            state => state,
        };
        self.turn(place, to, span, now);
        self.look_again(place, now);
    }

    /// Puts a client into a state.
    fn turn(&mut self, place: Place, to: State, span: Nanos, now: Moment) {
        let Some(peer) = self.roster.get_mut(place) else { return };
        let before = peer.state;
        if before == to {
            return;
        }
        let span = if matches!(before, State::Down | State::Bye) {
            now.mono.saturating_sub(peer.since.mono)
        } else {
            span
        };
        peer.state = to;
        peer.since = now;
        peer.vouched = false;
        peer.falls();
        let status = peer.bye().map(i64::from);
        self.watched = self.watched + usize::from(to.is_watched()) - usize::from(before.is_watched());
        self.silent = self.silent + usize::from(to.is_silent()) - usize::from(before.is_silent());
        if matches!(to, State::Down | State::Bye) {
            self.roster.stopped(place);
        }
        self.tell(place, now, Kind::Is(to), |event| {
            event.before = Some(before);
            event.span = Some(span);
            event.count = status.filter(|_| to == State::Bye);
        });
    }

    /// Sets the time at which something about a client may change by itself.
    pub(super) fn look_again(&mut self, place: Place, now: Moment) {
        let isolated = self.isolated.is_some();
        let Some(peer) = self.roster.get_mut(place) else { return };
        let grace = self.health.grace(peer.excused, peer.interval());
        let mark = peer.marks().and_then(|marks| match peer.state {
            State::New => peer.second_by(),
            State::Up => Some(marks.late),
            State::Late => Some(marks.suspect),
            State::Suspect if isolated => Some(now.mono.saturating_add(peer.patience)),
            State::Suspect => Some(marks.down),
            // One heartbeat of two on the way up.
            State::Down | State::Bye => None,
        });
        let verdict = mark.map(|mark| mark.saturating_add(grace).saturating_add(1));
        let settle = peer.account.as_ref().and_then(|account| account.next_settle(peer.interval()));
        if let Some(at) = verdict.into_iter().chain(settle).min() {
            self.roster.look_at(place, at.max(now.mono.saturating_add(SOON)));
        }
    }

    /// Counts as lost what has not come in time to be merely late.
    pub(super) fn settle(&mut self, place: Place, now: Moment) {
        let Some(peer) = self.roster.get_mut(place) else { return };
        let interval = peer.interval();
        let Some(account) = &mut peer.account else { return };
        let mut lost = Vec::new();
        account.settle(now.mono, interval, |first, last| lost.push((first, last)));
        self.tell_lost(place, lost, now);
    }

    /// Tells of runs of lost numbers, first and last, if somebody wants to know.
    pub(super) fn tell_lost(&mut self, place: Place, lost: Vec<(u64, u64)>, now: Moment) {
        if !self.plan.losses {
            return;
        }
        for (first, last) in lost {
            self.tell(place, now, Kind::Lost, |event| {
                event.seq = Some(first);
                event.count =
                    i64::try_from(last.saturating_sub(first)).ok().map(|more| more.saturating_add(1));
            });
        }
    }

    /// Whether most of the clients that were up are silent, so that the fault is likely on this side.
    fn find_isolated(&mut self, now: Moment) -> bool {
        if self.isolated.is_none() && self.watched >= COMPANY && 2 * self.silent > self.watched {
            self.isolated = Some(now);
            let silent = i64::try_from(self.silent).ok();
            self.tell_own(now, Kind::Isolated, None, silent);
        }
        self.isolated.is_some()
    }

    /// Whether others were heard since most fell silent, at two looks at this client in a row: the fault cannot be on
    /// this side. At one look alone it may be this side's connection that just comes back.
    fn is_refuted(&mut self, place: Place, now: Moment) -> bool {
        let all_silent = self.silent == self.watched;
        let (heard, since) = (self.heard.mono, self.isolated.map_or(now.mono, |since| since.mono));
        let Some(peer) = self.roster.get_mut(place) else { return false };
        if heard > since && now.mono.saturating_sub(heard) <= peer.patience {
            return std::mem::replace(&mut peer.vouched, true);
        }
        // Others who send more rarely may be between two heartbeats, unless there are none.
        peer.vouched &= !all_silent;
        false
    }

    /// Whether most clients are heard again, and whether anybody is.
    pub(super) fn look_around(&mut self, now: Moment) {
        if let Some(since) = self.isolated.filter(|_| 2 * self.silent <= self.watched) {
            self.isolated = None;
            self.tell_own(now, Kind::Connected, Some(now.mono.saturating_sub(since.mono)), None);
            // Whoever is still silent has as long from now on as from a heartbeat.
            for place in self.roster.places() {
                let Some(peer) = self.roster.get_mut(place).filter(|peer| peer.state.is_silent()) else {
                    continue;
                };
                let patience = peer.patience;
                if let Some(marks) = peer.marks() {
                    peer.set_marks(Marks { down: now.mono.saturating_add(patience), ..marks });
                }
                self.look_again(place, now);
            }
        }
        let silence = now.mono.saturating_sub(self.heard.mono);
        if self.plan.idle > 0 && !self.idle_told && silence >= self.plan.idle {
            self.idle_told = true;
            self.tell_own(now, Kind::Idle, Some(silence), None);
        }
    }
}
