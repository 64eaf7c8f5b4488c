//! A channel that is good or bad for a while, in time and not in packets: heartbeats that are seconds apart meet the same bad
//! times as pings that are milliseconds apart.
//!
//! How long it stays in a state is exponential (a Markov chain in continuous time). For a packet only its state at that time
//! matters, which follows exactly from the state at the packet before and the time between.

use std::fmt;

use super::chain::{losses, shown};
use crate::logic::random::Effect;
use crate::logic::special::exp;
use crate::logic::text::{Probability, Ratio, Threshold, Time, duration};
use crate::logic::{DAY, Nanos};

/// How long a state may last on average.
const LONGEST: Nanos = 366 * DAY;

/// A channel with two states, how long it stays in each on average, and a loss in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilbertElliottTime {
    good: Nanos,
    bad: Nanos,
    loss_good: Probability,
    loss_bad: Probability,
}

impl GilbertElliottTime {
    /// The share of time in the bad state.
    fn share(&self) -> Option<Ratio> {
        let [good, bad] = [self.good, self.bad].map(|time| u128::from(time.unsigned_abs()));
        Ratio::new(bad, good + bad)
    }

    /// The share of packets lost in the long run, if the fraction is not too long.
    pub(super) fn exact_mean(&self) -> Option<Probability> {
        let (share, [good, bad]) = (self.share()?, [self.loss_good, self.loss_bad].map(Ratio::from));
        Probability::exactly(share.times(bad)?.plus(share.complement()?.times(good)?)?)
    }

    /// The share of packets lost in the long run.
    pub(super) fn mean_loss(&self) -> f64 {
        let share = self.bad as f64 / (self.good as f64 + self.bad as f64);
        let near = share * self.loss_bad.as_f64() + (1.0 - share) * self.loss_good.as_f64();
        self.exact_mean().map_or(near, |mean| mean.as_f64())
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = "gilbert-elliott-time:good,bad with how long the channel is good and bad on average, 1 ns to 366 days, \
                        and then the loss in each state if it is not 0 and 1: gilbert-elliott-time:10s,500ms,loss_bad=50%";
        let mut parts = text.split(',');
        let mut time = || duration(parts.next()?).filter(|time| (1..=LONGEST).contains(time));
        let (good, bad) = time().zip(time()).ok_or(expected)?;
        let [loss_good, loss_bad] = losses(parts, expected)?;
        Ok(Self { good, bad, loss_good, loss_bad })
    }

    pub(super) fn channel(&self) -> Channel {
        let share = self.bad as f64 / (self.good as f64 + self.bad as f64);
        Channel {
            share,
            changes: 1.0 / self.good as f64 + 1.0 / self.bad as f64,
            loses_good: self.loss_good.threshold(),
            loses_bad: self.loss_bad.threshold(),
        }
    }
}

/// What follows `gilbert-elliott-time:`.
impl fmt::Display for GilbertElliottTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", Time(self.good), Time(self.bad))?;
        shown(f, self.loss_good, self.loss_bad)
    }
}

/// A [`GilbertElliottTime`] made ready to decide.
#[derive(Debug, Clone, Copy)]
pub(in crate::logic::link) struct Channel {
    /// Of time in the bad state.
    share: f64,
    /// How fast it forgets its state, in one over nanoseconds.
    changes: f64,
    loses_good: Threshold,
    loses_bad: Threshold,
}

/// When the latest packet was sent, and whether the channel was bad then.
#[derive(Debug, Clone, Copy)]
pub(in crate::logic::link) struct Seen {
    at: Nanos,
    bad: bool,
}

impl Channel {
    /// Moves on to a packet and returns whether it is lost; one that is sent before the latest meets the same state.
    pub(super) fn loses(&self, seen: &mut Option<Seen>, at: Nanos, uniform: impl Fn(Effect) -> u64) -> bool {
        let bad = seen.map_or(self.share, |Seen { at: last, bad }| {
            let left = exp(-(at.saturating_sub(last).max(0) as f64) * self.changes);
            self.share + (f64::from(u8::from(bad)) - self.share) * left
        });
        let now = Seen {
            at: seen.map_or(at, |seen| at.max(seen.at)),
            bad: Threshold::near(bad).met_by(uniform(Effect::STATE)),
        };
        *seen = Some(now);
        let loss = if now.bad { self.loses_bad } else { self.loses_good };
        loss.certain().unwrap_or_else(|| loss.met_by(uniform(Effect::LOSS)))
    }
}
