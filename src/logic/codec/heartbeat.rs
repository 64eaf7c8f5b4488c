//! A heartbeat: one readable line that begins as the course's does.
//!
//! > Heartbeat 17 1700000000.25 id=web1 session=9f3ac0d1e5b47a26 interval=1 mono=16.000214 key=ops mac=...
//!
//! Senders write [`Form::Full`], or one of the course's own forms for its servers, which crash on more words. All
//! dialects of the course are read.

mod read;
mod seal;

pub use super::mac::MAC;
pub use read::Unreadable;
pub use seal::{Key, Keys, Seal, looks_secret};

pub(super) use read::{binary_number, field_number, sent_at};

use std::fmt;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::seconds;
use crate::logic::text::{Billionths, py_repr};
use crate::logic::{DAY, Invalid, Nanos, SECOND};

/// Times between two heartbeats: from a millisecond to a day.
pub const INTERVALS: RangeInclusive<Nanos> = SECOND / 1_000..=DAY;

/// The longest name of a sender or a key.
pub const LONGEST_NAME: usize = 64;

/// The fields of a heartbeat; those that it lacks are `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heartbeat<'a> {
    /// Its number in its session: one higher than that of the heartbeat sent before it.
    pub seq: Option<u64>,
    /// When it was to be sent by the sender's wall clock, in nanoseconds since 1970.
    pub wall_ns: Option<i64>,
    /// Whether that was a date without a zone, read as UTC: right for intervals, but the difference from our clock may be
    /// the sender's zone.
    pub local: bool,
    /// The name of its sender: [`is_name`] holds.
    pub id: Option<&'a str>,
    /// A random number that a sender draws when it starts.
    pub session: Option<u64>,
    /// How often the sender has started in its life.
    pub boot: Option<u64>,
    /// Time between two heartbeats.
    pub interval: Option<Nanos>,
    /// When it was to be sent, since the session began, by a clock that never steps.
    pub mono: Option<Nanos>,
    /// The newest heartbeat of this session that was answered.
    pub ack: Option<u64>,
    /// The goodbye: the sender stops, with this exit status (0: on purpose; negative: the signal that ended it).
    pub bye: Option<i32>,
    /// Its authentication code, still to be checked with [`Keys::verify`].
    pub seal: Option<Seal<'a>>,
}

/// How a heartbeat is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// All fields, and times to the nanosecond: `Heartbeat 1 1700000000.25 id=web1 ...`.
    #[default]
    Full,
    /// `Heartbeat 1 1700000000.25`: the three words that one of the course's servers wants, the time as CPython's
    /// `time.time()` prints it.
    Lab3,
    /// `1 1700000000.0`: the two words that another wants.
    Lab2,
}

impl Heartbeat<'_> {
    /// Appends the line to `out`. The course's forms take no key.
    pub fn write(&self, form: Form, key: Option<&Key>, out: &mut Vec<u8>) {
        let start = out.len();
        let wall = self.wall_ns.unwrap_or(0);
        let seq = self.seq.unwrap_or(0);
        // Writing into memory cannot fail.
        let _ = match form {
            Form::Lab2 => write!(out, "{seq} {}", py_repr(seconds(wall))),
            Form::Lab3 => write!(out, "Heartbeat {seq} {}", py_repr(seconds(wall))),
            Form::Full => write!(out, "Heartbeat {seq} {}", Billionths(wall)),
        };
        if form != Form::Full {
            return;
        }
        let mut field = |name: &str, value: Option<&dyn fmt::Display>| {
            if let Some(value) = value {
                let _ = write!(out, " {name}={value}");
            }
        };
        field("id", self.id.as_ref().map(|id| id as _));
        field(
            "session",
            self.session.map(|session| format!("{session:016x}")).as_ref().map(|text| text as _),
        );
        field("boot", self.boot.as_ref().map(|boot| boot as _));
        field("interval", self.interval.map(Billionths).as_ref().map(|interval| interval as _));
        field("mono", self.mono.map(Billionths).as_ref().map(|mono| mono as _));
        field("ack", self.ack.as_ref().map(|ack| ack as _));
        field("bye", self.bye.as_ref().map(|bye| bye as _));
        if let Some(key) = key {
            key.seal(start, out);
        }
    }
}

/// The rule of [`is_name`], for errors.
pub const NAME_RULE: &str = "1 to 64 letters, digits and . _ : @ / + -";

/// Whether a text can name a sender or a key, as [`NAME_RULE`] says; a name is ASCII.
pub fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'/' | b'+' | b'-')
        })
}

impl FromStr for Form {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "full" => Ok(Self::Full),
            "lab3" => Ok(Self::Lab3),
            "lab2" => Ok(Self::Lab2),
            _ => Err(Invalid::quoted("wire", text, "full, lab3 (`Heartbeat n t`) or lab2 (`n t`)")),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Lab3 => "lab3",
            Self::Lab2 => "lab2",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_as_the_courses_and_continues_with_its_fields() {
        let beat = Heartbeat {
            seq: Some(17),
            wall_ns: Some(1_700_000_000_250_000_000),
            local: false,
            id: Some("web1"),
            session: Some(0x9f3a),
            boot: Some(4),
            interval: Some(SECOND / 2),
            mono: Some(16_000_214_000),
            ack: Some(16),
            bye: Some(-9),
            seal: None,
        };
        let written = |form, beat: &Heartbeat<'_>| {
            let mut line = Vec::new();
            beat.write(form, None, &mut line);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(
            written(Form::Full, &beat),
            "Heartbeat 17 1700000000.25 id=web1 session=0000000000009f3a boot=4 interval=0.5 mono=16.000214 \
             ack=16 bye=-9"
        );
        assert_eq!(written(Form::Lab3, &beat), "Heartbeat 17 1700000000.2499998");
        assert_eq!(written(Form::Lab2, &beat), "17 1700000000.2499998");
        let short = Heartbeat { seq: Some(1), wall_ns: Some(0), ..Heartbeat::default() };
        assert_eq!(written(Form::Full, &short), "Heartbeat 1 0");
        assert_eq!(written(Form::Lab3, &short), "Heartbeat 1 0.0");
    }

    #[test]
    fn forms_and_names_are_checked() {
        for form in [Form::Full, Form::Lab3, Form::Lab2] {
            assert_eq!(form.to_string().parse(), Ok(form));
        }
        assert!("lab4".parse::<Form>().unwrap_err().to_string().contains("lab3"));
        assert!(is_name("web-1.example.org:12000/a@b_c+d") && is_name(&"x".repeat(64)));
        for bad in ["", "a b", "a=b", "a,b", "ü", "a\n", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
