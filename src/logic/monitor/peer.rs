//! One client: which session it is in, what arrived of it, and until when its silence is fine.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Moment;
use super::account::{Account, Counts, Heard};
use super::clocks::{Clocks, Finding, Stamp};
use super::detect::{Beat, Detector, Forecast, Marks, Watch};
use super::event::State;
use super::interval::Interval;
use super::session::{EARLIER, Session};
use super::slim::Slim;
use crate::logic::wire::heartbeat::Heartbeat;
use crate::logic::{Nanos, SECOND};

/// A client gets a detector with the third heartbeat of a session, and memory for what was learned with it. It begins with
/// the second: of one that is heard twice, no more than one heartbeat has to be remembered.
const YOUNG: u8 = 2;
/// Intervals and a second that silence of a young one may take.
const PATIENCE: Nanos = 3;
/// How long a newcomer that does not state its interval may take for its second heartbeat: from the first alone nobody
/// knows how often it sends.
const NEWCOMER: Nanos = 60 * SECOND;
/// Heartbeats in a row that keep their pace and are all too late by the sender's clock, after which that clock stood still.
const OUT_OF_STEP: u8 = 3;
/// Rising numbers below the highest after which these are the ones to go by.
const CUT_OFF: u8 = 3;

/// A client.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are true or not each for itself")]
pub(super) struct Peer {
    pub(super) name: Arc<str>,
    /// Known by its address, as its heartbeats carry no name.
    pub(super) nameless: bool,
    pub(super) sealed: bool,
    pub(super) source: SocketAddr,
    pub(super) state: State,
    /// Since when it is in that state.
    pub(super) since: Moment,
    pub(super) session: Session,
    pub(super) sessions: u32,
    /// Most have none.
    pub(super) past: Option<Box<Past>>,
    pub(super) account: Option<Account>,
    pub(super) clocks: Clocks,
    /// How many heartbeats kept their pace and were too late.
    out_of_step: u8,
    pub(super) interval: Interval,
    learned: Learned,
    pub(super) marks: Option<Marks>,
    /// How long it may be silent after its last heartbeat.
    pub(super) patience: Nanos,
    /// Fresh heartbeats since it was new, down, or gone.
    fresh: u8,
    /// The last fresh heartbeat.
    pub(super) last: Moment,
    pub(super) last_sent: Option<Slim>,
    /// Its times are dates without a zone: no clock can be told from them.
    pub(super) local: bool,
    pub(super) seq: u64,
    pub(super) bye: Option<i32>,
    pub(super) duplicate_told: bool,
    /// What the monitor had to excuse itself for when the last fresh heartbeat came.
    pub(super) excused: (Nanos, u32),
    /// Others were heard while verdicts about it waited.
    pub(super) vouched: bool,
}

/// What is to be known of a client beside its session.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Sessions before this one, and the highest number heard of each.
    pub(super) earlier: [Option<(u64, u64)>; EARLIER],
    /// What came of it in these and the ones before.
    carried: Counts,
    /// Numbers up to here were heard before the monitor was last away, or in an earlier part of this session.
    pub(super) floor: Option<u64>,
    below: Option<Below>,
}

/// What is known of how the heartbeats of a client come.
#[derive(Debug)]
enum Learned {
    /// So many were heard, this one the last.
    Young(u8, Beat),
    Watch(Box<Watch>),
}

/// What is known of a client that was saved.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) nameless: bool,
    pub(super) sealed: bool,
    pub(super) state: State,
    pub(super) since: Moment,
    pub(super) last: Moment,
    pub(super) session: Session,
    pub(super) seq: u64,
    pub(super) bye: Option<i32>,
    pub(super) sessions: u32,
    pub(super) counts: Counts,
}

/// Numbers below the highest that are rising by themselves.
#[derive(Debug, Clone, Copy)]
struct Below {
    last: u64,
    run: u8,
    /// When the first of them came.
    since: Nanos,
}

/// What became of a heartbeat.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) heard: Heard,
    /// How many numbers it is ahead of the last fresh one.
    pub(super) steps: u64,
    pub(super) finding: Option<Finding>,
}

impl Learned {
    const NOTHING: Self = Self::Young(0, Beat { seq: 0, sent: 0, at: 0 });
}

impl Peer {
    pub(super) fn new(
        name: Arc<str>,
        beat: &Heartbeat<'_>,
        source: SocketAddr,
        at: Moment,
        least: Nanos,
    ) -> Self {
        Self {
            name,
            nameless: beat.id.is_none(),
            sealed: beat.seal.is_some(),
            source,
            state: State::New,
            since: at,
            session: Session::of(beat),
            sessions: 1,
            past: None,
            account: None,
            clocks: Clocks::new(),
            out_of_step: 0,
            interval: Interval::new(beat.interval, least),
            learned: Learned::NOTHING,
            marks: None,
            patience: 0,
            fresh: 0,
            last: at,
            last_sent: None,
            local: beat.local,
            seq: 0,
            bye: None,
            duplicate_told: false,
            excused: (0, 0),
            vouched: false,
        }
    }

