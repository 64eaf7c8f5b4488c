//! Which way packets were lost, from the numbers that a server gives its replies.
//!
//! A server that counts has sent one reply for each number. So a number that is missing among those that came is a reply that
//! was lost on the way down, and an unanswered ping without such a reply was lost on the way up. Sets of numbers decide, so
//! neither the order of the replies nor their copies matter.
//!
//! A copy of a ping that the network made gets a reply of its own: then a missing number may be that of a second reply.
//! After the highest number that came, before the first (unless it is 0) and around a restart of the server, replies may be
//! missing whose numbers nobody knows.

mod each;
mod windows;

use std::ops::Range;

pub use each::each;
pub(super) use windows::{Arrival, arrivals};

use super::Sample;
use crate::logic::Invalid;
use crate::logic::record::{LostOn, Status};

/// Where one ping has overtaken another, so many rows beside a limit in the server's order may belong to its other side.
const OVERTAKEN: usize = 64;

/// Whether a server counts its replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// It does.
    Own,
    /// It may also be stateless, and copy the numbers of the pings: that is so if all are the same.
    OwnOrCopied,
}

/// Unanswered pings by the way on which they or their replies were lost; what is in neither sum is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Direction {
    /// Pings that were sent and settled.
    pub sent: u64,
    /// Those without any reply, also a late one.
    pub lost: u64,
    /// Pings that were lost on the way up, at least.
    pub up: u64,
    /// Pings whose replies were all lost on the way down, at least.
    pub down: u64,
    /// Times at which the server began to count anew.
    pub restarts: u64,
}

impl Direction {
    /// Pings that were lost on the one way or the other.
    pub fn unknown(&self) -> u64 {
        self.lost - self.up - self.down
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.up += other.up;
        self.down += other.down;
        self.restarts += other.restarts;
    }
}

