//! The states of clients: which are up and which are silent, and the events that report the changes.

use super::account::Heard;
use super::budget::Budget;
use super::clocks::Finding;
use super::connection::{AGAIN, Connection, Path};
use super::detect::Deadlines;
use super::event::{Detail, Event, Kind, State};
use super::health::Health;
use super::name::Name;
use super::outage::{self, Crowd, NAMED, Outage};
use super::peer::Peer;
use super::plan::{BURST, MonitorPlan};
use super::roster::Entry;
use crate::logic::codec::heartbeat::Heartbeat;
use crate::logic::{Moment, Nanos};

/// The least time between two timers of a client.
const SOON: Nanos = 1_000_000;

#[derive(Debug)]
pub(super) struct Evaluator {
    pub(super) health: Health,
    crowd: Crowd,
    outage: Option<Outage>,
    pub(super) connection: Connection,
    pub(super) budget: Budget,
    /// All clients that are silent, with those of an outage.
    silent: usize,
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
    /// It is one of many that fell silent together.
    Outage,
    /// Remove it.
    Forget,
}

impl Evaluator {
    pub(super) fn new(plan: &MonitorPlan, now: Moment) -> Self {
        Self {
            health: Health::new(now),
            crowd: Crowd::default(),
            outage: None,
            connection: Connection::default(),
            budget: Budget::new(plan.burst.unwrap_or(plan.max_clients.max(BURST)), now),
            silent: 0,
            heard: now,
            idle_reported: false,
            events: Vec::new(),
            numbered: 0,
        }
    }

    /// Whether a client is silent.
    pub(super) fn is_anxious(&self) -> bool {
        self.silent > 0
    }

    /// Clients that are up, without those of an outage.
    pub(super) fn watched(&self) -> usize {
        self.crowd.watched
    }

    /// Clients of an outage that are not heard again yet.
    pub(super) fn in_outage(&self) -> usize {
        self.outage.map_or(0, |outage| outage.size - outage.heard)
    }

    /// When the monitor becomes idle, if that is to be reported and was not.
    pub(super) fn idle_from(&self, idle: Nanos) -> Option<Nanos> {
        (idle > 0 && !self.idle_reported).then(|| self.heard.mono.saturating_add(idle))
    }

    pub(super) fn hear(&mut self, now: Moment) {
        self.heard = now;
        self.idle_reported = false;
    }

    pub(super) fn count(&mut self, peer: &Peer) {
        self.crowd.add(peer);
        self.silent += usize::from(peer.state.is_silent());
    }

