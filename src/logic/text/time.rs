//! Times as text: `50ms`, `1.5s`, `0.05`. And plain numbers, in billionths.

use std::fmt;

use super::Decimal;
use crate::logic::{Nanos, SECOND};

pub(in crate::logic) const HOUR: Nanos = 3_600 * SECOND;

/// A time from 0 to an hour, rounded to nanoseconds.
pub(in crate::logic) fn time(text: &str) -> Result<Nanos, &'static str> {
    const UNITS: [(&str, i32); 4] = [("ns", 0), ("us", 3), ("ms", 6), ("s", 9)];
    let text = text.trim();
    let (number, power) = UNITS
        .iter()
        .find_map(|(unit, power)| Some((text.strip_suffix(unit)?.trim_end(), *power)))
        .unwrap_or((text, 9));
    match scaled(number, power) {
        Some(Ok(nanos)) => Some(nanos).filter(|nanos| *nanos <= HOUR).ok_or(""),
        Some(Err(())) => Err("; no reply leaves before its request"),
        None => Err(""),
    }
}

/// A number from 0 up in billionths, to the nearest.
pub(in crate::logic) fn billionths(text: &str) -> Option<i64> {
    scaled(text.trim(), 9)?.ok()
}

/// A number times 10^`power`, rounded; an error if it is negative, `None` if it is no number or too large.
fn scaled(number: &str, power: i32) -> Option<Result<i64, ()>> {
    let Decimal { negative, digits, exponent } = number.parse().ok()?;
    if digits == 0 {
        return Some(Ok(0));
    }
    if negative {
        return Some(Err(()));
    }
    let exponent = exponent.saturating_add(power);
    let scale = 10_u128.checked_pow(exponent.unsigned_abs());
    let value = match scale {
        Some(scale) if exponent < 0 => (digits + scale / 2) / scale,
        None if exponent < 0 => 0,
        Some(scale) => digits.saturating_mul(scale),
        None => u128::MAX,
    };
    i64::try_from(value).ok().map(Ok)
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
