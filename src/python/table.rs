//! `Table` and `Column`: results as Arrow data, for everything that reads the Arrow C interface, and for numpy.
//!
//! Exports share the buffers; nothing is copied.

mod buffers;
mod cell;
mod columns;
mod heartbeats;
mod mesh;
pub(super) mod picture;
mod pieces;
mod relay;
mod rows;
mod run;
mod stats;
mod summaries;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, Int64Array, PrimitiveArray, RecordBatch, RecordBatchIterator, downcast_integer,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use pyo3::IntoPyObjectExt as _;
use pyo3::exceptions::{PyAttributeError, PyIndexError, PyKeyError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyList, PyTuple};

use super::facts::facts;
use super::stream::array_of;
use crate::logic::echo::Columns;
use crate::logic::memory::{NoMemory, room_for, room_for_each};
use crate::logic::random::Direction;
use crate::logic::record::NONE;
use columns::Words;
use pieces::Pieces;

pub(super) use buffers::run_from_buffers;
pub(super) use mesh::table_of_rows;
pub(super) use rows::{run_from_arrow, run_from_csv, run_from_json, run_from_rows};
pub(super) use run::run_columns;
pub(super) use summaries::{run_summaries, summary_to_python};

/// Bytes of a row as text, while that is written.
const LINE: usize = 1_024;
/// Bytes of a value as an object of Python, and of its place in two lists.
const VALUE: usize = 96;
/// Values in the repr of a column.
const SHOWN: usize = 5;

/// Columns of equal length, by name.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct Table {
    /// With the metadata of the table, which the pieces lack.
    schema: SchemaRef,
    pieces: Arc<Pieces>,
}

/// One column of a table. A sequence: numpy makes an array of objects from words.
#[pyclass(frozen, sequence, module = "udpping._core")]
pub(super) struct Column {
    field: Arc<Field>,
    array: ArrayRef,
}

#[pymethods]
impl Table {
    fn __len__(&self) -> usize {
        self.pieces.rows()
    }

    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The names of the columns without a single value; none if there is no row. It puts no pieces together.
    fn empty_columns(&self, py: Python<'_>) -> Vec<String> {
        let (rows, batches) = (self.pieces.rows(), self.pieces.batches());
        let is_empty = |index: usize| {
            batches.iter().map(|batch| batch.column(index).null_count()).sum::<usize>() == rows
        };
        let names = self.column_names();
        py.detach(|| {
            names
                .into_iter()
                .enumerate()
                .filter(|(at, _)| rows > 0 && is_empty(*at))
                .map(|(_, name)| name)
                .collect()
        })
    }

    /// The column of that name, in one piece.
    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<Column> {
        let (index, field) = self.schema.fields().find(name).ok_or_else(|| {
            PyKeyError::new_err(format!("no column {name:?}; there are {}", self.column_names().join(", ")))
        })?;
        if self.pieces.batches().len() > 1 {
            let bytes = |batch: &RecordBatch| batch.column(index).get_array_memory_size();
            room_for(self.pieces.batches().iter().map(bytes).sum())?;
        }
        let array = py.detach(|| self.pieces.column(index)).map_err(broken)?;
        Ok(Column { field: Arc::clone(field), array: Arc::clone(array) })
    }

    /// Row `index` as a tuple in the order of the columns.
    #[pyo3(signature = (index: "int") -> "tuple[object, ...]")]
    fn row<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyTuple>> {
        let (piece, place) = self
            .pieces
            .place(index)
            .ok_or_else(|| PyIndexError::new_err(format!("row {index} of {}", self.pieces.rows())))?;
        let values =
            piece.columns().iter().map(|array| value(py, array, place)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, values)
    }

    /// Whether the other has the same columns, of the same types, with the same values.
    fn equals(&self, py: Python<'_>, other: &Self) -> bool {
        let same = |a: &Field, b: &Field| a.name() == b.name() && a.data_type() == b.data_type();
        let (mine, theirs) = (self.schema.fields(), other.schema.fields());
        mine.len() == theirs.len()
            && mine.iter().zip(theirs).all(|(a, b)| same(a, b))
            && py.detach(|| *self.pieces == *other.pieces)
    }

