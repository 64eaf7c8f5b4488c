//! An attacker who hears everything, sends it again from anywhere, and has no key.

use super::*;
use crate::logic::codec::heartbeat::Unreadable;

/// What a key seals.
fn sealed(line: &str) -> Vec<u8> {
    let keys = Keys::read(KEYS).unwrap();
    let mut sealed = line.as_bytes().to_vec();
    keys.find(Some("ops")).unwrap().seal(0, &mut sealed);
    sealed
}

fn locked() -> Rig {
    locked_at(at(0))
}

fn locked_at(now: Moment) -> Rig {
    let mut rig = Rig::new(|_| {});
    let keys = Keys::read(KEYS).unwrap();
    let plan = MonitorPlan { keys, ..MonitorPlan::new("fixed:3".parse().unwrap()) };
    (rig.monitor, rig.now) = (Monitor::new(plan, now), now.mono);
    rig
}

/// All that is known of clients.
fn known(rig: &mut Rig) -> (String, Vec<PeerRow>, Vec<&'static str>) {
    let mut text = String::new();
    rig.monitor.save(0, 100, &mut text);
    (text, rig.monitor.peers(at(rig.now)).collect(), rig.kinds())
}

#[test]
fn what_cannot_be_told_from_its_replay_is_refused() {
    let mut rig = locked();
    rig.beats(Line { key: Some("ops"), ..LINE }, 1..=3);
    let up = known(&mut rig);
    assert_eq!(up.2, ["new", "up"]);
    let lines = [
        "Heartbeat 1700000009.5 id=web1 session=1",
        "Heartbeat id=web1 session=1",
        "Heartbeat 9 1700000009.5 id=web1",
        "Heartbeat 1700000009.5 id=web1",
        "Heartbeat id=web1",
        "Heartbeat 9 1700000009.5 session=1",
        "Heartbeat 9 1700000009.5",
        "Heartbeat",
    ];
    for (line, place) in lines.iter().zip(0..) {
        for again in 0..3 {
            rig.hear_from(&format!("198.51.100.{again}:{}", 1_000 + place), &sealed(line));
        }
    }
    assert_eq!(known(&mut rig), (up.0, up.1, vec![]));
    let counters = rig.monitor.counters();
    assert_eq!((counters.unreadable, counters.forged, counters.unsealed), (3 * lines.len() as u64, 0, 0));
    assert!(rig.monitor.unread().all(|unread| unread.reason == Unreadable::Replayable));
    // Without keys, a seal is only words.
    let mut open = Rig::new(|_| {});
    open.hear_from("192.0.2.1:5000", &sealed("Heartbeat 9 1700000009.5"));
    assert_eq!(open.monitor.clients(), 1);
}

#[test]
fn a_key_speaks_for_its_senders_alone() {
    let mut rig = Rig::new(|plan| {
        plan.keys = Keys::read("ops 0123456789abcdef db*\nold fedcba9876543210 web1,web2").unwrap();
    });
    rig.beats(Line { key: Some("old"), ..LINE }, 1..=3);
    let up = known(&mut rig);
    rig.hear(Line { key: Some("ops"), ..LINE.seq(4) });
    assert_eq!(known(&mut rig), (up.0, up.1, vec![]));
    assert_eq!(rig.monitor.unread().next().unwrap().reason, Unreadable::OtherSender);
    rig.hear(Line { key: Some("ops"), id: "db7", ..LINE });
    assert_eq!(rig.monitor.clients(), 2);
}

#[test]
fn a_wrong_seal_leaves_no_trace() {
    let mut rig = locked();
    rig.beats(Line { key: Some("ops"), ..LINE }, 1..=3);
    let up = known(&mut rig);
    let next = Line { key: Some("ops"), ..LINE.seq(4) }.write();
    let end = next.len() - 2 * crate::logic::codec::heartbeat::MAC;
    for place in end..next.len() {
        let mut changed = next.clone();
        changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
        rig.hear_from("198.51.100.1:1000", &changed);
    }
    assert_eq!(known(&mut rig), (up.0, up.1, vec![]));
    assert_eq!(rig.monitor.counters().forged, (next.len() - end) as u64);
    rig.hear_from("192.0.2.1:5000", &next);
    assert_eq!(rig.peer().seq, 4);
}

/// A monitor that was away for a minute, and takes up what another has left.
fn resumed(text: &str, now: Nanos) -> Rig {
    let mut rig = locked_at(at(now));
    rig.monitor.restore(text, at(now)).unwrap();
    rig.kinds();
    rig
}

/// What a monitor leaves that heard five heartbeats; the time is then 5 s.
fn left() -> String {
    let mut rig = locked();
    // A sender whose clock is an hour behind.
    rig.beats(Line { key: Some("ops"), start: EPOCH - 3_600 * SECOND, ..LINE }, 1..=5);
    let mut text = Monitor::save_title(at(rig.now));
    rig.monitor.save(0, 10, &mut text);
    text
}

