//! The order in which replies arrived.

use super::Sample;
use crate::logic::Invalid;

/// The rows that were answered in time, in the order in which their replies came. Those that came at the same time keep
/// the order of their numbers.
pub fn arrivals(sample: &Sample<'_>, for_what: &'static str) -> Result<Vec<u32>, Invalid> {
    let key = sample.need_order(for_what)?;
    let rows = u32::try_from(sample.len())
        .map_err(|_| Invalid::new("table", format!("of {} rows", sample.len()), "at most 4,294,967,295"))?;
    let arrival = |row: u32| key(row as usize);
    let mut order: Vec<u32> = Vec::with_capacity(sample.len());
    // An insertion sort, as most replies arrive in order or overtake few. Where it would take too many moves, all
    // are sorted instead.
    let mut moves = order.capacity().saturating_mul(MOVES);
    let mut replied = (0..rows).filter(|row| sample.in_time(*row as usize).is_some());
    for row in replied.by_ref() {
        let at = arrival(row);
        let mut place = order.len();
        order.push(row);
        while place > 0 && arrival(order[place - 1]) > at && moves > 0 {
            order.swap(place - 1, place);
            place -= 1;
            moves -= 1;
        }
        if moves == 0 {
            break;
        }
    }
    if moves == 0 {
        order.extend(replied);
        // The row decides between equal times, as this sort is not stable.
        order.sort_unstable_by_key(|row| (arrival(*row), *row));
    }
    Ok(order)
}

/// Moves by one place, for each reply, that cost as much as sorting.
const MOVES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_a_stable_sort(
            rtt in proptest::collection::vec(prop_oneof![1 => Just(NONE), 9 => 0_i64..200], 0..120),
            interval in 0_i64..100,
        ) {
            let sent: Vec<i64> = (0..).map(|ping| ping * interval).take(rtt.len()).collect();
            let columns = Columns { rtt: &rtt, sent: Some(&sent), ..Columns::default() };
            let order = arrivals(&Sample::new(columns).expect("columns that fit"), "this").expect("times");
            let mut expected: Vec<u32> = (0..).take(rtt.len()).filter(|row| rtt[*row as usize] != NONE).collect();
            expected.sort_by_key(|row| sent[*row as usize] + rtt[*row as usize]);
            prop_assert_eq!(order, expected);
        }
    }

    #[test]
    fn places_decide_and_times_only_where_a_reply_has_none() {
        // By their times the replies came as 1, 0, 2; by the program's own as 0, 1, 2.
        let (rtt, sent, user_rtt) = ([30, 5, 50, NONE], [0, 10, 20, 30], [31, 21, 52, NONE]);
        let order = |arrival: Option<&[i64]>, user_rtt: Option<&[i64]>| {
            let columns = Columns { rtt: &rtt, sent: Some(&sent), arrival, user_rtt, ..Columns::default() };
            arrivals(&Sample::new(columns).expect("columns that fit"), "this").expect("times")
        };
        assert_eq!(order(Some(&[3, 1, 2, NONE]), Some(&user_rtt)), [1, 2, 0]);
        assert_eq!(order(Some(&[3, 1, NONE, NONE]), Some(&user_rtt)), [0, 1, 2]);
        assert_eq!(order(None, Some(&[NONE; 4])), [1, 0, 2]);
        let untimed = Columns { rtt: &rtt, arrival: Some(&[3, 1, 2, NONE]), ..Columns::default() };
        let sample = Sample::new(untimed).expect("columns that fit");
        assert_eq!(arrivals(&sample, "this"), Ok(vec![1, 2, 0]));
        assert_eq!(arrivals(&sample.part(1..3), "this"), Ok(vec![0, 1]));
    }

    #[test]
    fn replies_that_come_backwards_are_sorted_too() {
        let (rtt, sent): (Vec<i64>, _) = ((0..10_000).rev().collect(), vec![i64::MAX; 10_000]);
        let columns = Columns { rtt: &rtt, sent: Some(&sent), ..Columns::default() };
        // All times saturate, so the rows decide.
        let order = arrivals(&Sample::new(columns).expect("columns that fit"), "this").expect("times");
        assert!(order.is_sorted());
        let sent = vec![0; 10_000];
        let columns = Columns { rtt: &rtt, sent: Some(&sent), ..Columns::default() };
        let order = arrivals(&Sample::new(columns).expect("columns that fit"), "this").expect("times");
        assert!(order.iter().rev().is_sorted());
    }
}
