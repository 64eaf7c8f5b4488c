//! Which verdicts were false alarms, and for how long a client was watched.

use super::restarts::{restarted, saved};
use super::*;

fn alarms(rig: &Rig) -> (State, u64) {
    (rig.peer().state, rig.peer().tally.false_alarms)
}

#[test]
fn a_verdict_is_a_false_alarm_if_the_sender_had_gone_on() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    // Ten are lost: 3 s after the last one it is down, ...
    rig.pass(10 * SECOND);
    assert_eq!((alarms(&rig), rig.peer().tally.watched), ((State::Down, 0), 10 * SECOND));
    // ... and with the second one that comes it is up again.
    rig.hear(LINE.seq(21));
    assert_eq!(alarms(&rig), (State::Down, 0));
    rig.pass(SECOND);
    rig.hear(LINE.seq(22));
    assert_eq!(alarms(&rig), (State::Up, 1));
    // None is lost, but one takes 5 s.
    rig.beats(LINE, 23..=30);
    rig.pass(5 * SECOND);
    rig.hear(LINE.seq(31));
    rig.pass(SECOND / 5);
    rig.beats(LINE, 37..=40);
    assert_eq!(alarms(&rig), (State::Up, 2));
    // What stops for good is watched until the verdict alone. A detector begins with the third heartbeat.
    rig.pass(3_600 * SECOND);
    let watched = rig.peer().tally.watched;
    assert_eq!(alarms(&rig), (State::Down, 2));
    assert!((25 * SECOND..28 * SECOND).contains(&watched), "{watched}");
    assert_eq!((rig.peer().tally.foretold, rig.peer().forecast), (0.0, None));
}

#[test]
fn a_sender_that_had_stopped_was_rightly_down() {
    // It goes on with the next number, later by its clock; or it is started again.
    for again in [Line { start: EPOCH + 30 * SECOND, ..LINE }.seq(11), Line { session: 2, ..LINE }.seq(1)] {
        let mut rig = Rig::new(|_| {});
        rig.beats(LINE, 1..=10);
        rig.pass(30 * SECOND);
        let beat = |seq: u64| {
            let (mono, wall) = (seq + if again.session == 1 { 30 } else { 0 }, EPOCH / SECOND + 30);
            format!(
                "Heartbeat {seq} {}.0 id=web1 session={} interval=1 mono={mono}.0",
                u64::try_from(wall).unwrap() + seq,
                again.session
            )
        };
        for seq in again.seq..again.seq + 5 {
            rig.hear_from("192.0.2.1:5000", beat(seq).as_bytes());
            rig.pass(SECOND);
        }
        assert_eq!(alarms(&rig), (State::Up, 0));
    }
    // Its machine slept, and one of its clocks, or both.
    for wakes in [30, 0] {
        let mut rig = Rig::new(|plan| plan.detector = "calibrated:1 per hour".parse().unwrap());
        rig.beats(LINE, 1..=100);
        rig.pass(60 * SECOND);
        for seq in 101..=140 {
            let wall = EPOCH / SECOND + seq + wakes;
            let line = format!("Heartbeat {seq} {wall}.0 id=web1 session=1 interval=1 mono={seq}.0");
            rig.hear_from("192.0.2.1:5000", line.as_bytes());
            rig.pass(SECOND);
        }
        assert_eq!(alarms(&rig), (State::Up, 0), "{wakes}");
    }
}

#[test]
fn what_was_foretold_outlives_the_monitor_and_the_interval() {
    let mut rig = Rig::new(|plan| plan.detector = "calibrated:1 per hour".parse().unwrap());
    rig.beats(LINE, 1..=1_000);
    rig.pass(100 * SECOND);
    rig.beats(LINE, 1_101..=1_110);
    let before = rig.peer().tally;
    assert_eq!(before.false_alarms, 1);
    assert!((0.01..1.0).contains(&before.foretold), "{before:?}");
    let mut next = restarted(&rig, SECOND, "calibrated:1 per hour");
    assert_eq!(next.peer().tally.false_alarms, 1);
    next.beats(LINE, 1_112..=1_120);
    let after = next.peer().tally;
    assert!((9 * SECOND..12 * SECOND).contains(&(after.watched - before.watched)), "{before:?} {after:?}");
    assert!(after.foretold > before.foretold && after.false_alarms == 1);
    // A detector that is made anew begins where the other ended.
    for seq in 1_121..=1_124 {
        let line = format!("Heartbeat {seq} {}.0 id=web1 session=1 interval=10", EPOCH / SECOND);
        next.hear_from("192.0.2.1:5000", line.as_bytes());
        next.pass(10 * SECOND);
    }
    assert!(next.peer().tally.watched > after.watched && next.peer().tally.false_alarms == 1);
}

#[test]
fn a_state_without_these_counts_is_read() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    let (text, _) = saved(&rig);
    let line = text.lines().nth(1).unwrap();
    let earlier: Vec<&str> = line.split('\t').take(27).collect();
    for fields in [&earlier[..], &[&earlier[..], &["-5", "NaN", "x"]].concat()] {
        let state = format!("{}{}\n", Monitor::save_title(at(rig.now)), fields.join("\t"));
        let mut next = Rig::new(|_| {});
        next.now = rig.now;
        next.monitor.restore(&state, at(rig.now)).unwrap();
        let tally = next.peer().tally;
        assert_eq!((tally.watched, tally.foretold, tally.false_alarms), (0, 0.0, 0), "{fields:?}");
        assert_eq!((next.peer().counts.received, next.peer().state), (10, State::Up));
    }
}

#[test]
fn what_is_too_old_after_a_restart_is_counted() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    let mut next = restarted(&rig, SECOND, "fixed:3");
    next.hear(LINE.seq(5));
    next.hear(LINE.seq(11));
    assert_eq!((next.peer().counts.old, next.peer().counts.received), (1, 11));
}
