//! Statistics of pings, each by one named definition.
//!
//! A statistic is a function of [`Sample`]s: the pings of one run to one target each. Several samples are pooled, and
//! nothing is ever counted from one to the next. A digest merges what adds up.

mod arrival;
mod clock;
mod digest;
mod direction;
mod distribution;
mod duplication;
mod far_end;
mod groups;
mod interval;
mod jitter;
mod loss;
mod loss_runs;
mod moments;
mod parts;
mod quantile;
mod reordering;
mod rolling;
mod round_trip;
mod sample;
mod sketch;
mod summary;
mod timeline;
mod variation;

pub use arrival::arrivals;
pub use clock::{Clock, Exchange, Line, MaxRate, Offset, OneWay, Step};
pub use digest::Digest;
pub use direction::{Counter, Direction, direction, each as lost_on};
pub use distribution::Distribution;
pub use duplication::{Duplication, duplication};
pub use far_end::FarEnd;
pub use groups::{Group, Groups, Keys, MOST_ROWS};
pub use interval::{Confidence, Z95, clustered, garwood, wilson, wilson_of_share};
pub use jitter::{Jitter, jitter, jitter_after_each};
pub use loss::{Loss, loss};
pub use loss_runs::{LossRuns, Outage, Period, loss_periods, loss_runs};
pub use moments::Moments;
pub use parts::{Cut, Parts};
pub use quantile::{Quantile, quantile, quantiles};
pub use reordering::{Reordering, reordering};
pub use rolling::{Rolled, Windows, rolling};
pub use round_trip::{Lost, round_trip};
pub use sample::{Columns, NO_WAY, Sample};
pub use sketch::{SKETCH_ERROR, Sketch};
pub use summary::{RoundTrip, Summary};
pub use timeline::{Span, extent, timeline};
pub use variation::{Ipdv, difference, ipdv, pdv};

#[cfg(test)]
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}
