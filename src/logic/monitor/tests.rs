//! The monitor, one datagram at a time.

mod forged;
mod hard;
mod memory;
mod outage;
mod replay;
mod restarts;
mod sessions;
mod strangers;
mod verdicts;

use super::*;
use crate::logic::SECOND;
use crate::logic::codec::heartbeat::{Form, Keys};

const EPOCH: i64 = 1_700_000_000 * SECOND;
const KEYS: &str = "ops 0123456789abcdef\nold fedcba9876543210";

/// A monitor, and the time.
struct Rig {
    monitor: Monitor,
    now: Nanos,
    answer: Vec<u8>,
}

/// What a sender writes.
#[derive(Clone, Copy)]
struct Line {
    seq: u64,
    id: &'static str,
    session: u64,
    boot: Option<u64>,
    /// When the session began, by the sender's wall clock.
    start: i64,
    key: Option<&'static str>,
    bye: Option<i32>,
}

const LINE: Line = Line { seq: 1, id: "web1", session: 1, boot: None, start: EPOCH, key: None, bye: None };

impl Line {
    fn seq(self, seq: u64) -> Self {
        Self { seq, ..self }
    }

    fn write(self) -> Vec<u8> {
        let keys = Keys::read(KEYS).unwrap();
        let mono = i64::try_from(self.seq).unwrap() * SECOND;
        let beat = Heartbeat {
            seq: Some(self.seq),
            wall_ns: Some(self.start + mono),
            id: Some(self.id),
            session: Some(self.session),
            boot: self.boot,
            interval: Some(SECOND),
            mono: Some(mono),
            bye: self.bye,
            ..Heartbeat::default()
        };
        let mut line = Vec::new();
        beat.write(Form::Full, self.key.and_then(|name| keys.find(Some(name))), &mut line);
        line
    }
}

impl Rig {
    fn new(change: impl FnOnce(&mut MonitorPlan)) -> Self {
        let mut plan = MonitorPlan::new("fixed:3".parse().unwrap());
        change(&mut plan);
        Self { monitor: Monitor::new(plan.checked().unwrap(), at(0)), now: 0, answer: Vec::new() }
    }

    fn hear_from(&mut self, source: &str, datagram: &[u8]) {
        self.monitor.hear(at(self.now), source.parse().unwrap(), datagram, &mut self.answer);
    }

    fn hear(&mut self, line: Line) {
        self.hear_from("192.0.2.1:5000", &line.write());
    }

    /// Heartbeats of these numbers, one a second.
    fn beats(&mut self, line: Line, seqs: std::ops::RangeInclusive<u64>) {
        for seq in seqs {
            self.hear(line.seq(seq));
            self.pass(SECOND);
        }
    }

    /// Time goes by, and the driver looks as it promised.
    fn pass(&mut self, span: Nanos) {
        let end = self.now + span;
        while self.now < end {
            self.now = (self.now + TICK).min(end);
            self.monitor.wake(at(self.now), None);
        }
    }

    fn kinds(&mut self) -> Vec<&'static str> {
        self.monitor.events().filter(Event::is_notable).map(|event| event.kind.as_str()).collect()
    }

    fn peer(&self) -> PeerRow {
        let mut peers: Vec<PeerRow> = self.monitor.peers(at(self.now)).collect();
        assert_eq!(peers.len(), 1, "{peers:?}");
        peers.remove(0)
    }
}

fn at(now: Nanos) -> Moment {
    Moment { mono: now, wall: EPOCH + now }
}

#[test]
fn one_heartbeat_makes_nobody() {
    let mut rig = Rig::new(|_| {});
    rig.hear(LINE);
    rig.pass(10 * SECOND);
    assert_eq!((rig.kinds(), rig.monitor.clients()), (vec!["new", "forgotten"], 0));
    // Nor do ten copies of it.
    (0..10).for_each(|_| rig.hear(LINE));
    assert_eq!(rig.peer().state, State::New);
    assert_eq!(rig.peer().counts.duplicates, 9);
}

#[test]
fn two_heartbeats_bring_back_one_does_not() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=5);
    rig.pass(10 * SECOND);
    assert_eq!(rig.kinds(), ["new", "up", "down"]);
    let gone = LINE.seq(16);
    rig.hear(gone);
    (0..3).for_each(|_| rig.hear(LINE.seq(5)));
    assert_eq!((rig.kinds(), rig.peer().state), (vec![], State::Down));
    rig.pass(SECOND);
    rig.hear(gone.seq(17));
    assert_eq!(rig.kinds(), ["up"]);
    assert_eq!(rig.peer().overdue, 0);
}

