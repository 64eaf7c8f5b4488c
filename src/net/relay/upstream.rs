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
use crate::logic::Nanos;
use crate::logic::relay::{MOST_CLIENTS, SessionKey};

/// What the sockets report of a datagram: it is sent on with the same.
pub(super) const REPORTS: Reports = Reports { ttl: true, tos: true, timestamp: false };
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
    /// By slot.
    open: Vec<Option<(u32, Registration)>>,
    target: SocketAddr,
    connected: bool,
    backend: Backend,
    ports: Arc<Mutex<Ports>>,
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
    #[cfg(unix)]
    {
        let most = sys::raise_open_files().map_or(u64::MAX, |files| files.saturating_sub(SPARE_FILES));
        usize::try_from(most).unwrap_or(usize::MAX).min(MOST_CLIENTS)
    }
    #[cfg(not(unix))]
    MOST_CLIENTS
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
        Ok(Self { listener, poller, open: Vec::new(), target, connected, backend, ports })
    }

    /// Opens the socket of a client, unless it is open.
    pub(super) fn open(&mut self, key: SessionKey) -> super::super::Result<()> {
        let slot = key.slot as usize;
        if self.open.len() <= slot {
            self.open.resize_with(slot + 1, || None);
        }
        if !matches!(&self.open[slot], Some((generation, _)) if *generation == key.generation) {
            self.open_anew(key)?;
        }
        Ok(())
    }

    /// Opens another socket for a client.
    fn open_anew(&mut self, key: SessionKey) -> super::super::Result<()> {
        let slot = key.slot as usize;
        let socket = Socket::onward(self.target, self.connected, self.backend)?;
        socket.enable_gro();
        socket.enable_reports(REPORTS)?;
        let registered = Registration::of(Arc::new(socket), &self.poller, number(Port::Client(key)))
            .map_err(super::super::Error::system("wait for another socket"))?;
        lock(&self.ports).set(slot, Some(registered.shared()));
        self.open[slot] = Some((key.generation, registered));
        Ok(())
    }

    /// Closes the socket of a client.
    pub(super) fn close(&mut self, key: SessionKey) {
        let slot = key.slot as usize;
        if let Some(open) = self.open.get_mut(slot)
            && open.take_if(|(generation, _)| *generation == key.generation).is_some()
        {
            lock(&self.ports).set(slot, None);
        }
    }

    /// Gives each client another port; one for which there is none keeps its own.
    pub(super) fn rebind(&mut self) {
        for slot in 0..self.open.len() {
            if let Some((generation, _)) = self.open[slot] {
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                let _ = self.open_anew(SessionKey { slot, generation });
            }
        }
    }
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
            Port::Client(key) => match self.open.get(key.slot as usize)?.as_ref()? {
                (generation, socket) if *generation == key.generation => Some(socket),
                _ => None,
            },
        }
    }

    fn all(&self) -> impl Iterator<Item = &Socket> {
        let open = self.open.iter().flatten().map(|(_, socket)| &**socket);
        std::iter::once(&*self.listener).chain(open)
    }

    fn wait(&self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<Port>) -> io::Result<()> {
        let mut numbers = Vec::new();
        self.poller.wait(bell, wait, &mut numbers)?;
        ready.extend(numbers.into_iter().map(port));
        Ok(())
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
