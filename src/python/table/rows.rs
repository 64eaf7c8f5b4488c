//! Builds the table of a run from the rows of a file, with the same columns as those of a measured run.
//!
//! Values come as text (CSV) or as Python's (everything else); each is checked, and the first that cannot be used is
//! named with its column.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{LargeBinaryBuilder, PrimitiveBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::super::stream;
use super::cell::{Cell, arrow_cell, cell, short};
use super::columns::Words;
use super::run::schema;
use super::{Table, broken, times};
use crate::logic::Invalid;
use crate::logic::memory::room_for;
use crate::logic::record::{COLUMNS, Kind, NONE};
use crate::logic::stats::{Group, Groups, Keys};
use crate::logic::text::csv::{Field, Reader, unguarded};
use crate::logic::text::{self, json};
use crate::python::errors::guarded;

/// Rows between two checks for signals and memory.
const ROWS: usize = 16_384;

/// What a number should be that a float has rounded; in pandas, one missing value makes floats of a column.
const ROUNDED: &str = "a whole number with all of its digits (pandas.read_csv keeps them with dtype_backend=\"numpy_nullable\")";

/// The most bytes of the texts of one column.
const MOST_BYTES: usize = 1 << 31;

/// The columns of a run under construction.
struct Building {
    columns: Vec<Column>,
    /// The index of each column in a row.
    places: [Option<usize>; COLUMNS.len()],
    /// The places of the status and the round trip among the columns.
    reply: [usize; 2],
    rows: usize,
}

enum Column {
    Times(Vec<i64>),
    U64(PrimitiveBuilder<UInt64Type>),
    U32(PrimitiveBuilder<UInt32Type>),
    U8(PrimitiveBuilder<UInt8Type>),
    Words(Words),
    Bytes(LargeBinaryBuilder),
}

/// Bytes of a row without its reply.
const ROW: usize = 160;

/// The beginning of a line of metadata in CSV, and the name of the object with metadata in JSON lines.
const COMMENT: &str = "# udpping: ";
const KEY: &str = "udpping";

/// A run, and the metadata of each part of its file.
type Read = (Table, Vec<String>);

/// Reads a run from CSV: each part of it may have metadata, and the same header again.
#[pyfunction]
pub(in crate::python) fn run_from_csv(py: Python<'_>, text: &str) -> PyResult<Read> {
    guarded(|| from_csv(py, text))
}

fn from_csv(py: Python<'_>, text: &str) -> PyResult<Read> {
    let mut reader = Reader::new(text, 1);
    let (mut fields, mut metadata) = (Vec::new(), Vec::new());
    let mut next = |fields: &mut Vec<_>| {
        while let Some(comment) = reader.comment(COMMENT) {
            metadata.push(comment.to_owned());
        }
        reader.next_into(fields)
    };
    next(&mut fields)?;
    let names: Vec<String> = fields.iter().map(|field| field.text.trim().to_owned()).collect();
    let mut building = Building::new(&names)?;
    let (seq, reply) = (building.place_of("seq").unwrap_or(0), building.place_of("reply"));
    while let Some(line) = next(&mut fields)? {
        if fields.get(seq).is_some_and(|field| field.text.trim() == "seq")
            && names.iter().eq(fields.iter().map(|field| field.text.trim()))
        {
            continue;
        }
        let refuse = |expected: String| Invalid::new("line", line, expected);
        let second = || refuse(format!("a second header to be {:?} again", short(&names.join(","))));
        if fields.len() != names.len() {
            let (expected, found) = (names.len(), fields.len());
            return Err(if is_header(&fields) {
                second()
            } else {
                refuse(format!("{expected} fields, as in the header, and not {found}"))
            }
            .into());
        }
        // pandas writes a reply as Python shows its bytes.
        let shown = reply.and_then(|reply| text::python_bytes(&fields[reply].text)).transpose().map_err(
            |expected| {
                Invalid::new(
                    "reply",
                    format!("{:?} in line {line}", short(&fields[reply.unwrap_or(0)].text)),
                    expected,
                )
            },
        )?;
        let cells = |place: usize| match (&fields[place], &shown) {
            (_, Some(bytes)) if Some(place) == reply => Cell::Bytes(bytes),
            (field, _) if field.text.is_empty() && !field.quoted => Cell::Missing,
            (field, _) => Cell::Text(unguarded(&field.text)),
        };
        let pushed = building.push(py, format_args!(" in line {line}"), cells);
        pushed.map_err(|error| if is_header(&fields) { second().into() } else { error })?;
    }
    Ok((building.finish()?, metadata))
}

