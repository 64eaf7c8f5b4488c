//! The clients by name and address: admission and eviction.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::event::State;
use super::index::Index;
use super::peer::Peer;
use super::timers::Timers;
use crate::logic::{DAY, Nanos};

/// Shorter queues are not compacted.
const LONG: usize = 64;

/// Clients in one allocation.
const BLOCK: usize = 256;

/// The slot of a client. It is valid while the client in the slot has this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerKey {
    slot: u32,
    number: u32,
}

#[derive(Debug, Default)]
pub(super) struct Roster {
    /// In blocks, so that no client is moved, and little memory is unused.
    blocks: Vec<Vec<Option<Peer>>>,
    free: Vec<u32>,
    index: Index,
    hasher: RandomState,
    /// How many were admitted, modulo 2^32.
    admitted: u32,
    networks: HashMap<IpAddr, Network>,
    /// Clients with one heartbeat, and clients that have stopped, the oldest first; some entries are out of date.
    unconfirmed: VecDeque<PeerKey>,
    stopped: VecDeque<PeerKey>,
    timers: Timers,
}

/// The unsealed clients of a /24 or /64.
#[derive(Debug, Default)]
struct Network {
    clients: usize,
    stopped: VecDeque<PeerKey>,
}

/// A client, and the tables that refer to it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) peer: &'a mut Peer,
    key: PeerKey,
    networks: &'a mut HashMap<IpAddr, Network>,
    timers: &'a mut Timers,
}

