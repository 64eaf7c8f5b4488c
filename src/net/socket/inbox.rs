//! What arrives at a socket: many datagrams at once where the system can, else one.

use std::io;
use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use rustix::fd::AsFd as _;

use super::{Path, Socket};
use crate::logic::wire::MAX_PAYLOAD;
use crate::net::datagram::Datagram;
#[cfg(target_os = "linux")]
use crate::net::sys;

/// Buffers for what arrives at a socket.
#[derive(Debug)]
pub struct Inbox {
    #[cfg(target_os = "linux")]
    batch: Option<sys::Inbox>,
    single: Vec<u8>,
    received: Option<(usize, SocketAddr)>,
}

impl Inbox {
    /// Room for `slots` datagrams of any size at a time (one on the portable path).
    #[must_use]
    pub fn new(slots: usize, path: Path) -> Self {
        // One more byte than can arrive would be of no use: a payload never exceeds this.
        let slot = MAX_PAYLOAD + 20;
        Self {
            #[cfg(target_os = "linux")]
            batch: (path == Path::Full).then(|| sys::Inbox::new(slots, slot)),
            single: if cfg!(target_os = "linux") && path == Path::Full { Vec::new() } else { vec![0; slot] },
            received: None,
        }
    }

    /// Takes what has arrived at `socket` without waiting: `false` when nothing has.
    ///
    /// # Errors
    /// On the portable path a refusal by the far end shows here as `ConnectionRefused`.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<bool> {
        match self.try_receive(socket) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn try_receive(&mut self, socket: &Socket) -> io::Result<()> {
        self.received = None;
        #[cfg(target_os = "linux")]
        if let Some(batch) = &mut self.batch {
            return batch.receive(socket.as_fd());
        }
        self.received = Some(socket.inner.recv_from(&mut self.single)?);
        Ok(())
    }

    /// What the last [`Inbox::receive`] brought.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let single = self.received.map(|(length, source)| Datagram {
            source,
            bytes: &self.single[..length],
            ttl: None,
            via: None,
            stamp: None,
        });
        #[cfg(target_os = "linux")]
        let batch = self.batch.iter().flat_map(sys::Inbox::datagrams);
        #[cfg(not(target_os = "linux"))]
        let batch = std::iter::empty();
        batch.chain(single)
    }
}
