//! Losses that are alike from one packet to the next, without more or fewer of them: a Gaussian copula.
//!
//! A normal number follows each packet, `rho` times the last one and a new part; a packet is lost if it is far enough above
//! 0. The number of each packet is standard normal, also that of the first, so the share lost is exact. A mean of
//! uniforms, as netem takes it, is not uniform, and loses nearly nothing where little is asked for.

use std::fmt;

use super::super::delay::open;
use crate::logic::special::normal_quantile_above;
use crate::logic::text::{Billionths, Probability, billionths};

/// A share of packets, and the correlation of the normal numbers behind them, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlated {
    loss: Probability,
    rho: i64,
}

impl Correlated {
    /// The share of packets lost in the long run.
    pub fn loss(&self) -> Probability {
        self.loss
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let read = || {
            let (loss, rho) = text.split_once(',')?;
            let rho = billionths(rho).filter(|rho| *rho < 1_000_000_000)?;
            Some(Self { loss: loss.parse().ok()?, rho })
        };
        let expected =
            "correlated:loss,rho with a probability and a correlation from 0 to below 1: correlated:5%,0.9";
        read().ok_or_else(|| expected.into())
    }

    pub(super) fn walk(&self) -> Walk {
        let rho = self.rho as f64 / 1e9;
        let above = if self.loss == Probability::ZERO {
            f64::INFINITY
        } else if self.loss == Probability::ONE {
            f64::NEG_INFINITY
        } else {
            normal_quantile_above(self.loss.as_f64())
        };
        Walk { above, rho, rest: (1.0 - rho * rho).sqrt() }
    }
}

/// What follows `correlated:`.
impl fmt::Display for Correlated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.loss, Billionths(self.rho))
    }
}

/// A [`Correlated`] made ready to decide.
#[derive(Debug, Clone, Copy)]
pub(in crate::logic::link) struct Walk {
    above: f64,
    rho: f64,
    rest: f64,
}

impl Walk {
    /// Moves on to the next packet and returns whether it is lost; `last` is `None` before the first.
    pub(super) fn loses(self, last: &mut Option<f64>, uniform: u64) -> bool {
        let new = normal_quantile_above(open(uniform));
        let now = last.map_or(new, |last| self.rho * last + self.rest * new);
        *last = Some(now);
        now > self.above
    }
}
