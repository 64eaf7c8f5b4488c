//! `Samples` reads the pings of any table and groups them by run and target, for the statistics.

mod clocks;
mod columns;
mod mapping;

pub(super) use self::clocks::{TargetClock, clocks};

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use self::columns::{codes, counts, small_counts, times};
use super::errors::guarded;
use super::stream;
use crate::logic::memory::room_for_each;
use crate::logic::record::{LostOn, NONE, Status};
use crate::logic::stats::{Columns, Group, Groups, Keys, NO_WAY, Sample};
use crate::logic::{Invalid, Nanos};

/// A sample with its run and target.
pub(super) type Labelled<'a> = (i64, Option<&'a str>, Sample<'a>);

/// The most characters of the names of columns in an error.
const SHOWN: usize = 300;

/// Columns that only some statistics need; they are read on request.
pub(super) const ARRIVAL: &str = "arrival";
pub(super) const USER_RTT: &str = "user_rtt_ns";
pub(super) const SENT: &str = "sent_ns";
pub(super) const DUE: &str = "due_ns";
pub(super) const COPIES: &str = "copies";
const SENT_WALL: &str = "sent_wall_ns";
const SERVER_RECV: &str = "server_recv_ns";
const SERVER_SENT: &str = "server_sent_ns";
const SERVER_SEQ: &str = "server_seq";
const LOST_ON: &str = "lost_on";

/// The pings of one table or of several, grouped by run and target.
///
/// `table` has `__arrow_c_stream__`, or is a dict of columns, or a list of such tables. `wanted` names the columns that
/// are read beside `rtt_ns`, `status`, `seq`, `run` and `target`.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct Samples {
    tables: Arc<Vec<Pings>>,
    /// Table and group of each sample.
    chosen: Vec<(usize, usize)>,
}

#[pymethods]
impl Samples {
    #[new]
    #[pyo3(signature = (table: "object", wanted))]
    fn new(table: &Bound<'_, PyAny>, wanted: Vec<String>) -> PyResult<Self> {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        guarded(|| Self::read(table, &wanted))
    }

    fn __len__(&self) -> usize {
        self.chosen.iter().map(|(table, group)| self.tables[*table].groups[*group].places.len()).sum()
    }

    /// The samples of each target, in the order of their first appearance; the target is `None` where there is none.
    fn by_target(&self) -> Vec<(Option<String>, Self)> {
        let mut all: Vec<(Option<String>, Self)> = Vec::new();
        let mut known = HashMap::new();
        for (table, group) in &self.chosen {
            let target = self.label(*table, *group).1;
            let place = *known.entry(target).or_insert_with(|| {
                all.push((
                    target.map(str::to_owned),
                    Self { tables: Arc::clone(&self.tables), chosen: Vec::new() },
                ));
                all.len() - 1
            });
            all[place].1.chosen.push((*table, *group));
        }
        all
    }
}

/// Bytes of a row while it is read: its columns in one piece.
const READ: usize = 192;
/// Bytes of a row while a statistic is computed of it.
const COMPUTED: usize = 96;

impl Samples {
    /// Reads a table, or several: see the class.
    pub(super) fn read(table: &Bound<'_, PyAny>, wanted: &[&str]) -> PyResult<Self> {
        let mut tables = Vec::new();
        room_for_each(table.len().unwrap_or(0), READ)?;
        if table.is_instance_of::<PyList>() || table.is_instance_of::<PyTuple>() {
            for each in table.try_iter()? {
                tables.push(Pings::read(&each?, wanted)?);
            }
        } else {
            tables.push(Pings::read(table, wanted)?);
        }
        let groups =
            |(number, table): (usize, &Pings)| (0..table.groups.len()).map(move |group| (number, group));
        let chosen = tables.iter().enumerate().flat_map(groups).collect();
        Ok(Self { tables: Arc::new(tables), chosen })
    }

    /// Looks for the memory that a statistic takes.
    pub(super) fn room(&self) -> PyResult<()> {
        let rows: usize = self.samples()?.iter().map(Sample::len).sum();
        Ok(room_for_each(rows, COMPUTED)?)
    }

