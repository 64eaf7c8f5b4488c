//! Reordering (RFC 4737, on round trips).

use super::Sample;
use super::arrival::arrivals;
use crate::logic::Invalid;

/// How many replies came out of order, and by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reordering {
    /// Replies in time, the first copy of each.
    pub received: u64,
    /// Those that came after the reply to a later ping.
    pub reordered: u64,
    /// The sum of their extents.
    pub extents: u64,
    /// The greatest extent.
    pub max_extent: u64,
    /// The n of the next count.
    pub n: u64,
    /// Replies that came right after n replies, all of them to later pings.
    pub n_reordered: u64,
}

/// Reordering (RFC 4737, on round trips) among the replies in time, in the order in which they came.
///
/// A reply is reordered (section 3.3) when a later ping's reply came before it. Its extent (4.2.1) is how many replies
/// back the earliest of those is: what a receiver has to buffer to restore the order. It is n-reordered (5.4.1) when the n
/// replies right before it are all of later pings; with n = 3 TCP takes it for lost. Of fewer than two replies none is
/// reordered.
pub fn reordering(samples: &[Sample<'_>], n: u64) -> Result<Reordering, Invalid> {
    if n == 0 {
        return Err(Invalid::new("n", n, "a whole number from 1, such as 3"));
    }
    let mut all = Reordering::new(n);
    for sample in samples {
        // Rows are used as numbers, as both ascend.
        let order = arrivals(sample, "reordering")?;
        // The places of replies to a later ping than all before them: ascending in rows and in places.
        let mut leaders: Vec<u32> = Vec::new();
        all.received = all.received.saturating_add(order.len() as u64);
        for (place, row) in (0_u32..).zip(&order) {
            let leader = leaders.last().map(|leader| order[*leader as usize]);
            if leader.is_none_or(|leader| leader < *row) {
                leaders.push(place);
                continue;
            }
            // The first leader of a later ping is mostly among the last: search backwards from there in steps that double.
            let before = |leader: &u32| order[*leader as usize] < *row;
            let mut last = 1;
            while last < leaders.len() && !before(&leaders[leaders.len() - last]) {
                last *= 2;
            }
            let from = leaders.len().saturating_sub(last);
            let first = from + leaders[from..].partition_point(before);
            let extent = u64::from(place - leaders[first]);
            all.reordered += 1;
            all.extents = all.extents.saturating_add(extent);
            all.max_extent = all.max_extent.max(extent);
            let back = usize::try_from(n).unwrap_or(usize::MAX);
            let ahead = (place as usize).checked_sub(back).map(|from| &order[from..place as usize]);
            all.n_reordered += u64::from(ahead.is_some_and(|ahead| ahead.iter().all(|other| other > row)));
        }
    }
    Ok(all)
}

impl Reordering {
    /// No replies yet.
    pub fn new(n: u64) -> Self {
        Self { received: 0, reordered: 0, extents: 0, max_extent: 0, n, n_reordered: 0 }
    }

    /// Adds other samples, counted with the same n; without a reply it makes no difference.
    pub fn merge(&mut self, other: &Self) -> Result<(), Invalid> {
        if self.received == 0 {
            *self = *other;
            return Ok(());
        }
        if other.received == 0 {
            return Ok(());
        }
        if self.n != other.n {
            return Err(Invalid::new("n", other.n, format!("{}, as in what it is merged with", self.n)));
        }
        self.received = self.received.saturating_add(other.received);
        self.reordered = self.reordered.saturating_add(other.reordered);
        self.extents = self.extents.saturating_add(other.extents);
        self.max_extent = self.max_extent.max(other.max_extent);
        self.n_reordered = self.n_reordered.saturating_add(other.n_reordered);
        Ok(())
    }

    /// The share of replies that are reordered (section 4.1). `None` without a reply.
    pub fn ratio(&self) -> Option<f64> {
        (self.received > 0).then(|| self.reordered as f64 / self.received as f64)
    }

    /// The mean extent of those that are reordered. `None` if none is.
    pub fn mean_extent(&self) -> Option<f64> {
        (self.reordered > 0).then(|| self.extents as f64 / self.reordered as f64)
    }

    /// The share of replies that are n-reordered. `None` without a reply.
    pub fn n_ratio(&self) -> Option<f64> {
        (self.received > 0).then(|| self.n_reordered as f64 / self.received as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    /// Pings that are sent at once; `came[i]` is when the reply to ping `i` came.
    fn of(came: &[i64], n: u64) -> Reordering {
        let sent = vec![0; came.len()];
        let columns = Columns { rtt: came, sent: Some(&sent), ..Columns::default() };
        reordering(&[Sample::new(columns).expect("columns that fit")], n).expect("times")
    }

    /// The replies come as 1 2 3 7 8 9 10 4 5 6 11: 4, 5 and 6 are late by 4, 5 and 6 places.
    #[test]
    fn extents_reach_back_to_the_earliest_later_ping() {
        let came = [0, 1, 2, 7, 8, 9, 3, 4, 5, 6, 10];
        let found = of(&came, 3);
        assert_eq!((found.received, found.reordered, found.extents, found.max_extent), (11, 3, 15, 6));
        assert_eq!((found.mean_extent(), found.ratio()), (Some(5.0), Some(3.0 / 11.0)));
        // Only ping 4 has three later ones right before it.
        assert_eq!((found.n_reordered, found.n_ratio()), (1, Some(1.0 / 11.0)));
        assert_eq!((of(&came, 4).n_reordered, of(&came, 5).n_reordered), (1, 0));
    }

    #[test]
    fn none_one_and_two_replies() {
        assert_eq!((of(&[], 3).ratio(), of(&[], 3).mean_extent()), (None, None));
        assert_eq!((of(&[5], 3).ratio(), of(&[5], 3).n_ratio()), (Some(0.0), Some(0.0)));
        assert_eq!((of(&[5, 6], 3).reordered, of(&[6, 5], 3).reordered), (0, 1));
        assert_eq!(of(&[5, 5], 3).reordered, 0); // at the same time
        let (mut sum, two) = (Reordering::new(3), of(&[6, 5], 2));
        assert_eq!((sum.merge(&two), sum), (Ok(()), two));
        assert_eq!((sum.merge(&Reordering::new(3)), sum), (Ok(()), two));
        assert!(sum.merge(&of(&[6, 5], 3)).is_err());
    }

    proptest! {
        /// The definitions, word by word, over all pairs.
        #[test]
        fn it_agrees_with_the_definitions_of_the_rfc(came in proptest::collection::vec(0_i64..60, 0..40), n in 1_usize..5) {
            let mut order: Vec<usize> = (0..came.len()).collect();
            order.sort_by_key(|ping| came[*ping]);
            let mut expected = Reordering { received: came.len() as u64, ..Reordering::new(n as u64) };
            for i in 0..order.len() {
                let Some(j) = (0..i).find(|j| order[*j] > order[i]) else { continue };
                expected.reordered += 1;
                expected.extents += (i - j) as u64;
                expected.max_extent = expected.max_extent.max((i - j) as u64);
                expected.n_reordered += u64::from(i >= n && (i - n..i).all(|j| order[j] > order[i]));
            }
            prop_assert_eq!(of(&came, n as u64), expected);
        }
    }
}
