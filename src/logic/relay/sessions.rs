//! The clients of a relay, each in a slot, which stays the same as long as the client is known.
//!
//! A client is known by its own address and by that of the relay to which it sends: at a wildcard address one socket may
//! send to several, and each expects the replies of its own.
//!
//! A client that was silent for long is forgotten. The table is bounded, because a source address can be forged: when it
//! is full, the client that was silent for longest makes room, of those that the target never answered; if it answered
//! all of them, a new one is refused.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::logic::Nanos;

/// Identifies a client for as long as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The index of its slot.
    pub slot: u32,
    /// How many clients were in that slot before.
    pub generation: u32,
}

/// The clients, with a `T` each.
#[derive(Debug)]
pub(super) struct Sessions<T> {
    by_client: HashMap<Ends, u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Those that the target never answered, and those that it answered; each by activity, the longest silent first.
    lists: [List; 2],
    most: usize,
    idle: Nanos,
}

/// The address of a client, and that of the relay to which it sends, where the system tells it.
type Ends = (SocketAddr, Option<IpAddr>);

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    session: Option<Session<T>>,
    list: usize,
    before: u32,
    after: u32,
}

/// What is kept for a client.
#[derive(Debug)]
pub(super) struct Session<T> {
    pub(super) client: SocketAddr,
    near: Option<IpAddr>,
    pub(super) about: T,
    /// When its last datagram came or leaves.
    pub(super) active: Nanos,
    /// When the latest datagram of each direction leaves.
    pub(super) latest: [Nanos; 2],
}

#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// The index of no slot.
const NONE: u32 = u32::MAX;
const UNANSWERED: usize = 0;
const ANSWERED: usize = 1;

impl<T> Sessions<T> {
    /// An empty table for at most `most` clients at a time, each forgotten after `idle` nanoseconds.
    pub(super) fn new(most: usize, idle: Nanos) -> Self {
        let empty = List { first: NONE, last: NONE };
        Self { by_client: HashMap::new(), slots: Vec::new(), free: Vec::new(), lists: [empty; 2], most, idle }
    }

    /// The client's key, of a new session if it has none; allocates only for that. `None` if there is no room.
    ///
    /// Where another client made room, its key is added to `closed`.
    pub(super) fn entry(
        &mut self,
        source: SocketAddr,
        near: Option<IpAddr>,
        now: Nanos,
        closed: &mut Vec<SessionKey>,
        about: impl FnOnce() -> T,
    ) -> Option<SessionKey> {
        let client = key_of(source, near);
        if let Some(&slot) = self.by_client.get(&client) {
            return Some(self.key(slot));
        }
        if self.by_client.len() >= self.most {
            let oldest = self.lists[UNANSWERED].first;
            if oldest == NONE {
                return None;
            }
            closed.push(self.remove(oldest));
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                session: None,
                list: UNANSWERED,
                before: NONE,
                after: NONE,
            });
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        });
        self.by_client.insert(client, slot);
        self.slots[slot as usize].session =
            Some(Session { client: source, near, about: about(), active: now, latest: [Nanos::MIN; 2] });
        self.append(slot, UNANSWERED);
        Some(self.key(slot))
    }

    /// The session with this key, unless it is over; it was active now.
    pub(super) fn touch(&mut self, key: SessionKey, answered: bool) -> Option<&mut Session<T>> {
        self.get(key)?;
        let list = if answered { ANSWERED } else { self.slots[key.slot as usize].list };
        if self.lists[list].last != key.slot {
            self.unlink(key.slot);
            self.append(key.slot, list);
        }
        self.slots[key.slot as usize].session.as_mut()
    }

    /// The session with this key, unless it is over.
    pub(super) fn get(&self, key: SessionKey) -> Option<&Session<T>> {
        self.slots.get(key.slot as usize).filter(|slot| slot.generation == key.generation)?.session.as_ref()
    }

    /// Forgets the clients that were silent for too long; returns when the next one may be.
    pub(super) fn expire(&mut self, now: Nanos, closed: &mut Vec<SessionKey>) -> Option<Nanos> {
        for list in [UNANSWERED, ANSWERED] {
            while let Some((slot, ends)) = self.first(list)
                && ends <= now
            {
                closed.push(self.remove(slot));
            }
        }
        [UNANSWERED, ANSWERED].iter().filter_map(|list| self.first(*list)).map(|(_, ends)| ends).min()
    }

    /// How many clients are known.
    pub(super) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// The first of a list, and when it is to be forgotten. One with a datagram that leaves later goes behind the others.
    fn first(&mut self, list: usize) -> Option<(u32, Nanos)> {
        loop {
            let List { first, last } = self.lists[list];
            let (ends, latest) = (self.ends(first)?, self.ends(last)?);
            if ends <= latest {
                return Some((first, ends));
            }
            self.unlink(first);
            self.append(first, list);
        }
    }

    fn ends(&self, slot: u32) -> Option<Nanos> {
        let session = self.slots.get(slot as usize)?.session.as_ref()?;
        Some(session.active.saturating_add(self.idle))
    }

    fn key(&self, slot: u32) -> SessionKey {
        SessionKey { slot, generation: self.slots[slot as usize].generation }
    }

    fn remove(&mut self, slot: u32) -> SessionKey {
        let key = self.key(slot);
        self.unlink(slot);
        let place = &mut self.slots[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        if let Some(session) = place.session.take() {
            self.by_client.remove(&key_of(session.client, session.near));
        }
        self.free.push(slot);
        key
    }

    fn append(&mut self, slot: u32, list: usize) {
        let before = std::mem::replace(&mut self.lists[list].last, slot);
        let place = &mut self.slots[slot as usize];
        (place.list, place.before, place.after) = (list, before, NONE);
        match before {
            NONE => self.lists[list].first = slot,
            _ => self.slots[before as usize].after = slot,
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Slot { list, before, after, .. } = self.slots[slot as usize];
        match before {
            NONE => self.lists[list].first = after,
            _ => self.slots[before as usize].after = after,
        }
        match after {
            NONE => self.lists[list].last = before,
            _ => self.slots[after as usize].before = before,
        }
    }
}

/// The addresses by which a client is known: a flow label makes no other client.
fn key_of(source: SocketAddr, near: Option<IpAddr>) -> Ends {
    match source {
        SocketAddr::V4(_) => (source, near),
        SocketAddr::V6(v6) => (SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(), near),
    }
}
