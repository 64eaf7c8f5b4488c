//! One client: its session, what arrived of it, and its deadlines.

mod verdict;

use std::net::SocketAddr;
use std::num::NonZeroU8;

use super::Name;
use super::account::{Account, Counts, Heard};
use super::clocks::{ClockSample, Clocks, Finding};
use super::detect::{Beat, Deadlines, Detector, Forecast, Pool, Share, Tally, Watch};
use super::event::State;
use super::interval::Interval;
use super::niche::NicheI64;
use super::session::{EARLIER, Session, SessionMatch};
use crate::logic::codec::heartbeat::Heartbeat;
use crate::logic::{Moment, Nanos, SECOND};

/// Heartbeats of a session before a detector, and its memory, is made. The detector then learns the last of them first.
const YOUNG: u8 = 2;
/// Before that, a client may be silent for so many intervals and a second.
pub(super) const PATIENCE: Nanos = 3;
/// How long a new client that states no interval may take for its second heartbeat.
const NEWCOMER: Nanos = 60 * SECOND;
/// After so many heartbeats in a row at the usual interval, all too late by the sender's clock, that clock has stopped.
const OUT_OF_STEP: u8 = 3;
/// After so many rising numbers below the highest, the account restarts with them.
const CUT_OFF: u8 = 3;

/// A client that returns to an address within this time has two ways, and did not move.
const TO_AND_FRO: Nanos = 3_600 * SECOND;

/// Of a client that had no notable event.
pub(super) const NEVER: u32 = u32::MAX;

/// Stands for none: an `Option` would be larger.
const UNKNOWN: Deadlines = Deadlines { late: Nanos::MIN, suspect: Nanos::MIN, down: Nanos::MIN };

/// A client. The fields are in this order, and [`Peer::prefetch`] reads one of each cache line.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Peer {
    pub(super) name: Name,
    pub(super) source: SocketAddr,
    pub(super) seq: u64,
    /// The last fresh heartbeat.
    pub(super) last: Moment,
    pub(super) last_sent: Option<NicheI64>,
    pub(super) session: Session,
    pub(super) account: Option<Account>,
    pub(super) clocks: Clocks,
    pub(super) interval: Interval,
    /// [`UNKNOWN`] before the first heartbeat; [`Peer::deadlines`] says so.
    deadlines: Deadlines,
    /// How long it may be silent after a heartbeat.
    pub(super) patience: Nanos,
    watch: Option<Box<Watch>>,
    pub(super) history: Option<Box<History>>,
    /// Since when it is in its state.
    pub(super) since: Moment,
    /// The monitor's stalls and drops when the last fresh heartbeat came.
    pub(super) excused: (Nanos, u32),
    pub(super) sessions: u32,
    /// Its number among all admitted, modulo 2^32.
    pub(super) number: u32,
    /// The second in which it last had a notable event; [`NEVER`] if it had none.
    pub(super) restless: u32,
    young: u8,
    pub(super) state: State,
    /// Its heartbeats carry no name, so its address identifies it.
    pub(super) nameless: bool,
    pub(super) sealed: bool,
    /// As for [`OUT_OF_STEP`].
    out_of_step: u8,
    /// Fresh heartbeats since it was new or stopped.
    fresh: u8,
    /// Its times are dates without a zone, so they say nothing about its clock.
    pub(super) local: bool,
    pub(super) duplicate_reported: bool,
    /// It fell silent together with others, and is not heard again yet.
    pub(super) in_outage: bool,
    /// There was a route to it while it was up.
    pub(super) routed: bool,
    /// It is down, and yet its sender had gone on.
    refuted: bool,
}

