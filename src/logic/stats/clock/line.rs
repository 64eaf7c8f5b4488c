//! The offset as a straight line over time: two clocks whose rates differ by a constant.
//!
//! All upper bounds of the offset lie above the line and all lower bounds below it. The flattest and the steepest of such lines
//! bound the difference of the rates; the lowest and the highest at a time bound the offset then. Without such a line the
//! assumption is refuted. (Duda 1987 and Ashton 1995: convex hulls of two clouds.)

use super::{Exchange, MaxRate, Offset};

/// All lines between the two clouds of bounds.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where times and offsets are counted from, so that small differences stay exact.
    time: i64,
    offset: i64,
    above: Hull,
    /// The lower bounds, with their signs turned.
    below: Hull,
    /// The flattest and the steepest, in nanoseconds a second.
    slopes: (f64, f64),
}

/// The corners of the lower side of a cloud, from left to right.
#[derive(Debug, Clone, Default)]
struct Hull(Vec<Corner>);

#[derive(Debug, Clone, Copy)]
struct Corner {
    /// Seconds.
    at: f64,
    /// Nanoseconds.
    value: f64,
    /// The slope of the edge that leads here, which is steeper than the edge before.
    slope: f64,
}

/// A slope is found to one part in 10^18 of the greatest.
const HALVINGS: usize = 60;

/// The rounding of times and of sums, in nanoseconds.
const ROUNDING: f64 = 1.0;

impl Line {
    /// The lines that fit all exchanges, which are in the order of their sending; `None` if there is none.
    pub(super) fn of(exchanges: &[Exchange], rate: MaxRate) -> Option<Self> {
        let first = exchanges.first()?;
        let (time, offset) = (first.sent, first.bounds(rate).middle());
        let (mut above, mut below) = (Hull::default(), Hull::default());
        for each in exchanges {
            let (at, bounds) = (seconds(each.sent.saturating_sub(time)), each.bounds(rate));
            above.push(at, nanoseconds(bounds.high.saturating_sub(offset)) + ROUNDING);
            below.push(at, nanoseconds(offset.saturating_sub(bounds.low)) + ROUNDING);
        }
        let slopes = slopes(&above, &below, rate.ppb as f64)?;
        Some(Self { time, offset, above, below, slopes })
    }

    /// By how much the server's clock runs faster than ours, in parts per million: at least and at most.
    pub fn skew_ppm(&self) -> (f64, f64) {
        (self.slopes.0 / 1e3, self.slopes.1 / 1e3)
    }

    /// The offset at a time of ours.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    pub fn at(&self, time: i64) -> Offset {
        let (at, (flat, steep)) = (seconds(time.saturating_sub(self.time)), self.slopes);
        let (low, high) = (-self.below.highest(at, -steep, -flat), self.above.highest(at, flat, steep));
        Offset {
            low: self.offset.saturating_add(low.floor() as i64),
            high: self.offset.saturating_add(high.ceil() as i64),
        }
    }
}

impl Hull {
    /// Adds a point that is not left of those before.
    fn push(&mut self, at: f64, value: f64) {
        let Self(corners) = self;
        if let Some(last) = corners.last().filter(|last| last.at >= at) {
            if last.value <= value {
                return;
            }
            corners.pop();
        }
        let slope = loop {
            let Some(last) = corners.last() else { break f64::NEG_INFINITY };
            let slope = (value - last.value) / (at - last.at);
            if slope > last.slope {
                break slope;
            }
            corners.pop();
        };
        corners.push(Corner { at, value, slope });
    }

    /// The value at 0 of the line of this slope that touches the cloud from below.
    fn least(&self, by: f64) -> f64 {
        let touched = self.0[self.0.partition_point(|corner| corner.slope < by).saturating_sub(1)];
        touched.value - by * touched.at
    }

    /// The greatest value at a place of all lines below the cloud with a slope between these.
    fn highest(&self, at: f64, flat: f64, steep: f64) -> f64 {
        let right = self.0.partition_point(|corner| corner.at < at);
        let by = self.0.get(right).map_or(f64::INFINITY, |corner| corner.slope).clamp(flat, steep);
        self.least(by) + by * at
    }
}

/// The flattest and the steepest line between the clouds, up to a slope of `most`.
fn slopes(above: &Hull, below: &Hull, most: f64) -> Option<(f64, f64)> {
    let room = |by: f64| above.least(by) + below.least(-by);
    // The room is concave in the slope: first its greatest, then where it ends on both sides.
    let (mut flat, mut steep) = (-most, most);
    for _ in 0..2 * HALVINGS {
        let third = (steep - flat) / 3.0;
        if room(flat + third) < room(steep - third) {
            flat += third;
        } else {
            steep -= third;
        }
    }
    let best = flat.midpoint(steep);
    if room(best) < 0.0 {
        return None;
    }
    let end = |mut outside: f64| {
        let mut inside = best;
        if room(outside) >= 0.0 {
            return outside;
        }
        for _ in 0..HALVINGS {
            let middle = inside.midpoint(outside);
            if room(middle) >= 0.0 { inside = middle } else { outside = middle }
        }
        outside
    };
    Some((end(-most), end(most)))
}

#[expect(clippy::cast_precision_loss, reason = "to a nanosecond within 104 days, and to 10^-16 beyond")]
fn nanoseconds(time: i64) -> f64 {
    time as f64
}

fn seconds(time: i64) -> f64 {
    nanoseconds(time) / 1e9
}
