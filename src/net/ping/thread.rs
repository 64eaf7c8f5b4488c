//! The thread of a ping session: it sends what is due, receives what arrived, and waits for the next. From the error
//! queues it reads ICMP errors and the kernel's timestamps of what was sent.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::AsFd as _;

use super::prepared_ping::PreparedPing;
use super::spin_margin::SpinMargin;
use super::tx_timestamps::TxTimestamps;
use super::{Events, PingLog, PingLogs, Settings, Shared, key};
use crate::logic::ping::{Action, Pinger};
use crate::logic::{Arrival, Moment, Nanos};
use crate::net::clock::Clock;
use crate::net::datagram::{Datagram, ErrorQueueEntry, Timestamping};
use crate::net::event_queue::lock;
use crate::net::socket::{Backend, RecvBatch, Socket, is_icmp_error};
use crate::net::wait::{self, Bell};
use crate::net::{Error, Result};

/// Datagrams taken by one system call.
const SLOTS: usize = 16;
/// Stands for the timer of a target whose run is over.
const NEVER: Nanos = Nanos::MAX;
/// Pings sent before looking for replies again, however many are overdue.
const MOST_SENT: usize = 32;
/// Batches received from one socket before reading the clock again, however many wait.
const MOST_BATCHES: usize = 4;
/// Nothing is received so shortly before a ping is due: it would be late.
const HUSH: Nanos = 5_000;

/// All that the thread needs, before it runs.
#[derive(Debug)]
pub(super) struct Ready {
    shared: Arc<Shared>,
    ping_loop: PingLoop,
    bell: Bell,
    inbox: RecvBatch,
    margin: SpinMargin,
    busy: bool,
    targets: usize,
    is_endless: bool,
    backend: Backend,
}

/// The sockets, what was sent on each, and when each target has to be polled.
#[derive(Debug)]
struct PingLoop {
    sockets: Vec<Arc<Socket>>,
    events: Events,
    prepared: PreparedPing,
    tx_timestamps: Vec<TxTimestamps>,
    quoted: Vec<u8>,
    /// When each target has to be polled, the earliest first: `wake`, sorted.
    timers: BTreeSet<(Nanos, usize)>,
    wake: Vec<Nanos>,
}

impl Ready {
    pub(super) fn new(shared: Arc<Shared>, bell: Bell, settings: &Settings) -> Self {
        let ping_loop = PingLoop {
            sockets: Vec::new(),
            events: settings.events,
            prepared: PreparedPing::default(),
            tx_timestamps: Vec::new(),
            quoted: Vec::new(),
            timers: BTreeSet::new(),
            wake: Vec::new(),
        };
        let several = settings.targets.len() > 1;
        // With many targets a ping is always due soon: spinning for each would take a whole processor.
        let margin = SpinMargin::new(settings.spin.or(several.then_some(0)));
        // With one ping in flight at a time there is one reply to receive.
        let single = settings.busy || (!several && settings.plan.interval.is_none());
        let inbox = RecvBatch::new(if single { 1 } else { SLOTS }, settings.backend);
        let (targets, is_endless) = (settings.targets.len(), settings.plan.count.is_none());
        Self {
            shared,
            ping_loop,
            bell,
            inbox,
            margin,
            targets,
            busy: settings.busy,
            is_endless,
            backend: settings.backend,
        }
    }

