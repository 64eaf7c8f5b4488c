//! Delays as text, there and back.

use std::fmt;
use std::str::FromStr;

use super::{Correlation, Delay, Kind, LONGEST};
use crate::logic::text::{Billionths, HOUR, Time, billionths, duration_with_unit};
use crate::logic::{Invalid, Nanos};

const EXPECTED: &str = "a time such as 50ms (units ns, us, ms, s, m, h; without one seconds), uniform:0ms,200ms, \
                        exponential:5ms,base=20ms, lognormal:median=5ms,sigma=0.5,base=20ms, \
                        gamma:mean=5ms,shape=2,base=20ms, normal:mean=40ms,sigma=5ms, \
                        pareto:scale=5ms,shape=3,base=20ms or weibull:scale=5ms,shape=0.8,base=20ms (a base is not \
                        needed), table:10ms,12ms,30ms (quantiles), empirical:10ms,30ms,12ms, trace:10ms,30ms or \
                        trace-repeat:10ms,30ms (one for each datagram), all times from 0 to 1 hour, and where it is \
                        drawn correlation=0.5 and floor=5ms at the end";

/// The most times of a table, an empirical distribution or a trace.
pub(super) const MOST_TIMES: usize = 1 << 20;

/// The shapes of a gamma, Pareto or Weibull variable, in billionths.
const SHAPES: std::ops::RangeInclusive<i64> = 100_000_000..=1_000_000_000_000;

/// A spread at which any median but 0 is refused; below it nothing overflows.
const MOST_SIGMA: i64 = 80_000_000_000;

impl FromStr for Delay {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = match text.trim().split_once(':') {
            None => time(text).map(|time| Kind::Fixed(time).into()),
            Some((kind, parts)) => drawn(kind, parts),
        };
        parsed.map_err(|expected| Invalid::quoted("delay", text, expected))
    }
}

/// What follows the kind, without the correlation and the floor, which every kind can have.
fn drawn(kind: &str, parts: &str) -> Result<Delay, String> {
    let (mut correlation, mut floor) = (None, None);
    let mut rest = Vec::new();
    for part in parts.split(',') {
        let place = match part.split_once('=').map(|(name, value)| (name.trim(), value)) {
            Some(("correlation", value)) => correlation.replace(value),
            Some(("floor", value)) => floor.replace(value),
            _ => {
                rest.push(part);
                None
            }
        };
        if place.is_some() {
            return Err(hint("; correlation and floor are there once"));
        }
    }
    let floor = based(floor)?;
    let correlation = correlation.map_or(Some(Correlation::NONE), Correlation::read);
    let correlation = correlation
        .ok_or("a correlation from 0 (none) to below 1: normal:mean=40ms,sigma=5ms,correlation=0.5")?;
    if !correlation.is_none() && kind.starts_with("trace") {
        return Err("a trace without a correlation: its times have the one they have".into());
    }
    Ok(Delay { kind: read(kind, &rest.join(","))?, floor, correlation })
}

fn read(kind: &str, parts: &str) -> Result<Kind, String> {
    match (kind, parts) {
        ("uniform", range) => uniform(range),
        ("exponential", times) => exponential(times),
        ("lognormal", parts) => log_normal(parts),
        ("gamma", parts) => gamma(parts),
        ("normal", parts) => normal(parts),
        ("pareto", parts) => scaled(parts).and_then(|[scale, shape, base]| {
            within(Kind::Pareto { scale, shape, base }, "a smaller scale or a larger shape")
        }),
        ("weibull", parts) => scaled(parts).and_then(|[scale, shape, base]| {
            within(Kind::Weibull { scale, shape, base }, "a smaller scale or a larger shape")
        }),
        ("table", list) => quantiles(list),
        ("empirical", list) => times(list).map(|mut times| {
            times.sort_unstable();
            Kind::Empirical(times.into())
        }),
        ("trace", list) => times(list).map(|times| Kind::Trace { times: times.into(), repeat: false }),
        ("trace-repeat", list) => times(list).map(|times| Kind::Trace { times: times.into(), repeat: true }),
        _ => Err(EXPECTED.into()),
    }
}

/// Times with commas between them.
fn times(list: &str) -> Result<Vec<Nanos>, String> {
    let times = list.split(',').map(time).collect::<Result<Vec<_>, _>>()?;
    if times.len() > MOST_TIMES {
        return Err(format!("at most {MOST_TIMES} times, not {}", times.len()));
    }
    Ok(times)
}

fn quantiles(list: &str) -> Result<Kind, String> {
    let times = times(list)?;
    if times.len() < 2 || !times.is_sorted() {
        return Err("two times or more of which none is shorter than the one before: they are the quantiles of \
                    equally spaced shares, so table:10ms,12ms,30ms has a median of 12 ms; times in any order are \
                    empirical:10ms,30ms,12ms".into());
    }
    Ok(Kind::Table(times.into()))
}

fn hint(more: &str) -> String {
    format!("{EXPECTED}{more}")
}

/// An hour at most; from ten seconds on with a unit.
fn time(text: &str) -> Result<Nanos, String> {
    match duration_with_unit(text) {
        Some(Ok(nanos)) if nanos <= HOUR => Ok(nanos),
        Some(Err(unit)) => Err(unit),
        _ if text.trim_start().starts_with('-') => Err(hint("; no reply leaves before its request")),
        _ => Err(hint("")),
    }
}