#[test]
fn what_was_recorded_in_the_monitors_absence_is_stale() {
    let (text, now) = (left(), 60 * SECOND);
    let line = Line { key: Some("ops"), start: EPOCH - 3_600 * SECOND, ..LINE };
    let later = Line { session: 2, start: line.start + 20 * SECOND, ..line };
    for recorded in [line.seq(6), line.seq(50), later.seq(1), later.seq(30)] {
        let mut rig = resumed(&text, now);
        let first = rig.peer();
        for seq in recorded.seq..recorded.seq + 6 {
            rig.hear_from("198.51.100.1:1000", &recorded.seq(seq).write());
            rig.pass(SECOND);
        }
        assert_eq!((rig.kinds(), rig.monitor.counters().stale), (vec!["down"], 6));
        let row = rig.peer();
        assert_eq!((row.seq, row.address, row.counts, row.sessions), (5, first.address, first.counts, 1));
    }
    // The sender itself is heard, with the session that it had or another.
    for live in [line.seq(61), later.seq(41)] {
        let mut rig = resumed(&text, now);
        rig.beats(live, live.seq..=live.seq + 5);
        assert_eq!((rig.peer().state, rig.monitor.counters().stale), (State::Up, 0));
    }
}

#[test]
fn a_clock_that_is_set_silences_nobody_for_good() {
    let (text, now) = (left(), 60 * SECOND);
    let line = Line { key: Some("ops"), start: EPOCH - 3_600 * SECOND, ..LINE };
    // The wall clock of this machine was an hour ahead when the monitor began, and is then put right.
    let ahead = |now: Nanos| Moment { mono: now, wall: EPOCH + now + 3_600 * SECOND };
    let mut rig = locked_at(ahead(now));
    rig.monitor.restore(&text, ahead(now)).unwrap();
    rig.now = now + SECOND / 10;
    rig.monitor.wake(at(rig.now), None);
    rig.now = now + SECOND;
    rig.beats(line.seq(61), 61..=66);
    assert_eq!((rig.peer().state, rig.peer().seq), (State::Up, 66));
    // What the first versions wrote says nothing of the sender's clock.
    let old: Vec<&str> = text.trim_end().rsplitn(7, '\t').collect();
    let mut rig = resumed(&format!("{}\n", old[6]), now);
    rig.beats(line.seq(6), 6..=8);
    assert_eq!(rig.peer().seq, 8);
}

#[test]
fn a_clock_that_was_ahead_for_a_while_brings_no_old_session_back() {
    let mut rig = locked();
    let line = Line { key: Some("ops"), ..LINE };
    let ahead = Line { start: EPOCH + 100 * SECOND, ..line.seq(3) };
    rig.beats(line, 1..=2);
    rig.beats(ahead, 3..=3);
    rig.beats(line, 4..=5);
    // Its next session is not taken for newer until the clock has come so far.
    rig.beats(Line { session: 2, start: EPOCH + 5 * SECOND, ..line }, 1..=3);
    assert_eq!((rig.peer().session, rig.monitor.counters().stale), (Some(1), 3));
    for session in 2..=4 {
        rig.beats(Line { session, start: EPOCH + session.cast_signed() * 200 * SECOND, ..line }, 1..=3);
        assert_eq!(rig.peer().session, Some(session));
    }
    let before = known(&mut rig);
    rig.hear_from("198.51.100.1:1000", &ahead.write());
    assert_eq!(known(&mut rig), (before.0, before.1, vec![]));
}

#[test]
fn who_has_counted_boots_goes_on_to() {
    let mut rig = locked();
    let line = Line { key: Some("ops"), ..LINE };
    // Its clock is far ahead, and put right later: with boots it is let in.
    let ahead = Line { start: EPOCH + 1_000_000 * SECOND, ..line };
    rig.beats(ahead, 1..=3);
    for (session, boot) in [(2, 1), (3, 2), (4, 3)] {
        rig.beats(
            Line { session, boot: Some(boot), start: EPOCH + boot.cast_signed() * SECOND, ..line },
            1..=3,
        );
        assert_eq!(rig.peer().session, Some(session));
    }
    let before = known(&mut rig);
    rig.hear_from("198.51.100.1:1000", &ahead.seq(9).write());
    assert_eq!(known(&mut rig), (before.0, before.1, vec![]));
}

#[test]
fn sessions_begin_for_those_who_were_known_without_one() {
    let text = left().replacen("\t1\t-\t", "\t-\t-\t", 1);
    let line = Line { key: Some("ops"), ..LINE };
    let mut rig = resumed(&text, 60 * SECOND);
    // An older session is a replay, a newer one is not.
    rig.hear(Line { session: 7, start: EPOCH - 7_200 * SECOND, ..line.seq(7_000) });
    assert_eq!((rig.peer().seq, rig.monitor.counters().stale), (5, 1));
    rig.beats(Line { session: 2, start: EPOCH - 3_600 * SECOND + 59 * SECOND, ..line }, 1..=3);
    assert_eq!((rig.peer().session, rig.peer().seq, rig.peer().state), (Some(2), 3, State::Up));
}
