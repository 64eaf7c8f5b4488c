//! The clients by name and address: who is let in, and who makes room.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::event::State;
use super::peer::Peer;
use super::timers::Timers;
use crate::logic::Nanos;
use crate::logic::wire::heartbeat::Heartbeat;

/// Queues up to here are not looked through for what is out of date.
const LONG: usize = 64;

/// A client's place; it is another one's once the generation has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    slot: u32,
    generation: u32,
}

#[derive(Debug, Default)]
pub(super) struct Roster {
    slots: Vec<Slot>,
    free: Vec<u32>,
    named: HashMap<Arc<str>, u32>,
    nameless: HashMap<SocketAddr, u32>,
    networks: HashMap<IpAddr, Network>,
    /// Those of whom one heartbeat was heard, and those that have stopped, the oldest first; some are that no more.
    unconfirmed: VecDeque<Place>,
    stopped: VecDeque<Place>,
    timers: Timers,
}

/// The unsealed clients of a /24 or /64.
#[derive(Debug, Default)]
struct Network {
    clients: usize,
    /// Those that have stopped, as in [`Roster::stopped`].
    stopped: VecDeque<Place>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    peer: Option<Box<Peer>>,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Who sends this, if that is known.
    pub(super) fn find(&self, beat: &Heartbeat<'_>, source: SocketAddr) -> Option<Place> {
        let slot = match beat.id {
            Some(id) => self.named.get(id),
            None => self.nameless.get(&source),
        };
        slot.map(|slot| Place { slot: *slot, generation: self.slots[*slot as usize].generation })
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Peer> {
        let slot = self.slots.get_mut(place.slot as usize)?;
        slot.peer.as_deref_mut().filter(|_| slot.generation == place.generation)
    }

    fn get(&self, place: Place) -> Option<&Peer> {
        let slot = self.slots.get(place.slot as usize)?;
        slot.peer.as_deref().filter(|_| slot.generation == place.generation)
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.slots.iter().filter_map(|slot| slot.peer.as_deref())
    }

    /// The clients in a part of the places, and how many places there are.
    pub(super) fn slots(&self, first: usize, most: usize) -> impl Iterator<Item = &Peer> {
        self.slots.iter().skip(first).take(most).filter_map(|slot| slot.peer.as_deref())
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The places of all clients.
    pub(super) fn places(&self) -> Vec<Place> {
        let taken = |(slot, held): (u32, &Slot)| {
            held.peer.as_ref().map(|_| Place { slot, generation: held.generation })
        };
        (0..).zip(&self.slots).filter_map(taken).collect()
    }

    /// Whether that network may send one more unsealed client.
    pub(super) fn has_room_for(&self, source: SocketAddr, per_prefix: usize) -> bool {
        self.networks.get(&prefix(source.ip())).is_none_or(|network| network.clients < per_prefix)
    }

    /// Whether there is already one of that name, or of that address for one without.
    pub(super) fn knows(&self, peer: &Peer) -> bool {
        if peer.nameless {
            self.nameless.contains_key(&peer.source)
        } else {
            self.named.contains_key(&peer.name)
        }
    }

    /// Lets a client in.
    pub(super) fn add(&mut self, peer: Peer) -> Place {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        if peer.nameless {
            self.nameless.insert(peer.source, slot);
        } else {
            self.named.insert(Arc::clone(&peer.name), slot);
        }
        if !peer.sealed {
            self.networks.entry(prefix(peer.source.ip())).or_default().clients += 1;
        }
        let held = &mut self.slots[slot as usize];
        let place = Place { slot, generation: held.generation };
        let is_new = peer.state == State::New;
        held.peer = Some(Box::new(peer));
        if is_new {
            let waiting = std::mem::take(&mut self.unconfirmed);
            self.unconfirmed = self.with(waiting, place, |peer| peer.state == State::New);
        }
        place
    }

    /// A client is heard at another address.
    pub(super) fn moved(&mut self, place: Place, source: SocketAddr) {
        let Some(peer) = self.get_mut(place) else { return };
        let (sealed, stopped) = (peer.sealed, has_stopped(peer));
        let old = std::mem::replace(&mut peer.source, source);
        if !sealed {
            self.leave(old);
            self.networks.entry(prefix(source.ip())).or_default().clients += 1;
            if stopped {
                self.stopped(place);
            }
        }
    }

    /// A client that was believed without a seal has one from now on.
    pub(super) fn seal(&mut self, place: Place) {
        let Some(peer) = self.get_mut(place).filter(|peer| !peer.sealed) else { return };
        peer.sealed = true;
        peer.distrust();
        let source = peer.source;
        self.leave(source);
    }

    /// A client has stopped: it makes room when there is none.
    pub(super) fn stopped(&mut self, place: Place) {
        let Some(peer) = self.get_mut(place) else { return };
        let network = (!peer.sealed).then(|| prefix(peer.source.ip()));
        let stopped = std::mem::take(&mut self.stopped);
        self.stopped = self.with(stopped, place, has_stopped);
        if let Some(network) = network {
            let stopped = self.networks.get_mut(&network).map(|network| std::mem::take(&mut network.stopped));
            let stopped = self.with(stopped.unwrap_or_default(), place, |peer| has_stopped_in(peer, network));
            self.networks.entry(network).or_default().stopped = stopped;
        }
    }

    /// Adds to a queue, and when it has grown long takes out of it what is that no more.
    fn with(
        &self,
        mut queue: VecDeque<Place>,
        place: Place,
        is_still: impl Fn(&Peer) -> bool,
    ) -> VecDeque<Place> {
        queue.push_back(place);
        if queue.len() == queue.capacity() && queue.len() > LONG {
            let mut seen = HashSet::new();
            queue.retain(|place| self.get(*place).is_some_and(&is_still) && seen.insert(place.slot));
            queue.reserve(queue.len());
        }
        queue
    }

    /// The client that makes room first in a network that has no more: who has stopped the longest.
    pub(super) fn dispensable_in(&mut self, source: SocketAddr) -> Option<Place> {
        let network = prefix(source.ip());
        while let Some(place) = self.networks.get_mut(&network)?.stopped.pop_front() {
            if self.get(place).is_some_and(|peer| has_stopped_in(peer, network)) {
                return Some(place);
            }
        }
        None
    }

    /// The client that makes room first: of whom the least is known, then who has stopped the longest.
    pub(super) fn dispensable(&mut self) -> Option<Place> {
        while let Some(place) = self.unconfirmed.pop_front() {
            if self.get_mut(place).is_some_and(|peer| peer.state == State::New) {
                return Some(place);
            }
        }
        while let Some(place) = self.stopped.pop_front() {
            if self.get_mut(place).is_some_and(|peer| has_stopped(peer) && !peer.sealed) {
                return Some(place);
            }
        }
        None
    }

    /// Forgets a client.
    pub(super) fn remove(&mut self, place: Place) {
        if self.get_mut(place).is_none() {
            return;
        }
        self.timers.clear(place.slot);
        let slot = &mut self.slots[place.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        let Some(peer) = slot.peer.take() else { return };
        self.free.push(place.slot);
        if peer.nameless {
            self.nameless.remove(&peer.source);
        } else {
            self.named.remove(&peer.name);
        }
        if !peer.sealed {
            self.leave(peer.source);
        }
    }

    /// Looks at a client again at a time, and not before.
    pub(super) fn look_at(&mut self, place: Place, at: Nanos) {
        self.timers.set(place.slot, at);
    }

    /// Nobody is to be looked at before this time.
    pub(super) fn next_look(&self) -> Option<Nanos> {
        self.timers.next()
    }

    /// How many entries there are in all queues.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        let stopped: usize = self.networks.values().map(|network| network.stopped.len()).sum();
        self.timers.len() + self.unconfirmed.len() + self.stopped.len() + stopped
    }

    /// Who is to be looked at, until `now`.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Place> {
        let slot = self.timers.due(now)?;
        Some(Place { slot, generation: self.slots[slot as usize].generation })
    }

    fn leave(&mut self, source: SocketAddr) {
        let network = prefix(source.ip());
        if let Some(held) = self.networks.get_mut(&network) {
            held.clients -= 1;
            if held.clients == 0 {
                self.networks.remove(&network);
            }
        }
    }
}

fn has_stopped(peer: &Peer) -> bool {
    matches!(peer.state, State::Down | State::Bye)
}

fn has_stopped_in(peer: &Peer, network: IpAddr) -> bool {
    has_stopped(peer) && !peer.sealed && prefix(peer.source.ip()) == network
}

/// The /24 of an IPv4 and the /64 of an IPv6 address: what one person may well have.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
    }
}
