//! The clock of each target, from its samples.

use super::Labelled;
use crate::logic::Invalid;
use crate::logic::stats::{Clock, MaxRate, Sample};

/// The clock of one target.
pub(in crate::python) struct TargetClock<'a> {
    pub(in crate::python) target: Option<&'a str>,
    /// The runs and samples of its rows.
    pub(in crate::python) samples: Vec<(i64, Sample<'a>)>,
    pub(in crate::python) clock: Clock,
}

impl TargetClock<'_> {
    /// Run and number of each exchange, in the order of their sending.
    pub(in crate::python) fn rows(&self) -> impl Iterator<Item = (i64, u64)> {
        self.clock.rows.iter().map(|row| {
            let mut row = *row;
            for (run, sample) in &self.samples {
                if row < sample.len() {
                    return (*run, sample.seq(row));
                }
                row -= sample.len();
            }
            (0, 0) // there is no such row
        })
    }
}

/// The samples of a target, each with its run.
type OfTarget<'a> = (Option<&'a str>, Vec<(i64, Sample<'a>)>);

/// The clock of each target, in the order of their first samples.
pub(in crate::python) fn clocks<'a>(
    samples: Vec<Labelled<'a>>,
    rate: MaxRate,
) -> Result<Vec<TargetClock<'a>>, Invalid> {
    let mut all: Vec<OfTarget<'_>> = Vec::new();
    for (run, target, sample) in samples {
        match all.iter_mut().find(|known| known.0 == target) {
            Some(known) => known.1.push((run, sample)),
            None => all.push((target, vec![(run, sample)])),
        }
    }
    let clock = |(target, samples): OfTarget<'a>| {
        let only: Vec<_> = samples.iter().map(|(_, sample)| *sample).collect();
        Ok(TargetClock { target, clock: Clock::of(&only, rate)?, samples })
    };
    all.into_iter().map(clock).collect()
}
