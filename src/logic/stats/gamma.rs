//! What follows from the incomplete gamma function: normal tails and exact Poisson intervals.

use crate::logic::special::upper;

/// The 95 % interval of the mean of a Poisson variable of which `count` was seen (Garwood 1936): exact, in that the
/// truth lies below it in at most 2.5 % of all cases and above it in at most 2.5 %.
#[must_use]
pub fn garwood(count: u64) -> (f64, f64) {
    const SIDE: f64 = 0.025;
    let n = count as f64;
    let far = n + 10.0 * n.sqrt() + 10.0;
    // P(X >= n) rises with the mean and P(X <= n) falls.
    let low = if count == 0 { 0.0 } else { crossing(0.0, n, |mean| 1.0 - upper(n, mean) < SIDE) };
    (low, crossing(n, far, |mean| upper(n + 1.0, mean) > SIDE))
}

/// The value that a standard normal variable exceeds with probability `p`, 0 < `p` < 1, to a part in 10^12.
#[must_use]
pub fn normal_quantile_above(p: f64) -> f64 {
    crossing(-40.0, 40.0, |z| normal_above(z) > p)
}

/// The probability that a standard normal variable exceeds `z`.
fn normal_above(z: f64) -> f64 {
    if z < 0.0 { 1.0 - normal_above(-z) } else { upper(0.5, z * z / 2.0) / 2.0 }
}

/// Where `before` turns from true to false.
fn crossing(mut low: f64, mut high: f64, before: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    /// From tables of chi-square: half its quantiles with 2n and 2n + 2 degrees of freedom.
    #[test]
    fn garwood_agrees_with_published_values() {
        let cases = [
            (0, 0.0, 3.688_879_454_113_936),
            (1, 0.025_317_807_984_289_9, 5.571_643_390_938_86),
            (10, 4.795_389_037_614_69, 18.390_356_042_203_5),
            (100, 81.363_976_515_263_9, 121.627_335_286_837),
        ];
        for (count, low, high) in cases {
            let (ours_low, ours_high) = garwood(count);
            assert!(
                (ours_low - low).abs() < 1e-3 && (ours_high - high).abs() < 1e-3,
                "{count} {ours_low} {ours_high}"
            );
        }
        let (low, high) = garwood(1_000_000);
        assert!((low - 998_041.0).abs() < 5.0 && (high - 1_001_961.0).abs() < 5.0, "{low} {high}");
    }

    #[test]
    fn normal_tails_are_exact_far_out() {
        assert!(close(normal_quantile_above(0.025), 1.959_963_984_540_054));
        assert!(close(normal_quantile_above(0.5), 0.0));
        assert!(close(normal_quantile_above(1e-8), 5.612_001_244_174_789));
        // The logistic stand-in says phi 8 at 5.226, where it is 7.06.
        assert!((-normal_above(5.226).log10() - 7.06).abs() < 0.005);
        assert!(close(normal_quantile_above(0.975), -1.959_963_984_540_054));
        assert!((normal_quantile_above(1e-300) - 37.047).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn an_interval_holds_what_was_seen(count in 0_u64..100_000) {
            let (low, high) = garwood(count);
            #[expect(clippy::cast_precision_loss, reason = "test data")]
            let n = count as f64;
            prop_assert!(low <= n && n < high);
            prop_assert!(count == 0 || (1.0 - upper(n, low) - 0.025).abs() < 1e-6);
            prop_assert!((upper(n + 1.0, high) - 0.025).abs() < 1e-6);
        }
    }
}
