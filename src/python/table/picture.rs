//! Reduces the rows of a run to the data of a picture, which Python draws.

use std::ops::Range;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use pyo3::prelude::*;

use super::{Table, floats, times, words};
use crate::logic::record::{NONE, Status};
use crate::logic::stats::{Columns, Sample, Span, extent, jitter_after_each, timeline};
use crate::logic::{Invalid, Nanos};
use crate::python::errors::detached;

/// Bytes of a row while a picture is made of it, its columns in one piece among them.
const DRAWN: usize = 256;

/// Shortest and longest round trip, replies, late ones, timeouts, refused, whether the sender was behind, and the longest
/// round trip of a late reply.
type Drawn = (Option<Nanos>, Option<Nanos>, u64, u64, u64, u64, bool, Option<Nanos>);

/// The times of the first and last ping, and for each of `targets` the results of its pings in `spans` equal parts of that
/// time; without targets those of all pings together. Empty if no times are known.
#[pyfunction]
#[pyo3(signature = (table, spans, targets) -> "tuple[int, int, list[list[tuple[int | None, int | None, int, int, int, int, bool, int | None]]]]")]
pub(in crate::python) fn run_timeline(
    py: Python<'_>,
    table: &Table,
    spans: usize,
    targets: Vec<String>,
) -> PyResult<(Nanos, Nanos, Vec<Vec<Drawn>>)> {
    table.room(DRAWN)?;
    detached(py, || {
        let run = Pings::of(table)?;
        let every = run.samples(None)?;
        let Some((first, last)) = extent(&every) else { return Ok((0, 0, Vec::new())) };
        let mut drawn = Vec::new();
        if targets.is_empty() {
            drawn.push(timeline(&every, (first, last), spans)?);
        }
        for target in targets {
            drawn.push(timeline(&run.samples(Some(&target))?, (first, last), spans)?);
        }
        Ok((first, last, drawn.into_iter().map(|spans| spans.iter().map(plain).collect()).collect()))
    })
}

/// The jitter of RFC 3550 after each reply, target after target, in the order in which the replies came.
#[pyfunction]
pub(in crate::python) fn run_jitter(py: Python<'_>, table: &Table) -> PyResult<Table> {
    table.room(DRAWN)?;
    detached(py, || {
        let run = Pings::of(table)?;
        let (mut target, mut at, mut jitter) = (Vec::new(), Vec::new(), Vec::new());
        for (name, rows) in &run.parts {
            let sample = run.sample(rows)?;
            jitter_after_each(&sample, |row, now| {
                target.push(Some(*name));
                at.push(sample.time(row).unwrap_or(0).saturating_add(sample.in_time(row).unwrap_or(0)));
                jitter.push(Some(now));
            })?;
        }
        let columns = vec![
            ("target", words(target.into_iter())),
            ("recv_ns", times(at.into_iter())),
            ("jitter_ns", floats(jitter.into_iter())),
        ];
        Table::new(columns, &[])
    })
}

fn plain(span: &Span) -> Drawn {
    let (low, high) = span.rtt.unzip();
    (low, high, span.replies, span.late, span.timeouts, span.refused, span.behind, span.latest)
}

/// The columns of a run that pictures need.
struct Pings<'a> {
    rtt: &'a [Nanos],
    /// `None` if no time is known.
    sent: Option<&'a [Nanos]>,
    due: Option<&'a [Nanos]>,
    user_rtt: &'a [Nanos],
    arrival: Vec<i64>,
    status: Vec<u8>,
    /// Rows of one target that follow each other.
    parts: Vec<(&'a str, Range<usize>)>,
}

impl<'a> Pings<'a> {
    fn of(table: &'a Table) -> Result<Self, Invalid> {
        let times = |name: &'static str| {
            let column = table.column(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
            column.map(|column| &column.values()[..]).ok_or_else(|| missing(name))
        };
        let (keys, names) = table.words("status")?;
        let codes: Vec<u8> =
            names.iter().map(|name| Status::from_name(name).map_or(u8::MAX, |status| status as u8)).collect();
        let status = keys.iter().map(|key| codes[*key as usize]).collect();
        let (keys, names) = table.words("target")?;
        let mut parts = Vec::new();
        let mut start = 0;
        for part in keys.chunk_by(|one, next| one == next) {
            parts.push((names[part[0] as usize], start..start + part.len()));
            start += part.len();
        }
        let places = table.column("arrival").and_then(|column| column.as_primitive_opt::<UInt64Type>());
        let place = |place: Option<u64>| place.map_or(NONE, |place| i64::try_from(place).unwrap_or(i64::MAX));
        let arrival = places.ok_or_else(|| missing("arrival"))?.iter().map(place).collect();
        let known = |times: &&[Nanos]| times.iter().any(|time| *time != NONE);
        let (sent, due) = (times("sent_ns")?, times("due_ns")?);
        Ok(Self {
            rtt: times("rtt_ns")?,
            sent: Some(sent).filter(known),
            due: Some(due).filter(known),
            user_rtt: times("user_rtt_ns")?,
            arrival,
            status,
            parts,
        })
    }

    fn samples(&self, target: Option<&str>) -> Result<Vec<Sample<'_>>, Invalid> {
        let chosen = self.parts.iter().filter(|(name, _)| target.is_none_or(|target| target == *name));
        chosen.map(|(_, rows)| self.sample(rows)).collect()
    }

    fn sample(&self, rows: &Range<usize>) -> Result<Sample<'_>, Invalid> {
        Sample::new(Columns {
            rtt: &self.rtt[rows.clone()],
            status: Some(&self.status[rows.clone()]),
            arrival: Some(&self.arrival[rows.clone()]),
            user_rtt: Some(&self.user_rtt[rows.clone()]),
            sent: self.sent.map(|sent| &sent[rows.clone()]),
            due: self.due.map(|due| &due[rows.clone()]),
            ..Columns::default()
        })
    }
}

impl Table {
    /// A column of words that are never missing: for each row the index of its word, and the words.
    pub(super) fn words(&self, name: &'static str) -> Result<(&[u32], Vec<&str>), Invalid> {
        let column = self
            .column(name)
            .filter(|column| column.null_count() == 0)
            .and_then(|column| column.as_dictionary_opt::<UInt32Type>())
            .ok_or_else(|| missing(name))?;
        let names = column.values().as_string_opt::<i32>().ok_or_else(|| missing(name))?;
        Ok((column.keys().values(), names.iter().flatten().collect()))
    }
}

fn missing(name: &'static str) -> Invalid {
    Invalid::new("table", format!("without {name}"), "the rows of a run")
}
