//! The core in virtual time, without sockets, threads or waiting.

pub mod detect;
pub mod monitor;
pub mod ping;

/// Nanoseconds since 1970 at the start of virtual time: 2023-11-14 22:13:20 UTC.
pub const EPOCH: i64 = 1_700_000_000 * crate::logic::SECOND;
