//! Decides again on the datagrams of a log.

use std::net::SocketAddr;

use super::arriving::Arriving;
use super::log::{Log, Row};
use crate::logic::link::{Fate, Link, LinkPlan, Packet};
use crate::logic::{Invalid, Nanos};

/// A datagram of a log: all on which a decision on it depends.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When it arrived, on the monotonic clock.
    pub recv_ns: Nanos,
    /// When it arrived, since 1970.
    pub wall_ns: i64,
    /// The client's index.
    pub client: u32,
    /// The number of the datagram in its stream, from 1.
    pub number: u64,
    /// The client's address and port.
    pub source: SocketAddr,
    /// The sequence number that was read in it.
    pub seq: Option<u64>,
    /// Its length.
    pub bytes: u16,
    /// That of its reply.
    pub reply_bytes: Option<u16>,
    /// Whether the server refused it, as too many replies waited.
    pub is_refused: bool,
}

/// The log of a server with this link that hears the datagrams of a log. Their order is that in which they arrived, or, as in a
/// file, that in which they were decided on; the rows have the same one.
///
/// # Errors
/// Datagrams are missing.
pub fn replay(link: LinkPlan, log: &[Heard]) -> Result<Log, Invalid> {
    for (name, way) in [("up", &link.up), ("down", &link.down)] {
        if way.matching.is_some() {
            return Err(Invalid::new(name, way, "a link without match: a log does not have the bytes"));
        }
    }
    let (mut link, mut arriving, mut decided) = (Link::new(link), Arriving::new(), Log::new(usize::MAX));
    let mut order: Vec<_> = (0..log.len()).collect();
    order.sort_by_key(|at| (log[*at].recv_ns, log[*at].number, log[*at].client));
    let mut rows: Vec<Option<Row>> = vec![None; log.len()];
    let settle = |link: &mut Link, arriving: &mut Arriving<usize>, rows: &mut Vec<Option<Row>>, now| {
        while let Some((_, at, last)) = arriving.settle(link, now) {
            rows[at] = last.map(|last| last.row).or(rows[at]);
        }
    };
    for at in order {
        let heard = &log[at];
        settle(&mut link, &mut arriving, &mut rows, heard.recv_ns);
        let fate = heard.decide(&mut link);
        if fate.number != heard.number {
            let expected = format!("a whole log: the datagram of {} before that is missing", heard.source);
            return Err(Invalid::new("number", heard.number, expected));
        }
        let row = heard.row(&fate);
        rows[at] = Some(row);
        let len = fate.down.length(heard.reply_bytes.unwrap_or(0).into());
        arriving.hold(heard.source, &fate, row, None, None, |_| (len, at));
    }
    settle(&mut link, &mut arriving, &mut rows, Nanos::MAX);
    for row in rows.into_iter().flatten() {
        decided.add(|| row);
    }
    Ok(decided)
}

impl Heard {
    fn decide(&self, link: &mut Link) -> Fate {
        let request = Packet { at: self.recv_ns, len: self.bytes.into() };
        let mut client = link.client(self.source);
        if self.is_refused {
            client.refuse(request)
        } else {
            client.round_trip_with(request, |_, _| self.reply_bytes.unwrap_or(0).into())
        }
    }

    fn row(&self, fate: &Fate) -> Row {
        let row = Row::of(self.recv_ns, self.wall_ns, self.source, &[], fate, None);
        let reply_bytes = self.reply_bytes.filter(|_| row.has_reply());
        Row { seq: self.seq, bytes: self.bytes, reply_bytes, ..row }
    }
}
