//! Tables of runs from elsewhere: rows of a file become the same columns as those of a run that was just measured.
//!
//! What the columns are is asked of a run without rows, so a new column needs nothing here. Values come as text (CSV) or
//! as Python's (everything else); each is checked, and the first that cannot be used is named with its column.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, LargeBinaryBuilder, PrimitiveBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{Array as _, ArrayRef, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString, PyTuple};

use super::super::ping::summary_to_python;
use super::{Table, broken, floats, times};
use crate::logic::csv::Reader;
use crate::logic::ping::{Account, Settled};
use crate::logic::record::{Match, NONE, Status};
use crate::logic::{Invalid, wire};

/// Characters shown of a value.
const SHOWN: usize = 40;
/// Up to here every whole number has a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Rows between two looks at signals.
const ROWS: usize = 16_384;

/// A value before its column has taken it.
enum Cell<'a> {
    Missing,
    Flag(bool),
    Whole(i128),
    Fraction(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The columns of a run, as they grow.
struct Building {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Where in a row each column is.
    places: Vec<Option<usize>>,
    rows: usize,
}

enum Column {
    Times(Vec<i64>),
    U64(PrimitiveBuilder<UInt64Type>),
    U32(PrimitiveBuilder<UInt32Type>),
    U8(PrimitiveBuilder<UInt8Type>),
    Floats(Vec<Option<f64>>),
    Flags(BooleanBuilder),
    Words(StringDictionaryBuilder<UInt32Type>),
    Bytes(LargeBinaryBuilder),
}

/// Reads a run from CSV, the first line of which has that number in its file.
#[pyfunction]
pub(in crate::python) fn run_from_csv(py: Python<'_>, text: &str, line: usize) -> PyResult<Table> {
    let mut reader = Reader::new(text, line);
    let mut fields = Vec::new();
    reader.next_into(&mut fields)?;
    let names: Vec<String> = fields.iter().map(|field| field.text.trim().to_owned()).collect();
    let mut building = Building::new(&names)?;
    while let Some(line) = reader.next_into(&mut fields)? {
        if fields.len() != names.len() {
            return Err(Invalid::new(
                "line",
                line,
                format!("{} fields, as in the header, and not {}", names.len(), fields.len()),
            )
            .into());
        }
        let cells = |place: usize| {
            let field = &fields[place];
            if field.text.is_empty() && !field.quoted { Cell::Missing } else { Cell::Text(&field.text) }
        };
        building.push(cells).map_err(|(value, expected)| {
            Invalid::new("value", format!("{value} in line {line}"), expected)
        })?;
        if building.rows % ROWS == 0 {
            py.check_signals()?;
        }
    }
    building.finish()
}

/// Reads a run from rows, each of which has a value for each of `names`.
#[pyfunction]
#[pyo3(signature = (names, rows: "object") -> "Table")]
pub(in crate::python) fn run_from_rows(
    py: Python<'_>,
    names: Vec<String>,
    rows: &Bound<'_, PyAny>,
) -> PyResult<Table> {
    let mut building = Building::new(&names)?;
    for row in rows.try_iter()? {
        let row = row?.cast_into::<PyTuple>()?;
        let values =
            names.iter().enumerate().map(|(at, _)| row.get_item(at)).collect::<PyResult<Vec<_>>>()?;
        let cells = values.iter().map(cell).collect::<PyResult<Vec<_>>>()?;
        building
            .push(|place| match &cells[place] {
                Cell::Missing => Cell::Missing,
                Cell::Flag(value) => Cell::Flag(*value),
                Cell::Whole(value) => Cell::Whole(*value),
                Cell::Fraction(value) => Cell::Fraction(*value),
                Cell::Text(value) => Cell::Text(value),
                Cell::Bytes(value) => Cell::Bytes(value),
            })
            .map_err(|(value, expected)| Invalid::new("value", value, expected))?;
        if building.rows % ROWS == 0 {
            py.check_signals()?;
        }
    }
    building.finish()
}

fn cell<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cell<'a>> {
    Ok(if value.is_none() {
        Cell::Missing
    } else if let Ok(text) = value.cast::<PyString>() {
        Cell::Text(text.to_str().map_err(|_| {
            Invalid::new(
                "text",
                value.repr().map_or_else(|_| String::new(), |text| text.to_string()),
                "Unicode without lone surrogates",
            )
        })?)
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        Cell::Bytes(bytes.as_bytes())
    } else if value.is_instance_of::<PyBool>() {
        Cell::Flag(value.extract()?)
    } else if value.is_instance_of::<PyInt>() {
        Cell::Whole(
            value
                .extract()
                .map_err(|_| Invalid::new("value", "of this size", "a whole number below 2^64"))?,
        )
    } else if value.is_instance_of::<PyFloat>() {
        Cell::Fraction(value.extract()?)
    } else {
        return Err(Invalid::new("value", short(&value.str()?.to_string()), "text, a number or null").into());
    })
}

