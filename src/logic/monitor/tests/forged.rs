//! Forged numbers of an unsealed client: its real sender is heard, and its counts are its own.

use super::*;

/// A heartbeat as a stranger writes it who has seen one of the real sender.
fn forge(rig: &mut Rig, seq: u64, more: &str) {
    rig.hear_from("192.0.2.1:5000", format!("Heartbeat {seq} 0 id=web1 session=1 {more}").as_bytes());
}

#[test]
fn a_forged_number_ahead_does_not_silence_the_real_sender() {
    for ahead in [2, 10, 500, 1_000, 1_023, 1_024, 5_000, 9_999, 10_001, 1 << 40] {
        for (more, told) in [("interval=1", &[][..]), ("interval=86400", &[]), ("bye=0", &["bye", "up"])] {
            let mut rig = Rig::new(|_| {});
            rig.beats(LINE, 1..=100);
            forge(&mut rig, 100 + ahead, more);
            rig.beats(LINE, 101..=140);
            let row = rig.peer();
            let case = format!("{ahead} ahead, {more}");
            assert_eq!((row.state, row.seq), (State::Up, 140), "{case}");
            let kinds: Vec<_> = rig.kinds().into_iter().filter(|kind| *kind != "jumped").collect();
            assert_eq!(kinds, [&["new", "up"], told].concat(), "{case}");
            // Of the real sender the first are not counted, and none is lost.
            assert_eq!((row.counts.lost, row.counts.jumps, row.overdue), (0, 0, 0), "{case}");
            let first = if told.is_empty() { 138 } else { 135 };
            assert!((first..=141).contains(&row.counts.received), "{case}: {:?}", row.counts);
        }
    }
}

#[test]
fn the_real_sender_is_heard_as_soon_as_the_forger_stops() {
    // Each second both send, and the forger is ahead by so many.
    for ahead in [10, 500, 5_000, 20_000] {
        let mut rig = Rig::new(|_| {});
        rig.beats(LINE, 1..=100);
        for seq in 101..=200 {
            forge(&mut rig, seq + ahead, "interval=1");
            rig.hear(LINE.seq(seq));
            rig.pass(SECOND);
        }
        assert_eq!(rig.peer().state, State::Up, "{ahead}");
        rig.beats(LINE, 201..=240);
        let row = rig.peer();
        assert_eq!((row.state, row.seq, row.overdue), (State::Up, 240, 0), "{ahead}");
        assert!(!rig.kinds().contains(&"down"), "{ahead}");
        assert!(row.counts.lost <= 100, "{ahead}: {:?}", row.counts);
    }
}

#[test]
fn a_forger_who_goes_on_alone_is_the_sender() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=100);
    rig.beats(LINE, 601..=700);
    let row = rig.peer();
    assert_eq!((row.state, row.counts.received, row.counts.lost), (State::Up, 200, 500));
}

#[test]
fn copies_that_come_late_do_not_revive_a_dead_sender() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=100);
    rig.pass(10 * SECOND);
    assert_eq!(rig.kinds(), ["new", "up", "down"]);
    // A network that delivers twice may be behind by less than the time to detect.
    rig.beats(LINE, 96..=99);
    rig.pass(10 * SECOND);
    assert_eq!((rig.kinds(), rig.peer().state), (vec![], State::Down));
}

#[test]
fn a_number_that_was_overtaken_by_far_is_only_late() {
    let mut rig = Rig::new(|_| {});
    rig.beats(LINE, 1..=100);
    // A burst on a slow way comes after the next, in order, and then the rest goes on.
    rig.hear(LINE.seq(106));
    (101..=105).for_each(|seq| rig.hear(LINE.seq(seq)));
    rig.pass(SECOND);
    rig.beats(LINE, 107..=120);
    let counts = rig.peer().counts;
    assert_eq!((counts.received, counts.lost, counts.reordered), (120, 0, 5));
}
