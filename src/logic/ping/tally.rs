//! The running counts of a ping run, in constant memory.

use crate::logic::Nanos;
use crate::logic::record::{Status, TimeSource};
use crate::logic::stats::{Quantile, RoundTrip, SKETCH_ERROR, Sketch};

/// Counts and moments that are updated with each event.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) replies: u64,
    pub(super) late: u64,
    pub(super) timeouts: u64,
    pub(super) unreachable: u64,
    pub(super) errors: u64,
    pub(super) open: u64,
    pub(super) duplicates: u64,
    pub(super) reordered: u64,
    pub(super) foreign: u64,
    pub(super) unmatched: u64,
    pub(super) damaged: u64,
    pub(super) unverified: u64,
    pub(super) behind: u64,
    pub(super) kernel_stamps: u64,
    pub(super) clock_steps: u64,
    sketch: Option<Sketch>,
}

/// A reply whose round trip is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    pub(super) rtt: Nanos,
    pub(super) stamp: TimeSource,
    pub(super) in_time: bool,
}

impl Tally {
    /// With `endless`, quantiles are from a sketch, as not all rows are kept.
    pub(super) fn new(endless: bool) -> Self {
        Self { sketch: endless.then(Sketch::default), ..Self::default() }
    }

    /// The count that a status is kept in.
    pub(super) fn of(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Reply => &mut self.replies,
            Status::Late => &mut self.late,
            Status::Timeout => &mut self.timeouts,
            Status::Unreachable => &mut self.unreachable,
            Status::Error => &mut self.errors,
            Status::Open => &mut self.open,
        }
    }

    /// Counts a reply.
    pub(super) fn add_reply(&mut self, Timed { rtt, stamp, in_time }: Timed) {
        self.clock_steps += u64::from(stamp == TimeSource::Stepped);
        if !in_time {
            return;
        }
        self.kernel_stamps += u64::from(stamp == TimeSource::Kernel);
        if let Some(sketch) = &mut self.sketch {
            sketch.add(rtt);
        }
    }

    /// Adds the counts of another run, for a summary over several targets.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.replies, other.replies),
            (&mut self.late, other.late),
            (&mut self.timeouts, other.timeouts),
            (&mut self.unreachable, other.unreachable),
            (&mut self.errors, other.errors),
            (&mut self.open, other.open),
            (&mut self.duplicates, other.duplicates),
            (&mut self.reordered, other.reordered),
            (&mut self.foreign, other.foreign),
            (&mut self.unmatched, other.unmatched),
            (&mut self.damaged, other.damaged),
            (&mut self.unverified, other.unverified),
            (&mut self.behind, other.behind),
            (&mut self.kernel_stamps, other.kernel_stamps),
            (&mut self.clock_steps, other.clock_steps),
        ] {
            *mine += theirs;
        }
        if let (Some(mine), Some(theirs)) = (&mut self.sketch, &other.sketch) {
            mine.merge(theirs);
        }
    }

    /// The round trips with quantiles from the sketch, where there is one.
    pub(super) fn sketched(&self) -> Option<RoundTrip> {
        let sketch = self.sketch.as_ref()?;
        RoundTrip::with(sketch.moments(), SKETCH_ERROR, |q| sketch.quantile(Quantile::new(q).ok()?, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_without_rows_are_within_the_error_also_of_two_replies() {
        let mut tally = Tally::new(true);
        for rtt in [10_000_000, 30_000_000] {
            tally.add_reply(Timed { rtt, stamp: TimeSource::User, in_time: true });
        }
        let rtt = tally.sketched().expect("two replies");
        for (found, exact) in [(rtt.median, 20e6), (rtt.p95, 29e6), (rtt.p99, 29.8e6)] {
            assert!((found - exact).abs() <= SKETCH_ERROR * exact, "{found} {exact}");
        }
        assert_eq!((rtt.min, rtt.max), (10_000_000, 30_000_000));
    }
}
