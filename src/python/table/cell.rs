//! A value of a file, from Python or from Arrow, before it is converted to the type of its column.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, downcast_dictionary_array, downcast_integer};
use arrow_schema::DataType;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString};

use crate::logic::record::{Match, Status};
use crate::logic::{Invalid, text};

const SHOWN: usize = 40;
/// Up to here floats represent every whole number exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Missing,
    Flag(bool),
    Whole(i128),
    Fraction(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Other(&'a DataType),
}

impl Cell<'_> {
    /// The text of the value in an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Missing => "null".to_owned(),
            Self::Flag(value) => value.to_string(),
            Self::Whole(value) => value.to_string(),
            Self::Fraction(value) => text::py_repr(*value),
            Self::Text(text) => format!("{:?}", short(text)),
            Self::Bytes(_) => "of bytes".to_owned(),
            Self::Other(kind) => format!("of type {kind}"),
        }
    }

    /// The values that a column of a run accepts, if this is not one of them.
    pub(super) fn unfit_for(&self, column: &str) -> Option<String> {
        let settled = &Status::NAMES[..Status::Open as usize];
        match (column, self) {
            ("status", Self::Text(text)) => (!settled.contains(text)).then(|| settled.join(", ")),
            ("match", Self::Text(text)) => (!Match::NAMES.contains(text)).then(|| Match::NAMES.join(", ")),
            ("rtt_ns", Self::Text(text)) => text.starts_with('-').then(|| "a number from 0".to_owned()),
            ("rtt_ns", Self::Whole(value)) => (*value < 0).then(|| "a number from 0".to_owned()),
            _ => None,
        }
    }

    pub(super) fn whole<T: TryFrom<i128>>(&self) -> Option<T> {
        let value = match self {
            Self::Whole(value) => *value,
            #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
            Self::Fraction(value) if value.fract() == 0.0 && value.abs() <= EXACT => *value as i128,
            Self::Text(text) => text.parse().ok().or_else(|| whole_float(text))?,
            _ => return None,
        };
        T::try_from(value).ok()
    }

    /// Whether this was a whole number until a float rounded it.
    pub(super) fn is_rounded(&self) -> bool {
        let value = match self {
            Self::Fraction(value) => *value,
            Self::Text(text) if text.contains(['.', 'e', 'E']) => text.parse().unwrap_or(0.0),
            _ => 0.0,
        };
        value.is_finite() && value.abs() > EXACT
    }
}

/// The whole number in a text such as `2.0`, as some programs write a column of which a value is missing.
fn whole_float(text: &str) -> Option<i128> {
    let (whole, zeros) = text.split_once('.')?;
    let exact = !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0');
    let value: i128 = whole.parse().ok().filter(|_| exact)?;
    (value.unsigned_abs() <= 1 << 53).then_some(value)
}

/// A value of an Arrow array; several types of one kind are the same to a column.
pub(super) fn arrow_cell(array: &dyn Array, row: usize) -> Cell<'_> {
    if array.is_null(row) {
        return Cell::Missing;
    }
    macro_rules! whole {
        ($kind:ty) => {
            Cell::Whole(array.as_primitive::<$kind>().value(row).into())
        };
    }
    downcast_integer! {
        array.data_type() => (whole),
        DataType::Null => Cell::Missing,
        DataType::Boolean => Cell::Flag(array.as_boolean().value(row)),
        DataType::Float32 => Cell::Fraction(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Fraction(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cell::Text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row)),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Cell::Bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Cell::Bytes(array.as_binary_view().value(row)),
        kind @ DataType::Dictionary(..) => downcast_dictionary_array!(
            array => match array.key(row) {
                Some(key) => arrow_cell(array.values().as_ref(), key),
                None => Cell::Missing,
            },
            _ => Cell::Other(kind)
        ),
        kind => Cell::Other(kind),
    }
}

pub(super) fn cell<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cell<'a>> {
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

pub(super) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
