//! The thread of a ping session: send what is due, receive what came, wait for the next. The error queues bring it
//! refusals, and the kernel's stamps of what was sent.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::AsFd as _;

use super::draft::Draft;
use super::margin::Margin;
use super::sendings::Sendings;
use super::{Events, Lane, Lanes, Settings, Shared, key};
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
/// Stands for the next look at a lane whose run is over.
const NEVER: Nanos = Nanos::MAX;
/// Pings sent before looking for replies again, however many are overdue.
const MOST_SENT: usize = 32;
/// Batches taken from one socket before looking at the clock again, however many wait.
const MOST_BATCHES: usize = 4;
/// Nothing is received so shortly before a ping is due: it would be late.
const HUSH: Nanos = 5_000;

/// All that the thread needs, before it runs.
#[derive(Debug)]
pub(super) struct Ready {
    shared: Arc<Shared>,
    wires: Wires,
    bell: Bell,
    inbox: RecvBatch,
    margin: Margin,
    busy: bool,
    targets: usize,
    is_endless: bool,
    backend: Backend,
}

/// What has been sent by which socket, and when each lane has to be looked at.
#[derive(Debug)]
struct Wires {
    sockets: Vec<Arc<Socket>>,
    events: Events,
    draft: Draft,
    sendings: Vec<Sendings>,
    quoted: Vec<u8>,
    /// When each lane has to be looked at, the first first: `wake`, sorted.
    agenda: BTreeSet<(Nanos, usize)>,
    wake: Vec<Nanos>,
}

