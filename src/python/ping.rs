//! `PingSession` binds a run of pings in the background to Python.

use std::sync::Arc;

use pyo3::IntoPyObjectExt as _;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyTuple};

use super::args::{number, parse, seed_of, seed_to_python};
use super::facts::Facts;
use super::lookup::{found, host, wait_for};
use super::service;
use super::table::{Table, summary_to_python};
use crate::logic::codec::stamp::{self, ErrorEstimate, Keys, Stamp, TimeFormat};
use crate::logic::codec::{Codec, Protocol, TextLine, TimedLine};
use crate::logic::echo;
use crate::logic::ping::{Options, Plan, SPINS, Verdict};
use crate::logic::random::Seed;
use crate::logic::record::{COLUMNS, NONE, Row, TimeSource};
use crate::logic::time::seconds;
use crate::logic::{Invalid, Nanos, SECOND};
use crate::net::datagram::Timestamping;
use crate::net::ping::{Events, Pace, PingLog, Session, Settings, Snapshot, Target, TargetFacts, look_up};
use crate::net::reflector::error_estimate;
use crate::net::socket::IpOptions;
use crate::net::{Device, Family, local_address, random_session};

/// The hops of a test packet, so that a reflector can count them (RFC 5357).
const STAMP_HOPS: i64 = 255;

/// Host, port, class of service and bytes of each message.
type PingTarget = (String, i64, Option<i64>, Option<i64>);

type Counts<'py> = Bound<'py, PyDict>;

/// Targets, rows, and the counts of all and of each.
type RunParts<'py> = (Vec<TargetFacts>, Table, Counts<'py>, Vec<Counts<'py>>);

/// A run of pings to one or several targets.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct PingSession {
    session: Session,
    seed: String,
    /// The plan by which the size of a target's messages is checked.
    plan: Plan,
}

