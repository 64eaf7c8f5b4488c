//! Times at which the server's kernel sent its replies, which later replies tell. Each belongs to the reply with the same
//! number in the same session of the server, and to no other: a reply that is lost, or a copy, has a number that no row has.

use crate::logic::codec::Previous;

/// The replies whose times may still be told; those of one that was overtaken by more are not used.
const KEPT: usize = 64;

/// The latest replies, each at its number modulo [`KEPT`].
#[derive(Debug, Default)]
pub(super) struct FollowUps(Vec<Option<Entry>>);

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
        entry.sent = Some(sent);
        entry.ping
    }

    fn entry(&mut self, session: Option<i64>, number: u32) -> &mut Entry {
        let place = number as usize % KEPT;
        if place >= self.0.len() {
            self.0.resize(place + 1, None);
        }
        let fresh = Entry { session, number, ping: None, sent: None };
        let entry = self.0[place].get_or_insert(fresh);
        if (entry.session, entry.number) != (session, number) {
            *entry = fresh;
        }
        entry
    }
}
