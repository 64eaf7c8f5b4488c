//! Replies as texts with fields: `pong {seq} {time}`, `{seq} {diff:.6f}`, `{message} OK`. A field that cannot be read in the
//! request is `?` in the reply.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use super::pieces::pieces;
use super::{read_seq, read_time};
use crate::logic::text::py_repr;
use crate::logic::{Invalid, Nanos};

/// A reply is cut here, unless its request was longer.
pub const MOST_BYTES: usize = 1_024;

/// The most decimals of a field such as `{diff:.6f}`.
const MOST_DECIMALS: u8 = 20;

const FIELDS: &str = "text with the fields {message} {upper} {seq} {lost} {pad:1024} {time} {now} {diff}, the last three also \
                      with fixed decimals ({diff:.6f}), and {{ or }} for a brace";

/// A text with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    utc_offset: Nanos,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The request as it was received.
    Message,
    /// The request in capitals (ASCII only).
    Upper,
    /// Its sequence number.
    Seq,
    /// Datagrams of this client lost on purpose since its last reply.
    Lost,
    /// NULs, until the reply has so many bytes.
    Pad(usize),
    /// A time in seconds, as Python's `repr` or with fixed decimals.
    Seconds(Seconds, Option<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seconds {
    /// The time in the request.
    Time,
    /// When it arrived.
    Now,
    /// The difference: arrived less sent.
    Diff,
}

impl Template {
    /// The same, with dates without a zone in requests taken as `utc_offset` ahead of UTC: `logic` does not read the
    /// system's time zone.
    #[must_use]
    pub fn in_zone(self, utc_offset: Nanos) -> Self {
        Self { utc_offset, ..self }
    }

    /// Appends the reply to `out`; a long one is cut at [`MOST_BYTES`] or at the length of the request,
    /// whichever is more.
    pub fn render(&self, request: &[u8], wall_ns: i64, lost: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let end = start + request.len().max(MOST_BYTES);
        for piece in &self.pieces {
            match piece {
                Piece::Pad(size) => out.resize(out.len().max(start + size), 0),
                Piece::Lost => put(out, format_args!("{lost}")),
                piece => piece.render(request, wall_ns, self.utc_offset, out),
            }
            if out.len() >= end {
                out.truncate(end);
                return;
            }
        }
    }

    /// Whether a reply can be longer than its request.
    pub fn can_amplify(&self) -> bool {
        !matches!(self.pieces[..], [Piece::Message | Piece::Upper])
    }
}

impl Piece {
    fn render(&self, request: &[u8], wall_ns: i64, utc_offset: Nanos, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            // They depend on the reply, so the caller writes them.
            Self::Lost | Self::Pad(_) => {}
            Self::Message => out.extend_from_slice(request),
            Self::Upper => {
                let start = out.len();
                out.extend_from_slice(request);
                out[start..].make_ascii_uppercase();
            }
            Self::Seq => match read_seq(request) {
                Some(seq) => put(out, format_args!("{seq}")),
                None => out.push(b'?'),
            },
            Self::Seconds(which, decimals) => match (which.read(request, wall_ns, utc_offset), decimals) {
                (None, _) => out.push(b'?'),
                (Some(seconds), None) => out.extend_from_slice(py_repr(seconds).as_bytes()),
                (Some(seconds), Some(decimals)) => {
                    put(out, format_args!("{seconds:.*}", usize::from(*decimals)));
                }
            },
        }
    }
}

fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

impl Seconds {
    fn read(self, request: &[u8], wall_ns: i64, utc_offset: Nanos) -> Option<f64> {
        let now = super::seconds(wall_ns);
        let seconds = match self {
            Self::Time => read_time(request, utc_offset)?,
            Self::Now => now,
            Self::Diff => now - read_time(request, utc_offset)?,
        };
        seconds.is_finite().then_some(seconds)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Now => "now",
            Self::Diff => "diff",
        }
    }
}

impl FromStr for Template {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse =
            |why: &str| Invalid::new("reply", format!("{text:?}"), format!("upper, same or {FIELDS}{why}"));
        if text.is_empty() {
            return Err(refuse(""));
        }
        let pieces = pieces(text, |field| field.parse().ok(), Piece::Text).map_err(|why| refuse(&why))?;
        Ok(Self { pieces, utc_offset: 0 })
    }
}

