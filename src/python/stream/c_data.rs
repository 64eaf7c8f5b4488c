//! The structures of the [Arrow C data](https://arrow.apache.org/docs/format/CDataInterface.html) and stream interfaces,
//! checked in full before anything in them is used.
//!
//! The only module outside `net::sys` with `unsafe`. Checked here: released structures, pointers that are null or not
//! aligned, counts of children and buffers, lengths, offsets, types, and by Arrow's `build` what is in a buffer: offsets,
//! UTF-8, keys of a dictionary. Nothing is recursive, as a column of a run holds no other. What no consumer can check has
//! to be believed: the interface gives no length of a buffer, so memory must be as long as its array says, and stay the
//! same while it is used.
#![allow(unsafe_code, reason = "a capsule holds a pointer, and no other way leads into it")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::DataType;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::array::array_of;
use super::kind;
use crate::logic::Invalid;

/// The most columns of a table, and the most buffers of an array.
const MOST_PARTS: usize = 1 << 20;
/// The most values of an array: no buffer of so many has more bytes than Rust allows.
const MOST_VALUES: usize = isize::MAX as usize / 32;
/// The most characters of a producer's error.
const SHOWN: usize = 200;

type Release<T> = Option<unsafe extern "C" fn(*mut T)>;

#[repr(C)]
pub(super) struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *const *const Schema,
    dictionary: *const Schema,
    release: Release<Schema>,
    private_data: *mut c_void,
}

#[repr(C)]
pub(super) struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *mut u8,
    children: *const *const Array,
    dictionary: *const Array,
    release: Release<Array>,
    private_data: *mut c_void,
}

#[repr(C)]
pub(super) struct Stream {
    get_schema: Option<unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut Stream) -> *const c_char>,
    release: Release<Stream>,
    private_data: *mut c_void,
}

/// A structure that is moved out of a capsule, and released by its producer when it is dropped.
pub(super) trait Structure: Sized {
    const CAPSULE: &'static CStr;

    /// One without content.
    fn released() -> Self;

    fn is_released(&self) -> bool;

    /// Moves the structure out of a capsule and leaves a released one, which the capsule's destructor leaves alone.
    fn taken(capsule: &Bound<'_, PyAny>) -> PyResult<Self> {
        let wrong = || unfit(format!("without a capsule {:?}", Self::CAPSULE));
        let capsule = capsule.cast::<PyCapsule>().map_err(|_| wrong())?;
        let place = capsule.pointer_checked(Some(Self::CAPSULE)).map_err(|_| wrong())?.cast::<Self>();
        if !place.is_aligned() {
            return Err(wrong().into());
        }
        // SAFETY: the capsule has the name of this structure, so it holds one, and stays until we return. It is aligned.
        let taken = unsafe { place.replace(Self::released()) };
        if taken.is_released() { Err(unfit("that was read before").into()) } else { Ok(taken) }
    }
}

macro_rules! structures {
    ($($kind:ident $capsule:literal)*) => {$(
        impl Structure for $kind {
            const CAPSULE: &'static CStr = $capsule;

            fn released() -> Self {
                // SAFETY: it has numbers, raw pointers and optional functions alone, and 0 is a value of each.
                unsafe { std::mem::zeroed() }
            }

            fn is_released(&self) -> bool {
                self.release.is_none()
            }
        }

        impl Drop for $kind {
            fn drop(&mut self) {
                if let Some(release) = self.release {
                    // SAFETY: the producer gave this function for this structure, which nobody else has: it was moved.
                    unsafe { release(self) }
                }
            }
        }

        // SAFETY: the interfaces have it released, and a stream asked, by any one thread at a time; we only read the
        // rest, and hand out no pointer.
        unsafe impl Send for $kind {}
    )*};
}

structures! { Schema c"arrow_schema" Array c"arrow_array" Stream c"arrow_array_stream" }

// SAFETY: behind a shared reference it is only read.
unsafe impl Sync for Array {}

