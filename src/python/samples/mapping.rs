//! Converts columns of Python objects to Arrow arrays: memory of numbers, such as that of numpy, or plain values.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, NullArray, PrimitiveArray, StringArray,
};
use pyo3::buffer::{Element, PyBuffer, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::columns::room;
use crate::logic::Invalid;
use crate::python::stream;

/// A column of a dict: an Arrow array or stream, memory of numbers, a list, or words as a pair of codes and a list; a
/// code below 0 is no word. `None` if there is none of that name.
pub(super) fn column(mapping: &Bound<'_, PyDict>, name: &'static str) -> PyResult<Option<Vec<ArrayRef>>> {
    let Some(column) = mapping.get_item(name)? else { return Ok(None) };
    if let Some(pieces) = stream::column(name, &column)? {
        return Ok(Some(pieces));
    }
    let array = if let Ok(values) = column.cast::<PyList>() {
        listed(name, values)?
    } else if let Ok(pair) = column.cast::<PyTuple>() {
        coded(name, pair)?
    } else {
        numbers(name, &column)?
    };
    Ok(Some(vec![array]))
}

fn listed(name: &'static str, values: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let wrong = |value: &Bound<'_, PyAny>| -> PyErr {
        let shown = value.repr().map_or_else(|_| "of this kind".to_owned(), |text| text.to_string());
        Invalid::new(name, shown, "numbers that fit into 64 bits, or words, and None").into()
    };
    let Some(first) = values.iter().find(|value| !value.is_none()) else {
        return Ok(Arc::new(NullArray::new(values.len())));
    };
    if first.is_instance_of::<PyString>() {
        let words: PyResult<Vec<Option<String>>> =
            values.iter().map(|value| value.extract().map_err(|_| wrong(&value))).collect();
        return Ok(Arc::new(StringArray::from(words?)));
    }
    // numpy's floats, `Decimal` and `Fraction` have a float too.
    let has_float = |value: &Bound<'_, PyAny>| {
        value.is_instance_of::<PyFloat>()
            || (!value.is_instance_of::<PyInt>() && !value.is_none() && value.extract::<i64>().is_err())
    };
    if values.iter().any(|value| has_float(&value)) {
        let numbers: PyResult<Vec<Option<f64>>> =
            values.iter().map(|value| value.extract().map_err(|_| wrong(&value))).collect();
        return Ok(Arc::new(Float64Array::from(numbers?)));
    }
    let number = |value: Bound<'_, PyAny>| {
        if value.is_none() {
            return Ok(None);
        }
        // True has an `__index__` too, and is refused.
        let whole = value.is_exact_instance_of::<PyInt>() || !value.is_instance_of::<PyInt>();
        value.extract::<i64>().ok().filter(|_| whole).map(Some).ok_or_else(|| wrong(&value))
    };
    let numbers: PyResult<Vec<Option<i64>>> = values.iter().map(number).collect();
    Ok(Arc::new(Int64Array::from(numbers?)))
}

fn coded(name: &'static str, pair: &Bound<'_, PyTuple>) -> PyResult<ArrayRef> {
    let (codes, words): (PyBuffer<i64>, Vec<String>) = pair.extract()?;
    let codes = codes.to_vec(pair.py())?.into_iter();
    let keys: PrimitiveArray<Int64Type> = codes.map(|code| (code >= 0).then_some(code)).collect();
    let array = DictionaryArray::try_new(keys, Arc::new(StringArray::from(words)));
    Ok(Arc::new(array.map_err(|error| Invalid::new(name, format!("({error})"), "words"))?))
}

fn numbers(name: &'static str, column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let wrong = |what: String| Invalid::new(name, what, "numbers or words");
    let kind = column.get_type().name()?;
    let buffer = PyUntypedBuffer::get(column).map_err(|_| wrong(format!("of type {kind}")))?;
    if buffer.dimensions() != 1 {
        return Err(wrong(format!("of {} dimensions", buffer.dimensions())).into());
    }
    let py = column.py();
    let read = [
        copied::<Int64Type>,
        copied::<UInt64Type>,
        copied::<Float64Type>,
        copied::<Int32Type>,
        copied::<UInt32Type>,
        copied::<Float32Type>,
        copied::<Int16Type>,
        copied::<UInt16Type>,
        copied::<Int8Type>,
        copied::<UInt8Type>,
    ];
    let found = read.iter().find_map(|read| read(py, name, &buffer));
    found.unwrap_or_else(|| Err(wrong(format!("of format {:?}", buffer.format())).into()))
}

fn copied<T>(py: Python<'_>, name: &'static str, buffer: &PyUntypedBuffer) -> Option<PyResult<ArrayRef>>
where
    T: ArrowPrimitiveType,
    T::Native: Element,
{
    let typed = buffer.as_typed::<T::Native>().ok()?;
    let copy = || {
        // An array that repeats a value has more rows than memory.
        let mut values: Vec<T::Native> = room(name, typed.item_count())?;
        values.resize(typed.item_count(), T::Native::default());
        typed.copy_to_slice(py, &mut values)?;
        Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), None)) as ArrayRef)
    };
    Some(copy())
}
