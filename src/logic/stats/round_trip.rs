//! Round trips (RFC 2681).

use super::{Distribution, Quantile, Sample};

/// How a lost ping counts among the round trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Not at all.
    LeftOut,
    /// An infinite round trip, as RFC 2681 has it: quantiles are then those of *all* pings.
    Infinite,
}

/// Round trips (RFC 2681, Type-P-Round-trip-Delay), in nanoseconds: from sending a ping to the first copy of its reply,
/// of those answered in time.
///
/// Of no round trip everything is `None`; of one there is no standard deviation. With [`Lost::Infinite`], mean and
/// standard deviation are still those of the others.
pub fn round_trip(samples: &[Sample<'_>], wanted: &[Quantile], lost: Lost) -> Distribution {
    let mut values: Vec<i64> = Vec::with_capacity(samples.iter().map(Sample::len).sum());
    values.extend(samples.iter().flat_map(Sample::round_trips));
    let all: usize = samples.iter().map(Sample::len).sum();
    let infinite = if lost == Lost::Infinite { all - values.len() } else { 0 };
    Distribution::of(&mut values, infinite, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;

    #[test]
    fn lost_pings_are_left_out_or_infinite() {
        // A reply, one that came late, none, and a reply.
        let (rtt, status) = ([10, 900, NONE, 30], [0, 1, 2, 0]);
        let columns = Columns { rtt: &rtt, status: Some(&status), ..Columns::default() };
        let samples = [Sample::new(columns).expect("columns that fit")];
        let answered = round_trip(&samples, &[], Lost::LeftOut);
        assert_eq!((answered.moments.count(), answered.infinite, answered.median), (2, 0, Some(20.0)));
        let all = round_trip(&samples, &[Quantile::new(0.25).expect("a quantile")], Lost::Infinite);
        assert_eq!((all.moments.mean(), all.infinite), (Some(20.0), 2));
        assert_eq!((all.median, all.quantiles[0]), (Some(f64::INFINITY), Some(25.0)));
    }

    #[test]
    fn no_ping_has_no_round_trip() {
        assert_eq!(round_trip(&[], &[], Lost::Infinite).median, None);
    }
}
