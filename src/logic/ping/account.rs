//! The counts of one or several runs at one moment, taken quickly and worked out later.

use super::{Pinger, Tally};
use crate::logic::Nanos;
use crate::logic::stats::{RoundTrip, Summary};

/// All that a summary is made of. Sorting round trips takes a while; copying them does not hold up a run.
#[derive(Debug)]
pub struct Account {
    tally: Tally,
    /// Every reply in time, for exact quantiles; empty where a sketch stands in for them.
    round_trips: Vec<Nanos>,
    sees_foreign: bool,
}

impl Account {
    /// The counts of some runs, taken together.
    pub fn of<'a>(pingers: impl IntoIterator<Item = &'a Pinger>) -> Self {
        let mut pingers = pingers.into_iter().peekable();
        let endless = pingers.peek().is_some_and(|pinger| pinger.plan.count.is_none());
        let mut account = Self { tally: Tally::new(endless), round_trips: Vec::new(), sees_foreign: true };
        for pinger in pingers {
            account.tally.merge(&pinger.tally);
            // Round trips that may still be amended count as they stand.
            let waiting = pinger.unstamped.iter().filter_map(|waiting| pinger.timed(waiting.seq));
            waiting.for_each(|timed| account.tally.add_reply(timed));
            account.sees_foreign &= pinger.sees_foreign;
            if !endless {
                account.round_trips.extend(pinger.rows.round_trips());
            }
        }
        account
    }

    /// The summary.
    #[must_use]
    pub fn summary(mut self) -> Summary {
        let tally = &self.tally;
        let lost = tally.late + tally.timeouts + tally.unreachable + tally.errors;
        let sent = tally.replies + lost;
        Summary {
            sent,
            received: tally.replies,
            lost,
            late: tally.late,
            timeouts: tally.timeouts,
            unreachable: tally.unreachable,
            errors: tally.errors,
            duplicates: tally.duplicates,
            reordered: tally.reordered,
            foreign: self.sees_foreign.then_some(tally.foreign),
            kernel_drops: None,
            unmatched: tally.unmatched,
            unverified: tally.unverified,
            behind: tally.behind,
            kernel_stamps: tally.kernel_stamps,
            clock_steps: tally.clock_steps,
            pending: tally.open,
            loss: Summary::share(lost, sent),
            rtt: tally.sketched().or_else(|| RoundTrip::exact(tally.rtt(), &mut self.round_trips)),
        }
    }
}
