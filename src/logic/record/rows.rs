//! The rows of one target, in chunks of columns that are never moved. A clone shares the chunks, so that a table of a run in
//! progress costs little; the run copies a shared chunk before it writes to it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{KEPT_REPLY, Match, NONE, Reply, Row, Source, Status, TimeSource};
use crate::logic::Nanos;
use crate::logic::codec::{ServerTimes, Window};

/// The rows of one target, oldest first. Row `i` has sequence number `first_seq + i`.
#[derive(Debug, Clone)]
pub struct Rows {
    first_seq: u64,
    /// Rows of a full chunk.
    chunk: usize,
    len: usize,
    /// How many replies came, also to rows that are gone.
    replies: u64,
    /// All but the last are full.
    chunks: VecDeque<Arc<Chunk>>,
    sources: Vec<Source>,
}

/// Defines a chunk of columns, each with its value for a new row.
macro_rules! chunk {
    (
        |$due:ident, $sent:ident, $sent_wall:ident|
        $($(#[$doc:meta])* $column:ident: $kind:ty = $first:expr,)+
    ) => {
        /// Rows that follow each other: columns of one length.
        #[derive(Debug, Clone, Default)]
        pub struct Chunk {
            $($(#[$doc])* pub $column: Vec<$kind>,)+
            /// Beginnings of the replies, one after the other in the order of arrival.
            pub text: Vec<u8>,
            /// The server's times and numbers, up to the last row that has one: text lines carry none.
            server: Vec<ServerTimes>,
            /// Which pings the server had received, likewise.
            windows: Vec<Option<Window>>,
        }

        impl Chunk {
            /// An empty chunk with the capacity that another needed, so that it does not have to grow.
            fn with_room_of(other: &Self) -> Self {
                Self {
                    $($column: Vec::with_capacity(other.len()),)+
                    text: Vec::with_capacity(other.text.len()),
                    server: Vec::with_capacity(other.server.len()),
                    windows: Vec::with_capacity(other.windows.len()),
                }
            }

            fn bytes_held(&self) -> usize {
                self.text.capacity()
                    + self.server.capacity() * size_of::<ServerTimes>()
                    + self.windows.capacity() * size_of::<Option<Window>>()
                    $(+ self.$column.capacity() * size_of::<$kind>())+
            }

            fn push(&mut self, $due: Nanos, $sent: Nanos, $sent_wall: i64) {
                $(self.$column.push($first);)+
            }
        }
    };
}

chunk! {
    |due, sent, sent_wall|
    /// When each ping was due.
    due: Nanos = due,
    /// When each was sent.
    sent: Nanos = sent,
    /// The same, nanoseconds since 1970.
    sent_wall: i64 = sent_wall,
    /// When the kernel sent each, nanoseconds since 1970.
    sent_timestamp: i64 = NONE,
    /// Round-trip times by the best two times.
    rtt: Nanos = NONE,
    /// Round-trip times by this program's own.
    user_rtt: Nanos = NONE,
    /// [`Status`] codes.
    status: u8 = if sent == NONE { Status::Error } else { Status::Open } as u8,
    /// Datagrams credited.
    copies: u32 = 0,
    /// Index into [`Rows::sources`], or [`Rows::NO_SOURCE`].
    source: u32 = Rows::NO_SOURCE,
    /// Hops left; 0 where unknown (no datagram arrives with 0).
    ttl: u8 = 0,
    /// Length of the reply.
    bytes: u32 = 0,
    /// [`TimeSource`] codes; valid where `copies` is not 0.
    stamp: u8 = 0,
    /// [`Match`] codes; valid where `copies` is not 0.
    matched: u8 = 0,
    /// Where in `text` each reply begins; valid where `copies` is not 0.
    text_start: u32 = 0,
    /// The places of the replies in the order in which they came, from 1; 0 without a reply.
    arrival: u64 = 0,
}

impl Chunk {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether a reply came for a row.
    pub fn has_reply(&self, at: usize) -> bool {
        self.copies[at] != 0
    }

    /// When the server received a ping and sent its reply, and the number of that.
    pub fn server_times(&self, at: usize) -> ServerTimes {
        self.server.get(at).copied().unwrap_or_default()
    }

    /// Whether a server told of any of its rows which pings it had received.
    pub fn has_windows(&self) -> bool {
        !self.windows.is_empty()
    }

    /// Which pings the server had received when it sent the reply to one.
    pub fn window(&self, at: usize) -> Option<Window> {
        self.windows.get(at).copied().flatten()
    }

    /// One of the two times for some rows, [`NONE`] where it is unknown; `None` if no row has any.
    pub fn server_column(
        &self,
        places: &[usize],
        time: fn(ServerTimes) -> Option<i64>,
    ) -> Option<Vec<Nanos>> {
        let times = || places.iter().map(|at| time(self.server_times(*at)).unwrap_or(NONE)).collect();
        (!self.server.is_empty()).then(times)
    }

    /// The server's numbers of the replies of some rows; `None` if no row has any.
    pub fn server_seqs(&self, places: &[usize]) -> Option<Vec<Option<u32>>> {
        let seqs = || places.iter().map(|at| self.server_times(*at).seq).collect();
        (!self.server.is_empty()).then(seqs)
    }

    /// Whether a server told anything with a reply to any of its rows.
    pub fn has_server_times(&self) -> bool {
        !self.server.is_empty()
    }

    /// What the path took of the round trips of some rows, [`NONE`] where it is unknown; `None` if no row has any.
    pub fn path_column(&self, places: &[usize]) -> Option<Vec<Nanos>> {
        let paths =
            || places.iter().map(|at| self.server_times(*at).path(self.rtt[*at]).unwrap_or(NONE)).collect();
        (!self.server.is_empty()).then(paths)
    }

    /// Where in `text` the reply of a row is; an empty place if it has none.
    pub fn reply(&self, at: usize) -> std::ops::Range<usize> {
        let start = self.text_start[at] as usize;
        let kept = if self.has_reply(at) { KEPT_REPLY.min(self.bytes[at] as usize) } else { 0 };
        start..start + kept
    }
}

impl Rows {
    /// The value of `source` without a reply or an ICMP error.
    pub const NO_SOURCE: u32 = u32::MAX;
    /// The most rows of a chunk: one is copied in less than a millisecond, which delays no ping for longer.
    pub const CHUNK: usize = 16_384;
    /// The most sources of a run: its target and the routers on the path. Later ones are left out of the column.
    const MOST_SOURCES: usize = 1_024;

    /// No rows yet; the first will be `first_seq`.
    pub fn new(first_seq: u64) -> Self {
        Self::in_chunks(first_seq, Self::CHUNK)
    }

    /// The same in chunks of `chunk` rows. Whole chunks are dropped, so a run that keeps few rows needs short ones.
    #[must_use]
    pub fn in_chunks(first_seq: u64, chunk: usize) -> Self {
        Self {
            first_seq,
            chunk: chunk.clamp(1, Self::CHUNK),
            len: 0,
            replies: 0,
            chunks: VecDeque::new(),
            sources: Vec::new(),
        }
    }

    /// Rows of a full chunk.
    #[must_use]
    pub fn chunk_size(&self) -> usize {
        self.chunk
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sequence number of the first row that is kept.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The row of `seq`, while it is kept.
    pub fn index(&self, seq: u64) -> Option<usize> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        (index < self.len).then_some(index)
    }

    /// The sequence number of a row.
    pub fn seq(&self, index: usize) -> u64 {
        self.first_seq + index as u64
    }

    /// The chunks, oldest first; all but the last are of [`Rows::chunk_size`] rows.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = &Arc<Chunk>> {
        self.chunks.iter()
    }

    /// The chunk of a row, and its place there.
    pub fn place(&self, index: usize) -> (&Chunk, usize) {
        (&self.chunks[index / self.chunk], index % self.chunk)
    }

    /// The same, to write to.
    pub fn place_mut(&mut self, index: usize) -> (&mut Chunk, usize) {
        (Arc::make_mut(&mut self.chunks[index / self.chunk]), index % self.chunk)
    }

    /// Bytes that the next row takes beside those that are there: a chunk, if the last is full.
    pub(in crate::logic) fn bytes_of_next(&self) -> usize {
        self.chunks.back().filter(|_| self.is_full()).map_or(0, |chunk| chunk.bytes_held())
    }

    /// Whether the next row begins a chunk.
    pub fn is_full(&self) -> bool {
        self.len == self.chunks.len() * self.chunk
    }

    /// A new row, in flight (or [`Status::Error`] if `sent` is [`NONE`]).
    pub fn push(&mut self, due: Nanos, sent: Nanos, sent_wall: i64) {
        if self.is_full() {
            let chunk = self.chunks.back().map_or_else(Chunk::default, |last| Chunk::with_room_of(last));
            self.chunks.push_back(Arc::new(chunk));
        }
        self.len += 1;
        self.place_mut(self.len - 1).0.push(due, sent, sent_wall);
    }

    /// Records the first reply to a ping.
    pub fn set_reply(&mut self, index: usize, source: Source, matched: Match, ttl: Option<u8>, reply: &[u8]) {
        self.set_source(index, source);
        self.replies += 1;
        let place = self.replies;
        let (chunk, at) = self.place_mut(index);
        chunk.arrival[at] = place;
        chunk.matched[at] = matched as u8;
        chunk.ttl[at] = ttl.unwrap_or(0);
        chunk.bytes[at] = u32::try_from(reply.len()).unwrap_or(u32::MAX);
        chunk.text_start[at] = u32::try_from(chunk.text.len()).unwrap_or(u32::MAX);
        chunk.text.extend_from_slice(&reply[..reply.len().min(KEPT_REPLY)]);
    }

    /// Records the server's times, if its reply has any.
    pub fn set_server_times(&mut self, index: usize, times: ServerTimes) {
        if times != ServerTimes::default() {
            let (chunk, at) = self.place_mut(index);
            chunk.server.resize(chunk.server.len().max(at + 1), ServerTimes::default());
            chunk.server[at] = times;
        }
    }

    /// Records which pings the server had received.
    pub fn set_window(&mut self, index: usize, window: Window) {
        let (chunk, at) = self.place_mut(index);
        chunk.windows.resize(chunk.windows.len().max(at + 1), None);
        chunk.windows[at] = Some(window);
    }

    /// Records the source of a reply or an ICMP error.
    pub fn set_source(&mut self, index: usize, source: Source) {
        let place = self.sources.iter().position(|known| *known == source).or_else(|| {
            (self.sources.len() < Self::MOST_SOURCES).then(|| {
                self.sources.push(source);
                self.sources.len() - 1
            })
        });
        let (chunk, at) = self.place_mut(index);
        chunk.source[at] = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(Self::NO_SOURCE);
    }

    /// The senders that `source` is an index of.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The status of a row.
    pub fn status(&self, index: usize) -> Status {
        let (chunk, at) = self.place(index);
        Status::from_code(chunk.status[at])
    }

    /// Which clocks the times of a row are from; valid where `copies` is not 0.
    pub fn time_source(&self, index: usize) -> TimeSource {
        let (chunk, at) = self.place(index);
        TimeSource::from_code(chunk.stamp[at])
    }

    /// One row, from all columns.
    pub fn get(&self, index: usize) -> Row {
        let (chunk, at) = self.place(index);
        Row {
            seq: self.seq(index),
            due: chunk.due[at],
            sent: chunk.sent[at],
            sent_wall: chunk.sent_wall[at],
            rtt: chunk.rtt[at],
            user_rtt: chunk.user_rtt[at],
            status: self.status(index),
            copies: chunk.copies[at],
            source: self.sources.get(chunk.source[at] as usize).copied(),
            ttl: (chunk.ttl[at] != 0).then_some(chunk.ttl[at]),
            reply: chunk.has_reply(at).then(|| Reply {
                bytes: chunk.bytes[at],
                stamp: self.time_source(index),
                matched: Match::from_code(chunk.matched[at]),
                text: chunk.text[chunk.reply(at)].into(),
            }),
            server: chunk.server_times(at),
            arrival: chunk.has_reply(at).then_some(chunk.arrival[at]),
        }
    }

    /// The round trips of replies in time.
    pub fn round_trips(&self) -> impl Iterator<Item = Nanos> {
        let in_time = Status::Reply as u8;
        self.chunks.iter().flat_map(move |chunk| {
            let each = chunk.rtt.iter().zip(&chunk.status);
            each.filter(move |(_, status)| **status == in_time).map(|(rtt, _)| *rtt)
        })
    }

    /// The latest `count` rows at least: a clone without the chunks before them.
    #[must_use]
    pub fn latest(&self, count: usize) -> Self {
        let skipped = self.len.saturating_sub(count).div_euclid(self.chunk);
        // Without rows no chunk is shared, as a shared one is copied when it is written to.
        let skipped = if count == 0 { self.chunks.len() } else { skipped };
        let rows = self.len.min(skipped * self.chunk);
        Self {
            first_seq: self.seq(rows),
            chunk: self.chunk,
            len: self.len - rows,
            replies: self.replies,
            chunks: self.chunks.iter().skip(skipped).cloned().collect(),
            sources: self.sources.clone(),
        }
    }

    /// Bytes that the chunks hold.
    pub fn bytes_held(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes_held()).sum()
    }

    /// Drops the oldest `count` rows, or fewer: whole chunks, so that no row is moved.
    pub fn drop_front(&mut self, count: usize) {
        let chunks = count.min(self.len) / self.chunk;
        self.chunks.drain(..chunks);
        self.first_seq += (chunks * self.chunk) as u64;
        self.len -= chunks * self.chunk;
    }
}
