//! Who has been here: each client's index, by order of first appearance, and what is kept for it.
//!
//! The table is bounded, because a source address can be forged: when it is full, the client that has been silent
//! longest goes. If it returns it is a new client, with a new index.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use lru::LruCache;

/// Clients known at one time.
pub const MOST_CLIENTS: usize = 65_536;

/// The clients, with an `S` each.
#[derive(Debug)]
pub struct Clients<S> {
    known: LruCache<Client, (u32, S)>,
    seen: u64,
}

/// Address and port, and the interface of a link-local address; a flow label makes no other client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Client {
    ip: IpAddr,
    port: u16,
    interface: u32,
}

impl<S: Default> Clients<S> {
    /// An empty table of [`MOST_CLIENTS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(NonZeroUsize::new(MOST_CLIENTS).unwrap_or(NonZeroUsize::MIN))
    }

    /// An empty table that knows at most `limit` clients at a time.
    #[must_use]
    pub fn with_limit(limit: NonZeroUsize) -> Self {
        Self { known: LruCache::sparse(limit), seen: 0 }
    }

    /// The client's index (the first one's is 0) and its state; allocates only for a client not known.
    pub fn meet(&mut self, source: SocketAddr) -> (u32, &mut S) {
        let seen = &mut self.seen;
        let (index, state) = self.known.get_or_insert_mut(Client::from(source), || {
            let index = *seen;
            *seen += 1;
            #[expect(clippy::cast_possible_truncation, reason = "indices start again after 2^32 clients")]
            (index as u32, S::default())
        });
        (*index, state)
    }

    /// Clients met so far, those that returned after they were forgotten counted again.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

impl<S: Default> Default for Clients<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl From<SocketAddr> for Client {
    fn from(source: SocketAddr) -> Self {
        let interface = match source {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(source) => source.scope_id(),
        };
        Self { ip: source.ip(), port: source.port(), interface }
    }
}
