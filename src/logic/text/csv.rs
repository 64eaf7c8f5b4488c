//! Reads and writes CSV (RFC 4180). A field in quotes is text even if it is empty, which distinguishes an empty reply from
//! none. A text that a spreadsheet would compute has a `'` in front of it.

use std::borrow::Cow;

use crate::logic::Invalid;

/// The most characters of a text in an error.
const SHOWN: usize = 30;

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its text.
    pub text: Cow<'a, str>,
    /// Whether it was in quotes.
    pub quoted: bool,
}

/// Reads one record after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Reads `text`, whose first line has the number `line` in its file.
    pub fn new(text: &'a str, line: usize) -> Self {
        Self { rest: text, line }
    }

    /// Reads the next line, if it begins with `mark`, and returns what follows that.
    pub fn comment(&mut self, mark: &str) -> Option<&'a str> {
        self.skip_empty_lines();
        let (comment, rest) =
            self.rest.strip_prefix(mark)?.split_once('\n').unwrap_or((&self.rest[mark.len()..], ""));
        self.rest = rest;
        self.line += 1;
        Some(comment)
    }

    /// Reads the next record into `fields`, and returns the number of its first line; `None` at the end. Empty lines
    /// are no records.
    pub fn next_into(&mut self, fields: &mut Vec<Field<'a>>) -> Result<Option<usize>, Invalid> {
        fields.clear();
        self.skip_empty_lines();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        loop {
            fields.push(if self.rest.starts_with('"') { self.quoted()? } else { self.bare() });
            match self.rest.as_bytes().first() {
                Some(b',') => self.rest = &self.rest[1..],
                Some(b'\r') => break self.rest = &self.rest[2..],
                Some(_) => break self.rest = &self.rest[1..],
                None => return Ok(Some(line)),
            }
        }
        self.line += 1;
        Ok(Some(line))
    }

    fn skip_empty_lines(&mut self) {
        while let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            self.rest = rest;
            self.line += 1;
        }
    }

    /// The text up to the next comma or the end of the line. A carriage return ends no line by itself.
    fn bare(&mut self) -> Field<'a> {
        let bytes = self.rest.as_bytes();
        let end = bytes.iter().position(|byte| matches!(byte, b',' | b'\n')).unwrap_or(bytes.len());
        let end =
            if end > 0 && bytes.get(end) == Some(&b'\n') && bytes[end - 1] == b'\r' { end - 1 } else { end };
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Field { text: Cow::Borrowed(text), quoted: false }
    }

    fn quoted(&mut self) -> Result<Field<'a>, Invalid> {
        let inner = &self.rest[1..];
        let bytes = inner.as_bytes();
        let mut doubled = false;
        let mut at = 0;
        let end = loop {
            match bytes[at..].iter().position(|byte| *byte == b'"').map(|found| at + found) {
                Some(quote) if bytes.get(quote + 1) == Some(&b'"') => {
                    doubled = true;
                    at = quote + 2;
                }
                Some(quote) => break quote,
                None => return Err(self.invalid("quotes that end")),
            }
        };
        let rest = &inner[end + 1..];
        if !(rest.is_empty() || rest.starts_with([',', '\n']) || rest.starts_with("\r\n")) {
            return Err(self.invalid("a comma or the end of the line behind the quotes"));
        }
        let text = &inner[..end];
        self.rest = rest;
        self.line += text.bytes().filter(|byte| *byte == b'\n').count();
        let text = if doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) };
        Ok(Field { text, quoted: true })
    }

    fn invalid(&self, expected: &str) -> Invalid {
        let shown: String = self.rest.chars().take(SHOWN).collect();
        Invalid::new("text", format!("{shown:?} in line {}", self.line), expected)
    }
}

/// Writes `text` as a field: in quotes where it needs them or is empty, as a bare empty field is a missing value; behind
/// a `'` where a spreadsheet would compute it.
pub fn write_text(out: &mut String, text: &str) {
    write_field(out, &guarded(text), text.is_empty());
}

/// The text, behind a `'` if a spreadsheet would take it for a formula. A text that has such a `'` already gets one more,
/// so that [`unguarded`] gives each back.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The same for a name, which is not a number either: a spreadsheet makes 100000 of `1e5`, and 123 of `00123`.
pub fn guarded_name(name: &str) -> Cow<'_, str> {
    if name.parse::<f64>().is_ok() { Cow::Owned(format!("'{name}")) } else { guarded(name) }
}

