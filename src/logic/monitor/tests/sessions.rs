//! Runs of a sender: one after the other, and two at a time.

use super::*;

#[test]
fn what_was_recorded_and_is_replayed_revives_nobody() {
    let mut post = Post::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    let first = Line { key: Some("ops"), ..LINE };
    let second = Line { session: 2, start: EPOCH + 100 * SECOND, ..first };
    post.beats(first, 1..=5);
    post.beats(second, 1..=5);
    assert_eq!(post.told(), ["new", "up", "restarted"]);
    post.pass(10 * SECOND);
    assert_eq!(post.told(), ["down"]);
    for line in [first, second] {
        (1..=5).for_each(|seq| post.hear(line.seq(seq)));
    }
    // A session that began before the one known, and was never heard here.
    post.beats(Line { session: 3, start: EPOCH + 50 * SECOND, ..first }, 1..=5);
    assert_eq!((post.told(), post.peer().state), (vec![], State::Down));
    assert_eq!((post.monitor.counters().stale, post.peer().counts.duplicates), (10, 5));
}

#[test]
fn a_device_without_a_clock_is_known_by_its_boot_number() {
    let mut post = Post::new(|plan| plan.keys = Keys::read(KEYS).unwrap());
    let first = Line { key: Some("ops"), boot: Some(7), start: 0, ..LINE };
    post.beats(first, 1..=5);
    post.beats(Line { session: 2, boot: Some(8), ..first }, 1..=5);
    assert_eq!(post.told(), ["new", "up", "restarted"]);
    // The boot number counts, whatever the clock says.
    post.beats(Line { session: 3, boot: Some(6), start: EPOCH, ..first }, 1..=5);
    assert_eq!(post.monitor.counters().stale, 5);
}

#[test]
fn two_senders_of_one_name_are_found_out() {
    let mut post = Post::new(|_| {});
    let other = Line { session: 2, start: EPOCH + 2 * SECOND, ..LINE };
    post.beats(LINE, 1..=3);
    for seq in 4..=9 {
        post.hear(LINE.seq(seq));
        post.hear(other.seq(seq - 3));
        post.pass(SECOND);
    }
    assert_eq!(post.told(), ["new", "up", "restarted", "duplicate_identity"]);
    assert_eq!(post.peer().state, State::Up);
}

#[test]
fn two_senders_of_one_name_are_found_out_whichever_is_heard_first() {
    let mut post = Post::new(|_| {});
    let later = Line { session: 2, start: EPOCH + 2 * SECOND, ..LINE };
    for seq in 1..=9 {
        post.hear(later.seq(seq));
        post.hear(LINE.seq(seq));
        post.pass(SECOND);
    }
    assert_eq!(post.told(), ["new", "up", "duplicate_identity"]);
    let row = post.peer();
    assert_eq!((row.state, row.session, row.counts.received), (State::Up, Some(2), 9));
    // One of them is stopped, and the other goes on.
    post.hear(Line { bye: Some(0), ..later.seq(10) });
    post.beats(LINE, 10..=20);
    assert_eq!(post.told(), ["bye", "restarted", "up"]);
}

#[test]
fn what_an_older_session_left_on_the_way_is_no_second_sender() {
    let mut post = Post::new(|_| {});
    let (first, second) = (
        Line { session: 2, start: EPOCH + SECOND, ..LINE },
        Line { session: 3, start: EPOCH + 9 * SECOND, ..LINE },
    );
    post.beats(first, 1..=5);
    post.beats(second, 1..=3);
    // The last two of a session that was never heard, again and again; and the one before still is known.
    (0..3).for_each(|_| [7, 8].map(|seq| post.hear(LINE.seq(seq))).into_iter().collect());
    assert_eq!(post.told(), ["new", "up", "restarted"]);
    post.hear(first.seq(9));
    assert_eq!(post.told(), ["duplicate_identity"]);
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
