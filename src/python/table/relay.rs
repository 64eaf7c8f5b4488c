//! Builds the log of a relay.

use arrow_array::ArrayRef;
use arrow_array::types::{UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use pyo3::prelude::*;

use super::heartbeats::bools;
use super::{Table, numbers, times, words};
use crate::logic::relay::Row;

impl Table {
    pub(in crate::python) fn of_relayed(rows: &[Row]) -> PyResult<Self> {
        let each = || rows.iter();
        let reason = |row: &Row| Some(row.reason.name()).filter(|reason| !reason.is_empty());
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("recv_ns", times(each().map(|row| row.at.mono))),
            ("recv_wall_ns", times(each().map(|row| row.at.wall))),
            ("direction", words(each().map(|row| Some(row.direction.name())))),
            ("client", words(each().map(|row| Some(row.client.to_string())))),
            ("client_index", numbers::<UInt32Type>(each().map(|row| row.client_index))),
            ("number", numbers::<UInt64Type>(each().map(|row| row.number))),
            ("bytes", numbers::<UInt16Type>(each().map(|row| row.len))),
            ("verdict", words(each().map(|row| Some(row.verdict.name())))),
            ("reason", words(each().map(reason))),
            ("delay_ns", times(each().map(|row| row.delay_ns))),
            ("copies", numbers::<UInt8Type>(each().map(|row| row.copies))),
            ("reordered", bools(each().map(|row| row.reordered))),
            ("corrupted", bools(each().map(|row| row.corrupted))),
        ];
        Self::new(columns, &["reason"])
    }
}
