//! Loss and round trips over windows that move along a sample.

use super::{Confidence, Loss, Moments, Quantile, Sample, loss, quantiles};
use crate::logic::{Invalid, Nanos};

/// How long a window is, and how far the next one begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// In pings.
    Pings {
        /// How many are in one.
        length: u64,
        /// How many later the next begins.
        step: u64,
    },
    /// In time, from the first ping on.
    Time {
        /// How long one is.
        length: Nanos,
        /// How much later the next begins.
        step: Nanos,
    },
}

/// Most windows that one ping may be in, as each counts it anew.
const MOST_OVERLAP: i64 = 1_000;
/// More windows are refused as a mistake.
const MOST_WINDOWS: usize = 10_000_000;

impl Windows {
    /// Windows of so many pings.
    pub fn pings(length: i64, step: Option<i64>) -> Result<Self, Invalid> {
        let (length, step) = Self::checked("pings", length, step)?;
        Ok(Self::Pings { length: length.unsigned_abs(), step: step.unsigned_abs() })
    }

    /// Windows of so many nanoseconds.
    pub fn time(length: Nanos, step: Option<Nanos>) -> Result<Self, Invalid> {
        let (length, step) = Self::checked("nanoseconds", length, step)?;
        Ok(Self::Time { length, step })
    }

    fn checked(unit: &'static str, length: i64, step: Option<i64>) -> Result<(i64, i64), Invalid> {
        let step = step.unwrap_or(length);
        if length < 1 {
            return Err(Invalid::new("window", format!("of {length} {unit}"), "at least one"));
        }
        if step < 1 || step > length || step < length / MOST_OVERLAP {
            let expected = format!(
                "{} to {length}: from a thousandth of the window to all of it",
                (length / MOST_OVERLAP).max(1)
            );
            return Err(Invalid::new("step", format!("of {step} {unit}"), expected));
        }
        Ok((length, step))
    }
}

/// Loss and round trips in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Rolled {
    /// When it begins; `None` without times.
    pub start: Option<Nanos>,
    /// The number of its first ping.
    pub first_seq: u64,
    /// How its pings ended.
    pub loss: Loss,
    /// The interval of the loss, if losses are independent.
    pub interval: (f64, f64),
    /// Count, mean and extremes of its round trips.
    pub rtt: Moments,
    /// Their 50 % quantile.
    pub median: Option<f64>,
    /// Their 95 % quantile.
    pub p95: Option<f64>,
}

/// Loss and round trips in each window with a ping, up to the one that reaches the last ping. Windows in time begin at
/// the first ping and go by the time of sending, or by the due time of a ping that was not sent.
pub fn rolling(sample: &Sample<'_>, windows: Windows, sure: Confidence) -> Result<Vec<Rolled>, Invalid> {
    let mut all = Vec::new();
    let mut values = Vec::new();
    let mut cut = |start, from, to| {
        if all.len() == MOST_WINDOWS {
            return Err(Invalid::new(
                "windows",
                "more than 10,000,000",
                "fewer: use longer ones, or a longer step",
            ));
        }
        all.push(rolled(&sample.part(from..to), start, sure, &mut values));
        Ok(())
    };
    match windows {
        Windows::Pings { length, step } => {
            let [length, step] = [length, step].map(|pings| usize::try_from(pings).unwrap_or(usize::MAX));
            for from in (0..sample.len()).step_by(step) {
                let to = from.saturating_add(length).min(sample.len());
                cut(sample.time(from), from, to)?;
                if to == sample.len() {
                    break;
                }
            }
        }
        Windows::Time { length, step } => {
            let times = times(sample)?;
            // In 128 bits, as the end of a window may exceed an i64.
            let [length, step] = [length, step].map(i128::from);
            let time = |row: usize| i128::from(times[row]);
            let (mut from, mut to) = (0, 0);
            let mut start = times.first().copied().map_or(0, i128::from);
            while to < times.len() {
                while from < times.len() && time(from) < start {
                    from += 1;
                }
                to = to.max(from);
                while to < times.len() && time(to) < start + length {
                    to += 1;
                }
                if from == to {
                    // No ping in this window: continue with the first window that has the next one.
                    start += (time(to) - start - length) / step * step + step;
                    continue;
                }
                cut(Nanos::try_from(start).ok(), from, to)?;
                start += step;
            }
        }
    }
    Ok(all)
}

/// The time of each ping, in ascending order: the due time of a ping that was not sent may be earlier than the time at
/// which a delayed one before it was sent.
fn times(sample: &Sample<'_>) -> Result<Vec<Nanos>, Invalid> {
    sample.need_times("a window in time")?;
    let mut latest = Nanos::MIN;
    let time = |row| {
        let time = sample.time(row);
        let time =
            time.ok_or_else(|| Invalid::new("sent_ns", "null", format!("the time of row {row}, or due_ns")));
        latest = latest.max(time?);
        Ok(latest)
    };
    (0..sample.len()).map(time).collect()
}

