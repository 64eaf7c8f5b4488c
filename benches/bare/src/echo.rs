//! The servers: a plain echo, and a plain table of who was heard.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::args::{Args, Result};
use crate::sys;

const BUFFER: i32 = 4 << 20;
static RECEIVED: AtomicU64 = AtomicU64::new(0);
static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Answers in ASCII capitals, one datagram at a time; `lose` of 11 get no answer.
pub fn echo(args: &Args) -> Result<()> {
    let (spin, lose) = (args.flag("spin")?, args.get("lose", 0_u64)?);
    let socket = open(args)?;
    socket.set_nonblocking(spin)?;
    let (mut buffer, mut random) = ([0; 2_048], 88_172_645_463_325_252_u64);
    loop {
        let (len, client) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        count(&RECEIVED);
        if lose > 0 {
            // xorshift64: a draw that costs next to nothing.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random % 11 < lose {
                continue;
            }
        }
        buffer[..len].make_ascii_uppercase();
        // Before it is sent: whoever has it may ask for the count at once.
        count(&ANSWERED);
        socket.send_to(&buffer[..len], client)?;
    }
}

/// Notes for each address when it was last heard and the last word of what it said.
pub fn sink(args: &Args) -> Result<()> {
    let socket = open(args)?;
    let mut buffer = [0; 2_048];
    let mut heard: HashMap<SocketAddr, (Instant, u64)> = HashMap::new();
    loop {
        let (len, client) = socket.recv_from(&mut buffer)?;
        let number = buffer[..len]
            .split(|&byte| byte == b' ')
            .find_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
            .unwrap_or(0);
        heard.insert(client, (Instant::now(), number));
        count(&RECEIVED);
    }
}

/// One thread counts, so no read-modify-write is needed.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

fn open(args: &Args) -> Result<UdpSocket> {
    let socket = sys::bound(Ipv4Addr::LOCALHOST, args.get("buffer", BUFFER)?)?;
    println!("{}", socket.local_addr()?.port());
    std::thread::spawn(|| {
        // Whatever comes, and also an error: the end of stdin is the end of the bench that started us.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        println!(r#"{{"received": {}, "answered": {}}}"#, RECEIVED.load(Relaxed), ANSWERED.load(Relaxed));
        std::process::exit(0);
    });
    Ok(socket)
}
