//! Parses and describes the texts of losses and delays for Python.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

use super::args::parse;
use crate::logic::link::{Delay, Loss};

/// The canonical text of a loss model.
#[pyfunction]
pub(super) fn check_loss(text: &str) -> PyResult<String> {
    parse::<Loss>(text).map(|loss| loss.to_string())
}

/// The canonical text of a probability of loss, with or without the name of its kind.
#[pyfunction]
pub(super) fn check_bernoulli(text: &str) -> PyResult<String> {
    check_loss(&format!("bernoulli:{}", text.strip_prefix("bernoulli:").unwrap_or(text)))
}

/// The canonical text of a delay.
#[pyfunction]
pub(super) fn check_delay(text: &str) -> PyResult<String> {
    parse::<Delay>(text).map(|delay| delay.to_string())
}

/// The share of datagrams that a loss model loses in the long run, if it has one.
#[pyfunction]
pub(super) fn mean_loss(text: &str) -> PyResult<Option<f64>> {
    parse::<Loss>(text).map(|loss| loss.mean_loss())
}

/// The kind of a loss model, the exact share of datagrams that it loses in the long run, and the parameters of a
/// channel. Fractions are numerator and denominator.
#[pyfunction]
#[pyo3(signature = (text) -> "tuple[str, tuple[int, int] | None, dict[str, tuple[int, int]]]")]
pub(super) fn loss_model<'py>(py: Python<'py>, text: &str) -> PyResult<LossModel<'py>> {
    let loss = parse::<Loss>(text)?;
    let mean = loss.exact_mean().map(|mean| mean.fraction());
    Ok((loss.kind(), mean, loss.parameters().into_py_dict(py)?))
}

type LossModel<'py> = (&'static str, Option<(u128, u128)>, Bound<'py, PyDict>);
