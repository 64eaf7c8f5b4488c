//! A monitor that is stopped and started: silence that was watched counts, and what was due in between does not.

use super::*;

/// What a monitor would save now.
pub(super) fn saved(rig: &Rig) -> (String, String) {
    let mut text = Monitor::save_title(at(rig.now));
    rig.monitor.save(0, 100, &mut text);
    let mut learned = Monitor::learned_title().to_owned();
    rig.monitor.save_learned(0, 100, &mut learned);
    (text, learned)
}

/// Another monitor goes on with it, `after` that.
pub(super) fn restarted(rig: &Rig, after: Nanos, detector: &str) -> Rig {
    let (text, learned) = saved(rig);
    let now = rig.now + after;
    let monitor = Monitor::new(MonitorPlan::new(detector.parse().unwrap()), at(now));
    let mut next = Rig { monitor, now, answer: Vec::new() };
    next.monitor.restore(&text, at(now)).unwrap();
    next.monitor.restore_learned(&learned);
    next
}

#[test]
fn a_dead_client_is_down_however_often_the_monitor_is_restarted() {
    for (watched, away) in [(2 * SECOND, SECOND / 2), (SECOND, SECOND / 10), (2 * SECOND, 100 * SECOND)] {
        let mut rig = Rig::new(|_| {});
        rig.beats(LINE, 1..=30);
        let mut told = Vec::new();
        let mut restarts = 0;
        while !told.contains(&"down") && restarts < 50 {
            rig = restarted(&rig, away, "fixed:3");
            rig.pass(watched);
            told = rig.kinds();
            restarts += 1;
        }
        assert!(restarts <= 8, "{restarts} restarts, {watched} {away}");
    }
}

#[test]
fn a_living_client_is_accused_by_no_pattern_of_restarts() {
    for (interval, watched, away) in
        [(1, 2_300, 700), (1, 1_000, 1_000), (10, 9_700, 300), (10, 3_000, 20_000), (60, 59_000, 2_000)]
    {
        let mut rig = Rig::new(|_| {});
        let (mut seq, mut down, mut heard) = (0, 0, 0);
        let beat = |rig: &mut Rig, seq: u64| {
            let line = format!("Heartbeat {seq} 0 id=web1 session=1 interval={interval}");
            rig.hear_from("192.0.2.1:5000", line.as_bytes());
        };
        for _ in 0..5 {
            seq += 1;
            beat(&mut rig, seq);
            rig.pass(interval * SECOND);
        }
        let end = rig.now + 3_600 * SECOND;
        while rig.now < end {
            rig = restarted(&rig, away * 1_000_000, "fixed:3");
            let until = rig.now + watched * 1_000_000;
            while rig.now < until {
                // Heartbeat n is due at (n - 1) intervals; those that were due meanwhile are not heard.
                let due = (rig.now / SECOND / interval).unsigned_abs() + 1;
                if due > seq && rig.now % (interval * SECOND) < TICK {
                    beat(&mut rig, due);
                    heard += 1;
                }
                seq = due.max(seq);
                rig.pass(TICK);
            }
            down += rig.kinds().iter().filter(|kind| **kind == "down").count();
        }
        assert_eq!(down, 0, "every {interval} s, {watched} ms watched, {away} ms away");
        assert!(heard > 20 || interval * 1_000 > watched, "{heard}");
    }
}

#[test]
fn what_was_learned_of_losses_and_delays_survives() {
    for detector in ["calibrated", "phi:8"] {
        let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
        for seq in 1..=2_000 {
            // Each loss is a verdict of phi, which learns nothing from it.
            if seq % 10 != 0 || detector == "phi:8" {
                rig.hear(LINE.seq(seq));
            }
            rig.pass(SECOND);
        }
        let before = rig.peer();
        let mut next = restarted(&rig, 30 * SECOND, detector);
        assert_eq!(next.peer().patience, before.patience, "{detector}");
        next.beats(LINE, 2_031..=2_050);
        let after = next.peer();
        assert_eq!((before.to_learn, after.to_learn), (Some(0), Some(0)), "{detector}");
        let (old, new) = (before.patience.unwrap(), after.patience.unwrap());
        assert!((old - new).abs() < old / 20, "{detector}: {old} {new}");
        assert_eq!(after.forecast.is_some(), detector == "calibrated");
        // Without the file it takes as long as ever.
        let mut fresh = restarted(&rig, 30 * SECOND, "fixed:4");
        fresh.beats(LINE, 2_031..=2_050);
        assert_eq!(fresh.peer().patience, Some(4 * SECOND));
    }
}

#[test]
fn what_was_learned_of_a_path_survives_a_restart_of_the_client() {
    let mut rig = Rig::new(|plan| plan.detector = "calibrated:1 per day".parse().unwrap());
    let mut beats = |line: Line, count: u64| {
        for seq in 1..=count {
            if seq % 10 != 0 {
                rig.hear(line.seq(seq));
            }
            rig.pass(SECOND);
        }
        rig.peer()
    };
    let before = beats(LINE, 2_000);
    // Its clock has another origin, and its numbers begin at 1.
    let after = beats(Line { session: 2, start: LINE.start + 5_000 * SECOND, ..LINE }, 51);
    assert_eq!((after.sessions, before.to_learn, after.to_learn), (2, Some(0), Some(0)));
    let (old, new) = (before.patience.unwrap(), after.patience.unwrap());
    assert!((old - new).abs() < old / 20, "{old} {new}");
}