/// The hash of a client's name, or of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash(u32);

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.capacity() - self.free.len()
    }

    /// The hash is keyed, so that senders cannot choose collisions.
    pub(super) fn hash(&self, id: Option<&str>, source: SocketAddr) -> KeyHash {
        let hash = id.map_or_else(|| self.hasher.hash_one(source), |id| self.hasher.hash_one(id));
        let [.., a, b, c, d] = hash.to_be_bytes();
        KeyHash(u32::from_be_bytes([a, b, c, d]))
    }

    pub(super) fn find(&self, hash: KeyHash, id: Option<&str>, source: SocketAddr) -> Option<PeerKey> {
        let is = |slot| {
            self.at(slot).is_some_and(|peer| match id {
                Some(id) => !peer.nameless && peer.name.is(id),
                None => peer.nameless && peer.source == source,
            })
        };
        let slot = self.index.find(hash.0, is)?;
        self.at(slot).map(|peer| PeerKey { slot, number: peer.number })
    }

    /// Loads the clients that likely send these into the processor's cache: first their slots, then the clients, then
    /// what they refer to. The loads of each step do not depend on each other, so they run at the same time.
    pub(super) fn fetch(&self, senders: impl Iterator<Item = KeyHash>, slots: &mut Vec<u32>) {
        slots.clear();
        slots.extend(senders.filter_map(|hash| self.index.guess(hash.0)));
        let known = || slots.iter().filter_map(|slot| self.at(*slot));
        let times = slots.iter().map(|slot| self.timers.prefetch(*slot));
        std::hint::black_box(times.chain(known().map(Peer::prefetch)).fold(0, |all, one| all ^ one));
        std::hint::black_box(known().map(Peer::prefetch_boxed).fold(0, |all, one| all ^ one));
    }

    pub(super) fn entry(&mut self, key: PeerKey) -> Option<Entry<'_>> {
        let slot = key.slot as usize;
        let peer = self.blocks.get_mut(slot / BLOCK)?.get_mut(slot % BLOCK)?.as_mut();
        let peer = peer.filter(|peer| peer.number == key.number)?;
        Some(Entry { peer, key, networks: &mut self.networks, timers: &mut self.timers })
    }

    fn get(&self, key: PeerKey) -> Option<&Peer> {
        self.at(key.slot).filter(|peer| peer.number == key.number)
    }

    fn at(&self, slot: u32) -> Option<&Peer> {
        let slot = slot as usize;
        self.blocks.get(slot / BLOCK)?.get(slot % BLOCK)?.as_ref()
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.slots(0, usize::MAX)
    }

    /// The clients in a part of the places.
    pub(super) fn slots(&self, first: usize, most: usize) -> impl Iterator<Item = &Peer> {
        let end = first.saturating_add(most).min(self.capacity());
        (first..end).filter_map(|slot| self.blocks[slot / BLOCK][slot % BLOCK].as_ref())
    }

    /// How many slots there are.
    pub(super) fn capacity(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    /// The places of all clients.
    pub(super) fn keys(&self) -> Vec<PeerKey> {
        let slots = (0..).zip(self.blocks.iter().flatten());
        slots.filter_map(|(slot, peer)| Some(PeerKey { slot, number: peer.as_ref()?.number })).collect()
    }

    /// Whether the network of `source` may have one more unsealed client.
    pub(super) fn has_room_for(&self, source: SocketAddr, per_prefix: usize) -> bool {
        self.networks.get(&prefix(source.ip())).is_none_or(|network| network.clients < per_prefix)
    }

    /// Whether this address is in another network than the client.
    pub(super) fn is_elsewhere(&self, key: PeerKey, source: SocketAddr) -> bool {
        let is_there = |peer: &Peer| peer.source == source || prefix(peer.source.ip()) == prefix(source.ip());
        self.get(key).is_some_and(|peer| !is_there(peer))
    }

    /// Whether there is a client of that name, or of that address if it has none.
    pub(super) fn knows(&self, peer: &Peer) -> bool {
        let id = peer.id();
        self.find(self.hash(id, peer.source), id, peer.source).is_some()
    }

    pub(super) fn add(&mut self, mut peer: Peer) -> PeerKey {
        self.admitted = self.admitted.wrapping_add(1);
        peer.number = self.admitted;
        let slot = self.free.pop().unwrap_or_else(|| self.new_slot());
        self.index.insert(self.hash(peer.id(), peer.source).0, slot);
        if !peer.sealed {
            self.networks.entry(prefix(peer.source.ip())).or_default().clients += 1;
        }
        let key = PeerKey { slot, number: peer.number };
        let is_new = peer.state == State::New;
        self.blocks[slot as usize / BLOCK][slot as usize % BLOCK] = Some(peer);
        if is_new {
            let waiting = std::mem::take(&mut self.unconfirmed);
            self.unconfirmed = self.push(waiting, key, |peer| peer.state == State::New);
        }
        key
    }

    fn new_slot(&mut self) -> u32 {
        let slot = self.capacity();
        if slot.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks[slot / BLOCK].push(None);
        u32::try_from(slot).unwrap_or(u32::MAX)
    }

    /// Queues a client that has stopped for eviction.
    pub(super) fn stopped(&mut self, key: PeerKey) {
        let Some(peer) = self.get(key) else { return };
        let network = (!peer.sealed).then(|| prefix(peer.source.ip()));
        let stopped = std::mem::take(&mut self.stopped);
        self.stopped = self.push(stopped, key, Peer::has_stopped);
        if let Some(network) = network {
            let stopped = self.networks.get_mut(&network).map(|network| std::mem::take(&mut network.stopped));
            let stopped = self.push(stopped.unwrap_or_default(), key, |peer| has_stopped_in(peer, network));
            self.networks.entry(network).or_default().stopped = stopped;
        }
    }

    /// Adds to a queue; removes entries that are out of date when it has grown long.
    fn push(
        &self,
        mut queue: VecDeque<PeerKey>,
        key: PeerKey,
        is_still: impl Fn(&Peer) -> bool,
    ) -> VecDeque<PeerKey> {
        queue.push_back(key);
        if queue.len() == queue.capacity() && queue.len() > LONG {
            let mut seen = HashSet::new();
            queue.retain(|key| self.get(*key).is_some_and(&is_still) && seen.insert(key.slot));
            queue.reserve(queue.len());
        }
        queue
    }

    /// The client to evict from a full network: the one that stopped first.
    pub(super) fn evictable_in(&mut self, source: SocketAddr) -> Option<PeerKey> {
        let network = prefix(source.ip());
        while let Some(key) = self.networks.get_mut(&network)?.stopped.pop_front() {
            if self.get(key).is_some_and(|peer| has_stopped_in(peer, network)) {
                return Some(key);
            }
        }
        None
    }

    /// The client to evict: the first with one heartbeat, else the one that stopped first. A sealed one is kept for a day
    /// after it stopped, as what was recorded of it could be replayed when it is forgotten.
    pub(super) fn evictable(&mut self, now: Nanos) -> Option<PeerKey> {
        while let Some(key) = self.unconfirmed.pop_front() {
            if self.get(key).is_some_and(|peer| peer.state == State::New) {
                return Some(key);
            }
        }
        let mut kept = VecDeque::new();
        let mut found = None;
        while let Some(key) = self.stopped.pop_front() {
            match self.get(key).filter(|peer| peer.has_stopped()) {
                Some(peer) if !peer.sealed || now.saturating_sub(peer.since.mono) >= DAY => {
                    found = Some(key);
                    break;
                }
                Some(_) => kept.push_back(key),
                None => {}
            }
        }
        kept.append(&mut self.stopped);
        self.stopped = kept;
        found
    }

    pub(super) fn remove(&mut self, key: PeerKey) {
        let Some(peer) = self.get(key) else { return };
        let (hash, sealed, source) = (self.hash(peer.id(), peer.source), peer.sealed, peer.source);
        self.index.remove(hash.0, key.slot);
        self.timers.clear(key.slot);
        self.blocks[key.slot as usize / BLOCK][key.slot as usize % BLOCK] = None;
        self.free.push(key.slot);
        if !sealed {
            remove_from(&mut self.networks, source);
        }
    }

    /// No timer fires before this time.
    pub(super) fn next_timer(&self) -> Option<Nanos> {
        self.timers.next()
    }

    /// Bytes of all clients and tables.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let places = self.blocks.len() * BLOCK * size_of::<Option<Peer>>();
        let queues = (self.unconfirmed.capacity() + self.stopped.capacity()) * size_of::<PeerKey>();
        let clients: usize = self.peers().map(Peer::memory).sum();
        places + queues + clients + self.index.memory() + self.timers.memory()
    }

    /// Entries in all queues.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        let stopped: usize = self.networks.values().map(|network| network.stopped.len()).sum();
        self.timers.len() + self.unconfirmed.len() + self.stopped.len() + stopped
    }

    /// A client whose timer fires by `now`.
    pub(super) fn due(&mut self, now: Nanos) -> Option<PeerKey> {
        loop {
            let slot = self.timers.due(now)?;
            if let Some(peer) = self.at(slot) {
                return Some(PeerKey { slot, number: peer.number });
            }
        }
    }
}

impl Entry<'_> {
    pub(super) fn move_to(&mut self, source: SocketAddr) {
        let old = std::mem::replace(&mut self.peer.source, source);
        if !self.peer.sealed {
            remove_from(self.networks, old);
            self.networks.entry(prefix(source.ip())).or_default().clients += 1;
        }
    }

    /// Marks a client that was admitted without a seal as sealed.
    pub(super) fn seal(&mut self) {
        if !self.peer.sealed {
            self.peer.sealed = true;
            self.peer.reset_session();
            remove_from(self.networks, self.peer.source);
        }
    }

    pub(super) fn set_timer(&mut self, at: Nanos) {
        self.timers.set(self.key.slot, at);
    }
}

fn remove_from(networks: &mut HashMap<IpAddr, Network>, source: SocketAddr) {
    let network = prefix(source.ip());
    if let Some(held) = networks.get_mut(&network) {
        held.clients -= 1;
        if held.clients == 0 {
            networks.remove(&network);
        }
    }
}

fn has_stopped_in(peer: &Peer, network: IpAddr) -> bool {
    peer.has_stopped() && !peer.sealed && prefix(peer.source.ip()) == network
}

/// The /24 of an IPv4 and the /64 of an IPv6 address: what one sender may control.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
    }
}
