//! Heartbeats in virtual time: a sender behind a lossy path, and detectors that watch it.
//!
//! The sender never stops, so every suspicion is a mistake. Crashes are simulated on copies: at each crash time the
//! detectors are copied, the copies receive the heartbeats in flight, and the time from the crash to their deadline is
//! the time to detection.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::logic::link::{DelayQueue, Delivery, Link, LinkPlan, Packet};
use crate::logic::monitor::detect::{Beat, Detector, Forecast, Watch};
use crate::logic::{Invalid, Nanos, SECOND};

/// A sender and its path.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Time between two heartbeats; the first is sent at 0.
    pub interval: Nanos,
    /// How many heartbeats are sent.
    pub beats: u64,
    /// The path; heartbeats alternate between its two directions, so that loss and delay apply to one way.
    pub link: LinkPlan,
    /// Crash times, ascending; see [`spread`].
    pub crashes: Vec<Nanos>,
}

/// Crash times, one in each equal part of a run, at phases that cover the interval evenly.
#[expect(clippy::cast_possible_truncation, reason = "within the run")]
pub fn spread(crashes: u32, interval: Nanos, beats: u64) -> Vec<Nanos> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let part = interval as f64 * beats as f64 / f64::from(crashes.max(1));
    let at = |crash: u32| (part * (f64::from(crash) + (f64::from(crash + 1) * GOLDEN).fract())) as Nanos;
    (0..crashes).map(at).collect()
}

/// Parts of a run whose mistakes are counted apart: clusters show in how much these differ.
const PARTS: usize = 16;

/// The result of one detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How often the sender was suspected.
    pub mistakes: u64,
    /// The same in each of 16 equal parts of the time from the first arrival to the end.
    pub parts: [u64; PARTS],
    /// For how long in total.
    pub suspected: Nanos,
    /// From the first arrival to the end of the run.
    pub observed: Nanos,
    /// The time from each simulated crash to its suspicion, ascending; 0 where the sender was suspected already.
    pub detections: Vec<Nanos>,
    /// The forecast of a calibrated detector at the end.
    pub forecast: Option<Forecast>,
    /// What a calibrated detector could have done at best, had it known everything and never changed.
    pub oracle: Option<Oracle>,
}

/// The shortest constant silence that keeps a promise on these heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oracle {
    /// From when the last heartbeat that came was sent until its sender is suspected.
    pub silence: Nanos,
    /// The median time from a crash to that.
    pub detection: Nanos,
}

impl Outcome {
    /// The probability that the detector is right at a random time; `None` if nothing arrived.
    pub fn query_accuracy(&self) -> Option<f64> {
        (self.observed > 0).then(|| 1.0 - self.suspected as f64 / self.observed as f64)
    }

    /// The mean duration of a mistake; `None` without one.
    #[expect(clippy::cast_possible_truncation, reason = "a mean of times is a time")]
    pub fn mean_mistake(&self) -> Option<Nanos> {
        (self.mistakes > 0).then(|| (self.suspected as f64 / self.mistakes as f64).round() as Nanos)
    }
}

/// The length of a heartbeat with a name and a session.
const LENGTH: usize = 100;
/// The only sender.
const SENDER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

/// A run in progress.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    link: Link,
    sent: u64,
    tried: usize,
    in_flight: DelayQueue<Beat>,
    first: Option<Nanos>,
    /// The heartbeat with the highest number, and how long before each crash it was sent.
    fresh: Option<Beat>,
    lags: Vec<Nanos>,
    trials: Vec<Trial>,
}

/// A detector and its mistakes.
#[derive(Debug)]
struct Trial {
    watch: Watch,
    suspected_since: Option<Nanos>,
    parts: [u64; PARTS],
    suspected: Nanos,
    detections: Vec<Nanos>,
    /// The longest silences, one more than false alarms are promised; the shortest of them comes first.
    longest: BinaryHeap<Reverse<Nanos>>,
    promised: Option<usize>,
}

impl Run {
    /// A run at time 0.
    pub fn new(plan: Plan, detectors: &[Detector]) -> Result<Self, Invalid> {
        const CENTURY: i128 = 36_525 * crate::logic::DAY as i128;
        let trial = |detector: &Detector| {
            let watch = detector.watch(plan.interval)?;
            Ok(Trial {
                watch,
                suspected_since: None,
                parts: [0; PARTS],
                suspected: 0,
                detections: Vec::new(),
                longest: BinaryHeap::new(),
                promised: promised(detector, &plan),
            })
        };
        let trials = detectors.iter().map(trial).collect::<Result<_, Invalid>>()?;
        if plan.beats == 0 || i128::from(plan.beats) * i128::from(plan.interval) > CENTURY {
            return Err(Invalid::new("heartbeats", plan.beats, "one at least, and a century at most"));
        }
        let link = Link::new(plan.link.clone());
        Ok(Self {
            plan,
            link,
            sent: 0,
            tried: 0,
            in_flight: DelayQueue::new(),
            first: None,
            fresh: None,
            lags: Vec::new(),
            trials,
        })
    }

