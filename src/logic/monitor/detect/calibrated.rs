//! The detector with a promised rate of false alarms, whatever the losses.
//!
//! It learns how losses follow each other (a two-state chain) and how late heartbeats arrive. From these follows the
//! probability P(t) that a healthy sender is silent until the time t:
//!
//! > (ok, lost) = (1, 0) at the last arrival; for each heartbeat k due since then
//! > none = ok (1 - p01) + lost (1 - p11), lost = ok p01 + lost p11, ok = none S(t - EA(k)); P(t) = ok + lost
//!
//! where S(d) is the share of arrivals that are later than expected by more than d. The deadline is the time at which P
//! falls to the false alarms that each received heartbeat may cause: rate x interval / (1 - loss), as 1 - loss of those
//! sent are received.

use std::fmt::Write as _;

use super::deviations::{Deviations, Tail};
use super::{Beat, Deadlines, Rate, saturated};
use crate::logic::{Invalid, Nanos, SECOND};

/// The longest silence before a sender is down, in intervals. A longer gap is an outage, and the detector does not learn
/// from it.
pub const MOST_SILENT: i64 = 60;
/// Up to so many heartbeats, a sender may be silent for three intervals and a second at least.
const YOUNG: u32 = 10;
/// Heartbeats after which what was assumed at the start weighs little: 20 of them are made up.
pub(super) const LESSONS: u64 = 1_000;
/// Heartbeats over which the expected time is averaged.
const MEMORY: f64 = 1_000.0;
/// The counts of losses are halved when they exceed this sum.
const MOST_TRANSITIONS: f64 = 50_000.0;
/// Heartbeats from one forecast to the next: a sixteenth of all so far, and at most so many.
const STEADY: u32 = 50;
const OFTEN: u32 = 16;
/// Up to so many heartbeats, a loss, or one that is later than all before, renews the forecast at once.
const UNSTEADY: u32 = 200;
/// A forecast is rounded up by at most an interval divided by this.
const FINE: Nanos = 16_384;
/// The probability of a silence that counts as late or suspect: phi is 2.
const SELDOM: f64 = 0.01;

/// Suspects when silence is as improbable as `false_alarms` requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calibrated {
    false_alarms: Rate,
}

/// The forecast of a calibrated detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// From the expected arrival of the last heartbeat to the deadline.
    pub silence: Nanos,
    /// False alarms per second with this silence: as promised, or more where [`MOST_SILENT`] cut it short.
    pub false_alarms: f64,
    /// Whether [`MOST_SILENT`] cut it short.
    pub cut_short: bool,
    /// From the same expected arrival until 99 in 100 of those that arrive have arrived.
    pub late: Nanos,
    /// From the same expected arrival until only one in 100 healthy senders is still silent, losses included.
    pub doubtful: Nanos,
}

impl Default for Calibrated {
    fn default() -> Self {
        Self { false_alarms: Rate::monthly() }
    }
}

impl Calibrated {
    /// A detector that promises this rate.
    pub fn new(false_alarms: Rate) -> Self {
        Self { false_alarms }
    }

    /// The promised rate.
    pub fn false_alarms(&self) -> Rate {
        self.false_alarms
    }

    pub(super) fn watch(self, interval: Nanos) -> Result<Watch, Invalid> {
        let budget = self.false_alarms.per_second() * interval as f64 / SECOND as f64;
        if budget > 0.1 {
            let expected = "at most one false alarm in ten intervals: promise fewer, or send more often";
            return Err(Invalid::quoted("detector", &format!("calibrated:{}", self.false_alarms), expected));
        }
        let mut watch = Watch {
            interval,
            budget,
            origin: None,
            latest: None,
            received: 0,
            offset: 0.0,
            losses: Losses::PRIOR,
            deviations: Deviations::default(),
            // The first heartbeat alone shows nothing.
            next_timer: 2,
            forecast: Forecast { silence: 0, false_alarms: 0.0, cut_short: false, late: 0, doubtful: 0 },
        };
        watch.forecast = watch.look_ahead();
        Ok(watch)
    }
}

/// How often a heartbeat that arrived (0) or was lost (1) was followed by one that arrived or was lost.
#[derive(Debug, Clone)]
struct Losses {
    n00: f64,
    n01: f64,
    n10: f64,
    n11: f64,
    /// Arrivals, and gaps between them, since the start: halving the counts above forgets rare losses.
    arrivals: f64,
    gaps: f64,
}

impl Losses {
    const PRIOR: Self = Self { n00: 19.0, n01: 1.0, n10: 2.0, n11: 1.0, arrivals: 20.0, gaps: 1.0 };