#[pymethods]
impl PingSession {
    #[new]
    #[pyo3(signature = (targets, options: "dict[str, object]", *, events, announce, flood = None))]
    fn new(
        py: Python<'_>,
        targets: Vec<PingTarget>,
        options: &Bound<'_, PyDict>,
        events: bool,
        announce: bool,
        flood: Option<bool>,
    ) -> PyResult<Self> {
        let seed: Option<Bound<'_, PyInt>> = option(options, "seed")?;
        let family: Option<String> = option(options, "family")?;
        let bind: Option<String> = option(options, "bind")?;
        let device = bind.as_deref().and_then(Device::named);
        let spin: Option<f64> = option(options, "spin")?;
        let keep: Option<i64> = option(options, "keep")?;
        let run = random_session().map_err(PyErr::from)?;
        #[expect(clippy::cast_possible_truncation, reason = "its low half is as random")]
        let mut plan = plan(
            options,
            seed_of(seed.as_ref())?,
            option(options, "utc_offset")?,
            run as u32,
            error_estimate,
        )?;
        plan.patient |= option::<bool>(options, "patient")?;
        let broadcast: bool = option(options, "broadcast")?;
        let ttl: Option<i64> = option(options, "ttl")?;
        let is_counted = plan.codec.is_strict() && !broadcast;
        let targets = targets.into_iter().map(|each| target(py, each, &plan)).collect::<PyResult<_>>()?;
        let settings = Settings {
            keep: keep.map(|keep| plan.check_keep(keep)).transpose()?,
            family: family.as_deref().map(parse::<Family>).transpose()?,
            bind: bind.as_deref().filter(|_| device.is_none()).map(local_address).transpose()?,
            ip_options: IpOptions {
                broadcast,
                device,
                ..IpOptions::new(
                    ttl.or(is_counted.then_some(STAMP_HOPS)),
                    option(options, "dscp")?,
                    option(options, "df")?,
                )?
            },
            events: match (events, announce) {
                (false, _) => Events::None,
                (true, false) => Events::Outcomes,
                (true, true) => Events::All,
            },
            pace: match flood {
                None => Pace::default(),
                Some(false) => Pace::NoFlood,
                Some(true) => Pace::Flood,
            },
            busy: option(options, "busy")?,
            spin: spin.map(|spin| seconds("spin", spin, &SPINS)).transpose()?,
            ..Settings::new(targets, plan.clone())
        };
        let seed = settings.plan.seed.to_string();
        let lookup = found(py, look_up(&settings.targets)?)?;
        Ok(Self { session: py.detach(|| Session::open_at(&settings, &lookup))?, seed, plan })
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.session.start())?)
    }

    /// Pings one more target.
    fn add(&self, py: Python<'_>, target: PingTarget) -> PyResult<()> {
        let target = self::target(py, target, &self.plan)?;
        let lookup = found(py, look_up(std::slice::from_ref(&target))?)?;
        Ok(py.detach(|| self.session.add_at(&target, &lookup))?)
    }

    /// Sends nothing more to a target.
    fn remove(&self, py: Python<'_>, target: PingTarget) -> PyResult<()> {
        let target = self::target(py, target, &self.plan)?;
        Ok(py.detach(|| self.session.remove(&target))?)
    }

    /// Looks up all names again; returns the targets for which that failed.
    #[pyo3(signature = () -> "list[tuple[str, Exception]]")]
    fn resolve(&self, py: Python<'_>) -> PyResult<Vec<(String, PyErr)>> {
        let again = py.detach(|| self.session.look_up())?;
        wait_for(py, &again.lookup)?;
        let failed = py.detach(|| self.session.follow(&again));
        Ok(failed.into_iter().map(|(name, error)| (name, error.into())).collect())
    }

    /// Ends the run soon.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.session.stop());
    }

    /// Waits at most `seconds` for the end of the run; returns whether it is over.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        service::wait(py, &self.session, seconds)
    }

    /// The next row that changed, waiting at most `seconds`.
    #[pyo3(signature = (seconds: "float") -> "tuple[object, ...] | None")]
    fn next<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let event = service::next(py, &self.session, seconds)?;
        event.map(|(index, row)| self.tuple(py, index, &row)).transpose()
    }

    /// The next time that a target is up or down, waiting at most `seconds`.
    #[pyo3(signature = (seconds: "float") -> "tuple[object, ...] | None")]
    fn next_verdict<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let verdict = service::next(py, self.session.verdicts(), seconds)?;
        verdict.map(|verdict| self.verdict(py, verdict)).transpose()
    }

    /// All of them so far, the latest 65,536.
    #[pyo3(signature = () -> "list[tuple[object, ...]]")]
    fn verdicts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let verdicts = py.detach(|| self.session.verdicts().latest());
        verdicts.into_iter().map(|verdict| self.verdict(py, verdict)).collect()
    }

    /// Whether the run is over and every row has been taken.
    #[getter]
    fn done(&self, py: Python<'_>) -> bool {
        py.detach(|| self.session.exhausted())
    }

    /// Changed rows that were discarded because the queue was full.
    #[getter]
    fn missed_events(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.session.missed_events())
    }

    /// Has a slow reader of rows miss none, called before the start; `memory` is the most bytes that wait there.
    #[pyo3(signature = (memory = None))]
    fn miss_no_event(&self, py: Python<'_>, memory: Option<usize>) -> PyResult<()> {
        Ok(py.detach(|| self.session.miss_no_row(memory))?)
    }

    /// Why changed rows could not wait in a file, if that failed.
    #[getter]
    fn backlog_failure(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| self.session.backlog_failure())
    }

    /// The run so far, at one moment: the name and address of each target, the rows (or the `latest` of each target),
    /// the counts of all, and those of each.
    #[pyo3(signature = (latest = None) -> "tuple[list[tuple[str, str | None, str | None]], Table, dict[str, int | float | None], list[dict[str, int | float | None]]]")]
    fn run<'py>(&self, py: Python<'py>, latest: Option<usize>) -> PyResult<RunParts<'py>> {
        let (started, duration) = (self.session.started_wall(), self.session.duration());
        let (targets, table, total, each) = py.detach(|| {
            let Snapshot { targets, rows, total, each } = self.session.snapshot(latest.unwrap_or(usize::MAX));
            let logs: Vec<_> = targets.iter().map(|(name, ..)| name.clone()).zip(rows).collect();
            PyResult::Ok((targets, Table::of_run(started, &logs, latest)?, total, each))
        })?;
        let each = each.iter().map(|each| summary_to_python(py, each, duration)).collect::<PyResult<_>>()?;
        Ok((targets, table, summary_to_python(py, &total, duration)?, each))
    }

    /// The name of each target, its address once that is found, and why its pings with the status `error` were not sent.
    #[pyo3(signature = () -> "list[tuple[str, str | None, str | None]]")]
    fn targets(&self, py: Python<'_>) -> Vec<TargetFacts> {
        py.detach(|| self.session.look(|logs| logs.iter().map(PingLog::facts).collect()))
    }

    #[getter]
    fn seed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyInt>> {
        seed_to_python(py, &self.seed)
    }

    /// What the kernel timestamps: `both`, `receive` or `none`.
    #[getter]
    fn stamping(&self) -> &'static str {
        match self.session.timestamping() {
            Timestamping::Both => "both",
            Timestamping::Receive => "receive",
            Timestamping::None => "none",
        }
    }

    /// The local ports that pings leave from.
    #[getter]
    fn ports(&self, py: Python<'_>) -> Vec<u16> {
        py.detach(|| self.session.ports())
    }

    /// The counts of all targets.
    #[pyo3(signature = () -> "dict[str, int | float | None]")]
    fn summary<'py>(&self, py: Python<'py>) -> Facts<'py> {
        let (summary, duration) = py.detach(|| (self.session.summary(), self.session.duration()));
        summary_to_python(py, &summary, duration)
    }
}

