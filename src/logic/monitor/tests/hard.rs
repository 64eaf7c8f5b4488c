//! What broken networks, machines that sleep, and ill will do to the monitor.

use super::*;

const FAR: &str = "192.0.2.1:5000";

#[test]
fn a_rare_sender_that_does_not_state_its_interval_is_found_out() {
    for seconds in [5, 30] {
        let mut post = Post::new(|_| {});
        for seq in 1..=10 {
            post.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + seconds * seq).as_bytes());
            post.pass(seconds * SECOND);
        }
        assert_eq!(post.told(), ["new", "up"], "every {seconds} s");
        assert_eq!(post.peer().interval, seconds * SECOND);
    }
}

#[test]
fn nobody_is_blamed_while_the_connection_comes_back() {
    for outage in 50..60 {
        let change = |plan: &mut MonitorPlan| {
            (plan.detector, plan.idle) = ("chen:1700ms".parse().unwrap(), 0);
        };
        let mut post = Post::new(change);
        for slot in 0..80 * 100_u64 {
            let (client, second) = (slot % 100, slot / 100);
            let linked = !(10..10 + outage).contains(&second);
            if linked {
                let line = format!(
                    "Heartbeat {0} {1} id=c{client} session={client} interval=1 mono={0}",
                    second + 1,
                    1_700_000_001 + second
                );
                post.hear_from(FAR, line.as_bytes());
            }
            post.pass(SECOND / 100);
        }
        let told: Vec<_> = post.told().into_iter().filter(|kind| !matches!(*kind, "new" | "up")).collect();
        assert_eq!(told, ["isolated", "connected"], "{outage} s");
    }
}

#[test]
fn most_of_the_clients_may_really_die() {
    // Those who are left send as often as the others did, or ten times less.
    for rarely in [1, 10] {
        let mut post = Post::new(|_| {});
        for second in 0..120_u64 {
            for client in 0..5_u64 {
                let (interval, dies) = if client < 2 { (rarely, false) } else { (1, true) };
                if second % interval == 0 && !(dies && second >= 60) {
                    let seq = second / interval + 1;
                    let line = format!("Heartbeat {seq} 0 id=c{client} session={client} interval={interval}");
                    post.hear_from(FAR, line.as_bytes());
                }
            }
            post.pass(SECOND);
        }
        let down: Vec<_> =
            post.monitor.peers(at(post.now)).map(|row| (row.state == State::Down, row.client)).collect();
        assert_eq!(down.iter().filter(|(down, _)| *down).count(), 3, "{rarely}: {down:?}");
        assert_eq!(post.told().iter().filter(|kind| **kind == "down").count(), 3);
    }
}

#[test]
fn those_who_stopped_make_room_in_their_own_network() {
    let mut post = Post::new(|plan| plan.per_prefix = 4);
    for run in 0..10 {
        let source = format!("127.0.0.1:{}", 40_000 + run);
        for seq in 1..=3 {
            post.hear_from(&source, format!("Heartbeat {seq} {}", 1_700_000_000 + seq).as_bytes());
            post.pass(SECOND);
        }
        post.pass(10 * SECOND);
    }
    assert_eq!((post.monitor.clients(), post.monitor.counters().refused), (4, 0));
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let mut post = Post::new(|_| {});
    for stranger in 0..50_000_u32 {
        post.hear_from(&format!("198.51.100.9:{}", stranger % 60_000), b"Heartbeat 1 1700000000.0");
        if stranger % 500 == 0 {
            post.pass(70 * SECOND);
        }
    }
    assert!(post.monitor.roster.queued() < 5_000, "{}", post.monitor.roster.queued());
    // Times to look at it that a client pushes far ahead, again and again.
    for seq in 1..=50_000 {
        let interval = if seq % 2 == 0 { "86400" } else { "0.001" };
        post.hear_from(FAR, format!("Heartbeat {seq} 0 id=web1 session=1 interval={interval}").as_bytes());
        post.pass(10_000_000);
    }
    assert!(post.monitor.roster.queued() < 5_000, "{}", post.monitor.roster.queued());
}

#[test]
fn numbers_that_began_anew_while_the_monitor_was_away_are_heard() {
    let mut post = Post::new(|_| {});
    for seq in 1..=50 {
        post.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + seq).as_bytes());
        post.pass(SECOND);
    }
    let mut text = Monitor::save_title(at(post.now));
    post.monitor.save(0, 10, &mut text);
    let mut back = Post::new(|_| {});
    back.monitor.restore(&text, at(0)).unwrap();
    for seq in 1..=10 {
        back.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_100 + seq).as_bytes());
        back.pass(SECOND);
    }
    assert_eq!(back.peer().state, State::Up);
    assert!(!back.told().contains(&"down"));
}

#[test]
fn a_device_with_neither_clock_nor_session_may_start_anew() {
    let mut post = Post::new(|_| {});
    for seq in (1..=50).chain(1..=10) {
        post.hear_from(FAR, format!("Heartbeat {seq} 0 id=dev").as_bytes());
        post.pass(SECOND);
    }
    assert_eq!((post.peer().state, post.peer().seq), (State::Up, 10));
    assert!(!post.told().contains(&"down"));
}

#[test]
fn the_highest_number_does_not_silence_a_sender_without_numbers() {
    let mut post = Post::new(|_| {});
    for beat in 0..30 {
        let line: &[u8] = if beat == 10 { b"PyHB 18446744073709551615 id=dev" } else { b"PyHB id=dev" };
        post.hear_from(FAR, line);
        post.pass(SECOND);
    }
    assert_eq!(post.peer().state, State::Up);
}

