//! What broken networks, machines that sleep, and ill will do to the monitor.

use super::*;

const FAR: &str = "192.0.2.1:5000";

#[test]
fn a_rare_sender_that_does_not_state_its_interval_is_found_out() {
    for seconds in [5, 30] {
        let mut rig = Rig::new(|_| {});
        for seq in 1..=10 {
            rig.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + seconds * seq).as_bytes());
            rig.pass(seconds * SECOND);
        }
        assert_eq!(rig.kinds(), ["new", "up"], "every {seconds} s");
        assert_eq!(rig.peer().interval, seconds * SECOND);
    }
}

#[test]
fn most_of_the_clients_may_really_die() {
    // Those who are left send as often as the others did, or ten times less.
    for rarely in [1, 10] {
        let mut rig = Rig::new(|_| {});
        for second in 0..120_u64 {
            for client in 0..5_u64 {
                let (interval, dies) = if client < 2 { (rarely, false) } else { (1, true) };
                if second % interval == 0 && !(dies && second >= 60) {
                    let seq = second / interval + 1;
                    let line = format!("Heartbeat {seq} 0 id=c{client} session={client} interval={interval}");
                    rig.hear_from(FAR, line.as_bytes());
                }
            }
            rig.pass(SECOND);
        }
        let down: Vec<_> =
            rig.monitor.peers(at(rig.now)).map(|row| (row.state == State::Down, row.client)).collect();
        assert_eq!(down.iter().filter(|(down, _)| *down).count(), 3, "{rarely}: {down:?}");
        assert_eq!(rig.kinds().iter().filter(|kind| **kind == "down").count(), 3);
    }
}

#[test]
fn those_who_stopped_make_room_in_their_own_network() {
    let mut rig = Rig::new(|plan| plan.per_prefix = 4);
    for run in 0..10 {
        let source = format!("127.0.0.1:{}", 40_000 + run);
        for seq in 1..=3 {
            rig.hear_from(&source, format!("Heartbeat {seq} {}", 1_700_000_000 + seq).as_bytes());
            rig.pass(SECOND);
        }
        rig.pass(10 * SECOND);
    }
    assert_eq!((rig.monitor.clients(), rig.monitor.counters().refused), (4, 0));
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let mut rig = Rig::new(|_| {});
    for stranger in 0..50_000_u32 {
        rig.hear_from(&format!("198.51.100.9:{}", stranger % 60_000), b"Heartbeat 1 1700000000.0");
        if stranger % 500 == 0 {
            rig.pass(70 * SECOND);
        }
    }
    assert!(rig.monitor.roster.queued() < 5_000, "{}", rig.monitor.roster.queued());
    // Times to look at it that a client pushes far ahead, again and again.
    for seq in 1..=50_000 {
        let interval = if seq % 2 == 0 { "86400" } else { "0.001" };
        rig.hear_from(FAR, format!("Heartbeat {seq} 0 id=web1 session=1 interval={interval}").as_bytes());
        rig.pass(10_000_000);
    }
    assert!(rig.monitor.roster.queued() < 5_000, "{}", rig.monitor.roster.queued());
}

#[test]
fn numbers_that_began_anew_while_the_monitor_was_away_are_heard() {
    let mut rig = Rig::new(|_| {});
    for seq in 1..=50 {
        rig.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + seq).as_bytes());
        rig.pass(SECOND);
    }
    let mut text = Monitor::save_title(at(rig.now));
    rig.monitor.save(0, 10, &mut text);
    let mut back = Rig::new(|_| {});
    back.monitor.restore(&text, at(0)).unwrap();
    for seq in 1..=10 {
        back.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_100 + seq).as_bytes());
        back.pass(SECOND);
    }
    assert_eq!(back.peer().state, State::Up);
    assert!(!back.kinds().contains(&"down"));
}

#[test]
fn a_device_with_neither_clock_nor_session_may_start_anew() {
    let mut rig = Rig::new(|_| {});
    for seq in (1..=50).chain(1..=10) {
        rig.hear_from(FAR, format!("Heartbeat {seq} 0 id=dev").as_bytes());
        rig.pass(SECOND);
    }
    assert_eq!((rig.peer().state, rig.peer().seq), (State::Up, 10));
    assert!(!rig.kinds().contains(&"down"));
}

#[test]
fn the_highest_number_does_not_silence_a_sender_without_numbers() {
    let mut rig = Rig::new(|_| {});
    for beat in 0..30 {
        let line: &[u8] = if beat == 10 { b"PyHB 18446744073709551615 id=dev" } else { b"PyHB id=dev" };
        rig.hear_from(FAR, line);
        rig.pass(SECOND);
    }
    assert_eq!(rig.peer().state, State::Up);
}

#[test]
fn an_outage_is_not_taken_for_an_interval() {
    let mut rig = Rig::new(|_| {});
    let mut seq = 0;
    let mut beats = |rig: &mut Rig, count: u64, pause: Nanos| {
        for _ in 0..count {
            seq += 1;
            rig.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + rig.now / SECOND).as_bytes());
            rig.pass(pause);
        }
    };
    beats(&mut rig, 30, SECOND);
    rig.pass(3_600 * SECOND);
    beats(&mut rig, 5, SECOND);
    assert_eq!(rig.peer().interval, SECOND);
    // Another pace is another matter.
    beats(&mut rig, 5, 10 * SECOND);
    assert_eq!((rig.peer().interval, rig.peer().state), (10 * SECOND, State::Up));
}