#[test]
fn without_the_key_nothing_is_made_of_a_heartbeat() {
    let mut rig = Rig::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    rig.hear(LINE);
    let sealed = Line { key: Some("ops"), ..LINE };
    let mut changed = sealed.write();
    changed[10] = b'2';
    rig.hear_from("192.0.2.1:5000", &changed);
    let other = Keys::read("ops another-secret!!").unwrap();
    let mut forged = Vec::new();
    Heartbeat { seq: Some(1), id: Some("web1"), ..Heartbeat::default() }.write(
        Form::Full,
        other.find(None),
        &mut forged,
    );
    rig.hear_from("192.0.2.1:5000", &forged);
    let counters = rig.monitor.counters();
    assert_eq!((counters.unsealed, counters.forged, rig.monitor.clients()), (1, 2, 0));
    // Either key does.
    rig.beats(sealed, 1..=3);
    rig.beats(Line { key: Some("old"), ..LINE }, 4..=5);
    assert_eq!(rig.kinds(), ["new", "up"]);
    assert!(rig.peer().sealed && rig.peer().counts.received == 5);
}

#[test]
fn a_monitor_that_stood_still_blames_nobody_for_it() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    // Ten seconds in which it does not look; the heartbeats wait in the socket, except those of the second client.
    rig.hear_from("192.0.2.2:5000", &Line { id: "web2", session: 9, ..LINE }.write());
    rig.hear_from("192.0.2.2:5000", &Line { id: "web2", session: 9, seq: 2, ..LINE }.write());
    rig.kinds();
    rig.now += 10 * SECOND;
    (11..=20).for_each(|seq| rig.hear(LINE.seq(seq)));
    rig.monitor.wake(at(rig.now), None);
    assert_eq!(rig.kinds(), ["stalled"]);
    assert_eq!(rig.monitor.counters().stalls, 1);
    rig.beats(LINE, 21..=22);
    assert_eq!(rig.kinds(), Vec::<&str>::new());
    rig.beats(LINE, 23..=30);
    let down: Vec<_> = rig.monitor.events().filter(Event::is_notable).map(|event| event.client).collect();
    assert_eq!(down, [Some("web2".into())], "who is really gone is reported later");
}

#[test]
fn what_the_kernel_dropped_is_not_held_against_the_clients() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    rig.kinds();
    // Drops in each of three seconds: three more heartbeats may be missing.
    for total in 1..=3 {
        rig.pass(SECOND - TICK);
        rig.now += TICK;
        rig.monitor.wake(at(rig.now), Some(total));
    }
    rig.pass(2 * SECOND);
    assert_eq!(rig.kinds(), ["dropped", "dropped", "dropped"]);
    assert_eq!(rig.monitor.counters().kernel_drops, 3);
    rig.pass(2 * SECOND);
    assert_eq!(rig.kinds(), ["down"]);
}

#[test]
fn the_wall_clock_of_the_monitor_may_step() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    rig.kinds();
    for seq in 11..=20 {
        let now = Moment { mono: rig.now, wall: EPOCH + rig.now + 3_600 * SECOND };
        rig.monitor.hear(now, "192.0.2.1:5000".parse().unwrap(), &LINE.seq(seq).write(), &mut rig.answer);
        for part in 1..=5 {
            rig.monitor.wake(Moment { mono: now.mono + part * TICK, wall: now.wall + part * TICK }, None);
        }
        rig.now += SECOND;
    }
    assert_eq!(rig.kinds(), ["clock_stepped"]);
}

#[test]
fn newcomers_make_room_before_those_who_are_known() {
    let mut rig = Rig::new(|plan| plan.max_clients = 3);
    rig.beats(LINE, 1..=5);
    for stranger in 0..100 {
        rig.hear_from(&format!("198.51.100.{stranger}:5000"), b"1 1700000000.0");
    }
    assert_eq!((rig.monitor.clients(), rig.monitor.counters().evicted), (3, 98));
    rig.hear(LINE.seq(6));
    let known: Vec<_> = rig.monitor.peers(at(rig.now)).filter(|row| row.state == State::Up).collect();
    assert!(known.len() == 1 && &*known[0].client == "web1", "{known:?}");
}

#[test]
fn when_all_are_known_newcomers_are_refused_until_somebody_stops() {
    let mut rig = Rig::new(|plan| plan.max_clients = 1);
    rig.beats(LINE, 1..=3);
    let other = Line { id: "web2", session: 5, ..LINE };
    rig.beats(other, 1..=2);
    assert_eq!((rig.kinds(), rig.monitor.counters().refused), (vec!["new", "up", "full"], 2));
    rig.pass(10 * SECOND);
    rig.beats(other, 14..=15);
    assert_eq!(rig.kinds(), ["down", "forgotten", "new", "up"]);
}

#[test]
fn one_network_does_not_fill_the_house() {
    let mut rig = Rig::new(|plan| plan.per_prefix = 4);
    for host in 0..=255 {
        rig.hear_from(&format!("203.0.113.{host}:5000"), b"Heartbeat 1 1700000000.0");
        rig.hear_from(&format!("[2001:db8::{host:x}]:5000"), b"Heartbeat 1 1700000000.0");
    }
    assert_eq!((rig.monitor.clients(), rig.monitor.counters().refused), (8, 504));
    rig.hear_from("203.0.114.1:5000", b"Heartbeat 1 1700000000.0");
    assert_eq!(rig.monitor.clients(), 9);
    // Who is forgotten leaves room.
    rig.pass(61 * SECOND);
    rig.hear_from("203.0.113.9:5000", b"Heartbeat 1 1700000000.0");
    assert_eq!(rig.monitor.clients(), 1);
}

