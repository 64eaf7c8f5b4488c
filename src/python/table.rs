//! `Table` and `Column`: results as Arrow data, for everything that reads the Arrow C interface, and for numpy.
//!
//! The only room that knows Arrow. Exports share the buffers; nothing is copied.

mod cell;
mod heartbeats;
pub(super) mod picture;
mod rows;
mod stats;
mod summaries;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{LargeBinaryBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray as _;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, PrimitiveArray, RecordBatch, RecordBatchIterator};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};
use pyo3::IntoPyObjectExt as _;
use pyo3::exceptions::{PyAttributeError, PyIndexError, PyKeyError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyList, PyTuple};

use crate::logic::echo::Columns;
use crate::logic::record::{Match, NONE, Rows, Stamp, Status};
use crate::net::ping::Lane;

pub(super) use rows::{run_from_arrow, run_from_csv, run_from_rows};
pub(super) use summaries::run_summaries;

/// Columns of equal length, by name.
#[pyclass(frozen, module = "udpping._core")]
pub(super) struct Table {
    batch: RecordBatch,
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
        self.batch.num_rows()
    }

    /// The names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The column of that name.
    fn __getitem__(&self, name: &str) -> PyResult<Column> {
        let (index, field) = self.batch.schema_ref().fields().find(name).ok_or_else(|| {
            PyKeyError::new_err(format!("no column {name:?}; there are {}", self.column_names().join(", ")))
        })?;
        Ok(Column { field: Arc::clone(field), array: Arc::clone(self.batch.column(index)) })
    }

    /// Row `index` as a tuple in the order of the columns.
    #[pyo3(signature = (index: "int") -> "tuple[object, ...]")]
    fn row<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyTuple>> {
        if index >= self.batch.num_rows() {
            return Err(PyIndexError::new_err(format!("row {index} of {}", self.batch.num_rows())));
        }
        let values =
            self.batch.columns().iter().map(|array| value(py, array, index)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, values)
    }

    /// Whether the other has the same columns, of the same types, with the same values.
    fn equals(&self, py: Python<'_>, other: &Self) -> bool {
        let same = |a: &Field, b: &Field| a.name() == b.name() && a.data_type() == b.data_type();
        let (mine, theirs) = (self.batch.schema_ref().fields(), other.batch.schema_ref().fields());
        mine.len() == theirs.len()
            && mine.iter().zip(theirs).all(|(a, b)| same(a, b))
            && py.detach(|| self.batch.columns() == other.batch.columns())
    }

    /// The same table, with these words about it in its schema.
    fn with_metadata(&self, metadata: HashMap<String, String>) -> PyResult<Self> {
        let schema = self.batch.schema_ref().as_ref().clone().with_metadata(metadata);
        let columns = self.batch.columns().to_vec();
        Ok(Self { batch: RecordBatch::try_new(Arc::new(schema), columns).map_err(broken)? })
    }

    /// The schema, as a capsule of the Arrow C data interface.
    #[pyo3(signature = () -> "object")]
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.batch.schema_ref().as_ref()).map_err(broken)?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The table as a stream of one batch, as a capsule of the Arrow C stream interface. No data is copied.
    #[pyo3(signature = (requested_schema: "object | None" = None) -> "object")]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // By the interface's rules a request may be ignored; the consumer then casts.
        drop(requested_schema);
        let reader = RecordBatchIterator::new([Ok(self.batch.clone())], self.batch.schema());
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

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        self.field.name()
    }

    /// How many values are missing.
    #[getter]
    fn null_count(&self) -> usize {
        self.array.null_count()
    }

    /// One byte for each row: 1 where the value is missing.
    fn null_mask<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mask: Vec<u8> = (0..self.array.len()).map(|index| u8::from(self.array.is_null(index))).collect();
        PyBytes::new(py, &mask)
    }

    /// All values as a Python list.
    #[pyo3(signature = () -> "list[object]")]
    fn to_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
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
        let interface = PyDict::new(py);
        interface.set_item("version", 3)?;
        interface.set_item("shape", (this.array.len(),))?;
        interface.set_item("typestr", kind)?;
        interface.set_item("data", (address, true))?;
        Ok(interface.into_any())
    }

    /// The type, as a capsule of the Arrow C data interface.
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
    /// Where the numbers lie, and what numpy calls them. A missing number has no place in numpy
    /// unless it is a time (`NaT`) or has a fraction (`nan`).
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
        Some(match self.array.data_type() {
            DataType::Int64 => {
                (address(self.array.as_primitive::<Int64Type>().values()), time.unwrap_or("<i8"))
            }
            DataType::Float64 => (address(self.array.as_primitive::<Float64Type>().values()), "<f8"),
            DataType::UInt64 => (address(self.array.as_primitive::<UInt64Type>().values()), "<u8"),
            DataType::UInt32 => (address(self.array.as_primitive::<UInt32Type>().values()), "<u4"),
            DataType::UInt8 => (address(self.array.as_primitive::<UInt8Type>().values()), "|u1"),
            _ => return None,
        })
    }
}

