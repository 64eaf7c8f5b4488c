//! Imports tables and columns of other libraries through the Arrow C stream and array interfaces.
//!
//! The only module outside `net::sys` with `unsafe`. By the rules of the interfaces, a capsule with the right name
//! holds that structure, valid for as long as the capsule, and code that moves it out leaves a released one.
#![allow(unsafe_code, reason = "a capsule holds a pointer, and no other way leads into it")]

use std::ffi::CStr;
use std::ptr::NonNull;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{Array as _, ArrayReader as _, ArrayRef, RecordBatch, StructArray, make_array};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::logic::Invalid;

/// A table in one or more pieces.
pub(super) struct Stream {
    pub(super) schema: SchemaRef,
    pub(super) batches: Vec<RecordBatch>,
}

impl Stream {
    /// The pieces of a column; `None` if there is no column of that name.
    pub(super) fn column(&self, name: &str) -> Option<Vec<ArrayRef>> {
        let (index, _) = self.schema.fields().find(name)?;
        Some(self.batches.iter().map(|batch| batch.column(index).clone()).collect())
    }
}

/// The table that an object hands over by `__arrow_c_stream__` or `__arrow_c_array__`, without a copy; `None` if it has
/// neither.
///
/// Raises the errors of the object, and `ConfigError` for a column on its own, which is not a table.
pub(super) fn table(object: &Bound<'_, PyAny>) -> PyResult<Option<Stream>> {
    let Some(Pieces { kind, arrays }) = pieces(object)? else { return Ok(None) };
    let DataType::Struct(fields) = kind else {
        return Err(Invalid::new("table", format!("of one column of type {kind}"), "named columns").into());
    };
    let batches = arrays.iter().map(batch).collect::<PyResult<_>>()?;
    Ok(Some(Stream { schema: Schema::new(fields).into(), batches }))
}

fn batch(array: &ArrayRef) -> PyResult<RecordBatch> {
    let rows = array.as_any().downcast_ref::<StructArray>().filter(|rows| rows.null_count() == 0);
    let rows = rows.ok_or_else(|| Invalid::new("table", "with rows that are null", "rows of values"))?;
    Ok(RecordBatch::from(rows))
}

/// The pieces of the column that an object hands over in the same way; `None` if it has neither.
pub(super) fn column(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<ArrayRef>>> {
    Ok(pieces(object)?.map(|pieces| pieces.arrays))
}

struct Pieces {
    kind: DataType,
    arrays: Vec<ArrayRef>,
}

fn pieces(object: &Bound<'_, PyAny>) -> PyResult<Option<Pieces>> {
    if let Some(method) = object.getattr_opt("__arrow_c_stream__")? {
        let stream: FFI_ArrowArrayStream = moved_stream(&method.call0()?)?;
        // The producer may compute now, on threads of its own, and some of them may need the interpreter.
        let read = || -> Result<Pieces, ArrowError> {
            let reader = ArrayStreamReader::try_new(stream)?;
            let kind = reader.field().data_type().clone();
            Ok(Pieces { kind, arrays: reader.collect::<Result<_, _>>()? })
        };
        return object.py().detach(read).map(Some).map_err(unreadable);
    }
    if let Some(method) = object.getattr_opt("__arrow_c_array__")? {
        let both = method.call0()?;
        let both = both.cast::<PyTuple>()?;
        let array = moved_array(&both.get_item(0)?, &both.get_item(1)?)?;
        return Ok(Some(Pieces { kind: array.data_type().clone(), arrays: vec![array] }));
    }
    Ok(None)
}

fn moved_stream(capsule: &Bound<'_, PyAny>) -> PyResult<FFI_ArrowArrayStream> {
    let stream = pointer::<FFI_ArrowArrayStream>(capsule, c"arrow_array_stream")?;
    // SAFETY: by its name this is a stream, which the capsule keeps alive until we return. What is moved out is
    // replaced by a released one, which the capsule's destructor leaves alone.
    Ok(unsafe { FFI_ArrowArrayStream::from_raw(stream.as_ptr()) })
}

fn moved_array(schema: &Bound<'_, PyAny>, array: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let schema = pointer::<FFI_ArrowSchema>(schema, c"arrow_schema")?;
    let array = pointer::<FFI_ArrowArray>(array, c"arrow_array")?;
    // SAFETY: the names identify the structures, and the capsules keep them alive until we return; the array is moved
    // out as the stream above. The interface guarantees that the array matches the schema.
    let data = unsafe { from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
    Ok(make_array(data.map_err(unreadable)?))
}

fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<T>> {
    Ok(capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?.cast())
}

fn unreadable(error: ArrowError) -> PyErr {
    Invalid::new("table", format!("({error})"), "a table that its library can hand over").into()
}
