//! What a detector foretold of a client, beside what came of it.

use std::ops::AddAssign;

use super::Forecast;
use crate::logic::{Nanos, SECOND};

/// Over all sessions of a client, for the time in which it had a detector.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// How long it was watched: from each fresh heartbeat to the next, or until the verdict.
    pub watched: Nanos,
    /// False alarms that a calibrated detector expected for that time.
    pub foretold: f64,
    /// Verdicts that were refuted: the sender had gone on.
    pub false_alarms: u64,
}

impl Tally {
    /// Adds a time in which this was the forecast.
    pub(in crate::logic::monitor) fn watch(&mut self, span: Nanos, forecast: Option<Forecast>) {
        self.watched = self.watched.saturating_add(span);
        self.foretold += forecast.map_or(0.0, |forecast| forecast.false_alarms * span as f64 / SECOND as f64);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.watched = self.watched.saturating_add(other.watched);
        self.foretold += other.foretold;
        self.false_alarms = self.false_alarms.saturating_add(other.false_alarms);
    }
}
