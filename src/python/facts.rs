//! Dicts for Python: what is known, by name.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A dict, or what Python raised instead.
pub(super) type Facts<'py> = PyResult<Bound<'py, PyDict>>;

/// Makes a dict of names and values.
macro_rules! facts {
    ($py:expr, $($name:literal: $value:expr),* $(,)?) => {{
        let facts = pyo3::types::PyDict::new($py);
        $(facts.set_item($name, $value)?;)*
        facts
    }};
}
pub(super) use facts;
