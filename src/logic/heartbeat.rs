//! The sender of heartbeats as a state machine: when the next is due, what it says, and when to keep silent.
//!
//! The schedule is a grid, `start + n·interval`, whatever happened before. A driver that comes late sends one heartbeat
//! and skips those that it missed. Numbers are used up by what has left and by nothing else: so a gap in them is a loss
//! on the way, and a sender that slept, was gated or had no network shows by its times.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use plan::{HeartbeatPlan, Wishes};

use super::codec::heartbeat::{Form, Heartbeat};
use super::counters::counters;
use super::random::{Direction, Effect, Uniforms};
use super::{Moment, Nanos};

/// How often the last word is said: one of them may be lost.
const LAST_WORDS: u8 = 3;
/// Between two last words: they should not share one full buffer, and stopping should not take long.
const BREATH: Nanos = 10_000_000;
/// Heartbeats whose answer is still known for what it is.
const REMEMBERED: usize = 128;

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Send the line now, then report [`Sender::sent`] or [`Sender::failed`].
    Send,
    /// Nothing before this time.
    Wait(Nanos),
    /// The last word has been said.
    Done,
}

counters! {
    /// What became of the heartbeats: each time on the schedule was used, withheld, skipped or an error. `refused` is for
    /// whoever drives it to fill in.
    sent: u64 = Counter, "heartbeats", "Heartbeats that left, goodbyes included.";
    answered: u64 = Counter, "heartbeats", "Heartbeats that were answered.";
    withheld: u64 = Counter, "heartbeats", "Heartbeats not sent because `touch()` had not been called in time.";
    skipped: u64 = Counter, "heartbeats",
        "Heartbeats not sent because this process was stopped, asleep or overloaded when they were due.";
    errors: u64 = Counter, "heartbeats",
        "Heartbeats not sent because the system refused, or the host had no address.";
    refused: u64 = Counter, "messages", "How often the network said that nobody listens there (ICMP).";
}

/// One session of a sender.
#[derive(Debug)]
pub struct Sender {
    plan: HeartbeatPlan,
    jitter: Uniforms,
    /// When the schedule began; `None` before.
    start: Option<Nanos>,
    /// The next time on the schedule, counted from 0.
    slot: u64,
    /// The next number.
    seq: u64,
    touched: Nanos,
    farewell: Option<Farewell>,
    acked: Option<u64>,
    /// When the last heartbeats left, up to number `seq - 1`; `None` for those that were answered.
    left: VecDeque<Option<Nanos>>,
    round_trip: Option<Nanos>,
    counters: Counters,
}

/// The end of a session.
#[derive(Debug, Clone, Copy)]
struct Farewell {
    status: i32,
    words: u8,
    next: Nanos,
}

impl Sender {
    /// A session that has not begun.
    pub fn new(plan: HeartbeatPlan) -> Self {
        Self {
            jitter: Uniforms::new(plan.session),
            start: None,
            slot: 0,
            seq: plan.first_seq,
            touched: Nanos::MIN,
            farewell: None,
            acked: None,
            left: VecDeque::new(),
            round_trip: None,
            counters: Counters::default(),
            plan,
        }
    }

    /// The schedule begins: the first heartbeat is due now. It also counts as a sign of life.
    pub fn begin(&mut self, now: Nanos) {
        self.start = Some(now);
        self.touch(now);
    }

    /// When the next heartbeat is to leave.
    pub fn next_due(&self) -> Nanos {
        match (&self.farewell, self.start) {
            (Some(farewell), _) => farewell.next,
            (None, Some(start)) => self.leaves(start, self.slot),
            (None, None) => Nanos::MAX,
        }
    }

    /// Writes the heartbeat that is due at the end of `out`, if one is.
    pub fn beat(&mut self, now: Moment, out: &mut Vec<u8>) -> Beat {
        if self.farewell.is_some_and(|farewell| farewell.words == 0) {
            return Beat::Done;
        }
        let due = self.next_due();
        if now.mono < due {
            return Beat::Wait(due);
        }
        let start = self.start.unwrap_or(now.mono);
        if let Some(farewell) = &mut self.farewell {
            farewell.words -= 1;
            farewell.next = now.mono.saturating_add(BREATH);
            let status = farewell.status;
            self.write(now.wall, now.mono.saturating_sub(start), Some(status), out);
            return Beat::Send;
        }
        self.skip_missed(start, now.mono);
        let mono = self.plan.after_start(self.slot);
        self.slot += 1;
        if self.plan.gate.is_some_and(|gate| now.mono.saturating_sub(self.touched) > gate) {
            self.counters.withheld += 1;
            return Beat::Wait(self.next_due());
        }
        let late = now.mono.saturating_sub(start.saturating_add(mono));
        // The course's clients write when they send, and its servers print what the way took by that.
        let wall = if self.plan.form == Form::Full { now.wall.saturating_sub(late) } else { now.wall };
        self.write(wall, mono, None, out);
        Beat::Send
    }

