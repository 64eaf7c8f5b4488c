//! Paths in virtual time: what is said of each way is never wrong.

use super::*;
use crate::logic::record::{LostOn, NONE};
use crate::logic::stats::Columns;
use proptest::prelude::*;

/// The rows of a run.
#[derive(Debug, Default)]
struct Rows {
    rtt: Vec<i64>,
    copies: Vec<u32>,
    server_sent: Vec<i64>,
    server_seq: Vec<i64>,
}

impl Rows {
    /// Pings that got these numbers, each from a server whose clock shows the number of the row.
    fn of(numbers: &[Option<i64>]) -> Self {
        let mut rows = Self::default();
        for (at, number) in numbers.iter().enumerate() {
            rows.push(number.map(|number| (number, i64::try_from(at).expect("few"))), 1);
        }
        rows
    }

    fn push(&mut self, reply: Option<(i64, i64)>, copies: u32) {
        self.rtt.push(reply.map_or(NONE, |_| 1));
        self.copies.push(reply.map_or(0, |_| copies));
        self.server_seq.push(reply.map_or(NONE, |(number, _)| number));
        self.server_sent.push(reply.map_or(NONE, |(_, sent)| sent));
    }

    fn sample(&self) -> Sample<'_> {
        let columns = Columns {
            rtt: &self.rtt,
            copies: Some(&self.copies),
            server_sent: Some(&self.server_sent),
            server_seq: Some(&self.server_seq),
            ..Columns::default()
        };
        Sample::new(columns).expect("columns that fit")
    }

    fn found(&self, counter: Counter) -> Direction {
        direction(&[self.sample()], counter).expect("numbers of a server")
    }

    fn each(&self, counter: Counter) -> Vec<Option<LostOn>> {
        each(&self.sample(), counter).expect("numbers of a server")
    }
}

/// Up, down, unknown, restarts.
fn of(numbers: &[Option<i64>]) -> (u64, u64, u64, u64) {
    let found = Rows::of(numbers).found(Counter::Own);
    (found.up, found.down, found.unknown(), found.restarts)
}

#[test]
fn a_missing_number_is_a_reply_that_was_lost() {
    assert_eq!(of(&[Some(0), None, Some(1)]), (1, 0, 0, 0));
    assert_eq!(of(&[Some(0), None, Some(2)]), (0, 1, 0, 0));
    assert_eq!(of(&[Some(0), None, None, None, Some(2)]), (2, 1, 0, 0));
}

#[test]
fn nobody_knows_the_ways_at_the_ends_and_at_a_restart() {
    assert_eq!(of(&[Some(0), Some(1), None, None]), (0, 0, 2, 0));
    // A counter from 0 has sent none before 0, and one before 1; of three losses, two were on the way up.
    assert_eq!(of(&[None, Some(0)]), (1, 0, 0, 0));
    assert_eq!(of(&[None, None, None, Some(1)]), (2, 0, 1, 0));
    assert_eq!(of(&[None, Some(7_000)]), (0, 0, 1, 0));
    assert_eq!(of(&[Some(0), Some(1), None, Some(0), None, Some(2)]), (0, 1, 1, 1));
    assert_eq!(of(&[None, None]), (0, 0, 2, 0));
    assert_eq!(of(&[]), (0, 0, 0, 0));
}

#[test]
fn where_all_pings_between_two_replies_share_a_way_each_is_known() {
    let (up, down, unknown) = (Some(LostOn::Up), Some(LostOn::Down), Some(LostOn::Unknown));
    let numbers = [None, Some(0), None, None, Some(1), None, Some(3), None, None, Some(5), None];
    let ways = [up, None, up, up, None, down, None, unknown, unknown, None, unknown];
    assert_eq!(Rows::of(&numbers).each(Counter::Own), ways);
    assert_eq!(Rows::of(&[None, Some(1)]).each(Counter::Own), [unknown, None]);
    let restarted = [Some(0), Some(1), None, Some(0), None, Some(1)];
    assert_eq!(Rows::of(&restarted).each(Counter::Own), [None, None, unknown, None, up, None]);
    // A copy of a ping has a number, too; and where one has overtaken another, the gap is not where the ping was.
    let mut copied = Rows::of(&[Some(0), None, Some(2), None, Some(3)]);
    copied.copies[0] = 2;
    assert_eq!(copied.each(Counter::Own), [None, unknown, None, up, None]);
    assert_eq!(Rows::of(&[Some(1), None, Some(0), None, Some(2)]).each(Counter::Own)[1], unknown);
    let stateless = Rows::of(&[Some(0), None, Some(2)]);
    assert_eq!(stateless.each(Counter::OwnOrCopied), [None, unknown, None]);
    assert_eq!(stateless.each(Counter::Own), [None, down, None]);
}

#[test]
fn a_counter_wraps_around() {
    let last = i64::from(u32::MAX);
    assert_eq!(of(&[Some(last - 1), None, Some(0), None, Some(1)]), (1, 1, 0, 0));
}

