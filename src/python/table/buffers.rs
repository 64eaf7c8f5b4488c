//! Serializes a run for `pickle`: the Arrow buffers of its columns one after the other, each after its length.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array as _, RecordBatch};
use arrow_buffer::Buffer;
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};
use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use super::Table;
use super::cell::Cell;
use super::run::schema;
use crate::logic::Invalid;
use crate::logic::memory::room_for_each;
use crate::logic::record::{COLUMNS, NONE, Status};
use crate::python::errors::detached;
use crate::python::stream::array_of;

/// Every buffer begins at a multiple of this many bytes, so that its numbers can be used without a copy.
const ALIGNMENT: usize = 8;

impl Table {
    /// The names of the columns, the number of rows, and each column's buffers.
    pub(super) fn to_buffers(&self) -> Result<Vec<u8>, ArrowError> {
        let mut out = Vec::new();
        put(&mut out, self.column_names().join(",").as_bytes());
        put(&mut out, &(self.pieces.rows() as u64).to_le_bytes());
        for index in 0..self.schema.fields().len() {
            put_array(&mut out, &self.pieces.joined(index)?.to_data());
        }
        Ok(out)
    }
}

fn put(out: &mut Vec<u8>, buffer: &[u8]) {
    out.extend_from_slice(&(buffer.len() as u64).to_le_bytes());
    out.extend_from_slice(buffer);
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

fn put_array(out: &mut Vec<u8>, array: &ArrayData) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => put(out, &nulls.inner().sliced()),
        None => put(out, &[]),
    }
    array.buffers().iter().for_each(|buffer| put(out, buffer));
    for words in array.child_data() {
        put(out, &(words.len() as u64).to_le_bytes());
        put_array(out, words);
    }
}

#[pyfunction]
#[pyo3(signature = (buffers: "bytes") -> "Table")]
pub(in crate::python) fn run_from_buffers(py: Python<'_>, buffers: PyBackedBytes) -> PyResult<Table> {
    room_for_each(buffers.len(), 1)?;
    detached(py, || {
        let batch = Parts(Buffer::from(Bytes::from_owner(buffers))).run().map_err(|error| {
            Invalid::new("pickled run", format!("({error})"), "the bytes that this version of udpping wrote")
        })?;
        let table = Table::of_pieces(batch.schema(), vec![batch]);
        table.check_numbers()?;
        Ok(table)
    })
}

/// The bytes that are not read yet.
struct Parts(Buffer);

impl Parts {
    fn run(mut self) -> Result<RecordBatch, ArrowError> {
        let schema = schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if self.next()?.as_slice() != names.join(",").as_bytes() {
            return Err(wrong("other columns"));
        }
        let rows = self.number()?;
        let columns = schema.fields().iter().map(|field| array_of(self.array(field.data_type(), rows)?));
        let columns = columns.collect::<Result<_, ArrowError>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        check(&batch)?;
        Ok(batch)
    }

    fn next(&mut self) -> Result<Buffer, ArrowError> {
        let cut = || wrong("cut off");
        let length = self.0.first_chunk().map(|length| u64::from_le_bytes(*length)).ok_or_else(cut)?;
        let length = usize::try_from(length).map_err(|_| cut())?;
        let end = length.checked_next_multiple_of(ALIGNMENT).and_then(|padded| padded.checked_add(ALIGNMENT));
        let end = end.filter(|end| *end <= self.0.len()).ok_or_else(cut)?;
        let part = self.0.slice_with_length(ALIGNMENT, length);
        self.0.advance(end);
        Ok(part)
    }

    fn number(&mut self) -> Result<usize, ArrowError> {
        let part = self.next()?;
        let number = part.first_chunk().map(|number| u64::from_le_bytes(*number));
        number.and_then(|number| number.try_into().ok()).ok_or_else(|| wrong("no number"))
    }

    /// The next buffer, of so many values of so many bytes.
    fn values(&mut self, count: usize, size: usize) -> Result<Buffer, ArrowError> {
        let part = self.next()?;
        if count.checked_mul(size) == Some(part.len()) { Ok(part) } else { Err(wrong("another length")) }
    }

    /// An array of that type, validated by Arrow.
    fn array(&mut self, kind: &DataType, rows: usize) -> Result<ArrayData, ArrowError> {
        let mut array = ArrayData::builder(kind.clone()).len(rows).align_buffers(true);
        let nulls = self.next()?;
        if !nulls.is_empty() {
            if nulls.len() < rows.div_ceil(8) {
                return Err(wrong("too few bits"));
            }
            array = array.null_bit_buffer(Some(nulls));
        }
        let offsets = rows.saturating_add(1);
        let array = match kind {
            DataType::Utf8 => array.add_buffer(self.values(offsets, 4)?).add_buffer(self.next()?),
            DataType::LargeBinary => array.add_buffer(self.values(offsets, 8)?).add_buffer(self.next()?),
            DataType::Dictionary(keys, words) => {
                let array = array.add_buffer(self.values(rows, keys.primitive_width().unwrap_or(0))?);
                let count = self.number()?;
                array.add_child_data(self.array(words, count)?)
            }
            _ => array.add_buffer(self.values(rows, kind.primitive_width().unwrap_or(0))?),
        };
        array.build()
    }
}

/// Checks the constraints on a run's values beyond their types.
fn check(batch: &RecordBatch) -> Result<(), ArrowError> {
    for (column, array) in COLUMNS.iter().zip(batch.columns()) {
        if let Some(times) = array.as_primitive_opt::<Int64Type>()
            // Some readers look at the mask, others at the value.
            && (0..times.len()).any(|row| times.is_null(row) != (times.value(row) == NONE))
        {
            return Err(wrong("times that are there and missing"));
        }
        if let Some(words) = array.as_dictionary_opt::<UInt32Type>()
            && words
                .values()
                .as_string::<i32>()
                .iter()
                .any(|word| word.is_none_or(|word| Cell::Text(word).unfit_for(column.name).is_some()))
        {
            return Err(wrong("unknown words"));
        }
    }
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| wrong("other columns"));
    let (status, rtt) = (column("status")?.as_dictionary::<UInt32Type>(), column("rtt_ns")?);
    let rtt = rtt.as_primitive::<Int64Type>();
    let replies: Vec<bool> =
        status.values().as_string::<i32>().iter().map(|word| word == Some(Status::Reply.name())).collect();
    for (row, key) in status.keys().values().iter().enumerate() {
        if rtt.is_null(row) && replies[*key as usize] || rtt.is_valid(row) && rtt.value(row) < 0 {
            return Err(wrong("a round trip that cannot be"));
        }
    }
    Ok(())
}

fn wrong(what: &str) -> ArrowError {
    ArrowError::InvalidArgumentError(what.to_owned())
}
