//! Distributions of delays: how they are fitted by maximum likelihood, and their probabilities.
//!
//! The likelihood of a log-normal distribution with a free base grows without a bound as the base nears the shortest
//! time, and so does that of a gamma distribution with a shape below 1. Such a base means nothing, so it stays below the
//! shortest time by an n-th of how far the mean is above that: about as far as the shortest of n times is above the true
//! base. The search goes from 0 to there, and takes for each base the two other parameters that are best for it.

use super::rounded;
use crate::logic::Nanos;
use crate::logic::special::{ln_gamma, normal_tail, upper};
use crate::logic::words::words;

/// Of more round trips than these, so many quantiles stand for all.
const MOST_TIMES: usize = 100_000;

/// Times needed to fit three parameters.
const TIMES: usize = 20;

words! {
    /// What kind of distribution.
    DelayKind {
        /// Always the same time.
        Fixed = "fixed",
        /// Any time between two ends.
        Uniform = "uniform",
        /// An exponential time on top of a base.
        Exponential = "exponential",
        /// A log-normal time on top of a base.
        LogNormal = "lognormal",
        /// A gamma-distributed time on top of a base.
        Gamma = "gamma",
    }
}

impl DelayKind {
    /// How many parameters it has.
    pub fn parameters(self) -> u32 {
        [1, 2, 2, 3, 3][self as usize]
    }
}

/// A distribution; times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Always this.
    Fixed {
        /// The median of the times.
        time: f64,
    },
    /// Between two ends.
    Uniform {
        /// The shorter.
        low: f64,
        /// The longer.
        high: f64,
    },
    /// Exponential.
    Exponential {
        /// Its mean, above the base.
        mean: f64,
        /// What it is added to.
        base: f64,
    },
    /// Log-normal.
    LogNormal {
        /// Its median, above the base.
        median: f64,
        /// The standard deviation of its logarithm.
        sigma: f64,
        /// What it is added to.
        base: f64,
    },
    /// A gamma variable.
    Gamma {
        /// Its mean, above the base.
        mean: f64,
        /// Its shape.
        shape: f64,
        /// What it is added to.
        base: f64,
    },
}

/// Round trips in ascending order.
pub(super) struct Times {
    sorted: Vec<f64>,
    /// Of all, not only of those kept.
    pub(super) count: usize,
    mean: f64,
}

impl Times {
    pub(super) fn of(sorted: &[Nanos]) -> Self {
        let count = sorted.len();
        let mean = sorted.iter().map(|time| *time as f64).sum::<f64>() / count.max(1) as f64;
        let kept = count.min(MOST_TIMES);
        let mut some: Vec<f64> =
            (0..kept).map(|place| sorted[(2 * place + 1) * count / (2 * kept)] as f64).collect();
        // The first and the last are always kept.
        if let ([first, .., last], [low, .., high]) = (&mut some[..], sorted) {
            (*first, *last) = (*low as f64, *high as f64);
        }
        Self { sorted: some, count, mean }
    }

    fn shortest(&self) -> f64 {
        self.sorted.first().copied().unwrap_or(0.0)
    }

    fn longest(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(0.0)
    }

    fn are_equal(&self) -> bool {
        self.shortest() >= self.longest()
    }

    /// Their Kolmogorov-Smirnov distance from a distribution.
    pub(super) fn distance(&self, shape: &Shape) -> f64 {
        let all = self.sorted.len() as f64;
        let mut below = 0;
        let mut distance: f64 = 0.0;
        for equal in self.sorted.chunk_by(|a, b| a >= b) {
            let (seen_below, seen) = (below as f64 / all, (below + equal.len()) as f64 / all);
            below += equal.len();
            let [model_below, model] = shape.below_and_up_to(equal[0]);
            distance = distance.max((model_below - seen_below).abs()).max((model - seen).abs());
        }
        distance
    }
}

