//! How long a packet is delayed: a fixed time, or one drawn for each packet from its own uniform.
//!
//! Drawn times are quantiles: small uniforms give long delays. They are worked out by the functions of
//! [`special`](crate::logic::special), so that a seed gives the same delays on every machine and in every version.

mod text;

#[cfg(test)]
mod tests;

use std::f64::consts::{LN_2, TAU};
use std::sync::Arc;

use super::copula::{Correlation, Normal, open};
use super::packet::Transmission;
use crate::logic::Nanos;
use crate::logic::random::Effect;
use crate::logic::special::{
    exp, gamma_above, ln, ln_gamma, ln_of_one_to_two, normal_quantile_above, normal_tail,
};
use crate::logic::text::HOUR;

/// No delay that can be drawn is longer: two days. An exponential one of an hour on average comes near it.
const LONGEST: Nanos = 48 * HOUR;

impl Effect {
    /// How long a packet is delayed.
    pub const DELAY: Self = Self::new(1);
}

/// A delay, or the distribution it is drawn from; made from text only, so its times are known to be good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Delay {
    kind: Kind,
    /// No delay is shorter.
    floor: Nanos,
    /// Of the delays of two packets in a row.
    correlation: Correlation,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Fixed(Nanos),
    /// Both ends included.
    Uniform(Nanos, Nanos),
    /// Of this mean, on top of a base.
    Exponential {
        mean: Nanos,
        base: Nanos,
    },
    /// Its logarithm is normal with this standard deviation (in billionths), around that of the median; on top of a base.
    LogNormal {
        median: Nanos,
        sigma: i64,
        base: Nanos,
    },
    /// A gamma variable of this mean and shape (in billionths), on top of a base.
    Gamma {
        mean: Nanos,
        shape: i64,
        base: Nanos,
    },
    /// Of this mean and standard deviation; what would be below 0 is 0.
    Normal {
        mean: Nanos,
        sigma: Nanos,
    },
    /// A Pareto variable of this least value and shape (in billionths), on top of a base.
    Pareto {
        scale: Nanos,
        shape: i64,
        base: Nanos,
    },
    /// A Weibull variable of this scale and shape (in billionths), on top of a base.
    Weibull {
        scale: Nanos,
        shape: i64,
        base: Nanos,
    },
    /// The quantiles of equally spaced shares, from the shortest time to the longest, and straight lines between them.
    Table(Arc<[Nanos]>),
    /// One of these times, each as likely as the others; in order.
    Empirical(Arc<[Nanos]>),
    /// These times, one for each packet; then none, or again from the first on.
    Trace {
        times: Arc<[Nanos]>,
        repeat: bool,
    },
}

impl Delay {
    /// No delay.
    pub const NONE: Self = Self { kind: Kind::Fixed(0), floor: 0, correlation: Correlation::NONE };

    /// Whether each packet is delayed by the same time.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Fixed(_))
    }

    /// Whether no packet is ever delayed.
    pub fn is_none(&self) -> bool {
        self.longest() == 0
    }

    /// The mean of the delays without their floor, in the long run; of a trace once through.
    pub fn mean(&self) -> Nanos {
        match self.kind {
            Kind::Fixed(time) => time,
            Kind::Uniform(low, high) => low + (high - low) / 2,
            Kind::Exponential { mean, base } | Kind::Gamma { mean, base, .. } => base + mean,
            Kind::LogNormal { median, sigma, base } => {
                let sigma = number(sigma);
                base.saturating_add(nanos(median as f64 * exp(sigma * sigma / 2.0)))
            }
            Kind::Normal { mean, sigma: 0 } => mean,
            Kind::Normal { mean, sigma } => {
                // What is cut off at 0 makes it longer.
                let (mean, sigma) = (mean as f64, sigma as f64);
                let z = mean / sigma;
                let density = exp(-z * z / 2.0) / TAU.sqrt();
                nanos(mean * (1.0 - normal_tail(z)) + sigma * density)
            }
            Kind::Pareto { shape, .. } if shape <= 1_000_000_000 => Nanos::MAX,
            Kind::Pareto { scale, shape, base } => {
                let shape = number(shape);
                base.saturating_add(nanos(scale as f64 * shape / (shape - 1.0)))
            }
            Kind::Weibull { scale, shape, base } => {
                base.saturating_add(nanos(scale as f64 * exp(ln_gamma(1.0 + 1.0 / number(shape)))))
            }
            Kind::Table(ref times) => {
                let ends = times[0] + times[times.len() - 1];
                let twice: i128 =
                    times.iter().map(|time| 2 * i128::from(*time)).sum::<i128>() - i128::from(ends);
                average(twice, 2 * (times.len() - 1))
            }
            Kind::Empirical(ref times) | Kind::Trace { ref times, .. } => {
                average(times.iter().map(|time| i128::from(*time)).sum(), times.len())
            }
        }
    }

    /// The longest delay that can be drawn, where the uniforms end: an exponential one 36.7 means above its base.
    pub fn longest(&self) -> Nanos {
        if let Kind::Trace { times, .. } = &self.kind {
            return times.iter().fold(self.floor, |longest, time| longest.max(*time));
        }
        self.at(match self.kind {
            Kind::Uniform(..) => u64::MAX,
            _ => 0,
        })
    }

    /// The delay that this share of all delays is below, from 0 to 1.
    #[cfg(test)]
    pub(in crate::logic) fn quantile(&self, share: f64) -> Nanos {
        let share = if matches!(self.kind, Kind::Uniform(..)) { share } else { 1.0 - share };
        self.at(bits(share))
    }

    /// Moves on to a packet, as each does, also one that is lost; returns what [`of`](Self::of) asks for: the normal
    /// number of the packet before.
    pub(super) fn step(
        &self,
        sent: &Transmission<'_>,
        effect: Effect,
        last: &mut Option<Normal>,
    ) -> Option<Normal> {
        let before = *last;
        if !self.correlation.is_none() {
            *last = Some(self.correlation.next(before, sent.uniform(effect)));
        }
        before
    }

    /// The delay of a copy of a packet. Each copy depends on the packet before, and so on the others.
    pub(super) fn of(
        &self,
        sent: &Transmission<'_>,
        effect: Effect,
        copy: u8,
        before: Option<Normal>,
    ) -> Nanos {
        if let Kind::Trace { times, repeat } = &self.kind {
            let (at, len) = (sent.number - 1, times.len() as u64);
            let at = if *repeat { at % len } else { at };
            let time = usize::try_from(at).ok().and_then(|at| times.get(at));
            return time.map_or(0, |time| self.floor.max(*time));
        }
        let uniform = sent.uniform(effect.of_copy(copy));
        if self.correlation.is_none() {
            return self.at(uniform);
        }
        self.at(bits(normal_tail(self.correlation.next(before, uniform).value())))
    }

    /// The delay for 64 uniform bits. Times saturate only where the text is about to be refused.
    fn at(&self, uniform: u64) -> Nanos {
        self.kind.at(uniform).max(self.floor)
    }
}

