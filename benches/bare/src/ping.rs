//! The bare clients: one request after the other, and sends on a schedule.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::args::{Args, Result};
use crate::sys;

/// After which a reply is lost: longer than a busy machine lets a server stand still.
const PATIENCE: Duration = Duration::from_secs(5);

/// Round trips, back to back or one every `interval_ns`; with `spin` it asks for the reply without ever sleeping.
pub fn ping(args: &Args) -> Result<()> {
    let (socket, to, count) = open(args)?;
    let (spin, pause) = (args.flag("spin")?, Duration::from_nanos(args.get("interval_ns", 0)?));
    socket.set_nonblocking(spin)?;
    socket.set_read_timeout((!spin).then_some(PATIENCE))?;
    let (request, mut reply) = (vec![b'a'; args.get("size", 32_usize)?], [0; 2_048]);
    let (mut times, mut lost, began) = (Vec::with_capacity(count as usize), 0, Instant::now());
    for number in 0..count {
        if !pause.is_zero() {
            let due = pause * number;
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let sent = Instant::now();
        socket.send_to(&request, to)?;
        loop {
            match socket.recv_from(&mut reply) {
                Ok((len, source)) if source == to && len == request.len() => {
                    times.push(sent.elapsed().as_nanos());
                    break;
                }
                Ok(_) => return Err("a reply that was not asked for".into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !spin || sent.elapsed() > PATIENCE {
                        lost += 1;
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    println!(r#"{{"rtt_ns": {times:?}, "lost": {lost}}}"#);
    Ok(())
}

/// The same back to back, with what it takes to have the kernel's stamps and to be woken by something else as well: the
/// stamp of sending is read before the wait, which it would end.
pub fn stamped(args: &Args) -> Result<()> {
    let (socket, to, count) = open(args)?;
    sys::stamp(&socket)?;
    let (request, mut reply) = (vec![b'a'; args.get("size", 32_usize)?], [0; 2_048]);
    let (mut times, mut lost) = (Vec::with_capacity(count as usize), 0);
    for _ in 0..count {
        let sent = Instant::now();
        socket.send_to(&request, to)?;
        sys::take(&socket, &mut reply, true)?;
        sys::wait(&socket);
        match sys::take(&socket, &mut reply, false) {
            Ok(len) if len == request.len() => times.push(sent.elapsed().as_nanos()),
            Ok(_) => return Err("a reply that was not asked for".into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => lost += 1,
            Err(error) => return Err(error.into()),
        }
    }
    println!(r#"{{"rtt_ns": {times:?}, "lost": {lost}}}"#);
    Ok(())
}

/// Sends when they are due, watching the clock all the time, and takes in replies meanwhile: nobody can be nearer.
pub fn pace(args: &Args) -> Result<()> {
    let (socket, to, count) = open(args)?;
    let interval = Duration::from_nanos(args.get("interval_ns", 1_000_000)?);
    socket.set_nonblocking(true)?;
    let (request, mut reply) = (vec![b'a'; args.get("size", 32_usize)?], [0; 2_048]);
    let (mut late, mut replies) = (Vec::with_capacity(count as usize), 0_u32);
    let mut take = || {
        let came = socket.recv_from(&mut reply).is_ok();
        replies += u32::from(came);
        came
    };
    let began = Instant::now() + Duration::from_millis(1);
    for number in 0..count {
        let due = began + interval * number;
        while Instant::now() < due {
            take();
        }
        late.push(due.elapsed().as_nanos());
        socket.send_to(&request, to)?;
    }
    let sent = Instant::now();
    while sent.elapsed() < Duration::from_millis(100) {
        take();
    }
    println!(r#"{{"late_ns": {late:?}, "replies": {replies}}}"#);
    Ok(())
}

fn open(args: &Args) -> Result<(UdpSocket, SocketAddr, u32)> {
    let count = args.get("count", 10_000_u32)?;
    Ok((UdpSocket::bind("127.0.0.1:0")?, args.target()?.into(), count))
}