impl PingSession {
    /// A verdict in the order of `TargetEvent`.
    fn verdict<'py>(
        &self,
        py: Python<'py>,
        (index, verdict, wall): (usize, Verdict, i64),
    ) -> PyResult<Bound<'py, PyTuple>> {
        let target = self.session.look(|logs| logs[index].name.clone());
        let text = verdict.text(&target);
        let event = if verdict.is_up { "up" } else { "down" };
        (verdict.at, wall, target, event, verdict.seq, verdict.span, text).into_pyobject(py)
    }

    /// A row in the order of [`COLUMNS`].
    fn tuple<'py>(&self, py: Python<'py>, index: usize, row: &Row) -> PyResult<Bound<'py, PyTuple>> {
        let target = self.session.look(|logs| logs[index].name.clone());
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
            row.server.received.into_bound_py_any(py)?,
            row.server.sent.into_bound_py_any(py)?,
            row.arrival.into_bound_py_any(py)?,
            row.server.path(row.rtt).into_bound_py_any(py)?,
            row.server.seq.into_bound_py_any(py)?,
            // What only the run as a whole tells is in its table.
            py.None().into_bound(py),
            py.None().into_bound(py),
            py.None().into_bound(py),
            py.None().into_bound(py),
            row.server.stamp.map(TimeSource::name).into_bound_py_any(py)?,
        ];
        PyTuple::new(py, values)
    }
}

fn target(py: Python<'_>, (name, port, dscp, size): PingTarget, plan: &Plan) -> PyResult<Target> {
    Ok(Target {
        host: host(py, name)?,
        port: number("port", port, "1 to 65535")?,
        dscp: IpOptions::new(None, dscp, false)?.dscp,
        size: size.map(|size| plan.clone().with_size(size)).transpose()?.and_then(|plan| plan.size),
    })
}

/// The defaults of the Python API: count, timeout, message, number of the first ping, and schedule.
#[pyfunction]
pub(super) fn ping_defaults() -> (i64, f64, String, i64, String) {
    let Options { count, timeout, first_seq, schedule, .. } = Options::default();
    let message = TextLine::default().to_string();
    (count.unwrap_or_default(), timeout, message, first_seq, schedule.to_string())
}

