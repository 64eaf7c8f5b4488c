//! The monitor of heartbeats: who is alive, who has stopped, and what the way between lost.
//!
//! [`Monitor`] is fed datagrams and the time, and answers with events, deadlines and sometimes a reply. What a driver
//! owes it: [`Monitor::hear_all`] for the datagrams that came, and [`Monitor::wake`] when all that had come is heard, at
//! [`Monitor::next_deadline`], and every [`LOOK`] in any case. A driver that comes later than that admits by it that
//! the monitor itself stood still, and verdicts wait as much longer.

pub mod account;
pub mod clocks;
pub mod detect;
mod event;
mod health;
mod index;
mod interval;
mod name;
mod peer;
mod plan;
mod roster;
mod saved;
mod session;
mod slim;
#[cfg(test)]
mod tests;
mod timers;
mod verdict;
mod view;

use std::io::Write as _;
use std::net::SocketAddr;

use super::wire::heartbeat::{Heartbeat, Unreadable};
use super::{Moment, Nanos};
use account::Heard;
use clocks::Finding;
pub use event::{Event, Kind, State};
use health::Health;
pub use health::LOOK;
pub use name::Name;
use peer::Peer;
pub use plan::MonitorPlan;
use roster::{Place, Roster, Who};
use session::Belongs;
pub use view::{Counters, PeerRow, Unread};

/// The monitor, without its socket.
#[derive(Debug)]
pub struct Monitor {
    plan: MonitorPlan,
    roster: Roster,
    health: Health,
    counters: Counters,
    unread: view::Samples,
    /// Clients for whose heartbeats it waits, and those of them that are late.
    watched: usize,
    silent: usize,
    isolated: Option<Moment>,
    heard: Moment,
    idle_told: bool,
    full_told: bool,
    events: Vec<Event>,
    told: u64,
    /// For whoever needs it for a moment.
    slots: Vec<u32>,
    out: Vec<u8>,
}

/// A datagram that was read, and who it is from.
#[derive(Debug)]
struct Letter<'a> {
    source: SocketAddr,
    datagram: &'a [u8],
    beat: Result<(Heartbeat<'a>, Who), Unreadable>,
}

