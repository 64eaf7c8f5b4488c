//! Fractions of whole numbers, for arithmetic with probabilities: exact, or `None` where a number grows too long.

use std::fmt;

use super::decimal::Decimal;

/// A fraction from 0 up, in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::logic) struct Ratio {
    pub(super) part: u128,
    pub(super) whole: u128,
}

impl Ratio {
    /// 1.
    pub(in crate::logic) const ONE: Self = Self { part: 1, whole: 1 };

    /// `part / whole`; `None` for a division by 0.
    pub(in crate::logic) fn new(part: u128, whole: u128) -> Option<Self> {
        let common = greatest_common_divisor(part, whole);
        (whole > 0).then(|| Self { part: part / common, whole: whole / common })
    }

    /// `7/3` or `2.5`, without a sign.
    pub(in crate::logic) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((part, whole)) = text.split_once('/') {
            return Self::new(natural(part)?, natural(whole)?);
        }
        let Decimal { negative, digits, exponent } = text.parse().ok()?;
        let scale = 10_u128.checked_pow(exponent.unsigned_abs());
        match scale {
            _ if negative => None,
            _ if digits == 0 => Self::new(0, 1),
            Some(scale) if exponent < 0 => Self::new(digits, scale),
            Some(scale) => Self::new(digits.checked_mul(scale)?, 1),
            None => None,
        }
    }

    /// Numerator and denominator.
    pub(in crate::logic) fn parts(self) -> (u128, u128) {
        (self.part, self.whole)
    }

    /// The sum.
    pub(in crate::logic) fn plus(self, other: Self) -> Option<Self> {
        // Over the least common denominator.
        let common = greatest_common_divisor(self.whole, other.whole);
        let (ours, theirs) = (self.whole / common, other.whole / common);
        let part = self.part.checked_mul(theirs)?.checked_add(other.part.checked_mul(ours)?)?;
        Self::new(part, ours.checked_mul(other.whole)?)
    }

    /// The product.
    pub(in crate::logic) fn times(self, other: Self) -> Option<Self> {
        // Reduced crosswise first, so that no intermediate number is longer than those of the result.
        let (a, b) = (Self::new(self.part, other.whole)?, Self::new(other.part, self.whole)?);
        Self::new(a.part.checked_mul(b.part)?, a.whole.checked_mul(b.whole)?)
    }

    /// The quotient; `None` also for a division by 0.
    pub(in crate::logic) fn over(self, other: Self) -> Option<Self> {
        self.times(Self::new(other.whole, other.part)?)
    }

    /// 1 less this; `None` above 1.
    pub(in crate::logic) fn complement(self) -> Option<Self> {
        Self::new(self.whole.checked_sub(self.part)?, self.whole)
    }

    /// The nearest float, or one beside it.
    pub(in crate::logic) fn as_f64(self) -> f64 {
        self.part as f64 / self.whole as f64
    }
}

/// `0.3` where that is exact, else `4/11`.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut decimals = 0;
        let mut power = 1_u128;
        // The shortest power of ten that the denominator divides; 37 decimals are read back, more are not
        // needed.
        while !power.is_multiple_of(self.whole) && decimals < 37 {
            power *= 10;
            decimals += 1;
        }
        match (power / self.whole).checked_mul(self.part) {
            Some(digits) if power.is_multiple_of(self.whole) && decimals == 0 => write!(f, "{digits}"),
            Some(digits) if power.is_multiple_of(self.whole) => {
                write!(f, "{}.{:0decimals$}", digits / power, digits % power)
            }
            _ => write!(f, "{}/{}", self.part, self.whole),
        }
    }
}

pub(in crate::logic) fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A whole number without a sign, which `parse` would accept.
pub(in crate::logic) fn natural(text: &str) -> Option<u128> {
    let digits = text.trim();
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fractions_are_read_exactly_and_shown_in_one_form() {
        let cases = [
            ("3", "3"),
            (" 4.66 ", "4.66"),
            ("14/3", "14/3"),
            ("6/4", "1.5"),
            ("1e2", "100"),
            ("0", "0"),
            ("0.0e9", "0"),
        ];
        for (text, canonical) in cases {
            assert_eq!(Ratio::read(text).unwrap().to_string(), canonical, "{text}");
        }
        for text in
            ["", "-1", "1/0", "0/0", "-1/2", "nan", "inf", "1e39", "1e-39", "1e999999999", "a", "1/2/3"]
        {
            assert_eq!(Ratio::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_would_be_too_long_is_given_up() {
        let long = Ratio::new(10_u128.pow(37) - 1, 10_u128.pow(37)).unwrap();
        assert_eq!(long.times(long), None);
        assert_eq!(
            long.plus(Ratio::new(1, 3).unwrap()).map(Ratio::parts),
            Some((4 * 10_u128.pow(37) - 3, 3 * 10_u128.pow(37)))
        );
        assert_eq!(long.plus(Ratio::new(1, 1_009).unwrap()), None);
        assert_eq!(long.over(Ratio::new(0, 1).unwrap()), None);
        assert_eq!(Ratio::ONE.complement().unwrap().parts(), (0, 1));
        assert_eq!(Ratio::new(3, 2).unwrap().complement(), None);
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_fractions(a: u32, b in 1_u32.., c: u32, d in 1_u32..) {
            let [a, b, c, d] = [a, b, c, d].map(u128::from);
            let (x, y) = (Ratio::new(a, b).unwrap(), Ratio::new(c, d).unwrap());
            prop_assert_eq!(x.plus(y), Ratio::new(a * d + c * b, b * d));
            prop_assert_eq!(x.times(y), Ratio::new(a * c, b * d));
            prop_assert_eq!(x.over(y), Ratio::new(a * d, b * c));
            prop_assert_eq!(Ratio::read(&x.to_string()), Some(x));
        }
    }
}
