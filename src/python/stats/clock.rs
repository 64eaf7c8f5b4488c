//! Binds the offset of clocks and one-way delays.

use pyo3::prelude::*;

use super::{distribution, labelled, wanted};
use crate::logic::Invalid;
use crate::logic::stats::{Clock, Distribution, Line, MaxRate};
use crate::python::errors::detached;
use crate::python::facts::{Facts, facts};
use crate::python::samples::{Samples, clocks};
use crate::python::table::Table;

/// The offset between the clocks of a target and ours.
#[pyfunction]
#[pyo3(signature = (samples, max_rate_ppm) -> "dict[str, object]")]
pub(in crate::python) fn stats_clock<'py>(
    py: Python<'py>,
    samples: &Samples,
    max_rate_ppm: f64,
) -> Facts<'py> {
    let rate = MaxRate::ppm(max_rate_ppm)?;
    let (found, line) = detached(py, || {
        let mut all = clocks(labelled(samples)?, rate)?;
        if all.len() > 1 {
            let expected = "those of one target: each server has a clock of its own";
            return Err(
                Invalid::new("table", format!("with pings to {} targets", all.len()), expected).into()
            );
        }
        let found = match all.pop() {
            Some(only) => only.clock,
            None => Clock::of(&[], rate)?,
        };
        let line = found.line();
        Ok((found, line))
    })?;
    let best = found.narrowest().map(|(place, offset)| (found.exchanges[place].sent, offset));
    let at_line = line.as_ref().zip(best).map(|(line, (at, _))| line.at(at));
    let skew = line.as_ref().map(Line::skew_ppm);
    Ok(facts!(py,
        "count": found.exchanges.len(),
        "impossible": found.impossible,
        "at_ns": best.map(|(at, _)| at),
        "offset_low_ns": best.map(|(_, offset)| offset.low),
        "offset_high_ns": best.map(|(_, offset)| offset.high),
        "max_rate_ppm": max_rate_ppm,
        "skew_low_ppm": skew.map(|skew| skew.0),
        "skew_high_ppm": skew.map(|skew| skew.1),
        "line_low_ns": at_line.map(|offset| offset.low),
        "line_high_ns": at_line.map(|offset| offset.high),
        "steps": found.steps.iter().map(|step| (step.after, step.before)).collect::<Vec<_>>(),
    ))
}

/// The delays of both ways, and by how much each may be wrong.
#[pyfunction]
#[pyo3(signature = (samples, quantiles, max_rate_ppm) -> "dict[str, dict[str, object] | int | None]")]
pub(in crate::python) fn stats_one_way<'py>(
    py: Python<'py>,
    samples: &Samples,
    quantiles: Vec<f64>,
    max_rate_ppm: f64,
) -> Facts<'py> {
    let (rate, asked) = (MaxRate::ppm(max_rate_ppm)?, wanted(&quantiles)?);
    let [up, down, error] = detached(py, || {
        let all = clocks(labelled(samples)?, rate)?;
        let ways: Vec<_> = all.iter().flat_map(|each| each.clock.one_way()).collect();
        let of = |mut values: Vec<i64>| Distribution::of(&mut values, 0, &asked);
        Ok([
            of(ways.iter().map(|way| way.up).collect()),
            of(ways.iter().map(|way| way.down).collect()),
            of(ways.iter().map(|way| way.error).collect()),
        ])
    })?;
    Ok(facts!(py,
        "up": distribution(py, &up, &quantiles)?,
        "down": distribution(py, &down, &quantiles)?,
        "error_ns": error.moments.max(),
    ))
}

/// A row for each ping that its server gave a time for.
#[pyfunction]
pub(in crate::python) fn stats_one_way_rows(
    py: Python<'_>,
    samples: &Samples,
    max_rate_ppm: f64,
) -> PyResult<Table> {
    let rate = MaxRate::ppm(max_rate_ppm)?;
    detached(py, || Table::of_one_way(&clocks(labelled(samples)?, rate)?))
}