impl Kind {
    fn at(&self, uniform: u64) -> Nanos {
        match *self {
            Kind::Fixed(time) => time,
            Kind::Uniform(low, high) => {
                let times = u128::from((high - low).unsigned_abs()) + 1;
                let later = (u128::from(uniform) * times) >> u64::BITS;
                low + Nanos::try_from(later).unwrap_or(0)
            }
            Kind::Exponential { mean, base } => base + exponential(mean, uniform),
            Kind::LogNormal { median, sigma, base } => base.saturating_add(nanos(
                median as f64 * exp(number(sigma) * normal_quantile_above(open(uniform))),
            )),
            Kind::Gamma { mean, shape, base } => {
                let shape = number(shape);
                base.saturating_add(nanos(mean as f64 / shape * gamma_above(shape, open(uniform))))
            }
            Kind::Normal { mean, sigma } => {
                nanos(mean as f64 + sigma as f64 * normal_quantile_above(open(uniform))).max(0)
            }
            Kind::Pareto { scale, shape, base } => {
                base.saturating_add(nanos(scale as f64 * exp(-ln(open(uniform)) / number(shape))))
            }
            Kind::Weibull { scale, shape, base } => {
                let exponential = -ln(open(uniform));
                base.saturating_add(nanos(scale as f64 * exp(ln(exponential) / number(shape))))
            }
            Kind::Table(ref times) => {
                let (at, part) = place(!uniform, times.len() - 1);
                let (low, high) = (times[at], times[at + 1]);
                let more = (u128::from((high - low).unsigned_abs()) * u128::from(part)) >> u64::BITS;
                low + Nanos::try_from(more).unwrap_or(0)
            }
            Kind::Empirical(ref times) => times[place(!uniform, times.len()).0],
            Kind::Trace { .. } => 0,
        }
    }
}

/// In which of so many equal parts of its range a number is, and how far into it.
#[expect(clippy::cast_possible_truncation, reason = "the product of two numbers of 64 bits is taken apart")]
fn place(uniform: u64, parts: usize) -> (usize, u64) {
    let product = u128::from(uniform) * parts as u128;
    ((product >> u64::BITS) as usize, product as u64)
}

/// A share of 1 as 64 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn bits(share: f64) -> u64 {
    (share * 2.0_f64.powi(64)) as u64
}

fn average(sum: i128, count: usize) -> Nanos {
    Nanos::try_from(sum / count as i128).unwrap_or(Nanos::MAX)
}

/// -ln(u) means, u being the top 53 bits moved from [0, 1) to (0, 1]: never infinite, at most 36.7 means.
pub(in crate::logic) fn exponential(mean: Nanos, uniform: u64) -> Nanos {
    let (mut number, mut halvings) = ((uniform >> 11) + 1, 53);
    // number x 2^-53 as (1 + fraction) x 2^-halvings with the first factor in [1, 2).
    let top = u64::BITS - 1 - number.leading_zeros();
    halvings -= top;
    number <<= 63 - top;
    let factor = (number >> 11) as f64 / (1_u64 << 52) as f64;
    nanos(mean as f64 * (f64::from(halvings) * LN_2 - ln_of_one_to_two(factor)))
}

fn number(billionths: i64) -> f64 {
    billionths as f64 / 1e9
}

/// Rounded; below 2^53 for all delays that are accepted.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn nanos(time: f64) -> Nanos {
    time.round() as Nanos
}

impl From<Kind> for Delay {
    fn from(kind: Kind) -> Self {
        Self { kind, ..Self::NONE }
    }
}

impl Default for Delay {
    fn default() -> Self {
        Self::NONE
    }
}
