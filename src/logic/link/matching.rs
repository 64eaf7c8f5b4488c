//! Which datagrams the effects of a link are for, by their bytes and their length.

use std::fmt;
use std::str::FromStr;

use crate::logic::Invalid;

/// What all must be true of the payload of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    bytes: Box<[Bytes]>,
    /// The least and the greatest length.
    length: Option<(u16, u16)>,
}

/// The bytes from an offset on, under a mask of the same length, are these; or are not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bytes {
    offset: u16,
    mask: Option<Box<[u8]>>,
    is_equal: bool,
    value: Box<[u8]>,
}

const EXPECTED: &str = "bytes from an offset on, as 0=0x5049, with a mask as 2&0xf0=0x40, with != for all others, and a length as \
                        length=100-200; several with commas must all be true, and a mask has as many bytes as its value";

impl Match {
    /// Whether it is true of a payload. One that ends before the bytes of an offset has none, and so others.
    pub fn fits(&self, payload: &[u8]) -> bool {
        let fits_length = |(least, most)| (usize::from(least)..=usize::from(most)).contains(&payload.len());
        self.length.is_none_or(fits_length) && self.bytes.iter().all(|bytes| bytes.fit(payload))
    }

    fn read(text: &str) -> Option<Self> {
        let (mut bytes, mut length) = (Vec::new(), None);
        for part in text.split(',').map(str::trim) {
            match part.strip_prefix("length").map(|range| range.trim_start().strip_prefix('=')) {
                None => bytes.push(Bytes::read(part)?),
                Some(range) if length.is_none() => length = Some(range_of(range?)?),
                Some(_) => return None,
            }
        }
        Some(Self { bytes: bytes.into(), length })
    }
}

fn range_of(text: &str) -> Option<(u16, u16)> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let range = (least.trim().parse().ok()?, most.trim().parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

impl Bytes {
    fn fit(&self, payload: &[u8]) -> bool {
        let from = usize::from(self.offset);
        let found = payload.get(from..from + self.value.len());
        let is_equal = found.is_some_and(|found| match &self.mask {
            None => *found == *self.value,
            Some(mask) => found
                .iter()
                .zip(&**mask)
                .zip(&*self.value)
                .all(|((byte, mask), value)| byte & mask == value & mask),
        });
        is_equal == self.is_equal
    }

    fn read(text: &str) -> Option<Self> {
        let (place, value) = text.split_once('=')?;
        let (place, is_equal) = place.strip_suffix('!').map_or((place, true), |place| (place, false));
        let (offset, mask) =
            place.split_once('&').map_or((place, None), |(offset, mask)| (offset, Some(mask)));
        let value = bytes_of(value)?;
        let mask = match mask {
            None => None,
            Some(mask) => Some(bytes_of(mask)?),
        };
        let is_good = mask.as_ref().is_none_or(|mask| mask.len() == value.len());
        is_good.then_some(Self { offset: offset.trim().parse().ok()?, mask, is_equal, value })
    }
}

/// Bytes as `0x0aff`.
fn bytes_of(text: &str) -> Option<Box<[u8]>> {
    let digits = text.trim().strip_prefix("0x")?;
    if digits.is_empty()
        || !digits.len().is_multiple_of(2)
        || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

impl FromStr for Match {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::quoted("match", text, EXPECTED))
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let bytes = self.bytes.iter().map(|Bytes { offset, mask, is_equal, value }| {
            let mask = mask.as_ref().map(|mask| format!("&0x{}", hex(mask))).unwrap_or_default();
            format!("{offset}{mask}{}0x{}", if *is_equal { "=" } else { "!=" }, hex(value))
        });
        let length = self.length.map(|(least, most)| {
            if least == most { format!("length={least}") } else { format!("length={least}-{most}") }
        });
        f.write_str(&bytes.chain(length).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_said_must_be_true() {
        for (text, payload, fits) in [
            ("0=0x5069", "Ping 1", true),
            ("0=0x5069", "ping 1", false),
            ("0&0xdfdf=0x5049", "Pi", true),
            ("0&0xdfdf=0x5049", "pI!", true),
            ("0&0xdfdf=0x5069", "pI!", true),
            ("5=0x31", "Ping 1", true),
            ("5=0x31", "Ping ", false),
            ("5!=0x31", "Ping ", true),
            ("5!=0x31", "Ping 1", false),
            ("65535=0x3131", "Ping 1", false),
            ("length=6", "Ping 1", true),
            ("length=0-5", "Ping 1", false),
            ("length=0-5", "", true),
            ("0=0x50,5=0x32,length=6-9", "Ping 1", false),
            ("0=0x50,5=0x32,length=6-9", "Ping 2", true),
        ] {
            assert_eq!(text.parse::<Match>().unwrap().fits(payload.as_bytes()), fits, "{text} {payload}");
        }
    }

    #[test]
    fn texts_read_back_and_others_are_refused() {
        for (text, canonical) in [
            (" 2 & 0xF0 = 0x40 , length = 10 - 20 ", "2&0xf0=0x40,length=10-20"),
            ("length=10-10,0!=0x00", "0!=0x00,length=10"),
        ] {
            assert_eq!(text.parse::<Match>().unwrap().to_string(), canonical);
            assert_eq!(canonical.parse::<Match>(), text.parse());
        }
        for text in [
            "",
            "0",
            "0=",
            "0=50",
            "0=0x5",
            "0=0x",
            "0=0xgg",
            "0&0xff=0x4040",
            "-1=0x50",
            "65536=0x50",
            "length=",
            "length=9-8",
            "length=65536",
            "length=1,length=1",
            "0=0x+1",
            "0=0x50,",
        ] {
            assert!(text.parse::<Match>().is_err(), "{text}");
        }
    }
}
