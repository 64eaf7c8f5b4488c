//! The relay: one socket per client, connected to the target, and whatever is ready is passed on.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use crate::args::{Args, Result};
use crate::sys::{self, Ready};

/// Datagrams of one socket in a row, before the next one has its turn.
const TURN: usize = 64;
const BUFFER: i32 = 4 << 20;

/// Passes datagrams of clients on, and their replies back, without ever looking at them.
pub fn relay(args: &Args) -> Result<()> {
    let to = args.target()?;
    sys::raise_files()?;
    let listening = sys::bound(Ipv4Addr::LOCALHOST, args.get("buffer", BUFFER)?)?;
    listening.set_nonblocking(true)?;
    println!("{}", listening.local_addr()?.port());
    sys::end_with_stdin();
    let ready = Ready::new()?;
    ready.add(listening.as_raw_fd(), 0)?;
    let (mut known, mut clients) =
        (HashMap::<SocketAddr, usize>::new(), Vec::<(UdpSocket, SocketAddr)>::new());
    let mut buffer = [0; 2_048];
    loop {
        for token in ready.wait()? {
            for _ in 0..TURN {
                if token == 0 {
                    let Ok((len, client)) = listening.recv_from(&mut buffer) else { break };
                    let index = match known.get(&client) {
                        Some(index) => *index,
                        None => {
                            let upstream = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                            upstream.set_nonblocking(true)?;
                            upstream.connect(to)?;
                            ready.add(upstream.as_raw_fd(), clients.len() as u64 + 1)?;
                            clients.push((upstream, client));
                            known.insert(client, clients.len() - 1);
                            clients.len() - 1
                        }
                    };
                    clients[index].0.send(&buffer[..len])?;
                } else {
                    let (upstream, client) = &clients[token as usize - 1];
                    let Ok(len) = upstream.recv(&mut buffer) else { break };
                    listening.send_to(&buffer[..len], *client)?;
                }
            }
        }
    }
}
