//! Writes and reads pings, replies and heartbeats as bytes. A protocol of pings is a [`Codec`]; [`TextLine`] is the one
//! of the course.

mod dialects;
pub mod heartbeat;
mod mac;
mod pieces;
mod protocol;
pub mod stamp;
pub mod template;
mod text_line;
pub mod timed_line;
mod wall_time;

use std::fmt::Debug;

pub use mac::Secret;
pub use protocol::Protocol;
pub use text_line::TextLine;
pub use timed_line::TimedLine;

use super::time_source::TimeSource;
use super::{Nanos, SECOND};

/// The longest UDP payload over IPv4: 65,535 less 20 bytes of IP and 8 of UDP header.
pub const MAX_PAYLOAD: usize = 65_507;

/// A protocol of pings, as their sender needs it: how to write a ping and read its reply.
pub trait Codec: Debug + Send + Sync {
    /// Appends the ping `seq`, sent at `wall_ns` since 1970, to `out`; with `size`, padded to so many bytes.
    fn write(&self, seq: u64, wall_ns: i64, size: Option<usize>, out: &mut Vec<u8>);

    /// The most bytes that a ping with a number up to `last_seq` needs, unpadded.
    fn longest(&self, last_seq: u64) -> usize;

    /// Reads a reply, which may be any bytes.
    fn read(&self, reply: &[u8]) -> Reading;

    /// Reads the number of a ping that an ICMP error quotes, perhaps cut short.
    fn read_quoted(&self, ping: &[u8]) -> Option<Seq>;

    /// Whether a reply or a quoted ping carries what identifies the ping `seq` beside its number.
    fn identifies(&self, bytes: &[u8], seq: u64, wall_ns: i64) -> bool;

    /// Whether every reply carries what identifies its ping: then nothing else is a reply.
    fn is_strict(&self) -> bool {
        false
    }

    /// Whether its pings ask when the reply before left.
    fn follows_up(&self) -> bool {
        false
    }

    /// Whether a reply is the ping `seq` sent back whole, as it was or in capitals; its padding may be missing.
    fn echoes(&self, reply: &[u8], seq: u64, wall_ns: i64) -> bool {
        is_echo(self, reply, seq, wall_ns)
    }
}

fn is_echo<C: Codec + ?Sized>(codec: &C, reply: &[u8], seq: u64, wall_ns: i64) -> bool {
    let mut ping = Vec::new();
    codec.write(seq, wall_ns, None, &mut ping);
    let Some((text, padding)) = reply.split_at_checked(ping.len()) else { return false };
    let upper = || text.iter().zip(&ping).all(|(one, sent)| *one == sent.to_ascii_uppercase());
    padding.iter().all(|byte| *byte == b' ') && (text == ping || upper())
}

/// What a [`Codec`] reads in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// The number of the ping.
    pub seq: Option<Seq>,
    /// The server's times.
    pub server: ServerTimes,
    /// What the server had received when it sent the reply, if it tells.
    pub window: Option<Window>,
    /// When it sent an earlier reply, if that was asked for and it tells.
    pub previous: Option<Previous>,
}

/// A reply that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    /// Its number, of those that its server counts.
    pub seq: u32,
    /// When it left, in nanoseconds since 1970 by the server's clock.
    pub sent: i64,
}

/// The pings of a run that a server had received when it sent a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Since when the server counts for this run, by its clock: another value means that it has begun anew.
    pub session: i64,
    /// Replies that it sent before this one.
    pub counter: u32,
    /// Different pings, without those that came too late for the window.
    pub unique: u32,
    /// The low half of the highest number among them.
    pub highest: u32,
    /// Bit k: the ping with the number `highest` - k was among them.
    pub bits: u64,
    /// Pings that came too late for the window, perhaps again.
    pub late: u32,
    /// The low halves of the numbers of the latest of these, the newest first.
    pub latest_late: [u32; LATEST_LATE],
}

/// How many pings that came too late for a window are told by number.
pub const LATEST_LATE: usize = 3;

/// The most time from the writing of a reply to its sending. A server that has begun anew within a round trip may tell of
/// another reply with the same number, but it takes longer to begin.
const LONGEST_SEND: Nanos = SECOND / 10;

/// When a server received a ping and sent its reply, by its own clock, in nanoseconds since 1970, and which reply it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerTimes {
    /// When it received the ping.
    pub received: Option<i64>,
    /// When it sent the reply.
    pub sent: Option<i64>,
    /// The number of the reply: a server that counts has sent so many before it.
    pub seq: Option<u32>,
    /// Which clocks the two times are from, where it tells.
    pub stamp: Option<TimeSource>,
}

impl ServerTimes {
    /// What the path took of a round trip: it less the time that the server had the ping, by the server's own clock.
    /// `None` where the server has not told, or its clock was set meanwhile.
    pub fn path(self, rtt: Nanos) -> Option<Nanos> {
        let hold = self.sent?.checked_sub(self.received?)?;
        (0..=rtt).contains(&hold).then(|| rtt - hold)
    }

