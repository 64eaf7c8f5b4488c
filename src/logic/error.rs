//! The one error of `logic`: a value from outside that cannot be used.

use super::text::visible;

/// A value that is refused, with what it was for and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value} is not usable: expected {expected}")]
pub struct Invalid {
    /// What the value was meant to be: `loss`, `delay`, `port`.
    pub what: &'static str,
    /// The value as given, quoted where it was text.
    pub value: String,
    /// The valid range or forms, and what to do.
    pub expected: String,
}

impl Invalid {
    /// A refused value; `value` is shown with `{:?}`-style quotes only if the caller adds them. What cannot be seen is
    /// escaped: parts of it may come from anybody.
    pub fn new(what: &'static str, value: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        let value = visible(cut(short(value.to_string()), MOST_VALUE));
        Self { what, value, expected: visible(cut(expected.into(), MOST_EXPECTED)) }
    }

    /// A refused text, in quotes; of a long one its beginning.
    pub fn quoted(what: &'static str, text: &str, expected: impl Into<String>) -> Self {
        Self::new(what, in_quotes(text), expected)
    }
}

/// The most characters of a value, and of what is expected. What somebody hands over may be of any length.
const MOST_VALUE: usize = 200;
const MOST_EXPECTED: usize = 1_000;

/// A text in quotes; of a long one its beginning.
pub(crate) fn in_quotes(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}

fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// Shortens a number of many digits with an exponent: Rust prints all 301 of `1e300`.
fn short(value: String) -> String {
    const MOST: usize = 20; // as many as a whole number of 64 bits takes, with its sign
    match value.parse::<f64>() {
        Ok(number) if value.len() > MOST => format!("{number:e}"),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_as_it_was_given_unless_it_is_a_number_that_fills_the_screen() {
        let shown = |value: &dyn std::fmt::Display| Invalid::new("interval", value, "less").value;
        assert_eq!(shown(&1e300), "1e300");
        assert_eq!(shown(&-1.5e-300), "-1.5e-300");
        assert_eq!(shown(&(0.1 + 0.2)), "0.30000000000000004");
        assert_eq!(shown(&86_400.5), "86400.5");
        assert_eq!(shown(&i64::MIN), "-9223372036854775808");
        assert_eq!(shown(&f64::INFINITY), "inf");
        assert_eq!(shown(&"\"1000000000000000000000000000\""), "\"1000000000000000000000000000\"");
    }

    #[test]
    fn of_a_long_value_the_beginning_is_shown() {
        let long = "é".repeat(1_000_000);
        let error = Invalid::new("value", &long, &*long);
        assert_eq!((error.value.chars().count(), error.expected.chars().count()), (203, 1_003));
        let error = Invalid::quoted("value", &long, "less");
        assert_eq!(error.value, format!("\"{}\"...", "é".repeat(60)));
        assert_eq!(Invalid::quoted("value", &long[..120], "less").value, format!("\"{}\"", "é".repeat(60)));
    }
}
