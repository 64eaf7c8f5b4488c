//! The summary of a run: what `ping` prints at the end, with every count under its own name.

use super::{Moments, Z95, quantile, wilson};

/// Counts and round-trip times of the pings that are settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Settled pings: `received + late + timeouts + unreachable + errors`.
    pub sent: u64,
    /// Answered within the timeout.
    pub received: u64,
    /// Everything else of `sent`.
    pub lost: u64,
    /// Answered, but after the timeout.
    pub late: u64,
    /// Never answered.
    pub timeouts: u64,
    /// Answered by an ICMP error.
    pub unreachable: u64,
    /// Could not be sent.
    pub errors: u64,
    /// Further copies of replies.
    pub duplicates: u64,
    /// Replies in time that came after the reply to a later ping (RFC 4737).
    pub reordered: u64,
    /// Datagrams from other addresses; `None` where the socket does not receive them.
    pub foreign: Option<u64>,
    /// Datagrams that our kernel dropped as the receive buffer was full; `None` where it does not report them.
    pub kernel_drops: Option<u64>,
    /// Datagrams from the target that belong to no ping.
    pub unmatched: u64,
    /// Those of them that were cut or changed on the way.
    pub damaged: u64,
    /// Pings with a reply that nothing but its source ties to them.
    pub unverified: u64,
    /// Pings that left an interval or more after they were due.
    pub behind: u64,
    /// Replies in time whose round trip lies between two timestamps of the kernel.
    pub kernel_stamps: u64,
    /// Replies to pings during which the wall clock was set, so that the kernel's timestamps were not used.
    pub clock_steps: u64,
    /// Still in flight: in none of the other counts.
    pub pending: u64,
    /// `lost / sent` with its 95 % Wilson interval: value, low, high.
    pub loss: Option<(f64, f64, f64)>,
    /// Round trips of `received`.
    pub rtt: Option<RoundTrip>,
}

/// Round-trip times in nanoseconds (RFC 2681), of replies in time only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrip {
    /// Least.
    pub min: i64,
    /// Arithmetic mean.
    pub avg: f64,
    /// 50 % quantile.
    pub median: f64,
    /// Greatest.
    pub max: i64,
    /// Standard deviation of the sample; `None` for a single value.
    pub stddev: Option<f64>,
    /// 95 % quantile.
    pub p95: f64,
    /// 99 % quantile.
    pub p99: f64,
    /// Relative error of the three quantiles: 0 where exact.
    pub quantile_error: f64,
}

impl RoundTrip {
    /// From every value, the same for each order in which they came; sorts `values`.
    pub fn exact(values: &mut [i64]) -> Option<Self> {
        values.sort_unstable();
        Self::with(&Moments::of(values), 0.0, |q| quantile(values, q))
    }

    /// Quantiles from `at`, with their relative error.
    pub fn with(moments: &Moments, quantile_error: f64, at: impl Fn(f64) -> Option<f64>) -> Option<Self> {
        Some(Self {
            min: moments.min()?,
            avg: moments.mean()?,
            median: at(0.5)?,
            max: moments.max()?,
            stddev: moments.stddev(),
            p95: at(0.95)?,
            p99: at(0.99)?,
            quantile_error,
        })
    }
}

impl Summary {
    /// `lost` of `sent` as a share with its interval.
    pub fn share(lost: u64, sent: u64) -> Option<(f64, f64, f64)> {
        wilson(lost, sent, Z95).map(|(low, high)| (lost as f64 / sent as f64, low, high))
    }
}