    /// The same with the time at which the server's kernel sent the reply. `None` where that says nothing more than what the
    /// server has told, cannot be within a round trip of `rtt`, or is of another reply.
    pub fn sent_by_kernel(self, sent: i64, rtt: Nanos) -> Option<Self> {
        let is_later = (1..=LONGEST_SEND).contains(&sent.checked_sub(self.sent?)?);
        let stamp = match self.stamp {
            Some(TimeSource::KernelRx) => TimeSource::Kernel,
            _ => TimeSource::KernelTx,
        };
        let later = Self { sent: Some(sent), stamp: Some(stamp), ..self };
        (is_later && later.path(rtt).is_some()).then_some(later)
    }
}

/// A sequence number as an answer carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seq {
    /// Written out in full.
    Whole(u64),
    /// The low 32 bits only: a binary answer, which wraps around.
    Low32(u32),
}

impl Seq {
    /// The full number, taking a wrapped one as the value nearest to `latest` (serial arithmetic, RFC 1982).
    pub fn near(self, latest: u64) -> Option<u64> {
        match self {
            Self::Whole(seq) => Some(seq),
            Self::Low32(low) => {
                #[expect(clippy::cast_possible_truncation, reason = "the low half is what travels")]
                let ahead = low.wrapping_sub(latest as u32).cast_signed();
                latest.checked_add_signed(i64::from(ahead))
            }
        }
    }
}

/// Nanoseconds as CPython's `time.time()` makes seconds of them, to the last bit; for a time since 1970 good to half a
/// microsecond.
pub fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// The sequence number in a request or an answer, if one can be read, also where only heartbeats have it.
pub fn read_seq(datagram: &[u8]) -> Option<u64> {
    heartbeat::binary_number(datagram).or_else(|| match dialects::parse_seq(datagram) {
        Some(Seq::Whole(seq)) => Some(seq),
        Some(Seq::Low32(low)) => Some(u64::from(low)),
        None => heartbeat::field_number(datagram),
    })
}

/// The sender's time in a request, in seconds since 1970: a number in any unit or a date, wherever a heartbeat may have
/// it. A date without a zone is taken as `utc_offset` nanoseconds ahead of UTC. A number too small for a time is
/// not read.
pub fn read_time(datagram: &[u8], utc_offset: Nanos) -> Option<f64> {
    let wall_time = heartbeat::sent_at(datagram)?.in_zone(utc_offset);
    wall_time.is_certain().then_some(wall_time)?.seconds()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(datagram: &[u8]) -> Option<f64> {
        read_time(datagram, 0)
    }

    #[test]
    fn a_wrapped_number_is_the_nearest() {
        let wrap = 1 << 32;
        assert_eq!(Seq::Low32(0).near(wrap - 1), Some(wrap));
        assert_eq!(Seq::Low32(u32::MAX).near(wrap + 3), Some(wrap - 1));
        assert_eq!(Seq::Low32(5).near(3), Some(5));
        assert_eq!(Seq::Whole(7).near(wrap), Some(7));
    }

    #[test]
    fn the_path_is_what_the_server_has_not_held() {
        let path = |received, sent, rtt| ServerTimes { received, sent, ..ServerTimes::default() }.path(rtt);
        assert_eq!((path(Some(5), Some(9), 10), path(Some(5), Some(5), 10)), (Some(6), Some(10)));
        assert_eq!((path(Some(5), Some(15), 10), path(Some(5), Some(16), 10)), (Some(0), None));
        assert_eq!(
            (path(Some(9), Some(5), 10), path(None, Some(5), 10), path(Some(5), None, 10)),
            (None, None, None)
        );
        assert_eq!(path(Some(i64::MIN), Some(i64::MAX), 10), None);
        assert_eq!(path(Some(5), Some(9), i64::MIN), None);
    }

    #[test]
    fn times_are_read_in_any_unit() {
        assert_eq!(time(b"Ping 1 1700000000.25"), Some(1_700_000_000.25));
        assert_eq!(time(b"1 1700000000250"), Some(1_700_000_000.25));
        assert_eq!(time(b"123456789 1700000000.25"), Some(1_700_000_000.25));
        assert_eq!(time(b"Ping 1 1700000000.25 \xff"), Some(1_700_000_000.25));
        assert_eq!(time(&[&b"Ping 1 1700000000.25"[..], &[b'x'; 9_000]].concat()), None);
        assert_eq!(time(&[&b"Ping 1 1700000000.25 "[..], &[b'x'; 9_000]].concat()), Some(1_700_000_000.25));
        assert_eq!(time(b"Ping 1 nan inf 1_7e9"), None);
        assert_eq!(time(b"Ping 1 0.5"), None);
    }

    #[test]
    fn dates_are_times_too() {
        for date in ["Tue Nov 14 22:13:20 2023", "2023-11-14 22:13:20", "2023-11-14T23:13:20+01:00"] {
            assert_eq!(time(format!("Ping 1 {date}").as_bytes()), Some(1_700_000_000.0), "{date}");
        }
        assert_eq!(time(b"Ping 1 10:11:12"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (read_seq(&bytes), time(&bytes));
        }
    }
}
