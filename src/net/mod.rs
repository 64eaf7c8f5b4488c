//! The real driver: sockets, clocks and threads around the machines of [`crate::logic`].
//!
//! `batch` is the only room with `unsafe`; `socket` is where operating systems differ.

mod background;
#[cfg(target_os = "linux")]
mod batch;
mod clock;
mod crowd;
pub mod echo;
mod error;
mod feed;
pub mod heartbeat;
mod listen;
pub mod monitor;
mod outbox;
mod pace;
pub mod ping;
mod resolve;
mod seed;
pub mod socket;
#[cfg(target_os = "linux")]
mod stamp;

pub use error::{Error, Result};
use listen::listen;
pub use resolve::{Family, resolve};
pub use seed::{random_seed, random_session};
