//! Binds the statistics to Python: samples in, dicts of values by name out.

mod clock;
mod digest;
mod direction;

pub(super) use clock::{stats_clock, stats_one_way, stats_one_way_rows};
pub(super) use digest::Digest;
pub(super) use direction::stats_direction;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors::detached;
use super::facts::{Facts, facts};
use super::samples::{Labelled, Samples};
use super::table::Table;
use crate::logic::Invalid;
use crate::logic::stats::{
    self, Confidence, Distribution, Duplication, Jitter, Loss, LossRuns, Lost, Quantile, Reordering, Sample,
    Windows, rolling,
};

/// Round trips and their quantiles; lost pings are left out, or infinite.
#[pyfunction]
#[pyo3(signature = (samples, quantiles, infinite) -> "dict[str, object]")]
pub(super) fn stats_round_trip<'py>(
    py: Python<'py>,
    samples: &Samples,
    quantiles: Vec<f64>,
    infinite: bool,
) -> Facts<'py> {
    let wanted = wanted(&quantiles)?;
    let lost = if infinite { Lost::Infinite } else { Lost::LeftOut };
    let found = computed(py, samples, |samples| Ok(stats::round_trip(samples, &wanted, lost)))?;
    distribution(py, &found, &quantiles)
}

#[pyfunction]
#[pyo3(signature = (samples, quantiles) -> "dict[str, object]")]
pub(super) fn stats_ipdv<'py>(py: Python<'py>, samples: &Samples, quantiles: Vec<f64>) -> Facts<'py> {
    let wanted = wanted(&quantiles)?;
    let found = computed(py, samples, |samples| Ok(stats::ipdv(samples, &wanted)))?;
    let facts = distribution(py, &found.signed, &quantiles)?;
    facts.set_item("mean_abs_ns", found.mean_abs)?;
    Ok(facts)
}

#[pyfunction]
#[pyo3(signature = (samples, quantiles) -> "dict[str, object]")]
pub(super) fn stats_pdv<'py>(py: Python<'py>, samples: &Samples, quantiles: Vec<f64>) -> Facts<'py> {
    let wanted = wanted(&quantiles)?;
    let found = computed(py, samples, |samples| Ok(stats::pdv(samples, &wanted)))?;
    distribution(py, &found, &quantiles)
}

#[pyfunction]
#[pyo3(signature = (samples) -> "dict[str, object]")]
pub(super) fn stats_jitter<'py>(py: Python<'py>, samples: &Samples) -> Facts<'py> {
    jitter(py, &computed(py, samples, stats::jitter)?)
}

#[pyfunction]
#[pyo3(signature = (samples, confidence) -> "dict[str, object]")]
pub(super) fn stats_loss<'py>(py: Python<'py>, samples: &Samples, confidence: f64) -> Facts<'py> {
    let sure = Confidence::new(confidence)?;
    let found = computed(py, samples, |samples| Ok(stats::loss(samples)))?;
    loss(py, &found, confidence, sure)
}

#[pyfunction]
#[pyo3(signature = (samples) -> "dict[str, object]")]
pub(super) fn stats_loss_runs<'py>(py: Python<'py>, samples: &Samples) -> Facts<'py> {
    loss_runs(py, &computed(py, samples, |samples| Ok(stats::loss_runs(samples)))?)
}

#[pyfunction]
pub(super) fn stats_loss_periods(py: Python<'_>, samples: &Samples) -> PyResult<Table> {
    detached(py, || Table::of_periods(&labelled(samples)?))
}

#[pyfunction]
#[pyo3(signature = (samples) -> "dict[str, object]")]
pub(super) fn stats_duplication<'py>(py: Python<'py>, samples: &Samples) -> Facts<'py> {
    duplication(py, &computed(py, samples, stats::duplication)?)
}

#[pyfunction]
#[pyo3(signature = (samples, n) -> "dict[str, object]")]
pub(super) fn stats_reordering<'py>(py: Python<'py>, samples: &Samples, n: i64) -> Facts<'py> {
    // A number below 1 gets the error for 0.
    let n = u64::try_from(n).unwrap_or(0);
    reordering(py, &computed(py, samples, |samples| stats::reordering(samples, n))?)
}

/// A row for each window, of so many pings or nanoseconds.
#[pyfunction]
pub(super) fn stats_rolling(
    py: Python<'_>,
    samples: &Samples,
    length: i64,
    step: Option<i64>,
    in_time: bool,
    confidence: f64,
) -> PyResult<Table> {
    let windows = if in_time { Windows::time(length, step) } else { Windows::pings(length, step) }?;
    let sure = Confidence::new(confidence)?;
    detached(py, || {
        let mut all = Vec::new();
        for (run, target, sample) in labelled(samples)? {
            let rolled = rolling(&sample, windows, sure)?;
            all.extend(rolled.into_iter().map(|window| (run, target, window)));
        }
        Table::of_windows(&all)
    })
}