    /// The same table, with these metadata in its schema.
    fn with_metadata(&self, metadata: HashMap<String, String>) -> Self {
        let schema = self.schema.as_ref().clone().with_metadata(metadata);
        Self { schema: Arc::new(schema), pieces: Arc::clone(&self.pieces) }
    }

    /// So many rows from the `first` on as lines of CSV.
    fn csv_lines(&self, py: Python<'_>, first: usize, rows: usize) -> PyResult<String> {
        room_for_each(rows.min(self.pieces.rows()), LINE)?;
        py.detach(|| self.to_csv(first, rows))
    }

    /// The same as lines of JSON, an object each.
    fn json_lines(&self, py: Python<'_>, first: usize, rows: usize) -> PyResult<String> {
        room_for_each(rows.min(self.pieces.rows()), LINE)?;
        py.detach(|| self.to_json(first, rows))
    }

    fn buffers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = |batch: &RecordBatch| batch.get_array_memory_size();
        room_for_each(self.pieces.batches().iter().map(bytes).sum(), 4)?;
        Ok(PyBytes::new(py, &py.detach(|| self.to_buffers()).map_err(broken)?))
    }

    #[pyo3(signature = () -> "object")]
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.schema.as_ref()).map_err(broken)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The table as a stream of its pieces, as a capsule of the Arrow C stream interface. No data is copied.
    #[pyo3(signature = (requested_schema: "object | None" = None) -> "object")]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A producer may ignore the request; the consumer then casts.
        drop(requested_schema);
        let pieces: Vec<_> = self.pieces.batches().iter().cloned().map(Ok).collect();
        let reader = RecordBatchIterator::new(pieces, Arc::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(reader)), c"arrow_array_stream")
    }
}

#[pymethods]
impl Column {
    fn __len__(&self) -> usize {
        self.array.len()
    }

