//! Times at which the server's kernel sent its replies, which later replies tell. Each belongs to the reply with the same
//! number in the same session of the server, and to no other: a reply that is lost, or a copy, has a number that no row has.

use crate::logic::Nanos;
use crate::logic::codec::Previous;

/// The latest replies, each at its number modulo how many are kept: the times of others are not used.
#[derive(Debug)]
pub(super) struct FollowUps {
    kept: usize,
    replies: Vec<Option<Entry>>,
}

/// A reply that has come, that was told of, or both.
#[derive(Debug, Clone, Copy)]
struct Entry {
    session: Option<i64>,
    number: u32,
    /// The ping that it answered, if it has come.
    ping: Option<u64>,
    /// When it left, if that is told.
    sent: Option<i64>,
}

impl FollowUps {
    /// A server tells the times of a train of 64 in the 64 replies that follow.
    const LEAST: i64 = 128;
    const MOST: i64 = 4_096;

    /// Those of pings at this interval: a reply that is delayed for so long is told of after the replies of that time.
    pub(super) fn new(interval: Option<Nanos>, longest: Nanos) -> Self {
        let meanwhile = interval.map_or(0, |interval| 2 * longest / interval.max(1));
        let kept = usize::try_from(meanwhile.clamp(Self::LEAST, Self::MOST)).unwrap_or(0);
        Self { kept, replies: Vec::new() }
    }

    /// The first reply to a ping has come; when it left, if that was told before: it was overtaken.
    pub(super) fn replied(&mut self, session: Option<i64>, number: u32, ping: u64) -> Option<i64> {
        let entry = self.entry(session, number);
        // One number of two replies: the server has begun anew.
        let sent = entry.sent.filter(|_| entry.ping.is_none());
        *entry = Entry { session, number, ping: Some(ping), sent: None };
        sent
    }

    /// A reply is told of; the ping that it answered, if it has come.
    pub(super) fn told(&mut self, session: Option<i64>, Previous { seq, sent }: Previous) -> Option<u64> {
        let entry = self.entry(session, seq);
        // Told twice, the later time is that of the kernel.
        entry.sent = entry.sent.max(Some(sent));
        entry.ping
    }

    fn entry(&mut self, session: Option<i64>, number: u32) -> &mut Entry {
        let place = number as usize % self.kept;
        if place >= self.replies.len() {
            self.replies.resize(place + 1, None);
        }
        let fresh = Entry { session, number, ping: None, sent: None };
        let entry = self.replies[place].get_or_insert(fresh);
        if (entry.session, entry.number) != (session, number) {
            *entry = fresh;
        }
        entry
    }
}
