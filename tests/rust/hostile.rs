//! Senders that crash, pause and move, networks that part, clocks that are set and a monitor that stalls and restarts, all in
//! virtual time; and an oracle that knows the truth. No verdict is wrong or missing, and every count is exact.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::iter::Sum;
use std::net::SocketAddr;
use std::num::NonZero;

use udpping::logic::heartbeat::{Beat, HeartbeatPlan, Options, Sender};
use udpping::logic::monitor::{Event, Kind, Monitor, MonitorPlan, PeerRow, State};
use udpping::logic::{Moment, Nanos, SECOND};

use crate::many_clients::Random;

const INTERVAL: Nanos = 10 * SECOND;
const MINUTE: Nanos = 60 * SECOND;
const HOUR: Nanos = 60 * MINUTE;
const EPOCH: Nanos = 1_700_000_000 * SECOND;
const CLIENTS: usize = 25;
/// Client-hours of one world.
const HOURS: u64 = 500;
const LENGTH: Nanos = 20 * HOUR;
/// A datagram takes at most so long.
const SLOWEST: Nanos = SECOND / 10;

/// What one world is like.
#[derive(Debug, Clone, Copy)]
struct Weather {
    detector: &'static str,
    /// Of so many datagrams one is lost; 0: none.
    loss: u64,
    /// False alarms that are promised for a client and hour.
    promise: f64,
}

const CALM: Weather = Weather { detector: "fixed:3", loss: 0, promise: 0.0 };
const LOSSY: Weather = Weather { detector: "calibrated:1 per day", loss: 50, promise: 1.0 / 24.0 };

/// What happens next.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Fault(usize),
    FaultOfAll,
    /// A pause, a partition or a crash may be over.
    Mend(usize),
    Start(usize, u64),
    Send(usize, u64),
    Arrive(Datagram),
    MonitorBack,
    Check,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    host: usize,
    session: u64,
    seq: u64,
    source: SocketAddr,
    bytes: Vec<u8>,
}

/// A machine, and what the oracle knows of it.
#[derive(Debug, Default)]
struct Host {
    sender: Option<Sender>,
    session: u64,
    stepped: Nanos,
    port: u16,
    paused_until: Nanos,
    cut_until: Nanos,
    copied_until: Nanos,
    /// Since when it is alive and can be heard.
    well_since: Option<Nanos>,
    truth: Truth,
}

/// What of a client reached the monitor.
#[derive(Debug, Default)]
struct Truth {
    /// The session heard last, and how many there were.
    session: u64,
    sessions: u32,
    /// The first and the highest number of this session that this monitor heard.
    first: u64,
    highest: u64,
    /// Up to here everything was heard by a monitor that has ended.
    floor: u64,
    /// Numbers that were skipped in this session.
    missing: BTreeSet<u64>,
    lost: u64,
    received: u64,
    duplicates: u64,
    /// Lower than the first.
    old: u64,
    /// When its last fresh heartbeat arrived, and how much of the time since then no silence can be told from.
    last: Nanos,
    grace: Nanos,
    said_bye: bool,
    down: bool,
}

impl Truth {
    /// Takes what the monitor hears; whether it is of a session, or of a time, that is over.
    fn hear(&mut self, datagram: &Datagram, now: Nanos) -> bool {
        let seq = datagram.seq;
        if datagram.session < self.session {
            return true;
        }
        let is_new = datagram.session > self.session;
        if is_new {
            self.lost += self.missing.len() as u64;
            self.missing.clear();
            (self.session, self.floor, self.first, self.highest) = (datagram.session, 0, seq, seq);
            self.sessions += 1;
        } else if seq <= self.floor {
            return true;
        } else if seq <= self.highest {
            if self.missing.remove(&seq) {
                self.received += 1;
            } else if seq < self.first {
                self.old += 1;
            } else {
                self.duplicates += 1;
            }
            return false;
        } else if self.highest == self.floor {
            self.first = seq;
        } else {
            self.missing.extend(self.highest + 1..seq);
        }
        self.received += 1;
        (self.highest, self.last, self.grace) = (seq, now, 0);
        self.said_bye = datagram.bytes.windows(5).any(|word| word == b" bye=");
        false
    }

