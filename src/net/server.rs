//! The threads of a server: each receives datagrams, lets a [`Decide`] decide on them, and sends at once or later.
//!
//! Each thread has sockets of its own. A decision does not depend on the thread that received the datagram, as the
//! threads share the state of the decider. Datagrams to be sent later wait in a queue and delay no others.

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use super::clock::{Clock, wall_ns};
use super::datagram::{Datagram, ErrorQueueEntry, Reports, Timestamping};
use super::event_queue::lock;
use super::send_queue::{Route, SendQueue};
use super::socket::{Backend, RecvBatch, Socket, is_icmp_error, is_transient};
use super::sockets::Sockets;
use super::tx_timestamps::TxTimestamps;
use super::wait::{self, Bell, Waker};
use super::worker::Shared;
use super::{Error, Result};
use crate::logic::link::{DelayQueue, Reason};
use crate::logic::{Arrival, Moment, Nanos};

/// Datagrams received with one system call.
const SLOTS: usize = 64;

/// The part that differs between servers; each thread has one.
pub(super) trait Decide: Send {
    /// The sockets of a thread.
    type Sockets: Sockets;
    /// The state that the threads share, locked for the decisions on one receive and never for a send.
    type Shared: Send;
    type Decision: Copy;
    /// Identifies a datagram to be sent when its result is reported.
    type Tag: Copy + Debug + Send;
    type Event: Send;

    /// What it reads of an [`Arrival`] beside its time. A socket that it opens later needs the same.
    const REPORTS: Reports = Reports { ttl: false, tos: false, timestamp: false };
    /// The same for the sockets of this one.
    fn reports(&self) -> Reports {
        Self::REPORTS
    }

    /// Whether it has something to do between receives.
    const TENDS: bool = false;

    /// Adds a decision on each of the datagrams that one of the sockets received.
    fn decide<'a>(
        shared: &mut Self::Shared,
        from: Key<Self>,
        received: impl Iterator<Item = (Datagram<'a>, Arrival)>,
        decisions: &mut Vec<Self::Decision>,
    );

    /// The event for a datagram, if there is one.
    fn event(datagram: &Datagram<'_>, arrival: &Arrival, decision: &Self::Decision) -> Option<Self::Event>;

    /// Carries out a decision: pushes the datagrams to be sent.
    fn carry_out(
        &mut self,
        sockets: &mut Self::Sockets,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        decision: &Self::Decision,
        out: &mut Outgoing<'_, Key<Self>, Self::Tag>,
    );

    /// Notes how many datagrams more may wait, and how many bytes, and whether there will be events, before it decides.
    fn prepare(&self, shared: &mut Self::Shared, room: (usize, usize), is_followed: bool) {
        let _ = (shared, room, is_followed);
    }

    /// When it has something to decide, whatever arrives.
    fn next_due(&self) -> Option<Nanos> {
        None
    }

    /// Decides what is due by `now`: pushes the datagrams to be sent, and adds an event for each datagram whose decision was
    /// not [final](Self::is_final).
    fn settle(
        &mut self,
        shared: &mut Self::Shared,
        now: Nanos,
        out: &mut Outgoing<'_, Key<Self>, Self::Tag>,
        events: &mut Vec<Self::Event>,
    ) {
        let _ = (shared, now, out, events);
    }

    /// Whether a decision is all that is to be decided.
    fn is_final(decision: &Self::Decision) -> bool {
        let _ = decision;
        true
    }

    /// Counts sent datagrams.
    fn sent(&mut self, tags: &[Self::Tag]);

    /// Records that a datagram was not sent.
    fn failed(&mut self, shared: &mut Self::Shared, tag: Self::Tag, reason: Reason);

    /// The kernel sent a datagram at `stamp`, nanoseconds since 1970, which is not after `now`: for a thread whose only
    /// socket has such timestamps.
    fn stamped(&mut self, tag: Self::Tag, stamp: i64, now: Moment) {
        let _ = (tag, stamp, now);
    }

    /// Counts an ICMP error about an earlier datagram.
    fn unreachable(&mut self) {}

    /// Does what is to be done between receives, such as to close sockets; returns when to do so again at the latest.
    fn tend(
        &mut self,
        _server: &ServerState<Self>,
        _sockets: &mut Self::Sockets,
        _now: Nanos,
    ) -> Option<Nanos>
    where
        Self: Sized,
    {
        None
    }
}

/// The key of a decider's sockets.
pub(super) type Key<D> = <<D as Decide>::Sockets as Sockets>::Key;

/// The queues to which a decider pushes datagrams.
pub(super) struct Outgoing<'a, K, T> {
    now: Nanos,
    /// Whether somebody takes the events.
    pub(super) is_followed: bool,
    queue: &'a mut SendQueue<K, T>,
    delayed: &'a mut DelayQueue<Delayed<K, T>>,
    rejected: &'a mut Vec<T>,
    refused: &'a mut Vec<T>,
}