#[test]
fn a_client_that_restarted_while_the_monitor_stalled_is_not_accused() {
    for detector in ["fixed:3", "calibrated"] {
        let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
        rig.beats(LINE, 1..=100);
        rig.kinds();
        // Its heartbeats have waited in the socket; the first left long after the stall began.
        rig.now += 200 * SECOND;
        let line = Line { session: 2, start: LINE.start + 250 * SECOND, ..LINE };
        for seq in 1..=50 {
            rig.hear_from("192.0.2.1:5000", &line.seq(seq).write());
        }
        rig.monitor.wake(at(rig.now), None);
        rig.pass(SECOND);
        rig.beats(line, 51..=60);
        assert!(!rig.kinds().contains(&"down") && rig.peer().state == State::Up, "{detector}");
    }
}

#[test]
fn a_loss_that_is_still_held_is_not_forgotten() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=5);
    rig.beats(LINE, 7..=7);
    assert_eq!((rig.peer().counts.lost, rig.peer().counts.pending), (0, 1));
    let next = restarted(&rig, SECOND, "fixed:3");
    let counts = next.peer().counts;
    assert_eq!((counts.received, counts.lost, counts.pending, counts.runs), (6, 1, 0, 1));
}

#[test]
fn what_cannot_be_used_of_the_learned_is_learned_anew() {
    let mut rig = Rig::new(|plan| plan.detector = "calibrated".parse().unwrap());
    rig.beats(LINE, 1..=100);
    let (text, learned) = saved(&rig);
    let line = learned.lines().nth(1).unwrap();
    let fields: Vec<&str> = line.split(' ').collect();
    let cut = fields[..4].join(" ");
    let huge = format!("{} 999999:3", fields[..7].join(" "));
    let many = format!("{} 5:4294967295", fields[..7].join(" "));
    for bad in
        ["", "x", &cut, &huge, &many, &line.replace("calibrated 1", "calibrated -"), &line.replace(' ', "\t")]
    {
        let mut next = Rig::new(|plan| plan.detector = "calibrated".parse().unwrap());
        next.monitor.restore(&text, at(0)).unwrap();
        next.monitor.restore_learned(&format!("{}{bad}\n", Monitor::learned_title()));
        next.now = SECOND;
        next.beats(LINE, 101..=120);
        assert_eq!(next.peer().state, State::Up, "{bad}");
    }
}

#[test]
fn an_empty_state_is_begun_anew_and_a_broken_one_names_its_line() {
    for empty in ["", "\n", "\0\0\0\0"] {
        let mut rig = Rig::new(|_| {});
        rig.monitor.restore(empty, at(0)).unwrap();
        assert_eq!(rig.kinds(), ["state_lost"]);
    }
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=5);
    let (text, _) = saved(&rig);
    let bad = Rig::new(|_| {}).monitor.restore(&format!("{text}web2\t0\n"), at(0)).unwrap_err();
    assert_eq!((bad.number, &*bad.text), (3, "web2\t0"));
    assert!(bad.to_string().starts_with("line 3 is \"web2\\t0\": expected a line of a state"), "{bad}");
}

#[test]
fn a_state_of_the_first_version_is_read() {
    let line = "web1\t0\t0\tup\t1\t1699999999000000000\t192.0.2.1:5000\t1\t-\t-\t5\t1000000000\t1\t-\t1\t5\t0\t0\t0\t0\t0\t0\t0\t0";
    let mut rig = Rig::new(|_| {});
    rig.monitor.restore(&format!("udpping-monitor-1\t1700000000000000000\n{line}\n"), at(0)).unwrap();
    assert_eq!(rig.peer().patience, Some(4 * SECOND));
    rig.pass(SECOND / 2);
    rig.beats(LINE, 6..=9);
    assert_eq!((rig.peer().state, rig.kinds()), (State::Up, vec!["resumed"]));
}

/// What a client that is new gets, where four others lost 20 heartbeats each: one after the other, or together.
fn patience_of_a_newcomer(together: bool, restart: bool) -> Nanos {
    let mut rig = Rig::new(|plan| plan.detector = "calibrated:1 per day".parse().unwrap());
    let names = ["a", "b", "c", "d"];
    for seq in 1..=400 {
        for (id, turn) in names.into_iter().zip(0..) {
            let from = 100 + if together { 0 } else { 60 * turn };
            if !(from..from + 20).contains(&seq) {
                rig.hear(Line { id, ..LINE }.seq(seq));
            }
        }
        rig.pass(SECOND);
    }
    if restart {
        rig = restarted(&rig, SECOND, "calibrated:1 per day");
    }
    rig.beats(Line { id: "new", ..LINE }, 1..=60);
    let mut peers = rig.monitor.peers(at(rig.now));
    peers.find(|peer| &*peer.client == "new").and_then(|peer| peer.patience).unwrap()
}

#[test]
fn a_newcomer_begins_with_what_others_have_shown() {
    for restart in [false, true] {
        let patience = patience_of_a_newcomer(false, restart);
        assert!((19 * SECOND..23 * SECOND).contains(&patience), "{restart} {patience}");
    }
    // All at once is one outage, and says nothing about one client.
    let patience = patience_of_a_newcomer(true, false);
    assert!(patience < 10 * SECOND, "{patience}");
}
