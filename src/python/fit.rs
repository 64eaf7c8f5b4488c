//! Fits, for Python: samples in, every model that was tried out.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::args::parse;
use super::samples::Samples;
use crate::logic::Invalid;
use crate::logic::fit::{Channel, DelayFit, LossFit, LossKind, Outcomes, Shape, fit_delay, fit_loss};
use crate::logic::link::Loss;

/// Fits chains to losses and distributions to delays; gives back the counts, a dict for each model, and the places of the
/// best ones.
#[pyfunction]
#[pyo3(signature = (samples) -> "dict[str, object]")]
pub(super) fn fit_models<'py>(py: Python<'py>, samples: &Samples) -> PyResult<Bound<'py, PyDict>> {
    let (losses, delays) = py.detach(|| {
        let samples = samples.samples()?;
        Ok::<_, Invalid>((fit_loss(&Outcomes::of(&samples))?, fit_delay(&samples)?))
    })?;
    let facts = PyDict::new(py);
    facts.set_item("sent", losses.sent)?;
    facts.set_item("lost", losses.lost)?;
    facts.set_item("chains", losses.chains)?;
    facts.set_item("loss_low", losses.interval.0)?;
    facts.set_item("loss_high", losses.interval.1)?;
    facts.set_item("received", delays.received)?;
    facts.set_item("best_loss", losses.best)?;
    facts.set_item("best_delay", delays.best)?;
    let each = losses.fits.iter().map(|fit| loss(py, fit)).collect::<PyResult<Vec<_>>>()?;
    facts.set_item("losses", PyList::new(py, each)?)?;
    let each = delays.fits.iter().map(|fit| delay(py, fit)).collect::<PyResult<Vec<_>>>()?;
    facts.set_item("delays", PyList::new(py, each)?)?;
    Ok(facts)
}

fn loss<'py>(py: Python<'py>, fit: &LossFit) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("kind", fit.kind.name())?;
    facts.set_item("parameter_count", fit.kind.parameters())?;
    let found = match &fit.found {
        Ok(found) => found,
        Err(reason) => {
            facts.set_item("reason", reason)?;
            return Ok(facts);
        }
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
    let (parameters, errors) = (PyDict::new(py), PyDict::new(py));
    for (name, value, error) in named {
        parameters.set_item(name, value)?;
        errors.set_item(name, error)?;
    }
    facts.set_item("parameters", parameters)?;
    facts.set_item("standard_errors", errors)?;
    facts.set_item("text", found.model.to_string())?;
    facts.set_item("log_likelihood", found.log_likelihood)?;
    facts.set_item("bic", found.bic)?;
    facts.set_item("converged", found.converged)?;
    facts.set_item("distance", found.goodness.distance)?;
    facts.set_item("p_value", found.goodness.p_value)?;
    facts.set_item("compared", found.goodness.compared)?;
    Ok(facts)
}

fn delay<'py>(py: Python<'py>, fit: &DelayFit) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("kind", fit.kind.name())?;
    facts.set_item("parameter_count", fit.kind.parameters())?;
    let found = match &fit.found {
        Ok(found) => found,
        Err(reason) => {
            facts.set_item("reason", reason)?;
            return Ok(facts);
        }
    };
    let parameters = PyDict::new(py);
    let named: &[(&str, f64)] = match found.shape {
        Shape::Fixed { time } => &[("seconds", time / 1e9)],
        Shape::Uniform { low, high } => &[("low", low / 1e9), ("high", high / 1e9)],
        Shape::Exponential { mean, base } => &[("mean", mean / 1e9), ("base", base / 1e9)],
        Shape::LogNormal { median, sigma, base } => {
            &[("median", median / 1e9), ("sigma", sigma), ("base", base / 1e9)]
        }
        Shape::Gamma { mean, shape, base } => &[("mean", mean / 1e9), ("shape", shape), ("base", base / 1e9)],
    };
    for (name, value) in named {
        parameters.set_item(name, value)?;
    }
    facts.set_item("parameters", parameters)?;
    facts.set_item("text", found.model.to_string())?;
    facts.set_item("log_likelihood", found.log_likelihood)?;
    facts.set_item("bic", found.bic)?;
    facts.set_item("distance", found.distance)?;
    facts.set_item("p_value", found.p_value)?;
    Ok(facts)
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

fn chain(text: &str) -> PyResult<Channel> {
    let expected = "a probability, burst or gilbert-elliott: chance alone makes its runs";
    Channel::of(&parse::<Loss>(text)?)
        .ok_or_else(|| Invalid::new("loss", format!("{text:?}"), expected).into())
}
