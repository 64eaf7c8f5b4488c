//! A copy of the counts of one or several runs, which is taken quickly and summarized later.

use super::Pinger;
use super::tally::{Tally, Timed};
use crate::logic::Nanos;
use crate::logic::record::{NONE, Rows, Status, TimeSource};
use crate::logic::stats::{RoundTrip, Summary};

/// The data of a summary. Copying round trips does not delay a run, as sorting them would.
#[derive(Debug, Clone)]
pub struct Account {
    tally: Tally,
    /// Every reply in time, for exact quantiles; empty where a sketch replaces them.
    round_trips: Vec<Nanos>,
    /// Rows with more of them: [`Account::summary`] reads them, as that would delay the run.
    rows: Vec<Rows>,
    sees_foreign: bool,
    /// The times of all replies are known, and so is their order.
    knows_order: bool,
}

/// A ping of a run that is over, from its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Which run it belongs to.
    pub run: i64,
    /// The number in the message.
    pub seq: u64,
    /// How it ended.
    pub status: Status,
    /// When it was sent; [`NONE`] if that is not known.
    pub sent: Nanos,
    /// Its round trip; [`NONE`] without one.
    pub rtt: Nanos,
    /// The same by the program's own times, from which the time of the reply follows.
    pub user_rtt: Nanos,
    /// Which clocks the times of its round trip are from.
    pub stamp: TimeSource,
    /// Datagrams credited to it.
    pub copies: u32,
    /// Whether nothing but its source ties the reply to it.
    pub unverified: bool,
    /// The place of its reply in the order in which they came, if that is known.
    pub arrival: Option<u64>,
}

impl Settled {
    /// When its reply came.
    fn time_of_reply(&self) -> Nanos {
        let rtt = if self.user_rtt == NONE { self.rtt } else { self.user_rtt };
        self.sent.saturating_add(rtt.max(0))
    }
}

impl Account {
    /// The counts of some runs, taken together.
    pub fn of<'a>(pingers: impl IntoIterator<Item = &'a Pinger>) -> Self {
        let mut pingers = pingers.into_iter().peekable();
        let endless = pingers.peek().is_some_and(|pinger| pinger.plan.count.is_none());
        let mut account = Self {
            tally: Tally::new(endless),
            round_trips: Vec::new(),
            rows: Vec::new(),
            sees_foreign: true,
            knows_order: true,
        };
        for pinger in pingers {
            account.tally.merge(&pinger.tally);
            // Round trips whose times may still change count as they are.
            let waiting = pinger.awaiting.iter().filter_map(|waiting| pinger.timed(waiting.seq));
            waiting.for_each(|timed| account.tally.add_reply(timed));
            account.sees_foreign &= pinger.sees_foreign;
            if !endless {
                account.rows.push(pinger.rows.clone());
            }
        }
        account
    }

    /// The counts of runs to one target that are over, from their rows. Datagrams that changed no row are not among them.
    pub fn of_rows(mut rows: Vec<Settled>) -> Self {
        rows.sort_by_key(|row| row.run);
        for run in rows.chunk_by_mut(|one, next| one.run == next.run) {
            // In the order in which the replies came, for those that were overtaken.
            let is_known = run.iter().all(|row| row.status != Status::Reply || row.arrival.is_some());
            run.sort_by_key(|row| if is_known { (row.arrival, 0) } else { (None, row.time_of_reply()) });
        }
        let mut account = Self {
            tally: Tally::new(false),
            round_trips: Vec::new(),
            rows: Vec::new(),
            sees_foreign: false,
            knows_order: true,
        };
        let (mut run, mut next_expected) = (NONE, 0);
        for row in rows {
            if row.run != run {
                (run, next_expected) = (row.run, 0);
            }
            *account.tally.of(row.status) += 1;
            account.tally.duplicates += u64::from(row.copies.saturating_sub(1));
            account.tally.unverified += u64::from(row.unverified);
            let in_time = row.status == Status::Reply;
            if row.rtt != NONE {
                account.tally.add_reply(Timed { rtt: row.rtt, stamp: row.stamp, in_time });
            }
            if !in_time {
                continue;
            }
            account.knows_order &= row.arrival.is_some() || (row.sent != NONE && row.rtt != NONE);
            if row.rtt != NONE {
                account.round_trips.push(row.rtt);
            }
            if row.seq < next_expected {
                account.tally.reordered += 1;
            } else {
                next_expected = row.seq.saturating_add(1);
            }
        }
        account
    }

    /// Several accounts taken together.
    pub fn sum(accounts: &[Self]) -> Self {
        let Some((first, others)) = accounts.split_first() else { return Self::of_rows(Vec::new()) };
        let mut sum = first.clone();
        for account in others {
            sum.tally.merge(&account.tally);
            sum.round_trips.extend(&account.round_trips);
            sum.rows.extend(account.rows.iter().cloned());
            sum.sees_foreign &= account.sees_foreign;
            sum.knows_order &= account.knows_order;
        }
        sum
    }

    /// Whether the number of replies that were overtaken is known.
    pub fn knows_order(&self) -> bool {
        self.knows_order
    }

    /// The summary.
    pub fn summary(mut self) -> Summary {
        self.round_trips.extend(self.rows.iter().flat_map(Rows::round_trips));
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
            damaged: tally.damaged,
            unverified: tally.unverified,
            behind: tally.behind,
            kernel_stamps: tally.kernel_stamps,
            clock_steps: tally.clock_steps,
            pending: tally.open,
            loss: Summary::share(lost, sent),
            rtt: tally.sketched().or_else(|| RoundTrip::exact(&mut self.round_trips)),
        }
    }
}
