//! The log of a server: a row for each datagram, and what happened to it.

use std::net::SocketAddr;

use crate::logic::Nanos;
use crate::logic::codec;
use crate::logic::link::{Damage, Fate, Reason};
use crate::logic::random::Direction;
use crate::logic::row_log::{LogEntry, RowLog};
use crate::logic::words::words;

/// The log of a server.
pub type Log = RowLog<Row>;

/// One datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// When it arrived, on the monotonic clock.
    pub recv_ns: Nanos,
    /// When it arrived, since 1970.
    pub wall_ns: i64,
    /// The client's index.
    pub client: u32,
    /// The client's address and port.
    pub source: SocketAddr,
    /// The datagram's number in its stream, from 1.
    pub number: u64,
    /// The sequence number read in it, if there is one.
    pub seq: Option<u64>,
    /// What happened to it.
    pub verdict: Outcome,
    /// In which direction it was dropped.
    pub direction: Option<Direction>,
    /// Why.
    pub reason: Reason,
    /// How long its first reply was delayed.
    pub delay_ns: Nanos,
    /// Its length.
    pub bytes: u16,
    /// That of its reply, before what happens to that on its way, if it came up.
    pub reply_bytes: Option<u16>,
    /// Copies that were made of it, and of its replies.
    pub copies: u8,
    /// The replies that it has.
    pub replies: u8,
    /// What happened to the bytes of both.
    pub damage: Damages,
}

/// What happened to the bytes of a request and its reply: cut or changed, on their ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damages(u8);

words! {
    /// What happened to a datagram.
    Outcome {
        /// It was answered, or will be.
        Answer = "answer",
        /// It was not.
        Drop = "drop",
        /// Its reply could not be sent.
        Error = "error",
    }
}

/// The log, column by column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Row")]
pub struct Columns {
    pub recv_ns: Vec<Nanos>,
    pub wall_ns: Vec<i64>,
    pub client: Vec<u32>,
    pub source: Vec<SocketAddr>,
    pub number: Vec<u64>,
    pub seq: Vec<Option<u64>>,
    pub verdict: Vec<Outcome>,
    pub direction: Vec<Option<Direction>>,
    pub reason: Vec<Reason>,
    pub delay_ns: Vec<Nanos>,
    pub bytes: Vec<u16>,
    pub reply_bytes: Vec<Option<u16>>,
    pub copies: Vec<u8>,
    pub replies: Vec<u8>,
    pub damage: Vec<Damages>,
}

