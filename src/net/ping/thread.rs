//! The thread of a ping session: send what is due, receive what came, wait for the next. The error queues bring it
//! refusals, and the kernel's stamps of what was sent.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::AsFd as _;

use super::draft::Draft;
use super::margin::Margin;
use super::sendings::Sendings;
use super::{Events, Lane, Settings, Shared, key};
use crate::logic::ping::{Action, Pinger};
use crate::logic::{Arrival, Moment, Nanos};
use crate::net::clock::Clock;
use crate::net::datagram::{Datagram, ErrorQueueEntry, Timestamping};
use crate::net::event_queue::lock;
use crate::net::socket::{RecvBatch, is_icmp_error};
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
}

/// Which lane an address belongs to, and when each has to be looked at.
#[derive(Debug)]
struct Wires {
    lane_of: HashMap<(IpAddr, u16), usize>,
    events: Events,
    draft: Draft,
    sendings: Vec<Sendings>,
    quoted: Vec<u8>,
    /// When each lane has to be looked at, the first first: `wake`, sorted.
    agenda: BTreeSet<(Nanos, usize)>,
    wake: Vec<Nanos>,
}

impl Ready {
    pub(super) fn new(
        shared: Arc<Shared>,
        lane_of: HashMap<(IpAddr, u16), usize>,
        bell: Bell,
        settings: &Settings,
    ) -> Self {
        let wires = Wires {
            lane_of,
            events: settings.events,
            draft: Draft::default(),
            sendings: shared.sockets.iter().map(|_| Sendings::new()).collect(),
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
        Self { shared, wires, bell, inbox, margin, busy: settings.busy }
    }

    pub(super) fn spawn(mut self) -> io::Result<()> {
        // Not joined: it holds nothing but its own share of the state, and ends within one wake-up of `stop`.
        std::thread::Builder::new().name("udpping ping".into()).spawn(move || {
            let shared = Arc::clone(&self.shared);
            wait::set_timer_slack();
            shared.events.run("go on pinging", || self.run());
        })?;
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        let clock = Clock::start();
        let mut active = self.wires.begin(&lock(&self.shared.lanes));
        while !self.is_stopping() {
            active -= self.wires.act(&self.shared, clock)?;
            // A stamp in the error queue ends every wait, and what else is there may change what is next. Nobody waits who
            // spins, so then stamps are read with the replies, or when there are many without one.
            let is_read: fn(&Sendings) -> bool =
                if self.busy { Sendings::is_piling_up } else { Sendings::is_missing };
            self.wires.take_stamps_of(&self.shared, clock, is_read)?;
            let Some(&(next, lane)) = self.wires.agenda.first().filter(|_| active > 0) else { break };
            if !self.busy {
                self.wait(clock, next, lane)?;
            }
            self.wires.receive(&self.shared, &mut self.inbox, clock, !self.busy)?;
            self.shared.duration.store(clock.now(), Ordering::Relaxed);
        }
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
            let sockets = self.shared.sockets.iter().map(|socket| socket.as_fd());
            wait::readable(sockets, &self.bell, Some(left)).map_err(Error::system("wait for replies"))?;
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
    fn begin(&mut self, lanes: &[Lane]) -> usize {
        self.wake = vec![0; lanes.len()];
        self.agenda = (0..lanes.len()).map(|lane| (0, lane)).collect();
        lanes.len()
    }

    /// Does all that is due; gives back how many lanes came to their end.
    fn act(&mut self, shared: &Shared, clock: Clock) -> Result<usize> {
        let mut ended = 0;
        let mut lanes = lock(&shared.lanes);
        let mut sent = 0;
        let now = clock.now();
        while let Some(&(at, index)) = self.agenda.first() {
            if at > now || sent == MOST_SENT {
                break;
            }
            let action = self
                .watch(shared, index, &mut lanes[index].pinger, |pinger, changed| pinger.poll(now, changed));
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
                    ended += 1;
                }
            }
        }
        Ok(ended)
    }

    /// Notes when to look at a lane again, unless its run is over.
    fn plan(&mut self, lane: usize, at: Nanos) {
        if self.wake[lane] != NEVER {
            self.agenda.remove(&(self.wake[lane], lane));
            self.wake[lane] = at;
            self.agenda.insert((at, lane));
        }
    }

