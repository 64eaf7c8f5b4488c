//! `sim_ping` binds a run in virtual time to Python.

use std::net::{Ipv4Addr, SocketAddr};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt};

use super::args::seed_to_python;
use super::echo::echo_plan;
use super::ping::{plan, protocol};
use super::table::{Table, summary_to_python};
use crate::logic::Invalid;
use crate::logic::codec::{Protocol, stamp};
use crate::logic::echo::{Echo, EchoPlan, Heard, PORT, Reply, Row, exact, replay};
use crate::logic::memory::room_for_each;
use crate::logic::ping::Pinger;
use crate::logic::reflector::ReflectorPlan;
use crate::sim::{self, EPOCH};

/// Steps between two checks for signals: some milliseconds of real time.
const STEPS: u64 = 10_000;

/// The longest message of which so many steps are made.
const MESSAGE: u64 = 1_024;

/// The address of the simulated server, or of the reflector but for its port: reserved for documentation (RFC 5737).
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), PORT);

type Outcome<'py> = (Table, Bound<'py, PyDict>, Bound<'py, PyInt>);

/// Decides again on the datagrams of a log, given by columns; returns the log and the seed in force.
#[pyfunction]
#[pyo3(signature = (recv_ns, recv_wall_ns, client, client_index, number, seq, bytes, reply_bytes, refused, *, loss, delay, up, down, seed, scope) -> "tuple[Table, int]")]
pub(super) fn sim_replay<'py>(
    py: Python<'py>,
    recv_ns: Vec<i64>,
    recv_wall_ns: Vec<i64>,
    client: Vec<String>,
    client_index: Vec<u32>,
    number: Vec<u64>,
    seq: Vec<Option<u64>>,
    bytes: Vec<u16>,
    reply_bytes: Vec<Option<u16>>,
    refused: Vec<bool>,
    loss: &str,
    delay: &str,
    up: &str,
    down: &str,
    seed: Option<&Bound<'py, PyInt>>,
    scope: Option<&str>,
) -> PyResult<(Table, Bound<'py, PyInt>)> {
    let link = echo_plan([loss, delay, up, down], "same", seed, scope)?.link;
    let seed = seed_to_python(py, &link.seed.to_string())?;
    let decide = || {
        let heard = |at: usize| {
            let address = client[at].parse::<SocketAddr>();
            Ok(Heard {
                recv_ns: recv_ns[at],
                wall_ns: recv_wall_ns[at],
                client: client_index[at],
                number: number[at],
                source: address
                    .map_err(|_| Invalid::quoted("client", &client[at], "an address and a port"))?,
                seq: seq[at],
                bytes: bytes[at],
                reply_bytes: reply_bytes[at],
                is_refused: refused[at],
            })
        };
        room_for_each(recv_ns.len(), 4 * size_of::<Row>())?;
        let log = (0..recv_ns.len()).map(heard).collect::<Result<Vec<_>, Invalid>>()?;
        Ok::<_, PyErr>(replay(link, &log)?.columns())
    };
    Ok((Table::of_log(&py.detach(decide)?)?, seed))
}

/// Pings a simulated server; returns the rows, the summary and the seed in force.
#[pyfunction]
#[pyo3(signature = (options: "dict[str, object]", *, loss, delay, up, down, reply, seed, scope) -> "tuple[Table, dict[str, int | float | None], int]")]
pub(super) fn sim_ping<'py>(
    py: Python<'py>,
    options: &Bound<'py, PyDict>,
    loss: &str,
    delay: &str,
    up: &str,
    down: &str,
    reply: &str,
    seed: Option<&Bound<'py, PyInt>>,
    scope: Option<&str>,
) -> PyResult<Outcome<'py>> {
    let echo = echo_plan([loss, delay, up, down], reply, seed, scope)?;
    // Virtual time has no zone but UTC, and one run.
    let plan = plan(options, echo.link.seed.clone(), 0, 0, exact)?;
    let seed = seed_to_python(py, &echo.link.seed.to_string())?;
    let (echo, server) = match protocol(options)? {
        Protocol::Stamp { .. } if echo.reply != Reply::default() => {
            let expected = "none with protocol=\"stamp\", as a reflector answers in its own way";
            return Err(Invalid::quoted("reply", reply, expected).into());
        }
        Protocol::Stamp { .. } => {
            let server = SocketAddr::new(SERVER.ip(), stamp::PORT);
            (Echo::reflecting(echo.link, server, ReflectorPlan::default()), server)
        }
        protocol => {
            let asks = matches!(protocol, Protocol::TextTimes { .. });
            (Echo::new(&EchoPlan::new(echo.link, echo.reply, asks)), SERVER)
        }
    };
    // Replies in flight are kept whole: of long ones fewer steps are made between two looks at the memory.
    let steps = (STEPS * MESSAGE / (plan.size.unwrap_or(0) as u64).max(MESSAGE)).max(1);
    let mut peer = sim::ping::EchoPeer::new(echo, server);
    let mut run = sim::ping::Run::new(Pinger::new(plan, server, true));
    run.room()?;
    while !py.detach(|| run.advance(&mut peer, steps)) {
        py.check_signals()?;
        run.room()?;
    }
    let pinger = run.pinger();
    let name = server.to_string();
    let table = py.detach(|| Table::of_run(EPOCH, &[(name, pinger.rows().clone())], None))?;
    let summary = py.detach(|| pinger.summary());
    Ok((table, summary_to_python(py, &summary, run.now())?, seed))
}
