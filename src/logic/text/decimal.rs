//! Decimal numbers exactly as written: `0.3` is 3/10 here, not the nearest binary fraction.

use std::str::FromStr;

/// `digits` x 10^`exponent`, without trailing zero digits; zero is `0 x 10^0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logic) struct Decimal {
    pub(in crate::logic) negative: bool,
    pub(in crate::logic) digits: u128,
    pub(in crate::logic) exponent: i32,
}

/// Why a text is no [`Decimal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logic) enum NoDecimal {
    /// Not a number at all (or not a finite one).
    Malformed,
    /// A number with too many significant digits or too large an exponent.
    TooLong,
}

/// 10^38 is the last power of ten in a `u128`.
const MOST_DIGITS: usize = 38;

impl FromStr for Decimal {
    type Err = NoDecimal;

    /// `1`, `-0.5`, `.5`, `1e-3`; no spaces, no underscores, no `inf`.
    fn from_str(text: &str) -> Result<Self, NoDecimal> {
        let (negative, unsigned) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, whole_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(decimals.bytes());
        if digits().next().is_none() || !digits().all(|digit| digit.is_ascii_digit()) {
            return Err(NoDecimal::Malformed);
        }
        let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
        let significant = (whole.len() + decimals.len()) - trailing;
        let leading = digits().take(significant).take_while(|digit| *digit == b'0').count();
        if significant == 0 {
            return Ok(Self { negative, digits: 0, exponent: 0 });
        }
        if significant - leading > MOST_DIGITS {
            return Err(NoDecimal::TooLong);
        }
        let value =
            digits().take(significant).fold(0, |value: u128, digit| value * 10 + u128::from(digit - b'0'));
        let dropped = i32::try_from(trailing).map_err(|_| NoDecimal::TooLong)?;
        let decimals = i32::try_from(decimals.len()).map_err(|_| NoDecimal::TooLong)?;
        let exponent = exponent.checked_add(dropped).and_then(|sum| sum.checked_sub(decimals));
        Ok(Self { negative, digits: value, exponent: exponent.ok_or(NoDecimal::TooLong)? })
    }
}

fn whole_exponent(text: &str) -> Result<i32, NoDecimal> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(NoDecimal::Malformed);
    }
    text.parse().map_err(|_| NoDecimal::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(bool, u128, i32), NoDecimal> {
        text.parse().map(|Decimal { negative, digits, exponent }| (negative, digits, exponent))
    }

    #[test]
    fn a_decimal_is_read_exactly() {
        assert_eq!(read("0.30"), Ok((false, 3, -1)));
        assert_eq!(read("300"), Ok((false, 3, 2)));
        assert_eq!(read("-1.5e-3"), Ok((true, 15, -4)));
        assert_eq!(read(".5"), Ok((false, 5, -1)));
        assert_eq!(read("5."), Ok((false, 5, 0)));
        assert_eq!(read("000.000"), Ok((false, 0, 0)));
        assert_eq!(read("1E+2"), Ok((false, 1, 2)));
        assert_eq!(read(&format!("{}1", "0".repeat(5000))), Ok((false, 1, 0)));
    }

    #[test]
    fn anything_else_is_none() {
        for text in
            ["", ".", "-", "e5", "1e", "1e+", "nan", "inf", "1_0", " 1", "1.2.3", "0x1", "१", "--1", "1e5.0"]
        {
            assert_eq!(read(text), Err(NoDecimal::Malformed), "{text:?}");
        }
        assert_eq!(read(&"1".repeat(39)), Err(NoDecimal::TooLong));
        assert_eq!(read("1e99999999999"), Err(NoDecimal::TooLong));
        assert_eq!(read("1.5e-2147483648"), Err(NoDecimal::TooLong));
    }
}