#[test]
fn senders_without_names_and_sessions_are_known_by_their_address() {
    let mut rig = Rig::new(|_| {});
    for seq in 0..10 {
        rig.hear_from("192.0.2.1:5000", format!("{seq} {}.5", 1_700_000_000 + seq).as_bytes());
        rig.hear_from("192.0.2.1:5001", b"PyHB");
        rig.pass(SECOND);
    }
    let mut rows: Vec<_> = rig.monitor.peers(at(rig.now)).collect();
    rows.sort_by(|a, b| a.client.cmp(&b.client));
    assert_eq!(rows.iter().map(|row| &*row.client).collect::<Vec<_>>(), ["192.0.2.1:5000", "192.0.2.1:5001"]);
    assert_eq!((rows[0].state, rows[0].reading.difference), (State::Up, Some(-SECOND / 2)));
    assert_eq!((rows[1].state, rows[1].counts.received, rows[1].reading.difference), (State::Up, 10, None));
    assert!(rows.iter().all(|row| row.interval == SECOND && !row.interval_stated));
    // The numbers begin anew while the time goes on: another run of the same program.
    rig.kinds();
    for seq in 0..3 {
        rig.hear_from("192.0.2.1:5000", format!("{seq} {}.5", 1_700_000_020 + seq).as_bytes());
        rig.pass(SECOND);
    }
    assert_eq!(rig.kinds(), ["restarted", "down"], "and the nameless word fell silent");
}

#[test]
fn one_wild_number_does_not_silence_an_unsealed_client() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    rig.hear(LINE.seq(9_000_000));
    rig.beats(LINE, 11..=30);
    assert_eq!(rig.kinds(), ["new", "up", "jumped"]);
    let row = rig.peer();
    assert_eq!((row.state, row.seq, row.counts.lost), (State::Up, 30, 0));
}

#[test]
fn an_answer_is_never_longer_than_what_it_answers() {
    let mut rig = Rig::new(|plan| plan.answer = true);
    rig.now = SECOND / 2;
    rig.hear_from("192.0.2.1:5000", b"17 1700000000.0");
    assert_eq!(rig.answer, b"17 0.500000");
    for silent in [&b"17 1700000000.0"[..], b"18", b"hello", b"PyHB", b"18 17e8"] {
        rig.hear_from("192.0.2.1:5000", silent);
        assert!(rig.answer.is_empty(), "{}", String::from_utf8_lossy(silent));
    }
}

#[test]
fn what_is_saved_is_taken_up_and_the_absence_is_nobodys() {
    let mut rig = Rig::new(|_| {});
    let dead = Line { id: "web2", session: 2, ..LINE };
    let gone = Line { id: "web3", session: 3, ..LINE };
    for seq in 1..=10 {
        if seq != 5 {
            rig.hear(LINE.seq(seq));
        }
        rig.hear(dead.seq(seq));
        rig.hear(Line { bye: (seq == 10).then_some(4), ..gone.seq(seq) });
        rig.pass(SECOND);
    }
    rig.pass(SECOND);
    let mut text = Monitor::save_title(at(rig.now));
    let mut first = Some(0);
    while let Some(place) = first {
        first = rig.monitor.save(place, 1, &mut text);
    }
    // A minute later, web1 has gone on all the time.
    let mut back = Rig::new(|_| {});
    back.now = 71 * SECOND;
    back.monitor = Monitor::new(MonitorPlan::new("fixed:3".parse().unwrap()), at(back.now));
    back.monitor.restore(&text, at(back.now)).unwrap();
    let resumed: Vec<_> = back.monitor.events().map(|event| (event.kind, event.span)).collect();
    assert_eq!(resumed, [(Kind::Resumed, Some(60 * SECOND))]);
    back.beats(LINE, 71..=80);
    assert_eq!(back.kinds(), ["down"], "web2 alone");
    let rows: Vec<_> = back.monitor.peers(at(back.now)).collect();
    let row = |name: &str| rows.iter().find(|row| &*row.client == name).unwrap().clone();
    assert_eq!((row("web1").state, row("web1").counts.received, row("web1").counts.lost), (State::Up, 19, 1));
    assert_eq!((row("web2").state, row("web2").last_seen.wall), (State::Down, EPOCH + 9 * SECOND));
    assert_eq!((row("web3").state, row("web3").bye), (State::Bye, Some(4)));
    // What was heard before is no news.
    back.hear(dead.seq(10));
    back.hear(dead.seq(9));
    assert_eq!(row("web2").state, State::Down);
    for broken in
        ["x", "udpping-monitor-1\tx", "udpping-monitor-1\t5\nweb1\t0", &text.replace("web2", "w b"), "{}"]
    {
        let refused = Rig::new(|_| {}).monitor.restore(broken, at(0)).unwrap_err().to_string();
        assert!(refused.contains("of a state that a monitor of this version saved"), "{refused}");
    }
}
