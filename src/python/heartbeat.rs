//! `HeartbeatSender` binds the sender of heartbeats to Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use super::args::{number, pair, parse, span};
use super::facts::{Facts, counts};
use super::lookup;
use crate::logic::Invalid;
use crate::logic::codec::heartbeat::{Form, Key, Keys, looks_secret};
use crate::logic::heartbeat::{HeartbeatPlan, Options};
use crate::net::heartbeat::{Heartbeat, Settings, drain};
use crate::net::random_session;
use crate::net::socket::Backend;

#[pyclass(frozen, module = "udpping._core")]
pub(super) struct HeartbeatSender {
    heartbeat: Heartbeat,
    session: u64,
}

#[pymethods]
impl HeartbeatSender {
    #[new]
    #[pyo3(signature = (host, port, *, interval, id, keys, key_name, wire, jitter, boot, touch, count))]
    fn new(
        py: Python<'_>,
        host: String,
        port: i64,
        interval: f64,
        id: String,
        keys: Option<&str>,
        key_name: Option<&str>,
        wire: &str,
        jitter: f64,
        boot: Option<i64>,
        touch: Option<f64>,
        count: Option<i64>,
    ) -> PyResult<Self> {
        let session = random_session()?;
        let options = Options {
            interval,
            jitter,
            id,
            form: parse::<Form>(wire)?,
            key: chosen_key(keys, key_name)?,
            boot,
            session,
            touch,
            count,
            ..Options::default()
        };
        let settings = Settings {
            host: lookup::host(py, host)?.asked().to_owned(),
            port: number("port", port, "1 to 65535")?,
            plan: HeartbeatPlan::new(options)?,
            backend: Backend::best(),
        };
        Ok(Self { heartbeat: Heartbeat::new(settings)?, session })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.heartbeat.start())?)
    }

    /// Sends goodbyes with an exit status; the first has been sent when this returns.
    fn stop(&self, py: Python<'_>, status: i64) -> PyResult<()> {
        let status = number("status", status, "a 32-bit number; a program's exit status is 0 to 255")?;
        py.detach(|| self.heartbeat.stop(status));
        Ok(())
    }

    /// Seals the next heartbeats with the key of that name, or the only one, of the text of a file.
    fn set_key(&self, py: Python<'_>, keys: &str, key_name: Option<&str>) -> PyResult<()> {
        match chosen_key(Some(keys), key_name)? {
            Some(key) => Ok(py.detach(|| self.heartbeat.set_key(key))?),
            None => Ok(()),
        }
    }

    /// Records that the program is alive.
    fn touch(&self) {
        self.heartbeat.touch();
    }

    /// Waits at most `seconds` for the end; returns whether it is over.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let over = py.detach(|| self.heartbeat.wait(span(seconds)))?;
        py.check_signals()?;
        Ok(over)
    }

    #[getter]
    fn running(&self) -> bool {
        self.heartbeat.is_running()
    }

    /// The session number, as the heartbeats carry it.
    #[getter]
    fn session(&self) -> String {
        format!("{:016x}", self.session)
    }

    #[pyo3(signature = () -> "dict[str, int]")]
    fn counters<'py>(&self, py: Python<'py>) -> Facts<'py> {
        counts(py, py.detach(|| self.heartbeat.totals()).counters.named())
    }

    /// The monitor's address, the current problem, and the last round trip in nanoseconds.
    #[pyo3(signature = () -> "tuple[tuple[str, int] | None, str | None, int | None]")]
    fn state(&self, py: Python<'_>) -> (Option<(String, u16)>, Option<String>, Option<i64>) {
        let totals = py.detach(|| self.heartbeat.totals());
        (totals.address.map(pair), totals.problem, totals.round_trip)
    }
}

/// Waits at most `seconds` until all stopped heartbeats have sent their goodbyes.
#[pyfunction]
pub(super) fn drain_heartbeats(py: Python<'_>, seconds: f64) {
    py.detach(|| drain(span(seconds)));
}

/// Adds one to the number in a file, which is made if need be, and returns it.
#[pyfunction]
pub(super) fn count_up(py: Python<'_>, path: PathBuf) -> PyResult<u64> {
    Ok(py.detach(|| crate::net::count_up(&path))?)
}

/// The key of that name, or the only one.
fn chosen_key(keys: Option<&str>, name: Option<&str>) -> Result<Option<Key>, Invalid> {
    let shown = || match name {
        Some(name) if looks_secret(name) => "of that many hexadecimal digits, a secret perhaps,".to_owned(),
        Some(name) => format!("{name:?}"),
        None => "that is missing".to_owned(),
    };
    match keys.map(Keys::read).transpose()? {
        None if name.is_some() => Err(Invalid::new(
            "key_name",
            shown(),
            "no name without keys: give the file that has the keys, too (key, --key)",
        )),
        None => Ok(None),
        Some(keys) => {
            let found = keys.find(name).cloned();
            found.map(Some).ok_or_else(|| Invalid::new("key_name", shown(), "the name of one of the keys"))
        }
    }
}
