//! Reads the names of hosts, and waits for their addresses so that Ctrl-C ends the wait.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::args::pair;
use crate::logic::Invalid;
use crate::net::{Host, Lookup};

/// Between two checks for signals.
const SLICE: Duration = Duration::from_millis(20);

/// A host as Python's `socket` reads it: a name beyond ASCII is an international one (IDNA).
pub(super) fn host(py: Python<'_>, name: String) -> PyResult<Host> {
    if name.is_ascii() {
        return Ok(name.into());
    }
    let encoded = PyString::new(py, &name).call_method1("encode", ("idna",)).map_err(|_| {
        let expected = "a name whose parts between the points are words of 1 to 63 characters (in IDNA)";
        Invalid::new("host", format!("{name:?}"), expected)
    })?;
    let ascii = String::from_utf8_lossy(&encoded.extract::<Vec<u8>>()?).into_owned();
    Ok(Host { name, ascii: Some(ascii) })
}

/// Waits for the answers.
pub(super) fn found(py: Python<'_>, lookup: Lookup) -> PyResult<Lookup> {
    wait_for(py, &lookup)?;
    Ok(lookup)
}

/// Waits for the answers.
pub(super) fn wait_for(py: Python<'_>, lookup: &Lookup) -> PyResult<()> {
    while !lookup.wait(Duration::ZERO) {
        py.check_signals()?;
        py.detach(|| lookup.wait(SLICE));
    }
    Ok(())
}

/// The address to listen at, as text; an empty host is every interface.
pub(super) fn listening(py: Python<'_>, name: String) -> PyResult<String> {
    if name.is_empty() {
        return Ok(name);
    }
    let lookup = found(py, Lookup::start([(&host(py, name)?, 0)])?)?;
    let (ip, _) = pair(lookup.first()?);
    Ok(ip)
}
