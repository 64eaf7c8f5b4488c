//! On which way each ping was lost, as far as the numbers of the replies tell of a single one.
//!
//! Between two replies that follow each other, no number is missing if all pings were lost on the way up, and as many as there
//! are pings if all were received. Where the server has received pings in another order than that of their sending, or one
//! twice, this says nothing of a single one.

use super::{Counter, Reply, Unanswered, are_copies, epochs, replies};
use crate::logic::Invalid;
use crate::logic::record::LostOn;
use crate::logic::stats::Sample;

/// On which way each ping was lost; `None` for one that was answered or never sent.
///
/// # Errors
/// The sample has no numbers of its server, or no count of the replies to each ping.
pub fn each(sample: &Sample<'_>, counter: Counter) -> Result<Vec<Option<LostOn>>, Invalid> {
    const WHAT: &str = "the direction of each loss";
    sample.need_server_seqs(WHAT)?;
    let copies = sample.need_copies(WHAT)?;
    let lost = Unanswered::new(sample, copies);
    let mut ways: Vec<_> =
        (0..sample.len()).map(|row| (lost.of(row..row + 1) > 0).then_some(LostOn::Unknown)).collect();
    let replies = replies(sample);
    let overtaken = !replies.is_sorted_by_key(|reply| reply.row);
    let Some(first) = replies.first() else { return Ok(ways) };
    if overtaken || (counter == Counter::OwnOrCopied && are_copies(sample, &replies)) {
        return Ok(ways);
    }
    let twice = copies.iter().any(|each| *each > 1);
    if first.number == 0 {
        set(&mut ways[..first.row], LostOn::Up);
    }
    for epoch in epochs(&replies, sample.len()) {
        for pair in replies[epoch].windows(2) {
            let [before, after] = [pair[0], pair[1]];
            if let Some(way) =
                between(sample, before, after, &lost).filter(|way| *way == LostOn::Up || !twice)
            {
                set(&mut ways[before.row..after.row], way);
            }
        }
    }
    Ok(ways)
}

/// The way of all pings between two replies that follow each other, if it is one.
fn between(sample: &Sample<'_>, before: Reply, after: Reply, lost: &Unanswered) -> Option<LostOn> {
    let rows = before.row + 1..after.row;
    let missing = u64::from(after.number.wrapping_sub(before.number)) - 1;
    // Of pings that are not in the table nobody knows whether they were answered.
    let is_whole = sample.seq(after.row) - sample.seq(before.row) == (after.row - before.row) as u64;
    match missing {
        0 => Some(LostOn::Up),
        _ if is_whole && missing == lost.of(rows) => Some(LostOn::Down),
        _ => None,
    }
}

fn set(ways: &mut [Option<LostOn>], way: LostOn) {
    ways.iter_mut().flatten().for_each(|each| *each = way);
}