impl Damages {
    const NAMES: [&'static str; 4] = ["up:cut", "up:flipped", "down:cut", "down:flipped"];

    fn of(up: Damage, down: Damage) -> Self {
        let all = [up.is_cut(), up.is_flipped(), down.is_cut(), down.is_flipped()];
        Self((0..).zip(all).map(|(bit, is)| u8::from(is) << bit).sum())
    }

    /// Its words, with spaces between them; `None` for none.
    pub fn name(self) -> Option<String> {
        let names: Vec<_> =
            (0..).zip(Self::NAMES).filter(|(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }
}

impl Row {
    /// What was decided on a datagram that came at `recv_ns`, and whose reply has this length.
    pub fn of(
        recv_ns: Nanos,
        wall_ns: i64,
        source: SocketAddr,
        datagram: &[u8],
        fate: &Fate,
        reply_bytes: Option<u16>,
    ) -> Self {
        let Fate { client, number, deliveries, dropped: direction, copies, up, down, .. } = fate;
        let first = deliveries.iter().map(|delivery| delivery.at).min();
        Self {
            recv_ns,
            wall_ns,
            client: *client,
            source,
            number: *number,
            seq: codec::read_seq(datagram),
            verdict: match deliveries.reason() {
                Reason::None => Outcome::Answer,
                Reason::Full => Outcome::Error,
                _ => Outcome::Drop,
            },
            reason: deliveries.reason(),
            direction: *direction,
            delay_ns: first.map_or(0, |first| first - recv_ns),
            bytes: u16::try_from(datagram.len()).unwrap_or(u16::MAX),
            reply_bytes,
            copies: *copies,
            replies: deliveries.count(),
            damage: Damages::of(*up, *down),
        }
    }

    /// Whether the server made a reply, which may have been dropped then.
    pub(super) fn has_reply(&self) -> bool {
        self.verdict == Outcome::Answer || self.direction == Some(Direction::Down)
    }
}

impl Log {
    /// The reply of a noted datagram was not sent after all, for [`Reason::Full`] or [`Reason::Send`].
    pub fn failed(&mut self, entry: LogEntry, reason: Reason) {
        if let Some(row) = self.get_mut(entry) {
            (row.verdict, row.reason) = (Outcome::Error, reason);
        }
    }

    /// What was decided on a noted datagram in the end, unless a reply could not be sent.
    pub fn decided(&mut self, entry: LogEntry, row: Row) {
        if let Some(noted) = self.get_mut(entry)
            && noted.verdict != Outcome::Error
        {
            *noted = row;
        }
    }

    /// A copy of the log as columns.
    pub fn columns(&self) -> Columns {
        Columns {
            recv_ns: self.rows().map(|row| row.recv_ns).collect(),
            wall_ns: self.rows().map(|row| row.wall_ns).collect(),
            client: self.rows().map(|row| row.client).collect(),
            source: self.rows().map(|row| row.source).collect(),
            number: self.rows().map(|row| row.number).collect(),
            seq: self.rows().map(|row| row.seq).collect(),
            verdict: self.rows().map(|row| row.verdict).collect(),
            direction: self.rows().map(|row| row.direction).collect(),
            reason: self.rows().map(|row| row.reason).collect(),
            delay_ns: self.rows().map(|row| row.delay_ns).collect(),
            bytes: self.rows().map(|row| row.bytes).collect(),
            reply_bytes: self.rows().map(|row| row.reply_bytes).collect(),
            copies: self.rows().map(|row| row.copies).collect(),
            replies: self.rows().map(|row| row.replies).collect(),
            damage: self.rows().map(|row| row.damage).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::logic::link::Deliveries;
    use crate::logic::row_log::BLOCK;

    fn note(log: &mut Log, number: u64, lost: bool) -> Option<LogEntry> {
        let deliveries = if lost { Deliveries::dropped(Reason::Loss) } else { Deliveries::one(12) };
        let (up, down) = (Damage::NONE, Damage::NONE);
        let dropped = lost.then_some(Direction::Up);
        let (copies, way_down, lost_before) = (0, None, 0);
        let fate = Fate { client: 3, number, deliveries, dropped, copies, up, down, way_down, lost_before };
        let source = (Ipv4Addr::LOCALHOST, 9).into();
        log.add(|| Row::of(7, 1_700_000_000_000_000_000, source, b"Ping 4 1700000000.0", &fate, Some(9)))
    }

    #[test]
    fn a_row_says_what_became_of_a_datagram() {
        let mut log = Log::new(10);
        let notes: Vec<_> =
            [false, true, false, false].iter().map(|lost| note(&mut log, 1, *lost).unwrap()).collect();
        log.failed(notes[2], Reason::Full);
        log.failed(notes[3], Reason::Send);
        let logged: Vec<_> =
            log.rows().map(|row| (row.verdict.name(), row.reason.name(), row.delay_ns)).collect();
        assert_eq!(
            logged,
            [("answer", "", 5), ("drop", "loss", 0), ("error", "full", 5), ("error", "send", 5)]
        );
        let first = log.rows().next().unwrap();
        assert_eq!((first.recv_ns, first.client, first.number, first.seq), (7, 3, 1, Some(4)));
        assert_eq!(log.len(), 4);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut log = Log::new(2);
        let notes: Vec<_> = (1..=5).map(|number| note(&mut log, number, false).is_some()).collect();
        assert_eq!(notes, [true, true, false, false, false]);
        assert_eq!((log.len(), log.unlogged()), (2, 3));
        let mut none = Log::new(0);
        assert!(note(&mut none, 1, false).is_none() && none.is_empty() && none.unlogged() == 0);
    }

    #[test]
    fn a_long_log_keeps_its_order() {
        let mut log = Log::new(usize::MAX);
        let rows = 3 * BLOCK as u64 + 5;
        let notes: Vec<_> = (1..=rows).filter_map(|number| note(&mut log, number, false)).collect();
        log.failed(notes[BLOCK], Reason::Send);
        let columns = log.columns();
        assert!(columns.number.iter().copied().eq(1..=rows));
        let failed: Vec<_> =
            (0..columns.verdict.len()).filter(|at| columns.verdict[*at] == Outcome::Error).collect();
        assert_eq!(failed, [BLOCK]);
        assert_eq!(columns.source.len(), log.len());
    }
}
