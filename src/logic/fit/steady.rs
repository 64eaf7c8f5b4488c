//! Tells whether the loss of a path stayed the same while it was measured: a model of one chain is no model of a path
//! that changed.
//!
//! Looks for steps, a trend, outages that stand apart from all other runs of losses, and hours of the day that lose more
//! than others. Each test allows for losses that depend on each other.

use std::ops::Range;

use super::Outcomes;
use super::candidates::best_loss;
use super::goodness::SplitMix;
use super::steps::steps;
use crate::logic::link::Loss;
use crate::logic::stats::{Sample, loss_periods};
use crate::logic::{DAY, Nanos};

/// Pings, and runs of losses, that are enough to say anything.
const PINGS: usize = 1_000;
const RUNS: usize = 30;

/// Numbers of batches, what the statistic of [`steps`] exceeds by chance once in a hundred times, and how much neighbours
/// may resemble each other: more, and longer batches are tried. With the last, steps must be far greater.
const BATCHES: [(usize, f64, f64); 3] = [(100, 175.0, 1.3), (50, 200.0, 1.5), (50, 550.0, f64::INFINITY)];
/// What the statistic exceeds half as often is greater by this much.
const HALF: f64 = 46.0;

/// Parts of a run that are compared for a trend, and the normal quantile that Kendall's statistic exceeds by chance once in
/// two hundred times.
const TREND_PARTS: usize = 20;
const TREND: f64 = 2.81;

/// An outage stands apart if it is this many times as long as the next shorter one, and chance makes it as rarely as this.
const APART: usize = 10;
const CHANCE: f64 = 1e-3;

const HOURS: usize = 24;
const HOUR: Nanos = DAY / 24;
/// Days that are needed to tell the hour from the day, shuffles of them, and the share of those that may be as uneven.
const DAYS: usize = 3;
const SHUFFLES: usize = 1_999;
const UNEVEN: f64 = 0.005;
/// The seed of the shuffles: the same pings always have the same result.
const SEED: u64 = 42;

/// Pings in a row of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// The place of the sample.
    pub sample: usize,
    /// Its rows.
    pub rows: Range<usize>,
    /// The numbers of the first and the last ping.
    pub seq: (u64, u64),
    /// When the first and the last one left, from the first ping of the sample on.
    pub times: Option<(Nanos, Nanos)>,
    /// Those lost.
    pub lost: u64,
    /// The best model of its losses; of an outage there is none.
    pub model: Option<Loss>,
}

/// The loss in one hour of the day against the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// The place of the sample.
    pub sample: usize,
    /// The hour that loses most, counted from the time of the first ping.
    pub hour: usize,
    /// The loss in it, and in all other hours.
    pub losses: (f64, f64),
}

/// What changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steadiness {
    /// How many samples have enough pings and losses to be judged.
    pub judged: usize,
    /// The segments of each sample that has steps.
    pub segments: Vec<Segment>,
    /// Samples without a step that lose more and more, or less and less, with the loss of the first and the last quarter.
    pub trends: Vec<(usize, f64, f64)>,
    /// Outages that stand apart.
    pub outages: Vec<Segment>,
    /// Samples in which an hour of the day stands out.
    pub hours: Vec<Hour>,
}

/// Tests each sample. Of many, each is tested more strictly, so that fewer than 3 in 100 tables are wrong in all.
pub fn steadiness(samples: &[Sample<'_>]) -> Steadiness {
    let mut all = Steadiness::default();
    for (place, sample) in samples.iter().enumerate() {
        Judge { place, sample, many: samples.len() as f64, lost: sums(sample) }.judge(&mut all);
    }
    all
}

/// How many of the first rows are lost, for each number of rows.
fn sums(sample: &Sample<'_>) -> Vec<u32> {
    let mut lost = 0;
    let rows = (0..sample.len()).map(|row| {
        lost += u32::from(sample.in_time(row).is_none());
        lost
    });
    std::iter::once(0).chain(rows).collect()
}

struct Judge<'a> {
    place: usize,
    sample: &'a Sample<'a>,
    /// How many samples are tested.
    many: f64,
    lost: Vec<u32>,
}

