//! `Digest` holds statistics that can be merged, and converts them to parts for other machines.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{duplication, jitter, loss, loss_runs, reordering, wanted};
use crate::logic::stats::{
    self, Confidence, Duplication, Jitter, Loss, LossRuns, Moments, Outage, Parts, Quantile, Reordering,
    SKETCH_ERROR, Sketch,
};
use crate::logic::{Invalid, Nanos};
use crate::python::errors::guarded;
use crate::python::facts::{Facts, facts};
use crate::python::samples::Samples;

/// All statistics of samples in some kilobytes.
#[pyclass(frozen, module = "udpping._core")]
pub(in crate::python) struct Digest {
    digest: stats::Digest,
}

#[pymethods]
impl Digest {
    #[new]
    fn new(py: Python<'_>, samples: &Samples, n: i64) -> PyResult<Self> {
        // A number below 1 gets the error for 0.
        let n = u64::try_from(n).unwrap_or(0);
        Ok(Self { digest: super::computed(py, samples, |samples| stats::Digest::of(samples, n))? })
    }

    fn merged(&self, other: &Self) -> PyResult<Self> {
        let mut digest = self.digest.clone();
        digest.merge(&other.digest)?;
        Ok(Self { digest })
    }

    #[pyo3(signature = (confidence) -> "dict[str, object]")]
    fn loss<'py>(&self, py: Python<'py>, confidence: f64) -> Facts<'py> {
        loss(py, &self.digest.loss, confidence, Confidence::new(confidence)?)
    }

    #[pyo3(signature = () -> "dict[str, object]")]
    fn loss_runs<'py>(&self, py: Python<'py>) -> Facts<'py> {
        loss_runs(py, &self.digest.runs)
    }

    #[pyo3(signature = () -> "dict[str, object] | None")]
    fn duplication<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.digest.duplication.map(|found| duplication(py, &found)).transpose()
    }

    #[pyo3(signature = () -> "dict[str, object] | None")]
    fn reordering<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.digest.reordering.map(|found| reordering(py, &found)).transpose()
    }

    #[pyo3(signature = () -> "dict[str, object] | None")]
    fn jitter<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.digest.jitter.map(|found| jitter(py, &found)).transpose()
    }

    #[pyo3(signature = (quantiles, lost_as_infinite) -> "dict[str, object]")]
    fn round_trip<'py>(&self, py: Python<'py>, quantiles: Vec<f64>, lost_as_infinite: bool) -> Facts<'py> {
        let infinite = if lost_as_infinite { self.digest.loss.lost() } else { 0 };
        sketched(py, &self.digest.rtt, &quantiles, infinite)
    }

    #[pyo3(signature = (quantiles) -> "dict[str, object]")]
    fn ipdv<'py>(&self, py: Python<'py>, quantiles: Vec<f64>) -> Facts<'py> {
        let facts = sketched(py, &self.digest.ipdv, &quantiles, 0)?;
        facts.set_item("mean_abs_ns", self.digest.ipdv_mean_abs())?;
        Ok(facts)
    }

    #[pyo3(signature = (quantiles) -> "dict[str, object]")]
    fn pdv<'py>(&self, py: Python<'py>, quantiles: Vec<f64>) -> Facts<'py> {
        sketched(py, &self.digest.pdv, &quantiles, 0)
    }

    /// Its parts, as numbers, lists and dicts.
    #[pyo3(signature = () -> "dict[str, object]")]
    fn parts<'py>(&self, py: Python<'py>) -> Facts<'py> {
        let stats::Digest { loss, runs, duplication, reordering, jitter, rtt, ipdv, ipdv_sizes, pdv } =
            &self.digest;
        let duplication = duplication.map(|it| vec![it.answered, it.duplicates, it.replicated]);
        let reordering = reordering
            .map(|it| vec![it.received, it.reordered, it.extents, it.max_extent, it.n, it.n_reordered]);
        Ok(facts!(py,
            "ended": loss.ended.to_vec(),
            "after": loss.after.as_flattened().to_vec(),
            "cuts": loss.parts.0.iter().flat_map(stats::Cut::sums).collect::<Vec<_>>(),
            "sent": runs.sent,
            "run_lengths": pairs(&runs.lengths),
            "loss_distances": pairs(&runs.distances),
            "longest_outage_ns": runs.longest_outage.map(|outage| outage.length),
            "longest_outage_ended": runs.longest_outage.map(|outage| outage.ended),
            "duplication": duplication,
            "reordering": reordering,
            "jitter": jitter.map(|it| jitter_parts(py, &it)).transpose()?,
            "round_trip": sketch_parts(py, rtt)?,
            "ipdv": sketch_parts(py, ipdv)?,
            "ipdv_sizes_ns": ipdv_sizes,
            "pdv": sketch_parts(py, pdv)?,
        ))
    }

    #[staticmethod]
    #[pyo3(signature = (parts: "dict[str, object]"))]
    fn from_parts(parts: &Bound<'_, PyDict>) -> PyResult<Self> {
        guarded(|| Self::of_parts(parts))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Digest {
    fn of_parts(parts: &Bound<'_, PyDict>) -> PyResult<Self> {
        let after: [u64; 4] = part(parts, "after")?;
        let duplication: Option<[u64; 3]> = part(parts, "duplication")?;
        let reordering: Option<[u64; 6]> = part(parts, "reordering")?;
        let jitter =
            part::<Option<Bound<'_, PyDict>>>(parts, "jitter")?.map(|it| jitter_of(&it)).transpose()?;
        let ipdv_sizes: f64 = part(parts, "ipdv_sizes_ns")?;
        let sums = jitter.iter().flat_map(|it| [it.last.unwrap_or(0.0), it.sum, it.max]);
        if let Some(value) = sums.chain([ipdv_sizes]).find(|value| !(0.0..=f64::MAX).contains(value)) {
            return Err(Invalid::new("digest", format!("with {value}"), "numbers from 0").into());
        }
        let digest = stats::Digest {
            loss: Loss {
                ended: part(parts, "ended")?,
                after: [[after[0], after[1]], [after[2], after[3]]],
                parts: cuts(parts)?,
            },
            runs: LossRuns {
                sent: part(parts, "sent")?,
                lengths: counted(parts, "run_lengths")?,
                distances: counted(parts, "loss_distances")?,
                longest_outage: part::<Option<Nanos>>(parts, "longest_outage_ns")?
                    .zip(part(parts, "longest_outage_ended")?)
                    .map(|(length, ended)| Outage { length, ended }),
            },
            duplication: duplication.map(|[answered, duplicates, replicated]| Duplication {
                answered,
                duplicates,
                replicated,
            }),
            reordering: reordering.map(|[received, reordered, extents, max_extent, n, n_reordered]| {
                Reordering { received, reordered, extents, max_extent, n, n_reordered }
            }),
            jitter,
            rtt: sketch(&part(parts, "round_trip")?)?,
            ipdv: sketch(&part(parts, "ipdv")?)?,
            ipdv_sizes,
            pdv: sketch(&part(parts, "pdv")?)?,
        };
        Ok(Self { digest })
    }
}

fn cuts(parts: &Bound<'_, PyDict>) -> PyResult<Parts> {
    let sums: Vec<u128> = part(parts, "cuts")?;
    let mut cuts = Parts::default();
    let wanted = 7 * cuts.0.len();
    if sums.len() != wanted {
        return Err(
            Invalid::new("cuts", format!("{} numbers", sums.len()), format!("{wanted} of them")).into()
        );
    }
    for (cut, sums) in cuts.0.iter_mut().zip(sums.chunks_exact(7)) {
        cut.parts = u64::try_from(sums[0]).unwrap_or(u64::MAX);
        cut.own.copy_from_slice(&sums[1..4]);
        cut.next.copy_from_slice(&sums[4..]);
    }
    Ok(cuts)
}

fn jitter_parts<'py>(py: Python<'py>, jitter: &Jitter) -> Facts<'py> {
    let Jitter { count, last, sum, max } = *jitter;
    Ok(facts!(py, "count": count, "last_ns": last, "sum_ns": sum, "max_ns": max))
}