    /// A client as it was saved; its silence is fine for as long as that of a young one.
    pub(super) fn restored(
        name: Arc<str>,
        source: SocketAddr,
        known: &Known,
        (interval, stated): (Nanos, bool),
        least: Nanos,
        now: Moment,
    ) -> Self {
        let patience = now.mono.saturating_add(interval.saturating_mul(PATIENCE).saturating_add(SECOND));
        let marks = Marks { late: patience, suspect: patience, down: patience };
        let interval = Interval {
            found: interval,
            gaps: 1,
            ..Interval::new(stated.then_some(interval), least.min(interval))
        };
        Self {
            nameless: known.nameless,
            sealed: known.sealed,
            state: known.state,
            since: known.since,
            session: known.session,
            sessions: known.sessions,
            past: Some(Box::new(Past { floor: Some(known.seq), carried: known.counts, ..Past::default() })),
            interval,
            marks: known.state.is_watched().then_some(marks),
            patience: interval.value().saturating_mul(PATIENCE).saturating_add(SECOND),
            last: known.last,
            seq: known.seq,
            bye: known.bye,
            ..Self::new(name, &Heartbeat::default(), source, now, least)
        }
    }

    pub(super) fn interval(&self) -> Nanos {
        self.interval.value()
    }

    /// The numbers up to which it was heard before, if that has to be known.
    pub(super) fn floor(&self) -> Option<u64> {
        self.past.as_ref()?.floor
    }

    /// What a calibrated detector foretells.
    pub(super) fn forecast(&self) -> Option<Forecast> {
        let Learned::Watch(watch) = &self.learned else { return None };
        watch.forecast()
    }

    pub(super) fn past(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    fn forget_below(&mut self) {
        if let Some(past) = &mut self.past {
            past.below = None;
        }
    }

    /// Whether it states its interval.
    pub(super) fn states_interval(&self) -> bool {
        self.interval.stated().is_some()
    }

    /// All sessions together.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.past.as_ref().map_or_else(Counts::default, |past| past.carried);
        if let Some(account) = &self.account {
            counts += account.counts();
        }
        counts
    }

    /// Takes a heartbeat of this session. `earliest` is when it may have come: earlier than it is read, if the monitor stood
    /// still.
    pub(super) fn take(
        &mut self,
        beat: &Heartbeat<'_>,
        detector: &Detector,
        at: Moment,
        earliest: Nanos,
    ) -> Taken {
        if beat.seq.is_none() && self.seq == u64::MAX {
            (self.past().floor, self.seq) = (None, 0);
            self.begin_anew();
        }
        let seq = beat.seq.unwrap_or_else(|| self.seq + 1);
        if self.floor().is_some_and(|floor| seq <= floor) {
            if self.sealed || !self.is_cut_off(seq, at.mono) {
                return Taken { heard: Heard::Old, steps: 0, finding: None };
            }
            self.past().floor = None;
            self.begin_anew();
        }
        let heard = if let Some(account) = &mut self.account {
            account.hear(seq, at.mono)
        } else {
            self.account = Some(Account::new(seq, at.mono));
            if self.session == Session::default() {
                self.session = Session::of(beat);
            }
            Heard::Fresh { gap: 0 }
        };
        let steps = match heard {
            Heard::Fresh { gap } => gap.saturating_add(1),
            Heard::Jump => seq - self.seq,
            Heard::Old | Heard::Duplicate if self.may_be_cut_off(heard) && self.is_cut_off(seq, at.mono) => {
                // Numbers on the far side of a wild one: nobody wants to be told that they are lost.
                self.begin_anew();
                return self.take(beat, detector, at, earliest);
            }
            Heard::Late { .. } | Heard::Duplicate | Heard::Old => {
                return Taken { heard, steps: 0, finding: None };
            }
        };
        let first = self.account.as_ref().is_some_and(|account| account.counts().received == 1);
        if heard == Heard::Jump {
            // Nothing that was learned of the numbers before holds for those behind a jump.
            self.learned = Learned::NOTHING;
        }
        if self.interval.stated() != beat.interval {
            self.interval.state(beat.interval);
            self.learned = Learned::NOTHING;
        }
        let stamp = Stamp { wall: beat.wall_ns, mono: beat.mono };
        let known_steps = if heard == Heard::Jump { 1 } else { steps };
        let earliest = earliest.max(self.last.mono);
        let came = self.clocks.came(known_steps, self.interval(), stamp, earliest, at.mono);
        let at = Moment { mono: came, wall: at.wall.saturating_sub(at.mono.saturating_sub(came)) };
        let gap = at.mono.saturating_sub(self.last.mono);
        if !first && heard != Heard::Jump {
            self.interval.learn(gap, steps);
        }
        let told = self.clocks.hear(known_steps, self.interval(), stamp, at);
        self.forget_below();
        self.seq = seq;
        self.last = at;
        self.last_sent = beat.wall_ns.map(Slim::from);
        self.bye = beat.bye;
        let beat = Beat { seq, sent: told.sent, at: came };
        self.mark(beat, detector);
        if self.is_out_of_step(came, gap) {
            self.clocks = Clocks::new();
            self.learned = Learned::NOTHING;
            let told = self.clocks.hear(known_steps, self.interval(), stamp, at);
            self.mark(Beat { sent: told.sent, ..beat }, detector);
        }
        if let Some(usual) = self.interval.usual_silence() {
            self.marks = self.marks.map(|marks| marks.after_at_least(came, usual));
        }
        self.patience = self.marks.map_or(0, |marks| marks.down.saturating_sub(came)).max(self.interval());
        // What the clocks say beside a jump of the numbers says as little.
        Taken { heard, steps, finding: told.finding.filter(|_| heard != Heard::Jump) }
    }

