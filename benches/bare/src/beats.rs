//! Heartbeats from very many clients, in portions that a receive buffer holds.
//!
//! Each line on stdin is `first count seq`: so many clients, from this one on, say this number. Each client has an
//! address of its own. In the `native` form it has a name and a session too, as `udpping.Heartbeat` sends it.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use crate::args::{Args, Result};
use crate::sys::{self, Sender};

pub fn beats(args: &Args) -> Result<()> {
    let native = match args.get("form", String::from("course"))?.as_str() {
        "course" => false,
        "native" => true,
        other => return Err(format!("form={other}: course or native").into()),
    };
    let socket = sys::bound(Ipv4Addr::UNSPECIFIED, 4_096)?;
    let (mut sender, began) = (Sender::new(args.target()?), Instant::now());
    let mut text = Vec::with_capacity(256);
    for line in std::io::stdin().lines() {
        let line = line?;
        let words = line.split(' ').map(str::parse::<u32>).collect::<std::result::Result<Vec<_>, _>>()?;
        let [first, count, seq] = words[..] else {
            return Err(format!("{line:?} is not `first count seq`").into());
        };
        for client in first..first + count {
            text.clear();
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            if native {
                let mono = began.elapsed() + Duration::from_secs(1_000);
                write!(
                    text,
                    "Heartbeat {seq} {}.{:06} id=c{client} session={:016x} interval=10 mono={}.{:06}",
                    wall.as_secs(),
                    wall.subsec_micros(),
                    u64::from(client) + 1,
                    mono.as_secs(),
                    mono.subsec_micros()
                )?;
            } else {
                write!(text, "Ping {seq} {}.{:06}", wall.as_secs(), wall.subsec_micros())?;
            }
            sender.send(&socket, sys::address_of(client), &text)?;
        }
        println!("{count}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