    /// Another monitor goes on.
    fn taken_over(&mut self) {
        self.lost += self.missing.len() as u64;
        self.missing.clear();
        self.floor = self.highest;
    }
}

struct World {
    weather: Weather,
    random: Random,
    now: Nanos,
    /// By how much the clock of the monitor's machine was set.
    stepped: Nanos,
    queue: BinaryHeap<Reverse<(Nanos, u64, Due)>>,
    pushed: u64,
    plan: MonitorPlan,
    monitor: Monitor,
    /// While the monitor does not run: what it saved, if it has ended, and what waits for it, if it stalls.
    away: Option<(Option<[String; 2]>, Nanos)>,
    /// Since when it runs.
    back: Nanos,
    waiting: Vec<Datagram>,
    /// What this monitor heard, and how much of that was stale.
    heard: u64,
    stale: u64,
    hosts: Vec<Host>,
    tally: Tally,
}

/// What was found in one world, or in many.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    heartbeats: u64,
    down: u64,
    restarts: u64,
    forgotten: u64,
    false_alarms: u64,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, one| Self {
            heartbeats: sum.heartbeats + one.heartbeats,
            down: sum.down + one.down,
            restarts: sum.restarts + one.restarts,
            forgotten: sum.forgotten + one.forgotten,
            false_alarms: sum.false_alarms + one.false_alarms,
        })
    }
}

impl World {
    fn new(weather: Weather, seed: u64) -> Self {
        let mut plan = MonitorPlan::new(weather.detector.parse().expect("a detector"));
        (plan.per_prefix, plan.losses) = (CLIENTS, true);
        let monitor = Monitor::new(plan.clone(), Moment { mono: 0, wall: EPOCH });
        let mut world = Self {
            weather,
            random: Random::new(seed),
            now: 0,
            stepped: 0,
            queue: BinaryHeap::new(),
            pushed: 0,
            plan,
            monitor,
            away: None,
            back: 0,
            waiting: Vec::new(),
            heard: 0,
            stale: 0,
            hosts: (0..CLIENTS).map(|_| Host::default()).collect(),
            tally: Tally::default(),
        };
        for host in 0..CLIENTS {
            let at = world.below(INTERVAL);
            world.push(at, Due::Start(host, 1));
            let at = 5 * MINUTE + world.below(20 * MINUTE);
            world.push(at, Due::Fault(host));
        }
        let at = 10 * MINUTE + world.below(HOUR);
        world.push(at, Due::FaultOfAll);
        world.push(5 * MINUTE, Due::Check);
        world
    }

    fn below(&mut self, bound: Nanos) -> Nanos {
        self.random.below(bound.unsigned_abs()).cast_signed()
    }

    /// From one to the other, as many short ones as long ones.
    fn span(&mut self, from: Nanos, to: Nanos) -> Nanos {
        let mut most = from;
        while most < to && self.random.below(5) > 0 {
            most *= 2;
        }
        from + self.below(most.min(to))
    }

