//! `EchoServer` binds the lossy server to Python.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyTuple};

use super::args::{number, pair, parse, seed_of, seed_to_python};
use super::facts::{Facts, counts};
use super::link::{Achieved, achieved};
use super::lookup::listening;
use super::service;
use super::table::Table;
use crate::logic::SECOND;
use crate::logic::echo::{EchoPlan, Reply, TestClock};
use crate::logic::link::{LinkPlan, Scope};
use crate::logic::random::Direction;
use crate::net::datagram::Timestamping;
use crate::net::echo::{Event, Server, Settings};
use crate::net::socket::Backend;

/// A lossy echo server, bound when made.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct EchoServer {
    server: Server,
    seed: String,
    #[pyo3(get)]
    loss: String,
    #[pyo3(get)]
    delay: String,
    #[pyo3(get)]
    up: String,
    #[pyo3(get)]
    down: String,
    #[pyo3(get)]
    reply: String,
    #[pyo3(get)]
    scope: String,
    /// Whether it may answer with more than it was sent.
    #[pyo3(get)]
    can_amplify: bool,
}

#[pymethods]
impl EchoServer {
    #[new]
    #[pyo3(signature = (host, port, *, loss, delay, up, down, reply, utc_offset, seed, scope, record, port_tries, workers, gso, server_times, send_stamps, test_clock))]
    fn new(
        py: Python<'_>,
        host: String,
        port: i64,
        loss: &str,
        delay: &str,
        up: &str,
        down: &str,
        reply: &str,
        utc_offset: i32,
        seed: Option<&Bound<'_, PyInt>>,
        scope: Option<&str>,
        record: usize,
        port_tries: i64,
        workers: i64,
        gso: bool,
        server_times: bool,
        send_stamps: bool,
        test_clock: (i64, i64),
    ) -> PyResult<Self> {
        let plan = echo_plan([loss, delay, up, down], reply, seed, scope)?;
        let (offset, rate_ppb) = test_clock;
        let plan = EchoPlan {
            reply: plan.reply.in_zone(i64::from(utc_offset) * SECOND),
            server_times: server_times.then_some(TestClock { offset, rate_ppb }),
            ..plan
        };
        let (loss, delay) = (plan.link.up.loss.to_string(), plan.link.down.delay.to_string());
        let (up, down) = (plan.link.up.to_string(), plan.link.down.to_string());
        let (seed, scope) = (plan.link.seed.to_string(), plan.link.scope().to_string());
        let can_amplify = plan.reply.can_amplify() || plan.link.most_replies() > 1;
        let reply = plan.reply.to_string();
        let settings = Settings {
            host: listening(py, host)?,
            port: number("port", port, "0 to 65535, 0 for any free port")?,
            port_tries: number("port_tries", port_tries, "1 to 65535")?,
            workers: number("workers", workers, "1 to 64")?,
            echo: plan,
            record,
            backend: Backend::best(),
            gso,
            send_stamps,
        };
        let server = py.detach(|| Server::bind(settings))?;
        Ok(Self { server, seed, loss, delay, up, down, reply, scope, can_amplify })
    }

    /// Whether the kernel tells when replies leave.
    #[getter]
    fn stamps_sends(&self) -> bool {
        self.server.timestamping() == Timestamping::Both
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.server.start())?)
    }

    /// Stops serving and waits for the thread to end.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.server.stop());
    }

    /// Waits at most `seconds` for the server to stop; returns whether it has.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        service::wait(py, &self.server, seconds)
    }

    /// Keeps events for `next` from now on.
    fn follow(&self) {
        self.server.follow();
    }

    /// The next datagram as a row of the log with the message behind it, waiting at most `seconds`.
    #[pyo3(signature = (seconds: "float") -> "tuple[object, ...] | None")]
    fn next<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let event = service::next(py, &self.server, seconds)?;
        event.map(|event| event_to_python(py, &event)).transpose()
    }

    /// Whether it has stopped and every event has been taken.
    #[getter]
    fn done(&self) -> bool {
        self.server.exhausted()
    }

    /// Datagrams whose events were discarded because the queue was full.
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

    /// The host and port that a client on this machine can use.
    #[getter]
    fn address(&self) -> (String, u16) {
        pair(self.server.address())
    }

    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    #[pyo3(signature = () -> "dict[str, int | None]")]
    fn counters<'py>(&self, py: Python<'py>) -> Facts<'py> {
        counts(py, py.detach(|| self.server.counters()).named())
    }

    /// What was asked of each effect and what it did: direction, effect, asked, hits, of, share, low, high.
    #[pyo3(signature = () -> "list[tuple[str, str, float | None, int, int, float | None, float | None, float | None]]")]
    fn shares(&self, py: Python<'_>) -> Vec<Achieved> {
        achieved(py.detach(|| self.server.shares()))
    }

    /// The log of datagrams, if recording.
    fn log(&self, py: Python<'_>) -> PyResult<Table> {
        py.detach(|| Table::of_log(&self.server.log()?))
    }
}

/// The tuple of an event, in the order of the log's columns.
fn event_to_python<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyTuple>> {
    let row = &event.row;
    let reason = Some(row.reason.name()).filter(|reason| !reason.is_empty());
    let what = (
        row.recv_ns,
        row.wall_ns,
        row.source.to_string(),
        row.client,
        row.number,
        row.seq,
        row.verdict.name(),
        reason,
        row.delay_ns,
    );
    let how = (
        row.direction.map(Direction::name),
        row.bytes,
        row.reply_bytes,
        row.copies,
        row.replies,
        row.damage.name(),
        PyBytes::new(py, &event.message),
    );
    what.into_pyobject(py)?.as_sequence().concat(how.into_pyobject(py)?.as_sequence())?.to_tuple()
}

/// Builds the plan of a server from the texts of the Python API.
pub(super) fn echo_plan(
    [loss, delay, up, down]: [&str; 4],
    reply: &str,
    seed: Option<&Bound<'_, PyInt>>,
    scope: Option<&str>,
) -> PyResult<EchoPlan> {
    let scope = scope.map(parse::<Scope>).transpose()?;
    let seed = seed_of(seed)?;
    let link = LinkPlan::between(parse(up)?, parse(down)?, parse(loss)?, parse(delay)?, seed)?;
    let link = LinkPlan { scope, ..link };
    Ok(EchoPlan::new(link, parse::<Reply>(reply)?, false))
}
