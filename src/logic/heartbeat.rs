//! The sender of heartbeats as a state machine. The times of its schedule are `start + n·interval`, whatever happened before: a
//! driver that is late sends one heartbeat and skips those that it missed. Only heartbeats that were sent use up sequence
//! numbers, so a gap in them is a loss on the path.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use plan::{HeartbeatPlan, Options};

use super::codec::heartbeat::{Form, Heartbeat, Key};
use super::counters::counters;
use super::random::{Direction, Effect, Uniforms};
use super::{Invalid, Moment, Nanos};

/// Goodbyes that are sent, as some may be lost.
const GOODBYES: u8 = 3;
/// Time between two goodbyes: more than one full buffer lasts, and too short to delay stopping.
const GOODBYE_INTERVAL: Nanos = 10_000_000;
/// Heartbeats whose answers are still recognized.
const REMEMBERED: usize = 128;

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Send the line now, then report [`Sender::sent`] or [`Sender::failed`].
    Send,
    /// Nothing before this time.
    Wait(Nanos),
    /// All goodbyes have been sent.
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
    goodbye: Option<Goodbye>,
    acked: Option<u64>,
    /// When the latest heartbeats were sent, up to number `seq - 1`; `None` for those that were answered.
    unanswered: VecDeque<Option<Nanos>>,
    round_trip: Option<Nanos>,
    counters: Counters,
}

/// The goodbyes at the end of a session.
#[derive(Debug, Clone, Copy)]
struct Goodbye {
    status: i32,
    left: u8,
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
            goodbye: None,
            acked: None,
            unanswered: VecDeque::new(),
            round_trip: None,
            counters: Counters::default(),
            plan,
        }
    }

    /// Seals the next heartbeats with another key.
    pub fn set_key(&mut self, key: Key) -> Result<(), Invalid> {
        self.plan.set_key(key)
    }

    /// Starts the schedule: the first heartbeat is due now. This also counts as a touch.
    pub fn begin(&mut self, now: Nanos) {
        self.start = Some(now);
        self.touch(now);
    }

    /// When the next heartbeat is to be sent.
    pub fn next_due(&self) -> Nanos {
        match (&self.goodbye, self.start) {
            (Some(goodbye), _) => goodbye.next,
            (None, Some(start)) => self.send_time(start, self.slot),
            (None, None) => Nanos::MAX,
        }
    }

    /// Appends the heartbeat that is due to `out`, if one is.
    pub fn beat(&mut self, now: Moment, out: &mut Vec<u8>) -> Beat {
        if self.goodbye.is_some_and(|goodbye| goodbye.left == 0) {
            return Beat::Done;
        }
        let due = self.next_due();
        if now.mono < due {
            return Beat::Wait(due);
        }
        let start = self.start.unwrap_or(now.mono);
        if let Some(goodbye) = &mut self.goodbye {
            goodbye.left -= 1;
            goodbye.next = now.mono.saturating_add(GOODBYE_INTERVAL);
            let status = goodbye.status;
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
        // The course's servers print the delay since this time, so its forms carry the time of sending.
        let wall = if self.plan.form == Form::Full { now.wall.saturating_sub(late) } else { now.wall };
        self.write(wall, mono, None, out);
        Beat::Send
    }

    /// The line of the last [`Beat::Send`] was sent.
    pub fn sent(&mut self, at: Nanos) {
        self.seq = self.seq.saturating_add(1);
        self.counters.sent += 1;
        if self.unanswered.len() == REMEMBERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(Some(at));
        self.end_after_count(at);
    }

    /// The line of the last [`Beat::Send`] was not sent: the next one takes its number.
    pub fn failed(&mut self, at: Nanos) {
        self.counters.errors += 1;
        self.end_after_count(at);
    }

    fn end_after_count(&mut self, at: Nanos) {
        let tried = self.counters.sent.saturating_add(self.counters.errors);
        if self.plan.count.is_some_and(|count| tried >= count) {
            self.bye(at, 0);
        }
    }

    /// A heartbeat was answered.
    pub fn answered(&mut self, seq: u64, now: Nanos) {
        if !(self.plan.first_seq..self.seq).contains(&seq) {
            return;
        }
        self.acked = self.acked.max(Some(seq));
        let back = usize::try_from(self.seq - seq).unwrap_or(usize::MAX);
        let Some(index) = self.unanswered.len().checked_sub(back) else { return };
        if let Some(sent) = self.unanswered[index].take() {
            self.counters.answered += 1;
            self.round_trip = Some(now.saturating_sub(sent).max(0));
        }
    }

    /// The program that is watched called `touch()`.
    pub fn touch(&mut self, now: Nanos) {
        self.touched = self.touched.max(now);
    }

    /// Ends the session with goodbyes that carry the status; the course's forms have no goodbye.
    pub fn bye(&mut self, now: Nanos, status: i32) {
        let left = if self.plan.form == Form::Full { GOODBYES } else { 0 };
        self.goodbye.get_or_insert(Goodbye { status, left, next: now });
    }

    /// Whether the session is ending.
    pub fn is_draining(&self) -> bool {
        self.goodbye.is_some()
    }

    /// Whether a goodbye was sent, or there is none to send.
    pub fn has_sent_goodbye(&self) -> bool {
        self.goodbye.is_some_and(|goodbye| goodbye.left < GOODBYES)
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

    /// Moves on to the latest time of the schedule that is past, so that one wake-up sends one heartbeat.
    fn skip_missed(&mut self, start: Nanos, now: Nanos) {
        let late = now.saturating_sub(start).saturating_sub(self.plan.after_start(self.slot));
        let mut missed = late.max(0).unsigned_abs() / self.plan.interval.unsigned_abs();
        if self.send_time(start, self.slot + missed + 1) <= now {
            missed += 1;
        }
        self.slot += missed;
        self.counters.skipped += missed;
    }

    /// When a heartbeat is to be sent: up to the jitter before its time, except the first.
    fn send_time(&self, start: Nanos, slot: u64) -> Nanos {
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
