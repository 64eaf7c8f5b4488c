//! A link that sends so many bits a second, with a queue in front of it that drops what finds no room.
//!
//! A datagram leaves the queue when its last bit is sent. Its length is that of the IP packet: payload and headers.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use crate::logic::text::Decimal;
use crate::logic::{Invalid, Nanos, SECOND};

/// Bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u64);

/// What a queue holds, the datagram that is being sent included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// So many bytes; of the datagram that is being sent those that are not sent yet.
    Bytes(u64),
    /// So many datagrams.
    Packets(usize),
}

/// The datagrams that are not sent yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// When the last bit is sent, in nanoseconds times the rate: no rounding adds up.
    end: i128,
    /// That rate; 0 before the first datagram.
    rate: u64,
    /// When each datagram leaves, where they are counted.
    leave: VecDeque<Nanos>,
}

const SLOWEST: u64 = 1_000;
const FASTEST: u64 = 100_000_000_000;
const MOST_BYTES: u64 = 64 << 20;
const MOST_PACKETS: usize = 1_000;

impl Rate {
    /// When a datagram leaves that comes at `at`, which is not before the last one; `None` if it finds no room.
    pub(super) fn leaves(self, queue: Queue, at: Nanos, len: usize, backlog: &mut Backlog) -> Option<Nanos> {
        let (rate, second) = (i128::from(self.0), i128::from(SECOND));
        if backlog.rate != self.0 {
            (backlog.end, backlog.rate) = (i128::from(backlog.ends()) * rate, self.0);
        }
        let now = i128::from(at) * rate;
        let bits = 8 * len as i128 * second;
        let end = backlog.end.max(now) + bits;
        match queue {
            Queue::Bytes(most) if end - now > 8 * i128::from(most) * second => return None,
            Queue::Bytes(_) => {}
            Queue::Packets(most) => {
                while backlog.leave.front().is_some_and(|leave| *leave <= at) {
                    backlog.leave.pop_front();
                }
                if backlog.leave.len() >= most {
                    return None;
                }
            }
        }
        backlog.end = end;
        let leave = backlog.ends();
        if matches!(queue, Queue::Packets(_)) {
            backlog.leave.push_back(leave);
        }
        Some(leave)
    }

    /// A rate between this one and another, so many parts of the whole on the way.
    pub(super) fn towards(self, other: Self, part: Nanos, whole: Nanos) -> Self {
        let [from, to, part, whole] = [i128::from(self.0), i128::from(other.0), part.into(), whole.into()];
        Self(u64::try_from(from + (to - from) * part / whole).unwrap_or(self.0))
    }
}

impl Backlog {
    /// When all that waits is sent.
    pub(super) fn ends(&self) -> Nanos {
        let rate = i128::from(self.rate.max(1));
        Nanos::try_from((self.end + rate - 1) / rate).unwrap_or(Nanos::MAX)
    }
}

impl Backlog {
    /// Forgets the datagrams that have left.
    pub(super) fn forget(&mut self, now: Nanos) {
        let left = self.leave.partition_point(|leave| *leave <= now);
        self.leave.drain(..left);
        self.leave.shrink_to_fit();
    }

    /// Datagrams that there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.leave.capacity()
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::Bytes(64 << 10)
    }
}

/// A number in one of the units, if it is a whole one then.
fn whole(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, size) = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
    let Decimal { negative: false, digits, exponent } = number.trim_end().parse().ok()? else { return None };
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    let all = digits.checked_mul(u128::from(*size))?;
    let value =
        if exponent < 0 { (all % power == 0).then_some(all / power)? } else { all.checked_mul(power)? };
    u64::try_from(value).ok()
}

/// A whole number in the largest of the units that leaves none over, the last one being 1.
fn in_units(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    match units.iter().find(|(_, size)| value.is_multiple_of(*size)) {
        Some((unit, size)) => write!(f, "{}{unit}", value / size),
        None => write!(f, "{value}"),
    }
}

const RATES: [(&str, u64); 4] =
    [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1_000), ("bit/s", 1)];
