//! The transport to the monitor: its addresses, a socket connected to one of them, and receiving on that socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::mailbox::Lease;
use crate::logic::codec::read_seq;
use crate::net::poller::{Poller, Registration};
use crate::net::resolve::reachable;
use crate::net::socket::{Backend, IpOptions, RecvBatch, Socket, check_route, is_icmp_error};
use crate::net::{Error, Result};

/// Datagrams and error queue entries read at a time.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Transport {
    backend: Backend,
    poller: Arc<Poller>,
    key: u64,
    addresses: Vec<SocketAddr>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    to: SocketAddr,
    socket: Registration,
}

/// Receive buffers, and the received answers and errors.
#[derive(Debug)]
pub(super) struct RecvBuf {
    batch: RecvBatch,
    quoted: Vec<u8>,
    pub(super) received: Vec<Received>,
}

#[derive(Debug)]
pub(super) enum Received {
    /// An answer to the heartbeat with this number.
    Answer(u64),
    /// An ICMP error for a heartbeat.
    Refused(io::Error),
}

impl RecvBuf {
    pub(super) fn new(backend: Backend) -> Self {
        Self { batch: RecvBatch::new(1, backend), quoted: Vec::new(), received: Vec::new() }
    }
}

impl Transport {
    /// Its socket is registered with the poller of this lease.
    pub(super) fn new(backend: Backend, lease: &Lease) -> Self {
        let poller = Arc::clone(&lease.mailbox.poller);
        Self { backend, poller, key: lease.key, addresses: Vec::new(), open: None }
    }

    /// Opens a socket to this address before the first heartbeat is due.
    pub(super) fn prepare(&mut self, address: SocketAddr) -> Result<()> {
        self.set_addresses(vec![address]);
        self.open = Some(self.reopen()?);
        Ok(())
    }

    pub(super) fn is_known(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// Sets the monitor's addresses. The one in use stays if it is among them, so that one monitor gets all heartbeats.
    pub(super) fn set_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses.into_iter().map(reachable).collect();
        self.open.take_if(|open| !self.addresses.contains(&open.to));
    }

    /// The address in use.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|open| open.to)
    }

    /// Sends on the open socket, or else on a new one. It never blocks: a full send buffer is an error. ICMP errors of
    /// earlier heartbeats go to `recv`.
    pub(super) fn send(&mut self, line: &[u8], recv: &mut RecvBuf) -> Result<()> {
        let mut result = self.try_send(line);
        if result.as_ref().is_err_and(is_icmp_error) {
            // The error is of an earlier heartbeat: read it and send again.
            self.receive(recv);
            result = self.try_send(line);
        }
        let refused = |address| Error::at("send to", address);
        match (result, &self.open) {
            (Ok(()), _) => return Ok(()),
            (Err(error), Some(open)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(refused(open.to)(error));
            }
            _ => {}
        }
        // The socket may be bound to an interface or an address that this machine no longer has.
        let open = self.reopen()?;
        let to = open.to;
        open.socket.send_now(line, to, None).map_err(refused(to))?;
        self.open = Some(open);
        Ok(())
    }

    fn try_send(&self, line: &[u8]) -> io::Result<()> {
        let closed = || io::Error::from(io::ErrorKind::NotConnected);
        let Open { to, socket } = self.open.as_ref().ok_or_else(closed)?;
        socket.send_now(line, *to, None)
    }

    /// Connects a socket to the address in use, or else to the first that this machine has a route to.
    fn reopen(&mut self) -> Result<Open> {
        let used = self.open.take().map(|open| open.to);
        let mut refused = None;
        for to in used.into_iter().chain(self.addresses.iter().copied()) {
            match self.open(to) {
                Ok(socket) => return Ok(Open { to, socket }),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let nowhere = || Error::System {
            action: "send a heartbeat",
            source: io::Error::other("the monitor's name has not been found yet"),
        };
        Err(refused.unwrap_or_else(nowhere))
    }

    fn open(&self, to: SocketAddr) -> Result<Registration> {
        check_route(to)?;
        let socket = Socket::toward(to, None, IpOptions::default(), self.backend)?;
        Registration::new(socket, &self.poller, self.key).map_err(Error::system("watch a socket"))
    }

    pub(super) fn receive(&mut self, recv: &mut RecvBuf) {
        if self.try_receive(recv).is_err() {
            // The next heartbeat opens another socket.
            self.open = None;
        }
    }

    fn try_receive(&self, RecvBuf { batch, quoted, received }: &mut RecvBuf) -> io::Result<()> {
        let Some(Open { to, socket }) = &self.open else { return Ok(()) };
        for _ in 0..MOST {
            match batch.receive(socket, usize::MAX) {
                Ok(false) => break,
                Ok(true) => {
                    let answers = batch.datagrams().filter(|datagram| is_same(datagram.source, *to));
                    received
                        .extend(answers.filter_map(|answer| read_seq(answer.bytes)).map(Received::Answer));
                }
                // The error queue is read below.
                Err(error) if is_icmp_error(&error) && socket.sees_foreign() => {}
                Err(error) if is_icmp_error(&error) => received.push(Received::Refused(error)),
                Err(error) => return Err(error),
            }
        }
        for _ in 0..MOST {
            let Some(entry) = socket.read_icmp_error(quoted)? else { break };
            // One about a datagram to somewhere else is forged, as this socket sends to one address.
            if entry.target.is_none_or(|target| is_same(target, *to)) {
                received.push(Received::Refused(io::Error::from_raw_os_error(entry.errno)));
            }
        }
        Ok(())
    }
}

/// Compares without the scope and flow of an IPv6 address.
fn is_same(a: SocketAddr, b: SocketAddr) -> bool {
    (a.ip(), a.port()) == (b.ip(), b.port())
}
