//! The detector with a promised rate of false alarms, whatever the losses and delays.
//!
//! Two things tell it how often a silence is wrong. The *model* ([`Chain`]) knows at once how probable a silence is, if
//! losses follow each other as a two-state chain and delays are as they were. The *evidence* ([`Silences`]) is how often
//! there was a longer one that ended, and assumes no shape; it takes as long as some false alarms are promised for. A
//! silence is long enough when
//!
//! > (longer + assumed) / (time + assumed / modelled) <= 1
//!
//! where `longer` is the number of longer silences, `time` that of the evidence, and `modelled` the false alarms by the
//! model, all in units of the promise: the mean of a Gamma distribution with the model for its prior. However sure the
//! model is, it stands for the time of [`BELIEVED`] promised alarms at most. So without evidence the model decides, and
//! in the end the evidence alone.
//!
//! The loop is closed: false alarms beyond the promised ones count as longer silences, so a run of them, as when the path
//! has changed, ends with the longest silence of all.

use std::cell::Cell;
use std::fmt::Write as _;

use super::chain::{Chain, MOST_SILENT};
use super::deviations::Deviations;
use super::pool::{Others, Pool, Share, given};
use super::silences::Silences;
use super::{Beat, Deadlines, Rate, saturated};
use crate::logic::{Invalid, Nanos, SECOND};

/// Up to so many heartbeats, a sender may be silent for three intervals and a second at least.
const YOUNG: u32 = 10;
/// Heartbeats after which what was assumed at the start weighs little: 20 of them are made up.
pub(super) const LESSONS: u64 = 1_000;
/// Heartbeats over which the expected time is averaged.
const MEMORY: f64 = 1_000.0;
/// The counts of losses are halved when they exceed this sum.
const MOST_TRANSITIONS: f64 = 50_000.0;
/// A forecast is renewed when the heartbeats have doubled, and after so many at most; not before the tenth, as the first
/// ones would cost more than all others.
const STEADY: u32 = 50;
/// Up to so many heartbeats, a silence that was suspect renews the forecast at once.
const UNSTEADY: u32 = 200;
/// Up to twice [`YOUNG`] a forecast is rounded up by a 16th of an interval, which is a quarter of the work.
const COARSE: Nanos = 16;
/// A forecast is rounded up by at most an interval divided by this.
const FINE: Nanos = 16_384;
/// False alarms for which the model stands, in a time that follows from it, and the most that this is.
const ASSUMED: f64 = 1.25;
const BELIEVED: f64 = 3.0;
/// False alarms beyond the promised ones that are taken for chance.
const CHANCE: f64 = 3.0;
/// What is remembered: a week, or the time of so many promised alarms.
const WEEK: f64 = 7.0 * 86_400.0 * SECOND as f64;
const ALARMS: f64 = 14.0;
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
    /// False alarms per second to be expected with this silence: more than promised where the model, which asks for
    /// [`MOST_SILENT`] intervals at most, would need a longer one.
    pub false_alarms: f64,
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
            sent: 0,
            received: 0,
            offset: 0.0,
            losses: Losses::PRIOR,
            deviations: Deviations::default(),
            silences: Silences::default(),
            expected: 0,
            next_timer: YOUNG,
            forecast: Forecast { silence: 0, false_alarms: 0.0, late: 0, doubtful: 0 },
        };
        watch.forecast = NEWCOMER.with(|newcomer| match newcomer.get() {
            Some((known, forecast)) if known == (budget.to_bits(), interval) => forecast,
            _ => {
                let forecast = watch.look_ahead(None);
                newcomer.set(Some(((budget.to_bits(), interval), forecast)));
                forecast
            }
        });
        Ok(watch)
    }
}

/// A promise for each heartbeat, and an interval.
type Promise = (u64, Nanos);

