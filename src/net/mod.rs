//! The real driver: sockets, clocks and threads around the machines of [`crate::logic`].
//!
//! System calls, and with them `unsafe`, live in `sys` alone; `socket` is where operating systems differ.

mod background;
mod clock;
mod crowd;
pub mod datagram;
pub mod echo;
mod error;
mod feed;
pub mod heartbeat;
pub mod monitor;
mod outbox;
mod pace;
pub mod ping;
mod resolve;
mod seed;
pub mod socket;
#[cfg(target_os = "linux")]
mod stamp;
mod sys;

pub use background::Background;
pub use error::{Error, Result};
pub use feed::Feed;
pub use resolve::{Family, resolve};
pub use seed::{random_seed, random_session};