/// Whether the names of columns stand in a record, and not their values.
fn is_header(fields: &[Field<'_>]) -> bool {
    let named = |name: &str| fields.iter().any(|field| field.text.trim() == name);
    named("seq") && named("status")
}

/// Reads a run from JSON lines: each part of them may have metadata before it.
#[pyfunction]
pub(in crate::python) fn run_from_json(py: Python<'_>, text: &str) -> PyResult<Read> {
    guarded(|| from_json(py, text))
}

fn from_json(py: Python<'_>, text: &str) -> PyResult<Read> {
    let mut metadata = Vec::new();
    let mut members = Vec::new();
    let mut building: Option<(Building, Vec<String>)> = None;
    for (line, text) in (1_usize..).zip(text.split('\n')).filter(|(_, text)| !text.trim().is_empty()) {
        if json::read_object(text, &mut members).is_none() {
            if json::opens_with(text, KEY) {
                metadata.push(text.to_owned());
                continue;
            }
            let expected = "a JSON object of Unicode text, numbers, true, false and null, on one line";
            return Err(Invalid::new("line", format!("{line} {:?}", short(text)), expected).into());
        }
        let (building, names) = match &mut building {
            Some(known) => known,
            none => none.insert(Building::of_first(&members)?),
        };
        let cells = |place: usize| {
            // In most files the names have the same order in every line.
            let is_it = |(name, _): &&(Cow<'_, str>, json::Value<'_>)| *name == names[place];
            let member = members.get(place).filter(is_it).or_else(|| members.iter().find(is_it));
            match member.map(|(_, value)| value) {
                None | Some(json::Value::Null) => Cell::Missing,
                Some(json::Value::Flag(value)) => Cell::Flag(*value),
                Some(json::Value::Whole(value)) => Cell::Whole(*value),
                Some(json::Value::Fraction(value)) => Cell::Fraction(*value),
                Some(json::Value::Text(text)) => Cell::Text(text),
            }
        };
        building.push(py, format_args!(" in line {line}"), cells)?;
    }
    let table = match building {
        Some((building, _)) => building.finish()?,
        None => Building::new(&COLUMNS.map(|column| column.name.to_owned()))?.finish()?,
    };
    Ok((table, metadata))
}

/// Reads a run from an Arrow table with any types of integers and texts.
#[pyfunction]
#[pyo3(signature = (table: "object") -> "Table")]
pub(in crate::python) fn run_from_arrow(py: Python<'_>, table: &Bound<'_, PyAny>) -> PyResult<Table> {
    guarded(|| from_arrow(py, table))
}

fn from_arrow(py: Python<'_>, table: &Bound<'_, PyAny>) -> PyResult<Table> {
    let stream =
        stream::table(table)?.ok_or_else(|| Invalid::new("table", "of another kind", "Arrow data"))?;
    let names = stream.names()?;
    let mut building = Building::new(&names)?;
    let mut columns = vec![Vec::new(); names.len()];
    for (column, place) in COLUMNS.iter().zip(building.places) {
        if let (Some(place), Some(pieces)) = (place, stream.column(column.name)?) {
            columns[place] = pieces;
        }
    }
    for (piece, rows) in stream.rows().iter().enumerate() {
        for row in 0..*rows {
            let number = building.rows;
            building.push(py, format_args!(" in row {number}"), |place| {
                arrow_cell(columns[place][piece].as_ref(), row)
            })?;
        }
    }
    building.finish()
}

/// Reads a run from rows, each a dict of the known values of a ping by column.
#[pyfunction]
#[pyo3(signature = (rows: "object") -> "Table")]
pub(in crate::python) fn run_from_rows(py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Table> {
    guarded(|| from_rows(py, rows))
}

fn from_rows(py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<Table> {
    let names = COLUMNS.map(|column| column.name.to_owned());
    let keys = COLUMNS.map(|column| PyString::new(py, column.name));
    let mut building = Building::new(&names)?;
    for row in rows.try_iter()? {
        let row = row?.cast_into::<PyDict>()?;
        let value = |key| Ok(row.get_item(key)?.unwrap_or_else(|| py.None().into_bound(py)));
        let values = keys.iter().map(value).collect::<PyResult<Vec<_>>>()?;
        let cells = values.iter().map(cell).collect::<PyResult<Vec<_>>>()?;
        building.push(py, format_args!(""), |place| cells[place])?;
    }
    building.finish()
}

impl Building {
    /// The columns of a run, for rows with columns `names`, of which unknown ones are ignored.
    fn new(names: &[String]) -> PyResult<Self> {
        let place = |name: &str| names.iter().position(|given| given == name);
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            return Err(Invalid::quoted("column", twice, "each name once").into());
        }
        let places = COLUMNS.map(|column| place(column.name));
        for (missing, _) in COLUMNS.iter().zip(&places).filter(|(_, place)| place.is_none()) {
            if let Some(near) = names.iter().find(|name| is_near(name, missing.name)) {
                let expected = format!("{:?}, as the column of a run is named", missing.name);
                return Err(Invalid::quoted("column", near, expected).into());
            }
        }
        if let Some(missing) =
            COLUMNS.iter().zip(&places).find(|(column, place)| !column.nullable && place.is_none())
        {
            let all = COLUMNS.map(|column| column.name).join(", ");
            return Err(Invalid::new(
                "header",
                format!("{:?}", short(&names.join(","))),
                format!("a column {:?}; those of a run are {all}", missing.0.name),
            )
            .into());
        }
        let columns = COLUMNS.map(|column| Column::new(column.kind)).into();
        let index = |name| COLUMNS.iter().position(|column| column.name == name).unwrap_or_default();
        Ok(Self { columns, places, reply: ["status", "rtt_ns"].map(index), rows: 0 })
    }

    /// The columns of a run whose first row has these names; later rows may have others of a run.
    fn of_first(members: &[(Cow<'_, str>, json::Value<'_>)]) -> PyResult<(Self, Vec<String>)> {
        let mut names: Vec<String> = members.iter().map(|(name, _)| name.to_string()).collect();
        let mut building = Self::new(&names)?;
        for (column, place) in COLUMNS.iter().zip(&mut building.places).filter(|(_, place)| place.is_none()) {
            *place = Some(names.len());
            names.push(column.name.to_owned());
        }
        Ok((building, names))
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        COLUMNS.iter().position(|column| column.name == name).and_then(|column| self.places[column])
    }

    /// Appends a row; the error for an invalid value names its place `at`.
    fn push<'a>(
        &mut self,
        py: Python<'_>,
        at: fmt::Arguments<'_>,
        cells: impl Fn(usize) -> Cell<'a>,
    ) -> PyResult<()> {
        let unfit = |cell: &Cell<'_>, column: &str, expected: &str| {
            Invalid::new("value", format!("{} of column {column}{at}", cell.shown()), expected)
        };
        let value = |column: usize| self.places[column].map_or(Cell::Missing, &cells);
        if matches!(self.reply.map(value), [Cell::Text("reply"), Cell::Missing]) {
            return Err(unfit(&Cell::Missing, "rtt_ns", "the round trip of a reply").into());
        }
        for ((of, column), place) in COLUMNS.iter().zip(&mut self.columns).zip(&self.places) {
            let cell = place.map_or(Cell::Missing, &cells);
            if !of.nullable && matches!(cell, Cell::Missing) {
                return Err(unfit(&cell, of.name, "a value in every row").into());
            }
            if let Some(expected) = cell.unfit_for(of.name) {
                return Err(unfit(&cell, of.name, &expected).into());
            }
            column.push(&cell).map_err(|expected| {
                unfit(&cell, of.name, if cell.is_rounded() { ROUNDED } else { expected })
            })?;
        }
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) {
            py.check_signals()?;
            let replies: usize = self.columns.iter().map(Column::text).sum();
            // Columns double when they grow.
            room_for(2 * (self.rows * ROW + replies))?;
        }
        Ok(())
    }

    fn finish(self) -> PyResult<Table> {
        let columns = self.columns.into_iter().map(Column::finish).collect();
        let schema = schema();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(broken)?;
        let table = Table::of_pieces(schema, vec![batch]);
        table.check_numbers()?;
        Ok(table)
    }
}