    fn push(&mut self, at: Nanos, due: Due) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, due)));
    }

    fn moment(&self) -> Moment {
        Moment { mono: self.now, wall: EPOCH + self.now + self.stepped }
    }

    fn run(mut self) -> Tally {
        while let Some(Reverse((at, _, due))) = self.queue.pop() {
            if at >= LENGTH {
                break;
            }
            self.watch_until(at);
            self.now = at;
            match due {
                Due::Fault(host) => self.fault(host),
                Due::FaultOfAll => self.fault_of_all(),
                Due::Mend(host) => self.mend(host),
                Due::Start(host, session) => self.start(host, session),
                Due::Send(host, session) => self.send(host, session),
                Due::Arrive(datagram) => self.arrive(datagram),
                Due::MonitorBack => self.back(),
                Due::Check => self.check(),
            }
        }
        self.tally
    }

    /// Wakes the monitor when it wants to be woken, if it runs.
    fn watch_until(&mut self, until: Nanos) {
        if self.away.is_some() {
            return;
        }
        while let Some(deadline) = self.monitor.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.monitor.rested(self.moment());
            self.monitor.wake(self.moment(), None);
            self.judge();
        }
        self.now = until;
        self.monitor.rested(self.moment());
    }

    fn start(&mut self, host: usize, session: u64) {
        let it = &mut self.hosts[host];
        if it.sender.is_some() || session <= it.session {
            return;
        }
        let options = Options {
            interval: 10.0,
            id: format!("host{host}"),
            boot: Some(session.cast_signed()),
            session: (host as u64) << 32 | session,
            ..Options::default()
        };
        let mut sender = Sender::new(HeartbeatPlan::new(options).expect("a plan"));
        sender.begin(self.now);
        (it.sender, it.session) = (Some(sender), session);
        self.mend(host);
        self.push(self.now, Due::Send(host, session));
    }

    fn send(&mut self, host: usize, session: u64) {
        let now = self.now;
        let it = &mut self.hosts[host];
        if it.session != session || it.sender.is_none() {
            return;
        }
        if it.paused_until > now {
            let until = it.paused_until;
            return self.push(until, Due::Send(host, session));
        }
        let Some(sender) = &mut it.sender else { return };
        let mut bytes = Vec::new();
        let wall = EPOCH + now + it.stepped;
        match sender.beat(Moment { mono: now, wall }, &mut bytes) {
            Beat::Done => it.sender = None,
            Beat::Wait(due) => self.push(due, Due::Send(host, session)),
            Beat::Send => {
                let seq = 1 + sender.counters().sent;
                sender.sent(now);
                let next = sender.next_due();
                let (is_cut, copies) = (it.cut_until > now, if it.copied_until > now { 3 } else { 1 });
                let source = SocketAddr::from(([10, 0, 0, host.to_le_bytes()[0]], it.port + 5_000));
                self.push(next, Due::Send(host, session));
                self.tally.heartbeats += 1;
                for _ in 0..copies {
                    let is_lost =
                        is_cut || (self.weather.loss > 0 && self.random.below(self.weather.loss) == 0);
                    let at = now + 1 + self.below(SLOWEST);
                    if !is_lost {
                        let bytes = bytes.clone();
                        self.push(at, Due::Arrive(Datagram { host, session, seq, source, bytes }));
                    }
                }
            }
        }
    }

    fn arrive(&mut self, datagram: Datagram) {
        match &self.away {
            None => {
                self.hear(&datagram);
                self.judge();
            }
            Some((None, _)) => self.waiting.push(datagram),
            // Nobody listens.
            Some((Some(_), _)) => {}
        }
    }

    fn hear(&mut self, datagram: &Datagram) {
        self.monitor.hear(self.moment(), datagram.source, &datagram.bytes, &mut Vec::new());
        self.heard += 1;
        self.stale += u64::from(self.hosts[datagram.host].truth.hear(datagram, self.now));
    }

    /// Something happens to one client.
    fn fault(&mut self, host: usize) {
        let kind = self.random.below(8);
        let (short, long) = (self.span(SECOND, 2 * MINUTE), self.span(SECOND, 20 * MINUTE));
        let step = self.span(SECOND / 10, HOUR);
        let sign = if self.random.below(2) == 0 { 1 } else { -1 };
        let status = self.random.below(3);
        let now = self.now;
        let it = &mut self.hosts[host];
        match kind {
            0 | 1 => {
                it.sender = None;
                let session = it.session + 1;
                self.push(now + long, Due::Start(host, session));
            }
            2 => {
                if let Some(sender) = &mut it.sender {
                    sender.bye(now, i32::try_from(status).expect("small"));
                    let session = it.session;
                    self.push(now, Due::Send(host, session));
                    self.push(now + 10 * SECOND + long, Due::Start(host, session + 1));
                }
            }
            3 => it.paused_until = it.paused_until.max(now + long),
            4 => it.stepped += sign * step,
            5 => it.port = (it.port + 1) % 50,
            6 => it.cut_until = it.cut_until.max(now + long),
            _ => it.copied_until = now + short,
        }
        self.mend(host);
        let next = self.now + MINUTE + self.below(40 * MINUTE);
        self.push(next, Due::Fault(host));
    }

    /// Something happens to many clients, or to the monitor.
    fn fault_of_all(&mut self) {
        let (short, long) = (self.span(SECOND / 2, 5 * MINUTE), self.span(SECOND, 10 * MINUTE));
        match self.random.below(4) {
            0 => {
                let all = self.random.below(2) == 0;
                for host in 0..CLIENTS {
                    if all || self.random.below(2) == 0 {
                        let until = self.hosts[host].cut_until.max(self.now + long);
                        self.hosts[host].cut_until = until;
                        self.mend(host);
                    }
                }
            }
            1 if self.away.is_none() => {
                self.away = Some((None, self.now));
                self.push(self.now + short, Due::MonitorBack);
            }
            2 if self.away.is_none() => {
                let mut text = Monitor::save_title(self.moment());
                self.monitor.save(0, 1_000, &mut text);
                let mut learned = Monitor::learned_title().to_owned();
                self.monitor.save_learned(0, 1_000, &mut learned);
                self.away = Some((Some([text, learned]), self.now));
                self.push(self.now + short, Due::MonitorBack);
            }
            _ => self.stepped += self.below(2 * HOUR) - HOUR,
        }
        let next = self.now + 5 * MINUTE + self.below(4 * HOUR);
        self.push(next, Due::FaultOfAll);
    }

    /// The monitor runs again, or another goes on in its place.
    fn back(&mut self) {
        let Some((saved, since)) = self.away.take() else { return };
        let gone = self.now - since;
        self.back = self.now;
        for host in &mut self.hosts {
            host.truth.grace += gone + 2 * INTERVAL;
        }
        if let Some([text, learned]) = saved {
            self.monitor = Monitor::new(self.plan.clone(), self.moment());
            (self.heard, self.stale) = (0, 0);
            self.monitor.restore(&text, self.moment()).expect("a state");
            self.monitor.restore_learned(&learned);
            self.hosts.iter_mut().for_each(|host| host.truth.taken_over());
        }
        for datagram in std::mem::take(&mut self.waiting) {
            self.hear(&datagram);
        }
        self.monitor.wake(self.moment(), None);
        self.judge();
    }

    /// Notes whether a client is well, and when that may change.
    fn mend(&mut self, host: usize) {
        let now = self.now;
        let it = &mut self.hosts[host];
        let until = it.paused_until.max(it.cut_until);
        let is_well = it.sender.as_ref().is_some_and(|sender| !sender.is_draining()) && until <= now;
        it.well_since = is_well.then_some(it.well_since.unwrap_or(now));
        if until > now {
            self.push(until, Due::Mend(host));
        }
    }

    /// Holds each verdict against the truth.
    fn judge(&mut self) {
        let events: Vec<Event> = self.monitor.events().collect();
        for event in events {
            let host =
                event.client.as_deref().and_then(|name| name.strip_prefix("host")?.parse::<usize>().ok());
            let Some(host) = host else { continue };
            let Host { well_since, truth, .. } = &mut self.hosts[host];
            match event.kind {
                Kind::Is(State::Down) => {
                    assert!(!truth.down, "down twice: {event:?}");
                    truth.down = true;
                    self.tally.down += 1;
                    let silence = self.now - truth.last;
                    assert!(silence > 2 * INTERVAL, "too early, after {silence} ns: {event:?} {truth:?}");
                    // It was well before its last heartbeat was sent.
                    if well_since.is_some_and(|since| since + SLOWEST < truth.last) {
                        self.tally.false_alarms += 1;
                        assert!(self.weather.loss > 0, "a false alarm: {event:?} {truth:?}");
                    }
                }
                Kind::Is(State::Up | State::Bye) => truth.down = false,
                Kind::Restarted => self.tally.restarts += 1,
                Kind::Forgotten => {
                    let silence = self.now - truth.last;
                    let heard_once = truth.received == 1 && event.before.is_none();
                    let next_were_lost = self.weather.loss > 0 && silence > 2 * INTERVAL;
                    assert!(
                        heard_once && next_were_lost,
                        "forgotten after {silence} ns: {event:?} {truth:?}"
                    );
                    *truth = Truth::default();
                    self.tally.forgotten += 1;
                }
                Kind::Is(_) | Kind::Paused | Kind::ClientClockStepped | Kind::AddressChanged | Kind::Lost => {
                }
                _ => panic!("nothing of that kind happened: {event:?}"),
            }
        }
    }

    /// Holds each client's state and counts against the truth.
    fn check(&mut self) {
        self.push(self.now + MINUTE + 1, Due::Check);
        if self.away.is_some() {
            return;
        }
        let rows: Vec<PeerRow> = self.monitor.peers(self.moment()).collect();
        assert_eq!(rows.len(), CLIENTS);
        let counters = self.monitor.counters();
        assert_eq!((counters.received, counters.stale), (self.heard, self.stale), "{counters:?}");
        let changes: u32 = rows.iter().map(|row| row.sessions - 1).sum();
        assert_eq!(self.tally.restarts, u64::from(changes), "each new session is told once");
        for row in rows {
            let number: usize =
                row.client.strip_prefix("host").and_then(|name| name.parse().ok()).expect("a host");
            let Host { well_since, truth, .. } = &self.hosts[number];
            let counts = row.counts;
            assert_eq!(
                [
                    counts.received,
                    counts.lost + counts.pending,
                    counts.duplicates,
                    counts.old,
                    row.sessions.into()
                ],
                [
                    truth.received,
                    truth.lost + truth.missing.len() as u64,
                    truth.duplicates,
                    truth.old,
                    truth.sessions.into()
                ],
                "at {} s: {row:?} {truth:?}",
                self.now / SECOND
            );
            let silence = self.now - truth.last - truth.grace;
            let patience = row.patience.unwrap_or(3 * INTERVAL);
            if silence > 3 * patience + 5 * SECOND + INTERVAL {
                assert!(
                    matches!(row.state, State::Down | State::Bye),
                    "missed, {silence} ns: {row:?} {truth:?}"
                );
            }
            if truth.said_bye && truth.last + SECOND < self.now {
                assert_eq!(row.state, State::Bye, "{row:?} {truth:?}");
            }
            let is_well = well_since.is_some_and(|since| since.max(self.back) + 4 * INTERVAL < self.now);
            if is_well && truth.grace == 0 && self.weather.loss == 0 {
                assert!(
                    matches!(row.state, State::Up | State::Late),
                    "at {} ns, well since {well_since:?}: {row:?} {truth:?}",
                    self.now
                );
            }
        }
    }
}

