//! The bindings: parse arguments, call the core, map errors. Only this module imports pyo3 and Arrow.
//!
//! It is private to the Python package in `python/udpping`, which is the public API.

#![expect(clippy::needless_pass_by_value, reason = "what Python hands over is owned")]
#![expect(clippy::too_many_arguments, reason = "keywords, one for each setting")]

mod args;
mod detect;
mod echo;
mod errors;
mod facts;
mod fit;
mod heartbeat;
mod link;
mod log_file;
mod lookup;
mod monitor;
mod ping;
mod reflector;
mod relay;
mod samples;
mod service;
mod sim;
mod stats;
mod stream;
mod table;

use pyo3::prelude::*;

/// The Rust core of udpping. Private: use `udpping`.
#[pymodule]
mod _core {
    /// The port of the course's server.
    #[pymodule_export]
    const ECHO_PORT: u16 = crate::logic::echo::PORT;
    /// The port of reflectors of STAMP.
    #[pymodule_export]
    const STAMP_PORT: u16 = crate::logic::codec::stamp::PORT;
    /// The longest payload of a datagram.
    #[pymodule_export]
    const MAX_PAYLOAD: usize = crate::logic::codec::MAX_PAYLOAD;
    /// The shortest mean gap between pings of the command line to another host, in nanoseconds.
    #[pymodule_export]
    const SHORTEST_GAP: i64 = crate::net::ping::SHORTEST_GAP;
    /// Datagrams, and bytes of them, that wait at one time for what a link does.
    #[pymodule_export]
    const MOST_HELD: usize = crate::logic::echo::MOST_HELD;
    #[pymodule_export]
    const MOST_HELD_BYTES: usize = crate::logic::echo::MOST_HELD_BYTES;
    /// The most senders of a simulation.
    #[pymodule_export]
    const MOST_SENDERS: usize = crate::sim::monitor::MOST_SENDERS;

    #[pymodule_export]
    use super::args::{duration_ranges, read_duration};
    #[pymodule_export]
    use super::check_reply;
    #[pymodule_export]
    use super::detect::{check_detector, sim_detectors};
    #[pymodule_export]
    use super::echo::EchoServer;
    #[pymodule_export]
    use super::escape_bytes;
    #[pymodule_export]
    use super::facts::counter_metrics;
    #[pymodule_export]
    use super::fit::{fit_models, loss_chances, loss_interval, loss_run_lengths};
    #[pymodule_export]
    use super::heartbeat::{HeartbeatSender, count_up, drain_heartbeats};
    #[pymodule_export]
    use super::link::{
        EndpointLink, LinkStream, check_bernoulli, check_delay, check_link, check_loss, link_means,
        loss_model, mean_loss,
    };
    #[pymodule_export]
    use super::log_file::LogFile;
    #[pymodule_export]
    use super::monitor::{HeartbeatMonitor, check_keys, event_names, is_notable, sim_heartbeat};
    #[pymodule_export]
    use super::ping::{PingSession, check_protocol, ping_defaults};
    #[pymodule_export]
    use super::read_time;
    #[pymodule_export]
    use super::reflector::StampReflector;
    #[pymodule_export]
    use super::relay::UdpRelay;
    #[pymodule_export]
    use super::replace_file;
    #[pymodule_export]
    use super::samples::Samples;
    #[pymodule_export]
    use super::sim::{sim_ping, sim_replay};
    #[pymodule_export]
    use super::stats::{
        Digest, garwood, stats_clock, stats_direction, stats_duplication, stats_ipdv, stats_jitter,
        stats_loss, stats_loss_periods, stats_loss_runs, stats_one_way, stats_one_way_rows, stats_pdv,
        stats_reordering, stats_rolling, stats_round_trip, wilson,
    };
    #[pymodule_export]
    use super::table::picture::{run_jitter, run_timeline};
    #[pymodule_export]
    use super::table::{
        Column, Table, run_columns, run_from_arrow, run_from_buffers, run_from_csv, run_from_json,
        run_from_rows, run_summaries, table_of_rows,
    };
    #[pymodule_export]
    use super::visible_json;
}

/// The canonical text of a reply form.
#[pyfunction]
fn check_reply(text: &str) -> PyResult<String> {
    args::parse::<crate::logic::echo::Reply>(text).map(|reply| reply.to_string())
}

/// The time in a heartbeat, in seconds since 1970: a number in any unit or a date; one without a zone is of a zone that
/// is `utc_offset` seconds ahead of UTC.
#[pyfunction]
fn read_time(datagram: &[u8], utc_offset: i32) -> Option<f64> {
    crate::logic::codec::read_time(datagram, i64::from(utc_offset) * crate::logic::SECOND)
}

/// Replaces a file, or makes it for this user alone.
#[pyfunction]
fn replace_file(path: std::path::PathBuf, content: &[u8]) -> PyResult<()> {
    Ok(crate::net::replace_file(&path, content)?)
}

/// Bytes as text that can be converted back.
#[pyfunction]
fn escape_bytes(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    crate::logic::text::escape(bytes)
}

/// JSON with the characters escaped that cannot be seen or change what is seen around them.
#[pyfunction]
fn visible_json(json: &str) -> String {
    crate::logic::text::json::visible(json)
}