impl Judge<'_> {
    fn judge(&self, all: &mut Steadiness) {
        let periods = loss_periods(self.sample);
        let runs: Vec<_> = periods.map(|period| period.rows()).collect();
        if self.sample.len() < PINGS || runs.len() < RUNS {
            return;
        }
        all.judged += 1;
        all.outages.extend(self.apart(runs).into_iter().map(|rows| self.segment(rows)));
        let steps = self.steps();
        if !steps.is_empty() {
            let begins = std::iter::once(0).chain(steps.iter().copied());
            let ends = steps.iter().copied().chain([self.sample.len()]);
            all.segments.extend(begins.zip(ends).map(|(begin, end)| {
                let model = best_loss(&Outcomes::of(&[self.sample.part(begin..end)]));
                Segment { model, ..self.segment(begin..end) }
            }));
        } else if self.trend() {
            let quarter = self.sample.len() / 4;
            let last = self.share(self.sample.len() - quarter..self.sample.len());
            all.trends.push((self.place, self.share(0..quarter), last));
        }
        all.hours.extend(self.hour());
    }

    fn count(&self, rows: &Range<usize>) -> u64 {
        u64::from(self.lost[rows.end] - self.lost[rows.start])
    }

    fn share(&self, rows: Range<usize>) -> f64 {
        self.count(&rows) as f64 / rows.len() as f64
    }

    fn segment(&self, rows: Range<usize>) -> Segment {
        let last = rows.end - 1;
        let since = |row| Some(self.sample.time(row)? - self.sample.time(0)?);
        Segment {
            sample: self.place,
            seq: (self.sample.seq(rows.start), self.sample.seq(last)),
            times: since(rows.start).zip(since(last)),
            lost: self.count(&rows),
            model: None,
            rows,
        }
    }

    /// The longest runs, if all others are far shorter and make them improbable.
    fn apart(&self, mut runs: Vec<Range<usize>>) -> Vec<Range<usize>> {
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        let Some(few) = (1..=runs.len() / 10).find(|few| runs[few - 1].len() >= APART * runs[*few].len())
        else {
            return Vec::new();
        };
        let (outages, others) = runs.split_at(few);
        let mean = others.iter().map(Range::len).sum::<usize>() as f64 / others.len() as f64;
        let longer = (1.0 - 1.0 / mean).powf(outages[few - 1].len() as f64 - 1.0);
        let chance = runs.len() as f64 * longer;
        let mut outages = if chance * self.many < CHANCE { outages.to_vec() } else { Vec::new() };
        outages.sort_by_key(|run| run.start);
        outages
    }

    /// The rows at which the loss changes.
    fn steps(&self) -> Vec<usize> {
        let (counts, limit) = BATCHES
            .iter()
            .map(|(many, limit, alike)| (self.batches(*many), limit, alike))
            .find(|(counts, _, alike)| resemblance(counts) <= **alike)
            .map_or_else(|| (Vec::new(), 0.0), |(counts, limit, _)| (counts, *limit));
        let found = steps(&counts, limit + HALF * self.many.log2());
        let batch = self.sample.len() / counts.len().max(1);
        let mut rows: Vec<usize> = found.iter().map(|place| place * batch).collect();
        for place in 0..rows.len() {
            let from = if place == 0 { 0 } else { rows[place - 1] };
            let to = rows.get(place + 1).copied().unwrap_or(self.sample.len());
            let shares = [self.share(from..rows[place]), self.share(rows[place]..to)];
            rows[place] = self.likeliest(rows[place] - batch..rows[place] + batch, shares);
        }
        rows
    }

    /// Where among some rows the loss changes from one share to another, most likely.
    fn likeliest(&self, rows: Range<usize>, shares: [f64; 2]) -> usize {
        let [before, after] = shares.map(|share| share.clamp(1e-9, 1.0 - 1e-9));
        let (lost, passed) = ((before / after).ln(), ((1.0 - before) / (1.0 - after)).ln());
        let value = |row: usize| {
            let losses = self.count(&(rows.start..row)) as f64;
            losses * lost + ((row - rows.start) as f64 - losses) * passed
        };
        rows.clone().max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap_or(rows.start)
    }

    fn batches(&self, many: usize) -> Vec<f64> {
        let length = self.sample.len() / many;
        (0..many).map(|batch| self.count(&(batch * length..(batch + 1) * length)) as f64).collect()
    }

    /// Whether parts lose more, or less, the later they are (Mann 1945, Kendall).
    fn trend(&self) -> bool {
        let counts = self.batches(TREND_PARTS);
        let n = TREND_PARTS as f64;
        let pairs = (0..TREND_PARTS).flat_map(|later| (0..later).map(move |earlier| (earlier, later)));
        let sum: i32 = pairs.map(|(earlier, later)| counts[later].total_cmp(&counts[earlier]) as i32).sum();
        let deviations = f64::from(sum) / (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        deviations * deviations > TREND * TREND + 2.0 * self.many.ln()
    }

    /// The hour of the day that loses most, if hours differ more than they do when each day is turned by a random number
    /// of hours.
    fn hour(&self) -> Option<Hour> {
        let times = (0..self.sample.len()).filter_map(|row| Some((row, self.sample.time(row)?)));
        let first = times.clone().map(|(_, time)| time).next()?;
        let latest = times.clone().map(|(_, time)| time).next_back()?;
        let days = usize::try_from((latest - first) / DAY).ok()?;
        if days < DAYS || days > self.sample.len() / HOURS {
            return None;
        }
        let mut counts = vec![[0_u64; 2]; days * HOURS];
        for (row, time) in times {
            if let Some(slot) =
                usize::try_from((time - first) / HOUR).ok().and_then(|slot| counts.get_mut(slot))
            {
                slot[usize::from(self.sample.in_time(row).is_none())] += 1;
            }
        }
        let shares: Option<Vec<f64>> = counts
            .iter()
            .map(|[passed, lost]| (passed + lost > 0).then(|| *lost as f64 / (passed + lost) as f64))
            .collect();
        let even = level(&shares?);
        let mut random = SplitMix(SEED);
        let observed = unevenness(&even, |_| 0);
        let as_uneven = (0..SHUFFLES)
            .filter(|_| {
                let turns: Vec<_> = (0..days).map(|_| random.below(HOURS)).collect();
                unevenness(&even, |day| turns[day]) >= observed
            })
            .count();
        if (as_uneven + 1) as f64 / (SHUFFLES + 1) as f64 * self.many > UNEVEN {
            return None;
        }
        let of = |hours: &dyn Fn(usize) -> bool| {
            let chosen = counts.iter().enumerate().filter(|(slot, _)| hours(slot % HOURS));
            let (lost, sent) =
                chosen.fold((0, 0), |(lost, sent), (_, [passed, more])| (lost + more, sent + passed + more));
            lost as f64 / sent as f64
        };
        let hour = (0..HOURS).max_by(|a, b| of(&|hour| hour == *a).total_cmp(&of(&|hour| hour == *b)))?;
        Some(Hour {
            sample: self.place,
            hour,
            losses: (of(&|other| other == hour), of(&|other| other != hour)),
        })
    }
}

