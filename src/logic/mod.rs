//! The pure wing: what udpping decides, without sockets, clocks, threads or Python.

mod arrival;
pub mod codec;
pub mod counters;
pub mod echo;
pub mod error;
pub mod fit;
pub mod heartbeat;
pub mod link;
pub mod memory;
pub mod monitor;
pub mod ping;
pub mod random;
pub mod record;
pub mod reflector;
pub mod relay;
mod row_log;
mod sessions;
mod special;
pub mod stats;
pub mod text;
pub mod time;
mod time_source;
mod words;

pub use arrival::Arrival;
pub use error::Invalid;
pub use time::{DAY, Moment, Nanos, SECOND};