impl FromStr for Piece {
    type Err = ();

    fn from_str(field: &str) -> Result<Self, ()> {
        if let Some(size) = field.strip_prefix("pad:") {
            return size.parse().ok().filter(|size| *size <= MOST_BYTES).map(Self::Pad).ok_or(());
        }
        let (name, format) = match field.split_once(':') {
            Some((name, format)) => (name, Some(fixed_decimals(format)?)),
            None => (field, None),
        };
        match (name, format) {
            ("message", None) => Ok(Self::Message),
            ("upper", None) => Ok(Self::Upper),
            ("seq", None) => Ok(Self::Seq),
            ("lost", None) => Ok(Self::Lost),
            ("time", decimals) => Ok(Self::Seconds(Seconds::Time, decimals)),
            ("now", decimals) => Ok(Self::Seconds(Seconds::Now, decimals)),
            ("diff", decimals) => Ok(Self::Seconds(Seconds::Diff, decimals)),
            _ => Err(()),
        }
    }
}

/// The 6 of `.6f`.
fn fixed_decimals(format: &str) -> Result<u8, ()> {
    let digits = format.strip_prefix('.').and_then(|rest| rest.strip_suffix('f')).ok_or(())?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(());
    }
    digits.parse().ok().filter(|decimals| *decimals <= MOST_DECIMALS).ok_or(())
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Message => f.write_str("{message}"),
            Piece::Upper => f.write_str("{upper}"),
            Piece::Seq => f.write_str("{seq}"),
            Piece::Lost => f.write_str("{lost}"),
            Piece::Pad(size) => write!(f, "{{pad:{size}}}"),
            Piece::Seconds(which, None) => write!(f, "{{{}}}", which.name()),
            Piece::Seconds(which, Some(decimals)) => write!(f, "{{{}:.{decimals}f}}", which.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::SECOND;

    const WALL: i64 = 1_700_000_000_500_000_000;
    const PING: &[u8] = b"Ping 43 1700000000.25";

    fn render(template: &str, request: &[u8]) -> String {
        let mut out = Vec::new();
        template.parse::<Template>().unwrap().render(request, WALL, 3, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn the_labs_dialects_can_be_written() {
        let cases = [
            ("pong", "pong"),
            ("{message} OK", "Ping 43 1700000000.25 OK"),
            ("{upper}\n", "PING 43 1700000000.25\n"),
            ("pong {seq} {time}", "pong 43 1700000000.25"),
            ("echo,{seq},{now}", "echo,43,1700000000.5"),
            ("{seq} {diff}", "43 0.25"),
            ("{seq} {diff:.6f}", "43 0.250000"),
            ("Seq: {seq}, Time Difference: {diff:.6f} seconds", "Seq: 43, Time Difference: 0.250000 seconds"),
            ("{time:.0f} {now:.3f}", "1700000000 1700000000.500"),
            ("{{\"seq\": {seq}}}", "{\"seq\": 43}"),
            ("{{{seq}}}", "{43}"),
            ("é{seq}", "é43"),
        ];
        for (template, reply) in cases {
            assert_eq!(render(template, PING), reply, "{template}");
            assert_eq!(template.parse::<Template>().unwrap().to_string(), template);
        }
    }

    #[test]
    fn seconds_are_pythons_floats() {
        assert_eq!(render("{diff}", b"Ping 1 1700000000.5"), "0.0");
        assert_eq!(render("{diff}", b"Ping 1 1700000003.0680249"), "-2.5680248737335205");
        assert_eq!(render("{time}", b"Ping 1 1726406736.2412975"), "1726406736.2412975");
        assert_eq!(render("{diff:.3f}", b"1\tTue Nov 14 22:13:20 2023"), "0.500");
    }

    #[test]
    fn a_date_without_a_zone_is_of_the_zone_given() {
        let template: Template = "{seq} {diff}".parse().unwrap();
        let template = template.in_zone(3_600 * SECOND);
        for (request, expected) in [
            (&b"1\tTue Nov 14 23:13:20 2023"[..], "1 0.5"),
            (b"1\t2023-11-14 23:13:20.5", "1 0.0"),
            (b"1\tTue Nov 14 22:13:20 UTC 2023", "1 0.5"),
            (b"1 2023-11-14T22:13:20Z", "1 0.5"),
            (b"Ping 1 1700000000", "1 0.5"),
        ] {
            let mut out = Vec::new();
            template.render(request, WALL, 0, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{}", String::from_utf8_lossy(request));
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_question_mark() {
        for request in [&b""[..], b"hello", b"\xff\xfe\x00", b"Ping", b"Ping nan inf", b"{seq} {diff}"] {
            assert_eq!(render("{seq} {time} {diff} {diff:.6f}", request), "? ? ? ?", "{request:?}");
        }
        assert_eq!(render("{seq} {diff}", b"Ping 7 now"), "7 ?");
    }

    #[test]
    fn a_long_reply_is_cut() {
        let long = "x".repeat(2_000);
        assert_eq!(render(&long, b"a").len(), MOST_BYTES);
        assert_eq!(render("{message}{message}", &[b'a'; 600]).len(), MOST_BYTES);
        assert_eq!(render("{message}{message}", &[b'a'; 512]).len(), MOST_BYTES);
        assert_eq!(render("{message}{message}", &[b'a'; 511]).len(), 1_022);
        assert_eq!(render("{message}{message}", &[b'a'; 5_000]).len(), 5_000);
    }

    #[test]
    fn what_is_in_the_buffer_stays() {
        let mut out = b"before ".to_vec();
        "{upper}".parse::<Template>().unwrap().render(b"after", WALL, 3, &mut out);
        assert_eq!(out, b"before AFTER");
    }

    #[test]
    fn a_reply_can_be_padded_and_report_losses() {
        assert_eq!(render("{seq} {lost}", PING), "43 3");
        assert_eq!(render("{seq}{pad:5}|", PING), "43\0\0\0|");
        assert_eq!(render("{message}{pad:4}", PING).as_bytes(), PING);
        assert_eq!(render("{pad:1024}", PING).len(), MOST_BYTES);
        assert!("{message}{pad:9}".parse::<Template>().unwrap().can_amplify());
    }

    #[test]
    fn a_malformed_template_is_refused_with_the_fields() {
        let cases = [
            ("", "upper, same or text"),
            ("{", "the brace { stands alone"),
            ("}", "the brace } stands alone"),
            ("{seq", "the brace { stands alone"),
            ("seq}", "the brace } stands alone"),
            ("{{seq}", "the brace } stands alone"),
            ("{}", "no field {}"),
            ("{sequence}", "no field {sequence}"),
            ("{ seq }", "no field { seq }"),
            ("{Seq}", "no field {Seq}"),
            ("{seq:.2f}", "no field {seq:.2f}"),
            ("{message:.2f}", "no field {message:.2f}"),
            ("{diff:}", "no field {diff:}"),
            ("{diff:.f}", "no field {diff:.f}"),
            ("{diff:.+1f}", "no field {diff:.+1f}"),
            ("{diff:.21f}", "no field {diff:.21f}"),
            ("{diff:6f}", "no field {diff:6f}"),
            ("{seq{time}}", "no field {seq{time}"),
            ("{pad:1025}", "no field {pad:1025}"),
            ("{pad:-1}", "no field {pad:-1}"),
        ];
        for (template, why) in cases {
            let refused = template.parse::<Template>().unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
            assert!(
                refused.contains("{message} {upper} {seq} {lost} {pad:1024} {time} {now} {diff}"),
                "{refused}"
            );
        }
    }

    #[test]
    fn only_the_bare_request_cannot_grow() {
        let amplifies = |text: &str| text.parse::<Template>().unwrap().can_amplify();
        assert!(!amplifies("{message}") && !amplifies("{upper}"));
        assert!(
            amplifies("a") && amplifies("{seq}") && amplifies("{message}{message}") && amplifies("{upper}\n")
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(text in "([a-z {}é:.]|\\{(seq|now|diff:\\.3f|upper)\\}|\\{\\{|\\}\\}){1,12}") {
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string(), text);
            }
        }

        #[test]
        fn no_request_panics_or_overruns(request in prop::collection::vec(any::<u8>(), 0..3_000), wall_ns: i64) {
            let template: Template = "{seq}{time}{now}{diff}{diff:.20f}{message}{upper}".parse().unwrap();
            let mut out = Vec::new();
            template.render(&request, wall_ns, 3, &mut out);
            prop_assert!(out.len() <= request.len().max(MOST_BYTES));
        }
    }
}