impl Building {
    /// The columns of a run, of which a row has those called `names`; others are passed over.
    fn new(names: &[String]) -> PyResult<Self> {
        let schema = Table::of_run(0, &[])?.batch.schema();
        let place = |name: &str| names.iter().position(|given| given == name);
        for (at, name) in names.iter().enumerate() {
            if place(name) != Some(at) {
                return Err(Invalid::new("column", format!("{name:?}"), "each name once").into());
            }
        }
        let places: Vec<_> = schema.fields().iter().map(|field| place(field.name())).collect();
        let missing = schema.fields().iter().zip(&places);
        if let Some((field, _)) =
            missing.into_iter().find(|(field, place)| !field.is_nullable() && place.is_none())
        {
            let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Invalid::new(
                "header",
                short(&names.join(",")),
                format!("a column {:?}; those of a run are {}", field.name(), all.join(", ")),
            )
            .into());
        }
        let columns =
            schema.fields().iter().map(|field| Column::new(field.data_type())).collect::<PyResult<_>>()?;
        Ok(Self { schema, columns, places, rows: 0 })
    }

    /// Takes in a row, or says which value is wrong and what was expected.
    fn push<'a>(&mut self, cells: impl Fn(usize) -> Cell<'a>) -> Result<(), (String, String)> {
        for ((field, column), place) in self.schema.fields().iter().zip(&mut self.columns).zip(&self.places) {
            let cell = place.map_or(Cell::Missing, &cells);
            let (shown, missing) = (cell.shown(), matches!(cell, Cell::Missing));
            let told =
                |expected: &str| (format!("{} of column {}", shown(), field.name()), expected.to_owned());
            if missing && !field.is_nullable() {
                return Err(told("a value in every row"));
            }
            if let Some(expected) = cell.unfit_for(field.name()) {
                return Err(told(&expected));
            }
            column.push(&cell).map_err(told)?;
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(self) -> PyResult<Table> {
        let columns = self.columns.into_iter().map(Column::finish).collect();
        Ok(Table { batch: RecordBatch::try_new(self.schema, columns).map_err(broken)? })
    }
}

impl Cell<'_> {
    /// How an error shows it, worked out only when there is one.
    fn shown(&self) -> impl Fn() -> String + use<'_> {
        move || match self {
            Self::Missing => "null".to_owned(),
            Self::Flag(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Fraction(value) => wire::py_repr(*value),
            Self::Text(text) => format!("{:?}", short(text)),
            Self::Bytes(_) => "of bytes".to_owned(),
        }
    }

    /// What else a column of a run expects than the right type.
    fn unfit_for(&self, column: &str) -> Option<String> {
        let settled = &Status::NAMES[..Status::Open as usize];
        match (column, self) {
            ("status", Self::Text(text)) => (!settled.contains(text)).then(|| settled.join(", ")),
            ("match", Self::Text(text)) => (!Match::NAMES.contains(text)).then(|| Match::NAMES.join(", ")),
            ("rtt_ns", Self::Text(text)) => text.starts_with('-').then(|| "a number from 0".to_owned()),
            ("rtt_ns", Self::Whole(value)) => (*value < 0).then(|| "a number from 0".to_owned()),
            _ => None,
        }
    }

    fn whole<T: TryFrom<i128>>(&self) -> Option<T> {
        let value = match self {
            Self::Whole(value) => *value,
            #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
            Self::Fraction(value) if value.fract() == 0.0 && value.abs() <= EXACT => *value as i128,
            Self::Text(text) => text.parse().ok()?,
            _ => return None,
        };
        T::try_from(value).ok()
    }
}

