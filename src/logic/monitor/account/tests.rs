//! Numbers by hand; [`model`] has those against one that remembers every one.

mod model;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::ledger::Gap;
use super::*;

const MS: Nanos = SECOND / 1_000;

/// An account that began with 1, and what was reported.
struct Tracker {
    account: Account,
    now: Nanos,
    runs: Vec<(u64, u64)>,
}

impl Tracker {
    fn new() -> Self {
        Self { account: Account::new(1), now: 0, runs: Vec::new() }
    }

    /// The next number, a second after the one before.
    fn hear(&mut self, seq: u64) -> Heard {
        self.after(SECOND, seq)
    }

    fn after(&mut self, wait: Nanos, seq: u64) -> Heard {
        self.now += wait;
        let heard = self.account.hear(seq, self.now, || 0);
        self.settle(self.now);
        heard
    }

    fn settle(&mut self, now: Nanos) {
        self.account.settle(now, SECOND, |first, last| self.runs.push((first, last)));
    }

    fn counts(&self) -> Counts {
        self.account.counts()
    }
}

fn fresh(gap: u64) -> Heard {
    Heard::Fresh { gap }
}

#[test]
fn without_losses_there_is_nothing_to_settle() {
    let mut tracker = Tracker::new();
    for seq in 2..=5_000 {
        assert_eq!(tracker.hear(seq), fresh(0));
    }
    assert_eq!(tracker.counts(), Counts { received: 5_000, ..Counts::default() });
    assert_eq!(tracker.account.next_settle(SECOND), None);
}

#[test]
fn a_gap_is_held_for_a_second_and_three_later_ones() {
    let mut tracker = Tracker::new();
    assert_eq!(tracker.hear(4), fresh(2));
    assert_eq!((tracker.counts().pending, tracker.counts().lost), (2, 0));
    tracker.hear(5);
    assert_eq!(tracker.counts().lost, 0, "two later ones");
    tracker.hear(6);
    assert_eq!((tracker.counts().pending, tracker.counts().lost), (0, 2));
    assert_eq!(tracker.runs, [(2, 3)]);

    // Ten a millisecond later are no reason to hurry.
    assert_eq!(tracker.hear(8), fresh(1));
    for seq in 9..19 {
        tracker.after(MS, seq);
    }
    assert_eq!(tracker.counts().pending, 1);
    assert_eq!(tracker.account.next_settle(SECOND), Some(tracker.now - 10 * MS + HOLD));
    tracker.settle(tracker.now - 10 * MS + HOLD - 1);
    assert_eq!(tracker.counts().pending, 1);
    tracker.settle(tracker.now - 10 * MS + HOLD);
    assert_eq!(
        (tracker.counts().pending, tracker.counts().lost, tracker.account.next_settle(SECOND)),
        (0, 3, None)
    );
}

#[test]
fn before_silence_a_gap_is_held_as_long_as_three_more_would_take() {
    let mut tracker = Tracker::new();
    tracker.hear(3);
    let due = tracker.now + HOLD + 3 * SECOND;
    assert_eq!(tracker.account.next_settle(SECOND), Some(due));
    tracker.settle(due - 1);
    assert_eq!(tracker.runs, []);
    tracker.settle(due);
    assert_eq!((tracker.runs.as_slice(), tracker.account.next_settle(SECOND)), ([(2, 2)].as_slice(), None));
}

#[test]
fn one_that_was_overtaken_is_never_lost() {
    let mut tracker = Tracker::new();
    tracker.hear(3);
    assert_eq!(tracker.after(100 * MS, 2), Heard::Late { took_back: false });
    assert_eq!(tracker.account.next_settle(SECOND), None);
    assert_eq!(tracker.hear(4), fresh(0));
    assert_eq!(tracker.counts(), Counts { received: 4, reordered: 1, ..Counts::default() });
}

