//! A sample, as RFC 2330 calls it: the pings of one run to one target, in the order of their numbers.

use std::ops::Range;

use crate::logic::record::{LostOn, NONE, Status};
use crate::logic::{Invalid, Nanos};

/// Columns of equal length, a row for each ping; those that are not known are `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns<'a> {
    /// The round trip; [`NONE`] without a reply.
    pub rtt: &'a [Nanos],
    /// [`Status`] codes. Without them, a round trip is a reply in time.
    pub status: Option<&'a [u8]>,
    /// Ascending numbers. Without them, every row follows on the one before.
    pub seq: Option<&'a [u64]>,
    /// The place of each reply in the order in which they came, or anything else that grows with it.
    pub arrival: Option<&'a [i64]>,
    /// The round trip by the program's own times, which decide when a reply came where its place is not known.
    pub user_rtt: Option<&'a [Nanos]>,
    /// When each was sent; [`NONE`] if it was not.
    pub sent: Option<&'a [Nanos]>,
    /// When each was to be sent.
    pub due: Option<&'a [Nanos]>,
    /// Replies to each.
    pub copies: Option<&'a [u32]>,
    /// When each was sent, in nanoseconds since 1970.
    pub sent_wall: Option<&'a [i64]>,
    /// When the server received it, by its clock.
    pub server_recv: Option<&'a [i64]>,
    /// When the server sent the reply, by its clock.
    pub server_sent: Option<&'a [i64]>,
    /// The server's own number of the reply; [`NONE`] where there is none.
    pub server_seq: Option<&'a [i64]>,
    /// [`LostOn`] codes; [`NO_WAY`] where there is none.
    pub lost_on: Option<&'a [u8]>,
}

/// The code of a ping that was not lost on any way.
pub const NO_WAY: u8 = u8::MAX;

/// Columns that fit together.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    columns: Columns<'a>,
    /// The number of the first row, if `seq` is not known.
    first: u64,
}

impl<'a> Sample<'a> {
    /// The sample with these columns.
    pub fn new(columns: Columns<'a>) -> Result<Self, Invalid> {
        let Columns { rtt, status, seq, arrival, user_rtt, sent, due, copies, .. } = columns;
        let Columns { sent_wall, server_recv, server_sent, server_seq, lost_on, .. } = columns;
        let lengths = [
            status.map(<[_]>::len),
            seq.map(<[_]>::len),
            arrival.map(<[_]>::len),
            user_rtt.map(<[_]>::len),
            sent.map(<[_]>::len),
            due.map(<[_]>::len),
            copies.map(<[_]>::len),
            sent_wall.map(<[_]>::len),
            server_recv.map(<[_]>::len),
            server_sent.map(<[_]>::len),
            server_seq.map(<[_]>::len),
            lost_on.map(<[_]>::len),
        ];
        if let Some(length) = lengths.into_iter().flatten().find(|length| *length != rtt.len()) {
            return Err(Invalid::new("length", length, format!("{}, as of column rtt_ns", rtt.len())));
        }
        if let Some(pair) = seq.and_then(|seq| seq.windows(2).find(|pair| pair[0] >= pair[1])) {
            return Err(Invalid::new(
                "seq",
                pair[1],
                "each number once and in order, for each run and target",
            ));
        }
        if let Some(status) = status {
            if let Some(code) = status.iter().find(|code| **code >= Status::Open as u8) {
                let names = Status::NAMES[..usize::from(Status::Open as u8)].join(", ");
                return Err(Invalid::new("status", code, names));
            }
            if let Some(row) = (0..rtt.len()).find(|row| status[*row] == 0 && rtt[*row] == NONE) {
                return Err(Invalid::new("rtt_ns", "null", format!("a number for the reply of row {row}")));
            }
        }
        let sample = Self { columns, first: 0 };
        if let Some(row) = sent
            .and_then(|sent| (0..rtt.len()).find(|row| sent[*row] == NONE && sample.in_time(*row).is_some()))
        {
            return Err(Invalid::new("sent_ns", "null", format!("a number for the reply of row {row}")));
        }
        Ok(sample)
    }

