//! Computes the summaries of a run from its rows.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array as _, ArrayRef, PrimitiveArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Table;
use crate::logic::Nanos;
use crate::logic::ping::{Account, Settled};
use crate::logic::record::{Match, NONE, Status, TimeSource};
use crate::logic::stats::Summary;
use crate::python::errors::detached;
use crate::python::facts::{Facts, facts};

/// Bytes of a row while it is counted, its columns in one piece among them.
const SETTLED: usize = 256;

type Summaries<'py> = (Bound<'py, PyDict>, Vec<Bound<'py, PyDict>>);

/// The summaries of all rows of a run and of those of each of `targets`. Values that rows do not contain are `None`.
#[pyfunction]
#[pyo3(signature = (table, targets) -> "tuple[dict[str, int | float | None], list[dict[str, int | float | None]]]")]
pub(in crate::python) fn run_summaries<'py>(
    py: Python<'py>,
    table: &Bound<'py, Table>,
    targets: Vec<String>,
) -> PyResult<Summaries<'py>> {
    let table = table.get();
    table.room(SETTLED)?;
    let (all, each) = detached(py, || {
        let each: Vec<_> = table.settled(&targets).into_iter().map(Account::of_rows).collect();
        Ok((Account::sum(&each), each))
    })?;
    let each = each.into_iter().map(|account| rows_to_python(py, account)).collect::<PyResult<_>>()?;
    Ok((rows_to_python(py, all)?, each))
}

impl Table {
    fn settled(&self, targets: &[String]) -> Vec<Vec<Settled>> {
        let mut settled = vec![Vec::new(); targets.len()];
        let column = |name: &str| self.column(name);
        let (Some(target), Some(status), Some(copies), Some(seq)) =
            (words_of(column("target")), words_of(column("status")), column("copies"), column("seq"))
        else {
            return settled;
        };
        let places: HashMap<&str, usize> = targets.iter().map(String::as_str).zip(0..).collect();
        let index_of: Vec<Option<usize>> =
            target.1.iter().map(|name| name.and_then(|name| places.get(name).copied())).collect();
        let status_of: Vec<Option<Status>> =
            status.1.iter().map(|name| name.and_then(Status::from_name)).collect();
        let time = |name: &str| column(name).map(|array| array.as_primitive::<Int64Type>().values());
        let (run, sent, rtt, user_rtt) = (time("run"), time("sent_ns"), time("rtt_ns"), time("user_rtt_ns"));
        let (copies, seq) = (copies.as_primitive::<UInt32Type>(), seq.as_primitive::<UInt64Type>());
        let arrival = column("arrival").map(AsArray::as_primitive::<UInt64Type>);
        let unverified = Some(Match::Unverified.name());
        let matched = words_of(column("match"));
        let stamps = words_of(column("stamp"));
        for row in 0..self.pieces.rows() {
            let index = index_of[target.0.value(row) as usize];
            let status = status_of[status.0.value(row) as usize];
            if let (Some(index), Some(status)) = (index, status) {
                settled[index].push(Settled {
                    run: run.map_or(NONE, |run| run[row]),
                    seq: seq.value(row),
                    status,
                    sent: sent.map_or(NONE, |sent| sent[row]),
                    rtt: rtt.map_or(NONE, |rtt| rtt[row]),
                    user_rtt: user_rtt.or(rtt).map_or(NONE, |rtt| rtt[row]),
                    stamp: stamps
                        .as_ref()
                        .filter(|(keys, _)| keys.is_valid(row))
                        .and_then(|(keys, names)| TimeSource::from_name(names[keys.value(row) as usize]?))
                        .unwrap_or(TimeSource::User),
                    copies: copies.value(row),
                    unverified: matched.as_ref().is_some_and(|(keys, names)| {
                        keys.is_valid(row) && names[keys.value(row) as usize] == unverified
                    }),
                    arrival: arrival.filter(|places| places.is_valid(row)).map(|places| places.value(row)),
                });
            }
        }
        settled
    }
}

/// The keys of a column of words, and the words by key.
fn words_of(column: Option<&ArrayRef>) -> Option<(&PrimitiveArray<UInt32Type>, Vec<Option<&str>>)> {
    let words = column?.as_dictionary_opt::<UInt32Type>()?;
    Some((words.keys(), words.values().as_string_opt::<i32>()?.iter().collect()))
}

/// A summary made of rows alone.
fn rows_to_python(py: Python<'_>, account: Account) -> PyResult<Bound<'_, PyDict>> {
    let order = account.knows_order();
    let dict = summary_to_python(py, &account.summary(), 0)?;
    for name in ["behind", "unmatched", "damaged", "duration_ns"] {
        dict.set_item(name, py.None())?;
    }
    if !order {
        dict.set_item("reordered", py.None())?;
    }
    Ok(dict)
}

/// A summary by the names that Python uses.
pub(in crate::python) fn summary_to_python<'py>(
    py: Python<'py>,
    summary: &Summary,
    duration: Nanos,
) -> Facts<'py> {
    let (loss, rtt) = (summary.loss, summary.rtt);
    Ok(facts!(py,
        of summary => sent, received, lost, late, timeouts, unreachable, errors, duplicates, reordered, foreign,
            kernel_drops, unmatched, damaged, unverified, behind, kernel_stamps, clock_steps, pending;
        "loss": loss.map(|(loss, _, _)| loss),
        "loss_low": loss.map(|(_, low, _)| low),
        "loss_high": loss.map(|(_, _, high)| high),
        "rtt_min_ns": rtt.map(|rtt| rtt.min),
        "rtt_avg_ns": rtt.map(|rtt| rtt.avg),
        "rtt_median_ns": rtt.map(|rtt| rtt.median),
        "rtt_max_ns": rtt.map(|rtt| rtt.max),
        "rtt_stddev_ns": rtt.and_then(|rtt| rtt.stddev),
        "rtt_p95_ns": rtt.map(|rtt| rtt.p95),
        "rtt_p99_ns": rtt.map(|rtt| rtt.p99),
        "quantile_error": rtt.map_or(0.0, |rtt| rtt.quantile_error),
        "duration_ns": duration,
    ))
}