impl Ready {
    pub(super) fn new(shared: Arc<Shared>, bell: Bell, settings: &Settings) -> Self {
        let wires = Wires {
            sockets: Vec::new(),
            events: settings.events,
            draft: Draft::default(),
            sendings: Vec::new(),
            quoted: Vec::new(),
            agenda: BTreeSet::new(),
            wake: Vec::new(),
        };
        let several = settings.targets.len() > 1;
        // Many targets are due all the time: spinning for each would be spinning always.
        let margin = Margin::new(settings.spin.or(several.then_some(0)));
        // Who asks again and again, or has one ping out at a time, asks for one.
        let single = settings.busy || (!several && settings.plan.interval.is_none());
        let inbox = RecvBatch::new(if single { 1 } else { SLOTS }, settings.backend);
        let (targets, is_endless) = (settings.targets.len(), settings.plan.count.is_none());
        Self {
            shared,
            wires,
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
        // Not joined: it holds nothing but its own share of the state, and ends within one wake-up of `stop`.
        std::thread::Builder::new().name("udpping ping".into()).spawn(move || {
            let shared = Arc::clone(&self.shared);
            wait::set_timer_slack();
            shared.events.run("go on pinging", || {
                let result = self.run();
                lock(&self.shared.lanes).over = true;
                result
            });
        })?;
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        let clock = Clock::start();
        self.wires.begin(&mut lock(&self.shared.lanes), self.targets);
        while !self.is_stopping() {
            let grew = self.wires.act(&self.shared, clock)?;
            if grew && !self.busy {
                self.inbox = RecvBatch::new(SLOTS, self.backend);
            }
            // A stamp in the error queue ends every wait, and what else is there may change what is next. Nobody waits who
            // spins, so then stamps are read with the replies, or when there are many without one.
            let is_read: fn(&Sendings) -> bool =
                if self.busy { Sendings::is_piling_up } else { Sendings::is_missing };
            self.wires.take_stamps_of(&self.shared, clock, is_read)?;
            match self.wires.agenda.first().copied() {
                Some((next, lane)) if !self.busy => self.wait(clock, next, lane)?,
                Some(_) => {}
                None if self.is_over() => break,
                None => self.wait_readable(None)?,
            }
            self.wires.receive(&self.shared, &mut self.inbox, clock, !self.busy)?;
            self.shared.duration.store(clock.now(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// All targets have come to their end, and no other will come: a run without an end whose targets were all removed
    /// waits for new ones.
    fn is_over(&self) -> bool {
        let mut lanes = lock(&self.shared.lanes);
        let waits = self.is_endless && lanes.all.iter().all(|lane| lane.removed);
        lanes.over = lanes.touched.is_empty() && !waits;
        lanes.over
    }

    fn wait_readable(&self, limit: Option<Nanos>) -> Result<()> {
        let sockets = self.wires.sockets.iter().map(|socket| socket.as_fd());
        wait::readable(sockets, &self.bell, limit).map_err(Error::system("wait for replies"))?;
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Waits until something arrives, or `next` is there. If a ping is due then, the last moments are spun away, as
    /// waits end late.
    fn wait(&mut self, clock: Clock, next: Nanos, lane: usize) -> Result<()> {
        if next <= clock.now() {
            return Ok(());
        }
        let is_send = self.wires.prepare(&lock(&self.shared.lanes), lane, next, clock);
        let margin = if is_send { self.margin.get() } else { 0 };
        let wake = next - margin;
        let left = wake - clock.now();
        if left > 0 {
            self.wait_readable(Some(left))?;
            let overslept = clock.now() - wake;
            if overslept < 0 {
                // Something else than the time.
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
                self.wires.receive(&self.shared, &mut self.inbox, clock, false)?;
            } else {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }
}

impl Wires {
    /// Looks at once at the targets that the session began with.
    fn begin(&mut self, lanes: &mut Lanes, targets: usize) {
        self.wake = vec![0; targets];
        self.agenda = (0..targets).map(|lane| (0, lane)).collect();
        lanes.changed = true;
    }

    /// Takes in what has been added, removed or moved; returns whether there are more targets.
    fn adopt(&mut self, lanes: &mut Lanes, now: Nanos) -> bool {
        lanes.changed = false;
        let before = self.wake.len();
        self.sendings.resize_with(lanes.sockets.len(), Sendings::new);
        for ((old, new), sendings) in self.sockets.iter().zip(&lanes.sockets).zip(&mut self.sendings) {
            if !Arc::ptr_eq(old, new) {
                *sendings = Sendings::new();
            }
        }
        self.sockets.clone_from(&lanes.sockets);
        for lane in std::mem::take(&mut lanes.touched) {
            let Lane { pinger, removed, .. } = &mut lanes.all[lane];
            if lane >= self.wake.len() {
                self.wake.resize(lane + 1, NEVER);
                pinger.start_at(now + spread(pinger.interval(), lane));
            } else if !*removed {
                pinger.resume(now);
            }
            self.agenda.remove(&(self.wake[lane], lane));
            self.wake[lane] = now;
            self.agenda.insert((now, lane));
        }
        self.wake.len() > before
    }

    /// Does all that is due; returns whether there are more targets than before.
    fn act(&mut self, shared: &Shared, clock: Clock) -> Result<bool> {
        let mut lanes = lock(&shared.lanes);
        let mut sent = 0;
        let now = clock.now();
        let grew = lanes.changed && self.adopt(&mut lanes, now);
        while let Some(&(at, index)) = self.agenda.first() {
            if at > now || sent == MOST_SENT {
                break;
            }
            let action = self.watch(shared, index, &mut lanes.all[index].pinger, |pinger, changed| {
                pinger.poll(now, changed)
            });
            match action {
                Action::Send(seq) => {
                    self.send(shared, &mut lanes, index, seq, clock)?;
                    self.plan(index, now);
                    sent += 1;
                }
                Action::Wait(until) => self.plan(index, until),
                Action::Done => {
                    self.agenda.remove(&(at, index));
                    self.wake[index] = NEVER;
                }
            }
        }
        Ok(grew)
    }

    /// Notes when to look at a lane again, unless its run is over.
    fn plan(&mut self, lane: usize, at: Nanos) {
        // One that was added just now is not yet there.
        if self.wake.get(lane).is_some_and(|wake| *wake != NEVER) {
            self.agenda.remove(&(self.wake[lane], lane));
            self.wake[lane] = at;
            self.agenda.insert((at, lane));
        }
    }

    fn send(
        &mut self,
        shared: &Shared,
        lanes: &mut Lanes,
        index: usize,
        seq: u64,
        clock: Clock,
    ) -> Result<()> {
        let Lane { pinger, socket, .. } = &mut lanes.all[index];
        let (socket, target) = (*socket, pinger.target());
        let (before, wall) = self.draft.refresh(pinger, index, seq, clock);
        let mut result = self.send_on(shared, lanes, (socket, target), clock)?;
        if result.as_ref().is_err_and(is_icmp_error) {
            // The report of an earlier ping's refusal, not of this one's, and by now it is taken.
            result = self.send_on(shared, lanes, (socket, target), clock)?;
        }
        if result.is_ok() && self.sockets[socket].timestamping() == Timestamping::Both {
            self.sendings[socket].push(index, seq);
        }
        let several = lanes.all.len() > 1;
        let announce = self.events == Events::All;
        let pinger = &mut lanes.all[index].pinger;
        match result {
            Ok(()) => self.watch(shared, index, pinger, |pinger, changed| {
                pinger.sent(before, wall);
                if announce {
                    changed(seq);
                }
            }),
            // Nothing has ever left: more likely a wrong option than a passing fault.
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

    /// Sends the draft; waits a moment if the system's send buffer is full.
    fn send_on(
        &mut self,
        shared: &Shared,
        lanes: &mut Lanes,
        (socket, target): (usize, SocketAddr),
        clock: Clock,
    ) -> Result<io::Result<()>> {
        let wire = Arc::clone(&self.sockets[socket]);
        let mut result = wire.send_now(self.draft.message(), target, None);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.send_failed(shared, lanes, socket, clock)?;
            result =
                wait::writable(wire.as_fd()).and_then(|()| wire.send_now(self.draft.message(), target, None));
        }
        if result.is_err() {
            self.send_failed(shared, lanes, socket, clock)?;
        }
        Ok(result)
    }

    /// Writes the message of `lane` if that is to be sent at `due`; says whether it is.
    fn prepare(&mut self, lanes: &Lanes, lane: usize, due: Nanos, clock: Clock) -> bool {
        let pinger = &lanes.all[lane].pinger;
        let Some((seq, _)) = pinger.next_send().filter(|(_, at)| *at == due) else { return false };
        let (now, wall) = clock.moment();
        let wall = wall.saturating_add(due - now);
        self.draft.prepare(pinger, lane, seq, wall);
        true
    }

    /// Takes what has arrived. Error queues are looked at where something says that there is a report, or if `look`.
    fn receive(&mut self, shared: &Shared, inbox: &mut RecvBatch, clock: Clock, look: bool) -> Result<()> {
        for socket in 0..self.sockets.len() {
            let mut refused = false;
            for _ in 0..MOST_BATCHES {
                match inbox.receive(&self.sockets[socket]) {
                    Ok(false) => break,
                    Ok(true) => {
                        let (mono, wall) = clock.moment();
                        let mut lanes = lock(&shared.lanes);
                        // A ping's stamp was there before its reply.
                        self.take_reports(shared, &mut lanes, socket, clock, Sendings::is_missing)?;
                        for datagram in inbox.datagrams() {
                            let arrival = datagram.arrival(Moment { mono, wall });
                            self.deliver(shared, &mut lanes, socket, &datagram, &arrival);
                        }
                    }
                    Err(error) if is_icmp_error(&error) => {
                        // Where there is an error queue, it is read below.
                        refused = true;
                        if !self.sockets[socket].has_error_queue() {
                            self.refused_on(shared, &mut lock(&shared.lanes), socket, clock.now());
                        }
                    }
                    Err(source) => return Err(Error::System { action: "receive", source }),
                }
            }
            if refused || look {
                self.take_reports(shared, &mut lock(&shared.lanes), socket, clock, |_| true)?;
            }
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        shared: &Shared,
        lanes: &mut Lanes,
        socket: usize,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
    ) {
        let lane = match lanes.by_peer.get(&key(socket, datagram.source)) {
            Some(lane) => *lane,
            None if lanes.all.len() == 1 => 0,
            None => {
                shared.foreign.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        self.watch(shared, lane, &mut lanes.all[lane].pinger, |pinger, changed| {
            pinger.receive(datagram.source, datagram.bytes, arrival, changed);
        });
        self.plan(lane, arrival.at.mono);
    }

    /// Lets a pinger work and passes on the rows that changed.
    fn watch<T>(
        &self,
        shared: &Shared,
        lane: usize,
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
            shared.events.extend(indices.map(|index| (lane, rows.get(index))));
        }
        result
    }

    /// Takes the stamps of what has just been sent, of sockets for which that `is_needed`.
    fn take_stamps_of(
        &mut self,
        shared: &Shared,
        clock: Clock,
        is_needed: fn(&Sendings) -> bool,
    ) -> Result<()> {
        for socket in 0..self.sockets.len() {
            if is_needed(&self.sendings[socket]) {
                self.take_reports(shared, &mut lock(&shared.lanes), socket, clock, is_needed)?;
            }
        }
        Ok(())
    }

    /// Hands the error queue's reports to the lanes they are about, as long as `is_needed`. Where that means that stamps
    /// are missing, it is not found out that the queue is empty: it takes as long as a stamp, and somebody waits for his
    /// reply.
    fn take_reports(
        &mut self,
        shared: &Shared,
        lanes: &mut Lanes,
        socket: usize,
        clock: Clock,
        is_needed: fn(&Sendings) -> bool,
    ) -> Result<()> {
        let mut quoted = std::mem::take(&mut self.quoted);
        let mut result = Ok(());
        let mut left = MOST_BATCHES * SLOTS;
        while left > 0 && is_needed(&self.sendings[socket]) {
            left -= 1;
            match self.sockets[socket].read_error_queue(&mut quoted) {
                Ok(None) => break,
                Ok(Some(ErrorQueueEntry::Local)) => {}
                Ok(Some(ErrorQueueEntry::Timestamp { key, timestamp: stamp })) => {
                    if let Some(((lane, seq), stamp)) = self.sendings[socket].stamped(key).zip(stamp) {
                        self.watch(shared, lane, &mut lanes.all[lane].pinger, |pinger, changed| {
                            pinger.stamped(seq, stamp, changed);
                        });
                    }
                }
                Ok(Some(ErrorQueueEntry::Icmp(refusal))) => {
                    let lane =
                        refusal.target.and_then(|target| lanes.by_peer.get(&key(socket, target)).copied());
                    let Some(lane) = lane else { continue };
                    let now = clock.now();
                    self.watch(shared, lane, &mut lanes.all[lane].pinger, |pinger, changed| {
                        pinger.unreachable(now, Some(&quoted), refusal.by, changed);
                    });
                    self.plan(lane, now);
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

    /// A send failed. Nobody knows whether the kernel counted it, so both count anew; stamps that were there already are
    /// taken first, later ones are lost.
    fn send_failed(&mut self, shared: &Shared, lanes: &mut Lanes, socket: usize, clock: Clock) -> Result<()> {
        self.take_reports(shared, lanes, socket, clock, |_| true)?;
        if self.sockets[socket].timestamping() == Timestamping::Both {
            self.sockets[socket].recount();
            self.sendings[socket].recount();
        }
        Ok(())
    }

    /// A connected socket says no more than that its one target refused something.
    fn refused_on(&mut self, shared: &Shared, lanes: &mut Lanes, socket: usize, now: Nanos) {
        let Some(lane) = lanes.all.iter().position(|lane| lane.socket == socket) else { return };
        self.watch(shared, lane, &mut lanes.all[lane].pinger, |pinger, changed| {
            pinger.unreachable(now, None, None, changed);
        });
        self.plan(lane, now);
    }
}

/// How long the first ping to a target that was added waits: targets added together are spread over the interval, each
/// as far from the others as can be.
fn spread(interval: Option<Nanos>, lane: usize) -> Nanos {
    /// The golden ratio less one, in millionths.
    const STEP: usize = 618_034;
    const ALL: usize = 1_000_000;
    interval.unwrap_or(0) / 1_000_000 * Nanos::try_from(lane * STEP % ALL).unwrap_or(0)
}
