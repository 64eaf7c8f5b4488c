//! Mathematical functions by additions, multiplications, divisions and the square root alone, which every machine
//! rounds alike. The last digit of the system's `ln` or `exp` differs from one machine to the next, and a replayed
//! delay must not. Delays are drawn with these functions, so their results never change.

mod gamma;
mod normal;

pub(in crate::logic) use gamma::{gamma_above, ln_gamma, normal_tail, upper};
pub(in crate::logic) use normal::normal_quantile_above;

use std::f64::consts::{LN_2, LOG2_E};

/// The exponential, to 3 parts in 10^16; 0 and infinity beyond e^-700 and e^700.
#[expect(clippy::cast_possible_truncation, reason = "a whole number within 1,010")]
pub(in crate::logic) fn exp(x: f64) -> f64 {
    // ln 2 in two parts, the first of 33 bits: its products with whole numbers are exact.
    const HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
    const LOW: f64 = 1.908_214_929_270_587_7e-10;
    const INVERSE_FACTORIALS: [f64; 14] = {
        let mut table = [1.0; 14];
        let (mut k, mut factorial) = (1, 1.0);
        while k < table.len() {
            factorial *= k as f64;
            table[k] = 1.0 / factorial;
            k += 1;
        }
        table
    };
    if x.abs() > 700.0 {
        return if x < 0.0 { 0.0 } else { f64::INFINITY };
    }
    let doublings = (x * LOG2_E).round();
    let rest = (x - doublings * HIGH) - doublings * LOW;
    let series = INVERSE_FACTORIALS.iter().rev().fold(0.0, |sum, term| sum * rest + term);
    let exponent = (1_023 + doublings as i64).unsigned_abs();
    series * f64::from_bits(exponent << 52)
}

/// The natural logarithm of a normal positive number, to 2 parts in 10^16 of it or of 1.
#[expect(clippy::cast_possible_wrap, reason = "11 bits")]
pub(in crate::logic) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let doublings = (bits >> 52) as i64 - 1_023;
    let factor = f64::from_bits(bits & ((1 << 52) - 1) | 1_023 << 52);
    doublings as f64 * LN_2 + ln_of_one_to_two(factor)
}

/// The logarithm of a number from 1 to 2.
pub(in crate::logic) fn ln_of_one_to_two(x: f64) -> f64 {
    // Around 1.5: ln x = ln 1.5 + 2 artanh((x - 1.5) / (x + 1.5)), the argument within 1/5.
    let z = (x - 1.5) / (x + 1.5);
    let square = z * z;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    0.405_465_108_108_164_4 + 2.0 * z * series
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_are_as_documented() {
        assert_eq!((exp(0.0), exp(-701.0), exp(701.0)), (1.0, 0.0, f64::INFINITY));
        assert!(ln(1.0).abs() < 1e-16);
    }

    proptest! {
        #[test]
        fn ours_are_the_systems_but_for_the_last_digit(x in -700.0..700.0_f64, y in 1e-300..1e300_f64, z in 0.5..2.0_f64) {
            prop_assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "exp {x}");
            prop_assert!((ln(y) - y.ln()).abs() < 5e-16 * y.ln().abs().max(1.0), "ln {y}");
            prop_assert!((ln(z) - z.ln()).abs() < 5e-16, "ln {z}");
        }
    }
}