#[test]
fn a_newcomer_who_waited_through_a_stall_is_forgotten_like_any_other() {
    let mut rig = Rig::new(|_| {});
    rig.now += 10 * SECOND;
    rig.hear(LINE);
    rig.monitor.wake(at(rig.now), None);
    rig.pass(60 * SECOND);
    assert_eq!(rig.monitor.clients(), 0);
}

#[test]
fn a_sender_of_bursts_is_watched_by_its_bursts() {
    for (burst, pause) in [(2, 5), (3, 10), (5, 10), (10, 30)] {
        let mut rig = Rig::new(|plan| plan.detector = "calibrated".parse().unwrap());
        let mut down = Vec::new();
        for number in 0..200_u64 {
            rig.hear_from(FAR, format!("Heartbeat {number} {}", 1_700_000_000 + number).as_bytes());
            rig.pass(if number % burst == burst - 1 { pause * SECOND } else { 10_000_000 });
            down.push(rig.kinds().contains(&"down"));
        }
        let last = down.iter().rposition(|down| *down).unwrap_or(0) as u64;
        assert!(last < 12 * burst, "bursts of {burst} every {pause} s: down after {last}");
    }
}

#[test]
fn what_waited_in_the_socket_while_the_monitor_stood_still_teaches_no_delay() {
    for detector in ["calibrated", "chen:2s", "fixed:3", "phi:8"] {
        let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
        rig.beats(LINE, 1..=300);
        rig.kinds();
        rig.now += 100 * SECOND;
        (301..=400).for_each(|seq| rig.hear(LINE.seq(seq)));
        rig.monitor.wake(at(rig.now), None);
        rig.beats(LINE, 401..=500);
        assert_eq!(rig.kinds(), ["stalled"], "{detector}");
        assert_eq!(rig.peer().state, State::Up);
        rig.pass(20 * SECOND);
        assert_eq!(rig.kinds(), ["down"], "{detector}");
    }
}

/// Heartbeats of a sender whose steady clock stands `behind` after its machine was stopped.
fn behind(seq: u64, behind: Nanos) -> Vec<u8> {
    let mono = i64::try_from(seq).unwrap() * SECOND;
    let beat = Heartbeat {
        seq: Some(seq),
        wall_ns: Some(EPOCH + mono + behind),
        id: Some("web1"),
        session: Some(1),
        interval: Some(SECOND),
        mono: Some(mono),
        ..Heartbeat::default()
    };
    let mut line = Vec::new();
    beat.write(Form::Full, None, &mut line);
    line
}

#[test]
fn a_machine_that_was_stopped_with_its_clock_is_alive_when_it_goes_on() {
    for detector in ["calibrated", "chen:2s", "fixed:3", "phi:8"] {
        let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
        for seq in 1..=300 {
            rig.hear_from(FAR, &behind(seq, 0));
            rig.pass(SECOND);
        }
        rig.pass(600 * SECOND);
        rig.kinds();
        for seq in 301..=310 {
            rig.hear_from(FAR, &behind(seq, 600 * SECOND));
            rig.pass(SECOND);
        }
        assert_eq!(rig.peer().state, State::Up, "{detector}");
    }
}

#[test]
fn a_file_that_was_tampered_with_makes_no_second_self_and_no_wild_numbers() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=5);
    let mut text = Monitor::save_title(at(rig.now));
    rig.monitor.save(0, 10, &mut text);
    let line = text.lines().nth(1).unwrap().to_owned();
    let mut back = Rig::new(|_| {});
    back.monitor.restore(&format!("{text}{line}\n"), at(0)).unwrap();
    assert_eq!(back.monitor.clients(), 1);
    for (place, value) in [(3, "new"), (11, "9223372036854775807"), (11, "1")] {
        let mut fields: Vec<&str> = line.split('\t').collect();
        fields[place] = value;
        let text = format!("{}{}\n", Monitor::save_title(at(0)), fields.join("\t"));
        assert!(Rig::new(|_| {}).monitor.restore(&text, at(0)).is_err(), "{value}");
    }
    // Any number that fits does no harm.
    for place in [4, 5, 10, 14, 15, 16, 17, 23] {
        for value in ["-9223372036854775808", "9223372036854775807", "18446744073709551615", "4294967295"] {
            let mut fields: Vec<&str> = line.split('\t').collect();
            fields[place] = value;
            let text = format!("{}{}\n", Monitor::save_title(at(0)), fields.join("\t"));
            let mut rig = Rig::new(|_| {});
            if rig.monitor.restore(&text, at(0)).is_ok() {
                rig.beats(LINE, 6..=12);
                let mut text = String::new();
                rig.monitor.save(0, 10, &mut text);
                assert_eq!(rig.peer().state, State::Up, "{value} at {place}");
            }
        }
    }
}

#[test]
fn a_client_is_sealed_as_long_as_there_are_keys() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=5);
    let mut text = Monitor::save_title(at(rig.now));
    rig.monitor.save(0, 10, &mut text);
    // Keys from now on: whatever was believed without one is worth nothing.
    let mut back = Rig::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    back.monitor.restore(&text, at(0)).unwrap();
    let sealed = Line { key: Some("ops"), session: 2, start: EPOCH - SECOND, ..LINE };
    back.beats(sealed, 1..=5);
    assert!(back.peer().sealed && back.peer().state == State::Up);
    // And no keys any more.
    let mut text = Monitor::save_title(at(back.now));
    back.monitor.save(0, 10, &mut text);
    let mut open = Rig::new(|_| {});
    open.monitor.restore(&text, at(0)).unwrap();
    open.beats(Line { session: 3, ..LINE }, 1..=9);
    assert!(!open.peer().sealed && open.peer().state == State::Up);
}
