//! A probability as an exact fraction: `4/11` is not rounded to 16 digits.

use std::fmt;
use std::str::FromStr;

use super::decimal::{Decimal, NoDecimal};
use super::ratio::{Ratio, greatest_common_divisor, natural};
use crate::logic::Invalid;

const EXPECTED: &str = "a probability from 0 to 1 (0.3), a percentage (30%) or a fraction (4/11)";

/// The largest denominator: any positive float of Python that is a valid probability fits (17 digits from
/// 2^-64 on).
const MOST_PARTS: u128 = 10_u128.pow(37);

/// A fraction from 0 to 1, in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Probability {
    part: u128,
    whole: u128,
}

impl Probability {
    /// Never.
    pub const ZERO: Self = Self { part: 0, whole: 1 };

    /// Always.
    pub const ONE: Self = Self { part: 1, whole: 1 };

    /// `part / whole`, if that is from 0 to 1.
    pub fn new(part: u64, whole: u64) -> Result<Self, Invalid> {
        Self::reduced(part.into(), whole.into()).map_err(|why| refuse(&format!("{part}/{whole}"), why))
    }

    /// `part / whole`, known to be valid.
    pub(in crate::logic) fn of(part: u128, whole: u128) -> Self {
        debug_assert!(part <= whole && whole > 0);
        let common = greatest_common_divisor(part, whole);
        Self { part: part / common, whole: whole / common }
    }

    /// A fraction that was computed from others, if it is a valid probability and not too long.
    pub(in crate::logic) fn exactly(ratio: Ratio) -> Option<Self> {
        let (part, whole) = ratio.parts();
        Self::reduced(part, whole).ok()
    }

    /// Numerator and denominator, in lowest terms.
    pub fn fraction(&self) -> (u128, u128) {
        (self.part, self.whole)
    }

    /// The nearest float, or one beside it.
    pub fn as_f64(&self) -> f64 {
        self.part as f64 / self.whole as f64
    }

    /// Whether an event of this probability happens, given 64 uniform bits: bits < floor(p x 2^64); 1 always
    /// does.
    pub(in crate::logic) fn threshold(&self) -> Threshold {
        if self.part == self.whole {
            return Threshold { always: true, below: 0 };
        }
        // Long division, bit by bit: the remainder stays below 10^37, so doubling it cannot overflow.
        let (mut rest, mut below) = (self.part, 0_u64);
        for _ in 0..u64::BITS {
            rest *= 2;
            below = below << 1 | u64::from(rest >= self.whole);
            rest -= if rest >= self.whole { self.whole } else { 0 };
        }
        Threshold { always: false, below }
    }

    fn reduced(part: u128, whole: u128) -> Result<Self, String> {
        if whole == 0 {
            return Err(format!("{EXPECTED}; nothing can be divided by 0"));
        }
        if part > whole {
            return Err(EXPECTED.into());
        }
        let fraction = Self::of(part, whole);
        if fraction.whole > MOST_PARTS {
            return Err("at most 37 digits behind the point or below the line".into());
        }
        if part > 0 && fraction.threshold() == (Threshold { always: false, below: 0 }) {
            return Err("0 or at least 2^-64 (5.5e-20): anything smaller would never happen".into());
        }
        Ok(fraction)
    }

    fn from_decimal(text: &str, percent: bool) -> Result<Self, String> {
        let number = text.parse::<Decimal>().map_err(|why| match why {
            NoDecimal::Malformed => EXPECTED.to_owned(),
            NoDecimal::TooLong => format!("{EXPECTED} of at most 37 digits"),
        })?;
        if number.digits == 0 {
            return Ok(Self::ZERO);
        }
        if number.negative {
            return Err(EXPECTED.into());
        }
        let exponent = number.exponent.saturating_sub(if percent { 2 } else { 0 });
        let power = |of: i32| 10_u128.checked_pow(of.unsigned_abs());
        if exponent < 0 {
            let whole = power(exponent).ok_or("0 or at least 2^-64 (5.5e-20), with at most 37 decimals")?;
            if !percent && number.digits > whole && number.digits / 100 <= whole {
                return Err(format!("{EXPECTED}; for {text} percent write \"{text}%\""));
            }
            return Self::reduced(number.digits, whole);
        }
        match power(exponent).and_then(|power| power.checked_mul(number.digits)) {
            Some(1) => Ok(Self { part: 1, whole: 1 }),
            Some(2..=100) if !percent => Err(format!("{EXPECTED}; for {text} percent write \"{text}%\"")),
            _ => Err(EXPECTED.into()),
        }
    }
}

impl From<Probability> for Ratio {
    fn from(Probability { part, whole }: Probability) -> Self {
        Self { part, whole }
    }
}

/// A probability as a threshold for 64-bit uniforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logic) struct Threshold {
    always: bool,
    below: u64,
}

impl Threshold {
    /// That of a float from 0 to 1, to its 53 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    pub(in crate::logic) fn near(p: f64) -> Self {
        Self { always: p >= 1.0, below: if p >= 1.0 { 0 } else { (p * 2.0_f64.powi(64)) as u64 } }
    }

    /// The outcome if it is certain; `None` if the uniform decides.
    pub(in crate::logic) fn certain(self) -> Option<bool> {
        (self.always || self.below == 0).then_some(self.always)
    }

    pub(in crate::logic) fn met_by(self, uniform: u64) -> bool {
        self.always || uniform < self.below
    }
}

