//! The sockets of a relay, and what the kernel dropped at those toward the target.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::super::datagram::Reports;
use super::super::event_queue::lock;
use super::super::poller::{Poller, Registration};
use super::super::socket::{Backend, Socket};
use super::super::sockets::Sockets;
use super::super::sys;
use super::super::wait::Bell;
use super::super::{Error, Result};
use crate::logic::Nanos;
use crate::logic::relay::{MOST_CLIENTS, SessionKey};

/// What the sockets report of a datagram: it is sent on with the same.
pub(super) const REPORTS: Reports = Reports { ttl: true, tos: true, timestamp: false };
/// Replies received at a time for one client: there are mostly few.
const SLOTS: usize = 2;
/// Files that the rest of the program may open.
const SPARE_FILES: u64 = 64;

/// The one at which clients arrive, or the one of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Listener,
    Client(SessionKey),
}

/// All sockets of a relay.
#[derive(Debug)]
pub(super) struct Upstream {
    listener: Registration,
    poller: Arc<Poller>,
    /// With what the first datagram to a client went.
    near: Option<Header>,
    /// By slot.
    open: Vec<Option<Open>>,
    rebinds: u32,
    numbers: Vec<u64>,
    target: SocketAddr,
    connected: bool,
    backend: Backend,
    ports: Arc<Mutex<Ports>>,
}

/// The socket of a client.
#[derive(Debug)]
struct Open {
    generation: u32,
    socket: Registration,
    header: Header,
}

/// What the header of a datagram says; `None` is what the system says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) hops: Option<u8>,
    pub(super) tos: Option<u8>,
}

/// The sockets toward the target, for those who count.
#[derive(Debug, Default)]
pub(super) struct Ports {
    open: Vec<Option<Arc<Socket>>>,
    closed_drops: u64,
}

impl Ports {
    pub(super) fn kernel_drops(&self) -> u64 {
        let open = self.open.iter().flatten().filter_map(|socket| socket.kernel_drops());
        self.closed_drops + open.sum::<u64>()
    }

    fn set(&mut self, slot: usize, socket: Option<Arc<Socket>>) {
        if self.open.len() <= slot {
            self.open.resize_with(slot + 1, || None);
        }
        let closed = std::mem::replace(&mut self.open[slot], socket);
        self.closed_drops += closed.and_then(|socket| socket.kernel_drops()).unwrap_or(0);
    }
}

/// How many clients a relay may have a socket for. It first raises the limit of open files as far as it may.
pub(super) fn most_clients() -> usize {
    let most = sys::raise_open_files().map_or(u64::MAX, |files| files.saturating_sub(SPARE_FILES));
    usize::try_from(most).unwrap_or(usize::MAX).min(MOST_CLIENTS)
}

impl Upstream {
    pub(super) fn new(
        listener: Arc<Socket>,
        target: SocketAddr,
        connected: bool,
        backend: Backend,
        ports: Arc<Mutex<Ports>>,
    ) -> io::Result<Self> {
        let poller = Arc::new(Poller::new(backend)?);
        let listener = Registration::of(listener, &poller, number(Port::Listener))?;
        let (near, open, numbers) = (None, Vec::new(), Vec::new());
        Ok(Self { listener, poller, near, open, rebinds: 0, numbers, target, connected, backend, ports })
    }

    /// Opens the socket of a client, unless it is open; returns what its datagrams say if they need not say anything
    /// else. That is a control message less for each, and the kernel need not look for its route.
    pub(super) fn open(&mut self, key: SessionKey, header: Header) -> Result<Header> {
        let slot = key.slot as usize;
        if let Some(Some(open)) = self.open.get(slot)
            && open.generation == key.generation
        {
            return Ok(open.header);
        }
        if self.open.len() <= slot {
            self.open.resize_with(slot + 1, || None);
        }
        self.open_anew(key, header)
    }

    /// What datagrams to clients say if they need not say anything else: what the first one said.
    pub(super) fn near(&mut self, header: Header) -> Header {
        *self.near.get_or_insert_with(|| set(&self.listener, header))
    }

    /// Opens another socket for a client.
    fn open_anew(&mut self, key: SessionKey, header: Header) -> Result<Header> {
        let SessionKey { slot, generation } = key;
        let socket = Socket::onward(self.target, self.connected, self.backend)?;
        socket.enable_gro();
        socket.enable_reports(REPORTS)?;
        let header = set(&socket, header);
        let socket = Registration::of(Arc::new(socket), &self.poller, number(Port::Client(key)))
            .map_err(Error::system("wait for another socket"))?;
        lock(&self.ports).set(slot as usize, Some(socket.shared()));
        self.open[slot as usize] = Some(Open { generation, socket, header });
        Ok(header)
    }

    /// Closes the socket of a client.
    pub(super) fn close(&mut self, key: SessionKey) {
        let slot = key.slot as usize;
        if let Some(open) = self.open.get_mut(slot)
            && open.take_if(|open| open.generation == key.generation).is_some()
        {
            lock(&self.ports).set(slot, None);
        }
    }

    /// Gives each client another port, unless that was done so many times; one for which there is none keeps its own.
    pub(super) fn rebind(&mut self, times: u32) {
        if self.rebinds == times {
            return;
        }
        self.rebinds = times;
        for slot in 0..self.open.len() {
            if let Some(Open { generation, header, .. }) = self.open[slot] {
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                let _ = self.open_anew(SessionKey { slot, generation }, header);
            }
        }
    }
}

/// Lets datagrams of a socket say this, as far as the system does.
fn set(socket: &Socket, header: Header) -> Header {
    let Header { hops, tos } = header;
    let (hops, tos) = socket.set_header(hops.filter(|hops| *hops > 0), tos);
    Header { hops, tos }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let mut ports = lock(&self.ports);
        (0..self.open.len()).for_each(|slot| ports.set(slot, None));
    }
}

impl Sockets for Upstream {
    type Key = Port;

    fn get(&self, port: Port) -> Option<&Socket> {
        match port {
            Port::Listener => Some(&self.listener),
            Port::Client(key) => {
                let open = self.open.get(key.slot as usize)?.as_ref()?;
                (open.generation == key.generation).then_some(&*open.socket)
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Socket> {
        let open = self.open.iter().flatten().map(|open| &*open.socket);
        std::iter::once(&*self.listener).chain(open)
    }

    fn wait(&mut self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<Port>) -> io::Result<()> {
        self.numbers.clear();
        self.poller.wait(bell, wait, &mut self.numbers)?;
        ready.extend(self.numbers.iter().copied().map(port));
        Ok(())
    }

    fn slots(&self, port: Port, most: usize) -> usize {
        if port == Port::Listener { most } else { SLOTS }
    }

    /// The poller reports again a socket that has more.
    fn may_have_more(&self, _: Port, full: bool) -> bool {
        full
    }
}

/// A port as a number; that of the listener is no client's, as no slot has the highest one.
fn number(port: Port) -> u64 {
    match port {
        Port::Listener => u64::MAX,
        Port::Client(SessionKey { slot, generation }) => u64::from(slot) << 32 | u64::from(generation),
    }
}

fn port(number: u64) -> Port {
    if number == u64::MAX {
        return Port::Listener;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
    let (slot, generation) = ((number >> 32) as u32, number as u32);
    Port::Client(SessionKey { slot, generation })
}