#[test]
fn an_outage_is_not_taken_for_an_interval() {
    let mut post = Post::new(|_| {});
    let mut seq = 0;
    let mut beats = |post: &mut Post, count: u64, pause: Nanos| {
        for _ in 0..count {
            seq += 1;
            post.hear_from(FAR, format!("Heartbeat {seq} {}", 1_700_000_000 + post.now / SECOND).as_bytes());
            post.pass(pause);
        }
    };
    beats(&mut post, 30, SECOND);
    post.pass(3_600 * SECOND);
    beats(&mut post, 5, SECOND);
    assert_eq!(post.peer().interval, SECOND);
    // Another pace is another matter.
    beats(&mut post, 5, 10 * SECOND);
    assert_eq!((post.peer().interval, post.peer().state), (10 * SECOND, State::Up));
}

#[test]
fn a_newcomer_who_waited_through_a_stall_is_forgotten_like_any_other() {
    let mut post = Post::new(|_| {});
    post.now += 10 * SECOND;
    post.hear(LINE);
    post.monitor.wake(at(post.now), None);
    post.pass(60 * SECOND);
    assert_eq!(post.monitor.clients(), 0);
}

#[test]
fn a_sender_of_bursts_is_watched_by_its_bursts() {
    for (burst, pause) in [(2, 5), (3, 10), (5, 10), (10, 30)] {
        let mut post = Post::new(|plan| plan.detector = "calibrated".parse().unwrap());
        let mut down = Vec::new();
        for number in 0..200_u64 {
            post.hear_from(FAR, format!("Heartbeat {number} {}", 1_700_000_000 + number).as_bytes());
            post.pass(if number % burst == burst - 1 { pause * SECOND } else { 10_000_000 });
            down.push(post.told().contains(&"down"));
        }
        let last = down.iter().rposition(|down| *down).unwrap_or(0) as u64;
        assert!(last < 12 * burst, "bursts of {burst} every {pause} s: down after {last}");
    }
}

#[test]
fn what_waited_in_the_socket_while_the_monitor_stood_still_teaches_no_delay() {
    for detector in ["calibrated", "chen:2s", "fixed:3", "phi:8"] {
        let mut post = Post::new(|plan| plan.detector = detector.parse().unwrap());
        post.beats(LINE, 1..=300);
        post.told();
        post.now += 100 * SECOND;
        (301..=400).for_each(|seq| post.hear(LINE.seq(seq)));
        post.monitor.wake(at(post.now), None);
        post.beats(LINE, 401..=500);
        assert_eq!(post.told(), ["stalled"], "{detector}");
        assert_eq!(post.peer().state, State::Up);
        post.pass(20 * SECOND);
        assert_eq!(post.told(), ["down"], "{detector}");
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
        let mut post = Post::new(|plan| plan.detector = detector.parse().unwrap());
        for seq in 1..=300 {
            post.hear_from(FAR, &behind(seq, 0));
            post.pass(SECOND);
        }
        post.pass(600 * SECOND);
        post.told();
        for seq in 301..=310 {
            post.hear_from(FAR, &behind(seq, 600 * SECOND));
            post.pass(SECOND);
        }
        assert_eq!(post.peer().state, State::Up, "{detector}");
    }
}

#[test]
fn a_file_that_was_tampered_with_makes_no_second_self_and_no_wild_numbers() {
    let mut post = Post::new(|_| {});
    post.beats(LINE, 1..=5);
    let mut text = Monitor::save_title(at(post.now));
    post.monitor.save(0, 10, &mut text);
    let line = text.lines().nth(1).unwrap().to_owned();
    let mut back = Post::new(|_| {});
    back.monitor.restore(&format!("{text}{line}\n"), at(0)).unwrap();
    assert_eq!(back.monitor.clients(), 1);
    for (place, value) in [(3, "new"), (11, "9223372036854775807"), (11, "1")] {
        let mut fields: Vec<&str> = line.split('\t').collect();
        fields[place] = value;
        let text = format!("{}{}\n", Monitor::save_title(at(0)), fields.join("\t"));
        assert!(Post::new(|_| {}).monitor.restore(&text, at(0)).is_err(), "{value}");
    }
    // Any number that fits does no harm.
    for place in [4, 5, 10, 14, 15, 16, 17, 23] {
        for value in ["-9223372036854775808", "9223372036854775807", "18446744073709551615", "4294967295"] {
            let mut fields: Vec<&str> = line.split('\t').collect();
            fields[place] = value;
            let text = format!("{}{}\n", Monitor::save_title(at(0)), fields.join("\t"));
            let mut post = Post::new(|_| {});
            if post.monitor.restore(&text, at(0)).is_ok() {
                post.beats(LINE, 6..=12);
                let mut text = String::new();
                post.monitor.save(0, 10, &mut text);
                assert_eq!(post.peer().state, State::Up, "{value} at {place}");
            }
        }
    }
}

#[test]
fn a_client_is_sealed_as_long_as_there_are_keys() {
    let mut post = Post::new(|_| {});
    post.beats(LINE, 1..=5);
    let mut text = Monitor::save_title(at(post.now));
    post.monitor.save(0, 10, &mut text);
    // Keys from now on: whatever was believed without one is worth nothing.
    let mut back = Post::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    back.monitor.restore(&text, at(0)).unwrap();
    let sealed = Line { key: Some("ops"), session: 2, start: EPOCH - SECOND, ..LINE };
    back.beats(sealed, 1..=5);
    assert!(back.peer().sealed && back.peer().state == State::Up);
    // And no keys any more.
    let mut text = Monitor::save_title(at(back.now));
    back.monitor.save(0, 10, &mut text);
    let mut open = Post::new(|_| {});
    open.monitor.restore(&text, at(0)).unwrap();
    open.beats(Line { session: 3, ..LINE }, 1..=9);
    assert!(!open.peer().sealed && open.peer().state == State::Up);
}
