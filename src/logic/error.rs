//! The one error of the pure wing: a value from outside that cannot be used.

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
    /// A refused value; `value` is shown with `{:?}`-style quotes only if the caller adds them.
    pub fn new(what: &'static str, value: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        Self { what, value: value.to_string(), expected: expected.into() }
    }
}
