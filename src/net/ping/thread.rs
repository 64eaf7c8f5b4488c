//! The thread of a ping session: it sends the pings that are due, receives replies, and reads ICMP errors and the
//! kernel's transmit timestamps from the error queues.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::AsFd as _;

use super::logs::{PingLog, PingLogs, key};
use super::prepared_ping::PreparedPing;
use super::spin_margin::SpinMargin;
use super::{Events, Settings, Shared};
use crate::logic::ping::{Action, Pinger};
use crate::logic::{Arrival, Moment, Nanos};
use crate::net::clock::{Clock, wall_ns};
use crate::net::datagram::{Datagram, ErrorQueueEntry, Timestamping};
use crate::net::event_queue::lock;
use crate::net::socket::{Backend, RecvBatch, Socket, is_icmp_error, is_too_long, path_mtu};
use crate::net::tx_timestamps::TxTimestamps;
use crate::net::wait::{self, Bell};
use crate::net::{Error, Result};

/// Datagrams received with one system call.
const SLOTS: usize = 16;
/// The timer of a target whose run is over.
const NEVER: Nanos = Nanos::MAX;
/// Pings sent before replies are received again, however many are overdue.
const MOST_SENT: usize = 32;
/// Batches received from one socket before reading the clock again, however many wait.
const MOST_BATCHES: usize = 4;
/// How long a ping is put off when the reader of the rows is slow.
const NO_ROOM_PAUSE: Nanos = 1_000_000;
/// Nothing is received this shortly before a ping is due: the ping would leave late.
const SEND_GUARD: Nanos = 5_000;

/// The pings sent on one socket, each by its target and number.
type Sent = TxTimestamps<(usize, u64)>;

