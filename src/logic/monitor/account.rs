//! What the numbers of one session say about the way here: what was lost, repeated or overtaken.
//!
//! A number that was skipped is held before it counts as lost: it may have been overtaken. If it comes after that,
//! its loss is taken back, so no count ever has to be negative. From the first number of a stretch to the highest,
//! each is received, lost or held: that equation holds after every call. A stretch ends where the numbers jump.
//!
//! An [`Account`] takes 312 bytes, 512 more while numbers are held, and 1 KB at most for runs that wait to be told.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::AddAssign;

use crate::logic::{Nanos, SECOND};

/// Numbers up to the highest of which it is known one by one whether they came.
pub const WINDOW: u64 = 1_024;
/// More than so many numbers forward is a jump.
pub const JUMP: u64 = 10_000;
/// A skipped number is held for so long at least, ...
pub const HOLD: Nanos = SECOND;
/// ... and until so many later ones were heard, or were due.
pub const LATER: u8 = 3;

/// Gaps whose times are kept apart. When there are more at once, the newest are held together, as long as the last
/// of them.
const MOST_GAPS: usize = 32;
/// Runs that may wait for [`Account::settle`] to tell them. More are counted, but not told.
const MOST_UNTOLD: usize = 64;
const WORDS: usize = 16;

/// What a number is to those heard before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Higher than any before.
    Fresh {
        /// How many numbers were skipped.
        gap: u64,
    },
    /// One that was skipped: a higher one overtook it.
    Late {
        /// Whether it had counted as lost, and no longer does.
        took_back: bool,
    },
    /// Heard before.
    Duplicate,
    /// Below the window, or below the first number: nothing is known of it. It may be a duplicate or a replay, so it
    /// counts as neither received nor late.
    Old,
    /// More than [`JUMP`] higher than any before: the accounting begins anew with it.
    Jump,
}

/// The counts of one session, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Different numbers that were heard.
    pub received: u64,
    /// Skipped, held, and not heard until now.
    pub lost: u64,
    /// Skipped and still held: neither received nor lost.
    pub pending: u64,
    /// Heard again, not among the received.
    pub duplicates: u64,
    /// Heard after a higher one, among the received.
    pub reordered: u64,
    /// Too low to know of, not among the received.
    pub old: u64,
    /// How often the accounting began anew because the numbers jumped.
    pub jumps: u64,
    /// Losses that were taken back, because the number came after all. They are not among the lost.
    pub taken_back: u64,
    /// Unbroken runs of lost numbers.
    pub runs: u64,
    /// The longest run at the time it counted as lost: one that is broken later by a late number stays the longest.
    pub longest_run: u64,
}

impl Counts {
    /// How many were sent, from the first number to the highest (over all stretches).
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.received.saturating_add(self.lost).saturating_add(self.pending)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        for (sum, count) in [
            (&mut self.received, other.received),
            (&mut self.lost, other.lost),
            (&mut self.pending, other.pending),
            (&mut self.duplicates, other.duplicates),
            (&mut self.reordered, other.reordered),
            (&mut self.old, other.old),
            (&mut self.jumps, other.jumps),
            (&mut self.taken_back, other.taken_back),
            (&mut self.runs, other.runs),
        ] {
            *sum = sum.saturating_add(count);
        }
        self.longest_run = self.longest_run.max(other.longest_run);
    }
}

/// The accounting of one session of one sender.
#[derive(Debug, Clone)]
pub struct Account {
    /// The first number of this stretch.
    first: u64,
    highest: u64,
    /// Of the numbers below this one it is decided whether they are lost. Those from here on that are missing are
    /// held.
    decided: u64,
    /// The number n is at bit n modulo [`WINDOW`]. Whatever is outside the window is not set.
    heard: [u64; WORDS],
    /// How many numbers just below the window are lost, back to the last that is not.
    lost_below: u64,
    /// What is held, oldest first.
    gaps: VecDeque<Gap>,
    /// Runs that count as lost, first and last, to be told.
    untold: Vec<(u64, u64)>,
    /// When a number was last heard.
    at: Nanos,
    counts: Counts,
}

