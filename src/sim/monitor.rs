//! Senders and a monitor in virtual time, with a lossy link between them.
//!
//! The faults of a sender are a text such as `crash@100 restart@200 step:-3s@300`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::EPOCH;
use crate::logic::heartbeat::{Beat, HeartbeatPlan, Sender};
use crate::logic::link::{DelayQueue, Link, LinkPlan, Packet};
use crate::logic::memory::{NoMemory, room_for};
use crate::logic::monitor::{Event, Monitor, MonitorPlan, PeerRow};
use crate::logic::random::Direction;
use crate::logic::text::duration;
use crate::logic::{DAY, Invalid, Moment, Nanos, SECOND};

/// Events that are kept.
const MOST_EVENTS: usize = 1 << 20;
/// The most senders; each has an address.
pub const MOST_SENDERS: usize = 1_000_000;
/// The longest run: a century.
pub const LONGEST: Nanos = 36_525 * DAY;
/// The valid lengths of a run.
pub const LENGTHS: RangeInclusive<Nanos> = SECOND / 1_000..=LONGEST;

/// A fault of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It stops without a goodbye.
    Crash,
    /// It starts again, with a new session.
    Restart,
    /// It sends a goodbye with this exit status.
    Bye(i32),
    /// It pauses for this long, and then continues.
    Pause(Nanos),
    /// Its wall clock steps by this much.
    Step(Nanos),
    /// It sends from another address.
    Rebind,
}

/// The faults of one sender, by time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<(Nanos, Fault)>);

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The monitor.
    pub monitor: MonitorPlan,
    /// The plan of every sender; each gets its own name and session.
    pub sender: HeartbeatPlan,
    /// The faults of each sender, which set the number of senders.
    pub faults: Vec<Faults>,
    /// The path; heartbeats alternate between its two directions.
    pub link: LinkPlan,
    /// How much faster than the monitor's the clocks of the senders run, in parts per million.
    pub drift_ppm: f64,
    /// The duration of the run.
    pub length: Nanos,
}

/// A run in progress.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    link: Link,
    monitor: Monitor,
    hosts: Vec<Host>,
    queue: DelayQueue<Due>,
    /// Buffers of arrived datagrams, for reuse.
    spare: Vec<Vec<u8>>,
    now: Nanos,
    events: Vec<Event>,
    missed: u64,
}

/// An event of the simulation.
#[derive(Debug)]
enum Due {
    Fault(usize, usize),
    Send(usize, u32),
    Arrival(SocketAddr, Vec<u8>),
}

/// The machine that a sender runs on.
#[derive(Debug)]
struct Host {
    sender: Option<Sender>,
    /// Until when it is paused.
    paused_until: Nanos,
    stepped: Nanos,
    address: SocketAddr,
    sessions: u32,
}

impl Run {
    /// A run at time 0.
    pub fn new(plan: Plan) -> Result<Self, Invalid> {
        let senders = plan.faults.len();
        if !(1..=MOST_SENDERS).contains(&senders) {
            return Err(Invalid::new("senders", senders, "1 to 1,000,000"));
        }
        if !(1..=LONGEST).contains(&plan.length) {
            return Err(Invalid::new(
                "duration",
                plan.length / SECOND,
                "more than 0 s, and a century at most",
            ));
        }
        if !(-500_000.0..=500_000.0).contains(&plan.drift_ppm) {
            return Err(Invalid::new("drift_ppm", plan.drift_ppm, "-500000 to 500000"));
        }
        let monitor = Monitor::new(plan.monitor.clone().checked()?, at(0));
        let host = |number| Host {
            sender: None,
            paused_until: 0,
            stepped: 0,
            address: address(number, 0),
            sessions: 0,
        };
        let mut run = Self {
            link: Link::new(plan.link.clone()),
            monitor,
            hosts: (0..senders).map(host).collect(),
            queue: DelayQueue::new(),
            spare: Vec::new(),
            now: 0,
            events: Vec::new(),
            missed: 0,
            plan,
        };
        for host in 0..senders {
            for fault in 0..run.plan.faults[host].0.len() {
                let when = run.plan.faults[host].0[fault].0;
                run.queue.push(when, Due::Fault(host, fault));
            }
            // Each sender has a phase of its own.
            let phase = run.plan.sender.interval as f64 * host as f64 / senders as f64;
            #[expect(clippy::cast_possible_truncation, reason = "within an interval")]
            run.start_session(host, phase as Nanos);
        }
        Ok(run)
    }

