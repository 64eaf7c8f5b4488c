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
fn a_second_sender_of_a_name_that_came_and_went_does_not_silence_the_first() {
    // One datagram is enough, and no boot number or date is higher.
    let intruder = Line { session: 2, start: 4_000_000_000 * SECOND, ..LINE };
    let mut post = Post::new(|_| {});
    post.beats(LINE, 1..=10);
    post.hear(intruder);
    post.beats(LINE, 11..=30);
    assert_eq!(post.peer().state, State::Up);
    // A second one that was started by mistake, and stopped.
    post.told();
    let second = Line { session: 3, start: 5_000_000_000 * SECOND, ..LINE };
    for seq in 31..=40 {
        post.hear(LINE.seq(seq));
        post.hear(Line { bye: (seq == 40).then_some(0), ..second.seq(seq - 30) });
        post.pass(SECOND);
    }
    assert_eq!(post.peer().state, State::Bye);
    post.beats(LINE, 41..=50);
    assert_eq!((post.peer().state, post.peer().seq), (State::Up, 50));
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