    /// The value at `index`; `None` where there is none.
    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let length = self.array.len();
        let place = if index < 0 { length.checked_add_signed(index) } else { Some(index.unsigned_abs()) };
        let place = place.filter(|place| *place < length);
        value(
            py,
            &self.array,
            place.ok_or_else(|| PyIndexError::new_err(format!("row {index} of {length}")))?,
        )
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (size, missing) = (self.array.len(), self.array.null_count());
        let shown = (0..size.min(SHOWN))
            .map(|place| Ok(value(py, &self.array, place)?.repr()?.to_string()))
            .collect::<PyResult<Vec<_>>>()?
            .join(", ");
        let more = if size > SHOWN { ", ..." } else { "" };
        Ok(format!("<udpping column {}: {size} values, {missing} missing: [{shown}{more}]>", self.name()))
    }

    #[getter]
    fn name(&self) -> &str {
        self.field.name()
    }

    #[getter]
    fn null_count(&self) -> usize {
        self.array.null_count()
    }

    /// Whether it holds whole numbers and may miss some. `seq` counts as such in every table, so that frames fit
    /// together.
    #[getter]
    fn may_miss_numbers(&self) -> bool {
        use DataType::{Int64, UInt8, UInt32, UInt64};
        matches!(self.array.data_type(), Int64 | UInt8 | UInt32 | UInt64)
            && (self.field.is_nullable() || self.name() == "seq")
    }

    /// One byte for each row: 1 where the value is missing.
    fn null_mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        room_for_each(self.array.len(), 2)?;
        let mask: Vec<u8> = (0..self.array.len()).map(|index| u8::from(self.array.is_null(index))).collect();
        Ok(PyBytes::new(py, &mask))
    }

    /// The same numbers without the mask of missing ones, whose values are arbitrary.
    fn filled(&self) -> PyResult<Self> {
        let array = self.array.to_data().into_builder().nulls(None).build().map_err(broken)?;
        Ok(Self { field: Arc::clone(&self.field), array: array_of(array).map_err(broken)? })
    }

    /// The different words, and the index of the word of each row, which is their number if it is missing. `None` for
    /// other columns.
    fn words(&self) -> PyResult<Option<(Vec<String>, Self)>> {
        let Some(column) = self.array.as_dictionary_opt::<UInt32Type>() else { return Ok(None) };
        let Some(words) = column.values().as_string_opt::<i32>() else { return Ok(None) };
        room_for_each(self.array.len(), 16)?;
        let words: Vec<_> = words.iter().flatten().map(str::to_owned).collect();
        let missing = words.len() as u64;
        let codes = column.keys().iter().map(|key| key.map_or(missing, u64::from));
        let array = Arc::new(PrimitiveArray::<UInt64Type>::from_iter_values(codes));
        Ok(Some((words, Self { field: Arc::clone(&self.field), array })))
    }

    #[pyo3(signature = () -> "list[object]")]
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        room_for_each(self.array.len(), VALUE)?;
        let values =
            (0..self.array.len()).map(|index| value(py, &self.array, index)).collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, values)
    }

    /// The numbers in memory as numpy's array interface describes them, read-only and without a copy.
    ///
    /// Durations in nanoseconds come as `timedelta64[ns]`, moments as `datetime64[ns]`; a missing one is `NaT`.
    #[getter]
    fn __array_interface__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let py = slf.py();
        let Some((address, kind)) = this.numbers() else {
            return Err(PyAttributeError::new_err(format!(
                "column {:?} is not a column of numbers",
                this.field.name()
            )));
        };
        let interface = facts!(py,
            "version": 3,
            "shape": (this.array.len(),),
            "typestr": kind,
            "data": (address, true),
        );
        Ok(interface.into_any())
    }

    #[pyo3(signature = () -> "object")]
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.field.as_ref()).map_err(broken)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The column as capsules of the Arrow C data interface. No data is copied.
    #[pyo3(signature = (requested_schema: "object | None" = None) -> "tuple[object, object]")]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        drop(requested_schema);
        let (array, _): (FFI_ArrowArray, _) = to_ffi(&self.array.to_data()).map_err(broken)?;
        let array = PyCapsule::new_with_value(py, array, c"arrow_array")?;
        PyTuple::new(py, [self.__arrow_c_schema__(py)?, array])
    }
}

impl Column {
    /// The address of the numbers, and their numpy type. numpy has missing numbers only for times (`NaT`) and floats
    /// (`nan`).
    fn numbers(&self) -> Option<(usize, &'static str)> {
        let name = self.field.name();
        let time = if name.ends_with("wall_ns") {
            Some("<M8[ns]")
        } else {
            name.ends_with("_ns").then_some("<m8[ns]")
        };
        let floats = *self.array.data_type() == DataType::Float64;
        if time.is_none() && !floats && self.array.null_count() > 0 {
            return None;
        }
        let kind = match self.array.data_type() {
            DataType::Int64 => time.unwrap_or("<i8"),
            DataType::Float64 => "<f8",
            DataType::UInt64 => "<u8",
            DataType::UInt32 => "<u4",
            DataType::UInt8 => "|u1",
            _ => return None,
        };
        let (data, width) = (self.array.to_data(), self.array.data_type().primitive_width()?);
        Some((data.buffers()[0].as_ptr().addr() + data.offset() * width, kind))
    }
}

impl Table {
    /// Looks for so many bytes for each row.
    pub(super) fn room(&self, bytes: usize) -> Result<(), NoMemory> {
        room_for_each(self.pieces.rows(), bytes)
    }