impl Stream {
    pub(super) fn schema(&mut self) -> Result<Schema, Invalid> {
        let schema = self.asked(self.get_schema)?;
        if schema.is_released() { Err(unfit("without a schema")) } else { Ok(schema) }
    }

    /// The next piece; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Array>, Invalid> {
        let array = self.asked(self.get_next)?;
        Ok(if array.is_released() { None } else { Some(array) })
    }

    fn asked<T: Structure>(
        &mut self,
        function: Option<unsafe extern "C" fn(*mut Stream, *mut T) -> c_int>,
    ) -> Result<T, Invalid> {
        let function = function.ok_or_else(|| unfit("of a stream without its functions"))?;
        let mut out = T::released();
        // SAFETY: the stream is not released, its producer gave the function for it, and `out` is there to be written.
        if unsafe { function(self, &raw mut out) } == 0 {
            return Ok(out);
        }
        // After an error nothing is in it.
        std::mem::forget(out);
        Err(unfit(format!("({})", self.error())))
    }

    /// What the producer says of the error that it just returned.
    fn error(&mut self) -> String {
        // SAFETY: as above.
        let told = self.get_last_error.map_or(ptr::null(), |function| unsafe { function(self) });
        // SAFETY: it is a text of the stream, and read before anything else is asked.
        let told = unsafe { text(&told) }.map(|told| told.to_string_lossy().chars().take(SHOWN).collect());
        told.unwrap_or_else(|| "an error without a text".to_owned())
    }
}

impl Schema {
    pub(super) fn name(&self) -> String {
        // SAFETY: it is part of this schema, which is not released.
        unsafe { text(&self.name) }.map_or_else(String::new, |text| text.to_string_lossy().into_owned())
    }

    /// The type in the words of the interface.
    fn format(&self) -> Result<&str, Invalid> {
        // SAFETY: it is part of this schema, which is not released.
        let text = unsafe { text(&self.format) };
        text.and_then(|text| text.to_str().ok()).ok_or_else(|| unfit("with a column without a type"))
    }

    /// The columns, if this is a table.
    pub(super) fn columns(&self) -> Result<Option<Vec<&Self>>, Invalid> {
        if self.format()? != "+s" {
            return Ok(None);
        }
        let count = parts(self.n_children)?;
        // SAFETY: they are parts of this schema, which is not released.
        (0..count).map(|index| unsafe { part(self.children, index) }).collect::<Result<_, _>>().map(Some)
    }

    /// The type of a column; what it is in words, if no column of a run has it.
    pub(super) fn kind(&self) -> Result<Result<DataType, String>, Invalid> {
        let kind = kind::of_format(self.format()?);
        // SAFETY: it is a part of this schema, which is not released.
        let Some(words) = (unsafe { inner(self.dictionary)? }) else { return Ok(kind) };
        let key = kind.ok().filter(DataType::is_dictionary_key_type);
        let (Some(key), true) = (key, words.dictionary.is_null()) else {
            return Err(unfit("with a dictionary of another form"));
        };
        Ok(kind::of_format(words.format()?).map(|word| DataType::Dictionary(key.into(), word.into())))
    }
}

impl Array {
    /// The number of rows, if this is a table with so many columns.
    pub(super) fn rows(self: &Arc<Self>, columns: usize) -> Result<usize, Invalid> {
        let (offset, rows) = self.range()?;
        if parts(self.n_children)? != columns || self.n_buffers != 1 || !self.dictionary.is_null() {
            return Err(unfit("with other columns than in its schema"));
        }
        let valid = self.valid(self, offset + rows)?.filter(|_| rows > 0);
        if valid.is_some_and(|valid| BooleanBuffer::new(valid, offset, rows).count_set_bits() < rows) {
            return Err(unfit("with rows that are null"));
        }
        Ok(rows)
    }

    /// A column of a table that has so many `rows`.
    pub(super) fn column(
        self: &Arc<Self>,
        index: usize,
        kind: &DataType,
        rows: usize,
    ) -> Result<ArrayRef, Invalid> {
        // SAFETY: it is a part of this array, which is not released.
        let child = unsafe { part(self.children, index)? };
        child.values(self, kind, self.range()?.0, rows)
    }

