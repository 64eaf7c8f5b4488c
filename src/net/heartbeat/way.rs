//! The way to the monitor: its addresses, a socket towards one of them, and what comes back through it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::mailbox::Lease;
use crate::logic::wire::read_seq;
use crate::net::poller::{Poller, Registration};
use crate::net::resolve::reachable;
use crate::net::socket::{Backend, IpOptions, RecvBatch, Socket, is_icmp_error};
use crate::net::{Error, Result};

/// Datagrams and reports taken at a time, however many wait.
const MOST: usize = 64;

/// A way that may be closed.
#[derive(Debug)]
pub(super) struct Way {
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

/// What it takes to listen, and what was heard.
#[derive(Debug)]
pub(super) struct Ear {
    inbox: RecvBatch,
    quoted: Vec<u8>,
    pub(super) heard: Vec<Heard>,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Heard {
    /// An answer to this number.
    Answer(u64),
    /// The network says that a heartbeat was not delivered.
    Refusal(io::Error),
}

impl Ear {
    pub(super) fn new(backend: Backend) -> Self {
        Self { inbox: RecvBatch::new(1, backend), quoted: Vec::new(), heard: Vec::new() }
    }
}

impl Way {
    /// The driver of this lease watches its socket.
    pub(super) fn new(backend: Backend, lease: &Lease) -> Self {
        let poller = Arc::clone(&lease.mailbox.poller);
        Self { backend, poller, key: lease.key, addresses: Vec::new(), open: None }
    }

    /// Opens a socket to this address before there is something to send.
    pub(super) fn prepare(&mut self, address: SocketAddr) -> Result<()> {
        self.lead_to(vec![address]);
        self.open = Some(self.reopen()?);
        Ok(())
    }

    /// Whether an address is known.
    pub(super) fn is_known(&self) -> bool {
        !self.addresses.is_empty()
    }

    /// From now on the monitor has these addresses. The one in use stays if it is among them: of a name with several,
    /// one monitor should see all heartbeats.
    pub(super) fn lead_to(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses.into_iter().map(reachable).collect();
        self.open.take_if(|open| !self.addresses.contains(&open.to));
    }

    /// Where the last heartbeat went.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.open.as_ref().map(|open| open.to)
    }

    /// Sends by the open socket, or else by a new one; what comes to light about earlier heartbeats goes to `ear`.
    ///
    /// It never waits, as others do for this driver. Where a send buffer is full, the network takes nothing just now.
    pub(super) fn send(&mut self, line: &[u8], ear: &mut Ear) -> Result<()> {
        let mut result = self.try_send(line);
        if result.as_ref().is_err_and(is_icmp_error) {
            // The report of an earlier heartbeat's refusal, not of this one's: take it and send again.
            self.listen(ear);
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
        // A socket may hang on to an interface or an address that this machine no longer has.
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

    /// Opens a socket towards the address in use, or else the first that this machine has a route to.
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
        let socket = Socket::toward(to, None, IpOptions::default(), self.backend)?;
        Registration::new(socket, &self.poller, self.key).map_err(Error::system("watch a socket"))
    }

    /// Takes what has come back.
    pub(super) fn listen(&mut self, ear: &mut Ear) {
        if self.try_listen(ear).is_err() {
            // A socket that cannot even be read is given up: the next heartbeat opens another.
            self.open = None;
        }
    }

    fn try_listen(&self, Ear { inbox, quoted, heard }: &mut Ear) -> io::Result<()> {
        let Some(Open { to, socket }) = &self.open else { return Ok(()) };
        for _ in 0..MOST {
            match inbox.receive(socket) {
                Ok(false) => break,
                Ok(true) => {
                    let answers = inbox.datagrams().filter(|datagram| is_same(datagram.source, *to));
                    heard.extend(answers.filter_map(|answer| read_seq(answer.bytes)).map(Heard::Answer));
                }
                // Where there is an error queue, it is read below.
                Err(error) if is_icmp_error(&error) && socket.sees_foreign() => {}
                Err(error) if is_icmp_error(&error) => heard.push(Heard::Refusal(error)),
                Err(error) => return Err(error),
            }
        }
        for _ in 0..MOST {
            let Some(refusal) = socket.read_icmp_error(quoted)? else { break };
            heard.push(Heard::Refusal(io::Error::from_raw_os_error(refusal.errno)));
        }
        Ok(())
    }
}

/// Scope and flow of an IPv6 address do not tell monitors apart.
fn is_same(a: SocketAddr, b: SocketAddr) -> bool {
    (a.ip(), a.port()) == (b.ip(), b.port())
}
