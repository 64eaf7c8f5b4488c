//! A fast path for the line of our own senders and the course's `Ping`, which most heartbeats are. Other lines are left to
//! the other readers, which read these lines alike.

use super::Parsed;
use crate::logic::codec::dialects::FIRST_TIME;
use crate::logic::codec::wall_time::WallTime;
use crate::logic::{Nanos, SECOND};

/// Reads `Heartbeat 17 1700000000.25` or `Ping 17 1700000000.25`, perhaps with words after it.
pub(super) fn read(text: &str) -> Option<Parsed<'_>> {
    let front = text.strip_prefix("Heartbeat ").or_else(|| text.strip_prefix("Ping "))?;
    let (seq, after) = digits(front, 19)?;
    let (wall_ns, rest) = decimal(after.strip_prefix(' ')?)?;
    let is_certain = wall_ns >= FIRST_TIME.cast_signed() * SECOND;
    let goes_on = rest
        .strip_prefix(' ')
        .map_or(rest.is_empty(), |word| word.starts_with(|first: char| first.is_ascii_alphabetic()));
    let wall_time = Some(WallTime::Known { wall_ns, zone_known: true });
    (is_certain && goes_on && !text.contains('\n')).then_some(Parsed {
        seq: Some(seq),
        wall_time,
        known: true,
        rest,
    })
}

/// Reads seconds at the beginning of a text: up to ten digits, and up to nine after a point.
pub(super) fn decimal(text: &str) -> Option<(Nanos, &str)> {
    const PLACES: [i64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let (seconds, rest) = digits(text, 10)?;
    let whole = seconds.cast_signed().checked_mul(SECOND)?;
    let Some(part) = rest.strip_prefix('.') else { return Some((whole, rest)) };
    let (nanos, rest) = digits(part, 9)?;
    let place = PLACES[part.len() - rest.len() - 1];
    Some((whole.checked_add(nanos.cast_signed() * place)?, rest))
}

/// Reads a number of one to `most` digits; a u64 has room for 19.
fn digits(text: &str, most: usize) -> Option<(u64, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length).filter(|(digits, _)| !digits.is_empty())?;
    Some((digits.bytes().fold(0, |number, digit| 10 * number + u64::from(digit - b'0')), rest))
}
