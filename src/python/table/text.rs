//! Rows as lines of text: CSV and JSON lines.

use std::fmt::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeBinaryArray, PrimitiveArray,
    UInt64Array,
};
use arrow_schema::DataType;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::Table;
use crate::logic::text::{self, csv, json};

/// How values are written.
struct Style {
    missing: &'static str,
    flags: [&'static str; 2],
    text: fn(&mut String, &str),
    number: fn(f64) -> String,
}

const CSV: Style =
    Style { missing: "", flags: ["False", "True"], text: csv::write_text, number: text::py_repr };
const JSON: Style =
    Style { missing: "null", flags: ["false", "true"], text: json::write_text, number: json::number_text };

impl Table {
    /// So many rows from the `first` on as lines of CSV.
    pub(super) fn to_csv(&self, first: usize, rows: usize) -> PyResult<String> {
        let before =
            (0..self.schema.fields().len()).map(|place| if place == 0 { "" } else { "," }.to_owned());
        self.lines(first, rows, &CSV, &before.collect::<Vec<_>>(), "\n")
    }

    /// The same as lines of JSON, an object each.
    pub(super) fn to_json(&self, first: usize, rows: usize) -> PyResult<String> {
        let before = self.schema.fields().iter().enumerate().map(|(place, field)| {
            let mut before = if place == 0 { "{" } else { "," }.to_owned();
            json::write_text(&mut before, field.name());
            before + ":"
        });
        self.lines(first, rows, &JSON, &before.collect::<Vec<_>>(), "}\n")
    }

    /// Rows of which each value has something `before` it, and each row an `end`.
    fn lines(
        &self,
        first: usize,
        rows: usize,
        style: &Style,
        before: &[String],
        end: &str,
    ) -> PyResult<String> {
        let mut out = String::new();
        for piece in self.pieces.slices(first, rows) {
            let columns = piece.columns().iter();
            let values = columns.map(|column| Values::of(style, column)).collect::<PyResult<Vec<_>>>()?;
            for row in 0..piece.num_rows() {
                for ((before, values), column) in before.iter().zip(&values).zip(piece.columns()) {
                    out.push_str(before);
                    if column.is_null(row) {
                        out.push_str(style.missing);
                    } else {
                        values.write(style, &mut out, row);
                    }
                }
                out.push_str(end);
            }
        }
        Ok(out)
    }
}

/// The values of a column.
enum Values<'a> {
    I64(&'a Int64Array),
    U64(&'a UInt64Array),
    U32(&'a PrimitiveArray<UInt32Type>),
    U8(&'a PrimitiveArray<UInt8Type>),
    Floats(&'a Float64Array),
    Flags(&'a BooleanArray),
    Bytes(&'a LargeBinaryArray),
    /// The words are written once for all rows.
    Words(&'a PrimitiveArray<UInt32Type>, Vec<String>),
}

impl<'a> Values<'a> {
    fn of(style: &Style, column: &'a ArrayRef) -> PyResult<Self> {
        Ok(match column.data_type() {
            DataType::Int64 => Self::I64(column.as_primitive::<Int64Type>()),
            DataType::UInt64 => Self::U64(column.as_primitive::<UInt64Type>()),
            DataType::UInt32 => Self::U32(column.as_primitive::<UInt32Type>()),
            DataType::UInt8 => Self::U8(column.as_primitive::<UInt8Type>()),
            DataType::Float64 => Self::Floats(column.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Flags(column.as_boolean()),
            DataType::LargeBinary => Self::Bytes(column.as_binary::<i64>()),
            DataType::Dictionary(..) => {
                let words = column.as_dictionary::<UInt32Type>();
                let written = |word: Option<&str>| {
                    let mut out = String::new();
                    (style.text)(&mut out, word.unwrap_or_default());
                    out
                };
                Self::Words(words.keys(), words.values().as_string::<i32>().iter().map(written).collect())
            }
            other => return Err(PyRuntimeError::new_err(format!("no text for {other}"))),
        })
    }

    fn write(&self, style: &Style, out: &mut String, row: usize) {
        // Writing to a string never fails.
        let _ = match self {
            Self::I64(values) => write!(out, "{}", values.value(row)),
            Self::U64(values) => write!(out, "{}", values.value(row)),
            Self::U32(values) => write!(out, "{}", values.value(row)),
            Self::U8(values) => write!(out, "{}", values.value(row)),
            Self::Floats(values) => out.write_str(&(style.number)(values.value(row))),
            Self::Flags(values) => out.write_str(style.flags[usize::from(values.value(row))]),
            Self::Words(keys, words) => out.write_str(&words[keys.value(row) as usize]),
            Self::Bytes(values) => {
                (style.text)(out, &text::escape(values.value(row)));
                Ok(())
            }
        };
    }
}