    pub(super) fn of_log(log: &Columns) -> PyResult<Self> {
        let reply_bytes = log.reply_bytes.iter().map(|bytes| bytes.map(u32::from));
        let columns = vec![
            ("recv_ns", times(log.recv_ns.iter().copied())),
            ("recv_wall_ns", times(log.wall_ns.iter().copied())),
            ("client", words(log.source.iter().map(|source| Some(source.to_string())))),
            ("client_index", numbers::<UInt32Type>(log.client.iter().copied())),
            ("number", numbers::<UInt64Type>(log.number.iter().copied())),
            ("seq", Arc::new(log.seq.iter().copied().collect::<PrimitiveArray<UInt64Type>>())),
            ("verdict", words(log.verdict.iter().map(|verdict| Some(verdict.name())))),
            (
                "reason",
                words(
                    log.reason.iter().map(|reason| Some(reason.name()).filter(|reason| !reason.is_empty())),
                ),
            ),
            ("delay_ns", times(log.delay_ns.iter().copied())),
            ("direction", words(log.direction.iter().map(|direction| direction.map(Direction::name)))),
            ("bytes", numbers::<UInt32Type>(log.bytes.iter().copied().map(u32::from))),
            ("reply_bytes", Arc::new(reply_bytes.collect::<PrimitiveArray<UInt32Type>>())),
            ("copies", numbers::<UInt32Type>(log.copies.iter().copied().map(u32::from))),
            ("replies", numbers::<UInt32Type>(log.replies.iter().copied().map(u32::from))),
            ("damage", words(log.damage.iter().map(|damage| damage.name()))),
        ];
        Self::new(columns, &["seq", "reason", "direction", "reply_bytes", "damage"])
    }

    /// A table in one piece. Whether a column is nullable does not depend on its values, so that tables have equal
    /// schemas.
    fn new(columns: Vec<(&str, ArrayRef)>, may_miss: &[&str]) -> PyResult<Self> {
        let field = |(name, array): &(&str, ArrayRef)| {
            Field::new(*name, array.data_type().clone(), may_miss.contains(name))
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(broken)?;
        Ok(Self::of_pieces(schema, vec![batch]))
    }

    fn of_pieces(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { pieces: Arc::new(Pieces::new(&schema, batches)), schema }
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.schema.fields().find(name).and_then(|(index, _)| self.pieces.column(index).ok())
    }
}

/// Nanoseconds, null where they are [`NONE`], which stays in the buffer as numpy's `NaT`.
fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    times_of(values.collect::<Vec<_>>().into())
}

fn times_of(values: ScalarBuffer<i64>) -> ArrayRef {
    let valid = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| values[row] != NONE));
    Arc::new(Int64Array::new(values, Some(valid).filter(|valid| valid.null_count() > 0)))
}

fn numbers<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

/// Floats; a missing one is `nan` in the buffer.
fn floats(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    let values: Vec<Option<f64>> = values.collect();
    let valid: NullBuffer = values.iter().map(Option::is_some).collect();
    let values: Vec<f64> = values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let valid = Some(valid).filter(|valid| valid.null_count() > 0);
    Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), valid))
}

/// Few different words, each stored once.
fn words<S: AsRef<str>>(values: impl Iterator<Item = Option<S>>) -> ArrayRef {
    let mut words = Words::default();
    values.for_each(|value| words.push(value.as_ref().map(AsRef::as_ref)));
    words.finish()
}

fn value<'py>(py: Python<'py>, array: &ArrayRef, index: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(index) {
        return Ok(py.None().into_bound(py));
    }
    macro_rules! number {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(index).into_bound_py_any(py)
        };
    }
    downcast_integer! {
        array.data_type() => (number),
        DataType::Float64 => number!(Float64Type),
        DataType::Boolean => array.as_boolean().value(index).into_bound_py_any(py),
        DataType::LargeBinary => {
            PyBytes::new(py, array.as_binary::<i64>().value(index)).into_bound_py_any(py)
        }
        DataType::Dictionary(..) => {
            let words = array.as_dictionary::<UInt32Type>();
            let key = words.keys().value(index) as usize;
            words.values().as_string::<i32>().value(key).into_bound_py_any(py)
        }
        other => Err(PyRuntimeError::new_err(format!("no Python value for {other}"))),
    }
}

/// An error of the program, not of its user.
fn broken(error: arrow_schema::ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
