//! A sender in virtual time.

use proptest::prelude::*;

use super::*;
use crate::logic::SECOND;
use crate::logic::codec::heartbeat::Key;

/// The wall clock when the session begins.
const WALL: i64 = 1_700_000_000 * SECOND;

/// A sender, and what it has said.
struct Stage {
    sender: Sender,
    /// Everything that was sent: number, time on the schedule, wall clock, the whole line.
    said: Vec<(u64, Nanos, i64, String)>,
}

impl Stage {
    fn new(options: Options) -> Self {
        let mut sender = Sender::new(HeartbeatPlan::new(options).unwrap());
        sender.begin(0);
        Self { sender, said: Vec::new() }
    }

    /// What the sender wants at `mono`; a line that it writes is sent, if the network is there.
    fn wake(&mut self, mono: Nanos, network: bool) -> Beat {
        let mut line = Vec::new();
        let beat = self.sender.beat(Moment { mono, wall: WALL.saturating_add(mono) }, &mut line);
        assert_eq!(beat == Beat::Send, !line.is_empty());
        if beat != Beat::Send {
            return beat;
        }
        if !network {
            self.sender.failed(mono);
            return beat;
        }
        self.sender.sent(mono);
        let line = String::from_utf8(line).unwrap();
        let field = |name: &str| line.split_once(name).map(|(_, rest)| rest.split(' ').next().unwrap());
        let seq = field("Heartbeat ").unwrap().parse().unwrap();
        let wall = line.split(' ').nth(2).map_or(0, nanos);
        self.said.push((seq, field("mono=").map_or(0, nanos), wall, line));
        beat
    }

    /// Wakes the sender whenever it wants, up to `end`.
    fn run(&mut self, end: Nanos) {
        while self.sender.next_due() <= end && self.wake(self.sender.next_due(), true) != Beat::Done {}
    }

    fn seqs(&self) -> Vec<u64> {
        self.said.iter().map(|(seq, ..)| *seq).collect()
    }

    fn times(&self) -> Vec<Nanos> {
        self.said.iter().map(|(_, mono, ..)| *mono / 1_000_000).collect()
    }
}

/// Decimal seconds, exactly.
fn nanos(text: &str) -> Nanos {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    whole.parse::<Nanos>().unwrap() * SECOND + format!("{part:0<9}").parse::<Nanos>().unwrap()
}

fn options() -> Options {
    Options { id: "web1".to_owned(), session: 0x9f3a, ..Options::default() }
}

#[test]
fn a_heartbeat_leaves_at_each_time_on_the_schedule() {
    let mut stage = Stage::new(Options { interval: 0.5, boot: Some(4), ..options() });
    stage.run(2 * SECOND);
    assert_eq!((stage.seqs(), stage.times()), (vec![1, 2, 3, 4, 5], vec![0, 500, 1_000, 1_500, 2_000]));
    assert_eq!(
        stage.said[1].3,
        "Heartbeat 2 1700000000.5 id=web1 session=0000000000009f3a boot=4 interval=0.5 mono=0.5"
    );
    assert_eq!(stage.wake(2 * SECOND + 1, true), Beat::Wait(2_500_000_000));
}

#[test]
fn nothing_is_due_before_the_schedule_begins() {
    let mut sender = Sender::new(HeartbeatPlan::new(options()).unwrap());
    let now = Moment { mono: 5, wall: WALL };
    assert_eq!((sender.next_due(), sender.beat(now, &mut Vec::new())), (Nanos::MAX, Beat::Wait(Nanos::MAX)));
    sender.begin(7);
    assert_eq!(sender.next_due(), 7);
}

