//! What was asked of the effects of one direction, beside what they did.

use super::impair::Impairments;
use super::loss::Loss;
use super::tally::Tally;
use crate::logic::stats::{Z95, wilson_of_share};

/// What was asked of an effect, and what it did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The key of the effect.
    pub effect: &'static str,
    /// The share of datagrams that was asked for, if one was.
    pub asked: Option<f64>,
    /// How many it hit.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
    /// The share that was hit.
    pub share: Option<f64>,
    /// The 95 % interval of the share in the long run.
    pub interval: (f64, f64),
}

impl Tally {
    /// What was asked of each effect that can hit a datagram or not, and what it did.
    pub fn shares(&self, plan: &Impairments) -> Vec<Share> {
        let met = self.sent - self.spared;
        let admitted = met - self.lost - self.too_long;
        let queued = self.passed + self.no_room;
        let mut shares = Vec::new();
        let mut add = |effect, asked, hits, of, trials: f64| {
            let share = (of > 0).then(|| hits as f64 / of as f64);
            let interval = share.map_or((0.0, 1.0), |share| wilson_of_share(share, trials, Z95));
            shares.push(Share { effect, asked, hits, of, share, interval });
        };
        if plan.loss != Loss::NONE {
            add("loss", plan.loss.mean_loss(), self.lost, met, self.independent(met));
        }
        if let Some(reorder) = plan.reorder {
            add("reorder", Some(reorder.share()), self.held_back, self.passed, self.passed as f64);
        }
        if let Some(duplicate) = plan.duplicate {
            add("duplicate", Some(duplicate.share()), self.duplicated, admitted, admitted as f64);
        }
        if let Some(corrupt) = plan.corrupt {
            add("corrupt", Some(corrupt.share()), self.flipped, admitted, admitted as f64);
        }
        if let Some(truncate) = plan.truncate {
            add("truncate", Some(truncate.share()), self.cut, self.cuttable, self.cuttable as f64);
        }
        if plan.mtu.is_some() {
            add("mtu", None, self.too_long, met - self.lost, (met - self.lost) as f64);
        }
        if plan.rate.is_some() {
            add("queue", None, self.no_room, queued, queued as f64);
        }
        if plan.schedule.is_some() {
            add("schedule", None, self.out, queued + self.out, (queued + self.out) as f64);
        }
        shares
    }

    /// As how many independent datagrams so many count whose losses come in runs: those of a chain of two states with as
    /// many runs.
    fn independent(&self, met: u64) -> f64 {
        let (lost, rest, runs) = (self.lost as f64, (met - self.lost) as f64, self.loss_runs as f64);
        if lost == 0.0 || rest == 0.0 {
            return met as f64;
        }
        let correlation = (1.0 - runs / lost - runs / rest).max(0.0);
        met as f64 * (1.0 - correlation) / (1.0 + correlation)
    }
}