/// Unanswered pings of all samples by the way on which they were lost.
///
/// # Errors
/// A sample has no numbers of its server, or no count of the replies to each ping.
pub fn direction(samples: &[Sample<'_>], counter: Counter) -> Result<Direction, Invalid> {
    let mut all = Direction::default();
    for sample in samples {
        all.add(of(sample, counter)?);
    }
    Ok(all)
}

/// A reply in the order in which the server sent them.
#[derive(Clone, Copy)]
struct Reply {
    sent: i64,
    number: u32,
    row: usize,
}

fn of(sample: &Sample<'_>, counter: Counter) -> Result<Direction, Invalid> {
    const WHAT: &str = "the direction of losses";
    sample.need_server_seqs(WHAT)?;
    let copies = sample.need_copies(WHAT)?;
    let rows = 0..sample.len();
    let lost = Unanswered::new(sample, copies);
    let mut found = Direction { sent: lost.sent, lost: lost.of(rows.clone()), ..Direction::default() };
    let replies = replies(sample);
    if replies.is_empty() || (counter == Counter::OwnOrCopied && are_copies(sample, &replies)) {
        return Ok(found);
    }
    let epochs = epochs(&replies, sample.len());
    found.restarts = epochs.len() as u64 - 1;
    let missing: u64 = epochs.iter().map(|epoch| missing(&replies[epoch.clone()])).sum();
    let overtaken = !replies.is_sorted_by_key(|reply| reply.row);
    let unknown = unknown(&replies, &epochs, if overtaken { OVERTAKEN } else { 0 }, &lost);
    // Without copies of a ping each missing number is the reply to one unanswered ping.
    let answered = rows.clone().filter(|row| copies[*row] > 0).count();
    let whole = rows.is_empty() || sample.seq(rows.end - 1) - sample.seq(0) == (rows.end - 1) as u64;
    let twice = copies.iter().any(|each| *each > 1);
    // A server's clock that was set looks like both.
    let ordered = epochs.len() == 1 || !overtaken;
    let exact = !twice && whole && ordered && answered == replies.len() && missing <= found.lost;
    found.up = found.lost.saturating_sub(missing).saturating_sub(unknown);
    found.down = if exact { missing } else { 0 };
    // What a server has told of each ping is right also where pings were copied or overtaken.
    let (up, down) = told(sample, copies);
    if up + down >= found.up + found.down {
        (found.up, found.down) = (up, down);
    }
    Ok(found)
}

/// The replies in the order in which the server sent them.
fn replies(sample: &Sample<'_>) -> Vec<Reply> {
    let reply = |row: usize| sample.server_seq(row).map(|(number, sent)| Reply { sent, number, row });
    let mut replies: Vec<Reply> = (0..sample.len()).filter_map(reply).collect();
    replies.sort_by_key(|reply| (reply.sent, reply.number));
    replies
}

/// Unanswered pings of which the table says that they were lost on the way up, and on the way down.
fn told(sample: &Sample<'_>, copies: &[u32]) -> (u64, u64) {
    let unanswered = || (0..sample.len()).filter(|row| copies[*row] == 0);
    let on = |way| unanswered().filter(|row| sample.lost_on(*row) == Some(way)).count() as u64;
    (on(LostOn::Up), on(LostOn::Down))
}

/// Whether the numbers of the replies are those of the pings, as a stateless server's are.
fn are_copies(sample: &Sample<'_>, replies: &[Reply]) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "numbers of a server are those modulo 2^32")]
    let number = |reply: &Reply| sample.seq(reply.row) as u32;
    replies.iter().all(|reply| reply.number == number(reply))
}

/// The places of replies between two restarts: within, the numbers rise, and fewer are missing than there are pings.
fn epochs(replies: &[Reply], pings: usize) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    for place in 1..replies.len() {
        // What is not ahead is far ahead, modulo 2^32.
        let ahead = replies[place].number.wrapping_sub(replies[place - 1].number);
        if ahead == 0 || ahead as usize > pings {
            starts.push(place);
        }
    }
    let ends = starts[1..].iter().copied().chain([replies.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// How many numbers are missing between the first and the last of an epoch.
fn missing(epoch: &[Reply]) -> u64 {
    let step = |pair: &[Reply]| u64::from(pair[1].number.wrapping_sub(pair[0].number)) - 1;
    epoch.windows(2).map(step).sum()
}

/// The unanswered pings that the server may have received before the first reply, between two epochs, or after the last.
fn unknown(replies: &[Reply], epochs: &[Range<usize>], beside: usize, lost: &Unanswered) -> u64 {
    let before = |reply: Reply| (reply.row + beside).min(lost.rows());
    let after = |reply: Reply| reply.row.saturating_sub(beside);
    let first = replies[0];
    // A server that counts from 0 has sent no more replies than that.
    let head = lost.of(0..before(first)).min(u64::from(first.number));
    let (mut sum, mut done) = (head, 0);
    let starts = epochs[1..].iter().map(|epoch| before(replies[epoch.start])).chain([lost.rows()]);
    for (epoch, end) in epochs.iter().zip(starts) {
        let start = after(replies[epoch.end - 1]).max(done);
        sum += lost.of(start..end.max(start));
        done = end.max(start);
    }
    sum
}

/// How many pings before each row have no reply.
struct Unanswered {
    sent: u64,
    before: Vec<u64>,
}

impl Unanswered {
    fn new(sample: &Sample<'_>, copies: &[u32]) -> Self {
        let (mut sent, mut lost, mut before) = (0, 0, vec![0]);
        for (row, copies) in copies.iter().enumerate() {
            let was_sent = *copies > 0 || sample.status(row) != Status::Error;
            sent += u64::from(was_sent);
            lost += u64::from(was_sent && *copies == 0);
            before.push(lost);
        }
        Self { sent, before }
    }

    fn rows(&self) -> usize {
        self.before.len() - 1
    }

    fn of(&self, rows: Range<usize>) -> u64 {
        self.before[rows.end] - self.before[rows.start]
    }
}

#[cfg(test)]
mod tests;