    /// The line of the last [`Beat::Send`] has left.
    pub fn sent(&mut self, at: Nanos) {
        self.seq = self.seq.saturating_add(1);
        self.counters.sent += 1;
        if self.left.len() == REMEMBERED {
            self.left.pop_front();
        }
        self.left.push_back(Some(at));
        if self.plan.count.is_some_and(|count| self.counters.sent >= count) {
            self.bye(at, 0);
        }
    }

    /// The line of the last [`Beat::Send`] has not left: its number goes to the next one.
    pub fn failed(&mut self) {
        self.counters.errors += 1;
    }

    /// Somebody answered a heartbeat.
    pub fn answered(&mut self, seq: u64, now: Nanos) {
        if !(self.plan.first_seq..self.seq).contains(&seq) {
            return;
        }
        self.acked = self.acked.max(Some(seq));
        let back = usize::try_from(self.seq - seq).unwrap_or(usize::MAX);
        let Some(index) = self.left.len().checked_sub(back) else { return };
        if let Some(left) = self.left[index].take() {
            self.counters.answered += 1;
            self.round_trip = Some(now.saturating_sub(left).max(0));
        }
    }

    /// The program that is watched gives a sign of life.
    pub fn touch(&mut self, now: Nanos) {
        self.touched = self.touched.max(now);
    }

    /// Ends the session; the last words carry the status. The course's forms know none: they just end.
    pub fn bye(&mut self, now: Nanos, status: i32) {
        let words = if self.plan.form == Form::Full { LAST_WORDS } else { 0 };
        self.farewell.get_or_insert(Farewell { status, words, next: now });
    }

    /// Whether the session is to end.
    pub fn is_leaving(&self) -> bool {
        self.farewell.is_some()
    }

    /// Whether a last word has been said, or there is none to say.
    pub fn has_parted(&self) -> bool {
        self.farewell.is_some_and(|farewell| farewell.words < LAST_WORDS)
    }

    /// The counts so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The round trip of the heartbeat that was answered last.
    pub fn round_trip(&self) -> Option<Nanos> {
        self.round_trip
    }

    /// What it was asked to do.
    pub fn plan(&self) -> &HeartbeatPlan {
        &self.plan
    }

    /// Goes on to the latest time on the schedule that has come: two heartbeats never leave for one wake-up.
    fn skip_missed(&mut self, start: Nanos, now: Nanos) {
        let late = now.saturating_sub(start).saturating_sub(self.plan.after_start(self.slot));
        let mut missed = late.max(0).unsigned_abs() / self.plan.interval.unsigned_abs();
        if self.leaves(start, self.slot + missed + 1) <= now {
            missed += 1;
        }
        self.slot += missed;
        self.counters.skipped += missed;
    }

    /// When a heartbeat leaves: up to the jitter before its time, but not before the first.
    fn leaves(&self, start: Nanos, slot: u64) -> Nanos {
        let due = start.saturating_add(self.plan.after_start(slot));
        if slot == 0 || self.plan.jitter == 0.0 {
            return due;
        }
        let uniform = (self.jitter.draw(Direction::Up, 0, Effect::DELAY, slot) >> 11) as f64 / 2_f64.powi(53);
        #[expect(clippy::cast_possible_truncation, reason = "a quarter of a day at most")]
        let early = (self.plan.interval as f64 * self.plan.jitter * uniform) as Nanos;
        due.saturating_sub(early)
    }

    fn write(&self, wall: i64, mono: Nanos, bye: Option<i32>, out: &mut Vec<u8>) {
        let line = Heartbeat {
            seq: Some(self.seq),
            wall_ns: Some(wall),
            id: Some(&self.plan.id),
            session: Some(self.plan.session),
            boot: self.plan.boot,
            interval: Some(self.plan.interval),
            mono: Some(mono),
            ack: self.acked,
            bye,
            local: false,
            seal: None,
        };
        line.write(self.plan.form, self.plan.key.as_ref(), out);
    }
}