/// Whether a name is that of a column, but for letters and marks in other forms or for one letter.
fn is_near(name: &str, column: &str) -> bool {
    let plain = |text: &str| -> Vec<u8> {
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase()).take(2 * LONGEST_NAME).collect()
    };
    let (name, column) = (plain(name), plain(column));
    let same = name.iter().zip(&column).take_while(|(a, b)| a == b).count();
    let (name, column) = (&name[same..], &column[same..]);
    let end = name.iter().rev().zip(column.iter().rev()).take_while(|(a, b)| a == b).count();
    let apart = name.len().max(column.len()) - end;
    apart == 0 || (apart == 1 && same + end >= DISTINCT)
}

/// No column has a longer name.
const LONGEST_NAME: usize = 20;
/// So many letters in common make a name nearly that of a column.
const DISTINCT: usize = 3;

impl Table {
    /// Refuses a number that occurs twice in a run and target.
    pub(super) fn check_numbers(&self) -> Result<(), Invalid> {
        let run = self.column("run").and_then(|run| run.as_primitive_opt::<Int64Type>());
        let seq = self.column("seq").and_then(|seq| seq.as_primitive_opt::<UInt64Type>());
        let (run, seq) = (run.map(|run| &run.values()[..]), seq.map(|seq| &seq.values()[..]));
        let (target, _) = self.words("target")?;
        let keys = Keys { rows: target.len(), run, target: Some(target), seq, left_out: None };
        let Groups { order: Some(order), groups } = keys.groups()? else { return Ok(()) };
        let seq = |row: u32| seq.map_or(0, |seq| seq[row as usize]);
        let twice = |group: &Group| {
            order[group.places.clone()]
                .windows(2)
                .find(|pair| seq(pair[0]) == seq(pair[1]))
                .map(|pair| seq(pair[0]))
        };
        match groups.iter().find_map(twice) {
            Some(number) => Err(Invalid::new("seq", number, "each number once, for each run and target")),
            None => Ok(()),
        }
    }
}

