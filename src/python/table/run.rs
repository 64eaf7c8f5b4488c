//! Builds the table of a run from its chunks, whose columns are shared with the readers of the table.
//!
//! The exception is a chunk with pings in flight between settled ones: its settled rows are copied once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{UInt8Type, UInt32Type, UInt64Type};
use arrow_array::{
    ArrayRef, DictionaryArray, LargeBinaryArray, PrimitiveArray, RecordBatch, StringArray, UInt64Array,
};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, ToByteSlice as _};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use pyo3::prelude::*;

use super::pieces::gathered;
use super::{Table, broken, times_of};
use crate::logic::codec::ServerTimes;
use crate::logic::memory::room_for_each;
use crate::logic::record::{COLUMNS, Chunk, Kind, LostOn, Match, NONE, Rows, Source, Status, TimeSource};
use crate::logic::stats::FarEnd;

/// Bytes of a row that the table of a run does not share with the run, and those of its summary.
const SETTLED: usize = 96;
/// Bytes more of one whose server tells its times, with those that are needed to find out what they say.
const FAR_END: usize = 224;

impl Table {
    /// The rows of a ping run, or the `latest` of each target, target after target; pings in flight are left out.
    pub(in crate::python) fn of_run(
        run: i64,
        targets: &[(String, Rows)],
        latest: Option<usize>,
    ) -> PyResult<Self> {
        let rows = targets.iter().map(|(_, rows)| rows.len()).sum::<usize>();
        let wanted = latest.map_or(rows, |latest| rows.min(latest.saturating_mul(targets.len())));
        room_for_each(wanted, SETTLED)?;
        let told = targets.iter().filter(|(_, rows)| FarEnd::is_told(rows));
        room_for_each(told.map(|(_, rows)| rows.len()).sum(), FAR_END)?;
        let words = Words::of(run, targets);
        let mut pieces = Vec::new();
        for (index, (_, rows)) in (0..).zip(targets) {
            let target = vec![index; rows.len().min(Rows::CHUNK)].into();
            let first = latest.map_or(0, |latest| rows.len().saturating_sub(latest));
            let far_end = FarEnd::of(rows);
            for (number, chunk) in rows.chunks().enumerate() {
                let begin = number * rows.chunk_size();
                let piece = Piece::new(&target, rows.seq(begin), chunk, first.saturating_sub(begin));
                if !piece.places.is_empty() {
                    pieces.push(piece.columns(&words, begin, far_end.as_ref())?);
                }
            }
        }
        let schema = schema();
        let batches =
            pieces.into_iter().map(|columns| RecordBatch::try_new(Arc::clone(&schema), columns.into()));
        let batches =
            batches.collect::<Result<Vec<_>, _>>().and_then(|batches| gathered(batches, Rows::CHUNK));
        Ok(Self::of_pieces(schema, batches.map_err(broken)?))
    }
}

/// The columns of a run: name, type, whether a value may be missing, and unit.
#[pyfunction]
pub(in crate::python) fn run_columns() -> Vec<(&'static str, &'static str, bool, &'static str)> {
    COLUMNS.iter().map(|column| (column.name, column.kind.name(), column.nullable, column.unit)).collect()
}

