//! Converts columns of any type to those of the statistics: nanoseconds, whole numbers, codes of words.
//!
//! A column in one piece that has the right type is shared, not copied.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Float32Type, Float64Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, downcast_integer};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};

use crate::logic::record::NONE;
use crate::logic::stats::MOST_ROWS;
use crate::logic::{Invalid, Nanos};

/// Nanoseconds; [`NONE`] where there is none.
///
/// Durations and timestamps may have any unit, and numbers are nanoseconds: fractions are rounded, `nan` is none.
pub(super) fn times(name: &'static str, pieces: &[ArrayRef]) -> Result<ScalarBuffer<Nanos>, Invalid> {
    if let [piece] = pieces
        && let Some(shared) = shared_words(piece)
        && unit(piece.data_type()) == 1
        && nulls_hold_none(piece, &shared)
    {
        return Ok(shared);
    }
    let mut all = room(name, rows(pieces))?;
    for piece in pieces {
        fill(&mut all, name, piece, "nanoseconds, durations or moments", true)?;
    }
    Ok(all.into())
}

/// Room for so many values.
pub(super) fn room<T>(name: &'static str, rows: usize) -> Result<Vec<T>, Invalid> {
    let mut all = Vec::new();
    let wrong = |expected: String| Invalid::new(name, format!("of {rows} rows"), expected);
    if rows > MOST_ROWS {
        return Err(wrong(format!("at most {MOST_ROWS}")));
    }
    all.try_reserve_exact(rows).map_err(|_| wrong("as many as there is memory for".to_owned()))?;
    Ok(all)
}

fn rows(pieces: &[ArrayRef]) -> usize {
    pieces.iter().map(Array::len).sum()
}

fn nulls_hold_none(piece: &ArrayRef, values: &[Nanos]) -> bool {
    let nulls = piece.nulls().filter(|nulls| nulls.null_count() > 0);
    nulls.is_none_or(|nulls| nulls.iter().zip(values).all(|(valid, value)| valid || *value == NONE))
}

/// Whole numbers, one for each row.
fn wholes(name: &'static str, pieces: &[ArrayRef]) -> Result<ScalarBuffer<i64>, Invalid> {
    if let [piece] = pieces
        && piece.null_count() == 0
        && let Some(shared) = shared_words(piece)
    {
        return Ok(shared);
    }
    let mut all = room(name, rows(pieces))?;
    for piece in pieces {
        if let Some(row) = (0..piece.len()).find(|row| piece.is_null(*row)) {
            return Err(Invalid::new(name, "null", format!("a whole number in row {}", all.len() + row)));
        }
        fill(&mut all, name, piece, "whole numbers", false)?;
    }
    Ok(all.into())
}

/// Whole numbers from 0 on.
pub(super) fn counts(name: &'static str, pieces: &[ArrayRef]) -> Result<ScalarBuffer<u64>, Invalid> {
    if let Some(shared) = as_they_are::<UInt64Type>(pieces) {
        return Ok(shared);
    }
    let signed = wholes(name, pieces)?;
    if let Some(value) = signed.iter().find(|value| **value < 0) {
        // numpy and pandas store a missing number as the least one.
        let shown = if *value == NONE { "null".to_owned() } else { value.to_string() };
        return Err(Invalid::new(name, shown, "a whole number from 0"));
    }
    Ok(same_bytes(signed.into_inner()))
}

/// Whole numbers from 0 on, of 32 bits.
pub(super) fn small_counts(name: &'static str, pieces: &[ArrayRef]) -> Result<ScalarBuffer<u32>, Invalid> {
    if let Some(shared) = as_they_are::<UInt32Type>(pieces) {
        return Ok(shared);
    }
    let small = |value: &i64| {
        u32::try_from(*value).map_err(|_| Invalid::new(name, value, "a whole number from 0 to 4,294,967,295"))
    };
    wholes(name, pieces)?.iter().map(small).collect::<Result<Vec<u32>, _>>().map(ScalarBuffer::from)
}

/// The numbers of a column of exactly that type, if none is missing.
fn as_they_are<T: ArrowPrimitiveType>(pieces: &[ArrayRef]) -> Option<ScalarBuffer<T::Native>> {
    let numbers = |piece: &ArrayRef| {
        let numbers = piece.as_primitive_opt::<T>().filter(|numbers| numbers.null_count() == 0)?;
        Some(numbers.values().clone())
    };
    if let [piece] = pieces {
        return numbers(piece);
    }
    let mut all = room("", rows(pieces)).ok()?;
    for piece in pieces {
        all.extend_from_slice(&numbers(piece)?);
    }
    Some(all.into())
}

/// The 64-bit values of a column, of any type that has them.
fn shared_words(piece: &ArrayRef) -> Option<ScalarBuffer<i64>> {
    match piece.data_type() {
        DataType::Int64 | DataType::Timestamp(..) | DataType::Duration(_) => {
            let data = piece.to_data();
            let bytes = data.buffers()[0].slice_with_length(data.offset() * 8, data.len() * 8);
            Some(same_bytes(bytes))
        }
        _ => None,
    }
}

fn same_bytes<T: ArrowNativeType>(bytes: Buffer) -> ScalarBuffer<T> {
    let length = bytes.len() / size_of::<T>();
    ScalarBuffer::new(bytes, 0, length)
}

/// The nanoseconds of one unit of a type.
fn unit(kind: &DataType) -> i64 {
    match kind {
        DataType::Timestamp(unit, _) | DataType::Duration(unit) => match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        },
        _ => 1,
    }
}