    /// How many pings there are.
    pub fn len(&self) -> usize {
        self.columns.rtt.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of its rows.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        let Columns { rtt, status, seq, arrival, user_rtt, sent, due, copies, .. } = self.columns;
        let Columns { sent_wall, server_recv, server_sent, server_seq, lost_on, .. } = self.columns;
        let first = self.first + rows.start as u64;
        Self {
            columns: Columns {
                rtt: &rtt[rows.clone()],
                status: status.map(|status| &status[rows.clone()]),
                seq: seq.map(|seq| &seq[rows.clone()]),
                arrival: arrival.map(|arrival| &arrival[rows.clone()]),
                user_rtt: user_rtt.map(|user_rtt| &user_rtt[rows.clone()]),
                sent: sent.map(|sent| &sent[rows.clone()]),
                due: due.map(|due| &due[rows.clone()]),
                copies: copies.map(|copies| &copies[rows.clone()]),
                sent_wall: sent_wall.map(|sent_wall| &sent_wall[rows.clone()]),
                server_recv: server_recv.map(|server_recv| &server_recv[rows.clone()]),
                server_sent: server_sent.map(|server_sent| &server_sent[rows.clone()]),
                server_seq: server_seq.map(|server_seq| &server_seq[rows.clone()]),
                lost_on: lost_on.map(|lost_on| &lost_on[rows]),
            },
            first,
        }
    }

    /// The round trip of a ping that was answered in time.
    pub fn in_time(&self, row: usize) -> Option<Nanos> {
        let rtt = self.columns.rtt[row];
        let replied = self.columns.status.map_or(rtt != NONE, |status| status[row] == Status::Reply as u8);
        replied.then_some(rtt)
    }

    /// The round trip of a ping that was answered, in time or late.
    pub fn any_reply(&self, row: usize) -> Option<Nanos> {
        Some(self.columns.rtt[row]).filter(|rtt| *rtt != NONE)
    }

    /// The round trips of those that were answered in time, in the order of their numbers.
    pub fn round_trips(&self) -> impl Iterator<Item = Nanos> {
        (0..self.len()).filter_map(|row| self.in_time(row))
    }

    /// How a ping ended.
    pub fn status(&self, row: usize) -> Status {
        match self.columns.status.map(|status| status[row]) {
            Some(0) => Status::Reply,
            Some(1) => Status::Late,
            Some(3) => Status::Unreachable,
            Some(4) => Status::Error,
            None if self.columns.rtt[row] != NONE => Status::Reply,
            _ => Status::Timeout,
        }
    }

    /// The number of a ping.
    pub fn seq(&self, row: usize) -> u64 {
        self.columns.seq.map_or(self.first + row as u64, |seq| seq[row])
    }

    /// Whether a ping has the number after that of the row before.
    pub fn follows(&self, row: usize) -> bool {
        row > 0 && self.columns.seq.is_none_or(|seq| seq[row] - seq[row - 1] == 1)
    }

    /// When a ping was sent; when it was to be, if it was not or that is not known.
    pub fn time(&self, row: usize) -> Option<Nanos> {
        let at = |column: Option<&[Nanos]>| column.map(|column| column[row]).filter(|at| *at != NONE);
        at(self.columns.sent).or_else(|| at(self.columns.due))
    }

    /// When a ping was to be sent.
    pub fn due(&self, row: usize) -> Option<Nanos> {
        self.columns.due.map(|due| due[row]).filter(|due| *due != NONE)
    }

    /// Fails if neither the time of sending nor the due time is known.
    pub fn need_times(&self, for_what: &'static str) -> Result<(), Invalid> {
        let known = self.columns.sent.is_some() || self.columns.due.is_some();
        if known { Ok(()) } else { Err(missing("sent_ns or due_ns", for_what)) }
    }