fn refuse(text: &str, expected: String) -> Invalid {
    Invalid::new("probability", format!("{text:?}"), expected)
}

impl FromStr for Probability {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = text.trim();
        let parsed = if let Some((part, whole)) = number.split_once('/') {
            match (natural(part), natural(whole)) {
                (Some(part), Some(whole)) => Self::reduced(part, whole),
                _ => Err(format!("{EXPECTED}; a fraction is of whole numbers")),
            }
        } else if let Some(percent) = number.strip_suffix('%') {
            Self::from_decimal(percent.trim_end(), true)
        } else {
            Self::from_decimal(number, false)
        };
        parsed.map_err(|why| refuse(text, why))
    }
}

/// `0.3` where that is exact, else `4/11`.
impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ratio::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Probability {
        text.parse().unwrap()
    }

    #[test]
    fn all_spellings_are_exact() {
        let cases = [
            ("0.3", (3, 10), "0.3"),
            ("30%", (3, 10), "0.3"),
            ("3/10", (3, 10), "0.3"),
            (" 4 / 11 ", (4, 11), "4/11"),
            ("36.4%", (91, 250), "0.364"),
            ("30 %", (3, 10), "0.3"),
            ("1e-3", (1, 1000), "0.001"),
            ("1e2%", (1, 1), "1"),
            (".5", (1, 2), "0.5"),
            ("0", (0, 1), "0"),
            ("-0.0", (0, 1), "0"),
            ("0e999", (0, 1), "0"),
            ("0/7", (0, 1), "0"),
            ("1", (1, 1), "1"),
            ("1.0", (1, 1), "1"),
            ("11/11", (1, 1), "1"),
            ("100%", (1, 1), "1"),
            ("0.30000000000000004", (7_500_000_000_000_001, 25_000_000_000_000_000), "0.30000000000000004"),
            ("0.125", (1, 8), "0.125"),
            ("1/18446744073709551616", (1, 1 << 64), "1/18446744073709551616"),
        ];
        for (text, fraction, canonical) in cases {
            assert_eq!(read(text).fraction(), fraction, "{text}");
            assert_eq!(read(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn invalid_probabilities_are_refused_with_the_valid_forms() {
        let cases = [
            "",
            "nan",
            "inf",
            "-inf",
            "-0.1",
            "1.1",
            "101",
            "101%",
            "-1%",
            "5/4",
            "1/0",
            "0/0",
            "-1/2",
            "1/-2",
            "0.4/1.1",
            "4/11%",
            "4/",
            "/11",
            "4//11",
            "1_0%",
            "half",
            "0,3",
            "1e-30",
            "5e-324",
            "1e-999999999",
            "1e999999999",
            "1e9999999999",
        ];
        for text in cases {
            let refused = text.parse::<Probability>().unwrap_err().to_string();
            assert!(refused.contains(&format!("{text:?}")) && refused.contains("expected "), "{refused}");
        }
    }

    #[test]
    fn percent_without_the_sign_is_hinted_at() {
        for text in ["30", "30.5", "1.5", "100", "2"] {
            let refused = text.parse::<Probability>().unwrap_err().to_string();
            assert!(refused.contains(&format!("write \"{text}%\"")), "{refused}");
        }
    }

    #[test]
    fn thresholds_are_the_exact_floor() {
        let below = |text: &str| read(text).threshold();
        assert_eq!(below("0"), Threshold { always: false, below: 0 });
        assert_eq!(below("1"), Threshold { always: true, below: 0 });
        assert_eq!(below("1/2"), Threshold { always: false, below: 1 << 63 });
        assert_eq!(below("4/11"), Threshold { always: false, below: 6_707_906_935_894_382_405 });
        assert_eq!(below("0.3"), Threshold { always: false, below: 5_534_023_222_112_865_484 });
        assert_eq!(below("1/18446744073709551616"), Threshold { always: false, below: 1 });
        assert!(below("1").met_by(u64::MAX) && !below("0").met_by(0));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(part: u64, whole in 1_u64..) {
            let probability = Probability::new(part.min(whole), whole).unwrap();
            prop_assert_eq!(read(&probability.to_string()), probability);
        }

        #[test]
        fn every_float_is_taken_at_its_word(mantissa in 1.0..2.0_f64, exponent in -64..0) {
            let value = mantissa * 2.0_f64.powi(exponent);
            let probability = read(&format!("{value}"));
            prop_assert!((probability.as_f64() / value - 1.0).abs() < 1e-15);
            prop_assert_eq!(read(&format!("{value:e}")), probability);
            prop_assert_eq!(read(&probability.to_string()), probability);
        }

        #[test]
        fn the_threshold_is_floor_p_2_64(part: u32, whole in 1_u32..) {
            prop_assume!(part < whole);
            let probability = Probability::new(part.into(), whole.into()).unwrap();
            let floor = (u128::from(part) << 64) / u128::from(whole);
            prop_assert_eq!(u128::from(probability.threshold().below), floor);
        }

        #[test]
        fn no_text_panics(text in ".{0,60}", number in "[-+]?[0-9.]{0,50}(e[-+]?[0-9]{1,12})?[%/]?[0-9]{0,45}") {
            let _ = (text.parse::<Probability>(), number.parse::<Probability>());
        }
    }
}
