//! The rows of a table in one or more pieces: long runs consist of chunks, which are never moved.
//!
//! A column in one piece, for numpy and the statistics, is concatenated once.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema};

use super::columns::{self, same};
use crate::python::stream::empty_array;

pub(super) struct Pieces {
    batches: Vec<RecordBatch>,
    /// The index after the last row of each piece.
    ends: Vec<usize>,
    /// Columns in one piece, made on first use.
    whole: Vec<OnceLock<ArrayRef>>,
    kinds: Vec<DataType>,
}

impl Pieces {
    pub(super) fn new(schema: &Schema, batches: Vec<RecordBatch>) -> Self {
        let ends = batches.iter().scan(0, |end, batch| {
            *end += batch.num_rows();
            Some(*end)
        });
        Self {
            ends: ends.collect(),
            whole: schema.fields().iter().map(|_| OnceLock::new()).collect(),
            kinds: schema.fields().iter().map(|field| field.data_type().clone()).collect(),
            batches,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    pub(super) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The piece and the index of a row.
    pub(super) fn place(&self, row: usize) -> Option<(&RecordBatch, usize)> {
        let piece = self.ends.partition_point(|end| *end <= row);
        let batch = self.batches.get(piece)?;
        Some((batch, row + batch.num_rows() - self.ends[piece]))
    }

    /// So many rows from the `first` on, in pieces.
    pub(super) fn slices(&self, first: usize, rows: usize) -> impl Iterator<Item = RecordBatch> {
        let (mut row, end) = (first, first.saturating_add(rows));
        std::iter::from_fn(move || {
            let (batch, at) = self.place(row).filter(|_| row < end)?;
            let slice = batch.slice(at, (batch.num_rows() - at).min(end - row));
            row += slice.num_rows();
            Some(slice)
        })
    }

    pub(super) fn column(&self, index: usize) -> Result<&ArrayRef, ArrowError> {
        if let [batch] = &self.batches[..] {
            return Ok(batch.column(index));
        }
        if let Some(column) = self.whole[index].get() {
            return Ok(column);
        }
        let column = self.joined(index)?;
        Ok(self.whole[index].get_or_init(|| column))
    }

    /// A column in one piece, which is not cached.
    pub(super) fn joined(&self, index: usize) -> Result<ArrayRef, ArrowError> {
        match &self.batches[..] {
            [] => empty_array(&self.kinds[index]),
            [batch] => Ok(Arc::clone(batch.column(index))),
            batches => joined(batches, index),
        }
    }
}

impl PartialEq for Pieces {
    /// Whether the values are equal; the pieces may differ.
    fn eq(&self, other: &Self) -> bool {
        let mut row = 0;
        while let (Some((mine, at)), Some((theirs, beside))) = (self.place(row), other.place(row)) {
            let rows = (mine.num_rows() - at).min(theirs.num_rows() - beside);
            let (mine, theirs) = (mine.slice(at, rows), theirs.slice(beside, rows));
            if !mine.columns().iter().zip(theirs.columns()).all(|(mine, theirs)| same(mine, theirs)) {
                return false;
            }
            row += rows;
        }
        self.rows() == other.rows()
    }
}

/// Joins adjacent pieces of up to `most` rows together: many targets with few rows each.
pub(super) fn gathered(batches: Vec<RecordBatch>, most: usize) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut groups: Vec<(usize, Vec<RecordBatch>)> = Vec::new();
    for batch in batches {
        match groups.last_mut() {
            Some((rows, group)) if *rows + batch.num_rows() <= most => {
                *rows += batch.num_rows();
                group.push(batch);
            }
            _ => groups.push((batch.num_rows(), vec![batch])),
        }
    }
    let one = |(_, group): (usize, Vec<RecordBatch>)| match &group[..] {
        [batch] => Ok(batch.clone()),
        batches => {
            let columns = (0..batches[0].num_columns()).map(|index| joined(batches, index));
            RecordBatch::try_new(batches[0].schema(), columns.collect::<Result<_, _>>()?)
        }
    };
    groups.into_iter().map(one).collect()
}

fn joined(batches: &[RecordBatch], index: usize) -> Result<ArrayRef, ArrowError> {
    columns::joined(&batches.iter().map(|batch| batch.column(index)).collect::<Vec<_>>())
}
