//! Runs of a sender: one after the other, and two at a time.

use super::*;

#[test]
fn what_was_recorded_and_is_replayed_revives_nobody() {
    let mut rig = Rig::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    let first = Line { key: Some("ops"), ..LINE };
    let second = Line { session: 2, start: EPOCH + 100 * SECOND, ..first };
    rig.beats(first, 1..=5);
    rig.beats(second, 1..=5);
    assert_eq!(rig.kinds(), ["new", "up", "restarted"]);
    rig.pass(10 * SECOND);
    assert_eq!(rig.kinds(), ["down"]);
    for line in [first, second] {
        (1..=5).for_each(|seq| rig.hear(line.seq(seq)));
    }
    assert_eq!((rig.kinds(), rig.peer().state), (vec![], State::Down));
    // A session that began before the one known, and was never heard here: it may be the sender, with another clock.
    rig.beats(Line { session: 3, start: EPOCH + 50 * SECOND, ..first }, 1..=5);
    assert_eq!((rig.kinds(), rig.peer().state), (vec!["older_session"], State::Down));
    assert_eq!((rig.monitor.counters().stale, rig.peer().counts.duplicates), (10, 5));
}

#[test]
fn a_device_without_a_clock_is_known_by_its_boot_number() {
    let mut rig = Rig::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    let first = Line { key: Some("ops"), boot: Some(7), start: 0, ..LINE };
    rig.beats(first, 1..=5);
    rig.beats(Line { session: 2, boot: Some(8), ..first }, 1..=5);
    assert_eq!(rig.kinds(), ["new", "up", "restarted"]);
    // The boot number counts, whatever the clock says.
    rig.beats(Line { session: 3, boot: Some(6), start: EPOCH, ..first }, 1..=5);
    assert_eq!(rig.monitor.counters().stale, 5);
}

#[test]
fn two_senders_of_one_name_are_found_out() {
    let mut rig = Rig::new(|_| {});
    let other = Line { session: 2, start: EPOCH + 2 * SECOND, ..LINE };
    rig.beats(LINE, 1..=3);
    for seq in 4..=9 {
        rig.hear(LINE.seq(seq));
        rig.hear(other.seq(seq - 3));
        rig.pass(SECOND);
    }
    assert_eq!(rig.kinds(), ["new", "up", "restarted", "duplicate_identity"]);
    assert_eq!(rig.peer().state, State::Up);
}

#[test]
fn two_senders_of_one_name_are_found_out_whichever_is_heard_first() {
    let mut rig = Rig::new(|_| {});
    let later = Line { session: 2, start: EPOCH + 2 * SECOND, ..LINE };
    for seq in 1..=9 {
        rig.hear(later.seq(seq));
        rig.hear(LINE.seq(seq));
        rig.pass(SECOND);
    }
    assert_eq!(rig.kinds(), ["new", "up", "duplicate_identity"]);
    let row = rig.peer();
    assert_eq!((row.state, row.session, row.counts.received), (State::Up, Some(2), 9));
    // One of them is stopped, and the other goes on.
    rig.hear(Line { bye: Some(0), ..later.seq(10) });
    rig.beats(LINE, 10..=20);
    assert_eq!(rig.kinds(), ["bye", "restarted", "up"]);
}

#[test]
fn what_an_older_session_left_on_the_way_is_no_second_sender() {
    let mut rig = Rig::new(|_| {});
    let (first, second) = (
        Line { session: 2, start: EPOCH + SECOND, ..LINE },
        Line { session: 3, start: EPOCH + 9 * SECOND, ..LINE },
    );
    rig.beats(first, 1..=5);
    rig.beats(second, 1..=3);
    // The last two of a session that was never heard, again and again; and the one before still is known.
    (0..3).for_each(|_| [7, 8].map(|seq| rig.hear(LINE.seq(seq))).into_iter().collect());
    assert_eq!(rig.kinds(), ["new", "up", "restarted"]);
    rig.hear(first.seq(9));
    assert_eq!(rig.kinds(), ["duplicate_identity"]);
}

#[test]
fn a_second_sender_of_a_name_that_came_and_went_does_not_silence_the_first() {
    // One datagram is enough, and no boot number or date is higher.
    let intruder = Line { session: 2, start: 4_000_000_000 * SECOND, ..LINE };
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=10);
    rig.hear(intruder);
    rig.beats(LINE, 11..=30);
    assert_eq!(rig.peer().state, State::Up);
    // A second one that was started by mistake, and stopped.
    rig.kinds();
    let second = Line { session: 3, start: 5_000_000_000 * SECOND, ..LINE };
    for seq in 31..=40 {
        rig.hear(LINE.seq(seq));
        rig.hear(Line { bye: (seq == 40).then_some(0), ..second.seq(seq - 30) });
        rig.pass(SECOND);
    }
    assert_eq!(rig.peer().state, State::Bye);
    rig.beats(LINE, 41..=50);
    assert_eq!((rig.peer().state, rig.peer().seq), (State::Up, 50));
}

