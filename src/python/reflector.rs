//! `StampReflector` binds the reflector to Python.

use pyo3::prelude::*;

use super::args::{number, pair, word};
use super::facts::{Facts, counts};
use super::lookup::listening;
use super::service;
use crate::logic::codec::stamp::{Keys, TimeFormat};
use crate::logic::reflector::{Admit, ReflectorPlan};
use crate::net::datagram::Timestamping;
use crate::net::reflector::{Server, Settings};
use crate::net::socket::Backend;

/// A reflector, bound when made.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct StampReflector {
    server: Server,
}

#[pymethods]
impl StampReflector {
    /// `keys`: lines of `secret`, `SSID secret` or `SSID secret addresses`.
    #[new]
    #[expect(clippy::fn_params_excessive_bools, reason = "keywords, one for each setting")]
    #[pyo3(signature = (host, port, *, stateless, admit, keys, base_reply, drop_replayed, location, send_stamps, timestamps, port_tries))]
    fn new(
        py: Python<'_>,
        host: String,
        port: i64,
        stateless: bool,
        admit: &str,
        keys: Option<&str>,
        base_reply: bool,
        drop_replayed: bool,
        location: bool,
        send_stamps: bool,
        timestamps: &str,
        port_tries: i64,
    ) -> PyResult<Self> {
        let admit = word("admit", admit, &Admit::NAMES, Admit::from_name)?;
        let keys = keys.map(Keys::read).transpose()?.unwrap_or_default();
        let plan = ReflectorPlan {
            stateless,
            admit,
            keys,
            base_reply,
            drop_replayed,
            location,
            send_stamps,
            format: word("timestamps", timestamps, &TimeFormat::NAMES, TimeFormat::from_name)?,
        };
        plan.check()?;
        let settings = Settings {
            host: listening(py, host)?,
            port: number("port", port, "0 to 65535, 0 for any free port")?,
            port_tries: number("port_tries", port_tries, "1 to 65535")?,
            plan,
            backend: Backend::best(),
        };
        Ok(Self { server: py.detach(|| Server::bind(settings))? })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.server.start())?)
    }

    /// Stops answering and waits for the thread to end.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.server.stop());
    }

    /// Waits at most `seconds` for the reflector to stop; returns whether it has.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        service::wait(py, &self.server, seconds)
    }

    /// 0: a reflector has no events.
    #[getter]
    fn missed_events(&self) -> u64 {
        self.server.missed_events()
    }

    #[getter]
    fn running(&self) -> bool {
        self.server.is_running()
    }

    #[getter]
    fn bound(&self) -> (String, u16) {
        pair(self.server.bound())
    }

    /// The host and port that a sender on this machine can use.
    #[getter]
    fn address(&self) -> (String, u16) {
        pair(self.server.address())
    }

    /// Whether the kernel tells when replies leave.
    #[getter]
    fn stamps_sends(&self) -> bool {
        self.server.timestamping() == Timestamping::Both
    }

    #[pyo3(signature = () -> "dict[str, int | None]")]
    fn counters<'py>(&self, py: Python<'py>) -> Facts<'py> {
        counts(py, py.detach(|| self.server.counters()).named())
    }
}
