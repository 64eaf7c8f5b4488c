//! The monitor of heartbeats: which clients are up or down, and what was lost on the way.
//!
//! A driver calls [`Monitor::hear_all`] for the datagrams that arrived, and [`Monitor::wake`] when all of them are
//! taken, at [`Monitor::next_deadline`], and at least every [`TICK`]. A later call is a stall of the monitor itself,
//! and verdicts wait as much longer.

pub mod account;
mod budget;
pub mod clocks;
mod connection;
pub mod detect;
mod evaluator;
mod event;
mod health;
mod index;
mod interval;
mod lines;
mod name;
mod niche;
mod outage;
mod peer;
mod plan;
mod replay;
mod roster;
mod saved;
mod session;
#[cfg(test)]
mod tests;
mod timers;
mod view;

use std::io::Write as _;
use std::net::SocketAddr;

use super::codec::heartbeat::{Heartbeat, Keys, Unreadable};
use super::{Moment, Nanos};
use account::Heard;
pub use connection::{Path, Witness};
use detect::Pool;
use evaluator::{Evaluator, Outcome};
pub(super) use event::Span;
pub use event::{Cause, Detail, Event, Kind, State};
pub use health::TICK;
pub use lines::LOG_TITLE;
pub use name::Name;
use peer::Peer;
pub use plan::MonitorPlan;
use roster::{KeyHash, PeerKey, Roster};
pub use saved::BadLine;
use session::SessionMatch;
pub use view::{Counters, PeerRow, Unread};

/// Routes that are looked at when the monitor wakes; a client beyond them has no excuse.
const MOST_UNROUTED: usize = 1_024;

/// The monitor, without a socket.
#[derive(Debug)]
pub struct Monitor {
    plan: MonitorPlan,
    roster: Roster,
    evaluator: Evaluator,
    /// What the silences of all clients tell about one.
    pool: Pool,
    counters: Counters,
    unread: view::Samples,
    full_reported: bool,
    /// By how much this machine's wall clock was set since the start.
    clock_steps: Nanos,
    /// Buffers that are used again.
    slots: Vec<u32>,
    out: Vec<u8>,
    /// Clients that came up or moved, whose routes are not looked at yet.
    unrouted: Vec<PeerKey>,
}

/// A datagram, parsed, and the hash of its sender.
#[derive(Debug)]
struct Incoming<'a> {
    source: SocketAddr,
    datagram: &'a [u8],
    beat: Result<(Heartbeat<'a>, KeyHash), Unreadable>,
}

/// Whether a file holds nothing, or what a power cut leaves.
fn is_blank(text: &str) -> bool {
    text.chars().all(|char| char.is_whitespace() || char == '\0')
}

impl Monitor {
    /// A monitor without clients.
    pub fn new(plan: MonitorPlan, now: Moment) -> Self {
        Self {
            evaluator: Evaluator::new(&plan, now),
            plan,
            roster: Roster::default(),
            pool: Pool::default(),
            counters: Counters::default(),
            unread: view::Samples::default(),
            full_reported: false,
            clock_steps: 0,
            slots: Vec::new(),
            out: Vec::new(),
            unrouted: Vec::new(),
        }
    }

