//! The numbers of one session: which heartbeats were lost, duplicated or reordered.
//!
//! A number that was skipped is held before it counts as lost, as it may have been reordered. If it comes later still,
//! its loss is taken back. From the first number of a stretch to the highest, each is received, lost or held, after
//! every call. A stretch ends where the numbers jump.
//!
//! An [`Account`] takes 16 bytes as long as the numbers rise one by one; with the first that does not comes a ledger of
//! 320 bytes, 512 more while numbers are held, 1 KB at most for runs that wait to be reported, and 120 bytes for some
//! intervals after a number that came before its time.

mod ledger;
#[cfg(test)]
mod tests;

use std::ops::AddAssign;

use ledger::Ledger;

use crate::logic::{Nanos, SECOND};

/// Numbers up to the highest of which it is known one by one whether they came.
pub const WINDOW: u64 = 1_024;
/// More than so many numbers forward is a jump.
pub const JUMP: u64 = 10_000;
/// A skipped number is held for so long at least, ...
pub const HOLD: Nanos = SECOND;
/// ... and until so many later ones were heard, or were due.
pub const LATER: u8 = 3;

/// How a number relates to those heard before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Higher than any before.
    Fresh {
        /// How many numbers were skipped.
        gap: u64,
    },
    /// One that was skipped: it was reordered.
    Late {
        /// Whether it had counted as lost, and no longer does.
        took_back: bool,
    },
    /// Heard before.
    Duplicate,
    /// Below the window, or below the first number: it may be a duplicate or a replay, so it counts as neither received
    /// nor late.
    Old,
    /// More than [`JUMP`] higher than any before: the account restarts with it.
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
    /// Below the window, not among the received.
    pub old: u64,
    /// How often the account restarted because the numbers jumped.
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

/// The account of one session of one sender.
#[derive(Debug, Clone)]
pub struct Account(Repr);

#[derive(Debug, Clone)]
enum Repr {
    /// All numbers from the first to the highest came, one after the other: so many after the first.
    Unbroken {
        first: u64,
        more: u32,
    },
    Ledger(Box<Ledger>),
}

impl Account {
    /// An account that begins with the number `seq`.
    pub fn new(seq: u64) -> Self {
        Self(Repr::Unbroken { first: seq, more: 0 })
    }

    /// The counts.
    pub fn counts(&self) -> Counts {
        match &self.0 {
            Repr::Unbroken { more, .. } => Counts { received: u64::from(*more) + 1, ..Counts::default() },
            Repr::Ledger(ledger) => ledger.counts(),
        }
    }

    /// Takes a number heard at `at`, when `due` of them were due since the highest.
    pub fn hear(&mut self, seq: u64, at: Nanos, due: impl FnOnce() -> u64) -> Heard {
        if let Repr::Unbroken { first, more } = &mut self.0
            && let Some(next) = more.checked_add(1)
            && seq.checked_sub(*first) == Some(next.into())
        {
            *more = next;
            return Heard::Fresh { gap: 0 };
        }
        self.ledger().hear(seq, at, due)
    }

    /// Decides what was held long enough by `now`, and reports each run of lost numbers, first and last, in rising
    /// order. `interval` is the time between two heartbeats. To be called after numbers were heard, and at
    /// [`Self::next_settle`].
    pub fn settle(&mut self, now: Nanos, interval: Nanos, report: impl FnMut(u64, u64)) {
        if let Repr::Ledger(ledger) = &mut self.0 {
            ledger.settle(now, interval, report);
        }
    }

    /// When there will be something to settle even if nothing more is heard.
    pub fn next_settle(&self, interval: Nanos) -> Option<Nanos> {
        match &self.0 {
            Repr::Unbroken { .. } => None,
            Repr::Ledger(ledger) => ledger.next_settle(interval),
        }
    }

    /// Ends the session: what is still held is lost, and reported as by [`Self::settle`].
    pub fn close(mut self, report: impl FnMut(u64, u64)) -> Counts {
        self.ledger().close(report)
    }

    /// Ends the session because its sender goes on with `seq`, below the highest: numbers that ran ahead of it were not
    /// its own, and are not counted as received, nor those between as lost.
    pub fn take_back(self, seq: u64, report: impl FnMut(u64, u64)) -> Counts {
        let Repr::Ledger(ledger) = &self.0 else { return self.counts() };
        ledger.before_leap(seq).unwrap_or_else(|| self.close(report))
    }

    /// Bytes on the heap, with those by which the allocator rounds up.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let Repr::Ledger(ledger) = &self.0 else { return 0 };
        let leap = ledger.leap.as_ref().map_or(0, |_| size_of::<ledger::Leap>() + 16);
        size_of::<Ledger>() + 3 * 16 + leap + 16 * (ledger.gaps.capacity() + ledger.unreported.capacity())
    }

    fn ledger(&mut self) -> &mut Ledger {
        if let Repr::Unbroken { first, more } = self.0 {
            let highest = first + u64::from(more);
            self.0 = Repr::Ledger(Box::new(Ledger::unbroken(first, highest, Nanos::MIN)));
        }
        match &mut self.0 {
            Repr::Ledger(ledger) => ledger,
            Repr::Unbroken { .. } => unreachable!("it was opened just now"),
        }
    }
}
