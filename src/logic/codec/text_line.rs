//! The text of a ping: `Ping {seq} {time}`, or what another server of the lab expects.

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

use super::dialects::parse_seq;
use super::{Codec, MAX_PAYLOAD, Reading, Seq, seconds};
use crate::logic::text::calendar::Ctime;
use crate::logic::text::py_repr;
use crate::logic::{Invalid, Nanos, SECOND};

const EXPECTED: &str = "a text with the field {seq} and perhaps {time} (seconds since 1970), {ctime} (Tue Nov 14 22:13:20 2023) or \
                        {ms} (milliseconds since 1970), and {{ or }} for a brace";

/// A text with fields, of which one is the sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextLine {
    pieces: Vec<Piece>,
    utc_offset: Nanos,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Seq,
    Time,
    Ctime,
    Milliseconds,
}

impl TextLine {
    /// The same with local time in `{ctime}`, `utc_offset` ahead of UTC: `logic` does not read the system's time zone.
    #[must_use]
    pub fn in_zone(self, utc_offset: Nanos) -> Self {
        Self { utc_offset, ..self }
    }
}

impl Codec for TextLine {
    /// Pads with spaces, which servers that split on white space ignore.
    fn write(&self, seq: u64, wall_ns: i64, size: Option<usize>, out: &mut Vec<u8>) {
        let start = out.len();
        for piece in &self.pieces {
            // Writing to a Vec cannot fail.
            let _ = match piece {
                Piece::Text(text) => out.write_all(text.as_bytes()),
                Piece::Seq => write!(out, "{seq}"),
                Piece::Time => out.write_all(time_text(wall_ns).as_bytes()),
                Piece::Ctime => {
                    write!(out, "{}", Ctime((wall_ns + self.utc_offset).div_euclid(SECOND)))
                }
                Piece::Milliseconds => write!(out, "{}", wall_ns.div_euclid(1_000_000)),
            };
        }
        if let Some(size) = size {
            out.resize(out.len().max(start + size), b' ');
        }
    }

    fn longest(&self, last_seq: u64) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Seq => last_seq.checked_ilog10().unwrap_or(0) as usize + 1,
            // Ten digits, a point and up to seven more.
            Piece::Time => 18,
            Piece::Ctime => 24,
            Piece::Milliseconds => 13,
        };
        self.pieces.iter().map(length).sum()
    }

    fn read(&self, reply: &[u8]) -> Reading {
        Reading { seq: parse_seq(reply), ..Reading::default() }
    }

    fn read_quoted(&self, ping: &[u8]) -> Option<Seq> {
        parse_seq(ping)
    }

    /// The time's text identifies a ping, as no other has it; without a time the whole line does. Case does not matter.
    fn identifies(&self, bytes: &[u8], seq: u64, wall_ns: i64) -> bool {
        if self.pieces.contains(&Piece::Time) {
            return has_token(bytes, time_text(wall_ns).as_bytes());
        }
        let mut whole = Vec::new();
        self.write(seq, wall_ns, None, &mut whole);
        has_token(bytes, whole.trim_ascii_end())
    }
}

impl Default for TextLine {
    /// The line of the course.
    fn default() -> Self {
        let space = || Piece::Text(" ".into());
        Self { pieces: vec![Piece::Text("Ping ".into()), Piece::Seq, space(), Piece::Time], utc_offset: 0 }
    }
}

/// Seconds since 1970 as Python prints the float.
fn time_text(wall_ns: i64) -> String {
    py_repr(seconds(wall_ns))
}

/// Whether a datagram contains `token`, whatever the case, and not as a part of a longer number.
fn has_token(datagram: &[u8], token: &[u8]) -> bool {
    let part_of_number = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    !token.is_empty()
        && datagram.windows(token.len()).enumerate().any(|(start, window)| {
            window.eq_ignore_ascii_case(token)
                && !part_of_number(start.checked_sub(1).and_then(|before| datagram.get(before)))
                && !part_of_number(datagram.get(start + token.len()).filter(|byte| **byte != b'.'))
        })
}

impl FromStr for TextLine {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |why: &str| Invalid::new("message", format!("{text:?}"), format!("{EXPECTED}{why}"));
        let pieces = super::pieces::pieces(
            text,
            |field| match field {
                "seq" => Some(Piece::Seq),
                "time" => Some(Piece::Time),
                "ctime" => Some(Piece::Ctime),
                "ms" => Some(Piece::Milliseconds),
                _ => None,
            },
            Piece::Text,
        )
        .map_err(|why| refuse(&why))?;
        if !pieces.contains(&Piece::Seq) {
            return Err(refuse(""));
        }
        let message = Self { pieces, utc_offset: 0 };
        if message.longest(u64::MAX) > MAX_PAYLOAD {
            return Err(refuse(&format!(", of at most {MAX_PAYLOAD} bytes")));
        }
        Ok(message)
    }
}

