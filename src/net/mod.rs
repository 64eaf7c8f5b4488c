//! Sockets, clocks and threads that drive the state machines of [`crate::logic`].
//!
//! System calls and `unsafe` code are in `sys` alone, the differences between operating systems in `socket`.

mod append_file;
mod backlog;
mod clock;
pub mod datagram;
pub mod echo;
mod error;
mod event_queue;
mod file;
pub mod heartbeat;
mod lookup;
pub mod monitor;
mod name_watcher;
pub mod ping;
mod poller;
pub mod reflector;
pub mod relay;
mod resolve;
mod resolver;
mod seed;
mod send_queue;
mod server;
pub mod socket;
mod sockets;
mod sys;
mod timestamping;
mod tx_timestamps;
mod wait;
mod worker;

pub use append_file::LogFile;
pub use error::{Error, Result};
pub use event_queue::EventQueue;
pub use file::{count_up, replace_file};
pub use lookup::{Host, Lookup};
pub use resolve::{Device, Family, local_address, resolve};
pub use seed::{random_seed, random_session};
pub use worker::Worker;

/// Calls again where a process that was stopped goes on: a socket with a timeout reports that as an error.
#[cfg(test)]
fn patiently<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
