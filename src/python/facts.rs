//! Makes dicts of names and values for Python.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::logic::counters::{Metric, Value};
use crate::logic::{echo, heartbeat, monitor, reflector, relay};

/// A dict, or the exception that Python raised.
pub(super) type Facts<'py> = PyResult<Bound<'py, PyDict>>;

/// Makes a dict: first fields under their own names, then other names and values.
macro_rules! facts {
    ($py:expr, $(of $from:expr => $($field:ident),+;)? $($name:literal: $value:expr),* $(,)?) => {{
        let facts = pyo3::types::PyDict::new($py);
        $($(facts.set_item(stringify!($field), $from.$field)?;)+)?
        $(facts.set_item($name, $value)?;)*
        facts
    }};
}
pub(super) use facts;

/// Counters by name.
pub(super) fn counts(py: Python<'_>, named: impl Iterator<Item = (&'static str, Value)>) -> Facts<'_> {
    let counts = PyDict::new(py);
    for (name, value) in named {
        match value {
            Value::Number(number) => counts.set_item(name, number),
            Value::Flag(flag) => counts.set_item(name, flag),
            Value::Unknown => counts.set_item(name, py.None()),
        }?;
    }
    Ok(counts)
}

/// The counters of a server, of each direction of a relay, of a monitor, of a sender of heartbeats and of a reflector, in
/// order: name, `counter` or `gauge`, unit, and a description.
#[pyfunction]
#[pyo3(signature = () -> "dict[str, list[tuple[str, str, str, str]]]")]
pub(super) fn counter_metrics(py: Python<'_>) -> Facts<'_> {
    let rows = |metrics: &[Metric]| -> Vec<_> {
        metrics.iter().map(|it| (it.name, it.kind.as_str(), it.unit, it.help)).collect()
    };
    Ok(facts!(py,
        "server": rows(echo::Counters::METRICS),
        "relay": rows(relay::Counters::METRICS),
        "monitor": rows(monitor::Counters::METRICS),
        "heartbeat": rows(heartbeat::Counters::METRICS),
        "reflector": rows(reflector::Counters::METRICS),
    ))
}