impl fmt::Display for TextLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Seq => f.write_str("{seq}"),
            Piece::Time => f.write_str("{time}"),
            Piece::Ctime => f.write_str("{ctime}"),
            Piece::Milliseconds => f.write_str("{ms}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read_seq;
    use super::*;

    fn text(message: &str, seq: u64, wall_ns: i64) -> String {
        let mut out = Vec::new();
        message.parse::<TextLine>().unwrap().write(seq, wall_ns, None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_ping_is_the_line_of_the_course() {
        let mut out = Vec::new();
        TextLine::default().write(1, 1_726_406_736_241_297_500, None, &mut out);
        assert_eq!(out, b"Ping 1 1726406736.2412975");
        out.clear();
        TextLine::default().write(10, 1_700_000_000_000_000_000, Some(32), &mut out);
        assert_eq!(out, b"Ping 10 1700000000.0            ");
        assert_eq!(TextLine::default().to_string().parse::<TextLine>().unwrap(), TextLine::default());
    }

    #[test]
    fn other_lines_of_the_lab() {
        let wall = 1_700_000_000_500_000_000;
        assert_eq!(text("{seq} {time}", 43, wall), "43 1700000000.5");
        assert_eq!(text("Ping {seq} {ctime}", 5, wall), "Ping 5 Tue Nov 14 22:13:20 2023");
        assert_eq!(text("PING {seq} {ms}\r\n", 0, wall), "PING 0 1700000000500\r\n");
        assert_eq!(text("{{{seq}}}", 1, wall), "{1}");
        let east = "{seq} {ctime}".parse::<TextLine>().unwrap().in_zone(3_600 * SECOND);
        let mut out = Vec::new();
        east.write(1, wall, None, &mut out);
        assert_eq!(out, b"1 Tue Nov 14 23:13:20 2023");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (wrong, why) in [("ping", "{seq}"), ("{seq", "alone"), ("{seq} {now}", "{now}")] {
            let error = wrong.parse::<TextLine>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(wrong), "{error}");
        }
        assert!(format!("{{seq}}{}", "x".repeat(MAX_PAYLOAD)).parse::<TextLine>().is_err());
    }

    #[test]
    fn an_answer_is_known_by_its_time_or_by_all_of_it() {
        let message = TextLine::default();
        assert!(message.identifies(b"PING 1 1700000000.0", 1, 1_700_000_000 * SECOND));
        assert!(message.identifies(b"2 1700000000.0.", 1, 1_700_000_000 * SECOND));
        assert!(!message.identifies(b"echo,1,1700000000.05", 1, 1_700_000_000 * SECOND));
        assert!(!message.identifies(b"11700000000.0", 1, 1_700_000_000 * SECOND));
        assert!(!message.identifies(b"", 1, 1_700_000_000 * SECOND));
        let message: TextLine = "hello {seq}\r\n".parse().unwrap();
        assert!(message.identifies(b"HELLO 1", 1, 0) && message.identifies(b"> hello 1 <", 1, 0));
        assert!(!message.identifies(b"HELLO 12", 1, 0));
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(seq in 0..u64::MAX, wall in 0..4_000_000_000_000_000_000_i64, size in 0_usize..200) {
            let mut out = Vec::new();
            TextLine::default().write(seq, wall, Some(size), &mut out);
            prop_assert!(out.len() >= size);
            prop_assert_eq!(read_seq(&out), Some(seq));
            out.make_ascii_uppercase();
            prop_assert_eq!(read_seq(&out), Some(seq));
            prop_assert!(TextLine::default().identifies(&out, seq, wall));
        }

        #[test]
        fn the_longest_is_enough(seq in 0..u64::MAX, wall in 1_000_000_000_000_000_000..4_000_000_000_000_000_000_i64) {
            let message: TextLine = "{seq} {time} {ctime} {ms}".parse().unwrap();
            let mut out = Vec::new();
            message.write(seq, wall, None, &mut out);
            prop_assert!(out.len() <= message.longest(seq), "{} > {}", out.len(), message.longest(seq));
        }
    }
}
