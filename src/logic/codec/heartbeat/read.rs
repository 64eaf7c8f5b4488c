//! Any dialect of the course -> a heartbeat.
//!
//! The front says a number and a time, in one of many ways; after it come our own `key=value` words. What we do not know
//! there is passed over, so that newer senders are understood; what says who the sender is must be right.

mod binary;
mod fields;
mod line;
mod plain;
#[cfg(test)]
mod tests;

use super::{Heartbeat, INTERVALS, Seal, is_name};
use crate::logic::Nanos;
use crate::logic::codec::moment::{Moment, decimal_seconds};

/// The longest heartbeat, without its padding: what one datagram on an Ethernet holds.
const LONGEST: usize = 1_500;

/// Why a datagram is no heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// More than anybody would write.
    #[error("it has more than {LONGEST} bytes")]
    Long,
    /// Bytes that no known sender writes.
    #[error("it is neither text nor a known binary form")]
    Binary,
    /// A text that is something else.
    #[error("it has no number, no time, and does not begin with a word such as Heartbeat")]
    Nothing,
    /// Who sends it is not said in a usable way.
    #[error("it has an id that is no name, or a session that is not 1 to 16 hexadecimal digits")]
    Sender,
    /// It says two things at once.
    #[error("it says one thing twice")]
    Twice,
    /// It was changed on the way, or sealed by something that is not ours.
    #[error("it has a malformed seal: `key=NAME mac=` and 32 small hexadecimal digits must end it")]
    Seal,
}

impl<'a> Heartbeat<'a> {
    /// Reads a datagram.
    ///
    /// A time of exactly 0 is that of a sender without a clock, and none. One that says `mac` or `key` gives a seal or is
    /// refused: never is it taken for one that has no seal. Binary numbers wrap around at 16 or 31 bits.
    pub fn read(datagram: &'a [u8]) -> Result<Self, Unreadable> {
        let said = if let Some(said) = binary::read(datagram) {
            said
        } else {
            let text = whole_text(datagram)?;
            plain::read(text).unwrap_or_else(|| said(text))
        };
        let wall_ns = said.moment.and_then(Moment::wall_ns).filter(|wall_ns| *wall_ns != 0);
        let local = wall_ns.is_some() && !said.moment.is_some_and(Moment::zone_known);
        let mut heartbeat = Self { seq: said.seq, wall_ns, local, ..Self::default() };
        heartbeat.words(said.rest, datagram)?;
        if said.seq.is_none() && wall_ns.is_none() && !said.known {
            return Err(Unreadable::Nothing);
        }
        Ok(heartbeat)
    }

    /// The words after the time. Numbers out of range are as good as none.
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
    // Each byte of most of what comes is looked at here, so this is one plain loop.
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

/// When a request says that it was sent, as far as it can be read.
pub(in crate::logic::codec) fn moment(datagram: &[u8]) -> Option<Moment<'_>> {
    binary::read(datagram).unwrap_or_else(|| said(readable(datagram))).moment
}

/// The number of a request that is no line of words.
pub(in crate::logic::codec) fn number(datagram: &[u8]) -> Option<u64> {
    binary::read(datagram).or_else(|| fields::read(readable(datagram)))?.seq
}

/// What can be read of a request, from its beginning.
fn readable(datagram: &[u8]) -> &str {
    let bytes = trimmed(binary::prefixed(datagram).unwrap_or(datagram));
    let chunk = bytes[..bytes.len().min(LONGEST)].utf8_chunks().next();
    chunk.map_or("", |chunk| chunk.valid())
}

/// What the front of a datagram says.
#[derive(Debug, Default)]
struct Said<'a> {
    seq: Option<u64>,
    moment: Option<Moment<'a>>,
    /// Whether it is surely a heartbeat, even without any number.
    known: bool,
    /// Where the `key=value` words are.
    rest: &'a str,
}

fn said(text: &str) -> Said<'_> {
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

/// Without the padding of buffers of a fixed size, and without the end of the line.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [front @ .., b'\0' | b'\r' | b'\n' | b'\t' | b' '] = bytes {
        bytes = front;
    }
    bytes
}

/// What stands between words.
fn is_gap(character: char) -> bool {
    character <= ' ' || matches!(character, ',' | '|')
}

fn name_of(value: &str) -> Option<&str> {
    is_name(value).then_some(value)
}

fn hexadecimal(value: &str) -> Option<u64> {
    // Not longer than 16 digits, or it has no room.
    if !(1..=16).contains(&value.len()) {
        return None;
    }
    value.bytes().try_fold(0, |number, digit| Some(number << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

/// Digits and nothing else, which `parse` alone does not ask for.
fn whole(value: &str) -> Option<u64> {
    value.starts_with(|first: char| first.is_ascii_digit()).then_some(value)?.parse().ok()
}

fn status(value: &str) -> Option<i32> {
    (!value.starts_with('+')).then_some(value)?.parse().ok()
}