/// The last number that was missing when a gap was seen.
#[derive(Debug, Clone, Copy)]
struct Gap {
    last: u64,
    seen: Nanos,
}

impl Account {
    /// An account that begins with the number `seq`, heard at `at`.
    #[must_use]
    pub fn new(seq: u64, at: Nanos) -> Self {
        let mut account = Self {
            first: seq,
            highest: seq,
            decided: seq,
            heard: [0; WORDS],
            lost_below: 0,
            gaps: VecDeque::new(),
            untold: Vec::new(),
            at,
            counts: Counts { received: 1, ..Counts::default() },
        };
        account.mark(seq);
        account
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes in a number heard at `at`.
    pub fn hear(&mut self, seq: u64, at: Nanos) -> Heard {
        self.at = self.at.max(at);
        if seq > self.highest {
            let gap = seq - self.highest - 1;
            if gap >= JUMP {
                self.begin_anew(seq);
                return Heard::Jump;
            }
            self.advance(seq, gap);
            return Heard::Fresh { gap };
        }
        if seq < self.floor() {
            self.counts.old += 1;
            return Heard::Old;
        }
        if self.has(seq) {
            self.counts.duplicates += 1;
            return Heard::Duplicate;
        }
        let took_back = seq < self.decided;
        if took_back {
            self.take_back(seq);
        } else {
            self.counts.pending -= 1;
        }
        self.mark(seq);
        self.counts.received += 1;
        self.counts.reordered += 1;
        self.tidy();
        Heard::Late { took_back }
    }

    /// Decides what was held long enough by `now`, and tells each run of lost numbers, first and last, in rising
    /// order. `interval` is the time between two heartbeats. To be called after numbers were heard, and at
    /// [`Self::next_settle`].
    pub fn settle(&mut self, now: Nanos, interval: Nanos, mut tell: impl FnMut(u64, u64)) {
        while let Some(gap) = self.gaps.front()
            && now >= self.due(*gap, interval)
        {
            self.decide(gap.last + 1);
            self.tidy();
        }
        self.untold.drain(..).for_each(|(first, last)| tell(first, last));
    }

    /// When there will be something to settle even if nothing more is heard.
    #[must_use]
    pub fn next_settle(&self, interval: Nanos) -> Option<Nanos> {
        if !self.untold.is_empty() {
            return Some(self.at);
        }
        self.gaps.front().map(|gap| self.due(*gap, interval))
    }

    /// Ends the session: what is still held is lost. Tells it as [`Self::settle`] does.
    pub fn close(mut self, mut tell: impl FnMut(u64, u64)) -> Counts {
        self.decide(self.highest);
        self.untold.drain(..).for_each(|(first, last)| tell(first, last));
        self.counts
    }

    /// Until when a gap is held. Behind it may be silence: then the later numbers are waited for no longer than they
    /// should have taken, or the last losses before a sender stops would be held for ever.
    fn due(&self, gap: Gap, interval: Nanos) -> Nanos {
        let held = gap.seen.saturating_add(HOLD);
        let later = (gap.last + 1..=self.highest).rev().filter(|seq| self.has(*seq)).take(LATER.into());
        if later.count() == usize::from(LATER) {
            return held;
        }
        held.saturating_add(interval.max(0).saturating_mul(LATER.into()))
    }

    /// Takes in the new highest number.
    fn advance(&mut self, seq: u64, gap: u64) {
        self.counts.pending += gap;
        let floor = seq.saturating_sub(WINDOW - 1).max(self.first);
        // What leaves the window can never be told from a duplicate again, so its loss is final. A gap as wide as the
        // window is no reordering: it is lost at once, in one run.
        let wide = gap >= WINDOW;
        self.decide(if wide { seq } else { floor });
        self.slide(floor);
        self.highest = seq;
        self.mark(seq);
        self.counts.received += 1;
        if gap > 0 && !wide {
            let gap = Gap { last: seq - 1, seen: self.at };
            self.gaps.truncate(MOST_GAPS - 1);
            self.gaps.push_back(gap);
        }
        self.tidy();
    }

    /// Begins anew with a number that is too far from the others: a sender that lost its count, or one wild number,
    /// must not count as thousands or billions of losses. So the numbers between are neither lost nor received.
    fn begin_anew(&mut self, seq: u64) {
        self.decide(self.highest);
        let counts =
            Counts { received: self.counts.received + 1, jumps: self.counts.jumps + 1, ..self.counts };
        *self = Self { counts, untold: std::mem::take(&mut self.untold), ..Self::new(seq, self.at) };
    }

    /// Counts as lost whatever is held below `end`.
    fn decide(&mut self, end: u64) {
        while self.decided < end {
            let first = self.decided;
            if self.has(first) {
                self.decided += 1;
                continue;
            }
            let behind = (first..=self.highest.min(end - 1)).find(|seq| self.has(*seq)).unwrap_or(end);
            self.lose(first, behind - 1);
            self.decided = behind;
        }
    }

    /// Counts a run as lost. Whatever is below it is decided; above it nothing is lost yet.
    fn lose(&mut self, first: u64, last: u64) {
        let in_window = (self.floor()..first).rev().take_while(|seq| !self.has(*seq)).count() as u64;
        let to_the_floor = in_window == first - self.floor();
        let before = in_window + if to_the_floor { self.lost_below } else { 0 };
        let length = last - first + 1;
        self.counts.pending -= length;
        self.counts.lost += length;
        self.counts.runs += u64::from(before == 0);
        self.counts.longest_run = self.counts.longest_run.max(before.saturating_add(length));
        if self.untold.len() < MOST_UNTOLD {
            self.untold.push((first, last));
        }
    }

    /// Takes the loss of a number in the window back. Its run gets shorter, breaks in two, or is no more.
    fn take_back(&mut self, seq: u64) {
        let before = if seq > self.floor() { !self.has(seq - 1) } else { self.lost_below > 0 };
        let behind = seq + 1 < self.decided && !self.has(seq + 1);
        self.counts.runs = self.counts.runs + u64::from(before && behind) - u64::from(!before && !behind);
        self.counts.lost -= 1;
        self.counts.taken_back += 1;
    }

    /// Moves the lower end of the window up to `floor`, below which all is decided.
    fn slide(&mut self, floor: u64) {
        for seq in self.floor()..floor.min(self.highest + 1) {
            self.lost_below = if self.has(seq) { 0 } else { self.lost_below.saturating_add(1) };
            let (word, bit) = place(seq);
            self.heard[word] &= !bit;
        }
        self.lost_below = self.lost_below.saturating_add(floor.saturating_sub(self.highest + 1));
    }

    /// Forgets the gaps in which nothing is held any more.
    fn tidy(&mut self) {
        if self.counts.pending == 0 {
            self.decided = self.highest;
            self.gaps.clear();
        }
        while self.gaps.front().is_some_and(|gap| gap.last < self.decided) {
            self.gaps.pop_front();
        }
    }

    /// The lowest number in the window.
    fn floor(&self) -> u64 {
        self.highest.saturating_sub(WINDOW - 1).max(self.first)
    }

    /// Whether a number of the window was heard; of others it is not known.
    fn has(&self, seq: u64) -> bool {
        let (word, bit) = place(seq);
        (self.floor()..=self.highest).contains(&seq) && self.heard[word] & bit != 0
    }

    fn mark(&mut self, seq: u64) {
        let (word, bit) = place(seq);
        self.heard[word] |= bit;
    }
}

/// Where the bit of a number is.
fn place(seq: u64) -> (usize, u64) {
    let [low, high, ..] = seq.to_le_bytes();
    let at = u16::from_le_bytes([low, high]);
    (usize::from(at / 64) % WORDS, 1 << (at % 64))
}
