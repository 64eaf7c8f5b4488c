//! What the replies of a server tell of a run as a whole: on which way each ping was lost, and how long each way took.

use super::direction::{Arrival, arrivals, each};
use super::{Clock, Columns, Counter, MaxRate, Sample};
use crate::logic::Nanos;
use crate::logic::codec::Window;
use crate::logic::record::{LostOn, NONE, Rows, Status};

/// Columns of the pings of a run to one target, a row for each.
#[derive(Debug, Clone)]
pub struct FarEnd {
    /// On which way each was lost; `None` for one that was not, or is still out.
    pub lost_on: Vec<Option<LostOn>>,
    /// The way up of each; [`NONE`] where it is not known.
    pub up: Vec<Nanos>,
    /// The way down.
    pub down: Vec<Nanos>,
    /// By how much both are wrong at most.
    pub error: Vec<Nanos>,
}

impl FarEnd {
    /// Whether the server of these rows tells anything.
    pub fn is_told(rows: &Rows) -> bool {
        rows.chunks().any(|chunk| chunk.has_server_times())
    }

    /// What is known of these rows; `None` if their server tells nothing.
    pub fn of(rows: &Rows) -> Option<Self> {
        if !Self::is_told(rows) {
            return None;
        }
        let settled: Vec<usize> = (0..rows.len()).filter(|row| rows.status(*row) != Status::Open).collect();
        let read = Read::of(rows, &settled);
        let sample = read.sample()?;
        let mut found = Self {
            lost_on: vec![None; rows.len()],
            up: vec![NONE; rows.len()],
            down: vec![NONE; rows.len()],
            error: vec![NONE; rows.len()],
        };
        if let Ok(ways) = each(&sample, Counter::OwnOrCopied) {
            settled.iter().zip(ways).for_each(|(row, way)| found.lost_on[*row] = way);
        }
        if let Some(windows) = windows(rows) {
            let arrived = arrivals(rows.len(), rows.seq(0), windows);
            for (way, arrival) in found.lost_on.iter_mut().zip(arrived).filter(|(way, _)| way.is_some()) {
                *way = Some(match arrival {
                    Arrival::Received | Arrival::Late => LostOn::Down,
                    Arrival::Lost => LostOn::Up,
                    Arrival::Unknown => LostOn::Unknown,
                });
            }
        }
        if let Ok(clock) = Clock::of(&[sample], MaxRate::DEFAULT) {
            for (place, way) in clock.rows.iter().zip(clock.one_way()) {
                let row = settled[*place];
                (found.up[row], found.down[row], found.error[row]) = (way.up, way.down, way.error);
            }
        }
        Some(found)
    }
}

/// The windows of all rows that have one; `None` if none has.
fn windows(rows: &Rows) -> Option<impl Iterator<Item = (usize, Window)>> {
    rows.chunks().any(|chunk| chunk.has_windows()).then(|| {
        (0..rows.len()).filter_map(|row| {
            let (chunk, at) = rows.place(row);
            chunk.window(at).map(|window| (row, window))
        })
    })
}

/// The columns of settled rows in one piece.
#[derive(Default)]
struct Read {
    seq: Vec<u64>,
    status: Vec<u8>,
    copies: Vec<u32>,
    rtt: Vec<Nanos>,
    user_rtt: Vec<Nanos>,
    sent_wall: Vec<i64>,
    server_recv: Vec<i64>,
    server_sent: Vec<i64>,
    server_seq: Vec<i64>,
}

impl Read {
    fn of(rows: &Rows, settled: &[usize]) -> Self {
        let mut read = Self::default();
        for row in settled {
            let (chunk, at) = rows.place(*row);
            let server = chunk.server_times(at);
            read.seq.push(rows.seq(*row));
            read.status.push(chunk.status[at]);
            read.copies.push(chunk.copies[at]);
            read.rtt.push(chunk.rtt[at]);
            read.user_rtt.push(chunk.user_rtt[at]);
            read.sent_wall.push(chunk.sent_wall[at]);
            read.server_recv.push(server.received.unwrap_or(NONE));
            read.server_sent.push(server.sent.unwrap_or(NONE));
            read.server_seq.push(server.seq.map_or(NONE, i64::from));
        }
        read
    }

    fn sample(&self) -> Option<Sample<'_>> {
        let columns = Columns {
            rtt: &self.rtt,
            status: Some(&self.status),
            seq: Some(&self.seq),
            user_rtt: Some(&self.user_rtt),
            copies: Some(&self.copies),
            sent_wall: Some(&self.sent_wall),
            server_recv: Some(&self.server_recv),
            server_sent: Some(&self.server_sent),
            server_seq: Some(&self.server_seq),
            ..Columns::default()
        };
        Sample::new(columns).ok()
    }
}
