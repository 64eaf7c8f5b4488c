//! Counts pings in equal spans of time, one for each column of a plot.

use super::Sample;
use crate::logic::record::Status;
use crate::logic::{Invalid, Nanos};

/// The pings of one span of time, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The shortest and the longest round trip, if one was answered in time.
    pub rtt: Option<(Nanos, Nanos)>,
    /// How many were answered in time.
    pub replies: u64,
    /// How many were answered too late.
    pub late: u64,
    /// The longest round trip of those.
    pub latest: Option<Nanos>,
    /// How many were not answered.
    pub timeouts: u64,
    /// How many were answered by an ICMP error or could not be sent.
    pub refused: u64,
    /// Whether pings that were due in it left in a later span: the sender was behind its schedule.
    pub behind: bool,
}

/// The times of the first and the last ping; `None` without any.
pub fn extent(samples: &[Sample<'_>]) -> Option<(Nanos, Nanos)> {
    let times = || samples.iter().flat_map(|sample| (0..sample.len()).filter_map(|row| sample.time(row)));
    Some((times().min()?, times().max()?))
}

/// The pings of `samples` together, in `count` equal spans of the time from `first` to `last`, both inclusive. A ping counts in
/// the span in which it was sent, or was to be sent if it never was. Those outside are left out.
pub fn timeline(
    samples: &[Sample<'_>],
    (first, last): (Nanos, Nanos),
    count: usize,
) -> Result<Vec<Span>, Invalid> {
    if count == 0 {
        return Err(Invalid::new("spans", count, "a number from 1"));
    }
    let mut spans = vec![Span::default(); count];
    // How many delays of the sender begin in each span, less those that end in it.
    let mut waits = vec![0_i64; count];
    for sample in samples {
        sample.need_times("a timeline")?;
        for row in 0..sample.len() {
            let Some(at) = sample.time(row).filter(|at| (first..=last).contains(at)) else { continue };
            let place = place(at, first, last, count);
            spans[place].take(sample, row);
            if let Some(due) = sample.due(row).filter(|due| (first..at).contains(due)) {
                waits[self::place(due, first, last, count)] += 1;
                waits[place] -= 1;
            }
        }
    }
    let mut waiting = 0;
    for (span, change) in spans.iter_mut().zip(waits) {
        waiting += change;
        span.behind = waiting > 0;
    }
    Ok(spans)
}

/// The index of the span that holds a time.
fn place(at: Nanos, first: Nanos, last: Nanos, count: usize) -> usize {
    let (passed, all) = (i128::from(at) - i128::from(first), i128::from(last) - i128::from(first) + 1);
    usize::try_from(passed * count as i128 / all).map_or(0, |place| place.min(count - 1))
}

impl Span {
    fn take(&mut self, sample: &Sample<'_>, row: usize) {
        match sample.status(row) {
            Status::Reply => self.replies += 1,
            Status::Late => {
                self.late += 1;
                self.latest = self.latest.max(sample.any_reply(row));
            }
            Status::Unreachable | Status::Error => self.refused += 1,
            Status::Timeout | Status::Open => self.timeouts += 1,
        }
        if let Some(rtt) = sample.in_time(row) {
            self.rtt = Some(self.rtt.map_or((rtt, rtt), |(low, high)| (low.min(rtt), high.max(rtt))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::record::NONE;
    use crate::logic::stats::Columns;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_ping_is_in_one_span_with_its_round_trip(
            rows in proptest::collection::vec((0_i64..1_000, 0_i64..50, 0_u8..5), 1..200),
            count in 1_usize..40,
        ) {
            let sent: Vec<i64> = rows.iter().map(|row| row.0).collect();
            let rtt: Vec<i64> = rows.iter().map(|row| if row.2 < 2 { row.1 } else { NONE }).collect();
            let status: Vec<u8> = rows.iter().map(|row| row.2).collect();
            let columns = Columns { rtt: &rtt, status: Some(&status), sent: Some(&sent), ..Columns::default() };
            let sample = [Sample::new(columns).expect("columns that fit")];
            let extent = extent(&sample).expect("a row");
            let spans = timeline(&sample, extent, count).expect("times");
            let sum = |of: fn(&Span) -> u64| spans.iter().map(of).sum::<u64>();
            let with = |codes: &[u8]| status.iter().filter(|code| codes.contains(code)).count() as u64;
            prop_assert_eq!(sum(|span| span.replies), with(&[0]));
            prop_assert_eq!(sum(|span| span.late), with(&[1]));
            let late = rows.iter().filter(|row| row.2 == 1).map(|row| row.1);
            prop_assert_eq!(spans.iter().filter_map(|span| span.latest).max(), late.max());
            prop_assert_eq!(sum(|span| span.timeouts), with(&[2]));
            prop_assert_eq!(sum(|span| span.refused), with(&[3, 4]));
            prop_assert_eq!(spans.iter().filter_map(|span| span.rtt).map(|rtt| rtt.1).max(), sample[0].round_trips().max());
            prop_assert_eq!(spans.iter().filter_map(|span| span.rtt).map(|rtt| rtt.0).min(), sample[0].round_trips().min());
            // Ends are part of it: the first ping is in the first span and the last one in the last.
            let full = |span: &Span| span.replies + span.late + span.timeouts + span.refused > 0;
            prop_assert!(full(&spans[0]));
            prop_assert!(extent.1 - extent.0 < 40 || full(&spans[count - 1]));
        }

        #[test]
        fn a_late_sender_is_behind_from_when_its_pings_were_due(
            lateness in proptest::collection::vec(0_i64..400, 1..60),
        ) {
            let due: Vec<i64> = (0..).map(|ping| ping * 10).take(lateness.len()).collect();
            let mut sent: Vec<i64> = due.iter().zip(&lateness).map(|(due, late)| due + late).collect();
            for ping in 1..sent.len() {
                sent[ping] = sent[ping].max(sent[ping - 1]);
            }
            let rtt = vec![1; due.len()];
            let columns = Columns { rtt: &rtt, sent: Some(&sent), due: Some(&due), ..Columns::default() };
            let whole = Sample::new(columns).expect("columns that fit");
            let half = due.len() / 2;
            // In whatever order the samples come.
            let sample = [whole.part(half..due.len()), whole.part(0..half)];
            let (first, last) = (0, *sent.last().expect("a row"));
            let spans = timeline(&sample, (first, last), 25).expect("times");
            for (at, span) in spans.iter().enumerate() {
                let late = |ping: usize| place(due[ping], first, last, 25) <= at && at < place(sent[ping], first, last, 25);
                prop_assert_eq!(span.behind, (0..due.len()).any(late));
            }
        }
    }

    #[test]
    fn no_sample_has_no_extent_and_extreme_times_are_accepted() {
        assert_eq!(extent(&[]), None);
        let sent = [i64::MIN + 1, i64::MAX];
        let columns = Columns { rtt: &[1, 1], sent: Some(&sent), ..Columns::default() };
        let sample = [Sample::new(columns).expect("columns that fit")];
        let spans = timeline(&sample, extent(&sample).expect("rows"), 3).expect("times");
        assert_eq!(spans.iter().map(|span| span.replies).collect::<Vec<_>>(), [1, 0, 1]);
        assert!(timeline(&sample, (0, 1), 0).is_err());
        let timeless = [Sample::new(Columns { rtt: &[1], ..Columns::default() }).expect("columns that fit")];
        assert!(timeline(&timeless, (0, 1), 3).is_err_and(|error| error.to_string().contains("sent_ns")));
    }
}
