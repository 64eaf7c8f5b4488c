//! Replies as texts with fields: `pong {seq} {time}`, `{seq} {diff:.6f}`, `{message} OK`.
//!
//! A field that cannot be read in the request is `?` in the reply; no request goes unanswered for what it holds.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use super::{py_repr, read_seq, read_time};
use crate::logic::Invalid;

/// A reply is cut here, unless its request was longer.
pub const MOST_BYTES: usize = 1_024;

/// Decimals that `{diff:.6f}` may ask for.
const MOST_DECIMALS: u8 = 20;

const FIELDS: &str = "text with the fields {message} {upper} {seq} {time} {now} {diff}, the last three also with fixed \
                      decimals ({diff:.6f}), and {{ or }} for a brace";

/// A text with fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The request as it came.
    Message,
    /// The request in capitals (ASCII only).
    Upper,
    /// Its sequence number.
    Seq,
    /// A time in seconds, as Python's `repr` or with fixed decimals.
    Seconds(Seconds, Option<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seconds {
    /// When the request says it was sent.
    Time,
    /// When it arrived.
    Now,
    /// The difference: arrived less sent.
    Diff,
}

impl Template {
    /// Appends the reply to `out`; a long one is cut at [`MOST_BYTES`] or at the length of the request, whichever
    /// is more.
    pub fn render(&self, request: &[u8], wall_ns: i64, out: &mut Vec<u8>) {
        let start = out.len();
        let end = start + request.len().max(MOST_BYTES);
        for piece in &self.pieces {
            piece.render(request, wall_ns, out);
            if out.len() >= end {
                out.truncate(end);
                return;
            }
        }
    }

    /// Whether a reply can be longer than its request.
    #[must_use]
    pub fn can_amplify(&self) -> bool {
        !matches!(self.pieces[..], [Piece::Message | Piece::Upper])
    }
}

impl Piece {
    fn render(&self, request: &[u8], wall_ns: i64, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
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
            Self::Seconds(which, decimals) => match (which.read(request, wall_ns), decimals) {
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
    fn read(self, request: &[u8], wall_ns: i64) -> Option<f64> {
        // As CPython's time.time() has it.
        #[expect(clippy::cast_precision_loss, reason = "a float is what the lab's servers work with")]
        let now = wall_ns as f64 / 1e9;
        let seconds = match self {
            Self::Time => read_time(request)?,
            Self::Now => now,
            Self::Diff => now - read_time(request)?,
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
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(at);
            literal.push_str(before);
            let brace = &from_brace[..1];
            let after = &from_brace[1..];
            if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let field = if brace == "{" { after.split_once('}') } else { None };
            let Some((field, after)) = field else {
                return Err(refuse(&format!("; the brace {brace} stands alone")));
            };
            let piece = field.parse().map_err(|()| refuse(&format!("; there is no field {{{field}}}")))?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces })
    }
}

impl FromStr for Piece {
    type Err = ();

    fn from_str(field: &str) -> Result<Self, ()> {
        let (name, format) = match field.split_once(':') {
            Some((name, format)) => (name, Some(fixed_decimals(format)?)),
            None => (field, None),
        };
        match (name, format) {
            ("message", None) => Ok(Self::Message),
            ("upper", None) => Ok(Self::Upper),
            ("seq", None) => Ok(Self::Seq),
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
            Piece::Seconds(which, None) => write!(f, "{{{}}}", which.name()),
            Piece::Seconds(which, Some(decimals)) => write!(f, "{{{}:.{decimals}f}}", which.name()),
        })
    }
}
