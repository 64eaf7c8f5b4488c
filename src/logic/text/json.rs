//! Reads and writes lines of JSON (RFC 8259), each a flat object.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{is_hidden, py_repr};

/// A value of an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number without point and exponent.
    Whole(i128),
    /// Any other number; also `NaN` and `Infinity`, as some programs write them.
    Fraction(f64),
    /// Text.
    Text(Cow<'a, str>),
}

/// Reads an object that holds no other into `members`, in its order; `None` if `line` is anything else.
pub fn read_object<'a>(line: &'a str, members: &mut Vec<(Cow<'a, str>, Value<'a>)>) -> Option<()> {
    members.clear();
    let mut rest = line.trim_matches(BLANK).strip_prefix('{')?.trim_start_matches(BLANK);
    if let Some(end) = rest.strip_prefix('}') {
        return end.is_empty().then_some(());
    }
    loop {
        let (name, after) = read_text(rest)?;
        let after = after.trim_start_matches(BLANK).strip_prefix(':')?.trim_start_matches(BLANK);
        let (value, after) = read_value(after)?;
        members.push((name, value));
        let after = after.trim_start_matches(BLANK);
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start_matches(BLANK),
            None => return (after == "}").then_some(()),
        }
    }
}

/// Whether `line` begins as an object whose first member has this name.
pub fn opens_with(line: &str, name: &str) -> bool {
    let inside = line.trim_start_matches(BLANK).strip_prefix('{').map(|rest| rest.trim_start_matches(BLANK));
    inside
        .and_then(read_text)
        .is_some_and(|(first, rest)| first == name && rest.trim_start_matches(BLANK).starts_with(':'))
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

fn read_value(text: &str) -> Option<(Value<'_>, &str)> {
    let (word, value) = match text.as_bytes().first()? {
        b'"' => return read_text(text).map(|(text, rest)| (Value::Text(text), rest)),
        b'n' => ("null", Value::Null),
        b't' => ("true", Value::Flag(true)),
        b'f' => ("false", Value::Flag(false)),
        b'N' => ("NaN", Value::Fraction(f64::NAN)),
        b'I' => ("Infinity", Value::Fraction(f64::INFINITY)),
        b'-' if text.starts_with("-I") => ("-Infinity", Value::Fraction(f64::NEG_INFINITY)),
        _ => return read_number(text),
    };
    text.strip_prefix(word).map(|rest| (value, rest))
}

fn read_number(text: &str) -> Option<(Value<'_>, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with('-'));
    let whole = sign + digits(&text[sign..]);
    if whole == sign || (whole > sign + 1 && text[sign..].starts_with('0')) {
        return None;
    }
    let mut end = whole;
    if text[end..].starts_with('.') {
        let fraction = digits(&text[end + 1..]);
        end += 1 + fraction;
        (fraction > 0).then_some(())?;
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(&text[end + 1 + sign..]);
        end += 1 + sign + exponent;
        (exponent > 0).then_some(())?;
    }
    let value = if end == whole {
        // Most fit an i64, which is parsed faster.
        Value::Whole(text[..end].parse().map(i64::into).or_else(|_| text[..end].parse()).ok()?)
    } else {
        Value::Fraction(text[..end].parse().ok()?)
    };
    Some((value, &text[end..]))
}

/// Reads text in quotes.
fn read_text(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.strip_prefix('"')?;
    let stop = |text: &str| text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f));
    let end = stop(text)?;
    if text.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut out = String::new();
    let mut rest = text;
    loop {
        let end = stop(rest)?;
        out.push_str(&rest[..end]);
        let (special, after) = (rest.as_bytes()[end], &rest[end + 1..]);
        match special {
            b'"' => return Some((Cow::Owned(out), after)),
            b'\\' => rest = read_escape(after, &mut out)?,
            _ => return None,
        }
    }
}

/// Reads the rest of an escape.
fn read_escape<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let (letter, rest) = (text.chars().next()?, text.get(1..)?);
    out.push(match letter {
        '"' | '\\' | '/' => letter,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let (first, rest) = read_unit(rest)?;
            // A character beyond 16 bits is a pair of surrogates.
            let second = rest.strip_prefix("\\u").and_then(read_unit);
            let pair = second.and_then(|(second, rest)| {
                let both = char::decode_utf16([first, second]).next()?.ok()?;
                (both.len_utf16() == 2).then_some((both, rest))
            });
            let (letter, rest) = pair.or_else(|| Some((char::from_u32(first.into())?, rest)))?;
            out.push(letter);
            return Some(rest);
        }
        _ => return None,
    });
    Some(rest)
}

fn read_unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.get(..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((u16::from_str_radix(digits, 16).ok()?, &text[4..]))
}

/// Writes `text` in quotes. What cannot be seen or changes what is seen around it is escaped, so that a line of JSON is
/// one line to every program, and shows what it holds.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    write_letters(out, text, |letter| matches!(letter, '"' | '\\') || is_hidden(letter));
    out.push('"');
}

/// JSON of another writer, with what cannot be seen escaped as by [`write_text`]. Outside of its texts JSON has nothing of
/// that kind but spaces and line breaks.
pub fn visible(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    write_letters(&mut out, json, |letter| !matches!(letter, '\n' | '\r' | '\t') && is_hidden(letter));
    out
}

fn write_letters(out: &mut String, text: &str, is_escaped: impl Fn(char) -> bool) {
    let mut rest = text;
    while let Some((at, letter)) = rest.char_indices().find(|(_, letter)| is_escaped(*letter)) {
        out.push_str(&rest[..at]);
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '"' | '\\' => out.extend(['\\', letter]),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    // Writing to a string never fails.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
        rest = &rest[at + letter.len_utf8()..];
    }
    out.push_str(rest);
}

