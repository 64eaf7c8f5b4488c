//! The pinger as a state machine: what to send next, what a datagram means, when a ping is lost.
//!
//! It is fed the time and what arrived, and answers with [`Action`]s; a driver owns the clock and the socket.
//! A datagram is credited to the ping it answers and to no other: a late, repeated, reordered or foreign one is
//! counted as what it is and never shifts a later ping.

mod account;
mod plan;
mod tally;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

pub use account::{Account, Settled};
pub use plan::{Plan, Wishes};

use super::Nanos;
use super::record::{KEPT_REPLY, Match, NONE, Rows, Source, Stamp, Status};
use super::stats::Summary;
use super::wire::{self, Seq};
use tally::Tally;

/// Rows that an endless run keeps at least, for late replies and for looking at.
const WINDOW: usize = 65_536;
/// How far back an answer without a usable number is compared with what was sent.
const LOOK_BACK: usize = 16;

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send this ping now, then report [`Pinger::sent`] or [`Pinger::send_failed`].
    Send(u64),
    /// Nothing before this time; come back then or when something arrived.
    Wait(Nanos),
    /// The run is over.
    Done,
}

/// A datagram that arrived, as a driver saw it.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// When it came.
    pub at: Nanos,
    /// Who sent it.
    pub source: SocketAddr,
    /// What it says.
    pub bytes: &'a [u8],
    /// Hops left, where the system tells.
    pub ttl: Option<u8>,
}

/// One run of pings to one target.
#[derive(Debug)]
pub struct Pinger {
    plan: Plan,
    target: SocketAddr,
    sees_foreign: bool,
    rows: Rows,
    next_seq: u64,
    /// When the next ping is due; `None` in stop-and-wait while one is in flight.
    next_due: Option<Nanos>,
    /// Pings in flight in the order of their timeouts, which is that of sending. Settled ones are skipped.
    deadlines: VecDeque<(Nanos, u64)>,
    /// When the last ping was settled: from here the lingering counts.
    settled_at: Nanos,
    /// RFC 4737's `NextExp`: one more than the highest number answered in time.
    next_expected: u64,
    /// Pings in a row that were settled without a reply in time.
    missed: u64,
    /// So many that the plan says to give up.
    gave_up: bool,
    /// The peer has answered with a number that was never sent: its numbers alone prove nothing.
    distrusts_numbers: bool,
    tally: Tally,
}

impl Pinger {
    /// A run to `target`. `sees_foreign`: the driver delivers datagrams from anyone, not from the target alone.
    #[must_use]
    pub fn new(plan: Plan, target: SocketAddr, sees_foreign: bool) -> Self {
        Self {
            rows: Rows::new(plan.first_seq),
            next_seq: plan.first_seq,
            next_due: Some(plan.start),
            deadlines: VecDeque::new(),
            settled_at: plan.start,
            next_expected: plan.first_seq,
            missed: 0,
            gave_up: false,
            distrusts_numbers: false,
            tally: Tally::new(plan.count.is_none()),
            plan,
            target,
            sees_foreign,
        }
    }

    /// Times out what is overdue (telling `changed` each number) and says what to do next.
    pub fn poll(&mut self, now: Nanos, changed: &mut dyn FnMut(u64)) -> Action {
        self.expire(now, changed);
        let wanted = !self.gave_up && self.plan.end_seq().is_none_or(|end| self.next_seq < end);
        let timeout = self.deadlines.front().map(|(at, _)| *at);
        match (wanted, self.next_due) {
            (true, Some(due)) if due <= now => Action::Send(self.next_seq),
            (true, Some(due)) => Action::Wait(timeout.map_or(due, |at| at.min(due))),
            (true, None) => Action::Wait(timeout.unwrap_or(now)),
            (false, _) => timeout.map_or_else(|| self.linger(now), Action::Wait),
        }
    }

    /// The message of ping `seq` if it is sent at `wall_ns` since 1970.
    pub fn write(&self, seq: u64, wall_ns: i64, out: &mut Vec<u8>) {
        self.plan.message.write(out, seq, wall_ns, self.plan.size);
    }

    /// The ping that [`Action::Send`] asked for went out.
    pub fn sent(&mut self, now: Nanos, wall_ns: i64) {
        let seq = self.begin_row(now, wall_ns);
        self.tally.open += 1;
        self.deadlines.push_back((now + self.plan.timeout, seq));
        self.next_due = self.plan.interval.map(|interval| self.due_of(seq + 1, interval));
    }

