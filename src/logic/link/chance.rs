//! The chance that an effect hits a datagram, and the text forms that begin with one.

use std::fmt;

use super::packet::Transmission;
use crate::logic::random::Effect;
use crate::logic::text::{Probability, Threshold};

/// A probability, made ready to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance {
    probability: Probability,
    threshold: Threshold,
}

impl Chance {
    /// Whether the uniform of an effect says that a datagram is hit; no draw where that is certain.
    pub(super) fn hits(self, sent: &Transmission<'_>, effect: Effect) -> bool {
        self.threshold.certain().unwrap_or_else(|| self.threshold.met_by(sent.uniform(effect)))
    }

    /// The probability.
    pub(super) fn share(self) -> f64 {
        self.probability.as_f64()
    }

    /// Whether it hits no datagram.
    pub(super) fn is_none(self) -> bool {
        self.probability == Probability::ZERO
    }

    /// Reads `5%` or `5%,more`; `None` for what is no probability.
    pub(super) fn and_rest(text: &str) -> Option<(Self, Option<&str>)> {
        let (chance, rest) = text.split_once(',').map_or((text, None), |(chance, rest)| (chance, Some(rest)));
        Some((chance.parse::<Probability>().ok()?.into(), rest.map(str::trim)))
    }
}

impl From<Probability> for Chance {
    fn from(probability: Probability) -> Self {
        Self { probability, threshold: probability.threshold() }
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.probability.fmt(f)
    }
}