    /// All values of an array on its own.
    pub(super) fn all(self: &Arc<Self>, kind: &DataType) -> Result<ArrayRef, Invalid> {
        self.values(self, kind, 0, self.range()?.1)
    }

    /// So many values from the `first` on, as Arrow has validated them. They keep their `owner`.
    fn values(
        &self,
        owner: &Arc<Self>,
        kind: &DataType,
        first: usize,
        rows: usize,
    ) -> Result<ArrayRef, Invalid> {
        if rows == 0 {
            // Its buffers may be missing.
            return empty(kind);
        }
        let mut array = self.data(owner, kind, first, rows)?;
        if let DataType::Dictionary(_, words) = kind {
            // SAFETY: it is a part of this array, which is not released.
            let inner = unsafe { inner(self.dictionary)? }.ok_or_else(|| unfit("without a dictionary"))?;
            let all = inner.range()?.1;
            array = array.add_child_data(inner.values(owner, words, 0, all)?.to_data());
        } else if !self.dictionary.is_null() {
            return Err(unfit("with a dictionary that its schema lacks"));
        }
        array.build().and_then(array_of).map_err(broken)
    }

    fn data(
        &self,
        owner: &Arc<Self>,
        kind: &DataType,
        first: usize,
        rows: usize,
    ) -> Result<ArrayDataBuilder, Invalid> {
        let (offset, length) = self.range()?;
        if self.release.is_none() || self.n_children != 0 {
            return Err(unfit("with a column that is not whole"));
        }
        if first.checked_add(rows).is_none_or(|end| end > length) {
            return Err(unfit(format!("with a column of {length} rows of {}", first.saturating_add(rows))));
        }
        let array = ArrayData::builder(kind.clone()).len(rows);
        if *kind == DataType::Null {
            return Ok(array);
        }
        let (first, end) = (offset + first, offset + first + rows);
        let count = parts(self.n_buffers)?;
        let expected = |wanted: usize| {
            let wrong = || unfit(format!("with a column of {kind} in {count} buffers"));
            if count == wanted { Ok(()) } else { Err(wrong()) }
        };
        let take = |index, bytes| self.buffer(owner, index, bytes);
        let array = match kind {
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => {
                expected(3)?;
                let width = if matches!(kind, DataType::Utf8 | DataType::Binary) { 4 } else { 8 };
                let offsets = take(1, (end + 1) * width)?;
                let last = &offsets[end * width..];
                let short = || last.first_chunk().map(|last| i64::from(i32::from_ne_bytes(*last)));
                let last = last.first_chunk().map(|last| i64::from_ne_bytes(*last)).or_else(short);
                let text = take(2, size(last)?)?;
                array.buffers(vec![offsets, text])
            }
            DataType::Utf8View | DataType::BinaryView => {
                let texts = count.checked_sub(3).ok_or_else(|| expected(3).expect_err("fewer"))?;
                let sizes = take(count - 1, texts * 8)?;
                let mut buffers = vec![take(1, end * 16)?];
                for (index, bytes) in sizes.chunks_exact(8).enumerate() {
                    let bytes = bytes.first_chunk().map(|bytes| i64::from_ne_bytes(*bytes));
                    buffers.push(take(2 + index, size(bytes)?)?);
                }
                array.buffers(buffers)
            }
            DataType::Boolean => {
                expected(2)?;
                array.add_buffer(take(1, end.div_ceil(8))?)
            }
            fixed => {
                expected(2)?;
                let key = if let DataType::Dictionary(key, _) = fixed { key } else { fixed };
                array.add_buffer(take(1, end * key.primitive_width().unwrap_or(0))?)
            }
        };
        Ok(array.offset(first).null_bit_buffer(self.valid(owner, end)?).align_buffers(true))
    }