/// The schema of every run.
pub(super) fn schema() -> SchemaRef {
    let kind = |kind| match kind {
        Kind::Time => DataType::Int64,
        Kind::U64 => DataType::UInt64,
        Kind::U32 => DataType::UInt32,
        Kind::U8 => DataType::UInt8,
        Kind::Word => DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8)),
        Kind::Bytes => DataType::LargeBinary,
    };
    let fields = COLUMNS.iter().map(|column| Field::new(column.name, kind(column.kind), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The words of all pieces, stored once.
struct Words {
    run: ScalarBuffer<i64>,
    none: ScalarBuffer<i64>,
    target: ArrayRef,
    status: ArrayRef,
    stamp: ArrayRef,
    matched: ArrayRef,
    lost_on: ArrayRef,
    source: ArrayRef,
    /// For each target, the keys of its sources in `source`.
    source_keys: Vec<Vec<u32>>,
}

impl Words {
    fn of(run: i64, targets: &[(String, Rows)]) -> Self {
        let longest = targets.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0).min(Rows::CHUNK);
        let mut known = HashMap::new();
        let mut names = Vec::new();
        let mut key = |source: &Source| {
            *known.entry(*source).or_insert_with(|| {
                names.push(source.to_string());
                u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
            })
        };
        let source_keys =
            targets.iter().map(|(_, rows)| rows.sources().iter().map(&mut key).collect()).collect();
        let all = |names: &[&str]| -> ArrayRef { Arc::new(StringArray::from(names.to_vec())) };
        Self {
            run: vec![run; longest].into(),
            none: vec![NONE; longest].into(),
            target: Arc::new(StringArray::from_iter_values(targets.iter().map(|(name, _)| name))),
            status: all(&Status::NAMES[..Status::Open as usize]),
            stamp: all(&TimeSource::NAMES),
            matched: all(&Match::NAMES),
            lost_on: all(&LostOn::NAMES),
            source: Arc::new(StringArray::from(names)),
            source_keys,
        }
    }
}

/// The settled rows of one chunk.
struct Piece<'a> {
    /// The index of the target, for each row.
    target: &'a ScalarBuffer<u32>,
    first_seq: u64,
    chunk: &'a Arc<Chunk>,
    /// The indices of the rows.
    places: Vec<usize>,
    /// Whether they are consecutive, so that their columns can be shared.
    unbroken: bool,
}

impl<'a> Piece<'a> {
    /// The settled rows from index `from` on.
    fn new(target: &'a ScalarBuffer<u32>, first_seq: u64, chunk: &'a Arc<Chunk>, from: usize) -> Self {
        let open = Status::Open as u8;
        let places: Vec<usize> = (from..chunk.len()).filter(|at| chunk.status[*at] != open).collect();
        let unbroken = places.first().zip(places.last()).is_none_or(|(a, b)| b - a + 1 == places.len());
        Self { target, first_seq, chunk, places, unbroken }
    }

    /// The columns in the order of [`COLUMNS`]. The chunk begins with row `begin` of its target.
    fn columns(
        &self,
        words: &Words,
        begin: usize,
        far_end: Option<&FarEnd>,
    ) -> PyResult<[ArrayRef; COLUMNS.len()]> {
        let chunk: &Chunk = self.chunk;
        let rows = self.places.len();
        let each = || self.places.iter().copied();
        let same = |values: &ScalarBuffer<i64>| values.slice(0, rows);
        let replied = known(each().map(|at| chunk.has_reply(at)));
        let ttl = self.column(|chunk| &chunk.ttl);
        let has_ttl = known(ttl.iter().map(|ttl| *ttl != 0));
        let coded = |codes: fn(&Chunk) -> &Vec<u8>, valid: Option<&NullBuffer>, names: &ArrayRef| {
            let keys = each().map(|at| u32::from(codes(chunk)[at])).collect::<Vec<_>>();
            keyed(keys.into(), valid.cloned(), names)
        };
        let sources = self.target.first().map_or(&[][..], |index| &words.source_keys[*index as usize][..]);
        let source = |at: usize| sources.get(chunk.source[at] as usize).copied();
        let source_keys: Vec<u32> = each().map(|at| source(at).unwrap_or(0)).collect();
        let has_source = known(each().map(|at| source(at).is_some()));
        let server = |time: fn(ServerTimes) -> Option<i64>| {
            let times = chunk.server_column(&self.places, time);
            times_of(times.map_or_else(|| same(&words.none), ScalarBuffer::from))
        };
        let far = |column: fn(&FarEnd) -> &Vec<i64>| {
            let values =
                far_end.map(|far_end| each().map(|at| column(far_end)[begin + at]).collect::<Vec<_>>());
            times_of(values.map_or_else(|| same(&words.none), ScalarBuffer::from))
        };
        let word = |code: &dyn Fn(usize) -> Option<u8>, names: &ArrayRef| {
            let has_word = known(each().map(|at| code(at).is_some()));
            let keys: Vec<u32> = each().map(|at| code(at).unwrap_or(0).into()).collect();
            keyed(keys.into(), has_word, names)
        };
        Ok([
            times_of(same(&words.run)),
            keyed(self.target.slice(0, rows), None, &words.target)?,
            Arc::new(UInt64Array::from_iter_values(each().map(|at| self.first_seq + at as u64))),
            times_of(self.column(|chunk| &chunk.due)),
            times_of(self.column(|chunk| &chunk.sent)),
            times_of(self.column(|chunk| &chunk.sent_wall)),
            times_of(self.column(|chunk| &chunk.rtt)),
            times_of(self.column(|chunk| &chunk.user_rtt)),
            coded(|chunk| &chunk.status, None, &words.status)?,
            Arc::new(PrimitiveArray::<UInt32Type>::new(self.column(|chunk| &chunk.copies), None)),
            keyed(source_keys.into(), has_source, &words.source)?,
            Arc::new(PrimitiveArray::<UInt8Type>::new(ttl, has_ttl)),
            Arc::new(PrimitiveArray::<UInt32Type>::new(self.column(|chunk| &chunk.bytes), replied.clone())),
            coded(|chunk| &chunk.stamp, replied.as_ref(), &words.stamp)?,
            self.replies(replied.clone()),
            coded(|chunk| &chunk.matched, replied.as_ref(), &words.matched)?,
            server(|times| times.received),
            server(|times| times.sent),
            Arc::new(PrimitiveArray::<UInt64Type>::new(self.column(|chunk| &chunk.arrival), replied)),
            times_of(chunk.path_column(&self.places).map_or_else(|| same(&words.none), ScalarBuffer::from)),
            Arc::new(
                chunk
                    .server_seqs(&self.places)
                    .map_or_else(|| PrimitiveArray::<UInt32Type>::new_null(rows), PrimitiveArray::from),
            ),
            word(&|at| Some(far_end?.lost_on[begin + at]? as u8), &words.lost_on)?,
            far(|far_end| &far_end.up),
            far(|far_end| &far_end.down),
            far(|far_end| &far_end.error),
            word(&|at| Some(chunk.server_times(at).stamp? as u8), &words.stamp)?,
        ])
    }

