//! The pinger as a state machine: what to send next, which ping a datagram answers, when a ping is lost. A driver owns the
//! clock and the socket, passes it the time and the datagrams received, and carries out its [`Action`]s. A late,
//! duplicated, reordered or foreign datagram is counted as such and never credited to another ping.

mod account;
mod credit;
mod follow_ups;
mod plan;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;
mod times;
mod verdict;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

pub use account::{Account, Settled};
pub use plan::{Options, Plan, SPINS, WAITS};
pub use schedule::Schedule;
pub use verdict::Verdict;

use super::codec::Reading;
use super::memory::{NoMemory, room_for};
use super::record::{Match, NONE, Rows, Source, Status};
use super::stats::Summary;
use super::{Arrival, Nanos, SECOND};
use credit::{Habit, Stray};
use follow_ups::FollowUps;
use tally::{Tally, Timed};
use times::{AwaitingTimestamp, Times};
use verdict::Judge;

/// How long a reply waits for the kernel's timestamp of its ping.
const TIMESTAMP_WAIT: Nanos = SECOND / 100;
/// After so many waits without a timestamp no reply waits, until one is reported again.
const MOST_WAITS: u32 = 8;

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send this ping now, then report [`Pinger::sent`] or [`Pinger::send_failed`].
    Send(u64),
    /// Nothing before this time: poll again then, or when a datagram arrives.
    Wait(Nanos),
    /// The run is over.
    Done,
}

/// Whose answers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// Those that come from the target's address.
    OfTarget,
    /// Those of many, each from its own address.
    OfAnyone,
}

/// One run of pings to one target.
#[derive(Debug)]
pub struct Pinger {
    plan: Plan,
    target: SocketAddr,
    sees_foreign: bool,
    answers: Answers,
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
    /// Whether so many were missed that the plan gives up.
    gave_up: bool,
    /// Replies whose pings the kernel may still timestamp.
    awaiting: VecDeque<AwaitingTimestamp>,
    /// How many more replies in a row wait for a timestamp; 0 where the kernel has none.
    patience: u32,
    /// The peer has answered with a number that was never sent: its numbers alone prove nothing.
    distrusts_numbers: bool,
    /// What the target's replies have carried so far.
    habit: Habit,
    /// Replies whose times later ones may tell.
    follow_ups: FollowUps,
    tally: Tally,
    /// Tells whether the target is up, if that was asked for.
    judge: Option<Box<Judge>>,
}

impl Pinger {
    /// A run to `target`. `sees_foreign`: the driver delivers datagrams from any address, not from the target alone.
    pub fn new(plan: Plan, target: SocketAddr, sees_foreign: bool) -> Self {
        Self {
            rows: plan.rows(),
            next_seq: plan.first_seq,
            next_due: Some(plan.start),
            deadlines: VecDeque::new(),
            settled_at: plan.start,
            next_expected: plan.first_seq,
            missed: 0,
            gave_up: false,
            awaiting: VecDeque::new(),
            patience: 0,
            distrusts_numbers: false,
            habit: Habit::default(),
            follow_ups: FollowUps::new(plan.interval, plan.timeout),
            tally: Tally::new(plan.count.is_none()),
            judge: plan.watch.clone().map(|watch| Box::new(Judge::new(watch, plan.first_seq, plan.timeout))),
            plan,
            target,
            sees_foreign,
            answers: Answers::OfTarget,
        }
    }

    /// The driver will report the kernel's timestamps of pings with [`Pinger::stamped`].
    pub fn expect_stamps(&mut self) {
        self.patience = MOST_WAITS;
    }

    /// Times out what is overdue (reporting each number to `changed`) and returns what to do next.
    pub fn poll(&mut self, now: Nanos, changed: &mut dyn FnMut(u64)) -> Action {
        self.expire(now, changed);
        while let Some(&AwaitingTimestamp { seq, .. }) =
            self.awaiting.front().filter(|waiting| waiting.until <= now)
        {
            self.awaiting.pop_front();
            self.patience = self.patience.saturating_sub(1);
            self.count_reply(seq);
            changed(seq);
        }
        let timeout = self.deadlines.front().map(|(at, _)| *at);
        let stamp = self.awaiting.front().map(|waiting| waiting.until);
        let earliest = [timeout, stamp].into_iter().flatten().min();
        match (self.is_sending(), self.next_due) {
            (true, Some(due)) if due <= now => Action::Send(self.next_seq),
            (true, Some(due)) => {
                Action::Wait([earliest, self.look(now)].into_iter().flatten().fold(due, Nanos::min))
            }
            (true, None) => Action::Wait(earliest.unwrap_or(now)),
            (false, _) => earliest.map_or_else(|| self.linger(now), Action::Wait),
        }
    }

