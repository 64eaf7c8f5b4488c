//! Duplication (RFC 5560, on round trips).

use super::Sample;
use crate::logic::Invalid;

/// How many replies came to how many pings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duplication {
    /// Pings with at least one reply, also a late one.
    pub answered: u64,
    /// Replies beyond the first to each.
    pub duplicates: u64,
    /// Pings with more than one reply.
    pub replicated: u64,
}

/// Duplication (RFC 5560, on round trips): replies, of all pings that got any. The sender
/// cannot see whether the ping or its reply was duplicated.
pub fn duplication(samples: &[Sample<'_>]) -> Result<Duplication, Invalid> {
    let mut all = Duplication::default();
    for sample in samples {
        for copies in sample.need_copies("duplication")? {
            all.answered += u64::from(*copies > 0);
            all.replicated += u64::from(*copies > 1);
            all.duplicates += u64::from(copies.saturating_sub(1));
        }
    }
    Ok(all)
}

impl Duplication {
    /// Adds other samples.
    pub fn merge(&mut self, other: &Self) {
        self.answered = self.answered.saturating_add(other.answered);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        self.replicated = self.replicated.saturating_add(other.replicated);
    }

    /// Duplicates for each answered ping (RFC 5560, packet-duplication-fraction); it may exceed 1.
    /// `None` if none was answered.
    pub fn fraction(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.duplicates as f64 / self.answered as f64)
    }

    /// The share of answered pings that got more than one reply (RFC 5560, replicated-packet-rate). `None` if none was.
    pub fn rate(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.replicated as f64 / self.answered as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;

    #[test]
    fn copies_of_answered_pings_count() {
        let (rtt, copies) = ([1, 2, NONE, 4, 5], [1, 3, 0, 1, 2]);
        let columns = Columns { rtt: &rtt, copies: Some(&copies), ..Columns::default() };
        let sample = Sample::new(columns).expect("columns that fit");
        let mut found = duplication(&[sample]).expect("copies");
        assert_eq!(found, Duplication { answered: 4, duplicates: 3, replicated: 2 });
        assert_eq!((found.fraction(), found.rate()), (Some(0.75), Some(0.5)));
        found.merge(&duplication(&[sample]).expect("copies"));
        assert_eq!(Ok(found), duplication(&[sample, sample]));
    }

    #[test]
    fn without_replies_there_is_no_ratio() {
        for columns in [
            Columns { copies: Some(&[]), ..Columns::default() },
            Columns { rtt: &[NONE], copies: Some(&[0]), ..Columns::default() },
        ] {
            let none = duplication(&[Sample::new(columns).expect("columns that fit")]).expect("copies");
            assert_eq!((none.answered, none.fraction(), none.rate()), (0, None, None));
        }
        let uncounted = Sample::new(Columns { rtt: &[1], ..Columns::default() }).expect("columns that fit");
        assert!(duplication(&[uncounted]).is_err_and(|error| error.to_string().contains("copies")));
    }
}