/// The best of a kind, or the reason why there is none.
pub(super) fn fitted(kind: DelayKind, times: &Times) -> Result<Shape, String> {
    let (shortest, n) = (times.shortest(), times.count as f64);
    if times.count == 0 {
        return Err("no ping was answered in time".into());
    }
    if kind == DelayKind::Fixed {
        return Ok(Shape::Fixed { time: times.sorted[times.sorted.len() / 2] });
    }
    if times.are_equal() {
        return Err("all round trips are equal".into());
    }
    match kind {
        DelayKind::Uniform => Ok(Shape::Uniform { low: shortest, high: times.longest() }),
        DelayKind::Exponential => Ok(Shape::Exponential { mean: times.mean - shortest, base: shortest }),
        _ if times.count < TIMES => {
            Err(format!("{} round trips are too few: three numbers need {TIMES}", times.count))
        }
        _ => {
            let nearest = ((times.mean - shortest) / n).max(0.5);
            if nearest > shortest {
                return Err(format!("the shortest round trip, {shortest} ns, leaves no room for a base"));
            }
            let at = |below: f64| {
                let base = shortest - below;
                let shape =
                    if kind == DelayKind::Gamma { gamma(times, base) } else { log_normal(times, base) };
                (shape.log_likelihood(times).unwrap_or(f64::NEG_INFINITY), shape)
            };
            Ok(highest(nearest, shortest, at))
        }
    }
}

/// The shape with the highest value between two distances below the shortest time: by a grid of their logarithms, then
/// a golden-section search around its best point.
fn highest(low: f64, high: f64, at: impl Fn(f64) -> (f64, Shape)) -> Shape {
    const GRID: u32 = 24;
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (low, high) = (low.ln(), high.ln());
    let value = |y: f64| at(y.clamp(low, high).exp());
    let step = (high - low) / f64::from(GRID);
    let points: Vec<_> = (0..=GRID).map(|i| low + step * f64::from(i)).collect();
    let best = points.iter().map(|y| (*y, value(*y))).max_by(|a, b| a.1.0.total_cmp(&b.1.0));
    let (middle, mut best) = best.unwrap_or((low, value(low)));
    let (mut a, mut b) = ((middle - step).max(low), (middle + step).min(high));
    let (mut left, mut right) = (b - GOLDEN * (b - a), a + GOLDEN * (b - a));
    let (mut on_left, mut on_right) = (value(left), value(right));
    for _ in 0..32 {
        if on_left.0 >= on_right.0 {
            (b, right, on_right) = (right, left, on_left);
            left = b - GOLDEN * (b - a);
            on_left = value(left);
        } else {
            (a, left, on_left) = (left, right, on_right);
            right = a + GOLDEN * (b - a);
            on_right = value(right);
        }
    }
    for found in [on_left, on_right] {
        if found.0 > best.0 {
            best = found;
        }
    }
    best.1
}

fn log_normal(times: &Times, base: f64) -> Shape {
    let n = times.sorted.len() as f64;
    let logs = || times.sorted.iter().map(|time| above(*time, base).ln());
    let mean = logs().sum::<f64>() / n;
    let variance = logs().map(|log| (log - mean).powi(2)).sum::<f64>() / n;
    Shape::LogNormal { median: mean.exp(), sigma: variance.sqrt().max(1e-6), base: base.max(0.0) }
}

fn gamma(times: &Times, base: f64) -> Shape {
    let n = times.sorted.len() as f64;
    let mean = times.sorted.iter().map(|time| above(*time, base)).sum::<f64>() / n;
    let log = times.sorted.iter().map(|time| above(*time, base).ln()).sum::<f64>() / n;
    // The best shape has ln shape - ψ(shape) = ln mean - the mean of the logarithms; the left side falls.
    let (mut low, mut high) = (0.1_f64.ln(), 1_000_f64.ln());
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if middle - digamma(middle.exp()) > mean.ln() - log { low = middle } else { high = middle }
    }
    let shape = f64::midpoint(low, high).exp().clamp(0.1, 1_000.0);
    Shape::Gamma { mean, shape, base: base.max(0.0) }
}

/// A time above its base, and never 0: times are whole nanoseconds.
fn above(time: f64, base: f64) -> f64 {
    (time - base).max(0.5)
}

impl Shape {
    /// Times to the nanosecond, the others to six digits.
    pub(super) fn rounded(self) -> Self {
        match self {
            Self::Fixed { time } => Self::Fixed { time: time.round() },
            Self::Uniform { low, high } => Self::Uniform { low: low.round(), high: high.round() },
            Self::Exponential { mean, base } => {
                Self::Exponential { mean: mean.round().max(1.0), base: base.round() }
            }
            Self::LogNormal { median, sigma, base } => {
                Self::LogNormal { median: median.round().max(1.0), sigma: rounded(sigma), base: base.floor() }
            }
            Self::Gamma { mean, shape, base } => {
                Self::Gamma { mean: mean.round().max(1.0), shape: rounded(shape), base: base.floor() }
            }
        }
    }

