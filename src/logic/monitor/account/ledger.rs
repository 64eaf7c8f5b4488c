//! The numbers of a session one by one, as far back as the window reaches.

use std::collections::VecDeque;

use super::{Counts, HOLD, Heard, JUMP, LATER, WINDOW};
use crate::logic::Nanos;

/// Gaps with a time of their own. When there are more, the newest share the time of the last.
const MOST_GAPS: usize = 32;
/// Runs that may wait for `Account::settle`. More are counted, but not reported.
const MAX_UNREPORTED: usize = 64;
const WORDS: usize = 16;

/// The numbers of a session of which some are missing, or came again or late.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    /// The first number of this stretch.
    first: u64,
    pub(super) highest: u64,
    /// Numbers below this one are received or lost. Those from here on that are missing are held.
    pub(super) decided: u64,
    /// The number n is at bit n modulo [`WINDOW`]. Whatever is outside the window is not set.
    heard: [u64; WORDS],
    /// How many numbers just below the window are lost, back to the last that is not.
    lost_below: u64,
    /// What is held, oldest first.
    pub(super) gaps: VecDeque<Gap>,
    /// Runs that count as lost, first and last, to be reported.
    pub(super) unreported: Vec<(u64, u64)>,
    pub(super) leap: Option<Box<Leap>>,
    /// When a number was last heard.
    at: Nanos,
    counts: Counts,
}

/// The last number that was missing when a gap was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    last: u64,
    seen: Nanos,
}

/// Numbers that ran ahead of the time, and may be another sender's: it is kept for some intervals, and for as many after
/// each number of its gap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leap {
    from: u64,
    to: u64,
    at: Nanos,
    before: Counts,
}

impl Ledger {
    /// A ledger of numbers that all came, the highest at `at`.
    pub(super) fn unbroken(first: u64, highest: u64, at: Nanos) -> Self {
        let received = (highest - first).saturating_add(1);
        let mut ledger = Self {
            first,
            highest,
            decided: highest,
            heard: [0; WORDS],
            lost_below: 0,
            gaps: VecDeque::new(),
            unreported: Vec::new(),
            leap: None,
            at,
            counts: Counts { received, ..Counts::default() },
        };
        (ledger.floor()..=highest).for_each(|seq| ledger.mark(seq));
        ledger
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn hear(&mut self, seq: u64, at: Nanos, due: impl FnOnce() -> u64) -> Heard {
        self.at = self.at.max(at);
        if seq > self.highest {
            let gap = seq - self.highest - 1;
            if gap > 0 && self.leap.is_none() && gap > due() {
                let before = Counts { pending: 0, ..self.counts };
                self.leap = Some(Box::new(Leap { from: self.highest, to: seq, at: self.at, before }));
            }
            if gap >= JUMP {
                self.begin_anew(seq);
                return Heard::Jump;
            }
            self.advance(seq, gap);
            return Heard::Fresh { gap };
        }
        if let Some(leap) = self.leap.as_mut().filter(|leap| leap.spans(seq)) {
            leap.at = self.at;
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

    pub(super) fn settle(&mut self, now: Nanos, interval: Nanos, mut report: impl FnMut(u64, u64)) {
        while let Some(gap) = self.gaps.front()
            && now >= self.due(*gap, interval)
        {
            self.decide(gap.last + 1);
            self.tidy();
        }
        self.leap.take_if(|leap| now.saturating_sub(leap.at) > interval.max(0).saturating_mul(LATER.into()));
        // This frees their memory.
        for (first, last) in std::mem::take(&mut self.unreported) {
            report(first, last);
        }
    }

    pub(super) fn next_settle(&self, interval: Nanos) -> Option<Nanos> {
        if !self.unreported.is_empty() {
            return Some(self.at);
        }
        self.gaps.front().map(|gap| self.due(*gap, interval))
    }

    pub(super) fn close(&mut self, mut report: impl FnMut(u64, u64)) -> Counts {
        self.decide(self.highest);
        self.unreported.drain(..).for_each(|(first, last)| report(first, last));
        self.counts
    }

    /// What was counted before the numbers ran ahead, if `seq` is one that they passed.
    pub(super) fn before_leap(&self, seq: u64) -> Option<Counts> {
        self.leap.as_ref().filter(|leap| leap.spans(seq)).map(|leap| leap.before)
    }

    /// Until when a gap is held. Later numbers are awaited no longer than they should take, or the last losses before a
    /// sender stops would be held for ever.
    fn due(&self, gap: Gap, interval: Nanos) -> Nanos {
        let held = gap.seen.saturating_add(HOLD);
        let later = (gap.last + 1..=self.highest).rev().filter(|seq| self.has(*seq)).take(LATER.into());
        if later.count() == usize::from(LATER) {
            return held;
        }
        held.saturating_add(interval.max(0).saturating_mul(LATER.into()))
    }

    /// Takes the new highest number.
    fn advance(&mut self, seq: u64, gap: u64) {
        self.counts.pending += gap;
        let floor = seq.saturating_sub(WINDOW - 1).max(self.first);
        // A number below the window cannot be told from a duplicate, so its loss is final. A gap as wide as the window
        // is no reordering: it is lost at once, in one run.
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

    /// Restarts with a number that is too far from the others: one wild number must not count as billions of losses, so
    /// the numbers in between are neither lost nor received.
    fn begin_anew(&mut self, seq: u64) {
        self.decide(self.highest);
        let counts =
            Counts { received: self.counts.received + 1, jumps: self.counts.jumps + 1, ..self.counts };
        *self = Self {
            counts,
            unreported: std::mem::take(&mut self.unreported),
            leap: self.leap.take(),
            ..Ledger::unbroken(seq, seq, self.at)
        };
    }

    /// Counts what is held below `end` as lost.
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
        if self.unreported.len() < MAX_UNREPORTED {
            self.unreported.push((first, last));
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

    /// Removes gaps in which nothing is held.
    fn tidy(&mut self) {
        if self.counts.pending == 0 {
            self.decided = self.highest;
            self.gaps = VecDeque::new();
        }
        while self.gaps.front().is_some_and(|gap| gap.last < self.decided) {
            self.gaps.pop_front();
        }
    }

    /// The lowest number in the window.
    pub(super) fn floor(&self) -> u64 {
        self.highest.saturating_sub(WINDOW - 1).max(self.first)
    }

    /// Whether a number of the window was heard; of others it is not known.
    pub(super) fn has(&self, seq: u64) -> bool {
        let (word, bit) = place(seq);
        (self.floor()..=self.highest).contains(&seq) && self.heard[word] & bit != 0
    }

    fn mark(&mut self, seq: u64) {
        let (word, bit) = place(seq);
        self.heard[word] |= bit;
    }
}

impl Leap {
    fn spans(&self, seq: u64) -> bool {
        self.from < seq && seq < self.to
    }
}

/// Where the bit of a number is.
fn place(seq: u64) -> (usize, u64) {
    let [low, high, ..] = seq.to_le_bytes();
    let at = u16::from_le_bytes([low, high]);
    (usize::from(at / 64) % WORDS, 1 << (at % 64))
}
