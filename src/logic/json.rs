//! Text in JSON, as JSON lines have it (RFC 8259).

use std::fmt::Write as _;

/// Writes `text` with its quotes. What can be read as it is stays so.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f)) {
        out.push_str(&rest[..at]);
        // Writing to a string never fails.
        let _ = match rest.as_bytes()[at] {
            b'\n' => out.write_str("\\n"),
            b'\r' => out.write_str("\\r"),
            b'\t' => out.write_str("\\t"),
            0x08 => out.write_str("\\b"),
            0x0c => out.write_str("\\f"),
            byte @ ..=0x1f => write!(out, "\\u{byte:04x}"),
            byte => write!(out, "\\{}", char::from(byte)),
        };
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_python_s_json_writes_it() {
        for (text, expected) in [
            ("", r#""""#),
            ("a\u{e9}\u{1f600}\u{7f}\u{2028}", "\"a\u{e9}\u{1f600}\u{7f}\u{2028}\""),
            ("\"\\/", r#""\"\\/""#),
            ("\n\r\t\u{8}\u{c}\u{0}\u{1b}[31m", r#""\n\r\t\b\f\u0000\u001b[31m""#),
        ] {
            let mut out = String::new();
            write_text(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
