//! Converts arguments from Python, and seeds and addresses back to it.

use std::net::SocketAddr;
use std::str::FromStr;

use pyo3::prelude::*;
use pyo3::types::PyInt;

use crate::logic::codec::heartbeat::INTERVALS;
use crate::logic::link::LinkPlan;
use crate::logic::memory::room_for_each;
use crate::logic::ping::{SPINS, WAITS};
use crate::logic::random::Seed;
use crate::logic::relay::IDLES;
use crate::logic::text::{HOUR, duration, duration_with_unit, expected};
use crate::logic::{DAY, Invalid, Nanos};
use crate::sim::monitor::LENGTHS;

/// Bytes of a text that takes little memory.
const LONG: usize = 65_536;
/// What a text such as `list:1,2,3` takes while it is read, for each of its bytes.
const READING: usize = 16;

/// Parses a text from Python by the grammar of its type.
pub(super) fn parse<T: FromStr<Err = Invalid>>(text: &str) -> PyResult<T> {
    if text.len() > LONG {
        room_for_each(text.len(), READING)?;
    }
    Ok(text.parse::<T>()?)
}

/// The plan of a link from the texts of the Python API.
pub(super) fn link_plan(loss: &str, delay: &str, seed: Option<&Bound<'_, PyInt>>) -> PyResult<LinkPlan> {
    let seed = seed_of(seed)?;
    Ok(LinkPlan::new(parse(loss)?, parse(delay)?, seed))
}

/// The given seed, or a random one.
pub(super) fn seed_of(seed: Option<&Bound<'_, PyInt>>) -> PyResult<Seed> {
    match seed {
        Some(seed) => Ok(Seed::from_str(&decimal(seed)?)?),
        None => Ok(crate::net::random_seed()?),
    }
}

/// The seed as a Python integer.
pub(super) fn seed_to_python<'py>(py: Python<'py>, seed: &str) -> PyResult<Bound<'py, PyInt>> {
    Ok(py.get_type::<PyInt>().call1((seed,))?.cast_into::<PyInt>()?)
}

/// The decimal digits of a Python integer, up to the number that CPython prints.
fn decimal(seed: &Bound<'_, PyInt>) -> PyResult<String> {
    let text =
        seed.str().map_err(|_| Invalid::new("seed", "of this size", "an integer of at most 4300 digits"))?;
    text.extract()
}

/// A whole number within the range of a type.
pub(super) fn number<T: TryFrom<i64>>(what: &'static str, value: i64, expected: &str) -> PyResult<T> {
    T::try_from(value).map_err(|_| Invalid::new(what, value, expected).into())
}

/// One of some words.
pub(super) fn word<T>(
    what: &'static str,
    text: &str,
    names: &[&str],
    from_name: fn(&str) -> Option<T>,
) -> PyResult<T> {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let refused = || Invalid::quoted(what, text, quoted.join(" or "));
    Ok(from_name(text).ok_or_else(refused)?)
}

/// A duration within a range.
#[derive(IntoPyObject)]
pub(super) enum Duration {
    Nanos(Nanos),
    /// None: what would be one.
    Expected(String),
}

/// A duration in nanoseconds, or what would be valid; with `unit`, it must have one from 10 seconds on.
#[pyfunction]
#[pyo3(signature = (text, least, most, *, unit) -> "int | str")]
pub(super) fn read_duration(text: &str, least: Nanos, most: Nanos, unit: bool) -> Duration {
    let range = least..=most;
    let read = if unit { duration_with_unit(text) } else { duration(text).map(Ok) };
    match read {
        Some(Ok(nanos)) if range.contains(&nanos) => Duration::Nanos(nanos),
        Some(Err(unit)) => Duration::Expected(unit),
        _ => Duration::Expected(expected(&range)),
    }
}

/// The least and the most nanoseconds: to wait for replies, to linger, between heartbeats, to spin, of a delay, of a
/// simulation, and of the silence after which a relay forgets a client.
#[pyfunction]
#[pyo3(signature = () -> "list[tuple[int, int]]")]
pub(super) fn duration_ranges() -> [(Nanos, Nanos); 7] {
    [WAITS, 0..=DAY, INTERVALS, SPINS, 0..=HOUR, LENGTHS, IDLES].map(|range| (*range.start(), *range.end()))
}

/// Seconds as a duration; invalid ones are 0.
pub(super) fn span(seconds: f64) -> std::time::Duration {
    std::time::Duration::try_from_secs_f64(seconds).unwrap_or(std::time::Duration::ZERO)
}

/// An address as in Python: the host, with its scope if it has one, and the port.
pub(super) fn pair(address: SocketAddr) -> (String, u16) {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => (format!("{}%{}", v6.ip(), v6.scope_id()), v6.port()),
        _ => (address.ip().to_string(), address.port()),
    }
}
