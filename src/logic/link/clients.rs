//! Each client's index, by order of first appearance, and its state.
//!
//! The table is bounded, because a source address can be forged: when it is full, the client that sent nothing for longest
//! is removed. If it returns it is a new client, with a new index.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

use lru::LruCache;

/// Clients in the table at one time.
const MOST_CLIENTS: usize = 65_536;

/// The clients, with an `S` each.
#[derive(Debug)]
pub(super) struct Clients<S> {
    recent: LruCache<Client, (u32, S)>,
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
    pub(super) fn new() -> Self {
        Self::with_limit(NonZeroUsize::new(MOST_CLIENTS).unwrap_or(NonZeroUsize::MIN))
    }

    /// An empty table for at most `limit` clients at a time.
    fn with_limit(limit: NonZeroUsize) -> Self {
        Self { recent: LruCache::sparse(limit), seen: 0 }
    }

    /// The client's index (the first one's is 0) and its state; allocates only for a new client.
    pub(super) fn entry(&mut self, source: SocketAddr) -> (u32, &mut S) {
        let seen = &mut self.seen;
        let (index, state) = self.recent.get_or_insert_mut(Client::from(source), || {
            let index = *seen;
            *seen += 1;
            #[expect(clippy::cast_possible_truncation, reason = "indices start again after 2^32 clients")]
            (index as u32, S::default())
        });
        (*index, state)
    }

    /// The state of a client that is in the table.
    pub(super) fn known(&mut self, source: SocketAddr) -> Option<&mut S> {
        self.recent.peek_mut(&Client::from(source)).map(|(_, state)| state)
    }

    /// The state of each client.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut S> {
        self.recent.iter_mut().map(|(_, (_, state))| state)
    }

    /// Clients seen so far; one that returned after it was removed counts again.
    pub(super) fn seen(&self) -> u64 {
        self.seen
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

    use super::*;

    fn v4(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    fn v6(flow: u32, interface: u32) -> SocketAddr {
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, flow, interface).into()
    }

    #[test]
    fn the_longest_silent_client_makes_room_and_returns_as_a_new_one() {
        let mut clients = Clients::<u8>::with_limit(NonZeroUsize::new(2).unwrap());
        *clients.entry(v4(1)).1 = 7;
        assert_eq!(clients.entry(v4(2)), (1, &mut 0));
        assert_eq!(clients.entry(v4(1)), (0, &mut 7));
        assert_eq!(clients.entry(v4(3)), (2, &mut 0));
        assert_eq!(clients.entry(v4(1)), (0, &mut 7));
        assert_eq!(clients.entry(v4(2)), (3, &mut 0));
        assert_eq!(clients.seen(), 4);
    }

    #[test]
    fn the_table_holds_65536() {
        let mut clients = Clients::<()>::new();
        let all = || (0..=u16::MAX).map(v4);
        assert!(all().enumerate().all(|(at, source)| clients.entry(source).0 as usize == at));
        assert!(all().enumerate().all(|(at, source)| clients.entry(source).0 as usize == at));
        assert_eq!(clients.entry(v6(0, 0)).0, 65_536);
        assert_eq!(clients.entry(v4(0)).0, 65_537);
    }

    #[test]
    fn a_client_is_an_address_and_a_port() {
        let mut clients = Clients::<()>::new();
        assert_eq!(clients.entry(v6(0, 1)).0, 0);
        assert_eq!(clients.entry(v6(9, 1)).0, 0);
        assert_eq!(clients.entry(v6(0, 2)).0, 1);
        assert_eq!(clients.entry((Ipv4Addr::LOCALHOST, 1).into()).0, 2);
        assert_eq!(clients.entry((Ipv4Addr::new(127, 0, 0, 2), 1).into()).0, 3);
    }
}