impl Monitor {
    /// A monitor that has heard nobody yet.
    #[must_use]
    pub fn new(plan: MonitorPlan, now: Moment) -> Self {
        Self {
            plan,
            roster: Roster::default(),
            health: Health::new(now),
            counters: Counters::default(),
            unread: view::Samples::default(),
            watched: 0,
            silent: 0,
            isolated: None,
            heard: now,
            idle_told: false,
            full_told: false,
            events: Vec::new(),
            told: 0,
            slots: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Takes in datagrams that are read now, in their order, and gives `answer` what is to be sent back to the sender of
    /// which of them, counted from 0.
    ///
    /// What comes of it is what [`Monitor::hear`] makes of one after the other. It is faster: of very many clients hardly
    /// any is in the processor's cache, and what is known of all these is fetched at once.
    pub fn hear_all<'a>(
        &mut self,
        now: Moment,
        datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>,
        mut answer: impl FnMut(usize, &[u8]),
    ) {
        let letters: Vec<Letter<'_>> =
            datagrams.map(|(source, datagram)| self.open(source, datagram)).collect();
        if letters.is_empty() {
            return;
        }
        self.look(now);
        let (mut slots, mut out) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.out));
        if letters.len() > 1 {
            self.roster.fetch(
                letters.iter().filter_map(|letter| letter.beat.as_ref().ok().map(|(_, who)| *who)),
                &mut slots,
            );
        }
        for (place, letter) in letters.into_iter().enumerate() {
            self.take_in(now, letter, &mut out);
            if !out.is_empty() {
                answer(place, &out);
            }
        }
        (self.slots, self.out) = (slots, out);
    }

    /// Takes in a datagram that is read now. The answer, if there is to be one, is left in `out`, which else is empty.
    pub fn hear(&mut self, now: Moment, source: SocketAddr, datagram: &[u8], out: &mut Vec<u8>) {
        self.look(now);
        let letter = self.open(source, datagram);
        self.take_in(now, letter, out);
    }

    /// Looks at the clocks, and gives the verdicts whose time has come. `drops` is how many datagrams the kernel says it
    /// has dropped so far.
    pub fn wake(&mut self, now: Moment, drops: Option<u64>) {
        self.look(now);
        if let Some(more) = self.health.drops(drops) {
            self.counters.kernel_drops += more;
            self.tell_own(now, Kind::Dropped, None, i64::try_from(more).ok());
        }
        self.health.caught_up();
        while let Some(place) = self.roster.due(now.mono) {
            self.judge(place, now);
        }
        self.look_around(now);
    }

    /// Says that nothing came until now, and that the driver would have looked every [`LOOK`]: virtual time has no idle
    /// moments to spend.
    pub fn rested(&mut self, now: Moment) {
        self.health.rested(now);
    }

    /// When to wake at the latest, beside every [`LOOK`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let idle =
            (self.plan.idle > 0 && !self.idle_told).then(|| self.heard.mono.saturating_add(self.plan.idle));
        self.roster.next_look().into_iter().chain(idle).min()
    }

    /// What happened since this was last asked.
    pub fn events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// Reads a datagram, and who it is from. This changes nothing.
    fn open<'a>(&self, source: SocketAddr, datagram: &'a [u8]) -> Letter<'a> {
        let beat = Heartbeat::read(datagram).map(|mut beat| {
            if beat.local {
                beat.wall_ns = beat.wall_ns.map(|wall_ns| wall_ns.saturating_sub(self.plan.utc_offset));
            }
            let who = self.roster.who(beat.id, source);
            (beat, who)
        });
        Letter { source, datagram, beat }
    }

    /// Takes in what was read.
    fn take_in(&mut self, now: Moment, letter: Letter<'_>, out: &mut Vec<u8>) {
        let Letter { source, datagram, beat } = letter;
        out.clear();
        self.counters.received += 1;
        let (beat, who) = match beat {
            Ok(read) => read,
            Err(reason) => {
                self.counters.unreadable += 1;
                return self.unread.keep(source, datagram, reason);
            }
        };
        if !self.plan.keys.is_empty() {
            match &beat.seal {
                None => return self.counters.unsealed += 1,
                Some(seal) if !self.plan.keys.verify(seal) => return self.counters.forged += 1,
                Some(_) => {}
            }
        }
        let known = self.roster.find(who, beat.id, source);
        let Some(place) = known.or_else(|| self.admit(&beat, source, now)) else { return };
        self.heard = now;
        self.idle_told = false;
        let fresh = self.place(place, &beat, source, now);
        if fresh && self.plan.answer {
            answer(&beat, now, out);
            if out.len() > datagram.len() {
                out.clear();
            }
        }
    }

    /// Makes room for a client, if that may be.
    fn admit(&mut self, beat: &Heartbeat<'_>, source: SocketAddr, now: Moment) -> Option<Place> {
        let sealed = !self.plan.keys.is_empty();
        if !sealed && !self.roster.has_room_for(source, self.plan.per_prefix) {
            let Some(place) = self.roster.dispensable_in(source) else {
                self.counters.refused += 1;
                return None;
            };
            self.forget(place, now);
        }
        if self.roster.len() >= self.plan.max_clients {
            let Some(place) = self.roster.dispensable() else {
                self.counters.refused += 1;
                if !std::mem::replace(&mut self.full_told, true) {
                    self.tell_own(now, Kind::Full, None, None);
                }
                return None;
            };
            self.forget(place, now);
        }
        self.full_told = false;
        let mut peer = Peer::new(beat, source, now, self.plan.interval);
        peer.sealed = sealed;
        let place = self.roster.add(peer);
        self.tell(place, now, Kind::Is(State::New), |_| {});
        Some(place)
    }

    /// Takes in a heartbeat of a client; says whether it is fresh.
    fn place(&mut self, place: Place, beat: &Heartbeat<'_>, source: SocketAddr, now: Moment) -> bool {
        if !self.plan.keys.is_empty() {
            self.roster.seal(place);
        }
        let Some(peer) = self.roster.get_mut(place) else { return false };
        let mut started_again = false;
        match peer.place(beat) {
            Belongs::Here => {}
            Belongs::Next => {
                started_again = true;
                let span = now.mono.saturating_sub(peer.last.mono);
                let lost = peer.restart(beat);
                self.tell_lost(place, lost, now);
                self.tell(place, now, Kind::Restarted, |event| event.span = Some(span));
            }
            Belongs::Before { alive } => {
                self.counters.stale += 1;
                if alive && !std::mem::replace(&mut peer.duplicate_told, true) {
                    self.tell(place, now, Kind::DuplicateIdentity, |event| event.address = Some(source));
                }
                return false;
            }
        }
        let Some(peer) = self.roster.get_mut(place) else { return false };
        let before = peer.last;
        let taken = peer.take(beat, &self.plan.detector, now, self.health.earliest(now.mono));
        self.tell_beat(place, beat, taken.heard, now);
        self.settle(place, now);
        match taken.heard {
            Heard::Fresh { .. } => {}
            Heard::Jump => {
                let by = taken.steps;
                self.tell(place, now, Kind::Jumped, |event| event.count = i64::try_from(by).ok());
            }
            Heard::Late { .. } | Heard::Duplicate | Heard::Old => return false,
        }
        let Some(peer) = self.roster.get_mut(place) else { return false };
        peer.excused = self.health.excuses(peer.last.mono);
        if peer.source != source {
            let previous = peer.source;
            self.roster.moved(place, source);
            // A sender that starts has another port as a matter of course.
            if !started_again || previous.ip() != source.ip() {
                self.tell(place, now, Kind::AddressChanged, |event| event.previous = Some(previous.into()));
            }
        }
        self.find(place, taken.finding, now);
        self.raise(place, before, now);
        true
    }

    /// Tells of a heartbeat, if somebody wants to know of each.
    fn tell_beat(&mut self, place: Place, beat: &Heartbeat<'_>, heard: Heard, now: Moment) {
        let (kind, count) = match heard {
            Heard::Fresh { .. } | Heard::Jump => (Kind::Heard, None),
            Heard::Late { took_back } => (Kind::HeardLate, Some(took_back.into())),
            Heard::Duplicate => (Kind::HeardAgain, None),
            Heard::Old => return,
        };
        if !self.plan.beats {
            return;
        }
        let sent = beat.wall_ns.filter(|_| !beat.local);
        self.tell(place, now, kind, |event| {
            event.seq = beat.seq.or(event.seq);
            event.span = sent.map(|sent| now.wall.saturating_sub(sent));
            event.count = count;
        });
    }

    /// Tells what the clocks of a client say.
    fn find(&mut self, place: Place, finding: Option<Finding>, now: Moment) {
        let (kind, span) = match finding {
            Some(Finding::SenderStepped { by }) => (Kind::ClientClockStepped, by),
            Some(Finding::SenderPaused { gap }) => (Kind::Paused, gap),
            None => return,
        };
        self.tell(place, now, kind, |event| event.span = Some(span));
    }

    /// Looks at the clocks of this machine.
    fn look(&mut self, now: Moment) {
        let found = self.health.look(now);
        if let Some(gap) = found.stalled {
            self.counters.stalls += 1;
            self.tell_own(now, Kind::Stalled, Some(gap), None);
        }
        if let Some(by) = found.stepped {
            self.tell_own(now, Kind::ClockStepped, Some(by), None);
        }
    }

    fn forget(&mut self, place: Place, now: Moment) {
        self.counters.evicted += 1;
        self.tell(place, now, Kind::Forgotten, |_| {});
        self.roster.remove(place);
    }

    /// An event about a client.
    fn tell(&mut self, place: Place, at: Moment, kind: Kind, more: impl FnOnce(&mut Event)) {
        let Some(peer) = self.roster.get_mut(place) else { return };
        self.told += 1;
        let mut event = Event {
            number: self.told,
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

    /// An event about the monitor itself.
    fn tell_own(&mut self, at: Moment, kind: Kind, span: Option<Nanos>, count: Option<i64>) {
        self.told += 1;
        let (number, client, address, previous, before, seq) = (self.told, None, None, None, None, None);
        self.events.push(Event { number, at, kind, client, address, previous, before, seq, span, count });
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
