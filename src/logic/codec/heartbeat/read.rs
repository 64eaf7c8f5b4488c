//! Reads a heartbeat in any dialect of the course: a number and a time in one of many forms, then `key=value` words. Unknown
//! words are ignored, so that newer senders are understood; those that identify the sender must be valid.

mod binary;
mod fields;
mod line;
mod plain;
#[cfg(test)]
mod tests;

use super::{Heartbeat, INTERVALS, Seal, is_name};
use crate::logic::Nanos;
use crate::logic::codec::wall_time::{WallTime, decimal_seconds};

/// The longest heartbeat, without its padding: what one datagram on an Ethernet holds.
const LONGEST: usize = 1_500;

/// Why a datagram is no heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has no bytes but padding.
    #[error("it is empty")]
    Empty,
    /// It is longer than a heartbeat may be.
    #[error("it has more than {LONGEST} bytes")]
    Long,
    /// Bytes that no known sender writes.
    #[error("it is neither text nor a known binary form")]
    Binary,
    /// A text that is something else.
    #[error("it has no number, no time, and does not begin with a word such as Heartbeat")]
    Nothing,
    /// Its id or its session is invalid.
    #[error("it has an id that is no name, or a session that is not 1 to 16 hexadecimal digits")]
    Sender,
    /// A word occurs twice.
    #[error("it says one thing twice")]
    Twice,
    /// Its seal is malformed.
    #[error("it has a malformed seal: `key=NAME mac=` and 32 small hexadecimal digits must end it")]
    Seal,
    /// Its seal is right, and covers too little.
    #[error("it is sealed and lacks a number, an id or a session, so that it cannot be told from its replay")]
    Replayable,
    /// Its seal is right, and its key is for other senders.
    #[error("it is sealed with a key that is not for its id")]
    OtherSender,
}

impl<'a> Heartbeat<'a> {
    /// Reads a datagram.
    ///
    /// A time of exactly 0 comes from a sender without a clock and is ignored. A heartbeat with `mac` or `key` is an error
    /// unless its seal is well-formed: it never counts as unsealed. Binary numbers wrap around at 16 or 31 bits.
    pub fn read(datagram: &'a [u8]) -> Result<Self, Unreadable> {
        let parsed = if let Some(parsed) = binary::read(datagram) {
            parsed
        } else {
            let text = whole_text(datagram)?;
            plain::read(text).unwrap_or_else(|| parse_text(text))
        };
        let wall_ns = parsed.wall_time.and_then(WallTime::wall_ns).filter(|wall_ns| *wall_ns != 0);
        let local = wall_ns.is_some() && !parsed.wall_time.is_some_and(WallTime::zone_known);
        let mut heartbeat = Self { seq: parsed.seq, wall_ns, local, ..Self::default() };
        heartbeat.words(parsed.rest, datagram)?;
        if parsed.seq.is_none() && wall_ns.is_none() && !parsed.known {
            return Err(Unreadable::Nothing);
        }
        Ok(heartbeat)
    }

    /// Reads the words after the time. Numbers out of range are ignored.
    fn words(&mut self, rest: &'a str, datagram: &'a [u8]) -> Result<(), Unreadable> {
        let mut seen = 0_u16;
        let (mut key, mut sealed) = (None, false);
        for (name, value) in words(rest) {
            let place = match name {
                "id" => {
                    self.id = Some(name_of(value).ok_or(Unreadable::Sender)?);
                    0
                }
                "session" => {
                    self.session = Some(hexadecimal(value).ok_or(Unreadable::Sender)?);
                    1
                }
                "boot" => {
                    self.boot = whole(value);
                    2
                }
                "interval" => {
                    self.interval = seconds(value).filter(|interval| INTERVALS.contains(interval));
                    3
                }
                "mono" => {
                    self.mono = seconds(value).filter(|mono| *mono >= 0);
                    4
                }
                "ack" => {
                    self.ack = whole(value);
                    5
                }
                "bye" => {
                    self.bye = status(value);
                    6
                }
                "key" => {
                    key = Some(name_of(value).ok_or(Unreadable::Seal)?);
                    7
                }
                "mac" => {
                    sealed = true;
                    8
                }
                _ => continue,
            };
            if seen & (1 << place) != 0 {
                return Err(Unreadable::Twice);
            }
            seen |= 1 << place;
        }
        if key.is_some() || sealed {
            let seal = key.and_then(|key| Seal::at_end(key, datagram));
            self.seal = Some(seal.ok_or(Unreadable::Seal)?);
        }
        Ok(())
    }
}