#[test]
fn a_late_sender_skips_what_it_missed_and_says_when_it_should_have_sent() {
    let mut stage = Stage::new(options());
    stage.run(2 * SECOND);
    // Stopped for a while: one heartbeat at once, and back on the schedule.
    stage.wake(10_300_000_000, true);
    assert_eq!(stage.sender.next_due(), 11 * SECOND);
    stage.run(12 * SECOND);
    assert_eq!(stage.seqs(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(stage.times(), [0, 1_000, 2_000, 10_000, 11_000, 12_000]);
    assert_eq!(stage.said[3].2, WALL + 10 * SECOND);
    assert_eq!(stage.sender.counters(), Counters { sent: 6, skipped: 7, ..Counters::default() });
}

#[test]
fn a_number_is_not_used_up_by_what_has_not_left() {
    let mut stage = Stage::new(options());
    for (at, network) in [(0, true), (1, false), (2, false), (3, true)] {
        stage.wake(at * SECOND, network);
    }
    assert_eq!((stage.seqs(), stage.times()), (vec![1, 2], vec![0, 3_000]));
    assert_eq!(stage.sender.counters(), Counters { sent: 2, errors: 2, ..Counters::default() });
}

#[test]
fn jitter_is_early_differs_each_time_and_leaves_the_schedule_alone() {
    let mut stage = Stage::new(Options { jitter: 0.25, ..options() });
    let mut early = Vec::new();
    for slot in 0..1_000 {
        let due = stage.sender.next_due();
        early.push(slot * SECOND - due);
        assert_eq!(stage.wake(due - 1, true), Beat::Wait(due));
        assert_eq!(stage.wake(due, true), Beat::Send);
    }
    assert_eq!(early[0], 0);
    assert!(early.iter().all(|early| (0..SECOND / 4).contains(early)));
    let mean = early.iter().sum::<Nanos>() / 1_000;
    assert!((115_000_000..135_000_000).contains(&mean), "{mean}");
    assert!(
        stage
            .said
            .iter()
            .zip(0..)
            .all(|((_, mono, wall, _), slot)| *mono == slot * SECOND && *wall == WALL + mono)
    );
    // Another sender's heartbeats leave at other times.
    let other = Stage::new(Options { jitter: 0.25, session: 7, ..options() }).sender;
    assert_ne!(other.send_time(0, 1), stage.sender.send_time(0, 1));
}

#[test]
fn without_a_sign_of_life_nothing_is_sent() {
    let mut stage = Stage::new(Options { touch: Some(1.5), ..options() });
    stage.run(3 * SECOND);
    assert_eq!((stage.seqs(), stage.times()), (vec![1, 2], vec![0, 1_000]));
    stage.sender.touch(3_700_000_000);
    // An older sign that comes late takes nothing back.
    stage.sender.touch(2 * SECOND);
    stage.run(6 * SECOND);
    assert_eq!((stage.seqs(), stage.times()), (vec![1, 2, 3, 4], vec![0, 1_000, 4_000, 5_000]));
    assert_eq!(stage.sender.counters(), Counters { sent: 4, withheld: 3, ..Counters::default() });
}

#[test]
fn the_last_word_is_said_three_times_and_with_its_status() {
    for (status, gate) in [(0, None), (3, Some(0.001)), (-9, None)] {
        let mut stage = Stage::new(Options { touch: gate, ..options() });
        stage.run(0);
        stage.sender.bye(500_000_000, status);
        stage.sender.bye(500_000_000, 77);
        stage.run(Nanos::MAX);
        assert_eq!(stage.seqs(), [1, 2, 3, 4]);
        assert_eq!(stage.times(), [0, 500, 510, 520]);
        assert!(stage.said[1..].iter().all(|(.., line)| line.ends_with(&format!(" bye={status}"))));
        assert_eq!(stage.wake(Nanos::MAX, true), Beat::Done);
    }
}

#[test]
fn last_words_that_do_not_leave_end_too() {
    let mut stage = Stage::new(options());
    stage.sender.bye(0, 0);
    let ends = (0..10).map(|at| stage.wake(at * SECOND, false)).position(|beat| beat == Beat::Done);
    assert_eq!((ends, stage.sender.counters().errors), (Some(3), 3));
}

#[test]
fn a_session_may_have_a_count() {
    let mut stage = Stage::new(Options { count: Some(2), ..options() });
    stage.run(Nanos::MAX);
    assert_eq!((stage.seqs(), stage.times()), (vec![1, 2, 3, 4, 5], vec![0, 1_000, 1_000, 1_010, 1_020]));
}

#[test]
fn a_session_with_a_count_ends_also_without_a_network() {
    let mut stage = Stage::new(Options { count: Some(5), ..options() });
    let mut tries = 0;
    while stage.sender.next_due() < Nanos::MAX && tries < 100 {
        // The network is gone from the third on.
        let beat = stage.wake(stage.sender.next_due(), tries < 2);
        if beat == Beat::Done {
            break;
        }
        tries += 1;
    }
    let counters = stage.sender.counters();
    assert_eq!((counters.sent, counters.errors, tries), (2, 6, 8));
}

#[test]
fn the_courses_forms_say_when_they_leave_and_never_goodbye() {
    for (form, line) in [(Form::Lab3, "Heartbeat 2 1700000001.5"), (Form::Lab2, "2 1700000001.5")] {
        let mut sender = Sender::new(HeartbeatPlan::new(Options { form, ..options() }).unwrap());
        sender.begin(0);
        let mut out = Vec::new();
        for mono in [0, 1_500_000_000] {
            out.clear();
            assert_eq!(sender.beat(Moment { mono, wall: WALL + mono }, &mut out), Beat::Send);
            sender.sent(mono);
        }
        assert_eq!(String::from_utf8(out).unwrap(), line);
        sender.bye(2 * SECOND, 0);
        assert_eq!(sender.beat(Moment { mono: 2 * SECOND, wall: WALL }, &mut Vec::new()), Beat::Done);
    }
}

#[test]
fn the_next_heartbeat_acknowledges_answers() {
    let mut stage = Stage::new(options());
    stage.run(2 * SECOND);
    stage.sender.answered(2, 2_300_000_000);
    assert_eq!(stage.sender.round_trip(), Some(1_300_000_000));
    // An overtaken answer is one, a second one to the same heartbeat is none, nor is one to what was never sent.
    stage.sender.answered(1, 2_400_000_000);
    for seq in [2, 1, 0, 4, u64::MAX] {
        stage.sender.answered(seq, 3 * SECOND);
    }
    assert_eq!((stage.sender.counters().answered, stage.sender.round_trip()), (2, Some(2_400_000_000)));
    stage.run(3 * SECOND);
    assert!(stage.said[3].3.ends_with(" mono=3 ack=2"), "{}", stage.said[3].3);
}

#[test]
fn an_answer_after_very_many_heartbeats_is_no_round_trip() {
    let mut stage = Stage::new(options());
    stage.run(200 * SECOND);
    stage.sender.answered(201 - 128, 200 * SECOND);
    assert_eq!((stage.sender.counters().answered, stage.sender.round_trip()), (0, None));
    stage.sender.answered(201 - 127, 200 * SECOND);
    assert_eq!((stage.sender.counters().answered, stage.sender.round_trip()), (1, Some(127 * SECOND)));
}

#[test]
fn what_cannot_be_used_is_refused() {
    let refused = |options: Options| HeartbeatPlan::new(options).unwrap_err().to_string();
    for interval in [0.0, -1.0, 86_401.0, f64::NAN, f64::INFINITY] {
        assert!(refused(Options { interval, ..options() }).starts_with("interval "));
        assert!(refused(Options { touch: Some(interval), ..options() }).starts_with("touch "));
    }
    assert!(refused(Options { jitter: 0.26, ..options() }).contains("0 to 0.25"));
    assert!(refused(Options { id: "a b".to_owned(), ..options() }).contains("\"a b\""));
    assert!(refused(Options { boot: Some(-1), ..options() }).starts_with("boot -1"));
    assert!(refused(Options { count: Some(0), ..options() }).starts_with("count 0"));
    assert!(refused(Options { first_seq: -1, ..options() }).starts_with("first_seq -1"));
    let key = Key::new("ops", &[7; 16]).ok();
    assert!(refused(Options { form: Form::Lab3, key, ..options() }).starts_with("wire lab3 "));
    assert!(refused(Options { form: Form::Lab2, boot: Some(1), ..options() }).starts_with("wire lab2 "));
}

/// What may happen to a sender.
#[derive(Debug, Clone)]
enum Happening {
    Wakes { after: Nanos, network: bool },
    WakesInTime,
    Touch,
    Answer(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        (0..5 * SECOND, any::<bool>()).prop_map(|(after, network)| Happening::Wakes { after, network }),
        Just(Happening::WakesInTime),
        Just(Happening::Touch),
        (0_u64..100).prop_map(Happening::Answer),
    ];
    proptest::collection::vec(one, 0..200)
}

proptest! {
    #[test]
    fn whatever_happens_the_numbers_have_no_gap_and_the_times_are_on_the_schedule(
        happenings in happenings(), jitter in 0.0..=0.25, gated in any::<bool>(), session in any::<u64>(),
    ) {
        let touch = gated.then_some(2.0);
        let mut stage = Stage::new(Options { jitter, session, touch, ..options() });
        let mut now = 0;
        for happening in happenings {
            match happening {
                Happening::Wakes { after, network } => {
                    now += after;
                    // However late, one wake-up sends one heartbeat at most.
                    stage.wake(now, network);
                    prop_assert!(matches!(stage.wake(now, network), Beat::Wait(until) if until > now));
                }
                Happening::WakesInTime => {
                    now = now.max(stage.sender.next_due());
                    stage.wake(now, true);
                }
                Happening::Touch => stage.sender.touch(now),
                Happening::Answer(seq) => stage.sender.answered(seq, now),
            }
        }
        let counters = stage.sender.counters();
        let numbers: Vec<u64> = (1..=counters.sent).collect();
        prop_assert_eq!(stage.seqs(), numbers);
        prop_assert!(stage.said.iter().all(|(_, mono, wall, _)| mono % SECOND == 0 && *wall == WALL + mono));
        prop_assert!(stage.said.is_sorted_by(|a, b| a.1 < b.1));
        prop_assert_eq!(counters.sent + counters.withheld + counters.skipped + counters.errors, stage.sender.slot);
        prop_assert!(counters.answered <= counters.sent && counters.sent < 100_000);
    }

    #[test]
    fn no_time_is_too_strange(times in proptest::collection::vec(any::<(i64, i64)>(), 1..20), jitter in 0.0..=0.25) {
        let mut sender = Sender::new(HeartbeatPlan::new(Options { jitter, touch: Some(1.0), ..options() }).unwrap());
        sender.begin(times[0].0);
        for (mono, wall) in times {
            sender.touch(wall);
            if sender.beat(Moment { mono, wall }, &mut Vec::new()) == Beat::Send {
                sender.sent(mono);
            }
            sender.answered(wall.unsigned_abs() % 8, mono);
        }
    }
}
