//! Tests of the crate from outside: the same scenarios against both drivers, and the server on real sockets.

mod adversary;
mod beat;
mod echo;
mod heartbeat;
mod ping;
mod scenario;
