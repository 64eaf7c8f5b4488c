//! Splits the rows of a table into samples, one for each run and target.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::logic::Invalid;

/// The most rows of a table: each has a number of 32 bits.
pub const MOST_ROWS: usize = u32::MAX as usize;

/// Rows of one run to one target, next to each other in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which run.
    pub run: i64,
    /// Which target.
    pub target: u32,
    /// Its places in the order.
    pub places: Range<usize>,
}

/// All groups of a table, in the order in which they first appear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The row at each place; `None` where each row is at its place already, which is the usual case.
    pub order: Option<Vec<u32>>,
    /// Where each group is.
    pub groups: Vec<Group>,
}

/// The columns that decide the sample of a row and its place in it. Without `run` or `target` all rows have the same
/// one; without `seq` they are in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys<'a> {
    /// How many rows there are.
    pub rows: usize,
    /// The run of each.
    pub run: Option<&'a [i64]>,
    /// The target of each.
    pub target: Option<&'a [u32]>,
    /// The number of each.
    pub seq: Option<&'a [u64]>,
    /// Rows to leave out.
    pub left_out: Option<&'a [bool]>,
}

impl Keys<'_> {
    /// Sorts the rows by run and target, then by number. A table of one run, or of several one after the other, is in
    /// order already.
    pub fn groups(&self) -> Result<Groups, Invalid> {
        match self.as_they_stand() {
            Some(groups) => Ok(Groups { order: None, groups }),
            None => self.sorted(),
        }
    }

    fn key(&self, row: usize) -> (i64, u32) {
        (self.run.map_or(0, |run| run[row]), self.target.map_or(0, |target| target[row]))
    }

    fn as_they_stand(&self) -> Option<Vec<Group>> {
        if self.left_out.is_some_and(|left_out| left_out.contains(&true)) {
            return None;
        }
        let mut seen = HashSet::new();
        let mut groups: Vec<Group> = Vec::new();
        for row in 0..self.rows {
            let (run, target) = self.key(row);
            match groups.last_mut().filter(|last| (last.run, last.target) == (run, target)) {
                Some(last) if self.seq.is_none_or(|seq| seq[row - 1] < seq[row]) => last.places.end = row + 1,
                Some(_) => return None,
                None if !seen.insert((run, target)) => return None,
                None => groups.push(Group { run, target, places: row..row + 1 }),
            }
        }
        Some(groups)
    }

    fn sorted(&self) -> Result<Groups, Invalid> {
        let rows = u32::try_from(self.rows).map_err(|_| {
            Invalid::new("table", format!("of {} rows", self.rows), format!("at most {MOST_ROWS}"))
        })?;
        let mut numbers = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut group_of: Vec<u32> = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let (run, target) = self.key(row);
            let next = numbers.len();
            let group = *numbers.entry((run, target)).or_insert_with(|| {
                groups.push(Group { run, target, places: 0..0 });
                next
            });
            group_of.push(u32::try_from(group).unwrap_or(u32::MAX));
        }
        let kept = |row: &u32| self.left_out.is_none_or(|left_out| !left_out[*row as usize]);
        let mut order: Vec<u32> = (0..rows).filter(kept).collect();
        let place = |row: &u32| {
            let row = *row as usize;
            (group_of[row], self.seq.map_or(0, |seq| seq[row]))
        };
        order.sort_by_key(place);
        let mut end = 0;
        for (number, group) in (0_u32..).zip(&mut groups) {
            let begin = end;
            end += order[begin..].partition_point(|row| group_of[*row as usize] == number);
            group.places = begin..end;
        }
        groups.retain(|group| !group.places.is_empty());
        Ok(Groups { order: Some(order), groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places(groups: &Groups) -> Vec<Range<usize>> {
        groups.groups.iter().map(|group| group.places.clone()).collect()
    }

    #[test]
    fn runs_one_after_the_other_are_in_order() {
        let (run, target, seq) = ([1, 1, 1, 2], [7, 7, 8, 7], [1, 2, 1, 1]);
        let keys = Keys { rows: 4, run: Some(&run), target: Some(&target), seq: Some(&seq), left_out: None };
        let groups = keys.groups().expect("few rows");
        assert_eq!((groups.order.clone(), places(&groups)), (None, vec![0..2, 2..3, 3..4]));
    }

    #[test]
    fn rows_in_disorder_are_sorted_and_some_left_out() {
        let (target, seq) = ([7, 8, 7, 8, 9], [2, 1, 1, 5, 1]);
        let left_out = [false, false, false, false, true];
        let keys =
            Keys { rows: 5, target: Some(&target), seq: Some(&seq), left_out: Some(&left_out), run: None };
        let groups = keys.groups().expect("few rows");
        assert_eq!((groups.order.clone(), places(&groups)), (Some(vec![2, 0, 1, 3]), vec![0..2, 2..4]));
    }

    #[test]
    fn no_rows_are_no_groups() {
        let groups = Keys::default().groups().expect("no rows");
        assert_eq!((groups.order, groups.groups), (None, vec![]));
    }

    proptest! {
        #[test]
        fn every_row_has_one_place_and_groups_hold_together(
            rows in proptest::collection::vec((0_i64..3, 0_u32..3, 0_u64..50), 0..50),
        ) {
            let run: Vec<_> = rows.iter().map(|row| row.0).collect();
            let target: Vec<_> = rows.iter().map(|row| row.1).collect();
            let seq: Vec<_> = rows.iter().map(|row| row.2).collect();
            let keys =
                Keys { rows: rows.len(), run: Some(&run), target: Some(&target), seq: Some(&seq), left_out: None };
            let Groups { order, groups } = keys.groups().expect("few rows");
            let order = order.unwrap_or_else(|| (0..).take(rows.len()).collect());
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq((0..).take(rows.len())));
            for group in &groups {
                let own = &order[group.places.clone()];
                prop_assert!(own.iter().all(|row| (run[*row as usize], target[*row as usize]) == (group.run, group.target)));
                prop_assert!(own.is_sorted_by_key(|row| seq[*row as usize]));
            }
            prop_assert_eq!(groups.iter().map(|group| group.places.len()).sum::<usize>(), rows.len());
        }
    }
}