fn address<T: ArrowNativeType>(values: &ScalarBuffer<T>) -> usize {
    values.inner().as_ptr().addr()
}

impl Table {
    /// The rows of a ping run, or the `latest` of each target, target after target; pings in flight are left out.
    pub(super) fn of_run(run: i64, lanes: &[(&str, &Rows)], latest: Option<usize>) -> PyResult<Self> {
        let first = |rows: &Rows| latest.map_or(0, |latest| rows.len().saturating_sub(latest));
        let places: Vec<(&str, &Rows, usize)> = lanes
            .iter()
            .flat_map(|(name, rows)| (first(rows)..rows.len()).map(move |index| (*name, *rows, index)))
            .filter(|(_, rows, index)| rows.status(*index) != Status::Open)
            .collect();
        let has_reply = |rows: &Rows, index: usize| rows.copies[index] != 0;
        let each = || places.iter().map(|(_, rows, index)| (*rows, *index));
        let replied: NullBuffer = each().map(|(rows, index)| has_reply(rows, index)).collect();
        let mut reply = LargeBinaryBuilder::with_capacity(places.len(), 0);
        for (rows, index) in each() {
            reply.append_option(has_reply(rows, index).then(|| &rows.reply[index]));
        }
        let code = |names: &'static [&'static str], codes: fn(&Rows) -> &Vec<u8>, always: bool| {
            words(each().map(|(rows, index)| {
                (always || has_reply(rows, index)).then(|| names[usize::from(codes(rows)[index])])
            }))
        };
        let columns = vec![
            ("run", times(places.iter().map(|_| run))),
            ("target", words(places.iter().map(|(name, ..)| Some(*name)))),
            (
                "seq",
                Arc::new(each().map(|(rows, index)| rows.seq(index)).collect::<PrimitiveArray<UInt64Type>>()),
            ),
            ("due_ns", times(each().map(|(rows, index)| rows.due[index]))),
            ("sent_ns", times(each().map(|(rows, index)| rows.sent[index]))),
            ("sent_wall_ns", times(each().map(|(rows, index)| rows.sent_wall[index]))),
            ("rtt_ns", times(each().map(|(rows, index)| rows.rtt[index]))),
            ("user_rtt_ns", times(each().map(|(rows, index)| rows.user_rtt[index]))),
            ("status", code(&Status::NAMES, |rows| &rows.status, true)),
            ("copies", numbers::<UInt32Type>(each().map(|(rows, index)| rows.copies[index]), None)),
            (
                "source",
                words(each().map(|(rows, index)| {
                    rows.sources().get(rows.source[index] as usize).map(ToString::to_string)
                })),
            ),
            (
                "ttl",
                numbers::<UInt8Type>(
                    each().map(|(rows, index)| rows.ttl[index]),
                    Some(each().map(|(rows, index)| rows.ttl[index] != 0).collect()),
                ),
            ),
            ("bytes", numbers::<UInt32Type>(each().map(|(rows, index)| rows.bytes[index]), Some(replied))),
            ("stamp", code(&Stamp::NAMES, |rows| &rows.stamp, false)),
            ("reply", Arc::new(reply.finish())),
            ("match", code(&Match::NAMES, |rows| &rows.matched, false)),
            // The places of what a server may say of itself: no reply carries it yet.
            ("server_recv_ns", times(each().map(|_| NONE))),
            ("server_sent_ns", times(each().map(|_| NONE))),
        ];
        // What other programs measured may be without some of it; what no run can be without is the rest.
        let replied = ["source", "ttl", "bytes", "stamp", "reply", "match"];
        let times = ["run", "due_ns", "sent_ns", "sent_wall_ns", "rtt_ns", "user_rtt_ns"];
        let server = ["server_recv_ns", "server_sent_ns"];
        Self::new(columns, &[&times[..], &server[..], &replied[..]].concat())
    }

    /// The rows of the lanes of a session.
    pub(super) fn of_lanes(run: i64, lanes: &[Lane], latest: Option<usize>) -> PyResult<Self> {
        let lanes: Vec<_> = lanes.iter().map(|lane| (lane.name.as_str(), lane.pinger.rows())).collect();
        Self::of_run(run, &lanes, latest)
    }

    /// The rows of a server's log.
    pub(super) fn of_log(log: &Columns) -> PyResult<Self> {
        let columns = vec![
            ("recv_ns", times(log.recv_ns.iter().copied())),
            ("recv_wall_ns", times(log.wall_ns.iter().copied())),
            ("client", words(log.source.iter().map(|source| Some(source.to_string())))),
            ("client_index", numbers::<UInt32Type>(log.client.iter().copied(), None)),
            ("number", numbers::<UInt64Type>(log.number.iter().copied(), None)),
            ("seq", Arc::new(log.seq.iter().copied().collect::<PrimitiveArray<UInt64Type>>())),
            ("verdict", words(log.verdict.iter().map(|verdict| Some(verdict.as_str())))),
            (
                "reason",
                words(
                    log.reason.iter().map(|reason| Some(reason.as_str()).filter(|reason| !reason.is_empty())),
                ),
            ),
            ("delay_ns", times(log.delay_ns.iter().copied())),
        ];
        Self::new(columns, &["seq", "reason"])
    }

    /// A column says that values may be missing by what it is, not by what it holds, so that tables fit together.
    fn new(columns: Vec<(&str, ArrayRef)>, may_miss: &[&str]) -> PyResult<Self> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, array)| Field::new(*name, array.data_type().clone(), may_miss.contains(name)))
            .collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        Ok(Self { batch: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(broken)? })
    }
}

