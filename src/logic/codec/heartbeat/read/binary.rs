//! Reads the binary forms of the course. Zeros at the end are not padding here.

use super::Parsed;
use crate::logic::SECOND;
use crate::logic::codec::dialects::FIRST_TIME;
use crate::logic::codec::wall_time::{WallTime, nanos};

/// Milliseconds since 1970 that cannot be seconds.
const MILLISECONDS: std::ops::Range<i64> = 100_000_000_000..100_000_000_000_000;

pub(super) fn read(datagram: &[u8]) -> Option<Parsed<'_>> {
    match datagram.len() {
        8 => pair(datagram),
        40 => columns(datagram),
        16 => structure(datagram).or_else(|| icmp(datagram)),
        14..=super::LONGEST => icmp(datagram),
        _ => None,
    }
}

/// The text of Java's `writeUTF`: two bytes for its length, high byte first.
pub(super) fn prefixed(datagram: &[u8]) -> Option<&[u8]> {
    let (length, text) = datagram.split_first_chunk::<2>()?;
    (usize::from(u16::from_be_bytes(*length)) == text.len()).then_some(text)
}

/// Python's `struct.pack("!ii", kind, seq)`, where 1 is a request and 2 a reply.
fn pair(datagram: &[u8]) -> Option<Parsed<'_>> {
    let (kind, seq) = datagram.split_first_chunk::<4>()?;
    let seq = i32::from_be_bytes(seq.try_into().ok()?);
    let known = matches!(kind, [0, 0, 0, 1 | 2]);
    Some(Parsed { seq: Some(u64::try_from(seq).ok()?), known: true, ..Parsed::default() }).filter(|_| known)
}

/// An echo request of ICMP within UDP: type 8, code 0, checksum, identifier, number, and the time in milliseconds in six
/// bytes.
fn icmp(datagram: &[u8]) -> Option<Parsed<'_>> {
    let (header, data) = datagram.split_first_chunk::<8>()?;
    let (milliseconds, _) = data.split_first_chunk::<6>()?;
    if !header.starts_with(&[8, 0]) || !sums_up(datagram) {
        return None;
    }
    let seq = u16::from_be_bytes([header[6], header[7]]);
    let milliseconds = milliseconds.iter().fold(0, |number, byte| number << 8 | i64::from(*byte));
    let wall_ns = MILLISECONDS.contains(&milliseconds).then(|| milliseconds.checked_mul(SECOND / 1_000));
    Some(Parsed { seq: Some(seq.into()), wall_time: wall_ns.flatten().map(known), known: true, rest: "" })
}

/// Whether the Internet checksum (RFC 1071) is right: the sum of all words is 0xffff.
fn sums_up(datagram: &[u8]) -> bool {
    let words =
        datagram.chunks(2).map(|word| u32::from_be_bytes([0, 0, word[0], *word.get(1).unwrap_or(&0)]));
    // At most 750 words of 16 bits; folding them twice leaves no carry.
    let sum: u32 = words.sum();
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16) == 0xffff
}

/// Python's `struct.pack("Id", seq, time)` or the same in C: a number, four bytes of padding, a float, in the byte order
/// of the sender's processor.
fn structure(datagram: &[u8]) -> Option<Parsed<'_>> {
    let (seq, rest) = datagram.split_first_chunk::<4>()?;
    let (filling, time) = rest.split_first_chunk::<4>()?;
    let time = <[u8; 8]>::try_from(time).ok().filter(|_| *filling == [0; 4])?;
    let orders = [
        (u32::from_le_bytes(*seq), f64::from_le_bytes(time)),
        (u32::from_be_bytes(*seq), f64::from_be_bytes(time)),
    ];
    let plausible = FIRST_TIME as f64..1e11;
    let (seq, seconds) = orders.into_iter().find(|(_, seconds)| plausible.contains(seconds))?;
    Some(Parsed { seq: Some(seq.into()), wall_time: nanos(seconds).map(known), known: true, rest: "" })
}

/// Columns of 40 bytes: the number in five digits, 0 for a request or 1 for a reply, four digits of a time whose origin
/// is not known, and a name.
fn columns(datagram: &[u8]) -> Option<Parsed<'_>> {
    let (head, name) = datagram.split_at_checked(10)?;
    let digits =
        std::str::from_utf8(head).ok().filter(|head| head.bytes().all(|byte| byte.is_ascii_digit()))?;
    // A longer number would be a time, and the text a line of words.
    let is_name = name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'#');
    let kind = matches!(head[5], b'0' | b'1');
    let seq = digits[..5].parse().ok().filter(|_| is_name && kind)?;
    Some(Parsed { seq: Some(seq), known: true, ..Parsed::default() })
}

fn known(wall_ns: i64) -> WallTime<'static> {
    WallTime::Known { wall_ns, zone_known: true }
}
