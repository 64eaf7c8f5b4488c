//! `HeartbeatMonitor` binds the monitor of heartbeats to Python.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyTuple};

use super::args::{link_plan, number, pair, parse, seed_of, seed_to_python};
use super::facts::{Facts, counts};
use super::lookup::listening;
use super::service;
use super::table::Table;
use crate::logic::codec::heartbeat::{INTERVALS, Keys};
use crate::logic::heartbeat::{HeartbeatPlan, Options};
use crate::logic::link::{Impairments, LinkPlan};
use crate::logic::memory::room_for_each;
use crate::logic::monitor::detect::Detector;
use crate::logic::monitor::{Event, Kind, MonitorPlan, State};
use crate::logic::time::seconds;
use crate::logic::{DAY, Invalid, SECOND};
use crate::net::monitor::{Settings, Watcher};
use crate::net::socket::Backend;
use crate::sim::monitor::{LENGTHS, Plan, Run};

/// A monitor of heartbeats, bound when made.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct HeartbeatMonitor {
    watcher: Watcher,
    #[pyo3(get)]
    detector: String,
    /// Heartbeats of a client from which the detector learns.
    #[pyo3(get)]
    lessons: u64,
    #[pyo3(get)]
    loss: String,
    seed: String,
}

#[pymethods]
impl HeartbeatMonitor {
    /// `keys` is the text of a file of keys.
    #[new]
    #[pyo3(signature = (
        host, port, *, detector, interval, keys, answer, utc_offset, losses, beats, max_clients, per_prefix, idle, loss, seed, port_tries, state,
        log, witness
    ))]
    fn new(
        py: Python<'_>,
        host: String,
        port: i64,
        detector: &str,
        interval: f64,
        keys: Option<&str>,
        answer: bool,
        utc_offset: i32,
        losses: bool,
        beats: bool,
        max_clients: i64,
        per_prefix: i64,
        idle: f64,
        loss: &str,
        seed: Option<&Bound<'_, PyInt>>,
        port_tries: i64,
        state: Option<PathBuf>,
        log: Option<PathBuf>,
        witness: Option<(String, u16)>,
    ) -> PyResult<Self> {
        let detector = parse::<Detector>(detector)?;
        let (text, lessons) = (detector.to_string(), detector.lessons());
        let link = link_plan(loss, "0", seed)?;
        let (loss, seed) = (link.up.loss.to_string(), link.seed.to_string());
        let plan = MonitorPlan {
            interval: seconds("interval", interval, &INTERVALS)?,
            keys: keys.map(Keys::read).transpose()?.unwrap_or_default(),
            answer,
            utc_offset: i64::from(utc_offset) * SECOND,
            losses,
            beats,
            max_clients: number("max_clients", max_clients, "1 to 10,000,000")?,
            per_prefix: number("per_prefix", per_prefix, "1 at least")?,
            idle: seconds("idle", idle, &(0..=DAY))?,
            ..MonitorPlan::new(detector)
        };
        let settings = Settings {
            host: listening(py, host)?,
            port: number("port", port, "0 to 65535, 0 for any free port")?,
            port_tries: number("port_tries", port_tries, "1 to 65535")?,
            plan,
            state,
            log,
            witness,
            backend: Backend::best(),
        };
        let watcher = py.detach(|| Watcher::bind(settings))?.losing(link);
        Ok(Self { watcher, detector: text, lessons, loss, seed })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.watcher.start())?)
    }

    /// Stops watching and waits for the threads to end.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.watcher.stop());
    }

    /// Opens the log and the file of events anew.
    fn reopen(&self) {
        self.watcher.reopen();
    }

    /// Replaces the keys by those of the text of a file.
    fn set_keys(&self, py: Python<'_>, keys: &str) -> PyResult<()> {
        let keys = Keys::read(keys)?;
        py.detach(|| self.watcher.set_keys(keys));
        Ok(())
    }

    /// Waits at most `seconds` for it to stop; returns whether it has.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        service::wait(py, &self.watcher, seconds)
    }

    /// The next event as a row of the table of events, waiting at most `seconds`.
    #[pyo3(signature = (seconds: "float") -> "tuple[object, ...] | None")]
    fn next<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let event = service::next(py, &self.watcher, seconds)?;
        event.map(|event| event_to_python(py, &event)).transpose()
    }

    /// Whether it has stopped and every event has been taken.
    #[getter]
    fn done(&self) -> bool {
        self.watcher.exhausted()
    }

    /// Events that were discarded because the queue was full.
    #[getter]
    fn missed_events(&self) -> u64 {
        self.watcher.missed_events()
    }

    #[getter]
    fn running(&self) -> bool {
        self.watcher.is_running()
    }

    #[getter]
    fn bound(&self) -> (String, u16) {
        pair(self.watcher.bound())
    }

    /// The host and port that a sender on this machine can use.
    #[getter]
    fn address(&self) -> (String, u16) {
        pair(self.watcher.address())
    }

    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    #[pyo3(signature = () -> "dict[str, int | bool | str | None]")]
    fn counters<'py>(&self, py: Python<'py>) -> Facts<'py> {
        let totals = py.detach(|| self.watcher.totals());
        let counts = counts(py, totals.counters.named())?;
        counts.set_item("unkept", totals.unkept)?;
        Ok(counts)
    }

    fn peers(&self, py: Python<'_>) -> PyResult<Table> {
        py.detach(|| Table::of_peers(&self.watcher.peers()))
    }

    /// The latest 65,536 events.
    fn events(&self, py: Python<'_>) -> PyResult<Table> {
        py.detach(|| Table::of_events(&self.watcher.events()))
    }

    /// The latest datagrams that could not be read: their source, the reason, and their beginning.
    #[pyo3(signature = () -> "list[tuple[str, str, bytes]]")]
    fn unreadable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.watcher.unread().into_iter().map(|unread| {
            (unread.source.to_string(), unread.reason.to_string(), PyBytes::new(py, &unread.datagram))
        });
        PyList::new(py, rows.collect::<Vec<_>>())
    }
}