/// A delayed datagram.
#[derive(Debug)]
pub(super) struct Delayed<K, T> {
    route: Route<K>,
    tag: T,
    bytes: Vec<u8>,
}

/// The state that the threads of a server share with its owner.
#[derive(Debug)]
pub(super) struct ServerState<D: Decide> {
    backend: Backend,
    /// Whether datagrams are sent in GSO batches.
    gso: bool,
    /// How long before a delayed datagram is due its thread waits no more, but looks again and again.
    spin: Nanos,
    clock: Clock,
    followed: AtomicBool,
    /// Whether a thread has ended, so that the others end too.
    closed: AtomicBool,
    shared: Mutex<D::Shared>,
    workers: Vec<Mutex<WorkerState<D>>>,
}

/// The state that one thread shares with the server's owner.
#[derive(Debug)]
pub(super) struct WorkerState<D: Decide> {
    pub(super) decider: D,
    pub(super) delayed: DelayQueue<Delayed<Key<D>, D::Tag>>,
}

impl<K: Copy + Eq, T> Outgoing<'_, K, T> {
    /// Sends a datagram at `at`, or now if that has passed; `write` appends its payload.
    pub(super) fn push(&mut self, at: Nanos, route: Route<K>, tag: T, write: impl FnOnce(&mut Vec<u8>)) {
        if at <= self.now {
            return self.queue.push(route, tag, write);
        }
        let mut bytes = Vec::new();
        write(&mut bytes);
        if let Err(delayed) = self.delayed.try_push(at, bytes.len(), Delayed { route, tag, bytes }) {
            self.rejected.push(delayed.tag);
        }
    }

    /// Reports a datagram as one that could not be sent.
    pub(super) fn refuse(&mut self, tag: T) {
        self.refused.push(tag);
    }
}

impl<D: Decide> WorkerState<D> {
    fn next_due(&self) -> Option<Nanos> {
        [self.delayed.next_due(), self.decider.next_due()].into_iter().flatten().min()
    }
}

impl<D: Decide> ServerState<D> {
    /// The state of a server with a thread for each decider, whose queues hold `most` datagrams and `most_bytes`
    /// together.
    pub(super) fn new(
        backend: Backend,
        gso: bool,
        shared: D::Shared,
        deciders: Vec<D>,
        most: usize,
        most_bytes: usize,
    ) -> Self {
        let threads = deciders.len();
        let queue = || DelayQueue::with_limits(most / threads, most_bytes / threads);
        let worker = |decider| Mutex::new(WorkerState { decider, delayed: queue() });
        Self {
            backend,
            gso,
            spin: 0,
            clock: Clock::start(),
            followed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            shared: Mutex::new(shared),
            workers: deciders.into_iter().map(worker).collect(),
        }
    }

    /// The same, whose threads look again and again for so long before a delayed datagram is due.
    pub(super) fn spinning(self, spin: Nanos) -> Self {
        Self { spin, ..self }
    }

