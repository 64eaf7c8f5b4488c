//! The outcomes of pings, lost or not, as stretches of equal ones.

use std::collections::HashMap;

use crate::logic::stats::Sample;

/// Pings in a row that were all lost, or all not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// Whether they were lost.
    pub lost: bool,
    /// How many there are.
    pub length: u64,
}

/// Chains of pings with adjacent numbers. A gap in the numbers ends a chain, as the end of a sample does: chains
/// count as independent of each other.
///
/// Ten million pings have perhaps a few hundred thousand stretches of a few hundred different lengths; powers of
/// matrices are computed once for each of these.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    kinds: Vec<Stretch>,
    places: HashMap<Stretch, u32>,
    /// Indices of kinds, in order.
    stretches: Vec<u32>,
    /// Where each chain ends in `stretches`.
    ends: Vec<usize>,
}

impl Outcomes {
    /// Those of samples: a ping without a reply in time is lost.
    pub fn of(samples: &[Sample<'_>]) -> Self {
        let mut all = Self::default();
        for sample in samples {
            let mut row = 0;
            while row < sample.len() {
                let (first, lost) = (row, sample.in_time(row).is_none());
                row += 1;
                while row < sample.len() && sample.follows(row) && sample.in_time(row).is_none() == lost {
                    row += 1;
                }
                all.push(Stretch { lost, length: (row - first) as u64 });
                if row == sample.len() || !sample.follows(row) {
                    all.end();
                }
            }
        }
        all
    }

    pub(super) fn push(&mut self, stretch: Stretch) {
        #[expect(clippy::cast_possible_truncation, reason = "there are fewer kinds than rows of a table")]
        let place = *self.places.entry(stretch).or_insert_with(|| {
            self.kinds.push(stretch);
            self.kinds.len() as u32 - 1
        });
        self.stretches.push(place);
    }

    pub(super) fn end(&mut self) {
        if self.ends.last().copied().unwrap_or(0) < self.stretches.len() {
            self.ends.push(self.stretches.len());
        }
    }

    /// The distinct stretches.
    pub(super) fn kinds(&self) -> &[Stretch] {
        &self.kinds
    }

    /// The chains, as indices of kinds.
    pub(super) fn chains(&self) -> impl DoubleEndedIterator<Item = &[u32]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let bounds: Vec<_> = begins.zip(self.ends.iter().copied()).collect();
        bounds.into_iter().map(|(begin, end)| &self.stretches[begin..end])
    }

    pub(super) fn stretches(&self) -> usize {
        self.stretches.len()
    }

    fn each(&self) -> impl Iterator<Item = Stretch> {
        self.stretches.iter().map(|kind| self.kinds[*kind as usize])
    }

    /// How many pings there are.
    pub fn sent(&self) -> u64 {
        self.each().map(|stretch| stretch.length).sum()
    }

    /// How many were lost.
    pub fn lost(&self) -> u64 {
        self.each().filter(|stretch| stretch.lost).map(|stretch| stretch.length).sum()
    }

    /// How many runs of losses there are.
    pub fn loss_runs(&self) -> u64 {
        self.each().filter(|stretch| stretch.lost).count() as u64
    }

    /// Pairs of pings, by the outcome of the first and of the second.
    pub fn pairs(&self) -> [[u64; 2]; 2] {
        let mut pairs = [[0; 2]; 2];
        for chain in self.chains() {
            for (place, kind) in chain.iter().enumerate() {
                let Stretch { lost, length } = self.kinds[*kind as usize];
                pairs[usize::from(lost)][usize::from(lost)] += length - 1;
                if place + 1 < chain.len() {
                    pairs[usize::from(lost)][usize::from(!lost)] += 1;
                }
            }
        }
        pairs
    }

    /// How many chains begin with a ping in time, and how many with a loss.
    pub fn first(&self) -> [u64; 2] {
        let mut first = [0; 2];
        for chain in self.chains() {
            first[usize::from(self.kinds[chain[0] as usize].lost)] += 1;
        }
        first
    }