/// How much further apart the next but one are than neighbours: 1 where batches do not depend on each other. The greatest
/// tenth is left out, so that steps do not matter.
fn resemblance(counts: &[f64]) -> f64 {
    let apart = |lag: usize| {
        let mut squares: Vec<f64> =
            counts.iter().zip(&counts[lag..]).map(|(a, b)| (a - b) * (a - b)).collect();
        squares.sort_by(f64::total_cmp);
        let kept = (counts.len() - 2) * 9 / 10;
        squares[..kept].iter().sum::<f64>()
    };
    let (one, two) = (apart(1), apart(2));
    if one > 0.0 { two / one } else { 1.0 }
}

/// The shares without a straight line through them, and without the mean of their day.
fn level(shares: &[f64]) -> Vec<f64> {
    let n = shares.len() as f64;
    let (middle, mean) = ((n - 1.0) / 2.0, shares.iter().sum::<f64>() / n);
    let along: f64 =
        shares.iter().enumerate().map(|(slot, share)| (slot as f64 - middle) * (share - mean)).sum();
    let slope = along / (n * (n * n - 1.0) / 12.0);
    let mut straight: Vec<f64> =
        shares.iter().enumerate().map(|(slot, share)| share - slope * (slot as f64 - middle)).collect();
    for day in straight.chunks_mut(HOURS) {
        let mean = day.iter().sum::<f64>() / day.len() as f64;
        for share in day {
            *share -= mean;
        }
    }
    straight
}

