//! The load generator of the bench, and the loops it compares with: `bare ROLE [name=value ...]`.
//!
//! Each loop is the least a program can do on this kernel, written once and left alone: it is the limit that figures
//! are read against. Servers print their port, serve until their stdin ends, and then say what they did. Everything
//! else is bounded by a count and prints one line of JSON.

mod args;
mod beats;
mod echo;
mod load;
mod ping;
mod relay;
mod sys;

use args::Args;

const USAGE: &str = "\
bare ROLE [name=value ...]

  echo   recvfrom, sendto in ASCII capitals      spin=0 lose=0 (of 11) buffer=4194304
  relay  a socket per client, whatever is ready is passed on    to= buffer=4194304
  sink   recvfrom, a table of who was heard      buffer=4194304
  load   requests for a server, replies checked  to= count= size=32 window=256 burst=64 flows=1 gso=0 rate=0 reply=upper
  beats  heartbeats from many clients, as stdin says `first count seq`    to= form=course
  ping   one request after the other             to= count= spin=0 interval_ns=0 size=32
  stamped  the same, waiting in poll and with the kernel's stamps    to= count= size=32
  pace   sends on a schedule, spinning           to= count= interval_ns=";

fn main() {
    let mut words = std::env::args().skip(1);
    let role = words.next().unwrap_or_default();
    let result = Args::read(words).and_then(|args| match role.as_str() {
        "echo" => echo::echo(&args),
        "relay" => relay::relay(&args),
        "sink" => echo::sink(&args),
        "load" => load::load(&args),
        "beats" => beats::beats(&args),
        "ping" => ping::ping(&args),
        "stamped" => ping::stamped(&args),
        "pace" => ping::pace(&args),
        _ => Err(format!("no role {role:?}\n{USAGE}").into()),
    });
    if let Err(error) = result {
        eprintln!("bare {role}: {error}");
        std::process::exit(2);
    }
}