    /// Takes datagrams that are received now, in order, and calls `answer` with the number of a datagram, from 0, and
    /// the reply to it. It does what [`Monitor::hear`] does for each, but faster: of very many clients hardly any is in
    /// the processor's cache, and those of all datagrams are fetched at once.
    pub fn hear_all<'a>(
        &mut self,
        now: Moment,
        datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>,
        mut answer: impl FnMut(usize, &[u8]),
    ) {
        let incoming: Vec<Incoming<'_>> =
            datagrams.map(|(source, datagram)| self.read(source, datagram)).collect();
        if incoming.is_empty() {
            return;
        }
        self.tick(now);
        let (mut slots, mut out) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.out));
        if incoming.len() > 1 {
            self.roster.fetch(
                incoming.iter().filter_map(|one| one.beat.as_ref().ok().map(|(_, hash)| *hash)),
                &mut slots,
            );
        }
        for (index, one) in incoming.into_iter().enumerate() {
            self.take_in(now, one, &mut out);
            if !out.is_empty() {
                answer(index, &out);
            }
        }
        (self.slots, self.out) = (slots, out);
    }

    /// Takes a datagram that is received now. `out` then holds the reply, or is empty.
    pub fn hear(&mut self, now: Moment, source: SocketAddr, datagram: &[u8], out: &mut Vec<u8>) {
        self.tick(now);
        let one = self.read(source, datagram);
        self.take_in(now, one, out);
    }

    /// Reads the clocks, and gives the verdicts that are due. `drops` is the kernel's count of dropped datagrams.
    pub fn wake(&mut self, now: Moment, drops: Option<u64>) {
        self.wake_with(now, drops, &mut |_| None);
    }

    /// As [`Monitor::wake`]. `path` tells, before a client is down, whether it cannot be heard at all.
    pub fn wake_with(&mut self, now: Moment, drops: Option<u64>, path: Path<'_>) {
        self.tick(now);
        if let Some(more) = self.evaluator.health.drops(drops) {
            self.counters.kernel_drops += more;
            self.evaluator.budget.drop(more);
        }
        if let Some(count) = self.evaluator.budget.dropped(now.mono) {
            self.evaluator.report_own(now, Kind::Dropped, |event| event.count = i64::try_from(count).ok());
        }
        if let Some((count, span)) = self.evaluator.budget.unreported(now.mono) {
            self.evaluator.report_own(now, Kind::Unreported, |event| {
                (event.count, event.span) = (i64::try_from(count).ok(), span);
            });
        }
        self.evaluator.health.caught_up();
        for key in self.unrouted.drain(..) {
            if let Some(client) = self.roster.entry(key) {
                client.peer.routed = path(client.peer.source).is_none();
            }
        }
        while let Some(key) = self.roster.due(now.mono) {
            if let Some(mut client) = self.roster.entry(key) {
                match self.evaluator.check(&mut client, &self.plan, path, now) {
                    Outcome::Keep => {}
                    Outcome::Stopped => self.roster.stopped(key),
                    Outcome::Outage => self.begin_outage(now),
                    Outcome::Forget => self.roster.remove(key),
                }
            }
        }
        if self.evaluator.end_outage(now) {
            for key in self.roster.keys() {
                if let Some(mut client) = self.roster.entry(key) {
                    self.evaluator.release(&mut client, now);
                }
            }
        }
        self.evaluator.check_connection(now);
        self.evaluator.check_idle(self.plan.idle, now);
    }

    /// Many fell silent together: all who are silent now are of the outage.
    fn begin_outage(&mut self, now: Moment) {
        let of = self.evaluator.watched();
        let (mut silent, mut trusted) = (Vec::new(), false);
        for key in self.roster.keys() {
            if let Some(mut client) = self.roster.entry(key)
                && self.evaluator.join_outage(client.peer)
            {
                silent.push((client.peer.silent_from(), client.peer.label()));
                trusted |= budget::is_trusted(client.peer, now.mono);
                self.evaluator.set_timer(&mut client, now);
            }
        }
        self.evaluator.begin_outage(silent, of, trusted, now);
    }

    /// What a witness beside the clients shows; `None` if there is none.
    pub fn set_witness(&mut self, witness: Option<Witness>) {
        self.evaluator.connection.witness = witness;
    }

    /// Whether a client is silent, so that a witness should be asked now.
    pub fn is_anxious(&self) -> bool {
        self.evaluator.is_anxious()
    }

    /// Skips idle virtual time: nothing came until now, and a driver would have called every [`TICK`].
    pub fn rested(&mut self, now: Moment) {
        self.evaluator.health.rested(now);
    }

    /// When to wake at the latest, beside every [`TICK`].
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.roster.next_timer().into_iter().chain(self.evaluator.idle_from(self.plan.idle)).min()
    }

    /// The events since the last call.
    pub fn events(&mut self) -> std::vec::Drain<'_, Event> {
        self.evaluator.events.drain(..)
    }

    /// The counts so far.
    pub fn counters(&self) -> Counters {
        Counters {
            clients: self.clients() as u64,
            unreported: self.evaluator.budget.unreported,
            outage: self.evaluator.in_outage() as u64,
            isolated: self.evaluator.connection.is_gone(),
            ..self.counters
        }
    }

    /// The latest datagrams that could not be parsed.
    pub fn unread(&self) -> impl Iterator<Item = &Unread> {
        self.unread.iter()
    }

    /// The clients, in no order.
    pub fn peers(&self, now: Moment) -> impl Iterator<Item = PeerRow> {
        self.roster.peers().map(move |peer| PeerRow::of(peer, &self.plan.detector, now))
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.roster.len()
    }

    /// The first line of what is saved now.
    pub fn save_title(now: Moment) -> String {
        saved::title(now)
    }

    /// Adds a line for each of at most `most` clients, from slot `first` on; returns the slot to go on
    /// from, if there are more.
    pub fn save(&self, first: usize, most: usize, text: &mut String) -> Option<usize> {
        for peer in self.roster.slots(first, most).filter(|peer| peer.state != State::New) {
            saved::write(peer, text);
        }
        Some(first + most).filter(|next| *next < self.roster.capacity())
    }

    /// Replaces the keys; one that has none goes on without.
    pub fn set_keys(&mut self, keys: Keys) {
        if !self.plan.keys.is_empty() {
            self.plan.keys = keys;
        }
    }

    /// Whether a file may be one of saved clients.
    pub fn begins_state(text: &str) -> bool {
        is_blank(text) || text.lines().next().is_some_and(|title| saved::time(title).is_ok())
    }

    /// The first line of what is saved of detectors.
    pub fn learned_title() -> &'static str {
        saved::LEARNED
    }

    /// Whether a file may be one of what detectors have learned: one that a power cut left may be empty.
    pub fn begins_learned(text: &str) -> bool {
        text.starts_with(saved::LEARNED) || is_blank(text)
    }

    /// As [`Monitor::save`], with what detectors have learned.
    pub fn save_learned(&self, first: usize, most: usize, text: &mut String) -> Option<usize> {
        self.roster.slots(first, most).for_each(|peer| saved::write_learned(peer, text));
        Some(first + most).filter(|next| *next < self.roster.capacity())
    }

    /// Gives the detectors of restored clients what was learned; what cannot be used is learned anew.
    pub fn restore_learned(&mut self, text: &str) {
        for line in text.strip_prefix(saved::LEARNED).unwrap_or_default().lines() {
            let Some((id, source, learned)) = saved::read_learned(line) else { continue };
            let key = self.roster.find(self.roster.hash(id, source), id, source);
            if let Some(client) = key.and_then(|key| self.roster.entry(key)) {
                client.peer.take_up(&self.plan.detector, &mut self.pool, learned);
            }
        }
    }

    /// Restores what was saved. An empty state is one that a power cut left: the monitor begins anew, and says so.
    pub fn restore(&mut self, text: &str, now: Moment) -> Result<(), BadLine> {
        if is_blank(text) {
            self.evaluator.report_own(now, Kind::StateLost, |_| {});
            return Ok(());
        }
        let mut lines = text.lines();
        let saved = saved::time(lines.next().unwrap_or_default())?;
        for (line, number) in lines.take(self.plan.max_clients).zip(2..) {
            let mut peer = saved::read(number, line, saved, now, self.plan.interval)?;
            peer.sealed &= !self.plan.keys.is_empty();
            if self.roster.knows(&peer) {
                continue;
            }
            self.evaluator.count(&peer);
            let stopped = peer.has_stopped();
            let key = self.roster.add(peer);
            if stopped {
                self.roster.stopped(key);
            }
            if let Some(mut client) = self.roster.entry(key) {
                self.evaluator.set_timer(&mut client, now);
            }
        }
        let absent = now.wall.saturating_sub(saved).max(0);
        self.evaluator.report_own(now, Kind::Resumed, |event| event.span = Some(absent));
        Ok(())
    }

    /// Parses a datagram, and hashes its sender.
    fn read<'a>(&self, source: SocketAddr, datagram: &'a [u8]) -> Incoming<'a> {
        let beat = Heartbeat::read(datagram).map(|mut beat| {
            if beat.local {
                beat.wall_ns = beat.wall_ns.map(|wall_ns| wall_ns.saturating_sub(self.plan.utc_offset));
            }
            let hash = self.roster.hash(beat.id, source);
            (beat, hash)
        });
        Incoming { source, datagram, beat }
    }

    fn take_in(&mut self, now: Moment, one: Incoming<'_>, out: &mut Vec<u8>) {
        let Incoming { source, datagram, beat } = one;
        out.clear();
        self.counters.received += 1;
        let (beat, hash) = match beat {
            Ok(read) => read,
            Err(reason) => {
                self.counters.unreadable += 1;
                return self.unread.keep(source, datagram, reason);
            }
        };
        if !self.plan.keys.is_empty() {
            let Some(seal) = &beat.seal else { return self.counters.unsealed += 1 };
            let Some(key) = self.plan.keys.verify(seal) else { return self.counters.forged += 1 };
            if let Err(reason) = replay::check(&beat, key) {
                self.counters.unreadable += 1;
                return self.unread.keep(source, datagram, reason);
            }
        }
        let known = self.roster.find(hash, beat.id, source);
        let Some(key) = known.or_else(|| self.admit(&beat, source, now)) else { return };
        if known.is_some() && !self.make_way(key, source, now) {
            return;
        }
        let fresh = self.receive_from(key, &beat, source, now);
        if fresh || self.plan.keys.is_empty() {
            self.evaluator.hear(now);
        }
        if fresh && self.plan.answer {
            answer(&beat, now, out);
            if out.len() > datagram.len() {
                out.clear();
            }
        }
    }

    /// Whether there is room for an unsealed client in a network; evicts another if that helps.
    fn has_room_in_network(&mut self, source: SocketAddr, now: Moment) -> bool {
        if !self.plan.keys.is_empty() || self.roster.has_room_for(source, self.plan.per_prefix) {
            return true;
        }
        let Some(key) = self.roster.evictable_in(source) else {
            self.counters.refused += 1;
            return false;
        };
        self.forget(key, now);
        true
    }

    /// Whether a client may be heard from here: in another network than before it needs room like any newcomer.
    fn make_way(&mut self, key: PeerKey, source: SocketAddr, now: Moment) -> bool {
        !self.roster.is_elsewhere(key, source) || self.has_room_in_network(source, now)
    }

    /// Adds a client; evicts another if there is no room.
    fn admit(&mut self, beat: &Heartbeat<'_>, source: SocketAddr, now: Moment) -> Option<PeerKey> {
        let sealed = !self.plan.keys.is_empty();
        if !self.has_room_in_network(source, now) {
            return None;
        }
        if self.roster.len() >= self.plan.max_clients {
            let Some(key) = self.roster.evictable(now.mono) else {
                self.counters.refused += 1;
                if !std::mem::replace(&mut self.full_reported, true)
                    && self.evaluator.budget.takes(true, now.mono)
                {
                    self.evaluator.report_own(now, Kind::Full, |_| {});
                }
                return None;
            };
            self.forget(key, now);
        }
        self.full_reported = false;
        let mut peer = Peer::new(beat, source, now, self.plan.interval);
        peer.sealed = sealed;
        self.evaluator.report(&mut peer, now, Kind::Is(State::New), |_| {});
        Some(self.roster.add(peer))
    }

    fn forget(&mut self, key: PeerKey, now: Moment) {
        self.counters.evicted += 1;
        if let Some(client) = self.roster.entry(key) {
            let state = client.peer.state;
            self.evaluator.report(client.peer, now, Kind::Forgotten, |event| event.before = Some(state));
            self.evaluator.uncount(client.peer);
        }
        self.roster.remove(key);
    }

    /// Takes a heartbeat of a client; returns whether it is fresh.
    fn receive_from(&mut self, key: PeerKey, beat: &Heartbeat<'_>, source: SocketAddr, now: Moment) -> bool {
        let Some(mut client) = self.roster.entry(key) else { return false };
        if !self.plan.keys.is_empty() {
            client.seal();
        }
        if client.peer.is_recorded(beat, self.clock_steps) {
            self.counters.stale += 1;
            return false;
        }
        let (peer, evaluator) = (&mut *client.peer, &mut self.evaluator);
        let mut started_again = false;
        match peer.classify(beat) {
            SessionMatch::Current => {}
            SessionMatch::New => {
                started_again = true;
                let span = now.mono.saturating_sub(peer.last.mono);
                let lost = peer.restart(beat);
                evaluator.report_lost(peer, &self.plan, lost, now);
                evaluator.report(peer, now, Kind::Restarted, |event| event.span = Some(span));
            }
            SessionMatch::Over { alive } => {
                self.counters.stale += 1;
                if alive && !std::mem::replace(&mut peer.duplicate_reported, true) {
                    evaluator
                        .report(peer, now, Kind::DuplicateIdentity, |event| event.address = Some(source));
                } else if peer.is_locked_out(beat.session)
                    && !std::mem::replace(&mut peer.duplicate_reported, true)
                {
                    evaluator.report(peer, now, Kind::OlderSession, |event| event.address = Some(source));
                }
                return false;
            }
        }
        let before = peer.last;
        let earliest = evaluator.health.earliest(now.mono);
        let taken = peer.take(beat, &self.plan.detector, &mut self.pool, now, earliest);
        if self.plan.beats {
            evaluator.report_beat(peer, beat, taken.heard, now);
        }
        evaluator.settle(peer, &self.plan, now);
        match taken.heard {
            Heard::Fresh { .. } => {}
            Heard::Jump => {
                let by = taken.steps;
                evaluator.report(peer, now, Kind::Jumped, |event| event.count = i64::try_from(by).ok());
            }
            Heard::Late { .. } | Heard::Duplicate | Heard::Old => return false,
        }
        peer.excused = evaluator.health.excuses(peer.last.mono);
        let previous = peer.source;
        let moved = previous != source;
        if moved {
            client.move_to(source);
            // A sender that restarts has another port: that is no move.
            let peer = &mut *client.peer;
            let returned = peer.history().returns_to(source, previous, now.mono);
            if !returned && (!started_again || previous.ip() != source.ip()) {
                evaluator
                    .report(peer, now, Kind::AddressChanged, |event| event.previous = Some(previous.into()));
            }
        }
        if let Some(finding) = taken.finding {
            evaluator.report_finding(client.peer, finding, now);
        }
        let state = client.peer.state;
        let outcome = evaluator.heartbeat(&mut client, before, now);
        let is_news = client.peer.state == State::Up && (moved || !state.is_watched());
        if is_news && self.unrouted.len() < MOST_UNROUTED {
            self.unrouted.push(key);
        }
        // A stopped client can be evicted from the network it is in now.
        if outcome == Outcome::Stopped || moved && client.peer.has_stopped() {
            self.roster.stopped(key);
        }
        true
    }

    fn tick(&mut self, now: Moment) {
        let found = self.evaluator.health.tick(now);
        if let Some(gap) = found.stalled {
            self.counters.stalls += 1;
            self.evaluator.report_own(now, Kind::Stalled, |event| event.span = Some(gap));
        }
        if let Some(by) = found.stepped {
            self.clock_steps = self.clock_steps.saturating_add(by);
            self.evaluator.report_own(now, Kind::ClockStepped, |event| event.span = Some(by));
        }
    }
}

/// The number and the time difference, as one of the course's servers answers: `17 0.003571`.
fn answer(beat: &Heartbeat<'_>, now: Moment, out: &mut Vec<u8>) {
    if let (Some(seq), Some(sent)) = (beat.seq, beat.wall_ns) {
        let difference = now.wall.saturating_sub(sent) as f64 / 1e9;
        // Writing into memory cannot fail.
        let _ = write!(out, "{seq} {difference:.6}");
    }
}