/// The squares of the sums of each hour over all days, each day turned.
fn unevenness(shares: &[f64], turned: impl Fn(usize) -> usize) -> f64 {
    let mut hours = [0.0; HOURS];
    for (day, shares) in shares.chunks(HOURS).enumerate() {
        for (hour, share) in shares.iter().enumerate() {
            hours[(hour + turned(day)) % HOURS] += share;
        }
    }
    hours.iter().map(|sum| sum * sum).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;

    const PATHS: usize = 200;
    const LONG: usize = 10_000;

    /// How many of 200 paths that do not change are said to have changed. `lasts` draws how long good and bad times are.
    fn accused(losses: [f64; 2], lasts: impl Fn(bool, f64) -> usize) -> usize {
        let mut random = SplitMix(7);
        let mut accused = 0;
        for _ in 0..PATHS {
            let (mut rtt, mut bad) = (Vec::new(), random.next() < 0.5);
            while rtt.len() < 2 * LONG {
                for _ in 0..lasts(bad, random.next()) {
                    rtt.push(if random.next() < losses[usize::from(bad)] { NONE } else { 1 });
                }
                bad = !bad;
            }
            let rtt = &rtt[LONG..2 * LONG];
            let sample = Sample::new(Columns { rtt, ..Columns::default() }).expect("columns that fit");
            let found = steadiness(&[sample]);
            assert_eq!(found.judged, 1);
            accused += usize::from(found != Steadiness { judged: 1, ..Steadiness::default() });
        }
        accused
    }

    /// A geometric length with this mean.
    fn geometric(mean: f64, uniform: f64) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number"
        )]
        let length = (uniform.ln() / (1.0 - 1.0 / mean).ln()).ceil().max(1.0) as usize;
        length
    }

    #[test]
    fn what_does_not_change_is_rarely_accused() {
        // The chance of more than 24 of 200 is 1e-4 if it is 5 in 100.
        let most = 24;
        let independent = accused([0.05, 0.05], |_, uniform| geometric(50.0, uniform));
        let bursts = accused([0.0, 1.0], |bad, uniform| geometric(if bad { 10.0 } else { 18.0 }, uniform));
        let hidden = accused([0.0, 0.7], |bad, uniform| geometric(if bad { 40.0 } else { 400.0 }, uniform));
        let shapes = accused([0.0, 1.0], |bad, uniform| match (bad, uniform < 0.2) {
            (false, _) => geometric(25.0, uniform),
            (true, true) => 15,
            (true, false) => 1,
        });
        let regular = accused([0.0, 1.0], |bad, _| if bad { 3 } else { 22 });
        let all = [independent, bursts, hidden, shapes, regular];
        assert!(all.iter().all(|many| *many <= most), "{all:?}");
        assert_eq!(regular, 0);
    }

    #[test]
    fn many_targets_are_each_tested_more_strictly() {
        let mut random = SplitMix(3);
        let columns: Vec<Vec<Nanos>> = (0..100)
            .map(|_| (0..2_000).map(|_| if random.next() < 0.05 { NONE } else { 1 }).collect())
            .collect();
        let samples: Vec<_> = columns
            .iter()
            .map(|rtt| Sample::new(Columns { rtt, ..Columns::default() }).expect("columns that fit"))
            .collect();
        let found = steadiness(&samples);
        assert_eq!(found, Steadiness { judged: 100, ..Steadiness::default() });
    }
}