    /// The samples for the statistics.
    pub(super) fn samples(&self) -> Result<Vec<Sample<'_>>, Invalid> {
        self.chosen.iter().map(|(table, group)| self.tables[*table].sample(*group)).collect()
    }

    /// The run and the target of each sample.
    pub(super) fn labels(&self) -> impl Iterator<Item = (i64, Option<&str>)> {
        self.chosen.iter().map(|(table, group)| self.label(*table, *group))
    }

    fn label(&self, table: usize, group: usize) -> (i64, Option<&str>) {
        let table = &self.tables[table];
        let Group { run, target, .. } = table.groups[group];
        (run, table.targets.get(target as usize).and_then(Option::as_deref))
    }
}

/// The columns of one table, in the order of its groups.
struct Pings {
    rtt: ScalarBuffer<Nanos>,
    status: Option<ScalarBuffer<u8>>,
    seq: Option<ScalarBuffer<u64>>,
    arrival: Option<ScalarBuffer<i64>>,
    user_rtt: Option<ScalarBuffer<Nanos>>,
    sent: Option<ScalarBuffer<Nanos>>,
    due: Option<ScalarBuffer<Nanos>>,
    copies: Option<ScalarBuffer<u32>>,
    sent_wall: Option<ScalarBuffer<i64>>,
    server_recv: Option<ScalarBuffer<i64>>,
    server_sent: Option<ScalarBuffer<i64>>,
    server_seq: Option<ScalarBuffer<i64>>,
    lost_on: Option<ScalarBuffer<u8>>,
    groups: Vec<Group>,
    targets: Vec<Option<String>>,
}

impl Pings {
    fn read(table: &Bound<'_, PyAny>, wanted: &[&str]) -> PyResult<Self> {
        if let Some(stream) = stream::table(table)? {
            return Self::of(&stream.names()?, &|name| stream.column(name), table.py(), wanted);
        }
        let Ok(mapping) = table.cast::<PyDict>() else {
            let kind = table.get_type().name()?;
            return Err(Invalid::new("table", format!("of type {kind}"), TABLES).into());
        };
        let names: Vec<_> = mapping.keys().iter().map(|name| name.to_string()).collect();
        Self::of(&names, &|name| mapping::column(mapping, name), table.py(), wanted)
    }

    fn of(
        names: &[String],
        column: &dyn Fn(&'static str) -> PyResult<Option<Vec<ArrayRef>>>,
        py: Python<'_>,
        wanted: &[&str],
    ) -> PyResult<Self> {
        let only = |name: &'static str| if wanted.contains(&name) { column(name) } else { Ok(None) };
        let Some(rtt) = column("rtt_ns")? else {
            let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let found: String = found.chars().take(SHOWN).collect();
            let expected = format!("that column, in nanoseconds; there are {found}");
            return Err(Invalid::new("table", "without rtt_ns", expected).into());
        };
        let raw = Raw {
            rtt,
            status: column("status")?,
            seq: column("seq")?,
            run: column("run")?,
            target: column("target")?,
            arrival: only(ARRIVAL)?,
            user_rtt: only(USER_RTT)?,
            sent: only(SENT)?,
            due: only(DUE)?,
            copies: only(COPIES)?,
            sent_wall: only(SENT_WALL)?,
            server_recv: only(SERVER_RECV)?,
            server_sent: only(SERVER_SENT)?,
            server_seq: only(SERVER_SEQ)?,
            lost_on: only(LOST_ON)?,
        };
        py.detach(|| raw.grouped()).map_err(PyErr::from)
    }

    fn sample(&self, group: usize) -> Result<Sample<'_>, Invalid> {
        let places = &self.groups[group].places;
        Sample::new(Columns {
            rtt: &self.rtt[places.clone()],
            status: self.status.as_ref().map(|status| &status[places.clone()]),
            seq: self.seq.as_ref().map(|seq| &seq[places.clone()]),
            arrival: self.arrival.as_ref().map(|arrival| &arrival[places.clone()]),
            user_rtt: self.user_rtt.as_ref().map(|user_rtt| &user_rtt[places.clone()]),
            sent: self.sent.as_ref().map(|sent| &sent[places.clone()]),
            due: self.due.as_ref().map(|due| &due[places.clone()]),
            copies: self.copies.as_ref().map(|copies| &copies[places.clone()]),
            sent_wall: self.sent_wall.as_ref().map(|times| &times[places.clone()]),
            server_recv: self.server_recv.as_ref().map(|times| &times[places.clone()]),
            server_sent: self.server_sent.as_ref().map(|times| &times[places.clone()]),
            server_seq: self.server_seq.as_ref().map(|seqs| &seqs[places.clone()]),
            lost_on: self.lost_on.as_ref().map(|ways| &ways[places.clone()]),
        })
    }
}

