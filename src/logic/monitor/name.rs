//! The name of a client: a short one needs no allocation, as there are very many clients.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// As long as an IPv4 address with its port, and one more.
const SHORT: usize = 22;

/// A name, or the address of a client without one.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    /// So many bytes; the others are 0.
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

impl Name {
    /// Compares bytes, which needs no check of UTF-8.
    pub(super) fn is(&self, text: &str) -> bool {
        self.bytes() == text.as_bytes()
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short(length, bytes) => &bytes[..usize::from(*length).min(SHORT)],
            Repr::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Self(Repr::Short(length, bytes))
            }
            _ => Self(Repr::Long(text.into())),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // It was made from a `str`.
            Repr::Short(..) => std::str::from_utf8(self.bytes()).unwrap_or_default(),
            Repr::Long(text) => text,
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_text_it_was_made_from_however_long() {
        assert_eq!((size_of::<Name>(), size_of::<Option<Name>>()), (24, 24));
        let texts =
            ["", "web1", "255.255.255.255:65535", "x234567890123456789012", "x2345678901234567890123", "[ü]"];
        for text in texts {
            let name = Name::from(text);
            assert!(&*name == text && name.is(text) && name == name.clone());
            assert_eq!(
                (format!("{name:>25}"), format!("{name:?}")),
                (format!("{text:>25}"), format!("{text:?}"))
            );
            assert!(!name.is("web2") && name.is("web1") == (text == "web1"));
        }
        let mut names = texts.map(Name::from);
        names.sort();
        assert!(names.is_sorted_by_key(ToString::to_string));
    }
}
