//! Arrays of the types that a column can have. Arrow's own function for that brings in all other types: 150 KB of a wheel.

use std::sync::Arc;

use arrow_array::types::{
    ArrowDictionaryKeyType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float32Type, Float64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, DictionaryArray, LargeBinaryArray,
    LargeStringArray, NullArray, PrimitiveArray, StringArray, StringViewArray, downcast_integer,
};
use arrow_buffer::ScalarBuffer;
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, TimeUnit};

/// An array of valid data.
pub(in crate::python) fn array_of(data: ArrayData) -> Result<ArrayRef, ArrowError> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    macro_rules! primitive {
        ($kind:ty) => {
            Arc::new(PrimitiveArray::<$kind>::from(data))
        };
    }
    macro_rules! keyed {
        ($kind:ty) => {
            dictionary::<$kind>(&data)?
        };
    }
    Ok(downcast_integer! {
        data.data_type() => (primitive),
        DataType::Null => Arc::new(NullArray::from(data)),
        DataType::Boolean => Arc::new(BooleanArray::from(data)),
        DataType::Float32 => primitive!(Float32Type),
        DataType::Float64 => primitive!(Float64Type),
        DataType::Timestamp(Second, _) => primitive!(TimestampSecondType),
        DataType::Timestamp(Millisecond, _) => primitive!(TimestampMillisecondType),
        DataType::Timestamp(Microsecond, _) => primitive!(TimestampMicrosecondType),
        DataType::Timestamp(Nanosecond, _) => primitive!(TimestampNanosecondType),
        DataType::Duration(Second) => primitive!(DurationSecondType),
        DataType::Duration(Millisecond) => primitive!(DurationMillisecondType),
        DataType::Duration(Microsecond) => primitive!(DurationMicrosecondType),
        DataType::Duration(Nanosecond) => primitive!(DurationNanosecondType),
        DataType::Utf8 => Arc::new(StringArray::from(data)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(data)),
        DataType::Utf8View => Arc::new(StringViewArray::from(data)),
        DataType::Binary => Arc::new(BinaryArray::from(data)),
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from(data)),
        DataType::BinaryView => Arc::new(BinaryViewArray::from(data)),
        DataType::Dictionary(key, _) => downcast_integer! {
            key.as_ref() => (keyed),
            other => return Err(unknown(other))
        },
        other => return Err(unknown(other)),
    })
}

/// An array without values.
pub(in crate::python) fn empty(kind: &DataType) -> Result<ArrayRef, ArrowError> {
    array_of(ArrayData::new_empty(kind))
}

fn dictionary<K: ArrowDictionaryKeyType>(data: &ArrayData) -> Result<ArrayRef, ArrowError> {
    let keys = ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), data.len());
    let keys = PrimitiveArray::<K>::new(keys, data.nulls().cloned());
    Ok(Arc::new(DictionaryArray::try_new(keys, array_of(data.child_data()[0].clone())?)?))
}

fn unknown(kind: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("a column of {kind}"))
}