    /// Decides whether the target is down, between two pings; returns when to do so next.
    fn look(&mut self, now: Nanos) -> Option<Nanos> {
        let judge = self.judge.as_mut()?;
        judge.look(now);
        judge.next_look()
    }

    /// The latest verdict, once: to be asked for after each call that tells the time.
    pub fn take_verdict(&mut self) -> Option<Verdict> {
        self.judge.as_mut()?.take()
    }

    /// The number of the next ping and when it is due, if that is known, so that it can be prepared.
    pub fn next_send(&self) -> Option<(u64, Nanos)> {
        self.next_due.filter(|_| self.is_sending()).map(|due| (self.next_seq, due))
    }

    /// The message of ping `seq` if it is sent at `wall_ns` since 1970.
    pub fn write(&self, seq: u64, wall_ns: i64, out: &mut Vec<u8>) {
        self.plan.codec.write(seq, wall_ns, self.plan.size, out);
    }

    /// Whether there is memory for more pings; to be asked at the beginning and each [`Rows::CHUNK`] pings.
    ///
    /// # Errors
    /// There is not.
    pub fn room(&self) -> Result<(), NoMemory> {
        let waiting = 2 * self.deadlines.len() * size_of::<(Nanos, u64)>();
        room_for(self.rows.bytes_of_next() + waiting)
    }

    /// The ping of [`Action::Send`] was sent, with the time `wall_ns` in it.
    pub fn sent(&mut self, now: Nanos, wall_ns: i64) {
        let (seq, due) = self.begin_row(now, wall_ns);
        self.tally.open += 1;
        if self.plan.interval.is_some_and(|interval| now - due >= interval) {
            self.tally.behind += 1;
        }
        self.deadlines.push_back((now + self.plan.timeout, seq));
        self.next_due = self.plan.due_after(seq, due);
        if let Some(judge) = &mut self.judge {
            judge.sent(seq, now);
        }
    }

    /// The kernel sent ping `seq` at `stamp` by the wall clock. This may be reported after the reply.
    pub fn stamped(&mut self, seq: u64, stamp: i64, changed: &mut dyn FnMut(u64)) {
        let Some(index) = self.rows.index(seq) else { return };
        let (chunk, at) = self.rows.place_mut(index);
        chunk.sent_timestamp[at] = stamp;
        self.patience = MOST_WAITS;
        let waiting = self.awaiting.iter().position(|waiting| waiting.seq == seq);
        if let Some(AwaitingTimestamp { times, .. }) = waiting.and_then(|place| self.awaiting.remove(place)) {
            self.time(index, Times { sent_timestamp: Some(stamp), ..times });
            self.count_reply(seq);
            changed(seq);
        }
    }

    /// The ping of [`Action::Send`] could not be sent: its status is `error`.
    pub fn send_failed(&mut self, now: Nanos, wall_ns: i64, changed: &mut dyn FnMut(u64)) {
        let (seq, due) = self.begin_row(NONE, wall_ns);
        self.tally.errors += 1;
        self.count_miss(Status::Error);
        self.settled_at = now;
        // The next one will most likely fail as well, so it waits for the timeout.
        self.next_due = Some(self.plan.due_after(seq, due).unwrap_or(now + self.plan.timeout));
        if let Some(judge) = &mut self.judge {
            judge.unsent(seq);
        }
        changed(seq);
    }

