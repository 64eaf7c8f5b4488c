//! Builds the tables of statistics: periods of loss, and windows.

use std::sync::Arc;

use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray};
use pyo3::prelude::*;

use super::{Table, floats, numbers, times, words};
use crate::logic::record::NONE;
use crate::logic::stats::{Offset, OneWay, Rolled, loss_periods};
use crate::python::samples::{Labelled, TargetClock};

impl Table {
    pub(in crate::python) fn of_periods(samples: &[Labelled<'_>]) -> PyResult<Self> {
        let each = |(run, target, sample): &Labelled<'_>| {
            let (run, target, sample) = (*run, target.map(str::to_owned), *sample);
            loss_periods(&sample)
                .map(|period| (run, target.clone(), sample.seq(period.row), sample.time(period.row), period))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = samples.iter().flat_map(each).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("run", times(all.iter().map(|row| row.0))),
            ("target", words(all.iter().map(|row| row.1.as_deref()))),
            ("seq", numbers::<UInt64Type>(all.iter().map(|row| row.2))),
            ("start_ns", times(all.iter().map(|row| row.3.unwrap_or(NONE)))),
            ("length", numbers::<UInt64Type>(all.iter().map(|row| row.4.length))),
            (
                "distance",
                Arc::new(
                    all.iter()
                        .map(|row| Some(row.4.distance).filter(|distance| *distance > 0))
                        .collect::<PrimitiveArray<UInt64Type>>(),
                ),
            ),
            ("outage_ns", times(all.iter().map(|row| row.4.outage.map_or(NONE, |outage| outage.length)))),
            (
                "ended",
                Arc::new(
                    all.iter().map(|row| row.4.outage.map(|outage| outage.ended)).collect::<BooleanArray>(),
                ),
            ),
        ];
        Self::new(columns, &["run", "target", "start_ns", "distance", "outage_ns", "ended"])
    }

    pub(in crate::python) fn of_one_way(clocks: &[TargetClock<'_>]) -> PyResult<Self> {
        let mut all = Vec::new();
        for each in clocks {
            let ways =
                each.rows().zip(&each.clock.exchanges).zip(each.clock.one_way().zip(&each.clock.offsets));
            all.extend(ways.map(|(row, found)| (each.target, row, found)));
        }
        let column = |value: fn(&OneWay, &Offset) -> i64| {
            times(all.iter().map(|(_, _, (way, offset))| value(way, offset)))
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("run", times(all.iter().map(|(_, ((run, _), _), _)| *run))),
            ("target", words(all.iter().map(|(target, ..)| *target))),
            ("seq", numbers::<UInt64Type>(all.iter().map(|(_, ((_, seq), _), _)| *seq))),
            ("sent_wall_ns", times(all.iter().map(|(_, (_, exchange), _)| exchange.sent))),
            ("up_ns", column(|way, _| way.up)),
            ("down_ns", column(|way, _| way.down)),
            ("owd_error_ns", column(|way, _| way.error)),
            ("offset_low_ns", column(|_, offset| offset.low)),
            ("offset_high_ns", column(|_, offset| offset.high)),
        ];
        Self::new(columns, &["run", "target"])
    }

    pub(in crate::python) fn of_windows(windows: &[(i64, Option<&str>, Rolled)]) -> PyResult<Self> {
        let counts = |count: fn(&Rolled) -> u64| {
            numbers::<UInt64Type>(windows.iter().map(|(.., window)| count(window)))
        };
        let moments = |time: fn(&Rolled) -> Option<i64>| {
            times(windows.iter().map(|(.., window)| time(window).unwrap_or(NONE)))
        };
        let shares =
            |share: fn(&Rolled) -> Option<f64>| floats(windows.iter().map(|(.., window)| share(window)));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("run", times(windows.iter().map(|(run, ..)| *run))),
            ("target", words(windows.iter().map(|(_, target, _)| *target))),
            ("start_ns", moments(|window| window.start)),
            ("seq", counts(|window| window.first_seq)),
            ("sent", counts(|window| window.loss.sent())),
            ("received", counts(|window| window.loss.received())),
            ("lost", counts(|window| window.loss.lost())),
            ("loss", shares(|window| window.loss.share())),
            ("loss_low", shares(|window| Some(window.interval.0))),
            ("loss_high", shares(|window| Some(window.interval.1))),
            ("rtt_min_ns", moments(|window| window.rtt.min())),
            ("rtt_mean_ns", shares(|window| window.rtt.mean())),
            ("rtt_median_ns", shares(|window| window.median)),
            ("rtt_p95_ns", shares(|window| window.p95)),
            ("rtt_max_ns", moments(|window| window.rtt.max())),
            ("rtt_stddev_ns", shares(|window| window.rtt.stddev())),
        ];
        let may_miss = [
            "run",
            "target",
            "start_ns",
            "rtt_min_ns",
            "rtt_mean_ns",
            "rtt_median_ns",
            "rtt_p95_ns",
            "rtt_max_ns",
            "rtt_stddev_ns",
        ];
        Self::new(columns, &may_miss)
    }
}