#[test]
fn a_loss_is_taken_back_by_a_late_one() {
    let mut tracker = Tracker::new();
    for seq in [7, 8, 9, 11, 12, 13, 14] {
        tracker.hear(seq);
    }
    assert_eq!(tracker.runs, [(2, 6), (10, 10)]);
    let steps = [
        (4, 5, 3, "breaks a run in two"),
        (2, 4, 3, "shortens it at the front"),
        (6, 3, 3, "and at the end"),
        (5, 2, 2, "takes it away"),
        (10, 1, 1, "and a lone one"),
        (3, 0, 0, "until none is left"),
    ];
    for (seq, lost, runs, what) in steps {
        assert_eq!(tracker.hear(seq), Heard::Late { took_back: true });
        assert_eq!((tracker.counts().lost, tracker.counts().runs), (lost, runs), "{what}");
    }
    let counts =
        Counts { received: 14, reordered: 6, taken_back: 6, longest_run: 5, runs: 0, ..Counts::default() };
    assert_eq!(tracker.counts(), counts);
}

#[test]
fn repeated_numbers_and_old_ones_are_counted_apart() {
    let mut tracker = Tracker::new();
    for seq in 2..=2_000 {
        tracker.hear(seq);
    }
    assert_eq!(tracker.hear(2_000), Heard::Duplicate);
    assert_eq!(tracker.hear(977), Heard::Duplicate);
    assert_eq!(tracker.hear(976), Heard::Old);
    assert_eq!(tracker.counts(), Counts { received: 2_000, duplicates: 2, old: 1, ..Counts::default() });

    let mut begun = Account::new(10);
    assert_eq!(begun.hear(9, 0, || 0), Heard::Old, "from before the first");
}

#[test]
fn a_gap_as_wide_as_the_window_is_lost_at_once_and_in_one_run() {
    let mut tracker = Tracker::new();
    assert_eq!(tracker.hear(3_001), fresh(2_999));
    assert_eq!((tracker.runs.as_slice(), tracker.counts().pending), ([(2, 3_000)].as_slice(), 0));
    assert_eq!(
        (tracker.counts().lost, tracker.counts().runs, tracker.counts().longest_run),
        (2_999, 1, 2_999)
    );
    // The lowest of the window touches what is lost for ever below it.
    assert_eq!(tracker.hear(1_978), Heard::Late { took_back: true });
    assert_eq!(tracker.counts().runs, 2);
    assert_eq!(tracker.hear(1_980), Heard::Late { took_back: true });
    assert_eq!((tracker.counts().runs, tracker.counts().lost), (3, 2_997));
    assert_eq!(tracker.hear(1_977), Heard::Old);
}

#[test]
fn what_leaves_the_window_is_lost_before_its_time() {
    let mut tracker = Tracker::new();
    tracker.after(MS, 3);
    tracker.after(MS, 2_000 - WINDOW);
    assert_eq!(tracker.counts().lost, 0);
    tracker.after(MS, 2_002 - WINDOW + 1_000);
    assert_eq!(tracker.runs, [(2, 2), (4, 1_954 - WINDOW + 24)]);
    assert_eq!((tracker.counts().lost, tracker.counts().runs), (tracker.runs[1].1 - 2, 2));
    tracker.settle(10 * SECOND);
    // The rest of that run is reported apart, but it is one.
    assert_eq!(tracker.runs[2..], [(tracker.runs[1].1 + 1, 1_999 - WINDOW), (2_001 - WINDOW, 1_977)]);
    assert_eq!(tracker.counts().runs, 3);
    assert_eq!(tracker.counts().sent(), 1_978);
}

#[test]
fn a_jump_is_no_loss() {
    let mut tracker = Tracker::new();
    assert_eq!(tracker.hear(JUMP + 1), fresh(JUMP - 1));
    tracker.hear(JUMP + 3);
    assert_eq!(tracker.hear(2 * JUMP + 4), Heard::Jump);
    assert_eq!(tracker.runs, [(2, JUMP), (JUMP + 2, JUMP + 2)], "what was held is not");
    assert_eq!(tracker.hear(2 * JUMP + 3), Heard::Old, "skipped by the jump");
    assert_eq!(tracker.hear(u64::MAX), Heard::Jump);
    assert_eq!(tracker.hear(u64::MAX), Heard::Duplicate);
    assert_eq!(tracker.hear(0), Heard::Old);
    let counts = tracker.counts();
    assert_eq!((counts.received, counts.lost, counts.jumps, counts.pending), (5, JUMP, 2, 0));
}

