//! Tests of the crate from outside: the same scenarios against both drivers, and servers and senders on real sockets.

use std::io;

mod adversary;
mod batch;
mod codec;
mod detect;
mod echo;
mod follow_up;
mod heartbeat;
mod hostile;
mod many_clients;
mod monitor;
mod ping;
mod platforms;
mod reflector;
mod scenario;
mod server_times;
mod timestamps;
mod verdict;

/// Calls again where a process that was stopped goes on: a socket with a timeout reports that as an error.
pub(crate) fn patiently<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