    /// A datagram was received. Reports the number of the ping whose row it changed, if any, to `changed`.
    pub fn receive(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        arrival: &Arrival,
        changed: &mut dyn FnMut(u64),
    ) {
        if self.answers == Answers::OfTarget && !same_peer(source, self.target) {
            self.tally.foreign += 1;
            return;
        }
        // First, so that a reply that came too late is late even if the driver was not in time to poll.
        self.expire(arrival.at.mono, changed);
        let reading = self.plan.codec.read(bytes);
        let (index, matched) = match self.credit(bytes, reading.seq) {
            Ok(credited) => credited,
            Err(stray) => {
                self.tally.unmatched += 1;
                self.tally.damaged += u64::from(stray == Stray::Damaged);
                return;
            }
        };
        let (chunk, at) = self.rows.place_mut(index);
        chunk.copies[at] = chunk.copies[at].saturating_add(1);
        let is_first = chunk.copies[at] == 1;
        if is_first {
            self.rows.set_reply(index, Source::Peer(source), matched, arrival.ttl, bytes);
            self.rows.set_server_times(index, reading.server);
            if let Some(window) = reading.window {
                self.rows.set_window(index, window);
            }
            self.first_copy(index, matched, arrival);
        } else {
            self.tally.duplicates += 1;
        }
        if self.plan.codec.follows_up() {
            self.follow_up(index, is_first, &reading);
        }
        let seq = self.rows.seq(index);
        if !self.awaiting.iter().any(|waiting| waiting.seq == seq) {
            changed(seq);
        }
    }