    fn send(
        &mut self,
        shared: &Shared,
        lanes: &mut [Lane],
        index: usize,
        seq: u64,
        clock: Clock,
    ) -> Result<()> {
        let Lane { pinger, socket, .. } = &mut lanes[index];
        let (socket, target) = (*socket, pinger.target());
        let (before, wall) = self.draft.refresh(pinger, index, seq, clock);
        let mut result = self.send_on(shared, lanes, (socket, target), clock)?;
        if result.as_ref().is_err_and(is_icmp_error) {
            // The report of an earlier ping's refusal, not of this one's, and by now it is taken.
            result = self.send_on(shared, lanes, (socket, target), clock)?;
        }
        if result.is_ok() && shared.sockets[socket].timestamping() == Timestamping::Both {
            self.sendings[socket].push(index, seq);
        }
        let several = lanes.len() > 1;
        let announce = self.events == Events::All;
        let pinger = &mut lanes[index].pinger;
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
        lanes: &mut [Lane],
        (socket, target): (usize, SocketAddr),
        clock: Clock,
    ) -> Result<io::Result<()>> {
        let wire = &shared.sockets[socket];
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
    fn prepare(&mut self, lanes: &[Lane], lane: usize, due: Nanos, clock: Clock) -> bool {
        let pinger = &lanes[lane].pinger;
        let Some((seq, _)) = pinger.next_send().filter(|(_, at)| *at == due) else { return false };
        let (now, wall) = clock.moment();
        let wall = wall.saturating_add(due - now);
        self.draft.prepare(pinger, lane, seq, wall);
        true
    }

    /// Takes what has arrived. Error queues are looked at where something says that there is a report, or if `look`.
    fn receive(&mut self, shared: &Shared, inbox: &mut RecvBatch, clock: Clock, look: bool) -> Result<()> {
        for socket in 0..shared.sockets.len() {
            let mut refused = false;
            for _ in 0..MOST_BATCHES {
                match inbox.receive(&shared.sockets[socket]) {
                    Ok(false) => break,
                    Ok(true) => {
                        let (mono, wall) = clock.moment();
                        let mut lanes = lock(&shared.lanes);
                        // A ping's stamp was there before its reply.
                        self.take_reports(shared, &mut lanes, socket, clock, Sendings::is_missing)?;
                        for datagram in inbox.datagrams() {
                            let arrival = datagram.arrival(Moment { mono, wall });
                            self.deliver(shared, &mut lanes, &datagram, &arrival);
                        }
                    }
                    Err(error) if is_icmp_error(&error) => {
                        // Where there is an error queue, it is read below.
                        refused = true;
                        if !shared.sockets[socket].has_error_queue() {
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

    fn deliver(&mut self, shared: &Shared, lanes: &mut [Lane], datagram: &Datagram<'_>, arrival: &Arrival) {
        let lane = match self.lane_of.get(&key(datagram.source)) {
            Some(lane) => *lane,
            None if lanes.len() == 1 => 0,
            None => {
                shared.foreign.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
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
        for socket in 0..shared.sockets.len() {
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
        lanes: &mut [Lane],
        socket: usize,
        clock: Clock,
        is_needed: fn(&Sendings) -> bool,
    ) -> Result<()> {
        let mut quoted = std::mem::take(&mut self.quoted);
        let mut result = Ok(());
        let mut left = MOST_BATCHES * SLOTS;
        while left > 0 && is_needed(&self.sendings[socket]) {
            left -= 1;
            match shared.sockets[socket].read_error_queue(&mut quoted) {
                Ok(None) => break,
                Ok(Some(ErrorQueueEntry::Local)) => {}
                Ok(Some(ErrorQueueEntry::Timestamp { key, timestamp: stamp })) => {
                    if let Some(((lane, seq), stamp)) = self.sendings[socket].stamped(key).zip(stamp) {
                        self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
                            pinger.stamped(seq, stamp, changed);
                        });
                    }
                }
                Ok(Some(ErrorQueueEntry::Icmp(refusal))) => {
                    let lane = refusal.target.and_then(|target| self.lane_of.get(&key(target)).copied());
                    let Some(lane) = lane else { continue };
                    let now = clock.now();
                    self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
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
    fn send_failed(
        &mut self,
        shared: &Shared,
        lanes: &mut [Lane],
        socket: usize,
        clock: Clock,
    ) -> Result<()> {
        self.take_reports(shared, lanes, socket, clock, |_| true)?;
        if shared.sockets[socket].timestamping() == Timestamping::Both {
            shared.sockets[socket].recount();
            self.sendings[socket].recount();
        }
        Ok(())
    }

    /// A connected socket says no more than that its one target refused something.
    fn refused_on(&mut self, shared: &Shared, lanes: &mut [Lane], socket: usize, now: Nanos) {
        let Some(lane) = lanes.iter().position(|lane| lane.socket == socket) else { return };
        self.watch(shared, lane, &mut lanes[lane].pinger, |pinger, changed| {
            pinger.unreachable(now, None, None, changed);
        });
        self.plan(lane, now);
    }
}