#[test]
fn a_name_that_could_be_taken_for_something_else_is_shown_in_quotes() {
    let odd =
        ["@/etc/passwd", "-o", "--help", "/etc/x", "../x", "a/../../x", ".", "+1", ":5", "192.0.2.1:5000"];
    let plain = ["web1", "_x", "7", "a..b", "a/b", "192.0.2.1", "a@b:1"];
    for (names, is_odd) in [(&odd[..], true), (&plain[..], false)] {
        for name in names {
            let mut rig = Rig::new(|_| {});
            rig.beats(Line { id: name, ..LINE }, 1..=3);
            let shown = if is_odd { format!("\"{name}\"") } else { (*name).to_owned() };
            assert_eq!(&*rig.peer().client, shown);
            let events: Vec<Event> = rig.monitor.events().collect();
            assert!(events.iter().all(|event| event.client.as_deref() == Some(&*shown)));
            assert!(events[0].to_string().starts_with(&shown));
            // It is found again by its own name.
            let mut text = Monitor::save_title(at(rig.now));
            rig.monitor.save(0, 10, &mut text);
            let mut back = Rig::new(|_| {});
            back.monitor.restore(&text, at(0)).unwrap();
            back.beats(Line { id: name, ..LINE }, 4..=6);
            assert_eq!((&*back.peer().client, back.peer().seq), (&*shown, 6));
        }
    }
}

#[test]
fn sealed_clients_that_stopped_make_room_after_a_day() {
    let change = |plan: &mut MonitorPlan| {
        (plan.keys, plan.max_clients, plan.idle) = (Keys::read(KEYS).unwrap(), 1, 0);
    };
    let mut rig = Rig::new(change);
    let sealed = Line { key: Some("ops"), ..LINE };
    rig.beats(sealed, 1..=5);
    let other = Line { id: "web2", session: 2, ..sealed };
    rig.pass(3_600 * SECOND);
    rig.beats(other, 1..=2);
    assert_eq!((rig.kinds(), rig.monitor.counters().refused), (vec!["new", "up", "down", "full"], 2));
    rig.now += 86_400 * SECOND;
    rig.monitor.rested(at(rig.now));
    rig.beats(other, 3..=4);
    let events: Vec<Event> = rig.monitor.events().filter(Event::is_notable).collect();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["forgotten", "new", "up"]);
    assert_eq!(events[0].to_string(), "web1 is forgotten, to make room for another client");
}

#[test]
fn a_sealed_sender_whose_clock_was_put_back_is_refused_and_that_is_said_once() {
    let mut rig = Rig::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    let sealed = Line { key: Some("ops"), ..LINE };
    rig.beats(sealed, 1..=5);
    rig.pass(10 * SECOND);
    rig.kinds();
    let back = Line { session: 2, start: EPOCH - 86_400 * SECOND, ..sealed };
    rig.beats(back, 1..=30);
    assert_eq!((rig.kinds(), rig.peer().state), (vec!["older_session"], State::Down));
    assert_eq!(rig.monitor.counters().stale, 30);
    // While it is up, a replay is only counted.
    rig.beats(Line { session: 3, start: EPOCH + 50 * SECOND, ..sealed }, 1..=5);
    rig.hear(back.seq(31));
    assert_eq!(rig.kinds(), ["restarted", "up"]);
}

#[test]
fn a_sender_with_two_ways_does_not_move_with_each_heartbeat() {
    let mut rig = Rig::new(|_| {});
    for seq in 1..=100 {
        rig.hear_from(
            ["192.0.2.1:5000", "198.51.100.1:5000"][usize::try_from(seq % 2).unwrap()],
            &LINE.seq(seq).write(),
        );
        rig.pass(SECOND);
    }
    assert_eq!(rig.kinds(), ["new", "address_changed", "up"]);
    // A third address is one more move.
    rig.hear_from("203.0.113.1:5000", &LINE.seq(101).write());
    assert_eq!(rig.kinds(), ["address_changed"]);
}

#[test]
fn how_long_a_detector_still_learns_is_known() {
    for (detector, lessons) in
        [("fixed:3", 0), ("chen:2s", 0), ("phi:8", 100), ("phi:8,window=50", 50), ("calibrated", 1_000)]
    {
        let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
        rig.beats(LINE, 1..=2);
        assert_eq!(rig.peer().to_learn, Some(lessons), "{detector}");
        rig.beats(LINE, 3..=25);
        let left = rig.peer().to_learn.unwrap();
        assert!(
            (lessons.saturating_sub(30)..=lessons.saturating_sub(20)).contains(&left),
            "{detector}: {left}"
        );
        let early = rig.peer().patience;
        rig.beats(LINE, 26..=1_002);
        assert_eq!(rig.peer().to_learn, Some(0), "{detector}");
        assert!(detector != "calibrated" || rig.peer().patience < early);
        rig.pass(100 * SECOND);
        assert_eq!((rig.peer().state, rig.peer().to_learn), (State::Down, None));
    }
}