fn uniform(range: &str) -> Result<Kind, String> {
    let (low, high) = range.split_once(',').ok_or_else(|| hint("; uniform takes two times"))?;
    let (low, high) = (time(low)?, time(high)?);
    if low > high {
        return Err(hint("; the shorter time comes first"));
    }
    Ok(Kind::Uniform(low, high))
}

fn exponential(times: &str) -> Result<Kind, String> {
    let (mean, base) = times.split_once(',').unwrap_or((times, "base=0"));
    let base = base.trim_start().strip_prefix("base").map(str::trim_start);
    let base = base.and_then(|base| base.strip_prefix('=')).ok_or_else(|| hint(""))?;
    Ok(Kind::Exponential { mean: time(mean)?, base: time(base)? })
}

fn log_normal(parts: &str) -> Result<Kind, String> {
    let [median, sigma, base] = named(parts, ["median", "sigma", "base"]).ok_or_else(|| hint(""))?;
    let (median, base) = (needed(median)?, based(base)?);
    let sigma = sigma
        .and_then(billionths)
        .filter(|sigma| *sigma <= MOST_SIGMA)
        .ok_or_else(|| hint("; sigma is a number from 0 on, the standard deviation of the logarithm"))?;
    within(Kind::LogNormal { median, sigma, base }, "a smaller sigma or median")
}

fn gamma(parts: &str) -> Result<Kind, String> {
    let [mean, shape, base] = named(parts, ["mean", "shape", "base"]).ok_or_else(|| hint(""))?;
    let (mean, base) = (needed(mean)?, based(base)?);
    within(Kind::Gamma { mean, shape: shape_of(shape)?, base }, "a smaller mean or a larger shape")
}

fn shape_of(shape: Option<&str>) -> Result<i64, String> {
    let shape = shape.and_then(billionths).filter(|shape| SHAPES.contains(shape));
    shape.ok_or_else(|| {
        hint("; the shape is a number from 0.1 to 1000, 1 is exponential for gamma and weibull")
    })
}

fn normal(parts: &str) -> Result<Kind, String> {
    let [mean, sigma] = named(parts, ["mean", "sigma"]).ok_or_else(|| hint(""))?;
    Ok(Kind::Normal { mean: needed(mean)?, sigma: needed(sigma)? })
}

/// Scale, shape and base.
fn scaled(parts: &str) -> Result<[i64; 3], String> {
    let [scale, shape, base] = named(parts, ["scale", "shape", "base"]).ok_or_else(|| hint(""))?;
    Ok([needed(scale)?, shape_of(shape)?, based(base)?])
}

/// The values of `name=value`, each at most once, in the order of the names.
fn named<'a, const N: usize>(parts: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut values = [None; N];
    for part in parts.split(',') {
        let (name, value) = part.split_once('=')?;
        let place = names.iter().position(|known| *known == name.trim())?;
        if values[place].replace(value).is_some() {
            return None;
        }
    }
    Some(values)
}

fn needed(value: Option<&str>) -> Result<Nanos, String> {
    value.map_or_else(|| Err(hint("")), time)
}

fn based(value: Option<&str>) -> Result<Nanos, String> {
    value.map_or(Ok(0), time)
}

/// Refuses a tail that would be cut somewhere.
fn within(kind: Kind, instead: &str) -> Result<Kind, String> {
    let longest = kind.at(0);
    if longest > LONGEST {
        let longest = longest / 1_000_000_000;
        return Err(format!(
            "a tail within 2 days (172,800 s), and one packet in 2^53 would be held for {longest} s: {instead}"
        ));
    }
    Ok(kind)
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if !self.correlation.is_none() {
            write!(f, ",correlation={}", self.correlation)?;
        }
        if self.floor > 0 {
            write!(f, ",floor={}", Time(self.floor))?;
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match *self {
            Kind::Fixed(time) => return write!(f, "{}", Time(time)),
            Kind::Uniform(low, high) => return write!(f, "uniform:{},{}", Time(low), Time(high)),
            Kind::Exponential { mean, base } => {
                write!(f, "exponential:{}", Time(mean))?;
                base
            }
            Kind::LogNormal { median, sigma, base } => {
                write!(f, "lognormal:median={},sigma={}", Time(median), Billionths(sigma))?;
                base
            }
            Kind::Gamma { mean, shape, base } => {
                write!(f, "gamma:mean={},shape={}", Time(mean), Billionths(shape))?;
                base
            }
            Kind::Normal { mean, sigma } => {
                write!(f, "normal:mean={},sigma={}", Time(mean), Time(sigma))?;
                0
            }
            Kind::Pareto { scale, shape, base } => {
                write!(f, "pareto:scale={},shape={}", Time(scale), Billionths(shape))?;
                base
            }
            Kind::Weibull { scale, shape, base } => {
                write!(f, "weibull:scale={},shape={}", Time(scale), Billionths(shape))?;
                base
            }
            Kind::Table(ref times) => return listed(f, "table", times),
            Kind::Empirical(ref times) => return listed(f, "empirical", times),
            Kind::Trace { ref times, repeat: false } => return listed(f, "trace", times),
            Kind::Trace { ref times, repeat: true } => return listed(f, "trace-repeat", times),
        };
        if base > 0 {
            write!(f, ",base={}", Time(base))?;
        }
        Ok(())
    }
}

fn listed(f: &mut fmt::Formatter<'_>, kind: &str, times: &[Nanos]) -> fmt::Result {
    write!(f, "{kind}:{}", Time(times[0]))?;
    times[1..].iter().try_for_each(|time| write!(f, ",{}", Time(*time)))
}
