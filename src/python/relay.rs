//! `UdpRelay` binds the relay to Python.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyTuple};

use super::args::{number, pair, parse, seed_of, seed_to_python};
use super::facts::{Facts, counts, facts};
use super::link::{Achieved, achieved};
use super::lookup::{found, host as host_of, listening};
use super::service;
use super::table::Table;
use crate::logic::Nanos;
use crate::logic::link::{Impairments, LinkPlan};
use crate::logic::random::Direction;
use crate::net::Lookup;
use crate::net::relay::{Event, Relay, Settings};
use crate::net::socket::Backend;

/// A relay between clients and a target, bound when made.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct UdpRelay {
    relay: Relay,
    seed: String,
    ways: Mutex<[String; 2]>,
}

#[pymethods]
impl UdpRelay {
    #[new]
    #[pyo3(signature = (to, host, port, *, up, down, seed, idle, follow_port, record, spin, port_tries))]
    fn new(
        py: Python<'_>,
        to: (String, i64),
        host: String,
        port: i64,
        up: &str,
        down: &str,
        seed: Option<&Bound<'_, PyInt>>,
        idle: Nanos,
        follow_port: bool,
        record: usize,
        spin: Nanos,
        port_tries: i64,
    ) -> PyResult<Self> {
        let (up, down) = (parse::<Impairments>(up)?, parse::<Impairments>(down)?);
        let ways = [up.to_string(), down.to_string()];
        let link = LinkPlan { up, down, seed: seed_of(seed)?, scope: None };
        let seed = link.seed.to_string();
        let (name, at) = to;
        let target = host_of(py, name)?;
        let lookup = Lookup::start([(&target, number("port", at, "1 to 65535")?)])?;
        let settings = Settings {
            host: listening(py, host)?,
            port: number("port", port, "0 to 65535, 0 for any free port")?,
            port_tries: number("port_tries", port_tries, "1 to 65535")?,
            target: found(py, lookup)?.first()?,
            link,
            idle,
            follow_port,
            record,
            spin,
            backend: Backend::best(),
        };
        let relay = py.detach(|| Relay::bind(settings))?;
        Ok(Self { relay, seed, ways: Mutex::new(ways) })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.relay.start())?)
    }

    /// Stops relaying and waits for the thread to end.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.relay.stop());
    }

    /// Waits at most `seconds` for the relay to stop; returns whether it has.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        service::wait(py, &self.relay, seconds)
    }

    /// Gives each client another port toward the target.
    fn rebind(&self, py: Python<'_>) {
        py.detach(|| self.relay.rebind());
    }

    /// Lets nothing pass for so many nanoseconds.
    fn block(&self, py: Python<'_>, nanos: Nanos) {
        py.detach(|| self.relay.block(nanos));
    }

    /// Has a direction do something else from now on.
    fn set(&self, py: Python<'_>, up: bool, text: &str) -> PyResult<()> {
        let impairments = parse::<Impairments>(text)?;
        let direction = if up { Direction::Up } else { Direction::Down };
        py.detach(|| self.relay.set(direction, &impairments));
        self.texts()[direction as usize] = impairments.to_string();
        Ok(())
    }

    /// What was asked of each effect and what it did: direction, effect, asked, hits, of, share, low, high.
    #[pyo3(signature = () -> "list[tuple[str, str, float | None, int, int, float | None, float | None, float | None]]")]
    fn shares(&self, py: Python<'_>) -> Vec<Achieved> {
        achieved(py.detach(|| self.relay.shares()))
    }

    /// What happens to datagrams on their way to the target.
    #[getter]
    fn up(&self) -> String {
        self.texts()[0].clone()
    }

    /// What happens to datagrams on their way to clients.
    #[getter]
    fn down(&self) -> String {
        self.texts()[1].clone()
    }

    /// Keeps events for `next` from now on.
    fn follow(&self) {
        self.relay.follow();
    }

    /// The next datagram as a row of the log with the message behind it, waiting at most `seconds`.
    #[pyo3(signature = (seconds: "float") -> "tuple[object, ...] | None")]
    fn next<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let event = service::next(py, &self.relay, seconds)?;
        event.map(|event| event_to_python(py, &event)).transpose()
    }

    /// The log of datagrams, if recording.
    fn log(&self, py: Python<'_>) -> PyResult<Table> {
        py.detach(|| Table::of_relayed(&self.relay.log()?))
    }

    /// Whether it has stopped and every event has been taken.
    #[getter]
    fn done(&self) -> bool {
        self.relay.exhausted()
    }

    /// Datagrams whose events were discarded because the queue was full.
    #[getter]
    fn missed_events(&self) -> u64 {
        self.relay.missed_events()
    }

    #[getter]
    fn running(&self) -> bool {
        self.relay.is_running()
    }

    #[getter]
    fn bound(&self) -> (String, u16) {
        pair(self.relay.bound())
    }

    /// The host and port that a client on this machine can use.
    #[getter]
    fn address(&self) -> (String, u16) {
        pair(self.relay.address())
    }

    #[getter]
    fn target(&self) -> (String, u16) {
        pair(self.relay.target())
    }

    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    /// The counters of each direction, and of the relay as a whole.
    #[pyo3(signature = () -> "tuple[dict[str, int | None], dict[str, int | None], dict[str, int]]")]
    fn counters<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        let all = py.detach(|| self.relay.counters());
        let [up, down] = all.ways.map(|way| counts(py, way.named()));
        let whole: Facts<'py> = Ok(facts!(py, of all => clients, refused, unreachable, foreign, unlogged;));
        Ok((up?, down?, whole?))
    }
}

/// The tuple of an event, in the order of the log's columns.
fn event_to_python<'py>(py: Python<'py>, Event { row, message }: &Event) -> PyResult<Bound<'py, PyTuple>> {
    let reason = Some(row.reason.name()).filter(|reason| !reason.is_empty());
    let way = row.direction.name();
    let head = (row.at.mono, row.at.wall, way, row.client.to_string(), row.client_index, row.number, row.len);
    let tail = (
        row.verdict.name(),
        reason,
        row.delay_ns,
        row.copies,
        row.reordered,
        row.corrupted,
        PyBytes::new(py, message),
    );
    head.into_pyobject(py)?.as_sequence().concat(tail.into_pyobject(py)?.as_sequence())?.to_tuple()
}

impl UdpRelay {
    fn texts(&self) -> std::sync::MutexGuard<'_, [String; 2]> {
        self.ways.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