#[test]
fn the_highest_number_there_is_can_be_reached() {
    let mut account = Account::new(u64::MAX - 3);
    assert_eq!(account.hear(u64::MAX - 1, Nanos::MAX, || 0), fresh(1));
    assert_eq!(account.hear(u64::MAX, Nanos::MIN, || 0), fresh(0));
    assert_eq!(account.next_settle(Nanos::MAX), Some(Nanos::MAX));
    account.settle(Nanos::MAX, Nanos::MIN, |first, last| {
        assert_eq!((first, last), (u64::MAX - 2, u64::MAX - 2));
    });
    assert_eq!(account.hear(u64::MAX - 2, 0, || 0), Heard::Late { took_back: true });
    assert_eq!(account.counts().sent(), 4);
}

#[test]
fn a_session_that_is_closed_holds_nothing() {
    let mut account = Account::new(1);
    account.hear(4, 0, || 0);
    let mut runs = Vec::new();
    let mut sum = account.close(|first, last| runs.push((first, last)));
    assert_eq!((sum.lost, sum.pending, runs), (2, 0, vec![(2, 3)]));
    sum += Counts { longest_run: 9, received: u64::MAX, runs: 1, ..Counts::default() };
    assert_eq!((sum.longest_run, sum.received, sum.runs, sum.lost), (9, u64::MAX, 2, 2));
}

#[test]
fn numbers_without_a_loss_are_counted_however_many() {
    let last = u64::from(u32::MAX);
    let mut account = Account(Repr::Unbroken { first: 7, more: u32::MAX - 1 });
    for more in last - 1..last + 3 {
        assert_eq!(account.counts(), Counts { received: more + 1, ..Counts::default() });
        assert_eq!(account.hear(7 + more + 1, 0, || 1), fresh(0));
    }
    assert_eq!(account.hear(7 + last, 0, || 1), Heard::Duplicate);
}

#[test]
fn memory_is_as_stated() {
    assert!(size_of::<Account>() <= 16, "{}", size_of::<Account>());
    assert!(size_of::<Ledger>() <= 312, "{}", size_of::<Ledger>());
    let mut account = Account::new(0);
    // Every other number is lost, for long, and nobody asks.
    for seq in (0..100_000).step_by(2) {
        account.hear(seq, 0, || 0);
    }
    assert!(account.ledger().gaps.capacity() * size_of::<Gap>() <= 512);
    assert!(account.ledger().unreported.capacity() * size_of::<(u64, u64)>() <= 1_024);
    assert_eq!(account.next_settle(SECOND), Some(0));
    account.settle(HOLD + 3 * SECOND, SECOND, |_, _| ());
    assert_eq!((account.counts().lost, account.counts().runs, account.counts().pending), (49_999, 49_999, 0));
}

proptest! {
    /// Whatever comes, and whenever: the equation holds, and what is reported is what was lost.
    #[test]
    fn nothing_that_comes_hurts(
        steps in prop::collection::vec((any::<u64>(), 0_u64..3_000, 0_u8..20, any::<i64>(), any::<i64>()), 1..200)
    ) {
        let mut account = Account::new(steps[0].0);
        let mut lost = BTreeSet::new();
        for (wild, near, kind, at, interval) in steps {
            let highest = account.clone().ledger().highest;
            let seq = match kind {
                0 => wild,
                1 => u64::MAX - near,
                2..10 => highest.saturating_sub(near),
                _ => highest.saturating_add(near),
            };
            account.hear(seq, at, || 0);
            account.settle(at, interval, |first, last| {
                assert!(first <= last && lost.insert(first), "{first}..={last}");
            });
            let counts = account.counts();
            let mut account = account.clone();
            let ledger = account.ledger();
            let held = (ledger.floor()..=ledger.highest).filter(|seq| *seq >= ledger.decided && !ledger.has(*seq));
            prop_assert_eq!(held.count() as u64, counts.pending);
            prop_assert!(counts.longest_run <= counts.lost + counts.taken_back && counts.runs <= counts.lost);
            prop_assert_eq!(counts.pending == 0, ledger.gaps.is_empty());
        }
    }
}
