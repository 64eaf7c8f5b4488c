//! One client: which session it is in, what arrived of it, and until when its silence is fine.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Moment;
use super::account::{Account, Counts, Heard};
use super::clocks::{Clocks, Finding, Stamp};
use super::detect::{Beat, Detector, Marks, Watch};
use super::event::State;
use super::interval::Interval;
use super::session::{EARLIER, Session};
use crate::logic::wire::heartbeat::Heartbeat;
use crate::logic::{Nanos, SECOND};

/// A client gets a detector with the third heartbeat of a session, and memory for what was learned with it.
const YOUNG: usize = 2;
/// Intervals and a second that silence of a young one may take.
const PATIENCE: Nanos = 3;
/// How long a newcomer that does not state its interval may take for its second heartbeat: from the first alone nobody
/// knows how often it sends.
const NEWCOMER: Nanos = 60 * SECOND;
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
    /// Sessions before this one, and the highest number heard of each.
    pub(super) earlier: [Option<(u64, u64)>; EARLIER],
    pub(super) sessions: u32,
    /// Numbers up to here were heard before the monitor was last away.
    pub(super) floor: Option<u64>,
    pub(super) account: Option<Account>,
    /// What came of it in earlier sessions.
    pub(super) carried: Counts,
    pub(super) clocks: Clocks,
    below: Option<Below>,
    pub(super) interval: Interval,
    young: Vec<Beat>,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) marks: Option<Marks>,
    /// How long it may be silent after its last heartbeat.
    pub(super) patience: Nanos,
    /// Fresh heartbeats since it was new, down, or gone.
    fresh: u8,
    /// The last fresh heartbeat.
    pub(super) last: Moment,
    pub(super) last_sent: Option<i64>,
    /// Its times are dates without a zone: no clock can be told from them.
    pub(super) local: bool,
    pub(super) seq: u64,
    pub(super) bye: Option<i32>,
    pub(super) duplicate_told: bool,
    /// What the monitor had to excuse itself for when the last fresh heartbeat came.
    pub(super) excused: (Nanos, u32),
    /// Others were heard while verdicts about it waited.
    pub(super) vouched: bool,
    /// The time of its entry among the timers.
    pub(super) timer: Option<Nanos>,
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
            earlier: [None; EARLIER],
            sessions: 1,
            floor: None,
            account: None,
            carried: Counts::default(),
            clocks: Clocks::new(),
            below: None,
            interval: Interval { stated: beat.interval, found: 0, gaps: 0, least },
            young: Vec::new(),
            watch: None,
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
            timer: None,
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
            stated: stated.then_some(interval),
            found: interval,
            gaps: 1,
            least: least.min(interval),
        };
        Self {
            nameless: known.nameless,
            sealed: known.sealed,
            state: known.state,
            since: known.since,
            session: known.session,
            sessions: known.sessions,
            floor: Some(known.seq),
            carried: known.counts,
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

    /// Whether it states its interval.
    pub(super) fn states_interval(&self) -> bool {
        self.interval.stated.is_some()
    }

    /// All sessions together.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = self.carried;
        if let Some(account) = &self.account {
            counts += account.counts();
        }
        counts
    }

    /// Takes a heartbeat of this session. `read` is when it came as far as the detector is concerned: before a stall
    /// of the monitor, if it waited during that.
    pub(super) fn take(
        &mut self,
        beat: &Heartbeat<'_>,
        detector: &Detector,
        at: Moment,
        read: Nanos,
    ) -> Taken {
        if beat.seq.is_none() && self.seq == u64::MAX {
            (self.floor, self.seq) = (None, 0);
            self.begin_anew();
        }
        let seq = beat.seq.unwrap_or_else(|| self.seq + 1);
        if self.floor.is_some_and(|floor| seq <= floor) {
            if self.sealed || !self.is_cut_off(seq, at.mono) {
                return Taken { heard: Heard::Old, steps: 0, finding: None };
            }
            self.floor = None;
            self.begin_anew();
        }
        let heard = if let Some(account) = &mut self.account {
            account.hear(seq, at.mono)
        } else {
            self.account = Some(Account::new(seq, at.mono));
            Heard::Fresh { gap: 0 }
        };
        let steps = match heard {
            Heard::Fresh { gap } => gap.saturating_add(1),
            Heard::Jump => seq - self.seq,
            Heard::Old | Heard::Duplicate if self.may_be_cut_off(heard) && self.is_cut_off(seq, at.mono) => {
                // Numbers on the far side of a wild one: nobody wants to be told that they are lost.
                self.begin_anew();
                return self.take(beat, detector, at, read);
            }
            Heard::Late { .. } | Heard::Duplicate | Heard::Old => {
                return Taken { heard, steps: 0, finding: None };
            }
        };
        let first = self.account.as_ref().is_some_and(|account| account.counts().received == 1);
        if heard == Heard::Jump {
            // Nothing that was learned of the numbers before holds for those behind a jump.
            self.watch = None;
            self.young.clear();
        }
        if self.interval.stated != beat.interval {
            self.interval.stated = beat.interval;
            self.watch = None;
            self.young.clear();
        }
        if !first && heard != Heard::Jump {
            self.interval.learn(at.mono.saturating_sub(self.last.mono), steps);
        }
        let stamp = Stamp { wall: beat.wall_ns, mono: beat.mono };
        let told = self.clocks.hear(if heard == Heard::Jump { 1 } else { steps }, self.interval(), stamp, at);
        self.below = None;
        self.seq = seq;
        self.last = at;
        self.last_sent = beat.wall_ns;
        self.bye = beat.bye;
        self.mark(Beat { seq, sent: told.sent, at: read }, detector);
        self.patience = self.marks.map_or(0, |marks| marks.down.saturating_sub(read)).max(self.interval());
        // What the clocks say beside a jump of the numbers says as little.
        Taken { heard, steps, finding: told.finding.filter(|_| heard != Heard::Jump) }
    }

    /// Whether numbers below the highest can be the ones to go by: those of unsealed clients, and numbers that were heard
    /// before only where nothing else tells a restart.
    fn may_be_cut_off(&self, heard: Heard) -> bool {
        !self.sealed && (heard == Heard::Old || self.session.number.is_none())
    }

    /// Whether the numbers have gone on below the highest, one heartbeat after the other: one wild number, which anybody
    /// can send who can name an unsealed client, must not silence it for good.
    fn is_cut_off(&mut self, seq: u64, at: Nanos) -> bool {
        let before =
            self.below.filter(|below| seq > below.last).unwrap_or(Below { last: 0, run: 0, since: at });
        let below = Below { last: seq, run: before.run.saturating_add(1), ..before };
        self.below = Some(below);
        below.run >= CUT_OFF && at.saturating_sub(below.since) >= self.interval()
    }

    /// Begins the numbers of the session anew; gives back the runs that were held, first and last.
    pub(super) fn begin_anew(&mut self) -> Vec<(u64, u64)> {
        let mut lost = Vec::new();
        if let Some(account) = self.account.take() {
            self.carried += account.close(|first, last| lost.push((first, last)));
        }
        self.below = None;
        self.clocks = Clocks::new();
        self.watch = None;
        self.young.clear();
        lost
    }

    /// Until when silence is fine after this heartbeat.
    fn mark(&mut self, beat: Beat, detector: &Detector) {
        let interval = self.interval();
        // A sender that does not state its interval may change it.
        if self.watch.as_ref().is_some_and(|watch| (watch.interval() - interval).abs() > interval / 4) {
            self.watch = None;
            self.young.clear();
        }
        if let Some(watch) = &mut self.watch {
            watch.beat(beat);
            self.marks = watch.marks();
            return;
        }
        if self.young.len() >= YOUNG
            && let Ok(mut watch) = detector.watch(interval).or_else(|_| Detector::plain().watch(interval))
        {
            self.young.drain(..).chain([beat]).for_each(|beat| watch.beat(beat));
            self.marks = watch.marks();
            self.watch = Some(Box::new(watch));
            self.young.shrink_to_fit();
            return;
        }
        self.young.push(beat);
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
