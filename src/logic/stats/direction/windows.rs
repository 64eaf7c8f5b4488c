//! On which way each ping was lost, by what a server tells in its replies: how many different pings of the run it had received,
//! and which of the latest 64.
//!
//! A ping that is in the window of any reply was received, and so was one that is named as too late for it. One that has left
//! the windows without having been in one was not received, if others make up all that the server has counted meanwhile. One
//! that was not received so far may still come; that is expected only where pings have overtaken each other before.

use std::ops::Range;

use crate::logic::codec::{LATEST_LATE, Window};

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
    /// It arrived too late for the window: perhaps again.
    Late,
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
    late: u32,
    latest_late: [i64; LATEST_LATE],
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
            let in_window = (0..REACH).filter(|back| told.bits >> back & 1 == 1);
            in_window.for_each(|back| set(&mut found, told.highest - back, Arrival::Received));
            told.named().for_each(|row| set(&mut found, row, Arrival::Late));
        }
    }
    let reach = sessions.iter().map(|(_, all)| overtaken(all)).max().unwrap_or(0);
    for (number, (_, all)) in sessions.iter().enumerate() {
        follow(all, number == 0, reach, &mut found);
    }
    found
}

/// A window by rows; `None` if no server that received the ping can say so.
fn placed(row: usize, first_seq: u64, window: &Window) -> Option<Told> {
    let row = signed(row);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what travels")]
    let low = first_seq.wrapping_add(row.unsigned_abs()) as u32;
    let place = |number: u32| row + i64::from(number.wrapping_sub(low).cast_signed());
    let Window { counter, unique, bits, late, latest_late, .. } = *window;
    let (highest, latest_late) = (place(window.highest), latest_late.map(place));
    (highest >= row).then_some(Told { row, highest, unique: unique.into(), counter, bits, late, latest_late })
}

/// By how many pings one may have been overtaken that was not received so far; 0 if none was overtaken.
fn overtaken(all: &[Told]) -> i64 {
    let behind = |told: &Told| told.named().chain([told.row]).map(|row| told.highest - row).max();
    let most = all.iter().filter_map(behind).max().unwrap_or(0);
    let came_late = |pair: &[Told]| {
        let (before, highest) = (pair[0], pair[1].highest);
        pair[1].bits & before.reach(highest) & !before.aligned(highest) != 0
    };
    if most > 0 || all.windows(2).any(came_late) { if most < REACH { REACH } else { 2 * most } } else { 0 }
}

impl Told {
    /// The pings that are named as late.
    fn named(&self) -> impl Iterator<Item = i64> + use<> {
        self.latest_late.into_iter().take(self.late as usize)
    }

    /// Its bits as those of a window up to `highest`.
    fn aligned(&self, highest: i64) -> u64 {
        u32::try_from(highest - self.highest).ok().and_then(|by| self.bits.checked_shl(by)).unwrap_or(0)
    }

    /// Which places of a window up to `highest` are not beyond its own highest.
    fn reach(&self, highest: i64) -> u64 {
        u32::try_from(highest - self.highest).ok().and_then(|by| u64::MAX.checked_shl(by)).unwrap_or(0)
    }
}

/// Follows one session from reply to reply. `reach` is that of [`overtaken`].
fn follow(all: &[Told], is_first: bool, reach: i64, found: &mut [Arrival]) {
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return };
    let late = [0; LATEST_LATE];
    let nothing = Told { row: -1, highest: -1, unique: 0, counter: 0, bits: 0, late: 0, latest_late: late };
    // An earlier session may have received what is before the first ping of this one.
    let floor = if is_first { 0 } else { first.lowest() + reach };
    let end = last.highest + 1;
    let sure = floor..if reach > 0 { end - reach } else { end };
    let mut before = if is_first { nothing } else { *first };
    for told in all {
        if told.highest > before.highest {
            left(&before, told, &sure, found);
        }
        before = *told;
    }
    for row in rows(&((end - REACH).max(sure.start)..sure.end), found.len()) {
        set(found, row, Arrival::Lost);
    }
    forget_unnamed(all, reach, found);
}

/// Forgets which pings were lost where others came late that are not named: they may be these.
fn forget_unnamed(all: &[Told], reach: i64, found: &mut [Arrival]) {
    let (mut late, mut done) = (0, 0);
    for told in all {
        if told.late.wrapping_sub(late) as usize > LATEST_LATE {
            let end = told.highest - REACH + 1;
            for row in rows(&((told.highest - reach).max(done)..end), found.len()) {
                let known = usize::try_from(row).ok().and_then(|row| found.get_mut(row));
                known
                    .filter(|known| **known == Arrival::Lost)
                    .into_iter()
                    .for_each(|lost| *lost = Arrival::Unknown);
            }
            done = end.max(done);
        }
        late = told.late;
    }
}

/// Decides on the pings that are no longer in the window of `after` and were not received by `before`.
fn left(before: &Told, after: &Told, sure: &Range<i64>, found: &mut [Arrival]) {
    let new = (after.bits & !before.aligned(after.highest)).count_ones();
    let leaving = (before.highest - REACH + 1).max(0)..after.highest - REACH + 1;
    let was_in = |row: i64| row <= before.highest && before.bits >> (before.highest - row) & 1 == 1;
    let open = rows(&leaving, found.len()).filter(|row| !was_in(*row));
    let is = |row: &i64, arrival| usize::try_from(*row).ok().and_then(|row| found.get(row)) == Some(&arrival);
    let (known, others): (Vec<i64>, Vec<i64>) = open.partition(|row| is(row, Arrival::Received));
    // Those that came late were counted before, or never.
    let (late, others): (Vec<i64>, Vec<i64>) = others.into_iter().partition(|row| is(row, Arrival::Late));
    let received = after.unique - before.unique - i64::from(new) - signed(known.len());
    let arrival = match received {
        0 => Arrival::Lost,
        // Before the first reply, pings may have been received that are not in the table.
        _ if before.row >= 0 && received == signed(others.len() + late.len()) => Arrival::Received,
        _ => return,
    };
    for row in others.into_iter().filter(|row| arrival == Arrival::Received || sure.contains(row)) {
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

/// Notes what is known of a row; that it arrived is certain.
fn set(found: &mut [Arrival], row: i64, arrival: Arrival) {
    if let Some(known) = usize::try_from(row).ok().and_then(|row| found.get_mut(row)) {
        *known = arrival.max(*known);
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
