//! Whether a pinged target is up: the detectors of the monitor, with each reply as a heartbeat.
//!
//! A detector counts in *schedule time*: ping n leaves at n intervals, and its reply comes a round trip later. So nothing
//! that is our own fault looks like silence: a ping that left late puts a verdict off by as much, and one that could not
//! be sent puts it off by an interval. No verdict falls before the pings that could prevent it have left.

use std::collections::VecDeque;

use crate::logic::Nanos;
use crate::logic::monitor::Span;
use crate::logic::monitor::detect::{Beat, Watch};

/// How many pings that left late are told apart; of more, the earlier ones stand for the later.
const MOST: usize = 32;

/// A target is up, or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// When that was decided.
    pub at: Nanos,
    /// Which of the two.
    pub is_up: bool,
    /// The last ping that was answered.
    pub seq: Option<u64>,
    /// Of one that is down: since the last reply, or else since the first ping. Of one that is up again: since the verdict.
    pub span: Option<Nanos>,
}

impl Verdict {
    /// It in a sentence.
    pub fn text(self, target: &str) -> String {
        match (self.is_up, self.span.map(Span), self.seq) {
            (true, None, _) => format!("{target} is up"),
            (true, Some(span), _) => format!("{target} is up again after {span}"),
            (false, span, seq) => {
                let span = span.unwrap_or(Span(0));
                seq.map_or_else(
                    || format!("{target} is down: no reply for {span}"),
                    |seq| format!("{target} is down: silent for {span} after ping {seq}"),
                )
            }
        }
    }
}

/// A detector that follows one target.
#[derive(Debug)]
pub(super) struct Judge {
    watch: Watch,
    /// The deadline of the first reply: what the detector grants after a first heartbeat, and the timeout, as nobody knows
    /// yet how long a round trip takes.
    first: Nanos,
    /// The number of the first ping.
    first_seq: u64,
    /// Pings that were due so far, sent or not.
    pings: u64,
    /// How far pings since the last reply were behind schedule time, the farthest first: each stands for those that left
    /// after the one before it.
    behind: VecDeque<(u64, Nanos)>,
    /// Pings since the last reply that could not be sent, and the latest of them.
    unsent: (u64, u64),
    /// What was added to the deadline as this program looked too late, and by how much it did so at most.
    put_off: Nanos,
    overslept: Nanos,
    /// When the first ping left.
    began: Nanos,
    /// The last ping that was answered, and when.
    last: Option<(u64, Nanos)>,
    /// Whether the target is up, and since when.
    state: Option<(bool, Nanos)>,
    /// What was decided, until it is taken.
    verdict: Option<Verdict>,
}

impl Judge {
    /// For pings from number `first_seq` on.
    pub(super) fn new(watch: Watch, first_seq: u64, timeout: Nanos) -> Self {
        let mut heard = watch.clone();
        heard.beat(Beat { seq: 0, sent: 0, at: 0 });
        Self {
            first: heard.deadline().unwrap_or(Nanos::MAX).saturating_add(timeout),
            watch,
            first_seq,
            pings: 0,
            behind: VecDeque::new(),
            unsent: (0, 0),
            put_off: 0,
            overslept: 0,
            began: 0,
            last: None,
            state: None,
            verdict: None,
        }
    }

    /// A ping left.
    pub(super) fn sent(&mut self, seq: u64, now: Nanos) {
        if self.behind.is_empty() {
            self.began = now;
        }
        self.pings = seq - self.first_seq + 1;
        let behind = now.saturating_sub(self.due(seq));
        while self.behind.back().is_some_and(|(_, less)| *less <= behind) {
            self.behind.pop_back();
        }
        if self.behind.len() < MOST {
            self.behind.push_back((seq, behind));
        } else if let Some((last, _)) = self.behind.back_mut() {
            *last = seq;
        }
    }

    /// A ping could not be sent.
    pub(super) fn unsent(&mut self, seq: u64) {
        self.pings = seq - self.first_seq + 1;
        self.unsent = (self.unsent.0 + 1, seq);
    }

    /// The first reply to a ping came at `now`, `rtt` after the ping left. One that was overtaken says nothing new.
    pub(super) fn reply(&mut self, seq: u64, rtt: Nanos, now: Nanos) {
        if self.last.is_some_and(|(latest, _)| seq <= latest) {
            return;
        }
        let sent = self.due(seq);
        let at = sent.saturating_add(rtt);
        let was_in_time = at <= self.deadline();
        if self.unsent.0 > 0 && seq > self.unsent.1 {
            // The gap is our own, and teaches nothing.
            self.watch.restart();
            self.unsent.0 = 0;
        }
        self.watch.beat(Beat { seq: seq - self.first_seq, sent, at });
        while self.behind.front().is_some_and(|(last, _)| *last < seq) {
            self.behind.pop_front();
        }
        (self.put_off, self.overslept, self.last) = (0, 0, Some((seq, now)));
        // As with the monitor, one that was down is up after two in a row.
        if at <= self.deadline() && self.state.is_none_or(|(is_up, _)| !is_up && was_in_time) {
            let span = self.state.map(|(_, since)| now - since);
            self.decide(true, span, now);
        }
    }

    /// When to look for the next verdict; `None` while it waits for pings that have not left, or for replies.
    pub(super) fn next_look(&self) -> Option<Nanos> {
        let (_, behind) = self.behind.front()?;
        let deadline = self.deadline();
        let is_down = matches!(self.state, Some((false, _)));
        (!is_down && deadline <= self.due(self.first_seq + self.pings))
            .then(|| deadline.saturating_add(behind + self.put_off + 1))
    }

    /// Decides that the target is down, if that is due.
    pub(super) fn look(&mut self, now: Nanos) {
        let Some(at) = self.next_look().filter(|at| *at <= now) else { return };
        let late = now - at;
        if late > self.overslept {
            // A reply may have come meanwhile that nobody has read yet.
            (self.overslept, self.put_off) = (late, self.put_off + 2 * late);
            return;
        }
        let since = self.last.map_or(self.began, |(_, at)| at);
        self.decide(false, Some(now - since), now);
    }

    /// What was decided since this was asked last.
    pub(super) fn take(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    fn decide(&mut self, is_up: bool, span: Option<Nanos>, at: Nanos) {
        self.state = Some((is_up, at));
        self.verdict = Some(Verdict { at, is_up, seq: self.last.map(|(seq, _)| seq), span });
    }

    /// When a ping is due, in schedule time.
    fn due(&self, seq: u64) -> Nanos {
        self.intervals(seq - self.first_seq)
    }

    /// Until when the target may be silent, in schedule time.
    fn deadline(&self) -> Nanos {
        self.watch.deadline().unwrap_or(self.first).saturating_add(self.intervals(self.unsent.0))
    }

    fn intervals(&self, count: u64) -> Nanos {
        self.watch.interval().saturating_mul(Nanos::try_from(count).unwrap_or(Nanos::MAX))
    }
}