    /// Whether there is memory for some thousand steps more.
    ///
    /// # Errors
    /// There is not.
    pub fn room(&self) -> Result<(), NoMemory> {
        let events = 2 * self.events.len() * size_of::<Event>();
        room_for(events + self.queue.bytes_to_grow())
    }

    /// Advances by `steps` or to the end; returns whether that is reached.
    pub fn advance(&mut self, steps: u64) -> bool {
        for _ in 0..steps {
            let due = self.queue.next_due().unwrap_or(self.plan.length).min(self.plan.length);
            self.watch_until(due);
            if due >= self.plan.length {
                return true;
            }
            if let Some(what) = self.queue.pop_due(due) {
                self.handle(what);
            }
        }
        false
    }

    /// The monitor's clients now, by number.
    pub fn peers(&self) -> Vec<PeerRow> {
        let mut rows: Vec<PeerRow> = self.monitor.peers(at(self.now)).collect();
        rows.sort_by_cached_key(|row| (row.client.len(), row.client.clone()));
        rows
    }

    /// The monitor's events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Events that did not fit.
    pub fn missed_events(&self) -> u64 {
        self.missed
    }

    /// The monitor.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Wakes the monitor at each of its deadlines before `until`.
    fn watch_until(&mut self, until: Nanos) {
        while let Some(deadline) = self.monitor.next_deadline().filter(|deadline| *deadline <= until) {
            // A deadline that has passed is handled now.
            self.now = self.now.max(deadline);
            self.monitor.rested(at(self.now));
            self.monitor.wake(at(self.now), None);
            self.collect_events();
        }
        self.now = self.now.max(until);
        self.monitor.rested(at(self.now));
    }

    fn handle(&mut self, what: Due) {
        match what {
            Due::Arrival(source, bytes) => {
                self.monitor.hear(at(self.now), source, &bytes, &mut Vec::new());
                self.spare.push(bytes);
                self.collect_events();
            }
            Due::Send(host, session) => self.send(host, session),
            Due::Fault(host, fault) => self.apply_fault(host, self.plan.faults[host].0[fault].1),
        }
    }

    fn start_session(&mut self, host: usize, when: Nanos) {
        let clock = self.clock(when);
        let Host { sender, sessions, .. } = &mut self.hosts[host];
        *sessions += 1;
        let mut plan = self.plan.sender.clone();
        plan.id = format!("sender{host}").into();
        plan.session ^= (host as u64) << 32 | u64::from(*sessions);
        let session = *sessions;
        let mut started = Sender::new(plan);
        started.begin(clock);
        *sender = Some(started);
        self.queue.push(when, Due::Send(host, session));
    }

    fn send(&mut self, host: usize, session: u32) {
        let clock = self.clock(self.now);
        let Host { sender, paused_until, stepped, address, sessions } = &mut self.hosts[host];
        if session != *sessions {
            return;
        }
        if *paused_until > self.now {
            let when = *paused_until;
            return self.queue.push(when, Due::Send(host, session));
        }
        let Some(machine) = sender else { return };
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        let wall = EPOCH.saturating_add(clock).saturating_add(*stepped);
        let next = match machine.beat(Moment { mono: clock, wall }, &mut bytes) {
            Beat::Done => {
                *sender = None;
                return self.spare.push(bytes);
            }
            Beat::Wait(due) => {
                self.spare.push(bytes);
                due
            }
            Beat::Send => {
                machine.sent(clock);
                let due = machine.next_due();
                let sent = Packet { at: self.now, len: bytes.len() };
                let fate = self.link.client(*address).with_bytes(Direction::Up, &bytes).round_trip(sent);
                for delivery in &*fate.deliveries {
                    let mut copy = self.spare.pop().unwrap_or_default();
                    copy.clone_from(&bytes);
                    fate.up.apply(&mut copy, 0);
                    self.queue.push(delivery.at, Due::Arrival(*address, copy));
                }
                self.spare.push(bytes);
                due
            }
        };
        self.queue.push(self.time(next).max(self.now), Due::Send(host, session));
    }