/// The tuple of an event, in the order of the columns of the table of events.
fn event_to_python<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyTuple>> {
    (
        event.number,
        event.at.mono,
        event.at.wall,
        event.kind.as_str(),
        event.client.as_deref(),
        event.address.map(|address| address.to_string()),
        event.previous.as_ref().map(ToString::to_string),
        event.before.map(State::name),
        event.seq,
        event.span,
        event.count,
        event.to_string(),
    )
        .into_pyobject(py)
}

/// Whether an event with this name and this state before is more than a single heartbeat that arrived, is late or is
/// lost.
#[pyfunction]
pub(super) fn is_notable(event: &str, before: Option<&str>) -> bool {
    Kind::named(event).is_none_or(|kind| kind.is_notable(before.and_then(State::from_name)))
}

/// The names of all events.
#[pyfunction]
pub(super) fn event_names() -> Vec<&'static str> {
    Kind::names().collect()
}

/// Steps of virtual time between two checks for signals: some milliseconds of real time.
const STEPS: u64 = 10_000;
/// Bytes of a simulated sender, and of what the monitor first knows of it.
const SENDER: usize = 1_536;
/// Bytes of an event or of a client in a table, while that is made.
const ROW: usize = 512;

/// Watches simulated senders, one for each text of faults; returns the clients, the events, the number of discarded
/// events, and the seed in force.
#[pyfunction]
#[pyo3(signature = (faults, *, duration, interval, jitter, drift_ppm, detector, losses, beats, loss, delay, up, seed) -> "tuple[Table, Table, int, int]")]
pub(super) fn sim_heartbeat<'py>(
    py: Python<'py>,
    faults: Vec<String>,
    duration: f64,
    interval: f64,
    jitter: f64,
    drift_ppm: f64,
    detector: &str,
    losses: bool,
    beats: bool,
    loss: &str,
    delay: &str,
    up: &str,
    seed: Option<&Bound<'py, PyInt>>,
) -> PyResult<(Table, Table, u64, Bound<'py, PyInt>)> {
    let senders = faults.len();
    let down = Impairments::default();
    let link = LinkPlan::between(parse(up)?, down, parse(loss)?, parse(delay)?, seed_of(seed)?)?;
    let seed = seed_to_python(py, &link.seed.to_string())?;
    let sender =
        HeartbeatPlan::new(Options { interval, jitter, session: link.seed.key(), ..Options::default() })?;
    let plan = Plan {
        monitor: MonitorPlan {
            interval: sender.interval,
            losses,
            beats,
            max_clients: faults.len().max(1),
            per_prefix: usize::MAX,
            burst: Some(usize::MAX),
            ..MonitorPlan::new(parse::<Detector>(detector)?)
        },
        sender,
        faults: faults.iter().map(|text| parse(text)).collect::<PyResult<_>>()?,
        link,
        drift_ppm,
        length: seconds("duration", duration, &LENGTHS)?,
    };
    room_for_each(plan.faults.len(), SENDER)?;
    let mut run = Run::new(plan)?;
    while !py.detach(|| run.advance(STEPS)) {
        py.check_signals()?;
        run.room()?;
    }
    room_for_each(run.events().len() + senders, ROW)?;
    let (peers, events) = py.detach(|| (Table::of_peers(&run.peers()), Table::of_events(run.events())));
    Ok((peers?, events?, run.missed_events(), seed))
}

/// Refuses a text that is not a valid file of keys.
#[pyfunction]
pub(super) fn check_keys(text: &str) -> Result<(), Invalid> {
    Keys::read(text).map(drop)
}
