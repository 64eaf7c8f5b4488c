//! Requests for a server, and every reply checked.
//!
//! A request is 8 hexadecimal digits that number it, 6 bytes that make it a request to sockperf's server as well, and
//! lower-case letters. All survive a server that answers in capitals. One socket asks; with several `flows` it does so
//! from as many addresses in turn.
//!
//! With `rate=0` the loop is closed: a burst leaves whenever the window has room for it. A server answers in order, so
//! a reply settles all requests before it, and one that loses on purpose needs no timeouts. Otherwise the loop is
//! open: a burst leaves every `burst / rate` seconds, whatever comes back.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use crate::args::{Args, Result};
use crate::sys::{self, Sender};

/// So long without a reply: what is out is taken to be lost.
const QUIET: Duration = Duration::from_secs(1);
const HEAD: usize = 14;

struct Load {
    socket: UdpSocket,
    to: SocketAddrV4,
    sender: Sender,
    size: usize,
    burst: u64,
    flows: u32,
    gso: bool,
    capitals: bool,
    request: Vec<u8>,
    sent: u64,
    /// All requests below this number are settled.
    settled: u64,
    seen: Vec<bool>,
    replies: u64,
    duplicates: u64,
    wrong: u64,
    heard: Instant,
    buffer: Vec<u8>,
}

pub fn load(args: &Args) -> Result<()> {
    let (count, rate) = (args.get("count", 100_000_u64)?, args.get("rate", 0.0)?);
    let window = args.get("window", 256_u64)?;
    let mut load = Load::new(args, count)?;
    if window < load.burst || count > 1 << 32 {
        return Err("a window holds a burst at least, and 8 digits number the requests".into());
    }
    let began = Instant::now();
    let (mut stalls, mut late) = (0_u64, 0_u64);
    while load.sent < count {
        if rate > 0.0 {
            let due = began + Duration::from_secs_f64(load.sent as f64 / rate);
            while Instant::now() < due {
                load.receive()?;
            }
            late += u64::from(due.elapsed() > Duration::from_millis(1));
            load.send(count)?;
        } else if load.sent + load.burst <= load.settled + window {
            load.send(count)?;
        } else if load.heard.elapsed() > QUIET {
            stalls += 1;
            load.settled = load.sent;
        }
        load.receive()?;
    }
    let sent_ns = began.elapsed().as_nanos();
    while load.replies < count && load.heard.elapsed() < QUIET {
        load.receive()?;
    }
    println!(
        r#"{{"sent": {}, "replies": {}, "duplicates": {}, "wrong": {}, "stalls": {stalls}, "late": {late}, "sent_ns": {sent_ns}, "replies_ns": {}}}"#,
        load.sent,
        load.replies,
        load.duplicates,
        load.wrong,
        (load.heard - began).as_nanos()
    );
    Ok(())
}

impl Load {
    fn new(args: &Args, count: u64) -> Result<Self> {
        let (size, gso) = (args.get("size", 32_usize)?, args.flag("gso")?);
        let (burst, flows) = (args.get("burst", 64_u64)?, args.get("flows", 1_u32)?);
        if !(HEAD..=1_472).contains(&size) || !(1..=64).contains(&burst) || (gso && flows > 1) {
            return Err("size is 14 to 1472, burst 1 to 64, and gso is for one flow".into());
        }
        let socket =
            sys::bound(if flows > 1 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST }, 4 << 20)?;
        if gso {
            sys::segment(&socket, u16::try_from(size)?)?;
        }
        socket.set_nonblocking(true)?;
        let mut request: Vec<u8> = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
        request[8..10].copy_from_slice(&3_u16.to_be_bytes()); // sockperf: from a client, to be answered
        request[10..14].copy_from_slice(&u32::try_from(size)?.to_be_bytes());
        Ok(Self {
            socket,
            to: args.target()?,
            sender: Sender::new(args.target()?),
            size,
            burst,
            flows,
            gso,
            capitals: args.get("reply", String::from("upper"))? == "upper",
            request,
            sent: 0,
            settled: 0,
            seen: vec![false; usize::try_from(count)?],
            replies: 0,
            duplicates: 0,
            wrong: 0,
            heard: Instant::now(),
            buffer: vec![0; 65_536],
        })
    }

    /// Send a burst: as one super-datagram that the kernel cuts, or one by one.
    fn send(&mut self, count: u64) -> Result<()> {
        let last = (self.sent + self.burst).min(count);
        let mut train = Vec::with_capacity(self.size * 64);
        for number in self.sent..last {
            self.request[..8].copy_from_slice(format!("{number:08X}").as_bytes());
            if self.gso {
                train.extend_from_slice(&self.request);
            } else if self.flows > 1 {
                let from = sys::address_of((number % u64::from(self.flows)) as u32);
                self.sender.send(&self.socket, from, &self.request)?;
            } else {
                self.socket.send_to(&self.request, self.to)?;
            }
        }
        if self.gso {
            self.socket.send_to(&train, self.to)?;
        }
        if self.sent == self.settled {
            self.heard = Instant::now(); // nothing was out: silence begins here
        }
        self.sent = last;
        Ok(())
    }

    /// Take in whatever has come; without anything, let others have the processor.
    fn receive(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut taken = 0;
        // No more than a window at a time, so that an open loop keeps its schedule.
        while taken < 256 {
            match self.socket.recv_from(&mut buffer) {
                Ok((len, source)) if source == self.to.into() => {
                    buffer[..len].chunks(self.size).for_each(|reply| self.check(reply));
                }
                Ok(_) => self.wrong += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            taken += 1;
        }
        self.buffer = buffer;
        if taken > 0 {
            self.heard = Instant::now();
        } else {
            std::thread::yield_now();
        }
        Ok(())
    }

    fn check(&mut self, reply: &[u8]) {
        let number = reply.get(..8).and_then(|digits| {
            u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16)
                .ok()
                .filter(|&number| number < self.sent)
        });
        let filler = self.request.iter().map(|b| if self.capitals { b.to_ascii_uppercase() } else { *b });
        let (Some(number), true) = (number, filler.skip(HEAD).eq(reply.iter().skip(HEAD).copied())) else {
            self.wrong += 1;
            return;
        };
        if std::mem::replace(&mut self.seen[number as usize], true) {
            self.duplicates += 1;
        } else {
            self.replies += 1;
            self.settled = self.settled.max(number + 1);
        }
    }
}
