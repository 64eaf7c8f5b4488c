//! On which way each ping was lost, by what a server tells in its replies: how many different pings of the run it had received,
//! and which of the latest 64.
//!
//! A ping that is in the window of any reply was received. One that has left the windows without having been in one was not
//! received, if others make up all that the server has counted meanwhile. One that is in the latest window and was not
//! received may still come; that is expected only where pings have overtaken each other before.

use std::ops::Range;

use crate::logic::codec::Window;

/// Pings of a window.
const REACH: i64 = 64;

/// What is known of one ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::logic::stats) enum Arrival {
    /// Nothing.
    #[default]
    Unknown,
    /// It did not arrive.
    Lost,
    /// It arrived.
    Received,
}

/// A reply in a session of the server: the row of its ping, and the window with its highest row.
#[derive(Debug, Clone, Copy)]
struct Told {
    row: i64,
    highest: i64,
    unique: i64,
    counter: u32,
    bits: u64,
}

/// Which of so many pings arrived, by the windows of replies with the row of each; rows follow the numbers of the pings, of which
/// the first is `first_seq`.
pub(in crate::logic::stats) fn arrivals(
    rows: usize,
    first_seq: u64,
    windows: impl Iterator<Item = (usize, Window)>,
) -> Vec<Arrival> {
    let mut found = vec![Arrival::Unknown; rows];
    let mut sessions: Vec<(i64, Vec<Told>)> = Vec::new();
    for (row, window) in windows {
        let Some(told) = placed(row, first_seq, &window).filter(|told| told.highest < signed(rows)) else {
            continue;
        };
        match sessions.iter_mut().rev().find(|(session, _)| *session == window.session) {
            Some((_, all)) => all.push(told),
            None => sessions.push((window.session, vec![told])),
        }
    }
    for (_, all) in &mut sessions {
        all.sort_by_key(|told| told.counter);
        for told in &*all {
            for back in 0..REACH {
                if told.bits >> back & 1 == 1 {
                    set(&mut found, told.highest - back, Arrival::Received);
                }
            }
        }
    }
    let overtaken = sessions.iter().any(|(_, all)| has_overtaking(all));
    for (number, (_, all)) in sessions.iter().enumerate() {
        follow(all, number == 0, overtaken, &mut found);
    }
    found
}

/// A window by rows; `None` if no server that received the ping can say so.
fn placed(row: usize, first_seq: u64, window: &Window) -> Option<Told> {
    let row = signed(row);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what travels")]
    let low = first_seq.wrapping_add(row.unsigned_abs()) as u32;
    let highest = row + i64::from(window.highest.wrapping_sub(low).cast_signed());
    let Window { counter, unique, bits, .. } = *window;
    (highest >= row).then_some(Told { row, highest, unique: unique.into(), counter, bits })
}

/// Whether a ping arrived after one with a higher number.
fn has_overtaking(all: &[Told]) -> bool {
    let late = |pair: &[Told]| {
        pair[1].aligned(pair[1].highest) & !pair[0].aligned(pair[1].highest) & pair[0].reach(pair[1].highest)
    };
    all.iter().any(|told| told.row != told.highest) || all.windows(2).any(|pair| late(pair) != 0)
}

impl Told {
    /// Its bits as those of a window up to `highest`.
    fn aligned(&self, highest: i64) -> u64 {
        u32::try_from(highest - self.highest).ok().and_then(|by| self.bits.checked_shl(by)).unwrap_or(0)
    }

    /// Which places of a window up to `highest` are not beyond its own highest.
    fn reach(&self, highest: i64) -> u64 {
        u32::try_from(highest - self.highest).ok().and_then(|by| u64::MAX.checked_shl(by)).unwrap_or(0)
    }
}

/// Follows one session from reply to reply.
fn follow(all: &[Told], is_first: bool, overtaken: bool, found: &mut [Arrival]) {
    let Some(first) = all.first() else { return };
    // An earlier session may have received what is before the first ping of this one.
    let floor = if is_first { 0 } else { first.lowest() + if overtaken { REACH } else { 0 } };
    let nothing = Told { row: -1, highest: -1, unique: 0, counter: 0, bits: 0 };
    let mut before = if is_first { nothing } else { *first };
    for told in all {
        if told.highest > before.highest {
            left(&before, told, before.row >= 0, floor, found);
        }
        before = *told;
    }
    if !overtaken {
        let end = before.highest + 1;
        for row in (end - REACH).max(floor)..end {
            set(found, row, Arrival::Lost);
        }
    }
}

/// Decides on the pings that are no longer in the window of `after` and were not received by `before`.
fn left(before: &Told, after: &Told, may_be_received: bool, floor: i64, found: &mut [Arrival]) {
    let new = (after.bits & !before.aligned(after.highest)).count_ones();
    let leaving = (before.highest - REACH + 1).max(0)..after.highest - REACH + 1;
    let was_in = |row: i64| row <= before.highest && before.bits >> (before.highest - row) & 1 == 1;
    let open = rows(&leaving, found.len()).filter(|row| !was_in(*row));
    let (known, others): (Vec<i64>, Vec<i64>) = open.partition(|row| is_received(found, *row));
    let received = after.unique - before.unique - i64::from(new) - signed(known.len());
    let arrival = match received {
        0 => Arrival::Lost,
        _ if may_be_received && received == signed(others.len()) => Arrival::Received,
        _ => return,
    };
    for row in others.into_iter().filter(|row| arrival == Arrival::Received || *row >= floor) {
        set(found, row, arrival);
    }
}

impl Told {
    /// The lowest ping that the session may have received.
    fn lowest(&self) -> i64 {
        let is_all = self.unique == i64::from(self.bits.count_ones());
        let back = if is_all { 63 - i64::from(self.bits.leading_zeros()) } else { REACH - 1 };
        self.highest - back
    }
}

fn rows(range: &Range<i64>, len: usize) -> impl Iterator<Item = i64> + use<> {
    range.start..range.end.min(signed(len))
}

fn is_received(found: &[Arrival], row: i64) -> bool {
    usize::try_from(row).ok().and_then(|row| found.get(row)) == Some(&Arrival::Received)
}

/// Notes what is known of a row; that it arrived is certain.
fn set(found: &mut [Arrival], row: i64, arrival: Arrival) {
    if let Some(known) = usize::try_from(row).ok().and_then(|row| found.get_mut(row)) {
        *known = arrival.max(*known);
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