/// The plan of a run from the keywords of the Python API; `utc_offset` is for the `{ctime}` of the message, and `run` tells
/// this run from others of the same port. `estimate` says how wrong the clock may be.
pub(super) fn plan(
    options: &Bound<'_, PyDict>,
    seed: Seed,
    utc_offset: i64,
    run: u32,
    estimate: fn(TimeFormat) -> ErrorEstimate,
) -> PyResult<Plan> {
    let schedule: String = option(options, "schedule")?;
    let first_seq: i64 = option(options, "first_seq")?;
    // Not in virtual time.
    let detector: Option<String> =
        options.get_item("detector")?.map(|text| text.extract()).transpose()?.flatten();
    Ok(Plan::new(Options {
        count: option(options, "count")?,
        timeout: option(options, "timeout")?,
        interval: option(options, "interval")?,
        schedule: parse(&schedule)?,
        seed,
        linger: option(options, "linger")?,
        misses: option(options, "misses")?,
        codec: codec(options, utc_offset, first_seq, run, estimate)?,
        size: option(options, "size")?,
        first_seq,
        detector: detector.as_deref().map(parse).transpose()?,
    })?)
}

/// The protocol of pings; that of the course where no keyword says.
pub(super) fn protocol(options: &Bound<'_, PyDict>) -> PyResult<Protocol> {
    let protocol: Option<String> = options.get_item("protocol")?.map(|text| text.extract()).transpose()?;
    Ok(protocol.as_deref().map(parse::<Protocol>).transpose()?.unwrap_or_default())
}

/// The format of pings.
fn codec(
    options: &Bound<'_, PyDict>,
    utc_offset: i64,
    first_seq: i64,
    run: u32,
    estimate: fn(TimeFormat) -> ErrorEstimate,
) -> PyResult<Arc<dyn Codec>> {
    let text: String = option(options, "message")?;
    let line: TextLine = parse(&text)?;
    let key: Option<String> =
        options.get_item("key")?.and_then(|key| key.extract().transpose()).transpose()?;
    let (protocol, first) = (protocol(options)?, u64::try_from(first_seq).unwrap_or(0));
    let Protocol::Stamp { ssid, format, follow_up } = protocol else {
        let line = line.in_zone(utc_offset * SECOND);
        return Ok(match protocol {
            Protocol::TextTimes { follow_up } => {
                Arc::new(TimedLine::new(line, run, first).following_up(follow_up))
            }
            _ => Arc::new(line),
        });
    };
    if line != TextLine::default() {
        return Err(Invalid::quoted(
            "message",
            &text,
            "none with protocol=\"stamp\", whose packets have no text",
        )
        .into());
    }
    let keys = key.as_deref().map(Keys::read).transpose()?;
    let secret = keys.map(|keys| {
        let missing = "a line with this SSID before the secret, or with a secret alone";
        keys.find(ssid).cloned().ok_or_else(|| Invalid::new("key", format!("without SSID {ssid}"), missing))
    });
    let stamp = Stamp::new(secret.transpose()?, ssid, estimate(format));
    Ok(Arc::new(stamp.following_up(follow_up)))
}

/// A protocol of pings as it is written, and the port of its servers.
#[pyfunction]
pub(super) fn check_protocol(text: &str) -> PyResult<(String, u16)> {
    let protocol: Protocol = parse(text)?;
    let port = match protocol {
        Protocol::Text | Protocol::TextTimes { .. } => echo::PORT,
        Protocol::Stamp { .. } => stamp::PORT,
    };
    Ok((protocol.to_string(), port))
}

/// A keyword, checked or set to its default by the Python package.
fn option<'py, T: FromPyObjectOwned<'py>>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<T> {
    options.as_any().get_item(name)?.extract().map_err(Into::into)
}