/// The names and values of the words that have both.
fn words(mut rest: &str) -> impl Iterator<Item = (&str, &str)> {
    // One loop over the bytes, as most time of reading is spent here.
    std::iter::from_fn(move || {
        loop {
            let (mut equals, mut end) = (None, rest.len());
            for (place, byte) in rest.bytes().enumerate() {
                if byte == b'=' && equals.is_none() {
                    equals = Some(place);
                } else if is_gap(char::from(byte)) {
                    end = place;
                    break;
                }
            }
            let word = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if let Some(equals) = equals {
                return Some((&word[..equals], &word[equals + 1..]));
            }
            if rest.is_empty() {
                return None;
            }
        }
    })
}

fn seconds(value: &str) -> Option<Nanos> {
    plain::decimal(value)
        .and_then(|(nanos, rest)| rest.is_empty().then_some(nanos))
        .or_else(|| decimal_seconds(value))
}

/// The time of sending in a request.
pub(in crate::logic::codec) fn sent_at(datagram: &[u8]) -> Option<WallTime<'_>> {
    binary::read(datagram).unwrap_or_else(|| parse_text(readable(datagram))).wall_time
}

/// The sequence number of a request in a binary form, among whose bytes digits may be.
pub(in crate::logic::codec) fn binary_number(datagram: &[u8]) -> Option<u64> {
    binary::read(datagram)?.seq
}

/// The sequence number of a request in fields that have names.
pub(in crate::logic::codec) fn field_number(datagram: &[u8]) -> Option<u64> {
    fields::read(readable(datagram))?.seq
}

/// The text at the beginning of a request.
fn readable(datagram: &[u8]) -> &str {
    let bytes = trimmed(binary::prefixed(datagram).unwrap_or(datagram));
    let chunk = bytes[..bytes.len().min(LONGEST)].utf8_chunks().next();
    chunk.map_or("", |chunk| chunk.valid())
}

/// The beginning of a datagram, parsed.
#[derive(Debug, Default)]
struct Parsed<'a> {
    seq: Option<u64>,
    wall_time: Option<WallTime<'a>>,
    /// Whether it is a heartbeat even without a number and a time.
    known: bool,
    /// The text after it, with the `key=value` words.
    rest: &'a str,
}

fn parse_text(text: &str) -> Parsed<'_> {
    fields::read(text).unwrap_or_else(|| line::read(text))
}

fn whole_text(datagram: &[u8]) -> Result<&str, Unreadable> {
    let bytes = trimmed(binary::prefixed(datagram).unwrap_or(datagram));
    match bytes.len() {
        0 => Err(Unreadable::Empty),
        1..=LONGEST => std::str::from_utf8(bytes).map_err(|_| Unreadable::Binary),
        _ => Err(Unreadable::Long),
    }
}

/// Without padding and the end of the line.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [front @ .., b'\0' | b'\r' | b'\n' | b'\t' | b' '] = bytes {
        bytes = front;
    }
    bytes
}

/// Whether it separates words.
fn is_gap(character: char) -> bool {
    character <= ' ' || matches!(character, ',' | '|')
}

fn name_of(value: &str) -> Option<&str> {
    is_name(value).then_some(value)
}

fn hexadecimal(value: &str) -> Option<u64> {
    // A u64 has room for 16 digits.
    if !(1..=16).contains(&value.len()) {
        return None;
    }
    value.bytes().try_fold(0, |number, digit| Some(number << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

/// A number of digits alone: `parse` also takes a plus sign.
fn whole(value: &str) -> Option<u64> {
    value.starts_with(|first: char| first.is_ascii_digit()).then_some(value)?.parse().ok()
}

fn status(value: &str) -> Option<i32> {
    (!value.starts_with('+')).then_some(value)?.parse().ok()
}