const SIZES: [(&str, u64); 5] =
    [("MiB", 1 << 20), ("KiB", 1 << 10), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

impl FromStr for Rate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        whole(text, &RATES).filter(|rate| (SLOWEST..=FASTEST).contains(rate)).map(Self).ok_or_else(|| {
            let expected = "1kbit/s to 100Gbit/s, with its unit: bit/s, kbit/s, Mbit/s or Gbit/s";
            Invalid::quoted("rate", text, expected)
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_units(f, self.0, &RATES)
    }
}

impl FromStr for Queue {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bytes =
            || Some(Self::Bytes(whole(text, &SIZES).filter(|bytes| (1..=MOST_BYTES).contains(bytes))?));
        let packets = || {
            Some(Self::Packets(text.trim().parse().ok().filter(|most| (1..=MOST_PACKETS).contains(most))?))
        };
        bytes().or_else(packets).ok_or_else(|| {
            let expected = "bytes with their unit (B, kB, KiB, MB, MiB), 1B to 64MiB, or a number of datagrams, 1 to 1000";
            Invalid::quoted("queue", text, expected)
        })
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => in_units(f, *bytes, &SIZES),
            Self::Packets(packets) => write!(f, "{packets}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When datagrams of `len` bytes leave that come at these milliseconds.
    fn leave(queue: &str, len: usize, at: &[Nanos]) -> Vec<Option<Nanos>> {
        let (rate, queue): (Rate, Queue) = ("1Mbit/s".parse().unwrap(), queue.parse().unwrap());
        let mut backlog = Backlog::default();
        let leaves = at.iter().map(|at| rate.leaves(queue, at * 1_000_000, len, &mut backlog));
        leaves.map(|at| at.map(|at| at / 1_000_000)).collect()
    }

    #[test]
    fn each_waits_for_those_before_it() {
        // 1,000 bytes take 8 ms.
        assert_eq!(leave("1MB", 1_000, &[0, 0, 3, 50]), [Some(8), Some(16), Some(24), Some(58)]);
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_takes_no_time() {
        let at = [0, 0, 0, 7, 8, 9, 40];
        let expected = [Some(8), Some(16), None, None, Some(24), None, Some(48)];
        assert_eq!(leave("2", 1_000, &at), expected);
        assert_eq!(leave("2000B", 1_000, &at), expected);
        assert_eq!(leave("999B", 1_000, &[0, 99]), [None, None], "one that is longer than the queue");
    }

    #[test]
    fn no_rounding_adds_up() {
        let (rate, queue) = (Rate(3_000_000_007), Queue::Bytes(MOST_BYTES));
        let mut backlog = Backlog::default();
        let last = (0..1_000).filter_map(|_| rate.leaves(queue, 5, 999, &mut backlog)).last();
        assert_eq!(last, Some(5 + (8_u64 * 999_000 * 1_000_000_000).div_ceil(3_000_000_007).cast_signed()));
    }

    #[test]
    fn a_full_queue_sends_at_the_rate_and_delays_by_what_it_holds() {
        // 2,000 datagrams of 1,000 bytes, twice as fast as they can be sent, through a queue of 20.
        let at: Vec<_> = (0..2_000).map(|number| 4 * number).collect();
        let leaves = leave("20", 1_000, &at);
        let passed: Vec<_> =
            leaves.iter().zip(&at).filter_map(|(leave, at)| Some(((*leave)?, *at))).collect();
        let (end, _) = passed[passed.len() - 1];
        assert_eq!(8 * passed.len(), usize::try_from(end).unwrap(), "never idle");
        assert!(passed[100..].iter().all(|(leave, at)| (153..=160).contains(&(leave - at))));
    }

    #[test]
    fn texts_read_back() {
        for text in ["1Mbit/s", "1500kbit/s", "1001bit/s", "100Gbit/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("1.5 Mbit/s".parse::<Rate>().unwrap().to_string(), "1500kbit/s");
        for text in ["64KiB", "1500B", "1MB", "100", "1"] {
            assert_eq!(text.parse::<Queue>().unwrap().to_string(), text);
        }
        for text in ["1", "1Mbps", "999bit/s", "101Gbit/s", "-1Mbit/s", "", "1.0001kbit/s", "NaNbit/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["0", "0B", "1001", "65MiB", "1.5B", "-1", "", "9e99MiB"] {
            assert!(text.parse::<Queue>().is_err(), "{text}");
        }
    }
}
