//! Writes rows as lines of text: CSV and JSON lines.

use std::borrow::Cow;
use std::fmt::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array as _, ArrayRef, downcast_integer};
use arrow_schema::DataType;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::Table;
use crate::logic::text::{self, csv, json};

struct Style {
    missing: &'static str,
    flags: [&'static str; 2],
    text: fn(&mut String, &str),
    number: fn(f64) -> String,
    bytes: fn(&[u8]) -> Cow<'_, str>,
}

const CSV: Style = Style {
    missing: "",
    flags: ["False", "True"],
    text: csv::write_text,
    number: text::py_repr,
    bytes: csv_bytes,
};
const JSON: Style = Style {
    missing: "null",
    flags: ["false", "true"],
    text: json::write_text,
    number: json::number_text,
    bytes: text::escape,
};

/// Bytes as text that is not taken for what other programs write of bytes.
fn csv_bytes(bytes: &[u8]) -> Cow<'_, str> {
    let text = text::escape(bytes);
    match text.strip_prefix('b') {
        Some(rest) if rest.starts_with(['\'', '"']) => Cow::Owned(format!("\\x62{rest}")),
        _ => text,
    }
}

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

    /// Rows as lines, with a text `before` each value and an `end` after each row.
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
            let writers = columns.map(|column| writer(style, column)).collect::<PyResult<Vec<_>>>()?;
            for row in 0..piece.num_rows() {
                for ((before, write), column) in before.iter().zip(&writers).zip(piece.columns()) {
                    out.push_str(before);
                    if column.is_null(row) {
                        out.push_str(style.missing);
                    } else {
                        write(&mut out, row);
                    }
                }
                out.push_str(end);
            }
        }
        Ok(out)
    }
}

/// Appends the value of a row, which is not missing.
type Writer<'a> = Box<dyn Fn(&mut String, usize) + 'a>;

fn writer<'a>(style: &'a Style, column: &'a ArrayRef) -> PyResult<Writer<'a>> {
    macro_rules! whole {
        ($kind:ty) => {{
            let values = column.as_primitive::<$kind>();
            Box::new(move |out: &mut String, row: usize| {
                // Writing to a string never fails.
                let _ = write!(out, "{}", values.value(row));
            })
        }};
    }
    Ok(downcast_integer! {
        column.data_type() => (whole),
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            Box::new(|out, row| out.push_str(&(style.number)(values.value(row))))
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(|out, row| out.push_str(style.flags[usize::from(values.value(row))]))
        }
        DataType::LargeBinary => {
            let values = column.as_binary::<i64>();
            Box::new(|out, row| (style.text)(out, &(style.bytes)(values.value(row))))
        }
        DataType::Dictionary(..) => {
            let words = column.as_dictionary::<UInt32Type>();
            // Each word is written once for all rows.
            let written = |word: Option<&str>| {
                let mut out = String::new();
                (style.text)(&mut out, word.unwrap_or_default());
                out
            };
            let (keys, words) = (words.keys(), words.values().as_string::<i32>().iter().map(written));
            let words: Vec<String> = words.collect();
            Box::new(move |out, row| out.push_str(&words[keys.value(row) as usize]))
        }
        other => return Err(PyRuntimeError::new_err(format!("no text for {other}"))),
    })
}