#[test]
fn a_client_of_one_heartbeat_is_forgotten_if_the_next_are_lost_and_is_watched_when_it_is_heard_again() {
    let in_this_world_it_happens = (1 << 20) + 403;
    assert_eq!(World::new(LOSSY, in_this_world_it_happens).run().forgotten, 1);
}

/// As many client-hours as `UDPPING_CLIENT_HOURS` says.
#[test]
fn no_verdict_is_wrong_or_missing_and_every_count_is_exact() {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let pairs = number("UDPPING_CLIENT_HOURS").unwrap_or(1_000).div_ceil(2 * HOURS);
    let first = number("SOAK_SEED").unwrap_or(1) << 20;
    let one = |seed: u64, weather: Weather| {
        println!("seed {seed}: {weather:?}");
        let found = World::new(weather, seed).run();
        println!("seed {seed}: {found:?}");
        found
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let part = |thread: usize| {
        let seeds = (first..first + pairs).skip(thread).step_by(threads);
        seeds.flat_map(|seed| [one(seed, CALM), one(seed, LOSSY)]).sum::<Tally>()
    };
    let found: Tally = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    let promised = LOSSY.promise * (pairs * HOURS) as f64;
    let most = promised + 4.0 * promised.sqrt();
    println!("{found:?}, {promised:.1} false alarms promised");
    // Of all worlds together, as in one of them few clients may be away for long.
    let [heartbeats, down, restarts] =
        [found.heartbeats, found.down, found.restarts].map(|sum| sum / (2 * pairs));
    assert!(heartbeats > 100_000 && down > 100 && restarts > 200, "{found:?}");
    assert!(found.false_alarms as f64 <= most, "{found:?}, at most {most:.1} false alarms");
}
