//! The time in a message, as a number in any unit, in ISO 8601 or in the form of C's `ctime`. A plain number becomes
//! nanoseconds digit by digit, as a float would round them.

mod date;

pub(super) use date::{clock, date};

use super::dialects::FIRST_TIME;
use crate::logic::{Nanos, SECOND};

/// A time as a message carries it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WallTime<'a> {
    /// Seconds, milli-, micro- or nanoseconds since 1970, distinguished by their size: [`is_number`] holds.
    Number(&'a str),
    /// From a date or a binary form.
    Known {
        /// Nanoseconds since 1970.
        wall_ns: i64,
        /// Whether the date names its zone. One without is taken as UTC, so it may be hours off though the clock is right.
        zone_known: bool,
    },
}

impl<'a> WallTime<'a> {
    /// Reads a text that is a time and nothing else.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        if is_number(text) {
            return Some(Self::Number(text));
        }
        date(text).filter(|(_, rest)| rest.is_empty()).map(|(wall_time, _)| wall_time)
    }

    /// Nanoseconds since 1970; none where 64 bits are too few.
    pub(super) fn wall_ns(self) -> Option<i64> {
        match self {
            Self::Known { wall_ns, .. } => Some(wall_ns),
            Self::Number(text) => match Plain::read(text) {
                Some(plain) => plain.shifted(decimals(plain.whole)),
                None => nanos(seconds(text)?),
            },
        }
    }

    /// Seconds since 1970; where the text is seconds, exactly Python's `float(text)`.
    pub(super) fn seconds(self) -> Option<f64> {
        match self {
            Self::Known { wall_ns, .. } => Some(super::seconds(wall_ns)),
            Self::Number(text) => seconds(text),
        }
    }

    /// The same, with a date without a zone taken as `utc_offset` ahead of UTC.
    pub(super) fn in_zone(self, utc_offset: Nanos) -> Self {
        match self {
            Self::Known { wall_ns, zone_known: false } => {
                Self::Known { wall_ns: wall_ns.saturating_sub(utc_offset), zone_known: false }
            }
            known => known,
        }
    }

    /// Whether it can be compared with another clock.
    pub(super) fn zone_known(self) -> bool {
        !matches!(self, Self::Known { zone_known: false, .. })
    }

    /// Whether it is too large for a sequence number.
    pub(super) fn is_certain(self) -> bool {
        self.wall_ns().is_some_and(|wall_ns| wall_ns >= FIRST_TIME.cast_signed() * SECOND)
    }
}

/// Whether a text is a number such as `17`, `-17.25`, `1.7e9`; `nan`, `inf` and `1_000`, which Python also takes, are not.
pub(super) fn is_number(text: &str) -> bool {
    text.bytes().last().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.strip_prefix('-').unwrap_or(text).starts_with(|first: char| first.is_ascii_digit())
        && (Plain::read(text).is_some() || seconds(text).is_some())
}

/// Seconds of a plain decimal number, to the nanosecond.
pub(super) fn decimal_seconds(text: &str) -> Option<Nanos> {
    Plain::read(text)?.shifted(9)
}

/// The nanoseconds nearest to so many seconds.
pub(super) fn nanos(seconds: f64) -> Option<i64> {
    // Multiplied by 1e9 at once, a float would lose the last digits.
    #[expect(clippy::cast_possible_truncation, reason = "within the range of i64")]
    (seconds.abs() < 9.2e9)
        .then(|| seconds.trunc() as i64 * SECOND + (seconds.fract() * SECOND as f64).round() as i64)
}

/// The power of ten between the unit of a number of this size and nanoseconds.
fn decimals(whole: u64) -> u32 {
    match whole {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    }
}

/// Reads a float, which may have an exponent, as seconds.
fn seconds(number: &str) -> Option<f64> {
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some(match number {
        n if n >= 1e17 => n / 1e9,
        n if n >= 1e14 => n / 1e6,
        n if n >= 1e11 => n / 1e3,
        n => n,
    })
}

/// A number without an exponent.
struct Plain<'a> {
    negative: bool,
    whole: u64,
    part: &'a [u8],
}

impl<'a> Plain<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        let point = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let (whole, part) = digits.split_at_checked(point)?;
        let part = part.strip_prefix('.').unwrap_or(part).as_bytes();
        part.iter().all(u8::is_ascii_digit).then_some(())?;
        // Fails unless there are digits and nothing else.
        Some(Self { negative, whole: whole.parse().ok()?, part })
    }

    /// The number with its point moved so many places to the right, at most nine, rounded to a whole one.
    fn shifted(&self, places: u32) -> Option<i64> {
        let mut digits = self.part.iter().map(|digit| i64::from(digit - b'0')).chain(std::iter::repeat(0));
        let part = (0..places).fold(0, |part, _| 10 * part + digits.next().unwrap_or(0));
        let up = i128::from(digits.next() >= Some(5));
        let moved = i128::from(self.whole) * 10_i128.pow(places) + i128::from(part) + up;
        i64::try_from(if self.negative { -moved } else { moved }).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn wall_ns(text: &str) -> Option<i64> {
        WallTime::read(text).unwrap_or_else(|| panic!("{text:?} is a time")).wall_ns()
    }

    #[test]
    fn numbers_are_exact_in_any_unit() {
        for (text, expected) in [
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.", 1_700_000_000_000_000_000),
            ("1700000000.25", 1_700_000_000_250_000_000),
            ("1700000000.000214001", 1_700_000_000_000_214_001),
            ("1700000000.0000000004", 1_700_000_000_000_000_000),
            ("1700000000.9999999995", 1_700_000_001_000_000_000),
            ("1700000000250", 1_700_000_000_250_000_000),
            ("1700000000250.000001", 1_700_000_000_250_000_001),
            ("1700000000000214", 1_700_000_000_000_214_000),
            ("1700000000000214.001", 1_700_000_000_000_214_001),
            ("1700000000123456789", 1_700_000_000_123_456_789),
            ("1700000000123456789.9", 1_700_000_000_123_456_790),
            ("1.70000000025e9", 1_700_000_000_250_000_000),
            ("1.7E+12", 1_700_000_000_000_000_000),
            ("5e-09", 5),
            ("0.000000001", 1),
            ("-0.000000001", -1),
            ("-9223372036.854775808", i64::MIN),
            ("9223372036.854775807", i64::MAX),
        ] {
            assert_eq!(wall_ns(text), Some(expected), "{text}");
        }
        for large in
            ["9223372036.854775808", "99999999999", "18446744073709551615", "9e99", "99999999999999999999"]
        {
            assert_eq!(wall_ns(large), None, "{large}");
            assert!(!WallTime::Number(large).is_certain());
        }
        for text in [
            "", "-", ".", ".5", "-.5", "nan", "inf", "-inf", "1_0", "1e", "1e999", "+1", "0x1", "1.2.3",
            "--1", " 1", "1 ",
        ] {
            assert_eq!(WallTime::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn seconds_are_pythons() {
        for text in ["1700000000.25", "1726406736.2412975", "1700000000.0000000001", "1e9", "0.1"] {
            assert_eq!(WallTime::Number(text).seconds(), text.parse().ok());
        }
        assert_eq!(WallTime::Number("1700000000250").seconds(), Some(1_700_000_000.25));
        assert_eq!(WallTime::read("2023-11-14 22:13:20.5").unwrap().seconds(), Some(1_700_000_000.5));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "(.|[0-9]{1,30}|[-+:.,TZ e]|Fri |Sep ){0,16}") {
            let _ = (WallTime::read(&text).map(WallTime::wall_ns), clock(&text), decimal_seconds(&text));
        }
    }
}
