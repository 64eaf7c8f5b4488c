//! The interarrival jitter of RFC 3550.

use super::Sample;
use super::arrival::arrivals;
use crate::logic::Invalid;

/// Sum, maximum and last value of the jitter after each reply. In each sample it starts from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Jitter {
    /// The number of differences: one less than the replies of each sample.
    pub count: u64,
    /// The jitter after the last reply; `None` unless exactly one sample has two replies or more.
    pub last: Option<f64>,
    /// The sum of the jitters after each difference.
    pub sum: f64,
    /// The greatest.
    pub max: f64,
}

/// Interarrival jitter (RFC 3550, section 6.4.1, on round trips), in nanoseconds: starting from 0, with each reply in
/// time J grows by (|D| - J) / 16, where D is how much longer its round trip was than that of the reply that *came* before
/// it. Computed with fractions, not with the integers of the RFC's example.
///
/// Fewer than two replies have no jitter.
pub fn jitter(samples: &[Sample<'_>]) -> Result<Jitter, Invalid> {
    let mut all = Jitter::default();
    for sample in samples {
        let mut one = Jitter::default();
        jitter_after_each(sample, |_, now| {
            one.count += 1;
            one.last = Some(now);
            one.sum += now;
            one.max = one.max.max(now);
        })?;
        all.merge(&one);
    }
    Ok(all)
}

/// Calls `report` with the row of each reply but the first and the jitter after it, in the order of arrival.
pub fn jitter_after_each(sample: &Sample<'_>, mut report: impl FnMut(usize, f64)) -> Result<(), Invalid> {
    let mut now = 0.0;
    let order = arrivals(sample, "jitter")?;
    let round_trip = |row: u32| sample.in_time(row as usize).unwrap_or(0);
    for pair in order.windows(2) {
        let difference = round_trip(pair[1]).abs_diff(round_trip(pair[0]));
        now += (difference as f64 - now) / 16.0;
        report(pair[1] as usize, now);
    }
    Ok(())
}

impl Jitter {
    /// Adds the jitter of another sample.
    pub fn merge(&mut self, other: &Self) {
        self.last = match (self.count, other.count) {
            (0, _) => other.last,
            (_, 0) => self.last,
            _ => None,
        };
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// The mean of the jitters after each difference.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The greatest jitter.
    pub fn greatest(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;

    fn sample<'a>(sent: &'a [i64], rtt: &'a [i64]) -> Sample<'a> {
        Sample::new(Columns { rtt, sent: Some(sent), ..Columns::default() }).expect("columns that fit")
    }

    #[test]
    fn fewer_than_two_replies_have_no_jitter() {
        for rtt in [&[][..], &[NONE], &[5], &[5, NONE]] {
            let none = jitter(&[sample(&[0, 10][..rtt.len()], rtt)]).expect("times");
            assert_eq!((none.count, none.last, none.mean(), none.greatest()), (0, None, None, None));
        }
        let two = jitter(&[sample(&[0, 10], &[5, 37])]).expect("times");
        assert_eq!((two.count, two.last, two.mean(), two.greatest()), (1, Some(2.0), Some(2.0), Some(2.0)));
    }

    #[test]
    fn replies_count_in_the_order_in_which_they_came() {
        // Sent at 0, 10, 20; they come at 100, 12, 24.
        let came = jitter(&[sample(&[0, 10, 20], &[100, 2, 4])]).expect("times");
        let first = 2.0 / 16.0;
        assert_eq!(came.last, Some(first + (96.0 - first) / 16.0));
    }

    #[test]
    fn a_steady_path_has_none_and_an_alternating_one_the_difference() {
        let sent: Vec<i64> = (0..1_000).map(|ping| ping * 100).collect();
        let steady = jitter(&[sample(&sent, &[7; 1_000])]).expect("times");
        assert_eq!((steady.last, steady.greatest()), (Some(0.0), Some(0.0)));
        let alternating: Vec<i64> = (0..1_000).map(|ping| 10 + 10 * (ping % 2)).collect();
        let jitter = jitter(&[sample(&sent, &alternating)]).expect("times");
        assert!(jitter.last.is_some_and(|last| (last - 10.0).abs() < 1e-9));
    }

    #[test]
    fn several_samples_have_no_common_end() {
        let one = sample(&[0, 10], &[5, 37]);
        let two = jitter(&[one, sample(&[0], &[9]), one]).expect("times");
        assert_eq!((two.count, two.last, two.mean()), (2, None, Some(2.0)));
        assert_eq!(jitter(&[one, sample(&[0], &[9])]).expect("times").last, Some(2.0));
    }

    #[test]
    fn without_times_there_is_an_error() {
        let sample = Sample::new(Columns { rtt: &[1, 2], ..Columns::default() }).expect("columns that fit");
        assert!(jitter(&[sample]).is_err_and(|error| error.to_string().contains("sent_ns")));
    }
}