    /// A client is forgotten.
    pub(super) fn uncount(&mut self, peer: &mut Peer) {
        self.crowd.remove(peer);
        self.silent -= usize::from(peer.state.is_silent());
        self.leave_outage(peer, false);
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
            State::Late | State::Suspect | State::Unknown if in_time => State::Up,
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
    pub(super) fn check(
        &mut self,
        client: &mut Entry<'_>,
        plan: &MonitorPlan,
        path: Path<'_>,
        now: Moment,
    ) -> Outcome {
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
            State::Suspect if silent(deadlines.map(|deadlines| deadlines.down)) => {
                if self.is_unreachable(peer, path, now) {
                    State::Unknown
                } else if !peer.in_outage && self.crowd.is_outage() {
                    return Outcome::Outage;
                } else if self.waits(peer, grace, now) {
                    State::Suspect
                } else {
                    State::Down
                }
            }
            State::Unknown => {
                let over = silent(deadlines.map(|deadlines| deadlines.down));
                let unreachable = self.is_unreachable(peer, path, now);
                if over && !unreachable { State::Down } else { State::Unknown }
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
        self.crowd.remove(peer);
        peer.end_verdict();
        peer.state = to;
        peer.since = now;
        peer.reset_fresh();
        let status = peer.bye().map(i64::from);
        if matches!(to, State::Up | State::Bye | State::Unknown) {
            self.leave_outage(peer, to != State::Unknown);
        }
        self.crowd.add(peer);
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
            State::Suspect if self.waits(peer, grace, now) => Some(outage::held(peer, deadlines.down)),
            State::Suspect => Some(deadlines.down),
            State::Unknown => Some(now.mono.saturating_add(AGAIN - grace)),
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

    /// Whether this client cannot be heard, as the monitor's own connection is gone. It then gets the time of a whole
    /// verdict when that is back.
    fn is_unreachable(&mut self, peer: &mut Peer, path: Path<'_>, now: Moment) -> bool {
        let Some(cause) = self.connection.cause(peer, self.heard.mono, path) else { return false };
        if self.connection.lose(now) {
            let detail = Some(Box::new(Detail::Cause(cause)));
            let count = i64::try_from(self.silent).ok();
            self.report_own(now, Kind::Isolated, |event| (event.count, event.detail) = (count, detail));
        }
        if let Some(deadlines) = peer.deadlines() {
            peer.set_deadlines(Deadlines { down: now.mono.saturating_add(peer.patience), ..deadlines });
        }
        true
    }

    /// Whether a verdict that is due waits: what many share may come back, and the witness may be the one to blame.
    fn waits(&self, peer: &Peer, grace: Nanos, now: Moment) -> bool {
        let Some(deadlines) = peer.deadlines() else { return false };
        let asked = peer.in_outage || self.connection.witness.is_some();
        asked
            && !self.connection.is_shown(peer, deadlines.late)
            && now.mono <= outage::held(peer, deadlines.down).saturating_add(grace)
    }

    /// Reports that many fell silent together. `silent` are those that join, and since when each is silent.
    pub(super) fn begin_outage(
        &mut self,
        mut silent: Vec<(Nanos, Name)>,
        of: usize,
        trusted: bool,
        now: Moment,
    ) {
        let count = silent.len();
        let outage = self.outage.get_or_insert(Outage { since: now, size: 0, heard: 0, told: false });
        outage.size += count;
        if !trusted && !self.budget.takes(true, now.mono) {
            return;
        }
        outage.told = true;
        silent.sort_unstable();
        silent.truncate(NAMED);
        let worst: Vec<&str> = silent.iter().map(|(_, name)| &**name).collect();
        let detail = Detail::Silent { of, more: count - worst.len(), worst: worst.join(", ").into() };
        self.report_own(now, Kind::Outage, |event| {
            event.count = i64::try_from(count).ok();
            event.detail = Some(Box::new(detail));
        });
    }

    /// Makes a silent client one of those in an outage; returns whether it is one.
    pub(super) fn join_outage(&mut self, peer: &mut Peer) -> bool {
        if peer.in_outage || !matches!(peer.state, State::Late | State::Suspect) {
            return false;
        }
        self.crowd.remove(peer);
        peer.in_outage = true;
        true
    }

    fn leave_outage(&mut self, peer: &mut Peer, heard: bool) {
        if !std::mem::take(&mut peer.in_outage) {
            return;
        }
        if let Some(outage) = &mut self.outage {
            outage.heard += usize::from(heard);
            outage.size -= usize::from(!heard);
        }
        self.outage = self.outage.filter(|outage| outage.size > 0);
    }

    /// Reports that an outage is over, and returns whether it is.
    pub(super) fn end_outage(&mut self, now: Moment) -> bool {
        let Some(over) = self.outage.take_if(|outage| outage.is_over()) else { return false };
        if over.told {
            self.report_own(now, Kind::OutageOver, |event| {
                event.span = Some(now.mono.saturating_sub(over.since.mono));
                event.count = i64::try_from(over.heard).ok();
                event.detail = Some(Box::new(Detail::Of(over.size)));
            });
        }
        true
    }

    /// An outage is over: a client that is still silent gets one more detection time.
    pub(super) fn release(&mut self, client: &mut Entry<'_>, now: Moment) {
        let peer = &mut *client.peer;
        if !std::mem::take(&mut peer.in_outage) {
            return;
        }
        self.crowd.add(peer);
        if let Some(deadlines) = peer.deadlines().filter(|_| peer.state.is_silent()) {
            peer.set_deadlines(Deadlines { down: outage::extended(peer, now.mono), ..deadlines });
            self.set_timer(client, now);
        }
    }

    /// Reports that the monitor's own connection is back.
    pub(super) fn check_connection(&mut self, now: Moment) {
        if let Some(since) = self.connection.regain(now) {
            let span = Some(now.mono.saturating_sub(since.mono));
            self.report_own(now, Kind::Connected, |event| event.span = span);
        }
    }

    /// Reports once that no client is heard.
    pub(super) fn check_idle(&mut self, idle: Nanos, now: Moment) {
        let silence = now.mono.saturating_sub(self.heard.mono);
        if idle > 0 && !self.idle_reported && silence >= idle {
            self.idle_reported = true;
            self.report_own(now, Kind::Idle, |event| event.span = Some(silence));
        }
    }

    pub(super) fn report_beat(&mut self, peer: &mut Peer, beat: &Heartbeat<'_>, heard: Heard, now: Moment) {
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
        peer: &mut Peer,
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

    pub(super) fn report_finding(&mut self, peer: &mut Peer, finding: Finding, now: Moment) {
        let (kind, span) = match finding {
            Finding::SenderStepped { by } => (Kind::ClientClockStepped, by),
            Finding::SenderPaused { gap } => (Kind::Paused, gap),
        };
        self.report(peer, now, kind, |event| event.span = Some(span));
    }

    /// Adds an event about a client, if it is not one of too many.
    pub(super) fn report(&mut self, peer: &mut Peer, at: Moment, kind: Kind, more: impl FnOnce(&mut Event)) {
        let mut event = Event::new(at, kind);
        event.client = Some(peer.label());
        event.address = Some(peer.source);
        event.seq = peer.account.as_ref().map(|_| peer.seq).or(peer.floor());
        more(&mut event);
        if self.budget.allows(peer, &event) {
            self.add(event);
        }
    }

    /// Adds an event about the monitor itself.
    pub(super) fn report_own(&mut self, at: Moment, kind: Kind, more: impl FnOnce(&mut Event)) {
        let mut event = Event::new(at, kind);
        more(&mut event);
        self.add(event);
    }

    fn add(&mut self, mut event: Event) {
        self.numbered += 1;
        event.number = self.numbered;
        self.events.push(event);
    }
}