/// The interval of a share, `hits` of `n`; `None` without a trial.
#[pyfunction]
#[pyo3(signature = (hits, n, confidence = 0.95))]
pub(super) fn wilson(hits: u64, n: u64, confidence: f64) -> PyResult<Option<(f64, f64)>> {
    Ok(stats::wilson(hits, n, Confidence::new(confidence)?.z()))
}

/// The 95 % interval of the mean of a Poisson variable that was observed to be `count` (Garwood 1936).
#[pyfunction]
pub(super) fn garwood(count: u64) -> (f64, f64) {
    stats::garwood(count as f64)
}

/// Computes a statistic without the GIL.
fn computed<T: Send>(
    py: Python<'_>,
    samples: &Samples,
    statistic: impl FnOnce(&[Sample<'_>]) -> Result<T, Invalid> + Send,
) -> PyResult<T> {
    detached(py, || {
        samples.room()?;
        Ok(statistic(&samples.samples()?)?)
    })
}

fn labelled(samples: &Samples) -> PyResult<Vec<Labelled<'_>>> {
    samples.room()?;
    let labels = samples.labels().zip(samples.samples()?);
    Ok(labels.map(|((run, target), sample)| (run, target, sample)).collect())
}

fn wanted(quantiles: &[f64]) -> Result<Vec<Quantile>, Invalid> {
    quantiles.iter().map(|q| Quantile::new(*q)).collect()
}

fn distribution<'py>(py: Python<'py>, found: &Distribution, wanted: &[f64]) -> Facts<'py> {
    let quantiles = PyDict::new(py);
    for (wanted, value) in wanted.iter().zip(&found.quantiles) {
        quantiles.set_item(wanted, value)?;
    }
    Ok(facts!(py,
        "count": found.moments.count(),
        "infinite": found.infinite,
        "min_ns": found.moments.min(),
        "mean_ns": found.moments.mean(),
        "median_ns": found.median,
        "max_ns": found.moments.max(),
        "stddev_ns": found.moments.stddev(),
        "mad_ns": found.mad,
        "quantiles_ns": quantiles,
    ))
}

fn jitter<'py>(py: Python<'py>, found: &Jitter) -> Facts<'py> {
    Ok(facts!(py,
        "count": found.count,
        "last_ns": found.last,
        "mean_ns": found.mean(),
        "max_ns": found.greatest(),
    ))
}

fn loss<'py>(py: Python<'py>, found: &Loss, confidence: f64, sure: Confidence) -> Facts<'py> {
    let [_, late, timeouts, unreachable, errors] = found.ended;
    let (interval, burst) = (found.interval(sure), found.burst_interval(sure));
    Ok(facts!(py,
        "sent": found.sent(),
        "received": found.received(),
        "lost": found.lost(),
        "late": late,
        "timeouts": timeouts,
        "unreachable": unreachable,
        "errors": errors,
        "loss": found.share(),
        "confidence": confidence,
        "low": interval.map(|interval| interval.0),
        "high": interval.map(|interval| interval.1),
        "burst_low": burst.map(|interval| interval.0),
        "burst_high": burst.map(|interval| interval.1),
        "p": found.p(),
        "r": found.r(),
        "correlation": found.correlation(),
        "independent_pings": found.independent_pings(),
    ))
}

fn loss_runs<'py>(py: Python<'py>, found: &LossRuns) -> Facts<'py> {
    Ok(facts!(py,
        "sent": found.sent,
        "lost": found.lost(),
        "runs": found.count(),
        "mean_run": found.mean(),
        "longest_run": found.longest(),
        "burst_ratio": found.burst_ratio(),
        "longest_outage_ns": found.longest_outage.map(|outage| outage.length),
        "longest_outage_ended": found.longest_outage.map(|outage| outage.ended),
        "lengths": found.lengths.clone(),
        "distances": found.distances.clone(),
    ))
}

fn duplication<'py>(py: Python<'py>, found: &Duplication) -> Facts<'py> {
    Ok(facts!(py,
        of found => answered, duplicates, replicated;
        "fraction": found.fraction(),
        "rate": found.rate(),
    ))
}

fn reordering<'py>(py: Python<'py>, found: &Reordering) -> Facts<'py> {
    Ok(facts!(py,
        of found => received, reordered;
        "ratio": found.ratio(),
        "mean_extent": found.mean_extent(),
        "max_extent": found.max_extent,
        "n": found.n,
        "n_reordered": found.n_reordered,
        "n_ratio": found.n_ratio(),
    ))
}
