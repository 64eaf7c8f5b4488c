//! `sim_ping`: a run in virtual time, for Python.

use std::net::{Ipv4Addr, SocketAddr};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt};

use super::args::{parse, seed_to_python};
use super::echo::echo_plan;
use super::ping::local_message;
use super::table::{Table, summary_to_python};
use crate::logic::echo::{Echo, PORT};
use crate::logic::ping::{Pinger, Plan, Schedule, Wishes};
use crate::sim::{self, EPOCH};

/// Steps between two looks at signals: some milliseconds of real time.
const STEPS: u64 = 10_000;

/// The address of the simulated server: reserved for documentation (RFC 5737), as nothing of it is real.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), PORT);

type Outcome<'py> = (Table, Bound<'py, PyDict>, Bound<'py, PyInt>);

/// Pings a simulated server; gives back the rows, the summary and the seed in force.
#[pyfunction]
#[pyo3(signature = (*, count, timeout, interval, linger, size, loss, delay, reply, seed, scope, message = "Ping {seq} {time}", first_seq = 1, misses = None, schedule = "isochronous") -> "tuple[Table, dict[str, int | float | None], int]")]
#[expect(clippy::too_many_arguments, reason = "keywords, one for each setting")]
pub(super) fn sim_ping<'py>(
    py: Python<'py>,
    count: i64,
    timeout: f64,
    interval: Option<f64>,
    linger: Option<f64>,
    size: Option<i64>,
    loss: &str,
    delay: &str,
    reply: &str,
    seed: Option<&Bound<'py, PyInt>>,
    scope: Option<&str>,
    message: &str,
    first_seq: i64,
    misses: Option<i64>,
    schedule: &str,
) -> PyResult<Outcome<'py>> {
    // Virtual time has no zone but UTC.
    let message = local_message(message, 0)?;
    let echo = echo_plan(loss, delay, reply, seed, scope)?;
    let plan = Plan::new(Wishes {
        count: Some(count),
        timeout,
        interval,
        schedule: parse::<Schedule>(schedule)?,
        seed: echo.link.seed.clone(),
        linger,
        misses,
        message,
        size,
        first_seq,
    })?;
    let seed = seed_to_python(py, &echo.link.seed.to_string())?;
    let mut peer = sim::ping::EchoPeer::new(Echo::new(echo), SERVER);
    let mut run = sim::ping::Run::new(Pinger::new(plan, SERVER, true));
    while !py.detach(|| run.advance(&mut peer, STEPS)) {
        py.check_signals()?;
    }
    let pinger = run.pinger();
    let name = SERVER.to_string();
    let table = py.detach(|| Table::of_run(EPOCH, &[(name, pinger.rows().clone())], None))?;
    let summary = py.detach(|| pinger.summary());
    Ok((table, summary_to_python(py, &summary, run.now())?, seed))
}
