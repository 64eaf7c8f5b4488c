//! The sessions that a reflector, or a server that tells its times, remembers. One that was heard once makes room for others; one that goes on keeps its
//! place, so that nobody pushes it out with forged packets.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::logic::codec::{LATEST_LATE, Previous};
use crate::logic::{Nanos, SECOND};

/// The most sessions: half of them heard once, half of them more often.
pub const MOST_SESSIONS: usize = 65_536;
const HALF: NonZeroUsize = NonZeroUsize::new(MOST_SESSIONS / 2).unwrap();
/// The most sessions of one address, or of one network of IPv6 (/64).
pub const MOST_OF_SOURCE: usize = 1_024;
/// Its oldest sessions that are looked at for one to forget.
const LOOKED_AT: usize = 8;
/// A session silent for so long makes room for another: TWAMP's REFWAIT (RFC 5357).
const IDLE: Nanos = 900 * SECOND;

/// What tells sessions apart: both ends and the SSID (RFC 8972, section 3), or the name of a run. The port here is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) source: SocketAddr,
    pub(super) local: IpAddr,
    pub(super) name: u32,
}

/// What is remembered of one.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The number of the next reply.
    pub(super) next: u32,
    /// Requests.
    pub(super) received: u32,
    /// The latest reply.
    pub(super) previous: Option<Previous>,
    /// Replies that the kernel has sent, and that no other has told of, for a server that tells of each.
    pub(super) untold: VecDeque<Previous>,
    /// When the first request arrived, for a server that tells it.
    pub(super) began: Option<i64>,
    /// Different requests, for a server that tells it.
    pub(super) unique: u32,
    /// Requests that came too late for the window, and the numbers of the latest, the newest first.
    pub(super) late: u32,
    pub(super) latest_late: [u32; LATEST_LATE],
    heard: Nanos,
    seen: Option<Seen>,
}

/// The requests seen: the highest number, and which of the 64 up to it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    highest: u32,
    window: u64,
    /// The latest time in a request, as it travels.
    latest: u64,
}

impl Session {
    /// Whether a request is behind the window.
    pub(super) fn is_late(&self, seq: u32) -> bool {
        self.seen.is_some_and(|seen| seen.highest.wrapping_sub(seq).cast_signed() >= u64::BITS.cast_signed())
    }

    /// The highest number, and which of the 64 up to it were received.
    pub(super) fn seen(&self) -> (u32, u64) {
        self.seen.map_or((0, 0), |seen| (seen.highest, seen.window))
    }

    /// Whether a request was received before, or is so old that this cannot be told.
    pub(super) fn is_replay(&mut self, seq: u32, timestamp: u64) -> bool {
        let fresh = Seen { highest: seq, window: 1, latest: timestamp };
        let Some(seen) = &mut self.seen else {
            self.seen = Some(fresh);
            return false;
        };
        let ahead = seq.wrapping_sub(seen.highest).cast_signed();
        let behind = ahead.unsigned_abs();
        let is_later = timestamp > seen.latest;
        seen.latest = seen.latest.max(timestamp);
        if ahead > 0 {
            seen.window = seen.window.checked_shl(behind).unwrap_or(0) | 1;
            seen.highest = seq;
            return false;
        }
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        if bit & !seen.window != 0 {
            seen.window |= bit;
            return false;
        }
        if is_later {
            // The sender has begun again.
            *seen = fresh;
            return false;
        }
        true
    }
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    young: LruCache<Id, Session>,
    old: LruCache<Id, Session>,
    /// Those of each address, the oldest first.
    sources: HashMap<IpAddr, VecDeque<Id>>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { young: LruCache::unbounded(), old: LruCache::unbounded(), sources: HashMap::new() }
    }
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The session of a packet, new or known; `None` if its address has too many.
    pub(super) fn find(&mut self, id: Id, now: Nanos) -> Option<&mut Session> {
        if !self.old.contains(&id) {
            self.take_in(id, now)?;
        }
        let session = self.old.get_mut(&id).or_else(|| self.young.get_mut(&id))?;
        session.heard = now;
        Some(session)
    }

    /// Makes a session of one that is new, and an old one of one that is heard again.
    fn take_in(&mut self, id: Id, now: Nanos) -> Option<()> {
        if self.young.contains(&id) {
            if self.has_room_for_old(now)
                && let Some(session) = self.young.pop(&id)
            {
                self.old.put(id, session);
            }
            return Some(());
        }
        if !self.has_room_of(network(id.source.ip()), now) {
            return None;
        }
        if self.young.len() >= HALF.get()
            && let Some((gone, _)) = self.young.pop_lru()
        {
            self.leave(gone);
        }
        self.sources.entry(network(id.source.ip())).or_default().push_back(id);
        self.young.put(id, Session::default());
        Some(())
    }

    /// Whether an address may have one more session; an old one that is silent, or was heard once, makes room.
    fn has_room_of(&mut self, source: IpAddr, now: Nanos) -> bool {
        let Some(ids) = self.sources.get_mut(&source).filter(|ids| ids.len() >= MOST_OF_SOURCE) else {
            return true;
        };
        for _ in 0..LOOKED_AT {
            let Some(id) = ids.pop_front() else { return true };
            if self.old.peek(&id).is_some_and(|session| now - session.heard < IDLE) {
                ids.push_back(id);
            } else {
                self.old.pop(&id);
                self.young.pop(&id);
                return true;
            }
        }
        false
    }

    fn has_room_for_old(&mut self, now: Nanos) -> bool {
        if self.old.len() < HALF.get() {
            return true;
        }
        let is_over = self.old.peek_lru().is_some_and(|(_, session)| now - session.heard >= IDLE);
        if is_over && let Some((gone, _)) = self.old.pop_lru() {
            self.leave(gone);
        }
        is_over
    }

    fn leave(&mut self, gone: Id) {
        let source = network(gone.source.ip());
        if let Some(ids) = self.sources.get_mut(&source) {
            ids.retain(|id| *id != gone);
            if ids.is_empty() {
                self.sources.remove(&source);
            }
        }
    }

    /// The reply of a session was written.
    pub(super) fn sent(&mut self, id: Id, previous: Previous) {
        if let Some(session) = self.known(id) {
            session.previous = Some(previous);
        }
    }

    /// The kernel sent a reply of a session. Only of the latest one that is of use: no other is told.
    pub(super) fn stamped(&mut self, id: Id, Previous { seq, sent }: Previous) {
        let previous = self.known(id).and_then(|session| session.previous.as_mut());
        // A stamp from before the writing was taken before the clock was set back.
        if let Some(previous) = previous.filter(|previous| previous.seq == seq && previous.sent < sent) {
            previous.sent = sent;
        }
    }

    /// One that is remembered.
    pub(super) fn known(&mut self, id: Id) -> Option<&mut Session> {
        self.old.peek_mut(&id).or_else(|| self.young.peek_mut(&id))
    }
}

/// The addresses that one host may have.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}