    /// The logarithm of the probability of times that are whole nanoseconds; `None` if it is 0.
    pub(super) fn log_likelihood(&self, times: &Times) -> Option<f64> {
        let n = times.count as f64;
        let mean_of = |value: &dyn Fn(f64) -> f64| {
            times.sorted.iter().map(|time| value(*time)).sum::<f64>() / times.sorted.len() as f64
        };
        match *self {
            Self::Fixed { .. } => times.are_equal().then_some(0.0),
            Self::Uniform { low, high } => Some(-n * (high - low + 1.0).ln()),
            Self::Exponential { mean, base } => Some(-n * (mean.ln() + (times.mean - base) / mean)),
            Self::LogNormal { median, sigma, base } => {
                let middle = median.ln();
                let mean = mean_of(&|time| {
                    let log = above(time, base).ln();
                    -log - ((log - middle) / sigma).powi(2) / 2.0
                });
                Some(n * (mean - sigma.ln() - 0.918_938_533_204_672_7))
            }
            Self::Gamma { mean, shape, base } => {
                let scale = mean / shape;
                let each = mean_of(&|time| {
                    let above = above(time, base);
                    (shape - 1.0) * above.ln() - above / scale
                });
                Some(n * (each - ln_gamma(shape) - shape * scale.ln()))
            }
        }
    }

    /// The probabilities of a delay below a time, and up to it: they differ only where a single time has a probability.
    fn below_and_up_to(&self, time: f64) -> [f64; 2] {
        let share = match *self {
            Self::Fixed { time: always } => {
                return [f64::from(u8::from(time > always)), f64::from(u8::from(time >= always))];
            }
            Self::Uniform { low, high } => {
                let parts = high - low + 1.0;
                return [(time - low) / parts, (time - low + 1.0) / parts].map(|share| share.clamp(0.0, 1.0));
            }
            Self::Exponential { mean, base } => -(-(time - base).max(0.0) / mean).exp_m1(),
            Self::LogNormal { base, .. } if time <= base => 0.0,
            Self::LogNormal { median, sigma, base } => normal_tail(-((time - base) / median).ln() / sigma),
            Self::Gamma { mean, shape, base } => 1.0 - upper(shape, (time - base).max(0.0) * shape / mean),
        };
        [share, share]
    }
}

/// ψ(x), the derivative of ln Γ(x), for x > 0: its asymptotic series, beyond 10.
fn digamma(x: f64) -> f64 {
    if x < 10.0 {
        return digamma(x + 1.0) - 1.0 / x;
    }
    let square = 1.0 / (x * x);
    let series = 1.0 / 12.0
        - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square / 132.0)));
    x.ln() - 0.5 / x - square * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        for (x, value) in
            [(1.0, -0.577_215_664_901_532_9), (0.1, -10.423_754_940_411_076), (25.0, 3.198_742_512_851_974)]
        {
            assert!((digamma(x) - value).abs() < 1e-11, "{x} {}", digamma(x));
        }
    }

    #[test]
    fn of_very_many_times_some_are_kept_and_both_ends() {
        let all: Vec<Nanos> = (0..300_000).collect();
        let times = Times::of(&all);
        assert_eq!((times.sorted.len(), times.count), (MOST_TIMES, all.len()));
        assert!(times.shortest() < 0.5 && times.longest() > 299_998.5);
    }

    #[test]
    fn shares_rise_from_0_to_1() {
        for shape in [
            Shape::Fixed { time: 50.0 },
            Shape::Uniform { low: 20.0, high: 90.0 },
            Shape::Exponential { mean: 9.0, base: 20.0 },
            Shape::LogNormal { median: 9.0, sigma: 0.7, base: 20.0 },
            Shape::Gamma { mean: 9.0, shape: 2.0, base: 20.0 },
        ] {
            let shares: Vec<f64> =
                (0..1_000).flat_map(|time| shape.below_and_up_to(f64::from(time))).collect();
            assert!(
                shares.windows(2).all(|pair| pair[1] > pair[0] - 1e-12)
                    && shares[0] < 1e-9
                    && shares[1_999] > 1.0 - 1e-6,
                "{shape:?}"
            );
        }
    }
}
