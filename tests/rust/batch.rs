//! Heartbeats heard many at once: the same comes of them as of one after the other, and a long queue does no harm.

use std::net::SocketAddr;

use proptest::prelude::*;
use udpping::logic::codec::heartbeat::{Form, Heartbeat, Keys};
use udpping::logic::monitor::{Event, Kind, Monitor, MonitorPlan, PeerRow, State, TICK};
use udpping::logic::{Moment, Nanos, SECOND};

const EPOCH: i64 = 1_700_000_000 * SECOND;
const KEYS: &str = "ops 0123456789abcdef";

fn at(now: Nanos) -> Moment {
    Moment { mono: now, wall: EPOCH + now }
}

/// What a monitor has to say for itself, and what it answered.
type Told = (Vec<Event>, Vec<PeerRow>, String, Vec<(usize, Vec<u8>)>);

/// Datagrams that come together, and how long after those before.
type Batch = (Nanos, Vec<(SocketAddr, Vec<u8>)>);

/// Lets a monitor hear batches, at once or one datagram after the other.
fn hear(plan: &MonitorPlan, batches: &[Batch], at_once: bool) -> Told {
    let mut monitor = Monitor::new(plan.clone(), at(0));
    let (mut now, mut answers, mut out) = (0, Vec::new(), Vec::new());
    for (number, (later, batch)) in batches.iter().enumerate() {
        now += later;
        if at_once {
            let said = batch.iter().map(|(source, datagram)| (*source, &**datagram));
            monitor.hear_all(at(now), said, |place, answer| answers.push((place, answer.to_vec())));
        } else {
            for (place, (source, datagram)) in batch.iter().enumerate() {
                monitor.hear(at(now), *source, datagram, &mut out);
                if !out.is_empty() {
                    answers.push((place, out.clone()));
                }
            }
        }
        if number % 2 == 0 {
            monitor.wake(at(now), None);
        }
    }
    let mut rows: Vec<PeerRow> = monitor.peers(at(now)).collect();
    rows.sort_by(|a, b| a.client.cmp(&b.client));
    let mut saved = format!("{:?} {}\n", monitor.counters(), monitor.unread().count());
    monitor.save(0, 1_000, &mut saved);
    (monitor.events().collect(), rows, saved, answers)
}

/// A datagram of one of few senders, who are more than there is room for.
fn datagram() -> impl Strategy<Value = (SocketAddr, Vec<u8>)> {
    let numbers = (0_u8..8, 1_u64..12, 1_u64..3, 0_u8..3, any::<u8>());
    numbers.prop_map(|(who, seq, session, host, kind)| {
        let source = SocketAddr::from(([192, 0, host, 1], 5_000 + u16::from(who)));
        let names = ["a", "b", "c", "d", "a-name-longer-than-an-address-and-its-port"];
        let mono = i64::try_from(seq).unwrap_or(0) * SECOND;
        let beat = Heartbeat {
            seq: Some(seq),
            wall_ns: Some(EPOCH + mono),
            id: names.get(usize::from(who)).copied(),
            session: Some(session),
            interval: Some(SECOND).filter(|_| kind & 1 == 0),
            mono: Some(mono).filter(|_| kind & 2 == 0),
            bye: Some(0).filter(|_| kind > 240),
            ..Heartbeat::default()
        };
        let (keys, mut line) = (Keys::read(KEYS).expect("a key"), Vec::new());
        beat.write(
            if kind & 0b1100 == 0 { Form::Lab2 } else { Form::Full },
            keys.find(None).filter(|_| kind & 16 == 0),
            &mut line,
        );
        if kind % 32 == 5 {
            line.truncate(usize::from(kind / 8));
        }
        (source, line)
    })
}

proptest! {
    /// Also where somebody is let in, makes room for another or is moved within a batch.
    #[test]
    fn it_is_the_same_as_one_after_the_other(
        batches in prop::collection::vec(
            (0..2 * SECOND, prop::collection::vec(datagram(), 0..40)), 1..12),
        (detector, max_clients, per_prefix, sealed) in
            (prop::sample::select(vec!["fixed:2", "calibrated"]), 1_usize..6, 1_usize..4, any::<bool>()),
    ) {
        let mut plan = MonitorPlan::new(detector.parse().expect("a detector"));
        (plan.max_clients, plan.per_prefix) = (max_clients, per_prefix);
        (plan.answer, plan.losses, plan.beats) = (true, true, true);
        if sealed {
            plan.keys = Keys::read(KEYS).expect("a key");
        }
        let (at_once, one_by_one) = (hear(&plan, &batches, true), hear(&plan, &batches, false));
        prop_assert_eq!(at_once, one_by_one);
    }
}