    /// Counts the heartbeats that were lost between two that arrived.
    fn gap(&mut self, lost: u64) {
        match lost {
            0 => self.n00 += 1.0,
            1..=MOST_LOST => {
                self.n01 += 1.0;
                self.n11 += (lost - 1) as f64;
                self.n10 += 1.0;
                self.gaps += 1.0;
            }
            _ => return,
        }
        self.arrivals += 1.0;
        if self.n00 + self.n01 + self.n10 + self.n11 > MOST_TRANSITIONS {
            for count in [&mut self.n00, &mut self.n01, &mut self.n10, &mut self.n11] {
                *count /= 2.0;
            }
        }
    }

    /// The probability of a loss after an arrival, and after a loss.
    fn chances(&self) -> (f64, f64) {
        let recent = self.n01 / (self.n00 + self.n01);
        (recent.max(self.gaps / self.arrivals), self.n11 / (self.n10 + self.n11))
    }
}

const MOST_LOST: u64 = MOST_SILENT.unsigned_abs();

#[derive(Debug, Clone)]
pub(super) struct Watch {
    interval: Nanos,
    /// False alarms per heartbeat that is sent.
    budget: f64,
    /// The first heartbeat; numbers and times count from it.
    origin: Option<Beat>,
    latest: Option<u64>,
    received: u32,
    /// How much later than on a schedule from the first one heartbeats arrive on average.
    offset: f64,
    losses: Losses,
    deviations: Deviations,
    /// The number of received heartbeats at which the forecast is renewed.
    next_timer: u32,
    forecast: Forecast,
}

impl Watch {
    /// Learns from a heartbeat and returns the deadlines.
    #[expect(clippy::cast_possible_truncation, reason = "a mean of times is a time")]
    pub(super) fn fresh(&mut self, beat: Beat) -> Deadlines {
        let origin = *self.origin.get_or_insert(beat);
        let planned = i128::from(beat.sent) - i128::from(origin.sent);
        let offset = saturated(i128::from(beat.at) - i128::from(origin.at) - planned);
        let mut surprising = false;
        if let Some(latest) = self.latest.replace(beat.seq) {
            let lost = beat.seq - latest - 1;
            self.losses.gap(lost);
            let later = self.deviations.add(offset.saturating_sub(self.offset.round() as Nanos));
            surprising = self.received <= UNSTEADY && (lost > 0 || later);
        }
        self.received = self.received.saturating_add(1);
        self.offset += (offset as f64 - self.offset) / f64::from(self.received).min(MEMORY);
        if self.received >= self.next_timer || surprising {
            self.next_timer = self.received.saturating_add((self.received / OFTEN).clamp(1, STEADY));
            self.forecast = self.look_ahead();
        }
        let expected = i128::from(origin.at) + planned + self.offset.round() as i128;
        let after = |silence| saturated(expected + i128::from(silence));
        let deadlines = Deadlines {
            late: after(self.forecast.late),
            suspect: after(self.forecast.doubtful),
            down: after(self.forecast.silence),
        };
        if self.received > YOUNG {
            return deadlines;
        }
        let least = |silence| beat.at.saturating_add(silence);
        Deadlines {
            late: deadlines.late.max(least(self.interval * 3 / 2)),
            suspect: deadlines.suspect.max(least(self.interval * 2)),
            down: deadlines.down.max(least(3 * self.interval + SECOND)),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, as a float")]
    pub(super) fn to_learn(&self) -> u64 {
        LESSONS.saturating_sub((self.losses.arrivals - Losses::PRIOR.arrivals) as u64)
    }

    /// What it knows of losses and of delays, as text.
    pub(super) fn learned(&self) -> String {
        let Losses { n00, n01, n10, n11, arrivals, gaps } = self.losses;
        let mut text = format!("calibrated {n00} {n01} {n10} {n11} {arrivals} {gaps}");
        for (bucket, count) in self.deviations.hits() {
            // Writing into memory cannot fail.
            let _ = write!(text, " {bucket}:{count}");
        }
        text
    }

    /// Takes up what another has learned. The expected time is found anew, as clocks may have been set.
    pub(super) fn take_up(&mut self, learned: &str) -> Option<()> {
        let mut parts = learned.strip_prefix("calibrated ")?.split(' ');
        let mut number = || parts.next()?.parse::<f64>().ok().filter(|number| (0.5..1e15).contains(number));
        let losses = Losses {
            n00: number()?,
            n01: number()?,
            n10: number()?,
            n11: number()?,
            arrivals: number()?,
            gaps: number()?,
        };
        let hits: Option<Vec<(usize, u32)>> = parts
            .map(|hit| {
                hit.split_once(':')
                    .and_then(|(bucket, count)| Some((bucket.parse().ok()?, count.parse().ok()?)))
            })
            .collect();
        self.deviations = Deviations::restored(hits?.into_iter())?;
        self.losses = losses;
        self.forecast = self.look_ahead();
        Some(())
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.deviations.memory()
    }

    pub(super) fn prefetch(&self) -> u64 {
        let Self { latest, offset, losses, deviations, forecast, .. } = self;
        let numbers =
            (losses.n00 + offset).to_bits() ^ forecast.silence.cast_unsigned() ^ latest.unwrap_or(0);
        numbers ^ deviations.prefetch()
    }

    pub(super) fn forecast(&self) -> Forecast {
        self.forecast
    }

    fn look_ahead(&self) -> Forecast {
        let (interval, (p01, p11), tail) = (self.interval, self.losses.chances(), self.deviations.tail());
        let chain = Chain { interval, p01, p11, tail: &tail };
        let arriving = (1.0 - p11) / (p01 + 1.0 - p11);
        let allowed = self.budget / arriving;
        let per_second = arriving * SECOND as f64 / interval as f64;
        let longest = MOST_SILENT * interval;
        let late = interval + tail.quantile(SELDOM, longest);
        let [doubtful, silence] = chain.first([SELDOM, allowed]);
        let at_most = if silence == longest { chain.silence(longest) } else { allowed };
        let cut_short = at_most > allowed;
        let false_alarms = at_most.max(allowed) * per_second;
        Forecast { silence, false_alarms, cut_short, late, doubtful }
    }
}

/// A healthy sender: how its losses follow each other, and how late its heartbeats arrive.
#[derive(Clone, Copy)]
struct Chain<'a> {
    interval: Nanos,
    p01: f64,
    p11: f64,
    tail: &'a Tail,
}

impl Chain<'_> {
    /// The first times, up to the longest silence, at which silence is no more probable than each of `most`: first
    /// the interval, then the time in it.
    fn first(self, most: [f64; 2]) -> [Nanos; 2] {
        let fine = |most: f64, whole: i64| {
            let (mut low, mut high) = ((whole - 1) * self.interval, whole * self.interval);
            while high - low > self.interval / FINE + 1 {
                let middle = low + (high - low) / 2;
                if self.silence(middle) <= most { high = middle } else { low = middle }
            }
            high
        };
        let whole = self.first_whole(most);
        [fine(most[0], whole[0]), fine(most[1], whole[1])]
    }

