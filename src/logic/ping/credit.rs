//! Which ping an answer belongs to: by its number, by its text, or because there is only one it can be.

use std::net::SocketAddr;

use super::Pinger;
use crate::logic::record::{Match, Status};
use crate::logic::wire::{self, Seq};

/// How far back an answer without a usable number is compared with what was sent.
const LOOK_BACK: usize = 16;

impl Pinger {
    /// Which ping an answer belongs to, and why.
    pub(super) fn credit(&mut self, bytes: &[u8]) -> Option<(usize, Match)> {
        let read = wire::parse_seq(bytes);
        let (certain, by_number) = self.named_in(bytes, read);
        if certain.is_some() {
            return certain;
        }
        if let Some(index) = by_number.filter(|_| !self.distrusts_numbers) {
            return Some((index, Match::Seq));
        }
        let number = read.and_then(|seq| seq.near(self.newest()));
        if number.is_some_and(|number| (self.plan.first_seq..self.rows.first_seq()).contains(&number)) {
            // It was sent so long ago that its row is gone.
            return None;
        }
        if number.is_some_and(|number| {
            number == self.next_seq || number.checked_add(1) == Some(self.plan.first_seq)
        }) {
            // A peer that answers n + 1 or n - 1 would have its replies credited to the ping beside.
            self.distrusts_numbers = true;
        }
        (self.tally.open == 1).then(|| self.first_open()).flatten().map(|index| (index, Match::Unverified))
    }

    /// The ping whose identifying text is in `bytes`, and the one that the number `read` there names.
    pub(super) fn named_in(
        &self,
        bytes: &[u8],
        read: Option<Seq>,
    ) -> (Option<(usize, Match)>, Option<usize>) {
        let carries = |index: &usize| {
            let (chunk, at) = self.rows.place(*index);
            self.rows.status(*index) != Status::Error
                && self.plan.message.is_in(bytes, self.rows.seq(*index), chunk.sent_wall[at])
        };
        let by_number = read.and_then(|seq| self.sent_row(seq));
        let certain = by_number.filter(carries).map(|index| (index, Match::Seq)).or_else(|| {
            // No number, or one that the text does not support: the text decides, if it is there.
            let recent = self.rows.len().saturating_sub(LOOK_BACK)..self.rows.len();
            recent.rev().find(carries).map(|index| (index, Match::Payload))
        });
        (certain, by_number)
    }

    fn sent_row(&self, seq: Seq) -> Option<usize> {
        self.rows.index(seq.near(self.newest())?).filter(|index| self.rows.status(*index) != Status::Error)
    }
}

/// The same host and port; a scope is compared only where both name one.
pub(super) fn same_peer(a: SocketAddr, b: SocketAddr) -> bool {
    match (a, b) {
        (SocketAddr::V6(a), SocketAddr::V6(b)) => {
            a.ip() == b.ip()
                && a.port() == b.port()
                && (a.scope_id() == b.scope_id() || a.scope_id() == 0 || b.scope_id() == 0)
        }
        _ => a == b,
    }
}
