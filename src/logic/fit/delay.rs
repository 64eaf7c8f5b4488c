//! Fits distributions to round trips, from a fixed time to long-tailed ones with a base.

use super::bic;
use super::delay_kinds::{DelayKind, Shape, Times, fitted};
use crate::logic::link::Delay;
use crate::logic::stats::Sample;
use crate::logic::text::Time;
use crate::logic::{Invalid, Nanos};

/// One distribution, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct DelayFit {
    /// What kind it is.
    pub kind: DelayKind,
    /// The best of its kind, or the reason why it cannot be fitted.
    pub found: Result<FittedDelay, String>,
}

/// The best of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedDelay {
    /// Its numbers: times in nanoseconds, the others to six digits.
    pub shape: Shape,
    /// The same as a server's model of delay.
    pub model: Delay,
    /// The natural logarithm of the probability of all observed times, to the nanosecond; `None` if it is 0, as that of
    /// different times is for a fixed one.
    pub log_likelihood: Option<f64>,
    /// The Bayesian information criterion: less is better. `None` without the likelihood.
    pub bic: Option<f64>,
    /// The Kolmogorov-Smirnov distance between the times and the model.
    pub distance: f64,
    /// The probability of at least that distance by chance, if the model had been known beforehand. It was fitted to the
    /// same times, so the value is too large: a small one speaks against the model, a large one not for it.
    pub p_value: f64,
}

/// All distributions that were tried.
#[derive(Debug, Clone, PartialEq)]
pub struct DelayFits {
    /// Round trips in time.
    pub received: u64,
    /// From the one with one parameter to those with three.
    pub fits: Vec<DelayFit>,
    /// The place of the one with the least BIC; `None` without a round trip, or if they exceed a server's longest delay.
    pub best: Option<usize>,
}

/// Fits distributions to the round trips of pings that were answered in time.
pub fn fit_delay(samples: &[Sample<'_>]) -> Result<DelayFits, Invalid> {
    let mut times: Vec<Nanos> = samples.iter().flat_map(Sample::round_trips).collect();
    times.sort_unstable();
    if let Some(time) = times.first().filter(|time| **time < 0) {
        return Err(Invalid::new("rtt_ns", time, "0 or more: no reply comes before its ping"));
    }
    let times = Times::of(&times);
    let fits: Vec<_> =
        DelayKind::ALL.into_iter().map(|kind| DelayFit { kind, found: fitted_delay(kind, &times) }).collect();
    let value = |fit: &DelayFit| fit.found.as_ref().ok().and_then(|found| found.bic).unwrap_or(f64::INFINITY);
    let best = (0..fits.len())
        .filter(|place| fits[*place].found.is_ok())
        .min_by(|a, b| value(&fits[*a]).total_cmp(&value(&fits[*b])));
    Ok(DelayFits { received: times.count as u64, fits, best })
}

fn fitted_delay(kind: DelayKind, times: &Times) -> Result<FittedDelay, String> {
    let shape = fitted(kind, times)?.rounded();
    let model = text(&shape);
    let model =
        model.parse().map_err(|Invalid { expected, .. }| format!("{model} is no model: {expected}"))?;
    let log_likelihood = shape.log_likelihood(times);
    let distance = times.distance(&shape);
    Ok(FittedDelay {
        shape,
        model,
        log_likelihood,
        bic: log_likelihood.map(|value| bic(kind.parameters(), times.count as f64, value)),
        distance,
        p_value: kolmogorov(distance, times.count as f64),
    })
}

fn text(shape: &Shape) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the times are rounded, and below 2^63")]
    let time = |time: f64| Time(time as Nanos).to_string();
    match *shape {
        Shape::Fixed { time: always } => time(always),
        Shape::Uniform { low, high } => format!("uniform:{},{}", time(low), time(high)),
        Shape::Exponential { mean, base } => format!("exponential:{},base={}", time(mean), time(base)),
        Shape::LogNormal { median, sigma, base } => {
            format!("lognormal:median={},sigma={sigma},base={}", time(median), time(base))
        }
        Shape::Gamma { mean, shape, base } => {
            format!("gamma:mean={},shape={shape},base={}", time(mean), time(base))
        }
    }
}

