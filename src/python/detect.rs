//! Binds detectors and their comparison in virtual time to Python.

use pyo3::prelude::*;
use pyo3::types::PyInt;

use super::args::{link_plan, parse, seed_to_python};
use super::table::Table;
use crate::logic::codec::heartbeat::INTERVALS;
use crate::logic::link::Loss;
use crate::logic::monitor::detect::Detector;
use crate::logic::time::seconds;
use crate::logic::{Invalid, Nanos, SECOND};
use crate::sim::detect::{Plan, Run, spread};

/// Heartbeats between two checks for signals: some milliseconds of real time.
const BEATS: u64 = 10_000;

/// The canonical text of a detector.
#[pyfunction]
pub(super) fn check_detector(text: &str) -> PyResult<String> {
    parse::<Detector>(text).map(|detector| detector.to_string())
}

/// Runs detectors side by side over one sender's heartbeats; returns a row for each and the seed in force.
///
/// Without `days`, one heartbeat is sent for each mark of a trace.
#[pyfunction]
#[pyo3(signature = (detectors, *, loss, delay, interval, days, crashes, seed) -> "tuple[Table, int]")]
pub(super) fn sim_detectors<'py>(
    py: Python<'py>,
    detectors: Vec<String>,
    loss: &str,
    delay: &str,
    interval: f64,
    days: Option<f64>,
    crashes: i64,
    seed: Option<&Bound<'py, PyInt>>,
) -> PyResult<(Table, Bound<'py, PyInt>)> {
    let detectors = detectors.iter().map(|text| parse(text)).collect::<PyResult<Vec<Detector>>>()?;
    let link = link_plan(loss, delay, seed)?;
    let seed = seed_to_python(py, &link.seed.to_string())?;
    let interval = seconds("interval", interval, &INTERVALS)?;
    let beats = match (days, &link.up.loss) {
        (Some(days), _) => beats_of(days, interval)?,
        (None, Loss::Trace(marks)) => marks.count(),
        (None, _) => return Err(Invalid::new("days", "None", "a number: only a trace has a length").into()),
    };
    let crashes = u32::try_from(crashes)
        .ok()
        .filter(|number| (1..=100_000).contains(number))
        .ok_or_else(|| Invalid::new("crashes", crashes, "a whole number from 1 to 100,000"))?;
    let plan = Plan { interval, beats, link, crashes: spread(crashes, interval, beats) };
    let mut run = Run::new(plan, &detectors)?;
    while !py.detach(|| run.advance(BEATS)) {
        py.check_signals()?;
    }
    let table = Table::of_detectors(&detectors, &run.outcomes())?;
    Ok((table, seed))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below a century in milliseconds"
)]
fn beats_of(days: f64, interval: Nanos) -> Result<u64, Invalid> {
    let beats = (days * 86_400.0 * SECOND as f64 / interval as f64).floor();
    if !(days <= 36_525.0 && beats >= 1.0) {
        return Err(Invalid::new("days", days, "enough for one heartbeat, and 36525 (a century) at most"));
    }
    Ok(beats as u64)
}
