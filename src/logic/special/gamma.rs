//! The incomplete gamma function, its logarithm and its inverse.

use super::{exp, ln, normal_quantile_above};

/// Enough for counts up to a billion; the series and the fraction end long before.
const MOST_TERMS: u32 = 1_000_000;

/// Q(a, x), the regularised upper incomplete gamma function: P(X < a) of a Poisson variable with mean x, P(X > x) of
/// a gamma variable with shape a and scale 1.
pub(in crate::logic) fn upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = exp(a * ln(x) - x - ln_gamma(a));
    if x < a + 1.0 { 1.0 - front * series(a, x) } else { front * fraction(a, x) }
}

/// The probability that a standard normal variable exceeds `z`. Its square is a gamma variable.
pub(in crate::logic) fn normal_tail(z: f64) -> f64 {
    if z < 0.0 { 1.0 - normal_tail(-z) } else { upper(0.5, z * z / 2.0) / 2.0 }
}

/// What a gamma variable with shape `a` and scale 1 exceeds with probability `q`, 0 < `q` < 1: to 10^-12 of it for
/// shapes from 0.1 to 1,000.
#[expect(clippy::many_single_char_names, reason = "as the functions are written everywhere")]
pub(in crate::logic) fn gamma_above(a: f64, q: f64) -> f64 {
    // Newton's method for the logarithm of the smaller tail over that of x: there it has no inflection, so that each
    // step after the first goes the same way. 100 steps are never needed.
    const MOST_STEPS: usize = 100;
    let (p, whole) = (1.0 - q, ln_gamma(a));
    let target = ln(p.min(q));
    // Too small, as the density falls off e^-x; the cube of a normal variable (Wilson and Hilferty 1931) is near.
    let least = (ln(p) + ln_gamma(a + 1.0)) / a;
    let cube = 1.0 - 1.0 / (9.0 * a) + normal_quantile_above(q) / (3.0 * a.sqrt());
    let mut y = if cube > 0.1 { least.max(ln(a * cube * cube * cube)) } else { least };
    for _ in 0..MOST_STEPS {
        let x = exp(y);
        let front = a * y - x - whole;
        let step = if q > 0.5 {
            let series = series(a, x);
            (target - front - ln(series)) * series
        } else if x < a + 1.0 {
            let (front, below) = (exp(front), exp(front) * series(a, x));
            (ln((1.0 - below).max(f64::MIN_POSITIVE)) - target) * (1.0 - below) / front
        } else {
            let fraction = fraction(a, x);
            (front + ln(fraction) - target) * fraction
        };
        y += step.clamp(-2.0, 2.0);
        // Each step doubles the number of correct digits.
        if step.abs() < 1e-8 {
            break;
        }
    }
    exp(y)
}

/// P(a, x) over x^a e^-x / Γ(a).
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

/// Q(a, x) over x^a e^-x / Γ(a): the continued fraction, by Lentz's method.
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
pub(in crate::logic) fn ln_gamma(x: f64) -> f64 {
    if x < 10.0 {
        return ln_gamma(x + 1.0) - ln(x);
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 1_260.0 - square * (1.0 / 1_680.0 - square / 1_188.0));
    (x - 0.5) * ln(x) - x + 0.918_938_533_204_672_7 + (1.0 / 12.0 - square / 360.0 + series * square) / x
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        let cases = [
            (0.5, 0.572_364_942_924_700_1),
            (1.0, 0.0),
            (5.0, 24.0_f64.ln()),
            (100.5, 361.435_540_467_777_6),
        ];
        for (x, value) in cases {
            assert!((ln_gamma(x) - value).abs() < 1e-13 * f64::max(value, 1.0), "{x} {}", ln_gamma(x));
        }
        // Of shape 1 it is exponential.
        for q in [0.5_f64.powi(53), 1e-9, 0.3, 0.5, 0.9] {
            assert!((gamma_above(1.0, q) / -q.ln() - 1.0).abs() < 1e-13, "{q}");
        }
        assert!((gamma_above(1.0, 1.0 - 0.5_f64.powi(53)) / 0.5_f64.powi(53) - 1.0).abs() < 1e-13);
    }

    proptest! {
        #[test]
        fn it_is_the_inverse_of_both_tails(shape in -1.0..3.0_f64, exponent in 0.0..36.0_f64, low: bool) {
            let (a, small) = (10.0_f64.powf(shape), (-exponent).exp());
            let q = if low { 1.0 - small } else { small };
            prop_assume!(q > 0.0 && q < 1.0);
            let x = gamma_above(a, q);
            let front = (a * ln(x) - x - ln_gamma(a)).exp();
            if q > 0.5 {
                prop_assert!((front * series(a, x) / (1.0 - q) - 1.0).abs() < 1e-9, "{a} {q} {x}");
            } else {
                prop_assert!((upper(a, x) / q - 1.0).abs() < 1e-9, "{a} {q} {x}");
            }
        }

        #[test]
        fn it_falls(shape in -1.0..3.0_f64, low in 1e-12..1.0_f64, high in 1e-12..1.0_f64) {
            let a = 10.0_f64.powf(shape);
            prop_assume!(low < high && high < 1.0);
            prop_assert!(gamma_above(a, low) >= gamma_above(a, high) * (1.0 - 1e-12));
        }
    }
}