/// What is kept of earlier sessions; few clients have it.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Sessions before this one, and the highest number heard of each.
    pub(super) earlier: [Option<(NicheI64, u64)>; EARLIER],
    /// The counts of all earlier sessions, and what earlier detectors foretold.
    pub(super) carried: Counts,
    pub(super) tally: Tally,
    /// Numbers up to here were heard before the monitor restarted, or in an earlier part of this session.
    pub(super) floor: Option<u64>,
    below: Option<Below>,
    /// The status of its goodbye, if nothing came after it.
    pub(super) bye: Option<i32>,
    /// So much of its silence was not watched, and is not held against it.
    pub(super) unwatched: Nanos,
    /// The address that it was heard from before, and until when.
    left: Option<Box<(SocketAddr, Nanos)>>,
    /// When this monitor took over from another, by the sender's wall clock, until it is heard.
    pub(super) resumed: Option<NicheI64>,
}

/// Rising numbers below the highest.
#[derive(Debug, Clone, Copy)]
struct Below {
    last: u64,
    run: NonZeroU8,
    /// When the first of them came.
    since: Nanos,
}

#[derive(Debug)]
pub(super) struct Taken {
    pub(super) heard: Heard,
    /// How many numbers it is ahead of the last fresh one.
    pub(super) steps: u64,
    pub(super) finding: Option<Finding>,
}

impl History {
    /// Notes that a client moved from `previous`; returns whether it goes to and fro between two addresses.
    pub(super) fn returns_to(&mut self, source: SocketAddr, previous: SocketAddr, now: Nanos) -> bool {
        let left = self.left.replace(Box::new((previous, now)));
        left.is_some_and(|left| left.0 == source && now.saturating_sub(left.1) < TO_AND_FRO)
    }
}

impl Peer {
    pub(super) fn new(beat: &Heartbeat<'_>, source: SocketAddr, at: Moment, least: Nanos) -> Self {
        Self {
            name: beat.id.map_or_else(|| Name::from(&*source.to_string()), Name::from),
            source,
            seq: 0,
            last: at,
            last_sent: None,
            session: Session::of(beat),
            account: None,
            clocks: Clocks::new(),
            interval: Interval::new(beat.interval, least),
            deadlines: UNKNOWN,
            patience: 0,
            watch: None,
            history: None,
            since: at,
            excused: (0, 0),
            sessions: 1,
            number: 0,
            restless: NEVER,
            young: 0,
            state: State::New,
            nameless: beat.id.is_none(),
            sealed: beat.seal.is_some(),
            out_of_step: 0,
            fresh: 0,
            local: beat.local,
            duplicate_reported: false,
            in_outage: false,
            routed: false,
            refuted: false,
        }
    }

    pub(super) fn id(&self) -> Option<&str> {
        (!self.nameless).then_some(&*self.name)
    }

    /// Its name as it is shown: in double quotes where it could be taken for an address, an option or a path, or as a
    /// file to read. No name has a double quote in it.
    pub(super) fn label(&self) -> Name {
        if self.nameless {
            return self.name.clone();
        }
        let name = &*self.name;
        let is_plain = name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && name.split('/').all(|part| part != "..")
            && name.parse::<SocketAddr>().is_err();
        if is_plain { self.name.clone() } else { Name::from(&*format!("\"{name}\"")) }
    }

