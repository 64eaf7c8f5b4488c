//! The incomplete gamma function, and what follows from it: normal tails and exact Poisson intervals.

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

/// Q(a, x), the regularised upper incomplete gamma function: P(X < a) of a Poisson variable with mean x.
fn upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 { 1.0 - front * series(a, x) } else { front * fraction(a, x) }
}

/// Enough for counts up to a billion; both end long before.
const MOST_TERMS: u32 = 1_000_000;

fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
    for _ in 0..MOST_TERMS {
        n += 1.0;
        term *= x / n;
        sum += term;
        if term < sum * 1e-16 {
            break;
        }
    }
    sum
}

/// The continued fraction, by Lentz's method.
#[expect(clippy::many_single_char_names, reason = "as the method is written everywhere")]
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut value = d;
    for i in 1..MOST_TERMS {
        let factor = -f64::from(i) * (f64::from(i) - a);
        b += 2.0;
        let away = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / away(factor * d + b);
        c = away(b + factor / c);
        value *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// ln Γ(x) for x > 0: Stirling's series, beyond 10.
fn ln_gamma(x: f64) -> f64 {
    if x < 10.0 {
        return ln_gamma(x + 1.0) - x.ln();
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 1_260.0 - square * (1.0 / 1_680.0 - square / 1_188.0));
    (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + (1.0 / 12.0 - square / 360.0 + series * square) / x
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