thread_local! {
    /// The forecast that depends on nothing else, as many clients begin at once.
    static NEWCOMER: Cell<Option<(Promise, Forecast)>> = const { Cell::new(None) };
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

/// Stands before the interval and the silences in what was learned.
const SILENCES: &str = " silences ";

#[derive(Debug, Clone, Copy)]
struct Origin {
    sent: Nanos,
    at: Nanos,
}

#[derive(Debug, Clone)]
pub(super) struct Watch {
    interval: Nanos,
    /// False alarms per heartbeat that is sent.
    budget: f64,
    /// The first heartbeat; times count from it.
    origin: Option<Origin>,
    /// When the latest was sent.
    sent: Nanos,
    received: u32,
    /// How much later than on a schedule from the first one heartbeats arrive on average.
    offset: f64,
    losses: Losses,
    deviations: Deviations,
    silences: Silences,
    /// When the latest was expected, by the average delay. [`Nanos::MAX`] if it came after its own deadline: then the
    /// sender was suspected all along.
    expected: Nanos,
    /// The number of received heartbeats at which the forecast is renewed.
    next_timer: u32,
    forecast: Forecast,
}

impl Watch {
    /// Learns from a heartbeat and returns the deadlines; `before` has the number of the last one and its deadline.
    #[expect(clippy::cast_possible_truncation, reason = "a mean of times is a time")]
    pub(super) fn fresh(
        &mut self,
        beat: Beat,
        before: Option<(u64, Nanos)>,
        mut share: Option<Share<'_>>,
    ) -> Deadlines {
        let Beat { sent, at, .. } = beat;
        let origin = *self.origin.get_or_insert(Origin { sent, at });
        let planned = i128::from(beat.sent) - i128::from(origin.sent);
        let offset = saturated(i128::from(beat.at) - i128::from(origin.at) - planned);
        let mut surprising = false;
        if let Some((latest, deadline)) = before.filter(|_| self.received > 0) {
            let steps = beat.seq - latest;
            self.losses.gap(steps - 1);
            self.deviations.add(offset.saturating_sub(self.offset.round() as Nanos));
            surprising = self.end_silence(beat, steps, beat.at > deadline, &mut share);
        }
        if self.received == 0 && self.silences.promised() <= 0.0 {
            let of_others = share.as_ref().map_or(0, |share| share.pool.first(self.interval));
            self.forecast.silence = self.forecast.silence.max(of_others);
        }
        self.received = self.received.saturating_add(1);
        self.sent = beat.sent;
        self.offset += (offset as f64 - self.offset) / f64::from(self.received).min(MEMORY);
        if self.received >= self.next_timer || surprising {
            self.next_timer = self.received.saturating_add(self.received.clamp(1, STEADY));
            self.forecast = self.look_ahead(share.map(|share| &*share.pool));
        }
        self.expected = saturated(i128::from(origin.at) + planned + self.offset.round() as i128);
        let after = |silence| self.expected.saturating_add(silence);
        let mut deadlines = Deadlines {
            late: after(self.forecast.late),
            suspect: after(self.forecast.doubtful),
            down: after(self.forecast.silence),
        };
        if self.received <= YOUNG {
            let least = |silence| beat.at.saturating_add(silence);
            deadlines = Deadlines {
                late: deadlines.late.max(least(self.interval * 3 / 2)),
                suspect: deadlines.suspect.max(least(self.interval * 2)),
                down: deadlines.down.max(least(3 * self.interval + SECOND)),
            };
        }
        if beat.at > deadlines.down {
            self.expected = Nanos::MAX;
        }
        deadlines
    }

    /// Learns from the silence that a heartbeat ended; returns whether the forecast has to be renewed for it. A sender
    /// that was stopped, and went on with the next number, was taken for that rightly.
    fn end_silence(&mut self, beat: Beat, steps: u64, alarm: bool, share: &mut Option<Share<'_>>) -> bool {
        let steps = steps as f64;
        let stopped = (beat.sent as f64 - self.sent as f64) > (steps + 0.5) * self.interval as f64;
        if stopped || self.expected == Nanos::MAX {
            return false;
        }
        let silence = beat.at.saturating_sub(self.expected);
        let window = (self.budget * WEEK / self.interval as f64).max(ALARMS);
        let place = self.silences.add(silence, steps * self.budget, window, alarm);
        if let Some(Share { pool, together }) = share {
            let is_given = |place: usize| !*together && place as f64 <= given(self.silences.promised());
            let silence = place.filter(|place| is_given(*place)).map(|_| silence);
            pool.add(self.interval, beat.at, steps * self.budget, silence);
        }
        alarm || (self.received <= UNSTEADY && silence > self.forecast.doubtful)
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
        let _ = write!(text, "{SILENCES}{} ", self.interval);
        self.silences.write(self.budget, &mut text);
        text
    }

    /// Takes up what another has learned. The expected time is found anew, as clocks may have been set.
    pub(super) fn take_up(&mut self, learned: &str, pool: &mut Pool) -> Option<()> {
        let learned = learned.strip_prefix("calibrated ")?;
        // The first versions did not write silences.
        let (learned, silences) = learned.split_once(SILENCES).map_or((learned, None), |(l, s)| (l, Some(s)));
        let mut parts = learned.split(' ');
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
        if let Some((interval, silences)) = silences.and_then(|silences| silences.split_once(' '))
            && interval.parse() == Ok(self.interval)
        {
            self.silences = Silences::read(silences, self.budget)?;
            pool.join(self.interval, &self.silences);
        }
        self.forecast = self.look_ahead(Some(pool));
        Some(())
    }

    /// Begins with the times of another session; what is known of the path stays.
    pub(super) fn restart(&mut self) {
        (self.origin, self.sent, self.received, self.offset) = (None, 0, 0, 0.0);
        self.next_timer = YOUNG;
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.deviations.memory() + 16 + self.silences.memory()
    }

    pub(super) fn prefetch(&self) -> u64 {
        let Self { sent, offset, losses, deviations, forecast, .. } = self;
        let numbers =
            (losses.n00 + offset).to_bits() ^ forecast.silence.cast_unsigned() ^ sent.cast_unsigned();
        numbers ^ deviations.prefetch()
    }

    pub(super) fn forecast(&self) -> Forecast {
        self.forecast
    }

    fn others(&self, pool: &Pool) -> Option<Others> {
        pool.others(self.interval, &self.silences)
    }

    /// The shortest silence that keeps the promise, by the model and the evidence. Where other clients had more false
    /// alarms than the model expects, it is taken to expect as many.
    fn look_ahead(&self, pool: Option<&Pool>) -> Forecast {
        let others = pool.and_then(|pool| self.others(pool));
        let (interval, (p01, p11), tail) = (self.interval, self.losses.chances(), self.deviations.tail());
        let chain = Chain { interval, p01, p11, tail: &tail };
        let arriving = (1.0 - p11) / (p01 + 1.0 - p11);
        let allowed = self.budget / arriving;
        let modelled = |silence| {
            let of_others = others.as_ref().map_or(0.0, |others| others.rate(silence));
            f64::max(chain.silence(silence) / allowed, of_others)
        };
        let late = interval + tail.quantile(SELDOM, MOST_SILENT * interval);
        let excess = (self.silences.excess() - CHANCE).max(0.0);
        // The time for which the model has to stand when there are so many longer silences, and whether it can.
        let lacking = |longer: f64| longer + ASSUMED + excess - self.silences.promised();
        let bears = |lacking: f64, silence| {
            lacking <= 0.0 || lacking <= BELIEVED && modelled(silence) * lacking <= ASSUMED
        };
        let mut ranked = self.silences.ranked().peekable();
        let mut found = None;
        while let Some((silence, longer)) =
            ranked.next_if(|(silence, longer)| bears(lacking(*longer), *silence))
        {
            found = Some((silence, longer));
        }
        // The first that is too short, and what the model asks for instead: that may lie before the last long enough.
        let next = ranked.peek().copied().or(found.is_none().then_some((0, 0.0)));
        let lacking = next.map_or(BELIEVED, |(_, longer)| lacking(longer).clamp(1e-9, BELIEVED));
        let fine = if self.received <= 2 * YOUNG { COARSE } else { FINE };
        let [doubtful, model] = chain.first([SELDOM, allowed * ASSUMED / lacking], fine);
        let model = model.max(others.as_ref().map_or(0, |others| others.first(ASSUMED / lacking)));
        let better = next.map(|(silence, longer)| (silence.max(model), longer));
        let (silence, longer) = match (found, better) {
            (Some(found), Some(better)) if better.0 < found.0 && bears(lacking, better.0) => better,
            (Some(found), _) => found,
            (None, better) => better.unwrap_or((model, 0.0)),
        };
        let time = self.silences.promised() + ASSUMED / modelled(silence).max(ASSUMED / BELIEVED);
        let expected = (longer + ASSUMED) / time;
        let false_alarms = expected * self.budget * SECOND as f64 / interval as f64;
        Forecast { silence, false_alarms, late, doubtful }
    }
}