    /// The ping that [`Action::Send`] asked for could not be sent. Its row says `error`.
    pub fn send_failed(&mut self, now: Nanos, wall_ns: i64, changed: &mut dyn FnMut(u64)) {
        let seq = self.begin_row(NONE, wall_ns);
        self.tally.errors += 1;
        self.count_miss(Status::Error);
        self.settled_at = now;
        // Whatever refused this one will most likely refuse the next: keep the pace of the timeout.
        let next =
            self.plan.interval.map_or(now + self.plan.timeout, |interval| self.due_of(seq + 1, interval));
        self.next_due = Some(next);
        changed(seq);
    }

    /// A datagram came. Tells `changed` the number of the ping whose row it changed, if any.
    pub fn receive(&mut self, arrival: Arrival<'_>, changed: &mut dyn FnMut(u64)) {
        if !same_peer(arrival.source, self.target) {
            self.tally.foreign += 1;
            return;
        }
        // What is overdue by now is late, however promptly the driver looked.
        self.expire(arrival.at, changed);
        let Some((index, matched)) = self.credit(arrival.bytes) else {
            self.tally.unmatched += 1;
            return;
        };
        self.rows.copies[index] = self.rows.copies[index].saturating_add(1);
        if self.rows.copies[index] > 1 {
            self.tally.duplicates += 1;
        } else {
            self.first_copy(index, matched, arrival);
        }
        changed(self.rows.seq(index));
    }

    /// The network says that the target cannot be reached. `quoted` is the message it refused, where it tells.
    pub fn unreachable(
        &mut self,
        now: Nanos,
        quoted: Option<&[u8]>,
        by: Option<IpAddr>,
        changed: &mut dyn FnMut(u64),
    ) {
        // What is overdue by now has timed out, however promptly the driver looked.
        self.expire(now, changed);
        let index = match quoted.filter(|quoted| !quoted.is_empty()) {
            Some(quoted) => {
                let (certain, by_number) = self.named_in(quoted, wire::parse_seq(quoted));
                certain.map(|(index, _)| index).or(by_number)
            }
            // A bare error on a connected socket, or a router that quotes headers only: the ping that has been
            // waiting longest, as errors keep order.
            None => self.first_open(),
        };
        let Some(index) = index.filter(|index| self.rows.status(*index) == Status::Open) else { return };
        if let Some(by) = by {
            self.rows.set_source(index, Source::Router(by));
        }
        self.settle(index, Status::Unreachable, now);
        changed(self.rows.seq(index));
    }