fn jitter_of(parts: &Bound<'_, PyDict>) -> PyResult<Jitter> {
    Ok(Jitter {
        count: part(parts, "count")?,
        last: part(parts, "last_ns")?,
        sum: part(parts, "sum_ns")?,
        max: part(parts, "max_ns")?,
    })
}

fn counted(parts: &Bound<'_, PyDict>, name: &'static str) -> PyResult<BTreeMap<u64, u64>> {
    Ok(part::<Vec<[u64; 2]>>(parts, name)?.into_iter().map(|[key, count]| (key, count)).collect())
}

fn pairs(counts: &BTreeMap<u64, u64>) -> Vec<(u64, u64)> {
    counts.iter().map(|(key, count)| (*key, *count)).collect()
}

fn sketched<'py>(py: Python<'py>, sketch: &Sketch, quantiles: &[f64], infinite: u64) -> Facts<'py> {
    let moments = sketch.moments();
    let found = PyDict::new(py);
    for (q, wanted) in quantiles.iter().zip(wanted(quantiles)?) {
        found.set_item(q, sketch.quantile(wanted, infinite))?;
    }
    Ok(facts!(py,
        "count": moments.count(),
        "infinite": infinite,
        "min_ns": moments.min(),
        "mean_ns": moments.mean(),
        "median_ns": sketch.quantile(Quantile::MEDIAN, infinite),
        "max_ns": moments.max(),
        "stddev_ns": moments.stddev(),
        "mad_ns": py.None(),
        "quantiles_ns": found,
        "quantile_error": SKETCH_ERROR,
    ))
}

fn sketch_parts<'py>(py: Python<'py>, sketch: &Sketch) -> Facts<'py> {
    let moments = sketch.moments();
    Ok(facts!(py,
        "count": moments.count(),
        "mean_ns": moments.mean(),
        "squares": moments.squares(),
        "min_ns": moments.min(),
        "max_ns": moments.max(),
        "bins": sketch.bins().collect::<Vec<(i32, u64)>>(),
    ))
}

fn sketch(parts: &Bound<'_, PyDict>) -> PyResult<Sketch> {
    let moments = Moments::from_parts(
        part(parts, "count")?,
        part::<Option<f64>>(parts, "mean_ns")?.unwrap_or(f64::NAN),
        part(parts, "squares")?,
        part::<Option<i64>>(parts, "min_ns")?.unwrap_or(0),
        part::<Option<i64>>(parts, "max_ns")?.unwrap_or(0),
    )?;
    // A number out of range becomes one that `from_parts` refuses.
    let bin = |[bin, count]: [i64; 2]| {
        (i32::try_from(bin).unwrap_or(i32::MAX), u64::try_from(count).unwrap_or(u64::MAX))
    };
    let bins: Vec<(i32, u64)> = part::<Vec<[i64; 2]>>(parts, "bins")?.into_iter().map(bin).collect();
    Ok(Sketch::from_parts(moments, bins)?)
}

/// One part of a digest, which may be missing or of any type.
fn part<'py, T>(parts: &Bound<'py, PyDict>, name: &'static str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let wrong = || Invalid::new("digest", format!("without {name:?} as it should be"), "what to_json wrote");
    let value = parts.get_item(name)?.ok_or_else(wrong)?;
    value.extract().map_err(|_| wrong().into())
}
