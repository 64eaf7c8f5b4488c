//! The pure wing: what udpping decides, without sockets, clocks, threads or Python.

pub mod csv;
pub mod echo;
pub mod error;
pub mod heartbeat;
pub mod json;
pub mod link;
pub mod monitor;
pub mod ping;
pub mod record;
mod special;
pub mod stats;
pub mod wire;

pub use error::Invalid;

/// Nanoseconds on one monotonic clock, counted from an origin that the driver chooses (the start of a run).
pub type Nanos = i64;

/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;