/// Nanoseconds, null where they are [`NONE`]; the number stays underneath, as numpy's `NaT`.
fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    let values: Vec<i64> = values.collect();
    let valid: NullBuffer = values.iter().map(|value| *value != NONE).collect();
    Arc::new(Int64Array::new(values.into(), Some(valid).filter(|valid| valid.null_count() > 0)))
}

fn numbers<T: arrow_array::types::ArrowPrimitiveType>(
    values: impl Iterator<Item = T::Native>,
    valid: Option<NullBuffer>,
) -> ArrayRef {
    let values: Vec<T::Native> = values.collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), valid.filter(|valid| valid.null_count() > 0)))
}

/// Numbers with a fraction; a missing one stays underneath as `nan`.
fn floats(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    let values: Vec<Option<f64>> = values.collect();
    let valid: NullBuffer = values.iter().map(Option::is_some).collect();
    let values: Vec<f64> = values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let valid = Some(valid).filter(|valid| valid.null_count() > 0);
    Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), valid))
}

/// Few different words, each stored once.
fn words<S: AsRef<str>>(values: impl Iterator<Item = Option<S>>) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<UInt32Type>::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// One value as Python sees it.
fn value<'py>(py: Python<'py>, array: &ArrayRef, index: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(index) {
        return Ok(py.None().into_bound(py));
    }
    match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(index).into_bound_py_any(py),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(index).into_bound_py_any(py),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(index).into_bound_py_any(py),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(index).into_bound_py_any(py),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(index).into_bound_py_any(py),
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

/// A mistake of ours, not of the user's.
#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn broken(error: arrow_schema::ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