/// Writes an object of these members as Python's `json` does.
pub fn write_object(out: &mut String, members: &[(&str, Value<'_>)]) {
    out.push('{');
    for (place, (name, value)) in members.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { ", " });
        write_text(out, name);
        out.push_str(": ");
        // Writing to a string never fails.
        let _ = match value {
            Value::Null => out.write_str("null"),
            Value::Flag(flag) => write!(out, "{flag}"),
            Value::Whole(number) => write!(out, "{number}"),
            Value::Fraction(number) => out.write_str(&number_text(*number)),
            Value::Text(text) => {
                write_text(out, text);
                Ok(())
            }
        };
    }
    out.push('}');
}

/// A float. One that is not finite, which JSON lacks, is written as by Python's `json`.
pub fn number_text(number: f64) -> String {
    match number {
        _ if number.is_finite() => py_repr(number),
        _ if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        _ => "-Infinity".to_owned(),
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Whole(value.into())
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Whole(value.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Option<Vec<(String, Value<'_>)>> {
        let mut members = Vec::new();
        read_object(line, &mut members)?;
        Some(members.into_iter().map(|(name, value)| (name.into_owned(), value)).collect())
    }

    fn text(text: &str) -> Value<'_> {
        Value::Text(text.into())
    }

    #[test]
    fn flat_objects_are_read() {
        let expected = [("a", Value::Null), ("b", Value::Flag(true)), ("a", Value::Whole(-12))];
        let expected = expected.map(|(name, value)| (name.to_owned(), value)).to_vec();
        assert_eq!(read(" {\"a\" : null,\t\"b\":true , \"\\u0061\":-12 }\r"), Some(expected));
        assert_eq!(read("{ }"), Some(vec![]));
        for (line, value) in [
            (r#"{"":0}"#, Value::Whole(0)),
            (r#"{"":18446744073709551615}"#, Value::Whole(u64::MAX.into())),
            (r#"{"":1.5e-3}"#, Value::Fraction(0.0015)),
            (r#"{"":2E+2}"#, Value::Fraction(200.0)),
            (r#"{"":-Infinity}"#, Value::Fraction(f64::NEG_INFINITY)),
            (r#"{"":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}"#, text("\"\\/\u{8}\u{c}\n\r\t\u{e9}\u{1f600}")),
            (r#"{"":"\u20ac\u0041"}"#, text("\u{20ac}A")),
        ] {
            assert_eq!(read(line), Some(vec![(String::new(), value)]), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_escaped_and_comes_back() {
        let letters = "\u{7f}\u{85}\u{9b}\u{ad}\u{2028}\u{2029}\u{202e}\u{feff}\u{e0041}\n\u{1b}\u{e9}\"\\";
        let mut out = String::new();
        write_text(&mut out, letters);
        let escaped = r#""\u007f\u0085\u009b\u00ad\u2028\u2029\u202e\ufeff\udb40\udc41\n\u001bé\"\\""#;
        assert_eq!(out, escaped);
        assert_eq!(read(&format!("{{\"\":{out}}}")), Some(vec![(String::new(), text(letters))]));
        let foreign = "{\"a\": \"\u{2028}\\n\u{7f}\"}\n";
        assert_eq!(visible(foreign), "{\"a\": \"\\u2028\\n\\u007f\"}\n");
    }

    #[test]
    fn everything_else_is_none() {
        for line in [
            "",
            "{",
            "[]",
            "1",
            "{}x",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":+1}",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud83d\"}",
            "{\"a\":\"\\",
            "{\"a\":\"\\ud83d\\u0041\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":{}}",
            "{\"a\":[1]}",
            "{\"a\":nul}",
            "{\"a\":1\"b\":2}",
            "{\"a\":\"\\\u{e9}\"}",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn objects_are_as_python_s_json_writes_them() {
        let mut out = String::new();
        write_object(
            &mut out,
            &[
                ("a", Value::Null),
                ("b", Value::Flag(true)),
                ("c", (-12_i64).into()),
                ("d", Value::Fraction(1.0)),
                ("e", Value::Fraction(f64::NEG_INFINITY)),
                ("f\"", "g\n".into()),
            ],
        );
        assert_eq!(out, r#"{"a": null, "b": true, "c": -12, "d": 1.0, "e": -Infinity, "f\"": "g\n"}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in any::<String>(), value in any::<String>(), number: i64) {
            let mut line = String::new();
            let members = [(name.as_str(), value.as_str().into()), ("", number.into()), ("", Value::Null)];
            write_object(&mut line, &members);
            let members = members.map(|(name, value)| (name.to_owned(), value)).to_vec();
            prop_assert_eq!(read(&line), Some(members));
        }

        #[test]
        fn nothing_makes_it_panic_or_hang(line in "[{}\":,\\\\u0-9eE.\u{e9}tn-]{0,40}", all in any::<String>()) {
            let _ = (read(&line), read(&format!("{{\"{all}")), read(&format!("{{{line}")));
        }
    }

    #[test]
    fn text_is_as_python_s_json_writes_it() {
        for (text, expected) in [
            ("", r#""""#),
            ("a\u{e9}\u{1f600}", "\"a\u{e9}\u{1f600}\""),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t\u{8}\u{c}\u{0}\u{1b}[31m", r#""\n\r\t\b\f\u0000\u001b[31m""#),
        ] {
            let mut out = String::new();
            write_text(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
