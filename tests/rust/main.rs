//! Tests of the crate from outside: the same scenarios against both drivers, and servers and senders on real sockets.

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