impl Column {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Time => Self::Times(Vec::new()),
            Kind::U64 => Self::U64(PrimitiveBuilder::new()),
            Kind::U32 => Self::U32(PrimitiveBuilder::new()),
            Kind::U8 => Self::U8(PrimitiveBuilder::new()),
            Kind::Word => Self::Words(Words::default()),
            Kind::Bytes => Self::Bytes(LargeBinaryBuilder::new()),
        }
    }

    /// Bytes of all replies.
    fn text(&self) -> usize {
        match self {
            Self::Bytes(values) => values.values_slice().len(),
            _ => 0,
        }
    }

    fn push(&mut self, cell: &Cell<'_>) -> Result<(), &'static str> {
        let missing = matches!(cell, Cell::Missing);
        match self {
            Self::Times(values) if missing => values.push(NONE),
            Self::Times(values) => {
                let value = cell.whole().filter(|value| *value != NONE);
                values.push(value.ok_or("a whole number below 2^63")?);
            }
            Self::U64(values) => number(values, cell, missing, "a whole number from 0 and below 2^64")?,
            Self::U32(values) => number(values, cell, missing, "a whole number from 0 to 4294967295")?,
            Self::U8(values) => number(values, cell, missing, "a whole number from 0 to 255")?,
            Self::Words(values) => match cell {
                Cell::Missing => values.push(None),
                Cell::Text(text) => values.push(Some(text)),
                _ => return Err("text"),
            },
            Self::Bytes(values) if values.values_slice().len() > MOST_BYTES => {
                return Err("replies of at most 2 GiB together");
            }
            Self::Bytes(values) => match cell {
                Cell::Missing => values.append_null(),
                Cell::Bytes(bytes) => values.append_value(bytes),
                Cell::Text(text) => values.append_value(text::unescape(text)),
                _ => return Err("text"),
            },
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Times(values) => times(values.into_iter()),
            Self::U64(mut values) => Arc::new(values.finish()),
            Self::U32(mut values) => Arc::new(values.finish()),
            Self::U8(mut values) => Arc::new(values.finish()),
            Self::Words(values) => values.finish(),
            Self::Bytes(mut values) => Arc::new(values.finish()),
        }
    }
}

fn number<T: ArrowPrimitiveType<Native: TryFrom<i128>>>(
    values: &mut PrimitiveBuilder<T>,
    cell: &Cell<'_>,
    missing: bool,
    expected: &'static str,
) -> Result<(), &'static str> {
    values.append_option(if missing { None } else { Some(cell.whole().ok_or(expected)?) });
    Ok(())
}