    /// Makes events from now on.
    pub(super) fn follow(&self) {
        self.followed.store(true, Ordering::Release);
    }

    /// The time on the clock of arrivals.
    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, D::Shared> {
        lock(&self.shared)
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = MutexGuard<'_, WorkerState<D>>> {
        self.workers.iter().map(lock)
    }

    /// Serves with a thread for each decider, this one among them, until it is to stop or one of them fails.
    pub(super) fn serve(
        &self,
        sockets: Vec<D::Sockets>,
        shared: &Shared<D::Event>,
        bell: &Bell,
        waker: &Waker,
    ) -> Result<()> {
        let work = |(state, sockets)| {
            let _closing = Closing { closed: &self.closed, waker };
            let queue = SendQueue::new(self.backend, self.gso);
            let (decisions, rejected, refused) = (Vec::new(), Vec::new(), Vec::new());
            let stamps = Stamps::of(&sockets);
            Work { server: self, state, sockets, shared, queue, decisions, rejected, refused, stamps }
                .run(bell)
        };
        let mut each = self.workers.iter().zip(sockets);
        let first = each.next();
        thread::scope(|scope| {
            let _closing = Closing { closed: &self.closed, waker };
            let spawn = |own| {
                thread::Builder::new().name("udpping server".into()).spawn_scoped(scope, move || {
                    wait::set_timer_slack();
                    work(own)
                })
            };
            let others = each.map(spawn).collect::<std::io::Result<Vec<_>>>();
            let others = others.map_err(Error::system("start a thread"))?;
            let end = first.map_or(Ok(()), work);
            others.into_iter().fold(end, |end, other| {
                end.and(other.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
            })
        })
    }

    fn fail(&self, decider: &mut D, tags: &[D::Tag], reason: Reason) {
        if !tags.is_empty() {
            let mut shared = self.shared();
            for tag in tags {
                decider.failed(&mut shared, *tag, reason);
            }
        }
    }
}

/// Ends all threads when one ends.
struct Closing<'a> {
    closed: &'a AtomicBool,
    waker: &'a Waker,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The work of one thread.
struct Work<'a, D: Decide> {
    server: &'a ServerState<D>,
    state: &'a Mutex<WorkerState<D>>,
    sockets: D::Sockets,
    shared: &'a Shared<D::Event>,
    queue: SendQueue<Key<D>, D::Tag>,
    decisions: Vec<D::Decision>,
    rejected: Vec<D::Tag>,
    refused: Vec<D::Tag>,
    stamps: Option<Stamps<D::Tag>>,
}

/// What was sent on a socket whose sends the kernel timestamps.
struct Stamps<T> {
    sent: TxTimestamps<T>,
    quoted: Vec<u8>,
    /// Whether the last wait ended and nothing was received since: what ended it may be in the error queue.
    is_idle: bool,
}

impl<T: Copy> Stamps<T> {
    fn of(sockets: &impl Sockets) -> Option<Self> {
        let has_stamps = sockets.all().any(|socket| socket.timestamping() == Timestamping::Both);
        let made = || Self { sent: TxTimestamps::new(), quoted: Vec::new(), is_idle: false };
        has_stamps.then(made)
    }

    /// Takes the timestamps that are missing, or all that is in the error queue, which would end every wait.
    fn read(&mut self, socket: &Socket, all: bool, clock: Clock, mut stamped: impl FnMut(T, i64, Moment)) {
        while all || self.sent.is_missing() {
            // An error queue that cannot be read has nothing to tell.
            let Ok(Some(entry)) = socket.read_error_queue(&mut self.quoted) else { return };
            if let ErrorQueueEntry::Timestamp { key, timestamp } = entry
                && let Some((tag, stamp)) = self.sent.stamped(key).zip(timestamp)
            {
                let now = Moment { mono: clock.now(), wall: wall_ns() };
                // A stamp that is later than now was taken before the clock was set back.
                if stamp <= now.wall {
                    stamped(tag, stamp, now);
                }
            }
        }
    }
}