    /// Whether heartbeats come at their pace and yet all too late by what is known of the sender's clock: it stood still
    /// with its machine, and is another one now. What only waited on the way comes at once.
    fn is_out_of_step(&mut self, came: Nanos, gap: Nanos) -> bool {
        let late = self.marks.is_some_and(|marks| marks.down < came) && gap >= self.interval() / 2;
        self.out_of_step = if late { self.out_of_step.saturating_add(1) } else { 0 };
        self.out_of_step >= OUT_OF_STEP
    }

    /// Whether numbers below the highest can be the ones to go by: those of unsealed clients, and numbers that were heard
    /// before only where nothing else tells a restart.
    fn may_be_cut_off(&self, heard: Heard) -> bool {
        !self.sealed && (heard == Heard::Old || self.session.number().is_none())
    }

    /// Whether the numbers have gone on below the highest, one heartbeat after the other: one wild number, which anybody
    /// can send who can name an unsealed client, must not silence it for good.
    fn is_cut_off(&mut self, seq: u64, at: Nanos) -> bool {
        let past = self.past();
        let before =
            past.below.filter(|below| seq > below.last).unwrap_or(Below { last: 0, run: 0, since: at });
        let below = Below { last: seq, run: before.run.saturating_add(1), ..before };
        past.below = Some(below);
        below.run >= CUT_OFF && at.saturating_sub(below.since) >= self.interval()
    }

    /// Begins the numbers of the session anew; gives back the runs that were held, first and last.
    pub(super) fn begin_anew(&mut self) -> Vec<(u64, u64)> {
        let mut lost = Vec::new();
        if let Some(account) = self.account.take() {
            self.past().carried += account.close(|first, last| lost.push((first, last)));
        }
        self.forget_below();
        self.clocks = Clocks::new();
        self.learned = Learned::NOTHING;
        lost
    }

    /// Until when silence is fine after this heartbeat.
    fn mark(&mut self, beat: Beat, detector: &Detector) {
        let interval = self.interval();
        // A sender that does not state its interval may change it.
        if matches!(&self.learned, Learned::Watch(watch) if (watch.interval() - interval).abs() > interval / 4)
        {
            self.learned = Learned::NOTHING;
        }
        match &mut self.learned {
            Learned::Watch(watch) => {
                watch.beat(beat);
                self.marks = watch.marks();
                return;
            }
            Learned::Young(YOUNG.., last) => {
                if let Ok(mut watch) = detector.watch(interval).or_else(|_| Detector::plain().watch(interval))
                {
                    watch.beat(*last);
                    watch.beat(beat);
                    self.marks = watch.marks();
                    self.learned = Learned::Watch(Box::new(watch));
                    return;
                }
            }
            Learned::Young(heard, last) => (*heard, *last) = (*heard + 1, beat),
        }
        let after = |silence: Nanos| beat.at.saturating_add(silence);
        self.marks = Some(Marks {
            late: after(interval * 3 / 2),
            suspect: after(interval * 2),
            down: after(interval.saturating_mul(PATIENCE).saturating_add(SECOND)),
        });
    }

    /// Until when the second heartbeat of a newcomer is waited for.
    pub(super) fn second_by(&self) -> Option<Nanos> {
        let down = self.marks?.down;
        let stated = self.states_interval();
        Some(if stated { down } else { down.max(self.last.mono.saturating_add(NEWCOMER)) })
    }

    /// Counts a fresh heartbeat on the way up; says whether it is the second.
    pub(super) fn rises(&mut self) -> bool {
        self.fresh = self.fresh.saturating_add(1);
        if self.fresh < 2 {
            return false;
        }
        self.fresh = 0;
        true
    }

    /// The way up begins anew.
    pub(super) fn falls(&mut self) {
        self.fresh = 0;
    }
}
