//! Builds the tables of heartbeats: clients, events, and compared detectors.

use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use pyo3::prelude::*;
use std::sync::Arc;

use super::{Table, floats, numbers, times, words};
use crate::logic::monitor::detect::Detector;
use crate::logic::monitor::{Event, PeerRow, State};
use crate::logic::record::NONE;
use crate::logic::stats::{clustered, garwood, quantile};
use crate::sim::detect::Outcome;

const DAY: f64 = 86_400e9;

impl Table {
    pub(in crate::python) fn of_peers(peers: &[PeerRow]) -> PyResult<Self> {
        let counts = |count: fn(&PeerRow) -> u64| numbers::<UInt64Type>(peers.iter().map(count));
        let moments =
            |time: fn(&PeerRow) -> Option<i64>| times(peers.iter().map(|row| time(row).unwrap_or(NONE)));
        let alarms = || peers.iter().map(|row| garwood(row.tally.false_alarms as f64));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("client", words(peers.iter().map(|row| Some(&*row.client)))),
            ("state", words(peers.iter().map(|row| Some(row.state.name())))),
            ("since_wall_ns", moments(|row| Some(row.since.wall))),
            ("last_seen_wall_ns", moments(|row| Some(row.last_seen.wall))),
            ("address", words(peers.iter().map(|row| Some(row.address.to_string())))),
            ("seq", counts(|row| row.seq)),
            ("received", counts(|row| row.counts.received)),
            ("lost", counts(|row| row.counts.lost)),
            ("duplicates", counts(|row| row.counts.duplicates)),
            ("reordered", counts(|row| row.counts.reordered)),
            ("old", counts(|row| row.counts.old)),
            ("overdue", counts(|row| row.overdue)),
            ("loss_runs", counts(|row| row.counts.runs)),
            ("longest_loss_run", counts(|row| row.counts.longest_run)),
            ("interval_ns", moments(|row| Some(row.interval))),
            ("interval_stated", bools(peers.iter().map(|row| row.interval_stated))),
            ("detection_ns", moments(|row| row.patience)),
            (
                "false_alarms_per_day",
                floats(peers.iter().map(|row| row.forecast.map(|forecast| forecast.false_alarms * 86_400.0))),
            ),
            ("watched_ns", moments(|row| Some(row.tally.watched))),
            (
                "false_alarms_foretold",
                floats(peers.iter().map(|row| row.forecast.map(|_| row.tally.foretold))),
            ),
            ("false_alarms", counts(|row| row.tally.false_alarms)),
            ("false_alarms_low", floats(alarms().map(|(low, _)| Some(low)))),
            ("false_alarms_high", floats(alarms().map(|(_, high)| Some(high)))),
            (
                "to_learn",
                Arc::new(peers.iter().map(|row| row.to_learn).collect::<PrimitiveArray<UInt64Type>>()),
            ),
            ("difference_ns", moments(|row| row.reading.difference)),
            ("delay_ns", moments(|row| row.reading.delay)),
            ("delay_variation_ns", moments(|row| row.reading.variation)),
            ("drift_ppm", floats(peers.iter().map(|row| row.reading.drift_ppm))),
            ("sessions", numbers::<UInt32Type>(peers.iter().map(|row| row.sessions))),
            ("session", words(peers.iter().map(|row| row.session.map(|number| format!("{number:016x}"))))),
            ("sealed", bools(peers.iter().map(|row| row.sealed))),
            ("exit_status", moments(|row| row.bye.map(i64::from))),
            ("stopped_from_wall_ns", moments(|row| row.stopped.map(|(from, _)| from))),
            ("stopped_to_wall_ns", moments(|row| row.stopped.map(|(_, to)| to))),
        ];
        let may_miss = [
            "detection_ns",
            "false_alarms_per_day",
            "false_alarms_foretold",
            "to_learn",
            "difference_ns",
            "delay_ns",
            "delay_variation_ns",
            "drift_ppm",
            "session",
            "exit_status",
            "stopped_from_wall_ns",
            "stopped_to_wall_ns",
        ];
        Self::new(columns, &may_miss)
    }

    pub(in crate::python) fn of_events(events: &[Event]) -> PyResult<Self> {
        let each = || events.iter();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("number", numbers::<UInt64Type>(each().map(|event| event.number))),
            ("at_ns", times(each().map(|event| event.at.mono))),
            ("wall_ns", times(each().map(|event| event.at.wall))),
            ("event", words(each().map(|event| Some(event.kind.as_str())))),
            ("client", words(each().map(|event| event.client.as_deref()))),
            ("address", words(each().map(|event| event.address.map(|address| address.to_string())))),
            ("previous", words(each().map(|event| event.previous.as_ref().map(ToString::to_string)))),
            ("before", words(each().map(|event| event.before.map(State::name)))),
            ("seq", Arc::new(each().map(|event| event.seq).collect::<PrimitiveArray<UInt64Type>>())),
            ("span_ns", times(each().map(|event| event.span.unwrap_or(NONE)))),
            ("value", times(each().map(|event| event.count.unwrap_or(NONE)))),
            ("message", words(each().map(|event| Some(event.to_string())))),
        ];
        Self::new(columns, &["client", "address", "previous", "before", "seq", "span_ns", "value"])
    }

    /// A row for each compared detector.
    #[expect(clippy::cast_possible_truncation, reason = "a median of times is a time")]
    pub(in crate::python) fn of_detectors(detectors: &[Detector], outcomes: &[Outcome]) -> PyResult<Self> {
        let each = || outcomes.iter();
        let per_day = |outcome: &Outcome, count: f64| {
            (outcome.observed > 0).then(|| count * DAY / outcome.observed as f64)
        };
        let interval = |outcome: &Outcome| {
            let (low, high) = clustered(&outcome.parts)?;
            Some((per_day(outcome, low)?, per_day(outcome, high)?))
        };
        let promise = |detector: &Detector| match detector {
            Detector::Calibrated(calibrated) => Some(calibrated.false_alarms().per_second() * 86_400.0),
            _ => None,
        };
        let forecast = |outcome: &Outcome| outcome.forecast.map(|forecast| forecast.false_alarms * 86_400.0);
        let columns = vec![
            ("detector", words(detectors.iter().map(|detector| Some(detector.to_string())))),
            ("mistakes", numbers::<UInt64Type>(each().map(|outcome| outcome.mistakes))),
            ("mistakes_per_day", floats(each().map(|each| per_day(each, each.mistakes as f64)))),
            ("mistakes_per_day_low", floats(each().map(|each| Some(interval(each)?.0)))),
            ("mistakes_per_day_high", floats(each().map(|each| Some(interval(each)?.1)))),
            ("mistake_mean_ns", times(each().map(|each| each.mean_mistake().unwrap_or(NONE)))),
            ("query_accuracy", floats(each().map(Outcome::query_accuracy))),
            (
                "detection_median_ns",
                times(each().map(|each| quantile(&each.detections, 0.5).map_or(NONE, |time| time as i64))),
            ),
            ("detection_max_ns", times(each().map(|each| each.detections.last().copied().unwrap_or(NONE)))),
            ("promised_per_day", floats(detectors.iter().map(promise))),
            ("foretold_per_day", floats(each().map(forecast))),
            (
                "foretold_ns",
                times(each().map(|each| each.forecast.map_or(NONE, |forecast| forecast.silence))),
            ),
            (
                "oracle_median_ns",
                times(each().map(|each| each.oracle.map_or(NONE, |oracle| oracle.detection))),
            ),
            ("observed_ns", times(each().map(|each| each.observed))),
        ];
        // The other columns need a mistake, an arrival or a promised rate.
        let always = ["detector", "mistakes", "observed_ns"];
        let others: Vec<&str> =
            columns.iter().map(|(name, _)| *name).filter(|name| !always.contains(name)).collect();
        Self::new(columns, &others)
    }
}

pub(super) fn bools(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from(values.collect::<Vec<bool>>()))
}
