//! Durations as text, for every option and every argument: `50ms`, `1.5s`, `2m`, `0.05`. And plain numbers, in
//! billionths.

use std::fmt;
use std::ops::RangeInclusive;

use super::Decimal;
use crate::logic::{DAY, Nanos, SECOND};

pub(crate) const HOUR: Nanos = 3_600 * SECOND;

/// The units, each with its nanoseconds as `m` x 10^`n`. None is the end of one that comes after it.
const UNITS: [(&str, u128, i32); 11] = [
    ("ns", 1, 0),
    ("us", 1, 3),
    ("\u{b5}s", 1, 3),
    ("\u{3bc}s", 1, 3),
    ("ms", 1, 6),
    ("s", 1, 9),
    ("min", 6, 10),
    ("m", 6, 10),
    ("h", 36, 11),
    ("d", 864, 11),
    ("", 1, 9),
];

/// From this one on, a bare number where a delay is meant is likely of milliseconds.
const DOUBTFUL: Nanos = 10 * SECOND;

/// A duration from 0 on, rounded to nanoseconds.
pub(crate) fn duration(text: &str) -> Option<Nanos> {
    let (number, times, power) = split(text)?;
    scaled(number, times, power)
}

/// A duration whose unit must be given from ten seconds on; an error says what to write.
pub(crate) fn duration_with_unit(text: &str) -> Option<Result<Nanos, String>> {
    let (number, times, power) = split(text)?;
    let nanos = scaled(number, times, power)?;
    if nanos < DOUBTFUL || number.len() < text.trim().len() {
        return Some(Ok(nanos));
    }
    let seconds = if nanos <= HOUR { format!(" or {number}s") } else { String::new() };
    Some(Err(format!("a unit: {number} seconds? write {number}ms{seconds}")))
}

/// A number from 0 up in billionths, to the nearest.
pub(in crate::logic) fn billionths(text: &str) -> Option<i64> {
    scaled(text.trim(), 1, 9)
}

/// The valid durations, and how they are written.
pub(crate) fn expected(range: &RangeInclusive<Nanos>) -> String {
    let (least, most) = (Time(*range.start()), Round(*range.end()));
    format!("{least} to {most}: seconds (0.5), or a number with ns, us, ms, s, m, h or d (500ms)")
}

fn split(text: &str) -> Option<(&str, u128, i32)> {
    let text = text.trim();
    let number = |unit| Some(text.strip_suffix(unit)?.trim_end());
    UNITS.iter().find_map(|(unit, times, power)| Some((number(*unit)?, *times, *power)))
}

/// A number times `times` x 10^`power`, rounded; `None` if it is no number, negative or too large.
fn scaled(number: &str, times: u128, power: i32) -> Option<i64> {
    let Decimal { negative, digits, exponent } = number.parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let (digits, exponent) = (digits.checked_mul(times)?, exponent.saturating_add(power));
    let value = match (10_u128.checked_pow(exponent.unsigned_abs()), exponent < 0) {
        (Some(scale), true) => digits.checked_add(scale / 2)? / scale,
        (None, true) => 0,
        (Some(scale), false) => digits.checked_mul(scale)?,
        (None, false) => return None,
    };
    i64::try_from(value).ok().filter(|_| !negative)
}

/// A time in its largest unit that leaves a whole part.
pub(in crate::logic) struct Time(pub(in crate::logic) Nanos);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, usize, Nanos); 4] =
            [("s", 9, SECOND), ("ms", 6, 1_000_000), ("us", 3, 1_000), ("ns", 0, 1)];
        let Some((unit, decimals, size)) = UNITS.iter().find(|(_, _, size)| self.0 >= *size) else {
            return write!(f, "0");
        };
        point(f, self.0, *size, *decimals)?;
        f.write_str(unit)
    }
}

/// A number of billionths, in decimals.
pub(in crate::logic) struct Billionths(pub(in crate::logic) i64);

impl fmt::Display for Billionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        point(f, self.0, 1_000_000_000, 9)
    }
}

/// The same in the largest unit of which it is a whole number: `1d`.
struct Round(Nanos);

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, Nanos); 3] = [("d", DAY), ("h", HOUR), ("m", 60 * SECOND)];
        match UNITS.iter().find(|(_, size)| self.0 % size == 0) {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}", Time(self.0)),
        }
    }
}

/// Writes `value / size` with the decimals it needs.
fn point(f: &mut fmt::Formatter<'_>, value: i64, size: i64, decimals: usize) -> fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = ((value / size).unsigned_abs(), (value % size).unsigned_abs());
    write!(f, "{sign}{whole}")?;
    if rest == 0 {
        return Ok(());
    }
    let rest = format!("{rest:0decimals$}");
    write!(f, ".{}", rest.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_read_exactly_in_every_unit() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("1", SECOND),
            ("7ns", 7),
            ("50us", 50_000),
            ("50\u{b5}s", 50_000),
            ("50\u{3bc}s", 50_000),
            ("200ms", 200_000_000),
            (" 1.5 s ", 1_500_000_000),
            ("2m", 120 * SECOND),
            ("2min", 120 * SECOND),
            ("1h", HOUR),
            ("0.5d", DAY / 2),
            (".1m", 6 * SECOND),
            ("1e-3h", 3_600_000_000),
            ("0.000000000000000000000000000001d", 0),
            ("9223372036854775807ns", Nanos::MAX),
            ("106751d", 106_751 * DAY),
        ];
        for (text, nanos) in cases {
            assert_eq!(duration(text), Some(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_or_does_not_fit_is_none() {
        for text in [
            "",
            "s",
            "-1s",
            "1 m s",
            "1sec",
            "1S",
            "1ms2us",
            "1_0s",
            "nan",
            "inf",
            "infd",
            "9223372036854775808ns",
            "106752d",
            "1e300d",
            "99999999999999999999999999999999999999d",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_is_shown_with_its_units() {
        let shown = |range| expected(&range).split(':').next().map(str::to_owned);
        assert_eq!(shown(1_000..=DAY).as_deref(), Some("1us to 1d"));
        assert_eq!(shown(0..=HOUR).as_deref(), Some("0 to 1h"));
        assert_eq!(shown(50_000_000..=90 * SECOND).as_deref(), Some("50ms to 90s"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in 0..=Nanos::MAX) {
            prop_assert_eq!(duration(&Time(nanos).to_string()), Some(nanos));
            prop_assert_eq!(duration(&Round(nanos).to_string()), Some(nanos));
            prop_assert_eq!(duration(&format!("{nanos}ns")), Some(nanos));
            prop_assert_eq!(duration(&Billionths(nanos).to_string()), Some(nanos), "bare numbers are seconds");
        }

        #[test]
        fn every_unit_is_as_many_nanoseconds(count in 0..100_000_i64, unit in 0..UNITS.len()) {
            let (name, times, power) = UNITS[unit];
            let size = i64::try_from(times).unwrap() * 10_i64.pow(power.unsigned_abs());
            prop_assert_eq!(duration(&format!("{count}{name}")), Some(count * size));
            prop_assert_eq!(duration(&format!("{count}.5 {name}")), Some(count * size + (size + 1) / 2));
        }

        #[test]
        fn no_text_is_too_odd(text in "[-+]?[0-9.e]{0,45} ?[a-z]{0,3}") {
            let with_unit = duration_with_unit(&text);
            prop_assert_eq!(with_unit.is_some(), duration(&text).is_some());
            if let Some(Ok(nanos)) = with_unit {
                prop_assert_eq!(duration(&text), Some(nanos));
            }
        }
    }
}