    /// A column of the chunk, shared if the rows are consecutive.
    fn column<T: ArrowNativeType>(&self, column: fn(&Chunk) -> &Vec<T>) -> ScalarBuffer<T> {
        if !self.unbroken {
            return self.places.iter().map(|at| column(self.chunk)[*at]).collect::<Vec<_>>().into();
        }
        let first = self.places.first().copied().unwrap_or(0);
        ScalarBuffer::new(shared(self.chunk, column), first, self.places.len())
    }

    fn replies(&self, valid: Option<NullBuffer>) -> ArrayRef {
        let spans = || self.places.iter().map(|at| self.chunk.reply(*at));
        let mut filled = spans().filter(|span| !span.is_empty());
        let start = filled.next().map_or(0, |first| first.start);
        let mut end = start;
        let mut follow = spans().filter(|span| !span.is_empty());
        // Replies that arrived in the order of their pings are stored as Arrow needs them.
        let text = if follow.all(|span| std::mem::replace(&mut end, span.end) == span.start) {
            shared(self.chunk, |chunk| &chunk.text).slice_with_length(start, end - start)
        } else {
            let mut text = Vec::with_capacity(spans().map(|span| span.len()).sum());
            spans().for_each(|span| text.extend_from_slice(&self.chunk.text[span]));
            text.into()
        };
        let offsets = OffsetBuffer::<i64>::from_lengths(spans().map(|span| span.len()));
        Arc::new(LargeBinaryArray::new(offsets, text, valid))
    }
}

/// A column of a chunk, which the buffer keeps alive.
fn shared<T: ArrowNativeType>(chunk: &Arc<Chunk>, column: fn(&Chunk) -> &Vec<T>) -> Buffer {
    struct Shared<T> {
        chunk: Arc<Chunk>,
        column: fn(&Chunk) -> &Vec<T>,
    }
    impl<T: ArrowNativeType> AsRef<[u8]> for Shared<T> {
        fn as_ref(&self) -> &[u8] {
            (self.column)(&self.chunk).as_slice().to_byte_slice()
        }
    }
    Buffer::from(Bytes::from_owner(Shared { chunk: Arc::clone(chunk), column }))
}

/// The mask of known values; `None` if all are known.
fn known(values: impl Iterator<Item = bool>) -> Option<NullBuffer> {
    Some(values.collect::<NullBuffer>()).filter(|known| known.null_count() > 0)
}

/// An array of words from their keys.
fn keyed(keys: ScalarBuffer<u32>, valid: Option<NullBuffer>, words: &ArrayRef) -> PyResult<ArrayRef> {
    let keys = PrimitiveArray::<UInt32Type>::new(keys, valid);
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(words)).map_err(broken)?))
}