    /// An ICMP error was received. `quoted` is the ping that it quotes, if any.
    pub fn unreachable(
        &mut self,
        now: Nanos,
        quoted: Option<&[u8]>,
        by: Option<IpAddr>,
        changed: &mut dyn FnMut(u64),
    ) {
        // First, so that an overdue ping times out even if the driver was not in time to poll.
        self.expire(now, changed);
        let index = match quoted.filter(|quoted| !quoted.is_empty()) {
            Some(quoted) => {
                let (certain, by_number) = self.named_in(quoted, self.plan.codec.read_quoted(quoted));
                let named = certain.map(|(index, _)| index).or(by_number);
                named.filter(|index| self.begins_with(*index, quoted))
            }
            // An error of a connected socket, or a router that quotes headers only: the oldest ping in flight.
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
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The counts so far; what is in flight is in `pending` alone.
    pub fn summary(&self) -> Summary {
        Account::of([self]).summary()
    }

    /// Where the pings go.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// The time between two pings; `None` where the next waits for the last.
    #[must_use]
    pub fn interval(&self) -> Option<Nanos> {
        self.plan.interval
    }

    /// Pings in a row, the latest ones, without a reply in time.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Makes the first ping due at `at`, before anything is sent.
    pub fn start_at(&mut self, at: Nanos) {
        (self.plan.start, self.next_due, self.settled_at) = (at, Some(at), at);
    }

    /// Stops sending; pings in flight are waited for as at the end of the plan.
    pub fn end(&mut self) {
        self.gave_up = true;
    }

    /// Sends again after [`Pinger::end`] or after giving up: the schedule restarts at `at`.
    pub fn resume(&mut self, at: Nanos) {
        (self.gave_up, self.missed) = (false, 0);
        if let Some(due) = self.next_due.filter(|due| *due < at) {
            self.plan.start += at - due;
            self.next_due = Some(at);
        }
    }

    /// Changes the target's address: pings go there, and only replies from there count.
    pub fn retarget(&mut self, target: SocketAddr) {
        (self.target, self.habit) = (target, Habit::default());
        self.follow_ups = FollowUps::new(self.plan.interval, self.plan.timeout);
    }

    /// Takes answers from any address, as for a broadcast or multicast target: the first is the reply, the others are its
    /// copies.
    pub fn accept_all(&mut self) {
        self.answers = Answers::OfAnyone;
    }

    /// Stops counting foreign datagrams; returns how many there were.
    pub fn leave_foreign(&mut self) -> u64 {
        self.sees_foreign = false;
        std::mem::take(&mut self.tally.foreign)
    }

    fn is_sending(&self) -> bool {
        !self.gave_up && self.plan.end_seq().is_none_or(|end| self.next_seq < end)
    }

    /// Returns the number of the new row and when its ping was due.
    fn begin_row(&mut self, sent: Nanos, wall_ns: i64) -> (u64, Nanos) {
        let seq = self.next_seq;
        let due = self.next_due.unwrap_or(sent);
        self.next_seq += 1;
        if self.plan.count.is_none() {
            self.forget_old_rows();
        }
        self.rows.push(due, sent, wall_ns);
        (seq, due)
    }

    fn forget_old_rows(&mut self) {
        let spare = self.rows.len().saturating_sub(self.plan.keep);
        if spare >= self.rows.chunk_size() {
            self.rows.drop_front(self.first_open().unwrap_or(spare).min(spare));
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

    /// All pings are settled: keep listening, or stop.
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
        let (chunk, at_row) = self.rows.place_mut(index);
        chunk.status[at_row] = status as u8;
        let sent = chunk.sent[at_row];
        if before != Status::Open {
            return;
        }
        self.settled_at = self.settled_at.max(at);
        self.count_miss(status);
        // Stop-and-wait: the newest ping is settled, so the next is due.
        if self.plan.interval.is_none() && self.rows.seq(index) == self.newest() {
            let pause = status == Status::Unreachable && self.plan.patient;
            self.next_due = Some(if pause { sent + self.plan.timeout } else { at });
        }
    }

    fn count_miss(&mut self, status: Status) {
        self.missed = if status == Status::Reply { 0 } else { self.missed + 1 };
        self.gave_up |= self.plan.misses.is_some_and(|most| self.missed >= most);
    }

    /// Whether a ping was sent so: a quote may be cut short, or be followed by zeros and extensions (RFC 4884); one that
    /// says anything else is forged.
    fn begins_with(&self, index: usize, quoted: &[u8]) -> bool {
        let (chunk, at) = self.rows.place(index);
        let mut sent = Vec::new();
        self.write(self.rows.seq(index), chunk.sent_wall[at], &mut sent);
        sent.iter().zip(quoted).all(|(sent, quoted)| sent == quoted)
    }

    fn first_copy(&mut self, index: usize, matched: Match, arrival: &Arrival) {
        let (chunk, at) = self.rows.place(index);
        let times = Times {
            sent: chunk.sent[at],
            sent_wall: chunk.sent_wall[at],
            sent_timestamp: Some(chunk.sent_timestamp[at]).filter(|stamp| *stamp != NONE),
            at: arrival.at.mono,
            wall: arrival.at.wall,
            stamp: arrival.kernel,
        };
        self.time(index, times);
        if matched == Match::Unverified {
            self.tally.unverified += 1;
        }
        let seq = self.rows.seq(index);
        if let Some(judge) = &mut self.judge {
            judge.reply(seq, times.best().0, times.at);
        }
        // Only the clock of the timeouts decides what is late.
        let late = times.user() >= self.plan.timeout;
        self.settle(index, if late { Status::Late } else { Status::Reply }, arrival.at.mono);
        if self.patience > 0 && times.sent_timestamp.is_none() {
            self.awaiting.push_back(AwaitingTimestamp {
                until: arrival.at.mono + TIMESTAMP_WAIT,
                seq,
                times,
            });
        } else {
            self.count_reply(seq);
        }
        if late {
            return;
        }
        if seq < self.next_expected {
            self.tally.reordered += 1;
        } else {
            self.next_expected = seq + 1;
        }
    }

    /// Takes from a reply when an earlier one left, by the kernel there. A row that was reported does not change there.
    fn follow_up(&mut self, index: usize, is_first: bool, reading: &Reading) {
        let session = reading.window.map(|window| window.session);
        if let Some(number) = reading.server.seq.filter(|_| is_first)
            && let Some(sent) = self.follow_ups.replied(session, number, self.rows.seq(index))
        {
            self.left(index, sent);
        }
        if let Some(previous) = reading.previous
            && let Some(ping) = self.follow_ups.told(session, previous)
            && let Some(index) = self.rows.index(ping)
        {
            self.left(index, previous.sent);
        }
    }

    /// The kernel of the server sent the reply of a row at `sent`.
    fn left(&mut self, index: usize, sent: i64) {
        let (chunk, at) = self.rows.place(index);
        if let Some(times) = chunk.server_times(at).sent_by_kernel(sent, chunk.rtt[at]) {
            self.rows.set_server_times(index, times);
        }
    }

    /// Records a round trip, as far as its times are known.
    fn time(&mut self, index: usize, times: Times) {
        let (rtt, stamp) = times.best();
        let (chunk, at) = self.rows.place_mut(index);
        (chunk.rtt[at], chunk.user_rtt[at], chunk.stamp[at]) = (rtt, times.user(), stamp as u8);
    }

    /// Counts the reply to `seq`, now that its times are final.
    fn count_reply(&mut self, seq: u64) {
        if let Some(timed) = self.timed(seq) {
            self.tally.add_reply(timed);
        }
    }

    /// What the reply to `seq` is counted by.
    fn timed(&self, seq: u64) -> Option<Timed> {
        let index = self.rows.index(seq)?;
        let (chunk, at) = self.rows.place(index);
        let in_time = self.rows.status(index) == Status::Reply;
        Some(Timed { rtt: chunk.rtt[at], stamp: self.rows.time_source(index), in_time })
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