    /// What the replies in time are sorted by, for the order in which they came: their places, if all have one, or else when
    /// they came. Fails if neither is known.
    pub fn need_order(&self, for_what: &'static str) -> Result<impl Fn(usize) -> i64, Invalid> {
        let Columns { rtt, arrival, user_rtt, sent, .. } = self.columns;
        let unplaced =
            |places: &&[i64]| (0..self.len()).any(|row| places[row] == NONE && self.in_time(row).is_some());
        let places = arrival.filter(|places| !unplaced(places));
        if places.is_none() && sent.is_none() {
            return Err(missing("arrival or sent_ns", for_what));
        }
        let took = move |row: usize| {
            user_rtt.map(|times| times[row]).filter(|took| *took != NONE).unwrap_or(rtt[row]).max(0)
        };
        let sent = sent.unwrap_or(&[]);
        Ok(move |row: usize| places.map_or_else(|| sent[row].saturating_add(took(row)), |places| places[row]))
    }

    /// The round trip by the program's own times, where it is known.
    pub fn user_rtt(&self, row: usize) -> Option<Nanos> {
        self.columns.user_rtt.map(|times| times[row]).filter(|took| *took != NONE)
    }

    /// When a ping was sent, and when its server received it and sent the reply; a time that the server did not give is the
    /// other one. `None` without any.
    pub fn exchange(&self, row: usize) -> Option<(i64, i64, i64)> {
        let at = |column: Option<&[i64]>| column.map(|column| column[row]).filter(|at| *at != NONE);
        let Columns { sent_wall, server_recv, server_sent, .. } = self.columns;
        let (received, replied) = (at(server_recv), at(server_sent));
        Some((at(sent_wall)?, received.or(replied)?, replied.or(received)?))
    }

    /// Fails if it is not known when pings were sent, or if no server gave a time.
    pub fn need_server_times(&self, for_what: &'static str) -> Result<(), Invalid> {
        if self.columns.sent_wall.is_none() {
            return Err(missing("sent_wall_ns", for_what));
        }
        let known = self.columns.server_recv.is_some() || self.columns.server_sent.is_some();
        if known { Ok(()) } else { Err(missing("server_recv_ns or server_sent_ns", for_what)) }
    }

    /// The server's own number of the reply to a ping, and when it sent that.
    pub fn server_seq(&self, row: usize) -> Option<(u32, i64)> {
        let at = |column: Option<&[i64]>| column.map(|column| column[row]).filter(|at| *at != NONE);
        let seq = u32::try_from(at(self.columns.server_seq)?).ok()?;
        Some((seq, at(self.columns.server_sent)?))
    }

    /// Fails if no server gave numbers and the times of its replies.
    pub fn need_server_seqs(&self, for_what: &'static str) -> Result<(), Invalid> {
        let Columns { server_sent, server_seq, .. } = self.columns;
        let known = server_seq.ok_or_else(|| missing("server_seq", for_what)).map(|_| server_sent);
        known?.ok_or_else(|| missing("server_sent_ns", for_what)).map(|_| ())
    }

    /// On which way a ping was lost, where the table says so.
    pub fn lost_on(&self, row: usize) -> Option<LostOn> {
        self.columns.lost_on.map(|ways| ways[row]).filter(|way| *way != NO_WAY).map(LostOn::from_code)
    }

    /// The replies to each ping; fails if they were not counted.
    pub fn need_copies(&self, for_what: &'static str) -> Result<&'a [u32], Invalid> {
        self.columns.copies.ok_or_else(|| missing("copies", for_what))
    }
}

fn missing(column: &'static str, for_what: &'static str) -> Invalid {
    Invalid::new("table", format!("without {column}"), format!("that column: {for_what} needs it"))
}
