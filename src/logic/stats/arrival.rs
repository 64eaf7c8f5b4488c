//! The order in which replies came, which is not that of their pings.

use super::Sample;
use crate::logic::Invalid;

/// The rows that were answered in time, in the order in which their replies came: by the time of sending and the round
/// trip together. Those that came at the same time keep the order of their numbers.
///
/// # Errors
/// It is not known when the pings were sent; or there are more than 2^32 of them.
pub fn arrivals(sample: &Sample<'_>, for_what: &'static str) -> Result<Vec<u32>, Invalid> {
    let sent = sample.need_sent(for_what)?;
    let rows = u32::try_from(sample.len())
        .map_err(|_| Invalid::new("table", format!("of {} rows", sample.len()), "at most 4,294,967,295"))?;
    let arrival = |row: u32| {
        let row = row as usize;
        sent[row].saturating_add(sample.in_time(row).unwrap_or(0))
    };
    let mut order = Vec::with_capacity(sample.len());
    order.extend((0..rows).filter(|row| sample.in_time(*row as usize).is_some()));
    if !order.is_sorted_by_key(|row| arrival(*row)) {
        order.sort_by_key(|row| arrival(*row));
    }
    Ok(order)
}