    /// Bytes on the heap, with those by which the allocator rounds up.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let watch = self.watch.as_ref().map_or(0, |watch| size_of::<Watch>() + 16 + watch.memory() + 16);
        let history = self.history.as_ref().map_or(0, |_| size_of::<History>() + 16);
        let account = self.account.as_ref().map_or(0, Account::memory);
        watch + history + self.clocks.memory() + account
    }

    /// Loads each of its cache lines.
    pub(super) fn prefetch(&self) -> u64 {
        let Self { source, last, session, clocks, interval, deadlines, since, .. } = self;
        let begins =
            u64::from(source.port()) ^ last.mono.cast_unsigned() ^ u64::from(session.number().is_some());
        let goes_on = clocks.prefetch() ^ interval.value().cast_unsigned() ^ deadlines.down.cast_unsigned();
        begins ^ goes_on ^ since.wall.cast_unsigned()
    }

    /// Loads what it refers to.
    pub(super) fn prefetch_boxed(&self) -> u64 {
        self.watch.as_ref().map_or(0, |watch| watch.prefetch()) ^ self.clocks.prefetch_boxed()
    }

    pub(super) fn interval(&self) -> Nanos {
        self.interval.value()
    }

    pub(super) fn deadlines(&self) -> Option<Deadlines> {
        Some(self.deadlines).filter(|deadlines| *deadlines != UNKNOWN)
    }

    pub(super) fn set_deadlines(&mut self, deadlines: Deadlines) {
        self.deadlines = deadlines;
    }

    pub(super) fn floor(&self) -> Option<u64> {
        self.history.as_ref()?.floor
    }

    /// Since when its silence counts.
    pub(super) fn silent_from(&self) -> Nanos {
        let unwatched = self.history.as_ref().map_or(0, |history| history.unwatched);
        self.last.mono.saturating_add(unwatched)
    }

    /// What its detector has learned, as text.
    pub(super) fn learned(&self) -> Option<String> {
        self.watch.as_ref()?.learned()
    }

    /// Gives it a detector that knows what another has learned; does nothing if that cannot be used.
    pub(super) fn take_up(&mut self, detector: &Detector, pool: &mut Pool, learned: &str) {
        if let Ok(mut watch) = detector.watch(self.interval())
            && watch.take_up(learned, pool)
        {
            self.watch = Some(Box::new(watch));
        }
    }

    /// How many heartbeats the detector needs before it has learned enough of it.
    pub(super) fn to_learn(&self, detector: &Detector) -> u64 {
        self.watch.as_ref().map_or_else(|| detector.lessons(), |watch| watch.to_learn())
    }

    pub(super) fn forecast(&self) -> Option<Forecast> {
        self.watch.as_ref()?.forecast()
    }

    pub(super) fn history(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    pub(super) fn bye(&self) -> Option<i32> {
        self.history.as_ref()?.bye
    }

    fn set_bye(&mut self, bye: Option<i32>) {
        if bye.is_some() || self.history.is_some() {
            self.history().bye = bye;
        }
    }

    fn forget_below(&mut self) {
        if let Some(history) = &mut self.history {
            history.below = None;
        }
    }

    pub(super) fn states_interval(&self) -> bool {
        self.interval.stated().is_some()
    }

    /// Whether heartbeats that are refused may be refused for its clock: it is sealed and silent, and their session was
    /// never heard.
    pub(super) fn is_locked_out(&self, session: Option<u64>) -> bool {
        let silent = !matches!(self.state, State::New | State::Up | State::Late);
        let mut earlier = self.history.iter().flat_map(|history| history.earlier.iter().flatten());
        self.sealed
            && silent
            && session.is_some()
            && !earlier.any(|(number, _)| session.map(NicheI64::from) == Some(*number))
    }

    pub(super) fn has_stopped(&self) -> bool {
        matches!(self.state, State::Down | State::Bye)
    }

    /// The counts of all sessions.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.history.as_ref().map_or_else(Counts::default, |history| history.carried);
        if let Some(account) = &self.account {
            counts += account.counts();
        }
        counts
    }

    /// The same as if its session ended now: what is held is lost.
    pub(super) fn counts_at_end(&self) -> Counts {
        let mut counts = self.history.as_ref().map_or_else(Counts::default, |history| history.carried);
        if let Some(account) = &self.account {
            counts += account.clone().close(|_, _| {});
        }
        counts
    }

    /// The session of a heartbeat. A newer one has a higher boot number, or began later by the sender's clock; sealed
    /// senders need one of these, as an eavesdropper could replay an old session.
    pub(super) fn classify(&mut self, beat: &Heartbeat<'_>) -> SessionMatch {
        let of = Session::of(beat);
        let (Some(number), Some(current)) = (of.number(), self.session.number()) else {
            return self.classify_unnumbered(beat);
        };
        if number == current {
            return SessionMatch::Current;
        }
        if let Some((_, highest)) = self
            .history
            .iter()
            .flat_map(|history| history.earlier.iter().flatten())
            .find(|(earlier, _)| *earlier == number.into())
        {
            let alive = beat.seq.is_some_and(|seq| seq > highest.saturating_add(1));
            // A second sender of this name is gone again: started by mistake, or one forged datagram. Not for sealed
            // senders: an eavesdropper could replay their old session.
            let alone = matches!(self.state, State::Suspect | State::Unknown | State::Down | State::Bye)
                && !self.sealed;
            return if alive && alone { SessionMatch::New } else { SessionMatch::Over { alive } };
        }
        let newer = of.is_after(self.session, self.sealed);
        let silent = !matches!(self.state, State::New | State::Up);
        if newer || (!self.sealed && silent) {
            return SessionMatch::New;
        }
        if let Some(seq) = beat.seq.filter(|_| !self.sealed) {
            // An older session that was never heard, as two senders of a name may be heard in either order. It replaces
            // the oldest; if it goes on, it is found to be alive.
            self.history().earlier[EARLIER - 1] = Some((number.into(), seq));
        }
        SessionMatch::Over { alive: false }
    }

    /// For senders without session numbers: a new session has lower numbers at a later time. A sealed heartbeat has a
    /// session number, and its client none if it was known before there were keys.
    fn classify_unnumbered(&self, beat: &Heartbeat<'_>) -> SessionMatch {
        if self.sealed {
            let is_first = self.account.is_none() && self.floor().is_none();
            return match Session::of(beat).is_after(self.session, true) {
                _ if is_first => SessionMatch::Current,
                true => SessionMatch::New,
                false => SessionMatch::Over { alive: false },
            };
        }
        let back = beat.seq.is_some_and(|seq| self.account.is_some() && seq < self.seq);
        let later = beat.wall_ns.zip(self.last_sent).is_some_and(|(new, last)| new > last.get());
        if back && later { SessionMatch::New } else { SessionMatch::Current }
    }

    /// Forgets the session, as it was not authenticated.
    pub(super) fn reset_session(&mut self) {
        self.reset_account();
        (self.session, self.last_sent) = (Session::default(), None);
        if let Some(history) = &mut self.history {
            (history.earlier, history.floor, history.resumed) = ([None; EARLIER], None, None);
        }
    }

    /// Begins another session; returns the runs of the old one that are lost.
    pub(super) fn restart(&mut self, beat: &Heartbeat<'_>) -> Vec<(u64, u64)> {
        let of = Session::of(beat);
        let (over, highest) = (self.session.number(), self.seq);
        let history = self.history();
        let returns = history.earlier.iter().position(|earlier| {
            earlier.is_some_and(|(number, _)| of.number().map(NicheI64::from) == Some(number))
        });
        history.floor = returns.and_then(|index| history.earlier[index].take()).map(|(_, highest)| highest);
        if let Some(over) = over {
            let oldest = returns.unwrap_or(EARLIER - 1);
            history.earlier[..=oldest].rotate_right(1);
            history.earlier[0] = Some((over.into(), highest));
        }
        let keeps = self.watch.as_mut().is_some_and(|watch| watch.restart());
        let kept = self.watch.take_if(|_| keeps).map(|watch| (watch, self.young));
        let lost = self.reset_account();
        if let Some((watch, young)) = kept {
            (self.watch, self.young) = (Some(watch), young);
        }
        self.session = of;
        self.sessions = self.sessions.saturating_add(1);
        self.duplicate_reported = false;
        self.last_sent = None;
        self.interval.begin_anew();
        self.interval.state(beat.interval);
        lost
    }

    /// Takes a heartbeat of this session. `earliest` is when it may have arrived: earlier than `at` after a stall.
    pub(super) fn take(
        &mut self,
        beat: &Heartbeat<'_>,
        detector: &Detector,
        pool: &mut Pool,
        at: Moment,
        earliest: Nanos,
    ) -> Taken {
        if beat.seq.is_none() && self.seq == u64::MAX {
            (self.history().floor, self.seq) = (None, 0);
            self.reset_account();
        }
        let seq = beat.seq.unwrap_or_else(|| self.seq + 1);
        // The interval of the client may be forged.
        let interval = beat.interval.unwrap_or_else(|| self.interval());
        if self.floor().is_some_and(|floor| seq <= floor) {
            if !self.is_cut_off(seq, interval, at.mono) {
                self.history().carried.old += 1;
                return Taken { heard: Heard::Old, steps: 0, finding: None };
            }
            self.history().floor = None;
            self.reset_account();
        }
        let since = at.mono.saturating_sub(self.last.mono);
        // With one more, for delays.
        let longest = interval.max(self.interval()).max(1);
        let due = || u64::try_from(since / longest).unwrap_or(0).saturating_add(1);
        let heard = if let Some(account) = &mut self.account {
            account.hear(seq, at.mono, due)
        } else {
            self.account = Some(Account::new(seq));
            if self.session == Session::default() {
                self.session = Session::of(beat);
            }
            Heard::Fresh { gap: 0 }
        };
        let steps = match heard {
            Heard::Fresh { gap } => gap.saturating_add(1),
            Heard::Jump => seq - self.seq,
            Heard::Late { .. } | Heard::Duplicate | Heard::Old if self.is_cut_off(seq, interval, at.mono) => {
                // The numbers in between are not reported as lost.
                if let Some(account) = self.account.take() {
                    self.history().carried += account.take_back(seq, |_, _| {});
                }
                self.reset_account();
                return self.take(beat, detector, pool, at, earliest);
            }
            Heard::Late { .. } | Heard::Duplicate | Heard::Old => {
                return Taken { heard, steps: 0, finding: None };
            }
        };
        let first = self.account.as_ref().is_some_and(|account| account.counts().received == 1);
        if heard == Heard::Jump {
            self.unlearn();
        }
        if self.interval.stated() != beat.interval {
            self.interval.state(beat.interval);
            self.unlearn();
        }
        let sample = ClockSample { wall: beat.wall_ns, mono: beat.mono };
        let known_steps = if heard == Heard::Jump { 1 } else { steps };
        let earliest = earliest.max(self.last.mono);
        let came = self.clocks.came(known_steps, self.interval(), sample, earliest, at.mono);
        let at = Moment { mono: came, wall: at.wall.saturating_sub(at.mono.saturating_sub(came)) };
        let gap = at.mono.saturating_sub(self.last.mono);
        if !first && heard != Heard::Jump {
            self.interval.learn(gap, steps);
        }
        let before = Beat { seq: self.seq, sent: self.clocks.last_sent(), at: self.last.mono };
        let update = self.clocks.hear(known_steps, self.interval(), sample, at);
        // A clock that stopped with its machine is put forward when that goes on.
        let stood = match update.finding {
            Some(Finding::SenderStepped { by }) => by.max(0),
            _ => 0,
        };
        let took = update.sent.saturating_sub(before.sent).saturating_add(stood);
        self.end_silence(came, took, steps, !first && heard != Heard::Jump);
        self.forget_below();
        if let Some(history) = &mut self.history {
            (history.unwatched, history.resumed) = (0, None);
        }
        if self.sealed {
            self.session.starts_later(Session::of(beat).start());
        }
        self.seq = seq;
        self.last = at;
        self.last_sent = beat.wall_ns.map(NicheI64::from);
        self.set_bye(beat.bye);
        let beat = Beat { seq, sent: update.sent, at: came };
        self.set_deadlines_after(before, beat, detector, pool);
        if self.is_out_of_step(came, gap) {
            self.clocks = Clocks::new();
            self.unlearn();
            self.refuted = false;
            let update = self.clocks.hear(known_steps, self.interval(), sample, at);
            self.set_deadlines_after(before, Beat { sent: update.sent, ..beat }, detector, pool);
        }
        if let Some(usual) = self.interval.usual_silence() {
            self.deadlines = self.deadlines.after_at_least(came, usual);
        }
        self.patience = self.deadlines.down.saturating_sub(came).max(self.interval());
        // Nothing is known about the time that a jump should take.
        Taken { heard, steps, finding: update.finding.filter(|_| heard != Heard::Jump) }
    }

    /// Whether heartbeats come at their interval, and yet all too late by the sender's clock: it stopped with its
    /// machine. Heartbeats that were only delayed come at once.
    fn is_out_of_step(&mut self, came: Nanos, gap: Nanos) -> bool {
        let late = self.deadlines.down < came && gap >= self.interval() / 2;
        self.out_of_step = if late { self.out_of_step.saturating_add(1) } else { 0 };
        self.out_of_step >= OUT_OF_STEP
    }

    /// Whether the numbers have gone on below the highest, and no other came: forged high numbers must not silence an
    /// unsealed client for good. One that stopped has to send for longer than the network delays what it sent before.
    fn is_cut_off(&mut self, seq: u64, interval: Nanos, at: Nanos) -> bool {
        if self.sealed {
            return false;
        }
        let least = if self.has_stopped() { interval.saturating_mul(PATIENCE + 1) } else { interval };
        let history = self.history();
        let run = history.below.filter(|below| seq > below.last);
        let first = Below { last: seq, run: NonZeroU8::MIN, since: at };
        let below =
            run.map_or(first, |run| Below { last: seq, run: run.run.saturating_add(1), since: run.since });
        history.below = Some(below);
        below.run.get() >= CUT_OFF && at.saturating_sub(below.since) >= least
    }

    /// Restarts the account; returns the runs that were held, first and last.
    pub(super) fn reset_account(&mut self) -> Vec<(u64, u64)> {
        let mut lost = Vec::new();
        if let Some(account) = self.account.take() {
            self.history().carried += account.close(|first, last| lost.push((first, last)));
        }
        self.forget_below();
        self.clocks = Clocks::new();
        self.unlearn();
        lost
    }

    fn unlearn(&mut self) {
        if let Some(watch) = self.watch.take().filter(|watch| watch.tally != Tally::default()) {
            self.history().tally += watch.tally;
        }
        self.young = 0;
    }

    /// Sets the deadlines after a heartbeat.
    fn set_deadlines_after(&mut self, before: Beat, beat: Beat, detector: &Detector, pool: &mut Pool) {
        let (interval, together) = (self.interval(), self.in_outage);
        // A sender that does not state its interval may change it.
        if self.watch.as_ref().is_some_and(|watch| (watch.interval() - interval).abs() > interval / 4) {
            self.unlearn();
        }
        if self.watch.is_none() && self.young >= YOUNG {
            let watch = detector.watch(interval).or_else(|_| Detector::plain().watch(interval));
            self.watch = watch.ok().map(|mut watch| {
                watch.beat_among(before, Some(Share { pool, together }));
                Box::new(watch)
            });
        }
        if let Some(watch) = &mut self.watch {
            watch.beat_among(beat, Some(Share { pool, together }));
            self.deadlines = watch.deadlines().unwrap_or(UNKNOWN);
            return;
        }
        self.young = self.young.saturating_add(1);
        let after = |silence: Nanos| beat.at.saturating_add(silence);
        self.deadlines = Deadlines {
            late: after(interval * 3 / 2),
            suspect: after(interval * 2),
            down: after(interval.saturating_mul(PATIENCE).saturating_add(SECOND)),
        };
    }

    /// The deadline of the second heartbeat.
    pub(super) fn second_deadline(&self) -> Option<Nanos> {
        let down = self.deadlines()?.down;
        let stated = self.states_interval();
        Some(if stated { down } else { down.max(self.last.mono.saturating_add(NEWCOMER)) })
    }

    /// Counts a fresh heartbeat of a client that is not up; returns whether it is the second.
    pub(super) fn count_fresh(&mut self) -> bool {
        self.fresh = self.fresh.saturating_add(1);
        if self.fresh < 2 {
            return false;
        }
        self.fresh = 0;
        true
    }

    pub(super) fn reset_fresh(&mut self) {
        self.fresh = 0;
    }
}
