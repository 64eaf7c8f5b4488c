//! Binds fits to Python: samples in, all fitted models out.

use pyo3::prelude::*;
use pyo3::types::IntoPyDict;

use super::args::parse;
use super::errors::detached;
use super::facts::{Facts, facts};
use super::samples::Samples;
use crate::logic::Invalid;
use crate::logic::fit::{
    Channel, DelayFit, LossFit, LossKind, Outcomes, Segment, Shape, fit_delay, fit_loss, steadiness,
};
use crate::logic::link::Loss;
use crate::logic::stats::Confidence;

/// Fits chains to losses and distributions to delays; returns the counts, a dict for each model, and the indices of the
/// best ones.
#[pyfunction]
#[pyo3(signature = (samples) -> "dict[str, object]")]
pub(super) fn fit_models<'py>(py: Python<'py>, samples: &Samples) -> Facts<'py> {
    let (losses, delays, steady) = detached(py, || {
        samples.room()?;
        let samples = samples.samples()?;
        Ok((fit_loss(&Outcomes::of(&samples))?, fit_delay(&samples)?, steadiness(&samples)))
    })?;
    let fitted = losses.fits.iter().map(|fit| loss(py, fit)).collect::<PyResult<Vec<_>>>()?;
    let delayed = delays.fits.iter().map(|fit| delay(py, fit)).collect::<PyResult<Vec<_>>>()?;
    let labels: Vec<_> = samples.labels().map(|(_, target)| target).collect();
    let segments = |all: &[Segment]| -> PyResult<Vec<_>> {
        all.iter().map(|segment| part(py, segment, labels[segment.sample])).collect()
    };
    let trends: Vec<_> =
        steady.trends.iter().map(|(sample, first, last)| (labels[*sample], first, last)).collect();
    let hours: Vec<_> =
        steady.hours.iter().map(|hour| (labels[hour.sample], hour.hour, hour.losses)).collect();
    Ok(facts!(py,
        of losses => sent, lost, chains;
        "judged": steady.judged,
        "samples": labels.len(),
        "segments": segments(&steady.segments)?,
        "outages": segments(&steady.outages)?,
        "trends": trends,
        "hours": hours,
        "loss_low": losses.interval.0,
        "loss_high": losses.interval.1,
        "received": delays.received,
        "best_loss": losses.best,
        "best_delay": delays.best,
        "losses": fitted,
        "delays": delayed,
    ))
}

/// Pings in a row of one sample.
fn part<'py>(py: Python<'py>, segment: &Segment, target: Option<&str>) -> Facts<'py> {
    Ok(facts!(py,
        of segment => lost;
        "target": target,
        "rows": (segment.rows.start, segment.rows.end),
        "seq": segment.seq,
        "times": segment.times.map(|(first, last)| (first as f64 / 1e9, last as f64 / 1e9)),
        "model": segment.model.as_ref().map(ToString::to_string),
    ))
}

fn loss<'py>(py: Python<'py>, fit: &LossFit) -> Facts<'py> {
    let found = match &fit.found {
        Ok(found) => found,
        Err(reason) => return refused(py, fit.kind.name(), fit.kind.parameters(), reason),
    };
    let Channel { p, r, loss_good, loss_bad } = found.channel;
    let [p_error, r_error, good_error, bad_error] = found.errors;
    let both = [("p", p, p_error), ("r", r, r_error)];
    let (good, bad) = (("loss_good", loss_good, good_error), ("loss_bad", loss_bad, bad_error));
    let named = match fit.kind {
        LossKind::Independent => vec![("loss", p, p_error)],
        LossKind::Gilbert2 => both.to_vec(),
        LossKind::Gilbert3 => vec![both[0], both[1], bad],
        LossKind::GilbertElliott => vec![both[0], both[1], good, bad],
    };
    Ok(facts!(py,
        "kind": fit.kind.name(),
        "parameter_count": fit.kind.parameters(),
        "parameters": named.iter().map(|(name, value, _)| (*name, *value)).into_py_dict(py)?,
        "standard_errors": named.iter().map(|(name, _, error)| (*name, *error)).into_py_dict(py)?,
        "text": found.model.to_string(),
        "log_likelihood": found.log_likelihood,
        "bic": found.bic,
        "converged": found.converged,
        "distance": found.goodness.distance,
        "p_value": found.goodness.p_value,
        "compared": found.goodness.compared,
    ))
}

fn delay<'py>(py: Python<'py>, fit: &DelayFit) -> Facts<'py> {
    let found = match &fit.found {
        Ok(found) => found,
        Err(reason) => return refused(py, fit.kind.name(), fit.kind.parameters(), reason),
    };
    let named: &[(&str, f64)] = match found.shape {
        Shape::Fixed { time } => &[("seconds", time / 1e9)],
        Shape::Uniform { low, high } => &[("low", low / 1e9), ("high", high / 1e9)],
        Shape::Exponential { mean, base } => &[("mean", mean / 1e9), ("base", base / 1e9)],
        Shape::LogNormal { median, sigma, base } => {
            &[("median", median / 1e9), ("sigma", sigma), ("base", base / 1e9)]
        }
        Shape::Gamma { mean, shape, base } => &[("mean", mean / 1e9), ("shape", shape), ("base", base / 1e9)],
    };
    Ok(facts!(py,
        "kind": fit.kind.name(),
        "parameter_count": fit.kind.parameters(),
        "parameters": named.into_py_dict(py)?,
        "text": found.model.to_string(),
        "log_likelihood": found.log_likelihood,
        "bic": found.bic,
        "distance": found.distance,
        "p_value": found.p_value,
    ))
}

/// A model that cannot be fitted, and the reason.
fn refused<'py>(py: Python<'py>, kind: &str, parameters: u32, reason: &str) -> Facts<'py> {
    Ok(facts!(py, "kind": kind, "parameter_count": parameters, "reason": reason))
}

/// The probabilities that a run of losses is 1, 2, ... up to `longest` long; `None` where there are no runs.
#[pyfunction]
#[pyo3(signature = (text, longest) -> "list[float] | None")]
pub(super) fn loss_run_lengths(text: &str, longest: usize) -> PyResult<Option<Vec<f64>>> {
    Ok(chain(text)?.run_lengths(true, longest))
}

/// How probable it is that so many of so many are lost, as few or as many, and that so many in a row are.
#[pyfunction]
#[pyo3(signature = (text, sent, lost, longest) -> "tuple[float, float | None]")]
pub(super) fn loss_chances(
    py: Python<'_>,
    text: &str,
    sent: u64,
    lost: u64,
    longest: Option<u64>,
) -> PyResult<(f64, Option<f64>)> {
    let chain = chain(text)?;
    Ok(py.detach(|| (chain.p_value(sent, lost), longest.map(|length| chain.run_within(sent, length)))))
}

/// The interval of the loss that so many losses of so many pings show, if they depend on each other as in a model.
#[pyfunction]
#[pyo3(signature = (text, sent, lost, confidence) -> "tuple[float, float]")]
pub(super) fn loss_interval(text: &str, sent: u64, lost: u64, confidence: f64) -> PyResult<(f64, f64)> {
    Ok(chain(text)?.interval(sent, lost, Confidence::new(confidence)?))
}

fn chain(text: &str) -> PyResult<Channel> {
    let expected = "a probability, burst or gilbert-elliott: chance alone makes its runs";
    Channel::of(&parse::<Loss>(text)?)
        .ok_or_else(|| Invalid::new("loss", format!("{text:?}"), expected).into())
}