    /// The rows so far.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The counts so far; what is in flight is in `pending` alone.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Account::of([self]).summary()
    }

    /// Where the pings go.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    fn begin_row(&mut self, sent: Nanos, wall_ns: i64) -> u64 {
        let seq = self.next_seq;
        let due = self.next_due.unwrap_or(sent);
        self.next_seq += 1;
        if self.plan.count.is_none() {
            self.forget_old_rows();
        }
        self.rows.push(due, sent, wall_ns);
        seq
    }

    fn due_of(&self, seq: u64, interval: Nanos) -> Nanos {
        let steps = Nanos::try_from(seq - self.plan.first_seq).unwrap_or(Nanos::MAX);
        self.plan.start.saturating_add(interval.saturating_mul(steps))
    }

    fn forget_old_rows(&mut self) {
        if self.rows.len() < 2 * WINDOW {
            return;
        }
        let spare = self.rows.len() - WINDOW;
        let settled = self.first_open().unwrap_or(spare);
        // Moving the rest costs as much as the rest is long: only for many at a time.
        if settled >= WINDOW / 4 {
            self.rows.drop_front(spare.min(settled));
        }
    }

    fn expire(&mut self, now: Nanos, changed: &mut dyn FnMut(u64)) {
        while let Some(&(at, seq)) = self.deadlines.front() {
            let open = self.rows.index(seq).filter(|index| self.rows.status(*index) == Status::Open);
            if open.is_some() && at > now {
                return;
            }
            self.deadlines.pop_front();
            if let Some(index) = open {
                self.settle(index, Status::Timeout, at);
                changed(seq);
            }
        }
    }

    /// All is sent and settled: keep listening, or stop.
    fn linger(&self, now: Nanos) -> Action {
        let wanted = match self.plan.linger {
            Some(linger) => linger,
            None if self.tally.timeouts > 0 => self.plan.timeout,
            None => 0,
        };
        let end = self.settled_at.saturating_add(wanted);
        if end <= now { Action::Done } else { Action::Wait(end) }
    }

    fn settle(&mut self, index: usize, status: Status, at: Nanos) {
        let before = self.rows.status(index);
        *self.tally.of(before) -= 1;
        *self.tally.of(status) += 1;
        self.rows.status[index] = status as u8;
        if before != Status::Open {
            return;
        }
        self.settled_at = self.settled_at.max(at);
        self.count_miss(status);
        // Stop-and-wait: the newest ping is settled, so the next is due.
        if self.plan.interval.is_none() && self.rows.seq(index) == self.newest() {
            let pause = status == Status::Unreachable && self.plan.count.is_none();
            // A run without an end must not turn a closed port into a flood.
            self.next_due = Some(if pause { self.rows.sent[index] + self.plan.timeout } else { at });
        }
    }

    fn count_miss(&mut self, status: Status) {
        self.missed = if status == Status::Reply { 0 } else { self.missed + 1 };
        self.gave_up |= self.plan.misses.is_some_and(|most| self.missed >= most);
    }

    fn first_copy(&mut self, index: usize, matched: Match, arrival: Arrival<'_>) {
        let rtt = arrival.at - self.rows.sent[index];
        let kept = &arrival.bytes[..arrival.bytes.len().min(KEPT_REPLY)];
        self.rows.rtt[index] = rtt;
        self.rows.ttl[index] = arrival.ttl.unwrap_or(0);
        self.rows.bytes[index] = u32::try_from(arrival.bytes.len()).unwrap_or(u32::MAX);
        self.rows.stamp[index] = Stamp::User as u8;
        self.rows.matched[index] = matched as u8;
        self.rows.reply[index] = kept.into();
        self.rows.set_source(index, Source::Peer(arrival.source));
        if matched == Match::Unverified {
            self.tally.unverified += 1;
        }
        if rtt >= self.plan.timeout {
            return self.settle(index, Status::Late, arrival.at);
        }
        self.settle(index, Status::Reply, arrival.at);
        self.tally.add_rtt(rtt);
        let seq = self.rows.seq(index);
        if seq < self.next_expected {
            self.tally.reordered += 1;
        } else {
            self.next_expected = seq + 1;
        }
    }

    /// Which ping an answer belongs to, and why.
    fn credit(&mut self, bytes: &[u8]) -> Option<(usize, Match)> {
        let read = wire::parse_seq(bytes);
        let (certain, by_number) = self.named_in(bytes, read);
        if certain.is_some() {
            return certain;
        }
        if let Some(index) = by_number.filter(|_| !self.distrusts_numbers) {
            return Some((index, Match::Seq));
        }
        let number = read.and_then(|seq| seq.near(self.newest()));
        if number.is_some_and(|number| (self.plan.first_seq..self.rows.first_seq()).contains(&number)) {
            // It was sent so long ago that its row is gone.
            return None;
        }
        if number.is_some_and(|number| {
            number == self.next_seq || number.checked_add(1) == Some(self.plan.first_seq)
        }) {
            // A peer that answers n + 1 or n - 1 would have its replies credited to the ping beside.
            self.distrusts_numbers = true;
        }
        (self.tally.open == 1).then(|| self.first_open()).flatten().map(|index| (index, Match::Unverified))
    }

    /// The ping whose identifying text is in `bytes`, and the one that the number `read` there names.
    fn named_in(&self, bytes: &[u8], read: Option<Seq>) -> (Option<(usize, Match)>, Option<usize>) {
        let carries = |index: &usize| {
            self.rows.status(*index) != Status::Error
                && self.plan.message.is_in(bytes, self.rows.seq(*index), self.rows.sent_wall[*index])
        };
        let by_number = read.and_then(|seq| self.sent_row(seq));
        let certain = by_number.filter(carries).map(|index| (index, Match::Seq)).or_else(|| {
            // No number, or one that the text does not support: the text decides, if it is there.
            let recent = self.rows.len().saturating_sub(LOOK_BACK)..self.rows.len();
            recent.rev().find(carries).map(|index| (index, Match::Payload))
        });
        (certain, by_number)
    }

    fn sent_row(&self, seq: Seq) -> Option<usize> {
        self.rows.index(seq.near(self.newest())?).filter(|index| self.rows.status(*index) != Status::Error)
    }

    fn newest(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    fn first_open(&self) -> Option<usize> {
        self.deadlines
            .iter()
            .filter_map(|(_, seq)| self.rows.index(*seq))
            .find(|index| self.rows.status(*index) == Status::Open)
    }
}

/// The same host and port; a scope is compared only where both name one.
fn same_peer(a: SocketAddr, b: SocketAddr) -> bool {
    match (a, b) {
        (SocketAddr::V6(a), SocketAddr::V6(b)) => {
            a.ip() == b.ip()
                && a.port() == b.port()
                && (a.scope_id() == b.scope_id() || a.scope_id() == 0 || b.scope_id() == 0)
        }
        _ => a == b,
    }
}
