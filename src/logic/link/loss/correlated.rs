//! Losses that are alike from one packet to the next, without more or fewer of them: a packet is lost if its normal number
//! is far enough above 0.

use std::fmt;

use super::super::copula::{Correlation, Normal};
use crate::logic::special::normal_quantile_above;
use crate::logic::text::Probability;

/// A share of packets, and the correlation of the normal numbers behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlated {
    loss: Probability,
    rho: Correlation,
}

impl Correlated {
    /// The share of packets lost in the long run.
    pub fn loss(&self) -> Probability {
        self.loss
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let read = || {
            let (loss, rho) = text.split_once(',')?;
            let rho = Correlation::read(rho)?;
            Some(Self { loss: loss.parse().ok()?, rho })
        };
        let expected =
            "correlated:loss,rho with a probability and a correlation from 0 to below 1: correlated:5%,0.9";
        read().ok_or_else(|| expected.into())
    }

    pub(super) fn walk(&self) -> Walk {
        let above = if self.loss == Probability::ZERO {
            f64::INFINITY
        } else if self.loss == Probability::ONE {
            f64::NEG_INFINITY
        } else {
            normal_quantile_above(self.loss.as_f64())
        };
        Walk { above, rho: self.rho }
    }
}

/// What follows `correlated:`.
impl fmt::Display for Correlated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.loss, self.rho)
    }
}

/// A [`Correlated`] made ready to decide.
#[derive(Debug, Clone, Copy)]
pub(in crate::logic::link) struct Walk {
    above: f64,
    rho: Correlation,
}

impl Walk {
    /// Moves on to the next packet and returns whether it is lost; `last` is `None` before the first.
    pub(super) fn loses(self, last: &mut Option<Normal>, uniform: u64) -> bool {
        let now = self.rho.next(*last, uniform);
        *last = Some(now);
        now.value() > self.above
    }
}
