//! A row as bytes, for a temporary file that only this process reads.

use super::{Match, Reply, Row, Source, Status, TimeSource};
use crate::logic::codec::ServerTimes;

impl Row {
    /// Appends the row; [`Row::restore`] reads it.
    pub fn store(&self, out: &mut Vec<u8>) {
        out.extend(self.seq.to_le_bytes());
        for time in [self.due, self.sent, self.sent_wall, self.rtt, self.user_rtt] {
            out.extend(time.to_le_bytes());
        }
        out.push(self.status as u8);
        out.extend(self.copies.to_le_bytes());
        store_bytes(self.source.map(|source| source.to_string()).unwrap_or_default().as_bytes(), out);
        store_some(self.ttl.map(|ttl| [ttl]), out);
        store_some(self.reply.as_ref().map(|reply| [reply.stamp as u8, reply.matched as u8]), out);
        if let Some(reply) = &self.reply {
            out.extend(reply.bytes.to_le_bytes());
            store_bytes(&reply.text, out);
        }
        store_some(self.server.received.map(i64::to_le_bytes), out);
        store_some(self.server.sent.map(i64::to_le_bytes), out);
        store_some(self.server.seq.map(u32::to_le_bytes), out);
        store_some(self.server.stamp.map(|stamp| [stamp as u8]), out);
        store_some(self.arrival.map(u64::to_le_bytes), out);
    }

    /// Takes the first row off `bytes`; `None` if no whole row is there.
    pub fn restore(bytes: &mut &[u8]) -> Option<Self> {
        restore(bytes).ok()
    }
}

/// The bytes end within a row, or are none of a row.
struct Unreadable;

fn restore(bytes: &mut &[u8]) -> Result<Row, Unreadable> {
    let seq = u64::from_le_bytes(take(bytes)?);
    let mut time = || take(bytes).map(i64::from_le_bytes);
    let (due, sent, sent_wall, rtt, user_rtt) = (time()?, time()?, time()?, time()?, time()?);
    let [status] = take(bytes)?;
    let copies = u32::from_le_bytes(take(bytes)?);
    let source = match str::from_utf8(take_bytes(bytes)?).map_err(|_| Unreadable)? {
        "" => None,
        text => {
            let source = text.parse().map(Source::Peer).or_else(|_| text.parse().map(Source::Router));
            Some(source.map_err(|_| Unreadable)?)
        }
    };
    let ttl = take_some(bytes)?.map(|[ttl]| ttl);
    let reply = match take_some(bytes)? {
        None => None,
        Some([stamp, matched]) => Some(Reply {
            bytes: u32::from_le_bytes(take(bytes)?),
            stamp: TimeSource::from_code(stamp),
            matched: Match::from_code(matched),
            text: take_bytes(bytes)?.into(),
        }),
    };
    let server = ServerTimes {
        received: take_some(bytes)?.map(i64::from_le_bytes),
        sent: take_some(bytes)?.map(i64::from_le_bytes),
        seq: take_some(bytes)?.map(u32::from_le_bytes),
        stamp: take_some(bytes)?.map(|[stamp]| TimeSource::from_code(stamp)),
    };
    let arrival = take_some(bytes)?.map(u64::from_le_bytes);
    let status = Status::from_code(status);
    Ok(Row { seq, due, sent, sent_wall, rtt, user_rtt, status, copies, source, ttl, reply, server, arrival })
}

fn store_some<const N: usize>(value: Option<[u8; N]>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    out.extend(value.into_iter().flatten());
}

fn take_some<const N: usize>(bytes: &mut &[u8]) -> Result<Option<[u8; N]>, Unreadable> {
    match take(bytes)? {
        [0] => Ok(None),
        _ => take(bytes).map(Some),
    }
}

/// No text of a row is longer than [`super::KEPT_REPLY`].
fn store_bytes(text: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_le_bytes());
    out.extend(&text[..usize::from(length)]);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Unreadable> {
    let length = u16::from_le_bytes(take(bytes)?);
    bytes.split_off(..usize::from(length)).ok_or(Unreadable)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Unreadable> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Unreadable)?;
    *bytes = rest;
    Ok(*first)
}