fn rolled(part: &Sample<'_>, start: Option<Nanos>, sure: Confidence, values: &mut Vec<i64>) -> Rolled {
    values.clear();
    values.extend(part.round_trips());
    let loss = loss(&[*part]);
    let rtt = Moments::of(values);
    let found = quantiles(values, 0, &[Quantile::MEDIAN, Quantile::P95]);
    let interval = loss.interval(sure).unwrap_or((0.0, 1.0));
    Rolled { start, first_seq: part.seq(0), loss, interval, rtt, median: found[0], p95: found[1] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    fn of(rtt: &[i64], sent: &[i64], windows: Windows) -> Vec<(Option<i64>, u64, u64, u64)> {
        let columns = Columns { rtt, sent: Some(sent), ..Columns::default() };
        let sample = Sample::new(columns).expect("columns that fit");
        let sure = Confidence::new(0.95).expect("a confidence");
        let rolled = rolling(&sample, windows, sure).expect("few windows");
        rolled.iter().map(|at| (at.start, at.first_seq, at.loss.sent(), at.loss.lost())).collect()
    }

    const RTT: [i64; 5] = [1, NONE, 3, NONE, NONE];
    const SENT: [i64; 5] = [10, 20, 30, 40, 95];

    #[test]
    fn windows_of_pings() {
        let two = Windows::pings(2, None).expect("a window");
        assert_eq!(of(&RTT, &SENT, two), [(Some(10), 0, 2, 1), (Some(30), 2, 2, 1), (Some(95), 4, 1, 1)]);
        let sliding = Windows::pings(4, Some(1)).expect("a window");
        assert_eq!(of(&RTT, &SENT, sliding), [(Some(10), 0, 4, 2), (Some(20), 1, 4, 3)]);
        assert_eq!(of(&RTT[..2], &SENT[..2], sliding), [(Some(10), 0, 2, 1)]);
        assert_eq!(of(&[], &[], two), []);
    }

    #[test]
    fn windows_in_time_skip_what_is_empty() {
        let windows = Windows::time(20, None).expect("a window");
        // 10 to 30, 30 to 50, and 90 to 110: nothing in 50 to 90.
        assert_eq!(of(&RTT, &SENT, windows), [(Some(10), 0, 2, 1), (Some(30), 2, 2, 1), (Some(90), 4, 1, 1)]);
        assert_eq!(of(&[5], &[7], windows), [(Some(7), 0, 1, 0)]);
    }

    #[test]
    fn the_last_moment_is_in_a_window() {
        let (length, ends) = (Windows::time(1, None).expect("a window"), [i64::MIN + 1, i64::MAX]);
        assert_eq!(of(&[1, 1], &ends, length), [(Some(ends[0]), 0, 1, 0), (Some(ends[1]), 1, 1, 0)]);
    }

    #[test]
    fn a_window_has_its_round_trips() {
        let (rtt, sent) = ([10, 20, NONE, 90], [0, 1, 2, 3]);
        let columns = Columns { rtt: &rtt, sent: Some(&sent), ..Columns::default() };
        let sample = Sample::new(columns).expect("columns that fit");
        let sure = Confidence::new(0.95).expect("a confidence");
        let all = rolling(&sample, Windows::pings(4, None).expect("a window"), sure).expect("few");
        assert_eq!((all[0].median, all[0].p95, all[0].rtt.max()), (Some(20.0), Some(83.0), Some(90)));
        let lost =
            rolling(&sample.part(2..3), Windows::pings(1, None).expect("a window"), sure).expect("few");
        assert_eq!((lost[0].median, lost[0].rtt.min(), lost[0].loss.share()), (None, None, Some(1.0)));
    }

    #[test]
    fn invalid_windows_are_refused() {
        for (length, step) in [(0, None), (-5, None), (10, Some(0)), (10, Some(11)), (100_000, Some(1))] {
            assert!(Windows::pings(length, step).is_err() && Windows::time(length, step).is_err());
        }
        let untimed = Sample::new(Columns { rtt: &[1], ..Columns::default() }).expect("columns that fit");
        let sure = Confidence::new(0.95).expect("a confidence");
        assert!(rolling(&untimed, Windows::time(1, None).expect("a window"), sure).is_err());
        assert!(rolling(&untimed, Windows::pings(1, None).expect("a window"), sure).is_ok());
    }

    proptest! {
        /// Each window against the definition, over all pings.
        #[test]
        fn windows_in_time_hold_what_was_sent_in_them(
            gaps in proptest::collection::vec(0_i64..40, 1..40), length in 1_i64..50, part in 1_i64..5,
        ) {
            let sent: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let step = (length / part).max(1);
            let windows = Windows::time(length, Some(step)).expect("a window");
            let found = of(&vec![1; sent.len()], &sent, windows);
            let mut expected = Vec::new();
            for start in (sent[0]..).step_by(usize::try_from(step).expect("small")) {
                let within = |at: &&i64| start <= **at && **at < start + length;
                let count = sent.iter().filter(within).count() as u64;
                if count > 0 {
                    let first = sent.iter().position(|at| within(&at)).expect("counted") as u64;
                    expected.push((Some(start), first, count, 0));
                }
                if sent[sent.len() - 1] < start + length {
                    break;
                }
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn extreme_times_do_no_harm(sent in proptest::collection::vec((i64::MIN + 1)..=i64::MAX, 0..20), length in 1..=i64::MAX) {
            let windows = Windows::time(length, None).expect("a window");
            let pings: u64 = of(&vec![1; sent.len()], &sent, windows).iter().map(|at| at.2).sum();
            prop_assert_eq!(pings, sent.len() as u64);
        }
    }
}
