//! Converts arguments from Python, and seeds and addresses back to it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyInt;

use crate::logic::link::LinkPlan;
use crate::logic::random::Seed;
use crate::logic::{Invalid, Nanos, time};

/// Parses a text from Python by the grammar of its type.
pub(super) fn parse<T: FromStr<Err = Invalid>>(text: &str) -> PyResult<T> {
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

/// Seconds within a range.
pub(super) fn nanos(
    what: &'static str,
    seconds: f64,
    range: &RangeInclusive<Nanos>,
) -> Result<Nanos, Invalid> {
    time::nanos_within(seconds, range).ok_or_else(|| {
        let (least, most) = time::ends(range);
        Invalid::new(what, seconds, format!("a number of seconds from {least} to {most}"))
    })
}

/// Seconds as a duration; invalid ones are 0.
pub(super) fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

/// An address as in Python: the host, with its scope if it has one, and the port.
pub(super) fn pair(address: SocketAddr) -> (String, u16) {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => (format!("{}%{}", v6.ip(), v6.scope_id()), v6.port()),
        _ => (address.ip().to_string(), address.port()),
    }
}