impl Column {
    fn new(kind: &DataType) -> PyResult<Self> {
        Ok(match kind {
            DataType::Int64 => Self::Times(Vec::new()),
            DataType::UInt64 => Self::U64(PrimitiveBuilder::new()),
            DataType::UInt32 => Self::U32(PrimitiveBuilder::new()),
            DataType::UInt8 => Self::U8(PrimitiveBuilder::new()),
            DataType::Float64 => Self::Floats(Vec::new()),
            DataType::Boolean => Self::Flags(BooleanBuilder::new()),
            DataType::Dictionary(..) => Self::Words(StringDictionaryBuilder::new()),
            DataType::LargeBinary => Self::Bytes(LargeBinaryBuilder::new()),
            other => {
                return Err(broken(arrow_schema::ArrowError::SchemaError(format!("no rows of {other}"))));
            }
        })
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
            Self::Floats(values) => values.push(match cell {
                Cell::Missing => None,
                Cell::Fraction(value) => Some(*value),
                Cell::Whole(value) => Some(*value as f64),
                Cell::Text(text) => Some(text.parse().map_err(|_| "a number")?),
                _ => return Err("a number"),
            }),
            Self::Flags(values) => values.append_option(match cell {
                Cell::Missing => None,
                Cell::Flag(value) => Some(*value),
                Cell::Text("True" | "true") => Some(true),
                Cell::Text("False" | "false") => Some(false),
                _ => return Err("true or false"),
            }),
            Self::Words(values) => match cell {
                Cell::Missing => values.append_null(),
                Cell::Text(text) => values.append_value(text),
                _ => return Err("text"),
            },
            Self::Bytes(values) => match cell {
                Cell::Missing => values.append_null(),
                Cell::Bytes(bytes) => values.append_value(bytes),
                Cell::Text(text) => values.append_value(wire::unescape(text)),
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
            Self::Floats(values) => floats(values.into_iter()),
            Self::Flags(mut values) => Arc::new(values.finish()),
            Self::Words(mut values) => Arc::new(values.finish()),
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

fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

#[pymethods]
impl Table {
    /// What the rows of a run come to: all of them, and those of each of `targets`. What rows do not tell is `None`.
    #[pyo3(signature = (targets) -> "tuple[dict[str, int | float | None], list[dict[str, int | float | None]]]")]
    fn summaries<'py>(
        &self,
        py: Python<'py>,
        targets: Vec<String>,
    ) -> PyResult<(Bound<'py, PyDict>, Vec<Bound<'py, PyDict>>)> {
        let (all, each) = py.detach(|| {
            let each: Vec<_> = self.settled(&targets).into_iter().map(Account::of_rows).collect();
            (Account::sum(&each), each)
        });
        let each = each.into_iter().map(|account| rows_to_python(py, account)).collect::<PyResult<_>>()?;
        Ok((rows_to_python(py, all)?, each))
    }
}

impl Table {
    /// The rows of each target.
    fn settled(&self, targets: &[String]) -> Vec<Vec<Settled>> {
        let mut lanes = vec![Vec::new(); targets.len()];
        let column = |name: &str| self.batch.column_by_name(name);
        let (Some(target), Some(status), Some(copies), Some(seq)) =
            (words_of(column("target")), words_of(column("status")), column("copies"), column("seq"))
        else {
            return lanes;
        };
        let place = |name: Option<&str>| targets.iter().position(|target| Some(target.as_str()) == name);
        let lane_of: Vec<Option<usize>> = target.1.iter().map(|name| place(*name)).collect();
        let status_of: Vec<Option<Status>> =
            status.1.iter().map(|name| name.and_then(Status::from_name)).collect();
        let time = |name: &str| column(name).map(|array| array.as_primitive::<Int64Type>().values());
        let (sent, rtt) = (time("sent_ns"), time("rtt_ns"));
        let (copies, seq) = (copies.as_primitive::<UInt32Type>(), seq.as_primitive::<UInt64Type>());
        let unverified = Some(Match::NAMES[Match::Unverified as usize]);
        let matched = words_of(column("match"));
        for row in 0..self.batch.num_rows() {
            let lane = lane_of[target.0.value(row) as usize];
            let status = status_of[status.0.value(row) as usize];
            if let (Some(lane), Some(status)) = (lane, status) {
                lanes[lane].push(Settled {
                    seq: seq.value(row),
                    status,
                    sent: sent.map_or(NONE, |sent| sent[row]),
                    rtt: rtt.map_or(NONE, |rtt| rtt[row]),
                    copies: copies.value(row),
                    unverified: matched.as_ref().is_some_and(|(keys, names)| {
                        keys.is_valid(row) && names[keys.value(row) as usize] == unverified
                    }),
                });
            }
        }
        lanes
    }
}

/// The keys of a column of words, and the words that they stand for.
fn words_of(column: Option<&ArrayRef>) -> Option<(&PrimitiveArray<UInt32Type>, Vec<Option<&str>>)> {
    let words = column?.as_dictionary_opt::<UInt32Type>()?;
    Some((words.keys(), words.values().as_string_opt::<i32>()?.iter().collect()))
}

/// A summary of which nothing is known but rows.
fn rows_to_python(py: Python<'_>, account: Account) -> PyResult<Bound<'_, PyDict>> {
    let order = account.knows_order();
    let dict = summary_to_python(py, &account.summary(), 0)?;
    for name in ["unmatched", "pending", "duration_ns"] {
        dict.set_item(name, py.None())?;
    }
    if !order {
        dict.set_item("reordered", py.None())?;
    }
    Ok(dict)
}