    /// Advances by `beats` or to the end; returns whether that is reached.
    pub fn advance(&mut self, beats: u64) -> bool {
        for _ in 0..beats.min(self.plan.beats - self.sent) {
            let now = self.at(self.sent);
            self.deliver(now);
            let fate = self.link.round_trip(SENDER, Packet { at: now, len: LENGTH });
            for Delivery { at } in &*fate.deliveries {
                self.in_flight.push(*at, Beat { seq: self.sent, sent: now, at: *at });
            }
            self.sent += 1;
            self.crash();
        }
        if self.sent < self.plan.beats {
            return false;
        }
        self.deliver(self.at(self.plan.beats));
        true
    }

    /// The results so far, one for each detector.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let end = self.at(self.sent);
        let mut lags = self.lags.clone();
        lags.sort_unstable();
        let lag = lags.get(lags.len() / 2).copied();
        let outcome = |trial: &Trial| {
            let since = trial.suspected_since.or(trial.watch.deadline().filter(|deadline| *deadline < end));
            let mut parts = trial.parts;
            if let Some((since, first)) = since.filter(|_| trial.suspected_since.is_none()).zip(self.first) {
                parts[part(since, (first, end))] += 1;
            }
            let mut detections = trial.detections.clone();
            detections.sort_unstable();
            Outcome {
                mistakes: parts.iter().sum(),
                parts,
                suspected: trial.suspected + since.map_or(0, |since| end - since),
                observed: self.first.map_or(0, |first| end - first),
                detections,
                forecast: trial.watch.forecast(),
                oracle: trial.oracle(lag),
            }
        };
        self.trials.iter().map(outcome).collect()
    }

    /// When a heartbeat is sent; [`Run::new`] has checked that it does not overflow.
    fn at(&self, seq: u64) -> Nanos {
        Nanos::try_from(seq).unwrap_or(Nanos::MAX).saturating_mul(self.plan.interval)
    }

    /// Delivers the heartbeats that arrived until `now` to the detectors.
    fn deliver(&mut self, now: Nanos) {
        while let Some(beat) = self.in_flight.pop_due(now) {
            let observed = (*self.first.get_or_insert(beat.at), self.at(self.plan.beats));
            let silence = self.fresh.filter(|fresh| beat.seq > fresh.seq).map(|fresh| beat.at - fresh.sent);
            self.trials.iter_mut().for_each(|trial| {
                trial.beat(beat, observed);
                trial.longest(silence);
            });
            self.fresh = self.fresh.filter(|fresh| fresh.seq >= beat.seq).or(Some(beat));
        }
    }

    /// Simulates the crashes before the next heartbeat.
    fn crash(&mut self) {
        let next = self.at(self.sent);
        while let Some(at) = self.plan.crashes.get(self.tried).copied().filter(|at| *at < next) {
            self.tried += 1;
            self.deliver(at);
            // A sender of which nothing has arrived is not watched yet.
            if self.first.is_none() {
                continue;
            }
            let mut rest = self.in_flight.clone();
            let rest: Vec<Beat> = std::iter::from_fn(|| rest.pop_due(Nanos::MAX)).collect();
            let fresh = rest.iter().chain(&self.fresh).max_by_key(|beat| beat.seq);
            self.lags.extend(fresh.map(|fresh| at - fresh.sent));
            for trial in &mut self.trials {
                let mut watch = trial.watch.clone();
                for beat in &rest {
                    watch.beat(*beat);
                }
                trial.detections.extend(watch.deadline().map(|deadline| (deadline - at).max(0)));
            }
        }
    }
}

impl Trial {
    /// Takes a silence that ended.
    fn longest(&mut self, silence: Option<Nanos>) {
        let Some((silence, promised)) = silence.zip(self.promised) else {
            return;
        };
        if self.longest.len() <= promised {
            self.longest.push(Reverse(silence));
        } else if let Some(mut least) = self.longest.peek_mut()
            && least.0 < silence
        {
            *least = Reverse(silence);
        }
    }

    fn oracle(&self, lag: Option<Nanos>) -> Option<Oracle> {
        let silence = self.longest.peek()?.0;
        Some(Oracle { silence, detection: (silence - lag?).max(0) })
    }

    fn beat(&mut self, beat: Beat, observed: (Nanos, Nanos)) {
        if self.suspected_since.is_none() {
            self.suspected_since = self.watch.deadline().filter(|deadline| *deadline < beat.at);
            if let Some(since) = self.suspected_since {
                self.parts[part(since, observed)] += 1;
            }
        }
        self.watch.beat(beat);
        let trusted = self.watch.deadline().is_some_and(|deadline| beat.at <= deadline);
        match self.suspected_since {
            Some(since) if trusted => {
                self.suspected += beat.at - since;
                self.suspected_since = None;
            }
            None if !trusted => {
                self.parts[part(beat.at, observed)] += 1;
                self.suspected_since = Some(beat.at);
            }
            _ => {}
        }
    }
}

/// How many false alarms a detector promises for a run.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "fewer than heartbeats")]
fn promised(detector: &Detector, plan: &Plan) -> Option<usize> {
    let Detector::Calibrated(calibrated) = detector else {
        return None;
    };
    let seconds = plan.interval as f64 * plan.beats as f64 / SECOND as f64;
    Some((calibrated.false_alarms().per_second() * seconds + 1e-9) as usize)
}

/// The part of the observed time that a moment lies in.
fn part(at: Nanos, (first, end): (Nanos, Nanos)) -> usize {
    let share = (at - first) as f64 / (end - first).max(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 16")]
    let part = (share.clamp(0.0, 1.0) * PARTS as f64) as usize;
    part.min(PARTS - 1)
}
