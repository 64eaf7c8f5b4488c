//! `PingSession`: a run of pings in the background, for Python.

use std::net::IpAddr;

use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyTuple};

use super::args::{nanos, number, parse, seed_of, seed_to_python};
use super::facts::Facts;
use super::service;
use super::table::{Table, summary_to_python};
use crate::logic::ping::{Plan, Schedule, Wishes};
use crate::logic::record::{COLUMNS, NONE, Row};
use crate::logic::wire::Message;
use crate::logic::{Invalid, Nanos, SECOND};
use crate::net::Family;
use crate::net::datagram::Stamping;
use crate::net::ping::{Events, Lane, Session, Settings};
use crate::net::socket::{Marks, Path};

/// A run of pings to one or several targets.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct PingSession {
    session: Session,
    seed: String,
}

#[pymethods]
impl PingSession {
    #[new]
    #[pyo3(signature = (targets, *, count, timeout, interval, linger, size, bind, ttl, dscp, df, family, events, message = "Ping {seq} {time}", utc_offset = 0, first_seq = 1, misses = None, announce = false, schedule = "isochronous", seed = None, busy = false, spin = None))]
    #[expect(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "keywords, one for each setting"
    )]
    fn new(
        py: Python<'_>,
        targets: Vec<(String, i64)>,
        count: Option<i64>,
        timeout: f64,
        interval: Option<f64>,
        linger: Option<f64>,
        size: Option<i64>,
        bind: Option<&str>,
        ttl: Option<i64>,
        dscp: Option<i64>,
        df: bool,
        family: Option<&str>,
        events: bool,
        message: &str,
        utc_offset: i64,
        first_seq: i64,
        misses: Option<i64>,
        announce: bool,
        schedule: &str,
        seed: Option<&Bound<'_, PyInt>>,
        busy: bool,
        spin: Option<f64>,
    ) -> PyResult<Self> {
        let targets = targets
            .into_iter()
            .map(|(host, port)| Ok((host, number("port", port, "1 to 65535")?)))
            .collect::<PyResult<Vec<_>>>()?;
        let settings = Settings {
            targets,
            plan: Plan::new(Wishes {
                count,
                timeout,
                interval,
                schedule: parse::<Schedule>(schedule)?,
                seed: seed_of(seed)?,
                linger,
                size,
                misses,
                first_seq,
                message: local_message(message, utc_offset)?,
            })?,
            family: family.map(parse::<Family>).transpose()?,
            bind: bind.map(local_address).transpose()?,
            marks: Marks::new(ttl, dscp, df)?,
            events: match (events, announce) {
                (false, _) => Events::None,
                (true, false) => Events::Outcomes,
                (true, true) => Events::All,
            },
            path: Path::best(),
            stamping: Stamping::Both,
            busy,
            spin: spin.map(|spin| nanos("spin", spin, &(0..=SECOND))).transpose()?,
        };
        let seed = settings.plan.seed.to_string();
        Ok(Self { session: py.detach(|| Session::open(&settings))?, seed })
    }

    /// Starts sending.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.session.start())?)
    }

    /// Ends the run soon.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.session.stop());
    }

    /// Waits at most `seconds` for the end of the run; says whether it is over.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        service::wait(py, &self.session, seconds)
    }

    /// The next row that changed, waiting at most `seconds`.
    #[pyo3(signature = (seconds: "float") -> "tuple[object, ...] | None")]
    fn next<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let event = service::next(py, &self.session, seconds)?;
        event.map(|(lane, row)| self.tuple(py, lane, &row)).transpose()
    }

    /// Whether the run is over and every row has been taken.
    #[getter]
    fn done(&self, py: Python<'_>) -> bool {
        py.detach(|| self.session.exhausted())
    }

    /// Rows that changed while nobody took them.
    #[getter]
    fn missed_events(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.session.missed_events())
    }

    /// The rows so far, or the `latest` of each target. Nothing is sent while they are taken, which is quick: what is taken
    /// is shared.
    #[pyo3(signature = (latest = None))]
    fn table(&self, py: Python<'_>, latest: Option<usize>) -> PyResult<Table> {
        let run = self.session.started_wall();
        py.detach(|| {
            let lanes: Vec<_> = self.session.look(|lanes| {
                let rows = |lane: &Lane| lane.pinger.rows().latest(latest.unwrap_or(usize::MAX));
                lanes.iter().map(|lane| (lane.name.clone(), rows(lane))).collect()
            });
            Table::of_run(run, &lanes, latest)
        })
    }

    /// The address of each target, as `host:port`.
    fn addresses(&self, py: Python<'_>) -> Vec<String> {
        py.detach(|| {
            self.session.look(|lanes| lanes.iter().map(|lane| lane.pinger.target().to_string()).collect())
        })
    }

    /// The seed of a random schedule.
    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    /// What the kernel stamps: `both`, `receive` or `none`.
    #[getter]
    fn stamping(&self) -> &'static str {
        match self.session.stamping() {
            Stamping::Both => "both",
            Stamping::Receive => "receive",
            Stamping::None => "none",
        }
    }

    /// The counts of one target, or of all.
    #[pyo3(signature = (target: "int | None") -> "dict[str, int | float | None]")]
    fn summary<'py>(&self, py: Python<'py>, target: Option<usize>) -> Facts<'py> {
        let (summary, duration) = py.detach(|| (self.session.summary(target), self.session.duration()));
        let targets = self.session.look(<[_]>::len);
        let summary = summary.ok_or_else(|| {
            Invalid::new("target", target.unwrap_or(0), format!("an index below {targets}"))
        })?;
        summary_to_python(py, &summary, duration)
    }
}

impl PingSession {
    /// A row in the order of [`COLUMNS`].
    fn tuple<'py>(&self, py: Python<'py>, lane: usize, row: &Row) -> PyResult<Bound<'py, PyTuple>> {
        let target = self.session.look(|lanes| lanes[lane].name.clone());
        let time = |value: Nanos| Some(value).filter(|value| *value != NONE);
        let reply = row.reply.as_ref();
        let values: [Bound<'py, PyAny>; COLUMNS.len()] = [
            self.session.started_wall().into_bound_py_any(py)?,
            target.into_bound_py_any(py)?,
            row.seq.into_bound_py_any(py)?,
            row.due.into_bound_py_any(py)?,
            time(row.sent).into_bound_py_any(py)?,
            row.sent_wall.into_bound_py_any(py)?,
            time(row.rtt).into_bound_py_any(py)?,
            time(row.user_rtt).into_bound_py_any(py)?,
            row.status.name().into_bound_py_any(py)?,
            row.copies.into_bound_py_any(py)?,
            row.source.map(|source| source.to_string()).into_bound_py_any(py)?,
            row.ttl.into_bound_py_any(py)?,
            reply.map(|reply| reply.bytes).into_bound_py_any(py)?,
            reply.map(|reply| reply.stamp.name()).into_bound_py_any(py)?,
            reply.map(|reply| PyBytes::new(py, &reply.text)).into_bound_py_any(py)?,
            reply.map(|reply| reply.matched.name()).into_bound_py_any(py)?,
            py.None().into_bound(py),
            py.None().into_bound(py),
        ];
        PyTuple::new(py, values)
    }
}

/// The text of the pings, with local time where it says `{ctime}`.
pub(super) fn local_message(text: &str, utc_offset: i64) -> PyResult<Message> {
    Ok(parse::<Message>(text)?.in_zone(utc_offset * SECOND))
}

fn local_address(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| {
        Invalid::new("bind", format!("{text:?}"), "an IP address of this machine, such as \"127.0.0.1\"")
            .into()
    })
}