#[test]
fn a_stateless_server_says_nothing() {
    let rows = Rows::of(&[Some(0), None, Some(2), None]);
    let (may, does) = (rows.found(Counter::OwnOrCopied), rows.found(Counter::Own));
    assert_eq!((may.up, may.down, may.unknown()), (0, 0, 2));
    assert_eq!((does.up, does.down, does.unknown()), (0, 1, 1));
    let counted = Rows::of(&[Some(0), None, Some(2), None, Some(3)]).found(Counter::OwnOrCopied);
    assert_eq!((counted.up, counted.down, counted.unknown()), (1, 1, 0));
}

#[test]
fn a_ping_with_two_replies_may_have_had_any_missing_number() {
    let mut rows = Rows::of(&[Some(0), None, None, Some(2)]);
    rows.copies[0] = 2;
    let found = rows.found(Counter::Own);
    assert_eq!((found.up, found.down, found.unknown()), (1, 0, 1));
}

#[test]
fn more_missing_numbers_than_losses_are_of_copies() {
    let found = Rows::of(&[Some(0), None, Some(3), Some(4)]).found(Counter::Own);
    assert_eq!((found.up, found.down, found.unknown()), (0, 0, 1));
}

#[test]
fn a_table_without_some_pings_says_less() {
    let rows = Rows::of(&[Some(0), None, Some(2)]);
    let columns = Columns {
        rtt: &rows.rtt,
        seq: Some(&[1, 2, 4]),
        copies: Some(&rows.copies),
        server_sent: Some(&rows.server_sent),
        server_seq: Some(&rows.server_seq),
        ..Columns::default()
    };
    let sample = Sample::new(columns).expect("columns that fit");
    let found = direction(&[sample], Counter::Own).expect("numbers of a server");
    assert_eq!((found.up, found.down, found.unknown()), (0, 0, 1));
    for (without, what) in [
        (Columns { copies: None, ..columns }, "copies"),
        (Columns { server_seq: None, ..columns }, "server_seq"),
        (Columns { server_sent: None, ..columns }, "server_sent_ns"),
    ] {
        let sample = Sample::new(without).expect("columns that fit");
        let error = direction(&[sample], Counter::Own).expect_err("a column is missing");
        assert!(error.to_string().contains(what), "{error}");
    }
}

/// One ping on its way: its copies, each with the delay up if it arrives, and the delays of its replies that come.
#[derive(Debug, Clone)]
struct Way {
    copies: Vec<(Option<i64>, Vec<Option<i64>>)>,
}

/// Shares of 100.
#[derive(Debug, Clone)]
struct Path {
    up: u32,
    down: u32,
    twice_up: u32,
    twice_down: u32,
    /// The most pings that one is overtaken by.
    reach: i64,
}

fn path() -> impl Strategy<Value = Path> {
    let share = || prop_oneof![Just(0_u32), 1..60_u32];
    (share(), share(), share(), share(), prop_oneof![Just(0_i64), 1..60_i64])
        .prop_map(|(up, down, twice_up, twice_down, reach)| Path { up, down, twice_up, twice_down, reach })
}

fn run() -> impl Strategy<Value = (Path, Vec<Way>)> {
    path().prop_flat_map(|path| {
        let arrives = |lost: u32, reach: i64| {
            (0..100_u32, 0..=reach * 10).prop_map(move |(chance, delay)| (chance >= lost).then_some(delay))
        };
        let replies = (arrives(path.down, 600), arrives(path.down, 600), 0..100_u32);
        let replies = replies.prop_map({
            let twice = path.twice_down;
            // The network copies what has not been lost before.
            move |(one, two, chance)| if chance < twice { vec![one, two] } else { vec![one] }
        });
        let copy = (arrives(path.up, path.reach), replies);
        let twice = path.twice_up;
        let way = (copy.clone(), copy, 0..100_u32).prop_map(move |(one, two, chance)| Way {
            copies: if chance < twice { vec![one, two] } else { vec![one] },
        });
        (Just(path), proptest::collection::vec(way, 1..150))
    })
}

/// What came of a run.
struct Truth {
    rows: Rows,
    up: u64,
    down: u64,
    /// On which way each was lost.
    ways: Vec<Option<LostOn>>,
    /// Pings without a reply after the last one that has one, and as many before the first as its number says at most.
    ends: u64,
}

