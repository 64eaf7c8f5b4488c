//! A number whose `Option` is no larger, as there are very many clients.

use std::num::{NonZeroI64, NonZeroU8};

/// Any number but the least one, which becomes the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NicheI64(NonZeroI64);

impl NicheI64 {
    pub(super) fn get(self) -> i64 {
        self.0.get() ^ i64::MIN
    }
}

impl From<i64> for NicheI64 {
    fn from(number: i64) -> Self {
        Self(NonZeroI64::new(number ^ i64::MIN).unwrap_or(NonZeroU8::MIN.into()))
    }
}

impl From<u64> for NicheI64 {
    fn from(number: u64) -> Self {
        number.cast_signed().into()
    }
}