/// Appends the numbers of a piece; [`NONE`] where it has none. `rounded` rounds a fraction.
fn fill(
    all: &mut Vec<i64>,
    name: &'static str,
    piece: &ArrayRef,
    expected: &'static str,
    rounded: bool,
) -> Result<(), Invalid> {
    let wrong = |value: &dyn std::fmt::Display| Invalid::new(name, value, expected);
    let scale = unit(piece.data_type());
    if let Some(words) = shared_words(piece) {
        if scale == 1 && nulls_hold_none(piece, &words) {
            all.extend_from_slice(&words);
            return Ok(());
        }
        for (row, word) in words.iter().enumerate() {
            let none = *word == NONE || piece.is_null(row);
            all.push(if none { NONE } else { word.checked_mul(scale).ok_or_else(|| wrong(word))? });
        }
        return Ok(());
    }
    let fraction = |value: f64| {
        if value.is_nan() && rounded {
            return Ok(NONE);
        }
        whole(value).filter(|_| rounded || value.fract() == 0.0).ok_or_else(|| wrong(&value))
    };
    macro_rules! whole_numbers {
        ($kind:ty) => {
            append::<$kind>(all, piece, |value| value.try_into().map_err(|_| wrong(&value)))
        };
    }
    downcast_integer! {
        piece.data_type() => (whole_numbers),
        DataType::Float32 => append::<Float32Type>(all, piece, |value| fraction(value.into())),
        DataType::Float64 => append::<Float64Type>(all, piece, fraction),
        DataType::Null => {
            all.resize(all.len() + piece.len(), NONE);
            Ok(())
        }
        other => Err(Invalid::new(name, format!("of type {other}"), expected)),
    }
}

fn append<T: ArrowPrimitiveType>(
    all: &mut Vec<i64>,
    piece: &ArrayRef,
    number: impl Fn(T::Native) -> Result<i64, Invalid>,
) -> Result<(), Invalid> {
    for value in piece.as_primitive::<T>() {
        all.push(value.map_or(Ok(NONE), &number)?);
    }
    Ok(())
}

/// The nearest whole number; `None` beyond 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "within 64 bits")]
fn whole(value: f64) -> Option<i64> {
    let near = value.round();
    (near.abs() < 9.2e18).then_some(near as i64)
}

/// The `code` of each word, which is computed once for each word of a dictionary and for each run of equal words.
pub(super) fn codes<C: Copy>(
    name: &'static str,
    pieces: &[ArrayRef],
    mut code: impl FnMut(Option<&str>) -> Result<C, Invalid>,
) -> Result<Vec<C>, Invalid> {
    let mut all = room(name, rows(pieces))?;
    for piece in pieces {
        let kind = piece.data_type();
        let wrong = || Invalid::new(name, format!("of type {kind}"), "words");
        macro_rules! keys {
            ($kind:ty) => {
                by_key::<$kind, C>(&mut all, piece, wrong, &mut code)
            };
        }
        match kind {
            DataType::Dictionary(key, _) => downcast_integer! {
                key.as_ref() => (keys),
                _ => Err(wrong())
            },
            _ => by_word(&mut all, words(piece).ok_or_else(wrong)?, &mut code),
        }?;
    }
    Ok(all)
}

type Words<'a> = Box<dyn Iterator<Item = Option<&'a str>> + 'a>;

fn words(piece: &ArrayRef) -> Option<Words<'_>> {
    Some(match piece.data_type() {
        DataType::Utf8 => Box::new(piece.as_string::<i32>().iter()),
        DataType::LargeUtf8 => Box::new(piece.as_string::<i64>().iter()),
        DataType::Utf8View => Box::new(piece.as_string_view().iter()),
        DataType::Null => Box::new(std::iter::repeat_n(None, piece.len())),
        // pandas stores a column without any word as numbers.
        DataType::Float64 if piece.as_primitive::<Float64Type>().iter().flatten().all(f64::is_nan) => {
            Box::new(std::iter::repeat_n(None, piece.len()))
        }
        _ if piece.is_empty() => Box::new(std::iter::empty()),
        _ => return None,
    })
}

fn by_word<'a, C: Copy>(
    all: &mut Vec<C>,
    words: Words<'a>,
    code: &mut impl FnMut(Option<&str>) -> Result<C, Invalid>,
) -> Result<(), Invalid> {
    let mut last: Option<(Option<&'a str>, C)> = None;
    for word in words {
        let known = last.filter(|(before, _)| *before == word);
        let (_, found) = known.map_or_else(|| code(word).map(|found| (word, found)), Ok)?;
        last = Some((word, found));
        all.push(found);
    }
    Ok(())
}

fn by_key<K: ArrowDictionaryKeyType, C: Copy>(
    all: &mut Vec<C>,
    piece: &ArrayRef,
    wrong: impl Fn() -> Invalid,
    code: &mut impl FnMut(Option<&str>) -> Result<C, Invalid>,
) -> Result<(), Invalid> {
    let dictionary = piece.as_dictionary::<K>();
    let words: Vec<Option<&str>> = words(dictionary.values()).ok_or_else(wrong)?.collect();
    // Words that no row uses are not checked.
    let (mut known, mut of_none) = (vec![None; words.len()], None);
    for key in dictionary.keys() {
        let key = key.map(K::Native::as_usize);
        let word = key.and_then(|key| words.get(key).copied().flatten());
        let known = key.and_then(|key| known.get_mut(key)).unwrap_or(&mut of_none);
        let found = match *known {
            Some(found) => found,
            None => code(word)?,
        };
        *known = Some(found);
        all.push(found);
    }
    Ok(())
}
