//! Builds the table of a mesh from rows of Python.

use std::sync::Arc;

use arrow_array::builder::{PrimitiveBuilder, StringDictionaryBuilder};
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use pyo3::prelude::*;

use super::{Table, broken, floats, times};
use crate::logic::memory::room_for;
use crate::logic::record::NONE;

/// Bytes of a row.
const ROW: usize = 256;

/// A column under construction: the type of its values is that of Python.
enum Column {
    Words(StringDictionaryBuilder<UInt32Type>),
    Times(Vec<i64>),
    Counts(PrimitiveBuilder<UInt64Type>),
    Floats(Vec<Option<f64>>),
}

impl Column {
    fn new(name: &str, kind: &str) -> Self {
        match kind {
            "str" => Self::Words(StringDictionaryBuilder::new()),
            "float" => Self::Floats(Vec::new()),
            _ if name.ends_with("_ns") => Self::Times(Vec::new()),
            _ => Self::Counts(PrimitiveBuilder::new()),
        }
    }

    fn push(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Words(builder) => builder.append_option(value.extract::<Option<&str>>()?),
            Self::Times(values) => values.push(value.extract::<Option<i64>>()?.unwrap_or(NONE)),
            Self::Counts(builder) => builder.append_option(value.extract()?),
            Self::Floats(values) => values.push(value.extract()?),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Words(mut builder) => Arc::new(builder.finish()),
            Self::Times(values) => times(values.into_iter()),
            Self::Counts(mut builder) => Arc::new(builder.finish()),
            Self::Floats(values) => floats(values.into_iter()),
        }
    }
}

/// A table of columns, each with its name, its type in Python, and whether values may be missing: the rows of `before`,
/// which are not copied, and then `rows`.
#[pyfunction]
#[pyo3(signature = (columns, rows: "object", before = None))]
pub(in crate::python) fn table_of_rows(
    columns: Vec<(String, String, bool)>,
    rows: &Bound<'_, PyAny>,
    before: Option<&Table>,
) -> PyResult<Table> {
    let mut building: Vec<_> = columns.iter().map(|(name, kind, _)| Column::new(name, kind)).collect();
    for (count, row) in rows.try_iter()?.enumerate() {
        if count % 16_384 == 0 {
            room_for(16_384 * ROW)?;
            rows.py().check_signals()?;
        }
        for (column, value) in building.iter_mut().zip(row?.try_iter()?) {
            column.push(&value?)?;
        }
    }
    let arrays: Vec<_> = building.into_iter().map(Column::finish).collect();
    let fields: Vec<_> = columns
        .into_iter()
        .zip(&arrays)
        .map(|((name, _, may_miss), array)| Field::new(name, array.data_type().clone(), may_miss))
        .collect();
    let schema = before.map_or_else(|| Arc::new(Schema::new(fields)), |before| Arc::clone(&before.schema));
    let mut batches = before.map_or_else(Vec::new, |before| before.pieces.batches().to_vec());
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(broken)?;
    if batch.num_rows() > 0 {
        batches.push(batch);
    }
    Ok(Table::of_pieces(schema, batches))
}