/// The probability of at least this distance between `n` times and their true distribution (Kolmogorov 1933, with
/// Stephens' correction for small n, 1970).
fn kolmogorov(distance: f64, n: f64) -> f64 {
    let x = distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if x < 0.3 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    };
    (2.0 * (1..=30).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::stats::Columns;

    fn fits(rtt: &[Nanos]) -> DelayFits {
        fit_delay(&[Sample::new(Columns { rtt, ..Columns::default() }).expect("columns that fit")])
            .expect("times")
    }

    fn best(rtt: &[Nanos]) -> FittedDelay {
        let fits = fits(rtt);
        fits.fits[fits.best.expect("round trips")].found.clone().expect("a best one")
    }

    /// Evenly spaced quantiles: a sample without chance.
    fn quantiles(text: &str, count: u64) -> Vec<Nanos> {
        let delay: Delay = text.parse().expect("a delay");
        (0..count).map(|place| delay.quantile((2 * place + 1) as f64 / (2 * count) as f64)).collect()
    }

    #[test]
    fn each_kind_is_recognized() {
        for text in [
            "20ms",
            "uniform:10ms,30ms",
            "exponential:5ms,base=20ms",
            "lognormal:median=5ms,sigma=0.8,base=20ms",
            "gamma:mean=5ms,shape=3,base=20ms",
        ] {
            let found = best(&quantiles(text, 5_000));
            assert_eq!(
                found.model.to_string().split(':').next(),
                text.split(':').next().map(|name| if name == "20ms" { "20ms" } else { name }),
                "{found:?}"
            );
            assert!(found.distance < 0.005 && found.p_value > 0.9, "{text}: {found:?}");
        }
    }

    #[test]
    fn none_one_and_two_times() {
        assert_eq!(fits(&[]).best, None);
        assert!(fits(&[]).fits.iter().all(|fit| fit.found == Err("no ping was answered in time".to_owned())));
        assert_eq!(best(&[7]).model.to_string(), "7ns");
        assert!(best(&[7, 7, 7]).distance < 1e-15);
        assert_eq!(best(&[0, 0]).model, Delay::NONE);
        let two = fits(&[10, 30]);
        assert!(two.fits[3].found.as_ref().is_err_and(|why| why.contains("2 round trips are too few")));
        assert_eq!(two.fits[0].found.as_ref().map(|found| found.log_likelihood), Ok(None));
    }

    #[test]
    fn tables_of_kolmogorov() {
        for (x, p) in [(0.5, 0.963_945_243_664_87), (1.0, 0.269_999_671_677_35), (1.358_1, 0.049_999)] {
            assert!((kolmogorov(x / 1e4, 1e8) - p).abs() < 1e-4, "{x} {}", kolmogorov(x / 1e4, 1e8));
        }
    }

    #[test]
    fn ten_million_times_are_as_their_quantiles() {
        let some = quantiles("gamma:mean=5ms,shape=3,base=20ms", 1_000);
        let many: Vec<_> = some.iter().flat_map(|time| std::iter::repeat_n(*time, 300)).collect();
        let (one, other) = (best(&some), best(&many));
        assert!((one.distance - other.distance).abs() < 0.003);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_times_are_fitted(times in prop::collection::vec(prop_oneof![0..5_i64, 0..4_000_000_000_000_i64], 1..60)) {
            let fits = fits(&times);
            // No server delays a packet for longer than an hour.
            prop_assert!(fits.best.is_some() || times.iter().any(|time| *time > 3_600_000_000_000));
            for found in fits.fits.iter().filter_map(|fit| fit.found.as_ref().ok()) {
                prop_assert!((0.0..=1.0).contains(&found.distance) && (0.0..=1.0).contains(&found.p_value));
                prop_assert!(found.log_likelihood.is_none_or(f64::is_finite), "{found:?}");
            }
        }
    }
}
