//! Escapes bytes as readable text, and turns that back into the same bytes.
//!
//! UTF-8 stays as it is. Any other byte becomes `\xff`. Where the bytes already look like such an escape, the backslash
//! becomes `\x5c`; all other backslashes stay.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text for `bytes`.
pub fn escape(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains("\\x")
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            out.push_str(if escaped(rest).is_some() { "\\x5c" } else { "\\" });
            rest = &rest[1..];
        }
        out.push_str(rest);
        for byte in chunk.invalid() {
            // Writing to a string never fails.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// The bytes that [`escape`] turned into this text.
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let (byte, length) = escaped(rest).map_or((b'\\', 1), |byte| (byte, 4));
        out.push(byte);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest.as_bytes());
    Cow::Owned(out)
}

/// The bytes that Python shows as `b'...'`; `None` for other text, an error if the text is no whole one.
pub fn python_bytes(text: &str) -> Option<Result<Vec<u8>, &'static str>> {
    let quote = text
        .as_bytes()
        .get(1)
        .copied()
        .filter(|quote| text.starts_with('b') && matches!(quote, b'\'' | b'"'))?;
    let read = || {
        let mut inner = text[2..].strip_suffix(char::from(quote))?.as_bytes();
        let mut out = Vec::with_capacity(inner.len());
        while let [first, rest @ ..] = inner {
            let (byte, length) = match (first, rest) {
                (b'\\', [b'x', high, low, ..]) => {
                    (escaped(std::str::from_utf8(&[b'\\', b'x', *high, *low]).ok()?)?, 4)
                }
                (b'\\', [b'n', ..]) => (b'\n', 2),
                (b'\\', [b'r', ..]) => (b'\r', 2),
                (b'\\', [b't', ..]) => (b'\t', 2),
                (b'\\', [byte @ (b'\\' | b'\'' | b'"'), ..]) => (*byte, 2),
                (b' '..=b'~', _) if *first != quote && *first != b'\\' => (*first, 1),
                _ => return None,
            };
            out.push(byte);
            inner = &inner[length..];
        }
        Some(out)
    };
    Some(read().ok_or("text, or the whole of what Python shows of bytes (b'...')"))
}

/// The byte that the text begins with, if it begins with one in the form `\xff`.
fn escaped(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("\\x")?.as_bytes().get(..2)?;
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(16 * digit(digits[0])? + digit(digits[1])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_must_be_is_escaped() {
        for (bytes, text) in [
            (&b"PING 1 \\n \\x C:\\xy"[..], "PING 1 \\n \\x C:\\xy"),
            ("caf\u{e9}\n\0".as_bytes(), "caf\u{e9}\n\0"),
            (b"\xff\xfe!", "\\xff\\xfe!"),
            (b"\\xff", "\\x5cxff"),
            (b"\\x5cxff", "\\x5cx5cxff"),
            (b"\\\xff", "\\\\xff"),
            (b"\\x4\xff", "\\x4\\xff"),
            (b"\\xFF \\\xc3", "\\xFF \\\\xc3"),
            (b"", ""),
        ] {
            assert_eq!(escape(bytes), text);
            assert_eq!(*unescape(text), *bytes, "{text}");
        }
    }

    #[test]
    fn bytes_are_read_as_python_shows_them() {
        for (text, bytes) in [
            ("b'PING 1'", &b"PING 1"[..]),
            ("b\"it's\"", b"it's"),
            (r#"b'\\ \' \n\r\t\x00\xff"'"#, b"\\ ' \n\r\t\x00\xff\""),
            ("b''", b""),
        ] {
            assert_eq!(python_bytes(text), Some(Ok(bytes.to_vec())), "{text}");
        }
        for text in ["b'", "b'a", "b'a\"", "b'a'b'", r"b'\'", r"b'\q'", r"b'\x4'", "b'\u{e9}'", "b'\n'"] {
            assert!(matches!(python_bytes(text), Some(Err(_))), "{text}");
        }
        for text in ["", "b", "bytes", "'b'", "B'a'", "\u{e9}'"] {
            assert_eq!(python_bytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\\'), Just(b'x'), Just(b'5'), Just(b'c'), Just(0xff), Just(0xc3), any::<u8>()], 0..40)
        ) {
            let text = escape(&bytes);
            prop_assert_eq!(&*unescape(&text), &bytes[..]);
        }

        #[test]
        fn any_text_means_some_bytes(text in "[\\\\x0-9a-f\u{e9}]{0,20}") {
            let _ = unescape(&text);
        }
    }
}
