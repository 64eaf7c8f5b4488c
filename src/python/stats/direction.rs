//! Binds which way packets were lost.

use pyo3::prelude::*;

use super::computed;
use crate::logic::stats::{Counter, direction};
use crate::python::facts::{Facts, facts};
use crate::python::samples::Samples;

/// Unanswered pings by the way on which they were lost.
#[pyfunction]
#[pyo3(signature = (samples, stateful) -> "dict[str, int]")]
pub(in crate::python) fn stats_direction<'py>(
    py: Python<'py>,
    samples: &Samples,
    stateful: bool,
) -> Facts<'py> {
    let counter = if stateful { Counter::Own } else { Counter::OwnOrCopied };
    let found = computed(py, samples, |samples| direction(samples, counter))?;
    Ok(facts!(py,
        "sent": found.sent,
        "lost": found.lost,
        "lost_up": found.up,
        "lost_down": found.down,
        "unknown": found.unknown(),
        "restarts": found.restarts,
    ))
}