    pub(super) fn spawn(mut self) -> io::Result<()> {
        // It is not joined: it owns only its `Arc`, and ends within one wake-up of `stop`.
        std::thread::Builder::new().name("udpping ping".into()).spawn(move || {
            let shared = Arc::clone(&self.shared);
            wait::set_timer_slack();
            shared.events.run("go on pinging", || {
                let result = self.run();
                lock(&self.shared.logs).over = true;
                result
            });
        })?;
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        let clock = Clock::start();
        self.ping_loop.begin(&mut lock(&self.shared.logs), self.targets);
        while !self.is_stopping() {
            let grew = self.ping_loop.act(&self.shared, clock)?;
            if grew && !self.busy {
                self.inbox = RecvBatch::new(SLOTS, self.backend);
            }
            // An entry in the error queue ends every wait, and may change what is next. A thread that spins does not
            // wait, so it reads timestamps with the replies, or when many are there without one.
            let is_read: fn(&TxTimestamps) -> bool =
                if self.busy { TxTimestamps::is_piling_up } else { TxTimestamps::is_missing };
            self.ping_loop.take_stamps_of(&self.shared, clock, is_read)?;
            match self.ping_loop.timers.first().copied() {
                Some((next, log)) if !self.busy => self.wait(clock, next, log)?,
                Some(_) => {}
                None if self.is_over() => break,
                None => self.wait_readable(None)?,
            }
            self.ping_loop.receive(&self.shared, &mut self.inbox, clock, !self.busy)?;
            self.shared.duration.store(clock.now(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// All targets have come to their end, and no other will come: a run without an end whose targets were all removed
    /// waits for new ones.
    fn is_over(&self) -> bool {
        let mut logs = lock(&self.shared.logs);
        let waits = self.is_endless && logs.all.iter().all(|log| log.removed);
        logs.over = logs.touched.is_empty() && !waits;
        logs.over
    }

    fn wait_readable(&self, limit: Option<Nanos>) -> Result<()> {
        let sockets = self.ping_loop.sockets.iter().map(|socket| socket.as_fd());
        wait::readable(sockets, &self.bell, limit).map_err(Error::system("wait for replies"))?;
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Waits until something arrives, or `next` is there. If a ping is due then, the last moments are spun away, as
    /// waits end late.
    fn wait(&mut self, clock: Clock, next: Nanos, log: usize) -> Result<()> {
        if next <= clock.now() {
            return Ok(());
        }
        let is_send = self.ping_loop.prepare(&lock(&self.shared.logs), log, next, clock);
        let margin = if is_send { self.margin.get() } else { 0 };
        let wake = next - margin;
        let left = wake - clock.now();
        if left > 0 {
            self.wait_readable(Some(left))?;
            let overslept = clock.now() - wake;
            if overslept < 0 {
                // Something arrived.
                return Ok(());
            }
            if is_send {
                self.margin.learn(overslept);
            }
        }
        while margin > 0 && !self.is_stopping() {
            let left = next - clock.now();
            if left <= 0 {
                break;
            }
            if left > HUSH {
                self.ping_loop.receive(&self.shared, &mut self.inbox, clock, false)?;
            } else {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }
}

impl PingLoop {
    /// Looks at once at the targets that the session began with.
    fn begin(&mut self, logs: &mut PingLogs, targets: usize) {
        self.wake = vec![0; targets];
        self.timers = (0..targets).map(|log| (0, log)).collect();
        logs.changed = true;
    }

    /// Takes in what has been added, removed or moved; returns whether there are more targets.
    fn adopt(&mut self, logs: &mut PingLogs, now: Nanos) -> bool {
        logs.changed = false;
        let before = self.wake.len();
        self.tx_timestamps.resize_with(logs.sockets.len(), TxTimestamps::new);
        for ((old, new), tx_timestamps) in self.sockets.iter().zip(&logs.sockets).zip(&mut self.tx_timestamps)
        {
            if !Arc::ptr_eq(old, new) {
                *tx_timestamps = TxTimestamps::new();
            }
        }
        self.sockets.clone_from(&logs.sockets);
        for log in std::mem::take(&mut logs.touched) {
            let PingLog { pinger, removed, .. } = &mut logs.all[log];
            if log >= self.wake.len() {
                self.wake.resize(log + 1, NEVER);
                pinger.start_at(now + spread(pinger.interval(), log));
            } else if !*removed {
                pinger.resume(now);
            }
            self.timers.remove(&(self.wake[log], log));
            self.wake[log] = now;
            self.timers.insert((now, log));
        }
        self.wake.len() > before
    }

    /// Does all that is due; returns whether there are more targets than before.
    fn act(&mut self, shared: &Shared, clock: Clock) -> Result<bool> {
        let mut logs = lock(&shared.logs);
        let mut sent = 0;
        let now = clock.now();
        let grew = logs.changed && self.adopt(&mut logs, now);
        while let Some(&(at, index)) = self.timers.first() {
            if at > now || sent == MOST_SENT {
                break;
            }
            let action = self.watch(shared, index, &mut logs.all[index].pinger, |pinger, changed| {
                pinger.poll(now, changed)
            });
            match action {
                Action::Send(seq) => {
                    self.send(shared, &mut logs, index, seq, clock)?;
                    self.plan(index, now);
                    sent += 1;
                }
                Action::Wait(until) => self.plan(index, until),
                Action::Done => {
                    self.timers.remove(&(at, index));
                    self.wake[index] = NEVER;
                }
            }
        }
        Ok(grew)
    }

    /// Sets when to poll a target again, unless its run is over.
    fn plan(&mut self, log: usize, at: Nanos) {
        // One that was added just now is not yet there.
        if self.wake.get(log).is_some_and(|wake| *wake != NEVER) {
            self.timers.remove(&(self.wake[log], log));
            self.wake[log] = at;
            self.timers.insert((at, log));
        }
    }

    fn send(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        index: usize,
        seq: u64,
        clock: Clock,
    ) -> Result<()> {
        let PingLog { pinger, socket, .. } = &mut logs.all[index];
        let (socket, target) = (*socket, pinger.target());
        let (before, wall) = self.prepared.refresh(pinger, index, seq, clock);
        let mut result = self.send_on(shared, logs, (socket, target), clock)?;
        if result.as_ref().is_err_and(is_icmp_error) {
            // The error is of an earlier ping, and this call has cleared it.
            result = self.send_on(shared, logs, (socket, target), clock)?;
        }
        if result.is_ok() && self.sockets[socket].timestamping() == Timestamping::Both {
            self.tx_timestamps[socket].push(index, seq);
        }
        let several = logs.all.len() > 1;
        let announce = self.events == Events::All;
        let pinger = &mut logs.all[index].pinger;
        match result {
            Ok(()) => self.watch(shared, index, pinger, |pinger, changed| {
                pinger.sent(before, wall);
                if announce {
                    changed(seq);
                }
            }),
            // Nothing was ever sent: a wrong option is more likely than a passing fault.
            Err(source) if pinger.rows().is_empty() && !several => {
                return Err(Error::Io { action: "send to", address: target, source });
            }
            Err(_) => {
                self.watch(shared, index, pinger, |pinger, changed| {
                    pinger.send_failed(before, wall, changed);
                });
            }
        }
        Ok(())
    }

    /// Sends the prepared message; waits a moment if the system's send buffer is full.
    fn send_on(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        (socket, target): (usize, SocketAddr),
        clock: Clock,
    ) -> Result<io::Result<()>> {
        let wire = Arc::clone(&self.sockets[socket]);
        let mut result = wire.send_now(self.prepared.message(), target, None);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.send_failed(shared, logs, socket, clock)?;
            result = wait::writable(wire.as_fd())
                .and_then(|()| wire.send_now(self.prepared.message(), target, None));
        }
        if result.is_err() {
            self.send_failed(shared, logs, socket, clock)?;
        }
        Ok(result)
    }

    /// Writes the next message of a target if it is to be sent at `due`; returns whether it is.
    fn prepare(&mut self, logs: &PingLogs, log: usize, due: Nanos, clock: Clock) -> bool {
        let pinger = &logs.all[log].pinger;
        let Some((seq, _)) = pinger.next_send().filter(|(_, at)| *at == due) else { return false };
        let (now, wall) = clock.moment();
        let wall = wall.saturating_add(due - now);
        self.prepared.prepare(pinger, log, seq, wall);
        true
    }

    /// Receives what has arrived. Error queues are read where a socket reports an error, or if `look`.
    fn receive(&mut self, shared: &Shared, inbox: &mut RecvBatch, clock: Clock, look: bool) -> Result<()> {
        for socket in 0..self.sockets.len() {
            let mut refused = false;
            for _ in 0..MOST_BATCHES {
                match inbox.receive(&self.sockets[socket]) {
                    Ok(false) => break,
                    Ok(true) => {
                        let (mono, wall) = clock.moment();
                        let mut logs = lock(&shared.logs);
                        // The timestamp of a ping is there before its reply.
                        self.take_reports(shared, &mut logs, socket, clock, TxTimestamps::is_missing)?;
                        for datagram in inbox.datagrams() {
                            let arrival = datagram.arrival(Moment { mono, wall });
                            self.deliver(shared, &mut logs, socket, &datagram, &arrival);
                        }
                    }
                    Err(error) if is_icmp_error(&error) => {
                        // Where there is an error queue, it is read below.
                        refused = true;
                        if !self.sockets[socket].has_error_queue() {
                            self.refused_on(shared, &mut lock(&shared.logs), socket, clock.now());
                        }
                    }
                    Err(source) => return Err(Error::System { action: "receive", source }),
                }
            }
            if refused || look {
                self.take_reports(shared, &mut lock(&shared.logs), socket, clock, |_| true)?;
            }
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        socket: usize,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
    ) {
        let log = match logs.by_peer.get(&key(socket, datagram.source)) {
            Some(log) => *log,
            None if logs.all.len() == 1 => 0,
            None => {
                shared.foreign.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        self.watch(shared, log, &mut logs.all[log].pinger, |pinger, changed| {
            pinger.receive(datagram.source, datagram.bytes, arrival, changed);
        });
        self.plan(log, arrival.at.mono);
    }

    /// Calls a pinger and adds the rows that changed to the event queue.
    fn watch<T>(
        &self,
        shared: &Shared,
        log: usize,
        pinger: &mut Pinger,
        work: impl FnOnce(&mut Pinger, &mut dyn FnMut(u64)) -> T,
    ) -> T {
        let mut changed = Vec::new();
        let result = work(pinger, &mut |seq| {
            if self.events != Events::None {
                changed.push(seq);
            }
        });
        if !changed.is_empty() {
            let rows = pinger.rows();
            let indices = changed.into_iter().filter_map(|seq| rows.index(seq));
            shared.events.extend(indices.map(|index| (log, rows.get(index))));
        }
        result
    }

    /// Reads the timestamps of what has just been sent, on sockets for which that `is_needed`.
    fn take_stamps_of(
        &mut self,
        shared: &Shared,
        clock: Clock,
        is_needed: fn(&TxTimestamps) -> bool,
    ) -> Result<()> {
        for socket in 0..self.sockets.len() {
            if is_needed(&self.tx_timestamps[socket]) {
                self.take_reports(shared, &mut lock(&shared.logs), socket, clock, is_needed)?;
            }
        }
        Ok(())
    }

    /// Reads the error queue and gives each entry to its target, as long as `is_needed`. Where that means that
    /// timestamps are missing, it does not read once more to see that the queue is empty: that takes as long as reading
    /// an entry.
    fn take_reports(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        socket: usize,
        clock: Clock,
        is_needed: fn(&TxTimestamps) -> bool,
    ) -> Result<()> {
        let mut quoted = std::mem::take(&mut self.quoted);
        let mut result = Ok(());
        let mut left = MOST_BATCHES * SLOTS;
        while left > 0 && is_needed(&self.tx_timestamps[socket]) {
            left -= 1;
            match self.sockets[socket].read_error_queue(&mut quoted) {
                Ok(None) => break,
                Ok(Some(ErrorQueueEntry::Local)) => {}
                Ok(Some(ErrorQueueEntry::Timestamp { key, timestamp: stamp })) => {
                    if let Some(((log, seq), stamp)) = self.tx_timestamps[socket].stamped(key).zip(stamp) {
                        self.watch(shared, log, &mut logs.all[log].pinger, |pinger, changed| {
                            pinger.stamped(seq, stamp, changed);
                        });
                    }
                }
                Ok(Some(ErrorQueueEntry::Icmp(refusal))) => {
                    let log =
                        refusal.target.and_then(|target| logs.by_peer.get(&key(socket, target)).copied());
                    let Some(log) = log else { continue };
                    let now = clock.now();
                    self.watch(shared, log, &mut logs.all[log].pinger, |pinger, changed| {
                        pinger.unreachable(now, Some(&quoted), refusal.by, changed);
                    });
                    self.plan(log, now);
                }
                Err(source) => {
                    result = Err(Error::System { action: "read the error queue", source });
                    break;
                }
            }
        }
        self.quoted = quoted;
        result
    }

    /// A send failed. The kernel may have counted it or not, so both counts restart; timestamps that are there already
    /// are read first, later ones are lost.
    fn send_failed(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        socket: usize,
        clock: Clock,
    ) -> Result<()> {
        self.take_reports(shared, logs, socket, clock, |_| true)?;
        if self.sockets[socket].timestamping() == Timestamping::Both {
            self.sockets[socket].recount();
            self.tx_timestamps[socket].recount();
        }
        Ok(())
    }

    /// A connected socket reports only that its target refused a datagram, not which.
    fn refused_on(&mut self, shared: &Shared, logs: &mut PingLogs, socket: usize, now: Nanos) {
        let Some(log) = logs.all.iter().position(|log| log.socket == socket) else { return };
        self.watch(shared, log, &mut logs.all[log].pinger, |pinger, changed| {
            pinger.unreachable(now, None, None, changed);
        });
        self.plan(log, now);
    }
}

/// How long the first ping to a target that was added waits: targets added together are spread over the interval, each
/// as far from the others as can be.
fn spread(interval: Option<Nanos>, log: usize) -> Nanos {
    /// The golden ratio less one, in millionths.
    const STEP: usize = 618_034;
    const ALL: usize = 1_000_000;
    interval.unwrap_or(0) / 1_000_000 * Nanos::try_from(log * STEP % ALL).unwrap_or(0)
}