    /// The same in whole intervals, in one pass: with each interval one more heartbeat was due, before all the others. So
    /// each step computes the probability of silence after both states from that of the step before.
    fn first_whole(self, most: [f64; 2]) -> [i64; 2] {
        let before = |due: i64| {
            let late = due * self.interval;
            late <= Tail::earliest() || self.tail.beyond(late) >= 1.0
        };
        let mut due = 0;
        while !before(due) {
            due -= 1;
        }
        let (mut ok, mut lost, mut found) = (1.0, 1.0, [MOST_SILENT; 2]);
        for due in due..MOST_SILENT {
            if !before(due) {
                let beyond = self.tail.beyond(due * self.interval);
                (ok, lost) = (
                    ok * beyond * (1.0 - self.p01) + lost * self.p01,
                    ok * beyond * (1.0 - self.p11) + lost * self.p11,
                );
            }
            for (found, _) in found.iter_mut().zip(most).filter(|(_, most)| due >= 0 && ok <= *most) {
                *found = (due + 1).min(*found);
            }
            if found.iter().all(|found| *found < MOST_SILENT) {
                break;
            }
        }
        found
    }

    /// The probability that nothing arrives until `after` the expected arrival of a heartbeat that did.
    fn silence(self, after: Nanos) -> f64 {
        let (mut ok, mut lost) = (1.0, 0.0);
        let mut late = after - self.interval;
        while late > Tail::earliest() {
            let beyond = self.tail.beyond(late);
            if beyond >= 1.0 {
                break;
            }
            let arrives = ok * (1.0 - self.p01) + lost * (1.0 - self.p11);
            lost = ok * self.p01 + lost * self.p11;
            ok = arrives * beyond;
            late -= self.interval;
        }
        ok + lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a bisection over the longest silence.
        #[test]
        fn the_first_silence_is_found_in_one_pass(
            interval in prop::sample::select(vec![1_000_000, SECOND / 20, SECOND, 30 * SECOND]),
            lateness in prop::collection::vec(-300_000_000_i64..400_000_000, 0..40),
            (p01, p11, most) in (0.0_f64..0.6, 0.0_f64..0.95, 1e-9_f64..0.2),
        ) {
            let mut deviations = Deviations::default();
            for deviation in lateness {
                deviations.add(deviation);
            }
            let tail = deviations.tail();
            let chain = Chain { interval, p01, p11, tail: &tail };
            let (mut low, mut high) = (0, MOST_SILENT);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if chain.silence(middle * interval) <= most { high = middle } else { low = middle }
            }
            prop_assert_eq!(chain.first_whole([most, 2.0]), [high, 1]);
        }
    }
}