/// The state of the thread, made before it starts.
#[derive(Debug)]
pub(super) struct Ready {
    shared: Arc<Shared>,
    ping_loop: PingLoop,
    bell: Bell,
    batch: RecvBatch,
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
    bind: Option<SocketAddr>,
    prepared: PreparedPing,
    tx_timestamps: Vec<Sent>,
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
            bind: settings.bind,
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
        let batch = RecvBatch::new(if single { 1 } else { SLOTS }, settings.backend);
        let (targets, is_endless) = (settings.targets.len(), settings.plan.count.is_none());
        Self {
            shared,
            ping_loop,
            bell,
            batch,
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
                self.shared.names.ring();
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
                self.batch = RecvBatch::new(SLOTS, self.backend);
            }
            // An entry in the error queue ends every wait, and may change what is next. A thread that spins does not
            // wait, so it reads timestamps with the replies, or when many are there without one.
            let is_read: fn(&Sent) -> bool =
                if self.busy { TxTimestamps::is_piling_up } else { TxTimestamps::is_missing };
            self.ping_loop.drain_timestamps(&self.shared, clock, is_read)?;
            match self.ping_loop.timers.first().copied() {
                Some((next, index)) if !self.busy => self.wait(clock, next, index)?,
                Some(_) => {}
                None if self.is_over() => break,
                None => self.wait_readable(None)?,
            }
            self.ping_loop.receive(&self.shared, &mut self.batch, clock, !self.busy)?;
            self.shared.duration.store(clock.now(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether all targets have ended and none can be added: an endless run whose targets were all removed waits for
    /// new ones.
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

    /// Waits until something arrives or the time is `next`. If a ping is due then, the thread spins at the end, as
    /// waits end late.
    fn wait(&mut self, clock: Clock, next: Nanos, index: usize) -> Result<()> {
        if next <= clock.now() {
            return Ok(());
        }
        let is_send = self.ping_loop.prepare(&lock(&self.shared.logs), index, next, clock);
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
            if left > SEND_GUARD {
                self.ping_loop.receive(&self.shared, &mut self.batch, clock, false)?;
            } else {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }
}

impl PingLoop {
    /// Has the first targets polled at once.
    fn begin(&mut self, logs: &mut PingLogs, targets: usize) {
        self.wake = vec![0; targets];
        self.timers = (0..targets).map(|index| (0, index)).collect();
        logs.changed = true;
    }

    /// Applies added, removed and moved targets; returns whether the number of targets grew.
    fn apply_changes(&mut self, logs: &mut PingLogs, now: Nanos) -> bool {
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
        for index in std::mem::take(&mut logs.touched) {
            let PingLog { pinger, removed, .. } = &mut logs.all[index];
            if index >= self.wake.len() {
                self.wake.resize(index + 1, NEVER);
                pinger.start_at(now + spread(pinger.interval(), index));
            } else if !*removed {
                pinger.resume(now);
            }
            self.timers.remove(&(self.wake[index], index));
            self.wake[index] = now;
            self.timers.insert((now, index));
        }
        self.wake.len() > before
    }

    /// Polls the targets that are due; returns whether the number of targets grew.
    fn act(&mut self, shared: &Shared, clock: Clock) -> Result<bool> {
        let mut logs = lock(&shared.logs);
        let mut sent = 0;
        let now = clock.now();
        let grew = logs.changed && self.apply_changes(&mut logs, now);
        while let Some(&(at, index)) = self.timers.first() {
            if at > now || sent == MOST_SENT || shared.stop.load(Ordering::Acquire) {
                break;
            }
            let action = self.watch(shared, index, &mut logs.all[index].pinger, |pinger, changed| {
                pinger.poll(now, changed)
            });
            match action {
                // Nothing was promised about when: the reader comes first.
                Action::Send(_) if !shared.events.has_room() => self.plan(index, now + NO_ROOM_PAUSE),
                Action::Send(seq) => {
                    if logs.all[index].pinger.rows().is_full() {
                        logs.all[index].pinger.room()?;
                    }
                    self.send(shared, &mut logs, index, seq, clock)?;
                    self.plan(index, now);
                    sent += 1;
                }
                Action::Wait(until) => self.plan(index, until),
                Action::Done => {
                    self.timers.remove(&(at, index));
                    self.wake[index] = NEVER;
                    if logs.all[index].removed {
                        logs.release(index);
                    }
                }
            }
        }
        Ok(grew)
    }

    /// Sets when to poll a target again, unless its run is over.
    fn plan(&mut self, index: usize, at: Nanos) {
        // A target that was just added has no timer yet.
        if self.wake.get(index).is_some_and(|wake| *wake != NEVER) {
            self.timers.remove(&(self.wake[index], index));
            self.wake[index] = at;
            self.timers.insert((at, index));
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
        let PingLog { pinger, socket, address, .. } = &mut logs.all[index];
        let route = socket.zip(*address);
        let (before, wall) = self.prepared.refresh(pinger, index, seq, clock);
        let Some((socket, target)) = route else {
            self.watch(shared, index, pinger, |pinger, changed| pinger.send_failed(before, wall, changed));
            return Ok(());
        };
        let mut result = self.send_on(shared, logs, (socket, target), clock)?;
        if result.as_ref().is_err_and(is_icmp_error) {
            // The error is of an earlier ping, and this call has cleared it.
            result = self.send_on(shared, logs, (socket, target), clock)?;
        }
        if result.is_ok() && self.sockets[socket].timestamping() == Timestamping::Both {
            self.tx_timestamps[socket].push((index, seq));
        }
        let several = logs.all.len() > 1;
        let announce = self.events == Events::All;
        let PingLog { pinger, problem, .. } = &mut logs.all[index];
        match result {
            Ok(()) => self.watch(shared, index, pinger, |pinger, changed| {
                pinger.sent(before, wall);
                if announce {
                    changed(seq);
                }
            }),
            Err(source) => {
                let error = self.refusal(target, source);
                // Nothing was ever sent: a wrong option is more likely than a temporary fault.
                if pinger.rows().is_empty() && !several && !matches!(error, Error::TooLong { .. }) {
                    return Err(error);
                }
                *problem = Some(error.to_string());
                self.watch(shared, index, pinger, |pinger, changed| {
                    pinger.send_failed(before, wall, changed);
                });
            }
        }
        Ok(())
    }

    /// The error of a send that failed.
    fn refusal(&self, address: SocketAddr, source: io::Error) -> Error {
        let mtu = is_too_long(&source).then(|| path_mtu(address, self.bind)).flatten();
        match mtu {
            Some(mtu) => Error::TooLong { address, bytes: self.prepared.message().len(), mtu, source },
            None => Error::Io { action: "send to", address, source },
        }
    }

    /// Sends the prepared message; waits a moment if the system's send buffer is full.
    fn send_on(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        (index, target): (usize, SocketAddr),
        clock: Clock,
    ) -> Result<io::Result<()>> {
        let socket = Arc::clone(&self.sockets[index]);
        let mut result = socket.send_now(self.prepared.message(), target, None);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.send_failed(shared, logs, index, clock)?;
            result = wait::writable(socket.as_fd())
                .and_then(|()| socket.send_now(self.prepared.message(), target, None));
        }
        if result.is_err() {
            self.send_failed(shared, logs, index, clock)?;
        }
        Ok(result)
    }

    /// Writes the next message of a target if it is to be sent at `due`; returns whether it is.
    fn prepare(&mut self, logs: &PingLogs, index: usize, due: Nanos, clock: Clock) -> bool {
        let pinger = &logs.all[index].pinger;
        let Some((seq, _)) = pinger.next_send().filter(|(_, at)| *at == due) else { return false };
        let (now, wall) = clock.moment();
        let wall = wall.saturating_add(due - now);
        self.prepared.prepare(pinger, index, seq, wall);
        true
    }

    /// Receives what has arrived. An error queue is read if its socket reports an error, or if `look`.
    fn receive(&mut self, shared: &Shared, batch: &mut RecvBatch, clock: Clock, look: bool) -> Result<()> {
        for socket in 0..self.sockets.len() {
            let mut has_icmp_error = false;
            for _ in 0..MOST_BATCHES {
                match batch.receive(&self.sockets[socket], usize::MAX) {
                    Ok(false) => break,
                    Ok(true) => {
                        let (mono, wall) = clock.moment();
                        let mut logs = lock(&shared.logs);
                        // The kernel queues the timestamp of a ping before its reply arrives.
                        self.drain_error_queue(shared, &mut logs, socket, clock, TxTimestamps::is_missing)?;
                        for datagram in batch.datagrams() {
                            let arrival = datagram.arrival(Moment { mono, wall });
                            self.deliver(shared, &mut logs, socket, &datagram, &arrival);
                        }
                    }
                    Err(error) if is_icmp_error(&error) => {
                        // An error queue is read below.
                        has_icmp_error = true;
                        if !self.sockets[socket].has_error_queue() {
                            self.unreachable_on(shared, &mut lock(&shared.logs), socket, clock.now());
                        }
                    }
                    Err(source) => return Err(Error::System { action: "receive", source }),
                }
            }
            if has_icmp_error || look {
                self.drain_error_queue(shared, &mut lock(&shared.logs), socket, clock, |_| true)?;
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
        let by_peer = logs.by_peer.get(&key(socket, datagram.source));
        let index = match by_peer.or_else(|| logs.groups.get(&socket)) {
            Some(index) => *index,
            None if logs.all.len() == 1 => 0,
            None => {
                shared.foreign.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        self.watch(shared, index, &mut logs.all[index].pinger, |pinger, changed| {
            pinger.receive(datagram.source, datagram.bytes, arrival, changed);
        });
        self.plan(index, arrival.at.mono);
    }

    /// Calls a pinger and adds the rows that changed to the event queue.
    fn watch<T>(
        &self,
        shared: &Shared,
        index: usize,
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
            shared.events.extend(indices.map(|row| (index, rows.get(row))));
        }
        if let Some(verdict) = pinger.take_verdict() {
            shared.verdicts.extend([(index, verdict, wall_ns())]);
        }
        result
    }

    /// Reads transmit timestamps on sockets for which this `is_needed`.
    fn drain_timestamps(
        &mut self,
        shared: &Shared,
        clock: Clock,
        is_needed: fn(&Sent) -> bool,
    ) -> Result<()> {
        for socket in 0..self.sockets.len() {
            if is_needed(&self.tx_timestamps[socket]) {
                self.drain_error_queue(shared, &mut lock(&shared.logs), socket, clock, is_needed)?;
            }
        }
        Ok(())
    }

    /// Reads the error queue while `is_needed`, and passes each entry to its target. A caller that waits only for
    /// missing timestamps saves the last read, of an empty queue, which takes as long as reading an entry.
    fn drain_error_queue(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        socket: usize,
        clock: Clock,
        is_needed: fn(&Sent) -> bool,
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
                    if let Some(((index, seq), stamp)) = self.tx_timestamps[socket].stamped(key).zip(stamp) {
                        self.watch(shared, index, &mut logs.all[index].pinger, |pinger, changed| {
                            pinger.stamped(seq, stamp, changed);
                        });
                    }
                }
                Ok(Some(ErrorQueueEntry::Icmp(icmp_error))) => {
                    let index =
                        icmp_error.target.and_then(|target| logs.by_peer.get(&key(socket, target)).copied());
                    let Some(index) = index else { continue };
                    let now = clock.now();
                    self.watch(shared, index, &mut logs.all[index].pinger, |pinger, changed| {
                        pinger.unreachable(now, Some(&quoted), icmp_error.by, changed);
                    });
                    self.plan(index, now);
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

    /// Restarts both counts of sent datagrams, as the kernel may or may not have counted a failed send. Timestamps that
    /// are queued already are read first; later ones are lost.
    fn send_failed(
        &mut self,
        shared: &Shared,
        logs: &mut PingLogs,
        socket: usize,
        clock: Clock,
    ) -> Result<()> {
        self.drain_error_queue(shared, logs, socket, clock, |_| true)?;
        if self.sockets[socket].timestamping() == Timestamping::Both {
            self.sockets[socket].recount();
            self.tx_timestamps[socket].recount();
        }
        Ok(())
    }

    /// Handles an ICMP error on a connected socket, which does not quote the datagram.
    fn unreachable_on(&mut self, shared: &Shared, logs: &mut PingLogs, socket: usize, now: Nanos) {
        let Some(index) = logs.all.iter().position(|log| log.socket == Some(socket)) else { return };
        self.watch(shared, index, &mut logs.all[index].pinger, |pinger, changed| {
            pinger.unreachable(now, None, None, changed);
        });
        self.plan(index, now);
    }
}

/// The delay of the first ping to an added target: targets added together are spread over the interval, as far apart as
/// possible.
fn spread(interval: Option<Nanos>, index: usize) -> Nanos {
    /// The golden ratio less one, in millionths.
    const STEP: usize = 618_034;
    const ALL: usize = 1_000_000;
    interval.unwrap_or(0) / 1_000_000 * Nanos::try_from(index * STEP % ALL).unwrap_or(0)
}
