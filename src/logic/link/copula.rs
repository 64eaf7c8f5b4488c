//! Normal numbers that depend on each other from one packet to the next: a Gaussian copula.
//!
//! The number of a packet is the correlation times the last one and a new part. Each is standard normal, also that of the
//! first packet, so what follows from it is distributed as without a correlation. A mean of uniforms, as netem takes it, is
//! not uniform.

use std::fmt;

use crate::logic::special::normal_quantile_above;
use crate::logic::text::{Billionths, billionths};

/// How much of the last number is in the next, from 0 to below 1, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Correlation(i64);

impl Correlation {
    /// Every number is independent of the others.
    pub(super) const NONE: Self = Self(0);

    pub(super) fn read(text: &str) -> Option<Self> {
        billionths(text).filter(|rho| *rho < 1_000_000_000).map(Self)
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The number of the next packet from that of the last, which the first packet has not, and its uniform.
    pub(super) fn next(self, last: Option<Normal>, uniform: u64) -> Normal {
        let (rho, new) = (self.0 as f64 / 1e9, normal_quantile_above(open(uniform)));
        let number = last.map_or(new, |last| rho * last.value() + (1.0 - rho * rho).sqrt() * new);
        Normal(number.to_bits())
    }
}

/// The normal number of a packet, by its bits, so that two can be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Normal(u64);

impl Normal {
    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Billionths(self.0).fmt(f)
    }
}

/// The top 52 bits as a number between 0 and 1, neither of them included: from 2^-53 to 1 - 2^-53, exactly, and as far
/// from the one as its complement is from the other.
pub(super) fn open(uniform: u64) -> f64 {
    (2 * (uniform >> 12) + 1) as f64 / (1_u64 << 53) as f64
}
