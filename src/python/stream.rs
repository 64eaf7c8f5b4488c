//! Imports tables and columns of other libraries through the Arrow C stream and array interfaces.
//!
//! Only the columns that are asked for are looked at: others may hold anything.

mod array;
mod c_data;
mod kind;

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use self::c_data::{Array, Schema, Structure as _, empty, unfit};
use crate::logic::Invalid;
use crate::logic::stats::MOST_ROWS;
pub(super) use array::{array_of, empty as empty_array};

/// A table in one or more pieces.
pub(super) struct Stream {
    schema: Schema,
    pieces: Vec<Arc<Array>>,
    /// The rows of each piece.
    rows: Vec<usize>,
}

/// The table that an object hands over by `__arrow_c_stream__` or `__arrow_c_array__`, without a copy; `None` if it has
/// neither.
///
/// Raises the errors of the object, and `ConfigError` for a column on its own, which is not a table.
pub(super) fn table(object: &Bound<'_, PyAny>) -> PyResult<Option<Stream>> {
    let Some((schema, pieces)) = pieces(object)? else { return Ok(None) };
    let Some(columns) = schema.columns()?.map(|columns| columns.len()) else {
        let kind = match schema.kind()? {
            Ok(kind) => kind.to_string(),
            Err(words) => words,
        };
        return Err(Invalid::new("table", format!("of one column of type {kind}"), "named columns").into());
    };
    let rows = pieces.iter().map(|piece| piece.rows(columns)).collect::<Result<Vec<_>, _>>()?;
    within_bounds(rows.iter().copied())?;
    Ok(Some(Stream { schema, pieces, rows }))
}

/// The pieces of the column that an object hands over in the same way; `None` if it has neither.
pub(super) fn column(name: &'static str, object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<ArrayRef>>> {
    let Some((schema, pieces)) = pieces(object)? else { return Ok(None) };
    let kind = schema.kind()?.map_err(|words| of_kind(name, &words))?;
    let arrays = pieces.iter().map(|piece| piece.all(&kind)).collect::<Result<Vec<_>, _>>();
    let arrays = arrays.map_err(|error| Invalid { what: name, ..error })?;
    within_bounds(arrays.iter().map(arrow_array::Array::len))?;
    Ok(Some(arrays))
}

impl Stream {
    /// The names of the columns.
    pub(super) fn names(&self) -> PyResult<Vec<String>> {
        Ok(self.columns()?.into_iter().map(Schema::name).collect())
    }

    /// The rows of each piece.
    pub(super) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The pieces of a column; `None` if there is no column of that name.
    pub(super) fn column(&self, name: &'static str) -> PyResult<Option<Vec<ArrayRef>>> {
        let columns = self.columns()?;
        let Some(index) = columns.iter().position(|column| column.name() == name) else { return Ok(None) };
        let kind = match columns[index].kind()? {
            Ok(kind) => kind,
            // Without rows it has no values that could be wrong.
            Err(_) if self.rows.iter().all(|rows| *rows == 0) => DataType::Null,
            Err(words) => return Err(of_kind(name, &words).into()),
        };
        let pieces = self.pieces.iter().zip(&self.rows);
        let arrays = pieces.map(|(piece, rows)| match rows {
            0 => empty(&kind),
            rows => piece.column(index, &kind, *rows),
        });
        let arrays = arrays.collect::<Result<_, _>>().map_err(|error| Invalid { what: name, ..error })?;
        Ok(Some(arrays))
    }

    fn columns(&self) -> Result<Vec<&Schema>, Invalid> {
        self.schema.columns().map(Option::unwrap_or_default)
    }
}

fn of_kind(name: &'static str, words: &str) -> Invalid {
    Invalid::new(name, format!("of type {words}"), "numbers, durations, moments, text or bytes")
}

fn within_bounds(rows: impl Iterator<Item = usize>) -> Result<(), Invalid> {
    let all = rows.fold(0_usize, usize::saturating_add);
    if all <= MOST_ROWS {
        Ok(())
    } else {
        Err(Invalid::new("table", format!("of {all} rows"), format!("at most {MOST_ROWS}")))
    }
}

fn pieces(object: &Bound<'_, PyAny>) -> PyResult<Option<(Schema, Vec<Arc<Array>>)>> {
    let py = object.py();
    if let Some(method) = object.getattr_opt("__arrow_c_stream__")? {
        let mut stream = c_data::Stream::taken(&method.call0()?)?;
        let schema = py.detach(|| stream.schema())?;
        let mut pieces = Vec::new();
        // The producer may compute now, on threads of its own, and some of them may need the interpreter.
        while let Some(piece) = py.detach(|| stream.next())? {
            pieces.push(Arc::new(piece));
            py.check_signals()?;
        }
        return Ok(Some((schema, pieces)));
    }
    if let Some(method) = object.getattr_opt("__arrow_c_array__")? {
        let both = method.call0()?;
        let both = both.cast::<PyTuple>().ok().filter(|both| both.len() == 2);
        let both = both.ok_or_else(|| unfit("without a schema and an array"))?;
        let schema = Schema::taken(&both.get_item(0)?)?;
        let array = Array::taken(&both.get_item(1)?)?;
        return Ok(Some((schema, vec![Arc::new(array)])));
    }
    Ok(None)
}