    /// The first value and how many there are.
    fn range(&self) -> Result<(usize, usize), Invalid> {
        let wrong = || {
            let Self { length, offset, null_count, .. } = self;
            unfit(format!("of {length} values from number {offset} on, {null_count} of them null"))
        };
        let (offset, length) = (usize::try_from(self.offset), usize::try_from(self.length));
        let (offset, length) = offset.ok().zip(length.ok()).ok_or_else(wrong)?;
        let fits = offset.checked_add(length).is_some_and(|end| end <= MOST_VALUES);
        if fits && (-1..=self.length).contains(&self.null_count) {
            Ok((offset, length))
        } else {
            Err(wrong())
        }
    }

    /// The bits that tell which of so many values are there, if any may be missing.
    fn valid(&self, owner: &Arc<Self>, values: usize) -> Result<Option<Buffer>, Invalid> {
        match self.pointer(0)? {
            None if self.null_count > 0 => Err(unfit("without the bits that tell which values are null")),
            None => Ok(None),
            Some(_) => self.buffer(owner, 0, values.div_ceil(8)).map(Some),
        }
    }

    fn pointer(&self, index: usize) -> Result<Option<NonNull<u8>>, Invalid> {
        if self.buffers.is_null() || index >= parts(self.n_buffers)? {
            return Err(unfit(format!("without buffer {index} of a column")));
        }
        // SAFETY: the array is not released and says that it has so many buffers.
        Ok(NonNull::new(unsafe { self.buffers.add(index).read_unaligned() }))
    }

    fn buffer(&self, owner: &Arc<Self>, index: usize, bytes: usize) -> Result<Buffer, Invalid> {
        match self.pointer(index)? {
            _ if bytes == 0 => Ok(Buffer::default()),
            None => Err(unfit(format!("without buffer {index} of a column"))),
            Some(pointer) => {
                let owner = Arc::clone(owner);
                // SAFETY: the array is not released before its owner is dropped, which the buffer keeps. That its memory
                // is as long as the interface demands of such an array is what we have to believe.
                Ok(unsafe { Buffer::from_custom_allocation(pointer, bytes, owner) })
            }
        }
    }
}

/// The length of a text.
fn size(bytes: Option<i64>) -> Result<usize, Invalid> {
    let known = bytes.and_then(|bytes| isize::try_from(bytes).ok()?.try_into().ok());
    known.ok_or_else(|| unfit("with text of a negative length"))
}

/// How many parts there are.
fn parts(count: i64) -> Result<usize, Invalid> {
    let known = usize::try_from(count).ok().filter(|count| *count <= MOST_PARTS);
    known.ok_or_else(|| unfit(format!("of {count} parts")))
}

/// One of several structures in another.
///
/// # Safety
///
/// If `all` is not null it has more than `index` pointers, each of which is null or leads to a structure that lives as
/// long as the result.
unsafe fn part<'a, T>(all: *const *const T, index: usize) -> Result<&'a T, Invalid> {
    let missing = || unfit(format!("without part {index}"));
    if all.is_null() {
        return Err(missing());
    }
    // SAFETY: promised by the caller.
    unsafe { inner(all.add(index).read_unaligned())? }.ok_or_else(missing)
}

/// The structure that another one leads to.
///
/// # Safety
///
/// `pointer` is null or leads to a structure that lives as long as the result.
unsafe fn inner<'a, T>(pointer: *const T) -> Result<Option<&'a T>, Invalid> {
    if !pointer.is_aligned() {
        return Err(unfit("with a part that is not aligned"));
    }
    // SAFETY: promised by the caller, and it is aligned.
    Ok(unsafe { pointer.as_ref() })
}

/// A text that ends with a zero byte.
///
/// # Safety
///
/// `pointer` is null or leads to such a text, which lives as long as the reference.
unsafe fn text(pointer: &*const c_char) -> Option<&CStr> {
    // SAFETY: promised by the caller, and it is not null.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(*pointer) })
}

pub(super) fn empty(kind: &DataType) -> Result<ArrayRef, Invalid> {
    super::array::empty(kind).map_err(broken)
}

fn broken(error: arrow_schema::ArrowError) -> Invalid {
    unfit(format!("({error})"))
}

pub(super) fn unfit(what: impl Into<String>) -> Invalid {
    Invalid::new("table", what.into(), "valid Arrow data")
}
