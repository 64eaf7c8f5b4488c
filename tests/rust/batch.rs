//! Heartbeats received in batches: the results are those of single datagrams, and a long queue causes no wrong verdict.

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

/// Events, clients, saved state and answers of a monitor.
type Output = (Vec<Event>, Vec<PeerRow>, String, Vec<(usize, Vec<u8>)>);

/// Datagrams that arrive together, and the time since those before.
type Batch = (Nanos, Vec<(SocketAddr, Vec<u8>)>);

/// Feeds batches to a monitor, whole or one datagram at a time.
fn observe(plan: &MonitorPlan, batches: &[Batch], at_once: bool) -> Output {
    let mut monitor = Monitor::new(plan.clone(), at(0));
    let (mut now, mut answers, mut out) = (0, Vec::new(), Vec::new());
    for (number, (later, batch)) in batches.iter().enumerate() {
        now += later;
        if at_once {
            let received = batch.iter().map(|(source, datagram)| (*source, &**datagram));
            monitor.hear_all(at(now), received, |place, answer| answers.push((place, answer.to_vec())));
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

/// A datagram of one of a few senders, more than the monitor keeps.
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
    /// Also if a client is added, evicted or changes its address within a batch.
    #[test]
    fn batches_give_the_same_results_as_single_datagrams(
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
        let (at_once, one_by_one) = (observe(&plan, &batches, true), observe(&plan, &batches, false));
        prop_assert_eq!(at_once, one_by_one);
    }
}

/// A monitor with a driver that wakes it when the queue is empty, or after a second.
struct Driver {
    monitor: Monitor,
    now: Nanos,
    checked: Nanos,
    waiting: Vec<String>,
}

impl Driver {
    /// Receives the queued datagrams in batches, which takes so much time.
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
            if self.now - self.checked >= 5 * TICK {
                self.checked = self.now;
                self.monitor.wake(at(self.now), None);
            }
        }
        self.waiting.clear();
        self.checked = self.now;
        self.monitor.wake(at(self.now), None);
    }
}

/// A monitor that was stalled for a minute has ten heartbeats of each of 15,000 clients in its queue. Reading them
/// takes two seconds, during which the detectors are checked. Clients that had stopped before are down as soon as the
/// detector decides so, and no others.
#[test]
fn a_queue_of_150_000_is_drained_without_a_wrong_verdict() {
    assert!(drain_a_queue("fixed:3", 15_200, true) >= 150_000);
    for (detector, detects) in [("chen:2s", true), ("phi:8", true), ("calibrated", false)] {
        drain_a_queue(detector, 1_000, detects);
    }
}

/// Returns the length of the queue.
fn drain_a_queue(detector: &str, clients: i64, detects: bool) -> usize {
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
    plan.burst = Some(usize::MAX);
    (plan.max_clients, plan.per_prefix) = (20_000, 20_000);
    let mut driver = Driver { monitor: Monitor::new(plan, at(0)), now: 0, checked: 0, waiting: Vec::new() };
    let mut queued = 0;
    for (seq, client) in (1..=18).flat_map(|seq| (0..clients).map(move |client| (seq, client))) {
        // Each client has a phase of its own.
        let sent = seq * INTERVAL + INTERVAL * client / clients;
        let is_stalled = (4..=13).contains(&seq);
        while sent > driver.now + TICK && !is_stalled {
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
    let (mut stalled, mut notable) = (0, 0);
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
        notable += 1;
    }
    let gone = clients / 100;
    assert_eq!((stalled, notable), (1, 2 * clients + if detects { gone } else { 0 }), "{detector}");
    for row in driver.monitor.peers(at(driver.now)) {
        let is_gone = stops(row.client[1..].parse().expect("a number"));
        assert_eq!((row.counts.received, row.counts.lost), (if is_gone { 4 } else { 18 }, 0), "{row:?}");
        assert!(!is_gone || !detects || row.state == State::Down, "{row:?}");
    }
    queued
}