/// A run with a ping every 10 units of time; the server begins at `start`, and anew with ping `restart`.
fn truth(ways: &[Way], start: i64, restart: Option<usize>) -> Truth {
    let mut arrivals: Vec<(i64, usize, usize)> = Vec::new();
    for (at, way) in ways.iter().enumerate() {
        let sent = 10 * i64::try_from(at).expect("few");
        let arrived =
            |(copy, (delay, _)): (usize, &(Option<i64>, _))| delay.map(|delay| (sent + delay, at, copy));
        arrivals.extend(way.copies.iter().enumerate().filter_map(arrived));
    }
    arrivals.sort_unstable();
    let begins = restart.map(|at| 10 * i64::try_from(at).expect("few"));
    let mut number = start;
    let mut begun = false;
    let mut came: Vec<Vec<(i64, i64, i64)>> = vec![Vec::new(); ways.len()];
    for (time, at, copy) in &arrivals {
        if !begun && begins.is_some_and(|begins| *time >= begins) {
            (number, begun) = (0, true);
        }
        let replies = ways[*at].copies[*copy].1.iter().flatten();
        came[*at].extend(replies.map(|delay| (time + delay, number, *time)));
        number += 1;
    }
    let mut rows = Rows::default();
    for replies in &mut came {
        replies.sort_unstable();
        let first = replies.first().map(|(_, number, sent)| (*number, *sent));
        rows.push(first, u32::try_from(replies.len()).expect("few"));
    }
    let arrived = |at: usize| ways[at].copies.iter().any(|(delay, _)| delay.is_some());
    let lost = |at: &usize| came[*at].is_empty();
    let count =
        |arrives: bool| (0..ways.len()).filter(lost).filter(|at| arrived(*at) == arrives).count() as u64;
    let empty = |replies: &&Vec<_>| replies.is_empty();
    let tail = came.iter().rev().take_while(empty).count() as u64;
    let first = rows.server_seq.iter().find(|number| **number != NONE);
    let first = first.map_or(0, |number| number.unsigned_abs());
    let head = (came.iter().take_while(empty).count() as u64).min(first);
    let way = |at: usize| if arrived(at) { LostOn::Down } else { LostOn::Up };
    let ways = (0..ways.len()).map(|at| lost(&at).then(|| way(at))).collect();
    Truth { rows, up: count(false), down: count(true), ways, ends: tail + head }
}

/// Whether a reply says that one ping has overtaken another.
fn shows_overtaking(rows: &Rows) -> bool {
    let sent: Vec<_> = rows.server_sent.iter().filter(|sent| **sent != NONE).collect();
    !sent.is_sorted()
}

/// Of each lost ping the truth is said, or nothing.
fn each_holds(truth: &Truth, counter: Counter) -> Result<u64, TestCaseError> {
    let mut unknown = 0;
    for (said, true_way) in truth.rows.each(counter).into_iter().zip(&truth.ways) {
        unknown += u64::from(said == Some(LostOn::Unknown));
        prop_assert!(
            said == *true_way || said == true_way.and(Some(LostOn::Unknown)),
            "{said:?} {true_way:?}"
        );
    }
    Ok(unknown)
}

fn holds(found: Direction, truth: &Truth) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.lost, truth.up + truth.down);
    prop_assert!(found.up <= truth.up && truth.up <= found.up + found.unknown(), "{:?} {}", found, truth.up);
    prop_assert!(
        found.down <= truth.down && truth.down <= found.down + found.unknown(),
        "{found:?} {}",
        truth.down
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// Whatever is lost, copied and overtaken either way, and wherever the counter starts. What no reply shows, nobody knows:
    /// that a ping was copied, or has overtaken others.
    #[test]
    fn the_truth_is_inside((path, ways) in run(), start in prop_oneof![Just(0_i64), Just(1), 0..1_000_000_i64]) {
        let truth = truth(&ways, start, None);
        let copied = truth.rows.copies.iter().any(|copies| *copies > 1);
        prop_assume!(path.twice_up == 0 || copied);
        prop_assume!(path.reach == 0 || shows_overtaking(&truth.rows));
        for counter in [Counter::Own, Counter::OwnOrCopied] {
            holds(truth.rows.found(counter), &truth)?;
            each_holds(&truth, counter)?;
        }
    }

    /// Without copies and overtaking on the way up all but the ends is known, in whatever order the replies come.
    #[test]
    fn all_but_the_ends_is_known((path, ways) in run()) {
        let ways: Vec<Way> = ways.into_iter().map(|way| {
            let (delay, replies) = way.copies[0].clone();
            Way { copies: vec![(delay.map(|_| 0), replies[..1].to_vec())] }
        }).collect();
        let truth = truth(&ways, 0, None);
        let found = truth.rows.found(Counter::Own);
        holds(found, &truth)?;
        prop_assert_eq!(found.unknown(), truth.ends, "{:?}", path);
        prop_assert!(each_holds(&truth, Counter::Own)? >= found.unknown());
    }

    /// A server that begins anew leaves only the gap around it in the dark.
    #[test]
    fn a_restart_is_found((path, ways) in run(), restart in 0..150_usize) {
        let truth = truth(&ways, 0, Some(restart));
        let copied = truth.rows.copies.iter().any(|copies| *copies > 1);
        prop_assume!(path.twice_up == 0 || copied);
        prop_assume!(path.reach == 0 || shows_overtaking(&truth.rows));
        let found = truth.rows.found(Counter::Own);
        // A counter that has passed its old place unseen looks like one that has lost nothing.
        if found.restarts == 1 {
            holds(found, &truth)?;
            each_holds(&truth, Counter::Own)?;
        }
    }
}