    /// Pieces of `length` pings at most, up to `most` of them, spread evenly over all pings, as a path may change
    /// while it is measured. All pings, if they are fewer.
    pub(super) fn pieces(&self, most: u64, length: u64) -> Self {
        let sent = self.sent();
        if sent <= most * length {
            return self.clone();
        }
        let (mut some, mut at, mut piece) = (Self::default(), 0, 0);
        for chain in self.chains() {
            for kind in chain {
                let Stretch { lost, length: own } = self.kinds[*kind as usize];
                let end = at + own;
                while piece < most {
                    let (from, to) = (piece * sent / most, piece * sent / most + length);
                    let (low, high) = (at.max(from), end.min(to));
                    if low < high {
                        some.push(Stretch { lost, length: high - low });
                    }
                    if to > end {
                        break;
                    }
                    some.end();
                    piece += 1;
                }
                at = end;
            }
            some.end();
        }
        some
    }

    /// The first stretches, `most` of them.
    pub(super) fn beginning(&self, most: usize) -> Self {
        let mut some = Self::default();
        for chain in self.chains() {
            for kind in &chain[..chain.len().min(most - some.stretches.len())] {
                some.push(self.kinds[*kind as usize]);
            }
            some.end();
            if some.stretches.len() >= most {
                break;
            }
        }
        some
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::{Columns, loss, loss_runs};

    /// Chains of marks, a space between two.
    pub(in crate::logic::fit) fn of(chains: &str) -> Outcomes {
        let mut rtt = Vec::new();
        let mut seq = Vec::new();
        for (place, mark) in chains.bytes().enumerate() {
            if mark != b' ' {
                rtt.push(if mark == b'x' { NONE } else { 1 });
                seq.push(place as u64);
            }
        }
        let columns = Columns { rtt: &rtt, seq: Some(&seq), ..Columns::default() };
        Outcomes::of(&[Sample::new(columns).expect("columns that fit")])
    }

    #[test]
    fn a_gap_ends_a_chain() {
        let some = of("..xx .x x");
        let chains: Vec<Vec<_>> = some
            .chains()
            .map(|chain| {
                chain
                    .iter()
                    .map(|kind| (some.kinds[*kind as usize].lost, some.kinds[*kind as usize].length))
                    .collect()
            })
            .collect();
        assert_eq!(chains, [vec![(false, 2), (true, 2)], vec![(false, 1), (true, 1)], vec![(true, 1)]]);
        assert_eq!((some.sent(), some.lost(), some.loss_runs()), (7, 4, 3));
        assert_eq!((some.pairs(), some.first()), ([[1, 2], [0, 1]], [2, 1]));
    }

    #[test]
    fn pieces_are_spread_over_all_pings() {
        let some = of(&"..x".repeat(1_000)).pieces(10, 30);
        assert_eq!((some.sent(), some.lost(), some.chains().count()), (300, 100, 10));
        let long = of(&".".repeat(1_000)).pieces(4, 100);
        assert_eq!((long.sent(), long.chains().count()), (400, 4));
        assert_eq!(of("..x").pieces(10, 30).sent(), 3);
        assert_eq!(of("..x x.x").beginning(3).sent(), 4);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_other_statistics(chains in "[.x]{1,30}( [.x]{1,20}){0,3}") {
            let (rtt, seq): (Vec<_>, Vec<_>) = chains
                .bytes()
                .enumerate()
                .filter(|(_, mark)| *mark != b' ')
                .map(|(place, mark)| (if mark == b'x' { NONE } else { 1 }, place as u64))
                .unzip();
            let sample =
                [Sample::new(Columns { rtt: &rtt, seq: Some(&seq), ..Columns::default() }).expect("fits")];
            let (ours, theirs) = (of(&chains), loss(&sample));
            prop_assert_eq!((ours.sent(), ours.lost(), ours.pairs()), (theirs.sent(), theirs.lost(), theirs.after));
            prop_assert_eq!(ours.loss_runs(), loss_runs(&sample).count());
        }

        #[test]
        fn pieces_are_pieces(chains in "[.x]{1,60}( [.x]{1,60}){0,5}", most in 1_u64..6, length in 1_u64..12) {
            let (all, some) = (of(&chains), of(&chains).pieces(most, length));
            prop_assert!(some.lost() <= all.lost());
            prop_assert_eq!(some.sent(), all.sent().min(most * length));
        }
    }
}