/// The expected types of a table, for errors.
const TABLES: &str = "a run, an Arrow, pandas or polars table, a dict of columns, or a list of these";

/// The columns as they were read.
struct Raw {
    rtt: Vec<ArrayRef>,
    status: Option<Vec<ArrayRef>>,
    seq: Option<Vec<ArrayRef>>,
    run: Option<Vec<ArrayRef>>,
    target: Option<Vec<ArrayRef>>,
    arrival: Option<Vec<ArrayRef>>,
    user_rtt: Option<Vec<ArrayRef>>,
    sent: Option<Vec<ArrayRef>>,
    due: Option<Vec<ArrayRef>>,
    copies: Option<Vec<ArrayRef>>,
    sent_wall: Option<Vec<ArrayRef>>,
    server_recv: Option<Vec<ArrayRef>>,
    server_sent: Option<Vec<ArrayRef>>,
    server_seq: Option<Vec<ArrayRef>>,
    lost_on: Option<Vec<ArrayRef>>,
}

impl Raw {
    fn grouped(self) -> Result<Pings, Invalid> {
        let rtt = times("rtt_ns", &self.rtt)?;
        let rows = rtt.len();
        let status = self.status.map(|status| codes("status", &status, status_code)).transpose()?;
        let seq = self.seq.map(|seq| counts("seq", &seq)).transpose()?;
        // Files of other programs may lack the start of a run: all rows without one belong to one run.
        let run = self.run.map(|run| times("run", &run)).transpose()?;
        let (target, targets) = self.target.map(|target| interned(&target)).transpose()?.unzip();
        let left_out: Option<Vec<bool>> = status
            .as_ref()
            .filter(|status| status.contains(&OPEN))
            .map(|status| status.iter().map(|status| *status == OPEN).collect());
        same_length("status", rows, status.as_deref())?;
        same_length("seq", rows, seq.as_deref())?;
        same_length("run", rows, run.as_deref())?;
        same_length("target", rows, target.as_deref())?;
        let keys = Keys {
            rows,
            run: run.as_deref(),
            target: target.as_deref(),
            seq: seq.as_deref(),
            left_out: left_out.as_deref(),
        };
        let Groups { order, groups } = keys.groups()?;
        let order = order.as_deref();
        // A column of nulls counts as missing, unless no ping was sent.
        let unsent = |code: &u8| *code == Status::Error as u8;
        let none_sent = rows == 0 || status.as_ref().is_some_and(|status| status.iter().all(unsent));
        let arrival = extra(ARRIVAL, rows, self.arrival, None, times)?;
        let has_place = |(rtt, place): (&Nanos, &i64)| *rtt == NONE || *place != NONE;
        let ordered = arrival.as_ref().is_some_and(|places| rtt.iter().zip(places.iter()).all(has_place));
        // The clock of a server needs it as well.
        let timed = self.server_recv.is_some() || self.server_sent.is_some();
        let user_rtt = self.user_rtt.filter(|_| timed || !ordered);
        let known = |times: &ScalarBuffer<Nanos>| none_sent || times.iter().any(|time| *time != NONE);
        // A server says nothing in replies that did not come.
        let none_came = rtt.iter().all(|rtt| *rtt == NONE);
        let told = |values: &ScalarBuffer<i64>| none_came || known(values);
        Ok(Pings {
            rtt: in_order(rtt, order),
            status: status.map(|status| in_order(status.into(), order)),
            seq: seq.map(|seq| in_order(seq, order)),
            arrival: arrival.map(|places| in_order(places, order)),
            user_rtt: extra(USER_RTT, rows, user_rtt, order, times)?,
            sent: extra(SENT, rows, self.sent, order, times)?.filter(known),
            due: extra(DUE, rows, self.due, order, times)?.filter(known),
            copies: extra(COPIES, rows, self.copies, order, small_counts)?,
            sent_wall: extra(SENT_WALL, rows, self.sent_wall, order, times)?.filter(known),
            server_recv: extra(SERVER_RECV, rows, self.server_recv, order, times)?.filter(told),
            server_sent: extra(SERVER_SENT, rows, self.server_sent, order, times)?.filter(told),
            server_seq: extra(SERVER_SEQ, rows, self.server_seq, order, times)?.filter(told),
            lost_on: extra(LOST_ON, rows, self.lost_on, order, ways)?,
            groups,
            targets: targets.unwrap_or_default(),
        })
    }
}

