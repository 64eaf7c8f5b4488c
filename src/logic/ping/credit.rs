//! Which ping an answer belongs to. A target is held to what its replies have carried: once one was a whole ping, or had a
//! ping's time, a reply with less was cut or changed on the way, and a number in it may be another ping's.

use super::{Answers, Pinger};
use crate::logic::codec::Seq;
use crate::logic::record::{Match, Status};

/// An answer without a usable number is compared with so many of the latest pings.
const LOOK_BACK: usize = 16;

/// What the replies of a target carry, the most that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Habit {
    /// Nothing that is known yet: servers of the lab answer anything.
    #[default]
    Unknown,
    /// What identifies the ping, in words of the target's own.
    Identity,
    /// The ping, unchanged or in capitals.
    Echo,
}

/// A datagram from the target that answers no ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stray {
    /// It carries less than replies of this target do.
    Damaged,
    /// It is anything else.
    Unmatched,
}

impl Pinger {
    /// Which ping an answer belongs to, and why.
    pub(super) fn credit(&mut self, bytes: &[u8], read: Option<Seq>) -> Result<(usize, Match), Stray> {
        if self.plan.codec.is_strict() {
            return self.named_in(bytes, read).0.ok_or(Stray::Unmatched);
        }
        if let Some(echoed) = self.echoed(bytes, read) {
            self.learn(Habit::Echo);
            return Ok(echoed);
        }
        let number = read.and_then(|seq| seq.near(self.newest()));
        if number.is_some_and(|number| (self.plan.first_seq..self.rows.first_seq()).contains(&number)) {
            // It was sent so long ago that its row is gone.
            return self.named_in(bytes, read).0.ok_or(Stray::Unmatched);
        }
        if self.habit == Habit::Echo {
            return Err(Stray::Damaged);
        }
        let (certain, by_number) = self.named_in(bytes, read);
        if let Some(certain) = certain {
            self.learn(Habit::Identity);
            return Ok(certain);
        }
        if self.is_changed_echo(bytes, by_number) {
            self.learn(Habit::Echo);
            return Err(Stray::Damaged);
        }
        if self.habit == Habit::Identity || by_number.is_some_and(|index| self.may_be_cut(bytes, index)) {
            return Err(Stray::Damaged);
        }
        if let Some(index) = by_number.filter(|_| !self.distrusts_numbers) {
            return Ok((index, Match::Seq));
        }
        if number.is_some_and(|number| {
            number == self.next_seq || number.checked_add(1) == Some(self.plan.first_seq)
        }) {
            // The replies of a peer that answers n + 1 or n - 1 would be credited to the wrong ping.
            self.distrusts_numbers = true;
        }
        let only = (self.tally.open == 1).then(|| self.first_open()).flatten();
        only.map(|index| (index, Match::Unverified)).ok_or(Stray::Unmatched)
    }

    /// The ping whose identifying text is in `bytes`, and the one that the number `read` there names.
    pub(super) fn named_in(
        &self,
        bytes: &[u8],
        read: Option<Seq>,
    ) -> (Option<(usize, Match)>, Option<usize>) {
        let carries = |index: &usize| {
            let (seq, wall_ns) = self.identity(*index);
            self.rows.status(*index) != Status::Error && self.plan.codec.identifies(bytes, seq, wall_ns)
        };
        let by_number = read.and_then(|seq| self.sent_row(seq));
        let certain = by_number.filter(carries).map(|index| (index, Match::Seq)).or_else(|| {
            // No number, or one that the text does not support: the text decides, if it is there.
            self.latest().find(carries).map(|index| (index, Match::Payload))
        });
        (certain, by_number)
    }

    /// The ping that was sent back whole.
    fn echoed(&self, bytes: &[u8], read: Option<Seq>) -> Option<(usize, Match)> {
        let is_whole = |index: &usize| {
            let (seq, wall_ns) = self.identity(*index);
            self.rows.status(*index) != Status::Error && self.plan.codec.echoes(bytes, seq, wall_ns)
        };
        let by_number = read.and_then(|seq| self.sent_row(seq)).filter(is_whole);
        by_number.map(|index| (index, Match::Seq)).or_else(|| {
            // Where the number cannot be read in the message. Others are spared the search.
            let search = self.habit != Habit::Identity && self.is_as_long(bytes);
            self.latest().filter(|_| search).find(is_whole).map(|index| (index, Match::Payload))
        })
    }

    /// Answers of many, as to a broadcast, teach nothing about each of them.
    fn learn(&mut self, habit: Habit) {
        if self.answers == Answers::OfTarget {
            self.habit = self.habit.max(habit);
        }
    }

    /// Whether this is a ping in which few bits were changed, and in a way in which no server words its replies.
    fn is_changed_echo(&self, bytes: &[u8], by_number: Option<usize>) -> bool {
        let mut ping = Vec::new();
        self.is_as_long(bytes)
            && by_number.into_iter().chain(self.latest()).any(|index| {
                let (seq, wall_ns) = self.identity(index);
                ping.clear();
                self.write(seq, wall_ns, &mut ping);
                has_changed_bits(bytes, &ping)
            })
    }

    /// Whether a reply is no shorter than the latest pings, whose times differ by some digits: most that are none are.
    fn is_as_long(&self, bytes: &[u8]) -> bool {
        bytes.len() + 8 >= self.plan.codec.longest(self.newest())
    }

    /// Whether this is the beginning of the ping that its last digits name, and that of another ping as well: `PING 12`
    /// of 12 and of 123.
    fn may_be_cut(&self, bytes: &[u8], index: usize) -> bool {
        let (seq, wall_ns) = self.identity(index);
        let mut ping = Vec::new();
        self.write(seq, wall_ns, &mut ping);
        let begins = ping.len() > bytes.len() && ping[..bytes.len()].eq_ignore_ascii_case(bytes);
        begins
            && bytes.ends_with(seq.to_string().as_bytes())
            && seq.checked_mul(10).is_some_and(|longer| seq > 0 && longer <= self.newest())
    }

    /// The latest pings, the newest first.
    fn latest(&self) -> impl Iterator<Item = usize> + use<> {
        (self.rows.len().saturating_sub(LOOK_BACK)..self.rows.len()).rev()
    }

    /// What is in the message of a ping: its number and its time.
    fn identity(&self, index: usize) -> (u64, i64) {
        let (chunk, at) = self.rows.place(index);
        (self.rows.seq(index), chunk.sent_wall[at])
    }

    fn sent_row(&self, seq: Seq) -> Option<usize> {
        self.rows.index(seq.near(self.newest())?).filter(|index| self.rows.status(*index) != Status::Error)
    }
}

/// Whether `reply` is `ping` with few bits changed, and neither words nor separators, nor only digits to digits: a server
/// may answer with a time or a word of its own.
fn has_changed_bits(reply: &[u8], ping: &[u8]) -> bool {
    let is_own =
        |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'\t' | b',' | b';' | b':' | b'|');
    let (mut bits, mut is_odd) = (0, false);
    for (one, sent) in reply.iter().zip(ping).filter(|(one, sent)| !one.eq_ignore_ascii_case(sent)) {
        if is_own(*one) && is_own(*sent) {
            return false;
        }
        bits += (one.to_ascii_lowercase() ^ sent.to_ascii_lowercase()).count_ones() as usize;
        is_odd |= !(one.is_ascii_digit() && sent.is_ascii_digit());
    }
    reply.len() == ping.len() && is_odd && 2 * bits <= ping.len()
}