impl<D: Decide> Work<'_, D> {
    fn is_over(&self) -> bool {
        self.shared.is_stopping() || self.server.closed.load(Ordering::Acquire)
    }

    fn run(&mut self, bell: &Bell) -> Result<()> {
        let reports = lock(self.state).decider.reports();
        self.sockets.all().try_for_each(|socket| socket.enable_reports(reports))?;
        let mut batch = RecvBatch::new(SLOTS, self.server.backend);
        let mut ready = Vec::new();
        while !self.is_over() {
            let tend = self.tend();
            if ready.is_empty() {
                let due = [lock(self.state).next_due(), tend].into_iter().flatten().min();
                let wait = due.map(|due| due - self.server.clock.now() - self.server.spin);
                self.sockets.wait(bell, wait, &mut ready).map_err(Error::system("wait for datagrams"))?;
                self.stamps.iter_mut().for_each(|stamps| stamps.is_idle = true);
            }
            for at in (0..ready.len()).rev() {
                if !self.receive(ready[at], &mut batch)? {
                    ready.swap_remove(at);
                }
            }
            // Together what several sockets received, as one call sends many.
            let state = self.state;
            self.send(&mut lock(state));
            self.release();
        }
        // What is still coming up has its row and its event, too.
        let (server, mut state) = (self.server, lock(self.state));
        self.settle(&mut server.shared(), Nanos::MAX, &mut state);
        self.report(&mut state.decider);
        Ok(())
    }

    fn tend(&mut self) -> Option<Nanos> {
        if !D::TENDS {
            return None;
        }
        let mut state = lock(self.state);
        state.decider.tend(self.server, &mut self.sockets, self.server.clock.now())
    }

    /// Receives from a socket once; returns whether more may have arrived there.
    fn receive(&mut self, from: Key<D>, batch: &mut RecvBatch) -> Result<bool> {
        let Some(socket) = self.sockets.get(from) else { return Ok(false) };
        match batch.receive(socket, self.sockets.slots(from, SLOTS)) {
            Ok(false) => {
                if let Some(stamps) = self.stamps.as_mut().filter(|stamps| stamps.is_idle) {
                    let mut state = lock(self.state);
                    let clock = self.server.clock;
                    stamps
                        .read(socket, true, clock, |tag, stamp, now| state.decider.stamped(tag, stamp, now));
                }
                return Ok(false);
            }
            Ok(true) => {
                self.stamps.iter_mut().for_each(|stamps| stamps.is_idle = false);
                let mut state = lock(self.state);
                let now = self.decide(from, batch, &mut state);
                self.carry_out(batch, now, &mut state);
                return Ok(self.sockets.may_have_more(from, batch.is_full()));
            }
            // An ICMP error about an earlier datagram, such as a reply whose client is gone.
            Err(error) if is_transient(&error) => {
                if is_icmp_error(&error) {
                    lock(self.state).decider.unreachable();
                }
            }
            Err(source) => return Err(Error::System { action: "receive", source }),
        }
        Ok(true)
    }

    /// Decides on the received datagrams; returns the time of their arrival.
    fn decide(&mut self, from: Key<D>, batch: &RecvBatch, state: &mut WorkerState<D>) -> Moment {
        let mut shared = self.server.shared();
        // The clock is read under the lock, so that rows and events of all threads are in order of time.
        let now = Moment { mono: self.server.clock.now(), wall: wall_ns() };
        // What came up before these is decided before them.
        self.settle(&mut shared, now.mono, state);
        let is_followed = self.is_followed();
        state.decider.prepare(&mut shared, state.delayed.room(), is_followed);
        let received = || batch.datagrams().map(move |datagram| (datagram, datagram.arrival(now)));
        self.decisions.clear();
        D::decide(&mut shared, from, received(), &mut self.decisions);
        if is_followed {
            let each = received().zip(&self.decisions).filter(|(_, decision)| D::is_final(decision));
            self.shared.events.extend(
                each.filter_map(|((datagram, arrival), decision)| D::event(&datagram, &arrival, decision)),
            );
        }
        now
    }

    fn is_followed(&self) -> bool {
        self.server.followed.load(Ordering::Acquire)
    }

    /// Lets the decider decide what is due by `now`. Nothing is sent, as the lock is held.
    fn settle(
        &mut self,
        shared: &mut D::Shared,
        now: Nanos,
        WorkerState { decider, delayed }: &mut WorkerState<D>,
    ) {
        if decider.next_due().is_none_or(|due| due > now) {
            return;
        }
        let is_followed = self.is_followed();
        let Self { queue, rejected, refused, .. } = self;
        let mut out = Outgoing { now: Nanos::MIN, is_followed, queue, delayed, rejected, refused };
        let mut events = Vec::new();
        decider.settle(shared, now, &mut out, &mut events);
        if is_followed {
            self.shared.events.extend(events);
        }
    }

    fn carry_out(&mut self, batch: &RecvBatch, now: Moment, state: &mut WorkerState<D>) {
        let is_followed = self.is_followed();
        for (at, datagram) in batch.datagrams().enumerate() {
            let WorkerState { decider, delayed } = &mut *state;
            let Self { queue, rejected, refused, .. } = self;
            let mut out = Outgoing { now: now.mono, is_followed, queue, delayed, rejected, refused };
            decider.carry_out(
                &mut self.sockets,
                &datagram,
                &datagram.arrival(now),
                &self.decisions[at],
                &mut out,
            );
            if self.queue.is_full() {
                self.send(state);
            }
        }
        self.report(&mut state.decider);
    }

    /// Reports the datagrams that found no room, and those that are not sent.
    fn report(&mut self, decider: &mut D) {
        self.server.fail(decider, &self.rejected, Reason::Full);
        self.rejected.clear();
        self.server.fail(decider, &self.refused, Reason::Send);
        self.refused.clear();
    }

    /// Sends the delayed datagrams that are due.
    fn release(&mut self) {
        let mut state = lock(self.state);
        if state.decider.next_due().is_some() {
            let server = self.server;
            self.settle(&mut server.shared(), server.clock.now(), &mut state);
            self.report(&mut state.decider);
        }
        if state.delayed.is_empty() {
            return;
        }
        let now = self.server.clock.now();
        // On a dead link each send waits, and stopping must not wait for all of them.
        while !self.is_over()
            && let Some(Delayed { route, tag, bytes }) = state.delayed.pop_due(now)
        {
            self.queue.push(route, tag, |out| out.extend_from_slice(&bytes));
            if self.queue.is_full() {
                self.send(&mut state);
            }
        }
        self.send(&mut state);
    }

    fn send(&mut self, WorkerState { decider, .. }: &mut WorkerState<D>) {
        let Self { server, sockets, shared, queue, stamps, .. } = self;
        let mut failed = false;
        queue.send(
            sockets,
            || !shared.is_stopping(),
            |tags, result| match result {
                Ok(()) => {
                    if let Some(stamps) = stamps {
                        for tag in tags {
                            stamps.sent.push(*tag);
                        }
                    }
                    decider.sent(tags);
                }
                Err(_) if tags.is_empty() => decider.unreachable(),
                Err(_) => {
                    failed = true;
                    server.fail(decider, tags, Reason::Send);
                }
            },
        );
        let Some((stamps, socket)) = stamps.as_mut().zip(sockets.all().next()) else { return };
        if failed {
            // The kernel may or may not have counted what it did not send.
            stamps.read(socket, true, server.clock, |_, _, _| ());
            socket.recount();
            stamps.sent.recount();
        }
        stamps.read(socket, false, server.clock, |tag, stamp, now| decider.stamped(tag, stamp, now));
    }
}