/// The text that [`guarded`] was given.
pub fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|inner| is_formula(inner)).unwrap_or(text)
}

fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Writes a field in quotes, or only where it needs them.
pub fn write_field(out: &mut String, text: &str, quoted: bool) {
    if !quoted && !text.contains(['"', ',', '\r', '\n']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    let mut parts = text.split('"');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str("\"\"");
        out.push_str(part);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The number of a line, and its fields: what is in them, and whether they are quoted.
    type Line = (usize, Vec<(String, bool)>);

    fn read(text: &str) -> Result<Vec<Line>, Invalid> {
        let mut reader = Reader::new(text, 1);
        let (mut records, mut fields) = (Vec::new(), Vec::new());
        while let Some(line) = reader.next_into(&mut fields)? {
            let found = fields.iter().map(|field| (field.text.clone().into_owned(), field.quoted));
            records.push((line, found.collect()));
        }
        Ok(records)
    }

    fn bare(words: &[&str]) -> Vec<(String, bool)> {
        words.iter().map(|word| ((*word).to_owned(), false)).collect()
    }

    #[test]
    fn records_and_their_lines() {
        let expected = vec![(1, bare(&["a", "", "c"])), (3, bare(&["1", "2", ""]))];
        assert_eq!(read("a,,c\n\n1,2,\n"), Ok(expected.clone()));
        assert_eq!(read("a,,c\r\n\r\n1,2,"), Ok(expected));
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn an_empty_field_in_quotes_is_text() {
        let quoted = |text: &str| (text.to_owned(), true);
        assert_eq!(read("\"\",\n"), Ok(vec![(1, vec![quoted(""), (String::new(), false)])]));
        let records =
            read("\"a\"\"b\n,\",x\n\"\r\"\n").map(|all| all.into_iter().map(|(line, _)| line).collect());
        assert_eq!(records, Ok(vec![1, 3]));
    }

    #[test]
    fn a_comment_is_a_line_and_no_record() {
        let (mut reader, mut fields) =
            (Reader::new("# a: 1,\"\r\n\n\"# a: 2\n# a: 3\"\n# a: 4", 1), Vec::new());
        assert_eq!(reader.comment("# b: "), None);
        assert_eq!(reader.comment("# a: "), Some("1,\"\r"));
        assert_eq!(reader.comment("# a: "), None);
        assert_eq!(reader.next_into(&mut fields), Ok(Some(3)));
        assert_eq!(reader.comment("# a: "), Some("4"));
        assert_eq!(reader.next_into(&mut fields), Ok(None));
    }

    #[test]
    fn broken_quotes_are_reported_with_their_line() {
        for text in ["a\n\"b", "a\n\"b\"c\n", "a\n\"\"\"\n"] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn what_a_spreadsheet_would_compute_is_text_behind_a_quote() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+A1", "'+A1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\r=x", "\"'\r=x\""),
            ("'=1", "''=1"),
            ("'a", "'a"),
            ("a=1", "a=1"),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("1e5", "1e5"),
        ] {
            let mut field = String::new();
            write_text(&mut field, text);
            assert_eq!(field, written);
            assert_eq!(unguarded(&guarded(text)), text);
        }
        let names = ["1e5", "00123", "7", "a1", "10.0.0.1", "10.0.0.1:5000", "-x", "'7"].map(guarded_name);
        assert_eq!(names, ["'1e5", "'00123", "'7", "a1", "10.0.0.1", "10.0.0.1:5000", "'-x", "'7"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in proptest::collection::vec(
            proptest::collection::vec("[a,\"\r\n\u{e9} '=+@\t-]{0,6}", 2..5), 0..6)
        ) {
            let field = |text: &String| {
                let mut field = String::new();
                write_text(&mut field, text);
                field
            };
            let text: String = records
                .iter()
                .map(|record| record.iter().map(field).collect::<Vec<_>>().join(",") + "\n")
                .collect();
            let found: Vec<Vec<String>> = read(&text)
                .expect("well written")
                .into_iter()
                .map(|(_, record)| record.into_iter().map(|(text, _)| unguarded(&text).to_owned()).collect())
                .collect();
            prop_assert_eq!(found, records);
        }

        #[test]
        fn nothing_makes_it_panic_or_hang(text in "[a,\"\r\n]{0,40}") {
            let _ = read(&text);
        }
    }
}
