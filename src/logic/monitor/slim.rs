//! A number of which an `Option` takes no more room than the number itself: there are very many clients.

use std::num::{NonZeroI64, NonZeroU8};

/// Any number but the least one, which becomes the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slim(NonZeroI64);

impl Slim {
    pub(super) fn get(self) -> i64 {
        self.0.get() ^ i64::MIN
    }
}

impl From<i64> for Slim {
    fn from(number: i64) -> Self {
        Self(NonZeroI64::new(number ^ i64::MIN).unwrap_or(NonZeroU8::MIN.into()))
    }
}

impl From<u64> for Slim {
    fn from(number: u64) -> Self {
        number.cast_signed().into()
    }
}
