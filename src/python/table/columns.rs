//! What is done with whole columns of a table: they are built from words, joined and compared. Arrow's own functions for
//! that bring in all of its types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, LargeBinaryArray, PrimitiveArray, StringArray,
};
use arrow_buffer::{ArrowNativeType as _, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType};

use crate::python::stream::array_of;

/// A column of few different words, each of which is stored once.
#[derive(Default)]
pub(super) struct Words {
    places: HashMap<String, u32>,
    keys: Vec<u32>,
    missing: Vec<usize>,
}

impl Words {
    pub(super) fn push(&mut self, word: Option<&str>) {
        let Some(word) = word else {
            self.missing.push(self.keys.len());
            self.keys.push(0);
            return;
        };
        let known = self.places.get(word).copied();
        self.keys.push(known.unwrap_or_else(|| {
            #[expect(clippy::cast_possible_truncation, reason = "a table has fewer rows than 2^32")]
            let next = self.places.len() as u32;
            self.places.insert(word.to_owned(), next);
            next
        }));
    }

    pub(super) fn finish(self) -> ArrayRef {
        let mut words = vec![""; self.places.len()];
        self.places.iter().for_each(|(word, place)| words[*place as usize] = word);
        let mut valid = NullBufferBuilder::new(self.keys.len());
        valid.append_n_non_nulls(self.keys.len());
        self.missing.iter().for_each(|row| valid.set_bit(*row, false));
        let keys = PrimitiveArray::<UInt32Type>::new(self.keys.into(), valid.build());
        Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from_iter_values(words))))
    }
}

/// The columns of some pieces, one after the other.
pub(super) fn joined(pieces: &[&ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let kind = pieces[0].data_type();
    let rows = pieces.iter().copied().map(Array::len).sum();
    Ok(match kind {
        DataType::Boolean => Arc::new(flags(pieces).collect::<BooleanArray>()),
        DataType::LargeBinary => {
            let values = || pieces.iter().map(|piece| piece.as_binary::<i64>());
            let lengths = values().flat_map(|piece| piece.offsets().lengths());
            let text: Vec<&[u8]> = values().map(inner).collect();
            let (offsets, text) = (OffsetBuffer::from_lengths(lengths), Buffer::from(text.concat()));
            Arc::new(LargeBinaryArray::try_new(offsets, text, nulls(pieces, rows))?)
        }
        DataType::Dictionary(..) => {
            let all = || pieces.iter().map(|piece| piece.as_dictionary::<UInt32Type>());
            let words = pieces[0].as_dictionary::<UInt32Type>().values();
            if all().any(|piece| !Arc::ptr_eq(piece.values(), words)) {
                let mut words = Words::default();
                for piece in pieces {
                    self::words(piece).for_each(|word| words.push(word));
                }
                return Ok(words.finish());
            }
            let keys: Vec<&[u32]> = all().map(|piece| &piece.keys().values()[..]).collect();
            let keys = PrimitiveArray::<UInt32Type>::try_new(keys.concat().into(), nulls(pieces, rows))?;
            Arc::new(DictionaryArray::try_new(keys, Arc::clone(words))?)
        }
        kind => {
            let pieces_of_bytes: Vec<Buffer> = pieces.iter().map(|piece| numbers(piece)).collect();
            let bytes = pieces_of_bytes.iter().map(Buffer::as_slice).collect::<Vec<_>>().concat();
            let array = ArrayData::builder(kind.clone()).len(rows).add_buffer(bytes.into());
            array_of(array.align_buffers(true).nulls(nulls(pieces, rows)).build()?)?
        }
    })
}

/// Whether two columns of one type have the same values. Floats are the same if their bits are.
pub(super) fn same(mine: &ArrayRef, theirs: &ArrayRef) -> bool {
    match mine.data_type() {
        DataType::Boolean => flags(&[mine]).eq(flags(&[theirs])),
        DataType::LargeBinary => mine.as_binary::<i64>().iter().eq(theirs.as_binary::<i64>()),
        DataType::Dictionary(..) => words(mine).eq(words(theirs)),
        kind => {
            let width = kind.primitive_width().unwrap_or(1);
            let (a, b) = (numbers(mine), numbers(theirs));
            let mut rows = a.chunks_exact(width).zip(b.chunks_exact(width)).enumerate();
            mine.len() == theirs.len()
                && if mine.null_count() + theirs.null_count() == 0 {
                    a == b
                } else {
                    rows.all(|(row, (a, b))| {
                        mine.is_null(row) == theirs.is_null(row) && (mine.is_null(row) || a == b)
                    })
                }
        }
    }
}

fn flags<'a>(pieces: &'a [&'a ArrayRef]) -> impl Iterator<Item = Option<bool>> + 'a {
    pieces.iter().flat_map(|piece| piece.as_boolean())
}

fn words(column: &ArrayRef) -> impl Iterator<Item = Option<&str>> {
    let column = column.as_dictionary::<UInt32Type>();
    let words = column.values().as_string::<i32>();
    column.keys().iter().map(|key| key.map(|key| words.value(key as usize)))
}

/// The bytes of numbers.
fn numbers(column: &ArrayRef) -> Buffer {
    let (data, width) = (column.to_data(), column.data_type().primitive_width().unwrap_or(0));
    data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width)
}

/// The bytes of all values together.
fn inner(column: &LargeBinaryArray) -> &[u8] {
    let offsets = column.offsets();
    &column.value_data()[offsets.first().as_usize()..offsets.last().as_usize()]
}

fn nulls(pieces: &[&ArrayRef], rows: usize) -> Option<NullBuffer> {
    let mut all = NullBufferBuilder::new(rows);
    for piece in pieces {
        match piece.nulls() {
            Some(nulls) => all.append_buffer(nulls),
            None => all.append_n_non_nulls(piece.len()),
        }
    }
    all.build()
}
