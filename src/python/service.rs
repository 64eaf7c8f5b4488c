//! Waits for background threads without the GIL, and checks for signals.

use pyo3::prelude::*;

use super::args::span;
use crate::net::EventQueue;

/// Waits at most `seconds` for the end; returns whether it is over.
pub(super) fn wait<E: Send>(py: Python<'_>, events: &EventQueue<E>, seconds: f64) -> PyResult<bool> {
    let over = py.detach(|| events.wait(span(seconds)))?;
    py.check_signals()?;
    Ok(over)
}

/// The next event, waiting at most `seconds`.
pub(super) fn next<E: Clone + Send>(
    py: Python<'_>,
    events: &EventQueue<E>,
    seconds: f64,
) -> PyResult<Option<E>> {
    let event = py.detach(|| events.next(span(seconds)))?;
    if let Err(interrupted) = py.check_signals() {
        // A caller that continues after Ctrl-C must not lose the event.
        if let Some(event) = event {
            events.put_back(event);
        }
        return Err(interrupted);
    }
    Ok(event)
}