/// A monitor with a driver that looks when all that came is heard, or after a second of it.
struct Driver {
    monitor: Monitor,
    now: Nanos,
    looked: Nanos,
    waiting: Vec<String>,
}

impl Driver {
    /// Hears what waits, as many at a time as a receive brings, in so much time.
    fn drain(&mut self, took: Nanos) {
        let source = SocketAddr::from(([192, 0, 2, 1], 5_000));
        let portions = i64::try_from(self.waiting.len().div_ceil(64)).expect("few");
        for portion in self.waiting.chunks(64) {
            self.now += took / portions;
            self.monitor.hear_all(
                at(self.now),
                portion.iter().map(|text| (source, text.as_bytes())),
                |_, _| {},
            );
            if self.now - self.looked >= 5 * TICK {
                self.looked = self.now;
                self.monitor.wake(at(self.now), None);
            }
        }
        self.waiting.clear();
        self.looked = self.now;
        self.monitor.wake(at(self.now), None);
    }
}

/// What waited while the monitor stood still for a minute: ten heartbeats of each of 15,000 clients. Reading them takes two
/// seconds, in which verdicts are given. Those are down who had stopped before, as soon as the detector can tell, and
/// nobody else.
#[test]
fn a_queue_of_150_000_is_drained_without_a_wrong_verdict() {
    assert!(drain_a_queue("fixed:3", 15_200, true) >= 150_000);
    for (detector, tells) in [("chen:2s", true), ("phi:8", true), ("calibrated", false)] {
        drain_a_queue(detector, 1_000, tells);
    }
}

/// Says how many waited.
fn drain_a_queue(detector: &str, clients: i64, tells: bool) -> usize {
    const INTERVAL: Nanos = 6 * SECOND;
    let line = |client: i64, seq: i64, sent: Nanos| {
        let (whole, part) = (sent / SECOND, sent % SECOND);
        format!(
            "Heartbeat {seq} {}.{part:09} id=c{client} session={client:x} interval=6 mono={whole}.{part:09}",
            1_700_000_000 + whole
        )
    };
    let stops = |client: i64| client % 100 == 7;
    let mut plan = MonitorPlan::new(detector.parse().expect("a detector"));
    (plan.max_clients, plan.per_prefix) = (20_000, 20_000);
    let mut driver = Driver { monitor: Monitor::new(plan, at(0)), now: 0, looked: 0, waiting: Vec::new() };
    let mut queued = 0;
    for (seq, client) in (1..=18).flat_map(|seq| (0..clients).map(move |client| (seq, client))) {
        // Each at a phase of its own.
        let sent = seq * INTERVAL + INTERVAL * client / clients;
        let stands_still = (4..=13).contains(&seq);
        while sent > driver.now + TICK && !stands_still {
            driver.now += TICK;
            driver.drain(0);
        }
        if seq <= 4 || !stops(client) {
            driver.waiting.push(line(client, seq, sent));
        }
        if (seq, client) == (13, clients - 1) {
            (queued, driver.now) = (driver.waiting.len(), sent);
            driver.drain(2 * SECOND);
        }
    }
    driver.drain(0);
    let (mut stalled, mut told) = (0, 0);
    for event in driver.monitor.events().filter(Event::is_notable) {
        let Some(name) = event.client.as_deref() else {
            assert_eq!(event.kind.as_str(), "stalled", "{detector}: {event:?}");
            stalled += 1;
            continue;
        };
        let gone = stops(name[1..].parse().expect("a number"));
        let right = matches!(event.kind, Kind::Is(State::New | State::Up))
            || (gone && event.kind == Kind::Is(State::Down));
        assert!(right, "{detector}: {event:?}");
        told += 1;
    }
    let gone = clients / 100;
    assert_eq!((stalled, told), (1, 2 * clients + if tells { gone } else { 0 }), "{detector}");
    for row in driver.monitor.peers(at(driver.now)) {
        let is_gone = stops(row.client[1..].parse().expect("a number"));
        assert_eq!((row.counts.received, row.counts.lost), (if is_gone { 4 } else { 18 }, 0), "{row:?}");
        assert!(!is_gone || !tells || row.state == State::Down, "{row:?}");
    }
    queued
}