    fn apply_fault(&mut self, host: usize, fault: Fault) {
        let (now, clock) = (self.now, self.clock(self.now));
        let it = &mut self.hosts[host];
        match fault {
            Fault::Crash => it.sender = None,
            Fault::Pause(span) => it.paused_until = now.saturating_add(span),
            Fault::Step(by) => it.stepped = it.stepped.saturating_add(by),
            Fault::Rebind => it.address = address(host, it.address.port().wrapping_add(1).max(50_001)),
            Fault::Restart => self.start_session(host, now),
            Fault::Bye(status) => {
                if let Some(sender) = &mut it.sender {
                    sender.bye(clock, status);
                    let session = it.sessions;
                    self.queue.push(now, Due::Send(host, session));
                }
            }
        }
    }

    fn collect_events(&mut self) {
        let room = MOST_EVENTS - self.events.len();
        let mut events = self.monitor.events();
        self.events.extend(events.by_ref().take(room));
        self.missed += events.count() as u64;
    }

    /// The senders' clock, which drifts.
    #[expect(clippy::cast_possible_truncation, reason = "a part of a time is a time")]
    fn clock(&self, now: Nanos) -> Nanos {
        now.saturating_add((now as f64 * self.plan.drift_ppm / 1e6) as Nanos)
    }

    /// The time at which the senders' clock reads this.
    #[expect(clippy::cast_possible_truncation, reason = "a part of a time is a time")]
    fn time(&self, clock: Nanos) -> Nanos {
        if self.plan.drift_ppm == 0.0 {
            clock
        } else {
            (clock as f64 / (1.0 + self.plan.drift_ppm / 1e6)).ceil() as Nanos
        }
    }
}

/// The monitor's clocks, which never step.
fn at(now: Nanos) -> Moment {
    Moment { mono: now, wall: EPOCH.saturating_add(now) }
}

/// A host's address, of 10.0.0.0/8.
fn address(host: usize, port: u16) -> SocketAddr {
    let [a, b, c, ..] = host.to_le_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, c, b, a)), port.max(50_000))
}

impl FromStr for Faults {
    type Err = Invalid;

    /// `crash@T restart@T bye@T bye:STATUS@T pause:SPAN@T step:SPAN@T rebind@T`, in any order; times from the
    /// beginning.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = |word: &str| {
            let expected =
                "crash@10 restart@20s bye:3@30 pause:5s@40 step:-2s@50 rebind@1m: what happens, and when";
            Invalid::quoted("faults", word, expected)
        };
        let mut faults = text
            .split_whitespace()
            .map(|word| read_fault(word).ok_or_else(|| refused(word)))
            .collect::<Result<Vec<_>, _>>()?;
        faults.sort_by_key(|(when, _)| *when);
        Ok(Self(faults))
    }
}

fn read_fault(word: &str) -> Option<(Nanos, Fault)> {
    let (what, when) = word.split_once('@')?;
    let (name, value) = what.split_once(':').unwrap_or((what, ""));
    let span = |text: &str| duration(text).filter(|span| *span <= LONGEST);
    let signed = |text: &str| match text.strip_prefix('-') {
        Some(back) => span(back).map(|back| -back),
        None => span(text),
    };
    let fault = match (name, value) {
        ("crash", "") => Fault::Crash,
        ("restart", "") => Fault::Restart,
        ("rebind", "") => Fault::Rebind,
        ("bye", "") => Fault::Bye(0),
        ("bye", status) => Fault::Bye(status.parse().ok()?),
        ("pause", length) => Fault::Pause(span(length)?),
        ("step", by) => Fault::Step(signed(by)?),
        _ => return None,
    };
    Some((span(when)?, fault))
}