const OPEN: u8 = Status::Open as u8;

fn status_code(word: Option<&str>) -> Result<u8, Invalid> {
    word.and_then(Status::from_name).map(|status| status as u8).ok_or_else(|| {
        let shown = word.map_or_else(|| "null".to_owned(), |word| format!("{word:?}"));
        Invalid::new("status", shown, Status::NAMES.join(", "))
    })
}

/// The codes of the ways on which pings were lost.
fn ways(name: &'static str, pieces: &[ArrayRef]) -> Result<ScalarBuffer<u8>, Invalid> {
    let code = |word: Option<&str>| {
        let Some(word) = word else { return Ok(NO_WAY) };
        let way = LostOn::from_name(word).map(|way| way as u8);
        way.ok_or_else(|| Invalid::new(name, format!("{word:?}"), LostOn::NAMES.join(", ")))
    };
    codes(name, pieces, code).map(ScalarBuffer::from)
}

/// The words of a column as numbers, and the words by number.
fn interned(pieces: &[ArrayRef]) -> Result<(Vec<u32>, Vec<Option<String>>), Invalid> {
    let (mut known, mut all) = (HashMap::new(), Vec::new());
    let numbers = codes("target", pieces, |word| {
        if let Some(number) = known.get(&word.map(str::to_owned)) {
            return Ok(*number);
        }
        let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
        known.insert(word.map(str::to_owned), number);
        all.push(word.map(str::to_owned));
        Ok(number)
    })?;
    Ok((numbers, all))
}

fn extra<T: ArrowNativeType>(
    name: &'static str,
    rows: usize,
    pieces: Option<Vec<ArrayRef>>,
    order: Option<&[u32]>,
    read: fn(&'static str, &[ArrayRef]) -> Result<ScalarBuffer<T>, Invalid>,
) -> Result<Option<ScalarBuffer<T>>, Invalid> {
    let Some(pieces) = pieces else { return Ok(None) };
    let values = read(name, &pieces)?;
    same_length(name, rows, Some(&*values))?;
    Ok(Some(in_order(values, order)))
}

fn same_length<T>(name: &'static str, rows: usize, values: Option<&[T]>) -> Result<(), Invalid> {
    match values.map(<[T]>::len).filter(|length| *length != rows) {
        Some(length) => {
            Err(Invalid::new(name, format!("of {length} rows"), format!("{rows}, as rtt_ns has")))
        }
        None => Ok(()),
    }
}

fn in_order<T: ArrowNativeType>(values: ScalarBuffer<T>, order: Option<&[u32]>) -> ScalarBuffer<T> {
    match order {
        Some(order) => order.iter().map(|row| values[*row as usize]).collect::<Vec<T>>().into(),
        None => values,
    }
}
