//! The states of clients: which are up and which are silent, and the events that report the changes.

use super::account::Heard;
use super::clocks::Finding;
use super::detect::Deadlines;
use super::event::{Event, Kind, State};
use super::health::Health;
use super::peer::Peer;
use super::plan::MonitorPlan;
use super::roster::Entry;
use crate::logic::codec::heartbeat::Heartbeat;
use crate::logic::{Moment, Nanos};

/// From so many clients on, if most fall silent at once, the fault is likely this machine's.
const COMPANY: usize = 3;
/// The least time between two timers of a client.
const SOON: Nanos = 1_000_000;

#[derive(Debug)]
pub(super) struct Evaluator {
    pub(super) health: Health,
    /// Clients that are up, and those of them that are late or suspect.
    watched: usize,
    silent: usize,
    isolated: Option<Moment>,
    heard: Moment,
    idle_reported: bool,
    pub(super) events: Vec<Event>,
    numbered: u64,
}

/// What to do with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Keep it.
    Keep,
    /// It has stopped, and may be evicted.
    Stopped,
    /// Remove it.
    Forget,
}

impl Evaluator {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            health: Health::new(now),
            watched: 0,
            silent: 0,
            isolated: None,
            heard: now,
            idle_reported: false,
            events: Vec::new(),
            numbered: 0,
        }
    }

    pub(super) fn is_isolated(&self) -> bool {
        self.isolated.is_some()
    }

    /// When the monitor becomes idle, if that is to be reported and was not.
    pub(super) fn idle_from(&self, idle: Nanos) -> Option<Nanos> {
        (idle > 0 && !self.idle_reported).then(|| self.heard.mono.saturating_add(idle))
    }

    pub(super) fn hear(&mut self, now: Moment) {
        self.heard = now;
        self.idle_reported = false;
    }

    pub(super) fn count_restored(&mut self, peer: &Peer) {
        self.watched += usize::from(peer.state.is_watched());
        self.silent += usize::from(peer.state.is_silent());
    }

    /// A fresh heartbeat came: `before` is when the last one did.
    pub(super) fn heartbeat(&mut self, client: &mut Entry<'_>, before: Moment, now: Moment) -> Outcome {
        let peer = &mut *client.peer;
        // A heartbeat that was delayed past the deadline brings no client up.
        let grace = self.health.grace(peer.excused, peer.interval());
        let in_time =
            peer.deadlines().is_some_and(|deadlines| now.mono <= deadlines.down.saturating_add(grace));
        let to = match peer.state {
            _ if peer.bye().is_some() => State::Bye,
            State::Late | State::Suspect if in_time => State::Up,
            state @ (State::New | State::Down | State::Bye) => {
                if !in_time {
                    peer.reset_fresh();
                }
                if in_time && peer.count_fresh() { State::Up } else { state }
            }
            state => state,
        };
        let outcome = self.set_state(peer, to, now.mono.saturating_sub(before.mono), now);
        self.set_timer(client, now);
        outcome
    }

    /// Checks a client whose timer has fired.
    pub(super) fn check(&mut self, client: &mut Entry<'_>, plan: &MonitorPlan, now: Moment) -> Outcome {
        let peer = &mut *client.peer;
        self.settle(peer, plan, now);
        let grace = self.health.grace(peer.excused, peer.interval());
        let silent = |at: Option<Nanos>| at.is_some_and(|at| now.mono > at.saturating_add(grace));
        let deadlines = peer.deadlines();
        let to = match peer.state {
            State::New if silent(peer.second_deadline()) => {
                if !peer.sealed {
                    self.report(peer, now, Kind::Forgotten, |_| {});
                    return Outcome::Forget;
                }
                State::Down
            }
            state if !state.is_watched() => state,
            _ if silent(deadlines.map(|deadlines| deadlines.down)) => {
                if self.check_isolated(now) && !self.is_refuted(peer, now) {
                    State::Suspect
                } else {
                    State::Down
                }
            }
            _ if silent(deadlines.map(|deadlines| deadlines.suspect)) => State::Suspect,
            _ if silent(deadlines.map(|deadlines| deadlines.late)) => State::Late,
            state => state,
        };
        let outcome = self.set_state(peer, to, now.mono.saturating_sub(peer.last.mono), now);
        self.set_timer(client, now);
        outcome
    }

    fn set_state(&mut self, peer: &mut Peer, to: State, span: Nanos, now: Moment) -> Outcome {
        let before = peer.state;
        if before == to {
            return Outcome::Keep;
        }
        let span = if peer.has_stopped() { now.mono.saturating_sub(peer.since.mono) } else { span };
        peer.state = to;
        peer.since = now;
        peer.others_heard = false;
        peer.reset_fresh();
        let status = peer.bye().map(i64::from);
        self.watched = self.watched + usize::from(to.is_watched()) - usize::from(before.is_watched());
        self.silent = self.silent + usize::from(to.is_silent()) - usize::from(before.is_silent());
        self.report(peer, now, Kind::Is(to), |event| {
            event.before = Some(before);
            event.span = Some(span);
            event.count = status.filter(|_| to == State::Bye);
        });
        if peer.has_stopped() { Outcome::Stopped } else { Outcome::Keep }
    }

    /// Sets the timer of a client to when its state or its losses may change without a heartbeat.
    pub(super) fn set_timer(&self, client: &mut Entry<'_>, now: Moment) {
        let peer = &*client.peer;
        let grace = self.health.grace(peer.excused, peer.interval());
        let deadline = peer.deadlines().and_then(|deadlines| match peer.state {
            State::New => peer.second_deadline(),
            State::Up => Some(deadlines.late),
            State::Late => Some(deadlines.suspect),
            State::Suspect if self.is_isolated() => Some(now.mono.saturating_add(peer.patience)),
            State::Suspect => Some(deadlines.down),
            State::Down | State::Bye => None,
        });
        let verdict = deadline.map(|at| at.saturating_add(grace).saturating_add(1));
        let settle = peer.account.as_ref().and_then(|account| account.next_settle(peer.interval()));
        if let Some(at) = verdict.into_iter().chain(settle).min() {
            client.set_timer(at.max(now.mono.saturating_add(SOON)));
        }
    }

    /// Counts numbers as lost that were held long enough.
    pub(super) fn settle(&mut self, peer: &mut Peer, plan: &MonitorPlan, now: Moment) {
        let interval = peer.interval();
        let Some(account) = &mut peer.account else { return };
        let mut lost = Vec::new();
        account.settle(now.mono, interval, |first, last| lost.push((first, last)));
        self.report_lost(peer, plan, lost, now);
    }

    /// Whether most of the clients that were up are silent: the fault is likely on this side.
    fn check_isolated(&mut self, now: Moment) -> bool {
        if self.isolated.is_none() && self.watched >= COMPANY && 2 * self.silent > self.watched {
            self.isolated = Some(now);
            let silent = i64::try_from(self.silent).ok();
            self.report_own(now, Kind::Isolated, None, silent);
        }
        self.is_isolated()
    }

    /// Whether others were heard since most fell silent, at two checks of this client in a row: the fault is not this
    /// side's. At one check alone, this side's connection may just be coming back.
    fn is_refuted(&self, peer: &mut Peer, now: Moment) -> bool {
        let (heard, since) = (self.heard.mono, self.isolated.map_or(now.mono, |since| since.mono));
        if heard > since && now.mono.saturating_sub(heard) <= peer.patience {
            return std::mem::replace(&mut peer.others_heard, true);
        }
        // Clients with a longer interval may be between two heartbeats, if there are any.
        peer.others_heard &= self.silent != self.watched;
        false
    }

    /// Whether most clients are heard again.
    pub(super) fn check_connected(&mut self, now: Moment) -> bool {
        let Some(since) = self.isolated.take_if(|_| 2 * self.silent <= self.watched) else { return false };
        self.report_own(now, Kind::Connected, Some(now.mono.saturating_sub(since.mono)), None);
        true
    }

    /// Moves the deadline of a silent client, as if a heartbeat had come now.
    pub(super) fn extend_deadline(&self, client: &mut Entry<'_>, now: Moment) {
        let peer = &mut *client.peer;
        if !peer.state.is_silent() {
            return;
        }
        if let Some(deadlines) = peer.deadlines() {
            peer.set_deadlines(Deadlines { down: now.mono.saturating_add(peer.patience), ..deadlines });
        }
        self.set_timer(client, now);
    }

    /// Reports once that no client is heard.
    pub(super) fn check_idle(&mut self, idle: Nanos, now: Moment) {
        let silence = now.mono.saturating_sub(self.heard.mono);
        if idle > 0 && !self.idle_reported && silence >= idle {
            self.idle_reported = true;
            self.report_own(now, Kind::Idle, Some(silence), None);
        }
    }

    pub(super) fn report_beat(&mut self, peer: &Peer, beat: &Heartbeat<'_>, heard: Heard, now: Moment) {
        let (kind, count) = match heard {
            Heard::Fresh { .. } | Heard::Jump => (Kind::Heard, None),
            Heard::Late { took_back } => (Kind::HeardLate, Some(took_back.into())),
            Heard::Duplicate => (Kind::HeardAgain, None),
            Heard::Old => return,
        };
        let sent = beat.wall_ns.filter(|_| !beat.local);
        self.report(peer, now, kind, |event| {
            event.seq = beat.seq.or(event.seq);
            event.span = sent.map(|sent| now.wall.saturating_sub(sent));
            event.count = count;
        });
    }

    /// Reports runs of lost numbers, first and last, if the plan asks for them.
    pub(super) fn report_lost(
        &mut self,
        peer: &Peer,
        plan: &MonitorPlan,
        lost: Vec<(u64, u64)>,
        now: Moment,
    ) {
        for (first, last) in lost.into_iter().filter(|_| plan.losses) {
            self.report(peer, now, Kind::Lost, |event| {
                event.seq = Some(first);
                event.count =
                    i64::try_from(last.saturating_sub(first)).ok().map(|more| more.saturating_add(1));
            });
        }
    }

    pub(super) fn report_finding(&mut self, peer: &Peer, finding: Finding, now: Moment) {
        let (kind, span) = match finding {
            Finding::SenderStepped { by } => (Kind::ClientClockStepped, by),
            Finding::SenderPaused { gap } => (Kind::Paused, gap),
        };
        self.report(peer, now, kind, |event| event.span = Some(span));
    }

    /// Adds an event about a client.
    pub(super) fn report(&mut self, peer: &Peer, at: Moment, kind: Kind, more: impl FnOnce(&mut Event)) {
        self.numbered += 1;
        let mut event = Event {
            number: self.numbered,
            at,
            kind,
            client: Some(peer.name.clone()),
            address: Some(peer.source),
            previous: None,
            before: None,
            seq: peer.account.as_ref().map(|_| peer.seq).or(peer.floor()),
            span: None,
            count: None,
        };
        more(&mut event);
        self.events.push(event);
    }

    /// Adds an event about the monitor itself.
    pub(super) fn report_own(&mut self, at: Moment, kind: Kind, span: Option<Nanos>, count: Option<i64>) {
        self.numbered += 1;
        let (number, client, address, previous, before, seq) = (self.numbered, None, None, None, None, None);
        self.events.push(Event { number, at, kind, client, address, previous, before, seq, span, count });
    }
}
