//! The order in which replies arrived.

use super::Sample;
use crate::logic::Invalid;

/// The rows that were answered in time, in the order in which their replies came: by the time of sending and the round
/// trip together. Those that came at the same time keep the order of their numbers.
pub fn arrivals(sample: &Sample<'_>, for_what: &'static str) -> Result<Vec<u32>, Invalid> {
    let sent = sample.need_sent(for_what)?;
    let rows = u32::try_from(sample.len())
        .map_err(|_| Invalid::new("table", format!("of {} rows", sample.len()), "at most 4,294,967,295"))?;
    let arrival = |row: u32| {
        let row = row as usize;
        sent[row].saturating_add(sample.in_time(row).unwrap_or(0))
    };
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
