//! The timestamps of a test packet, and how wrong they may be.

use crate::logic::words::words;
use crate::logic::{Nanos, SECOND};

words! {
    /// The format of timestamps.
    TimeFormat {
        /// Seconds since 1900, and a fraction of 2^-32 s: NTP (RFC 5905).
        Ntp = "ntp",
        /// Seconds since 1970, and nanoseconds: truncated PTP (RFC 8877). Seconds are those of UTC, as in every
        /// implementation known, though PTP counts those of TAI.
        Ptp = "ptp",
    }
}

/// From 1900 to 1970, in seconds.
const NTP_TO_UNIX: i64 = 2_208_988_800;

impl TimeFormat {
    /// A time in nanoseconds since 1970 as it travels.
    pub fn encode(self, wall_ns: i64) -> [u8; 8] {
        let nanos = wall_ns.rem_euclid(SECOND).cast_unsigned();
        let seconds = wall_ns.div_euclid(SECOND);
        let (seconds, fraction) = match self {
            Self::Ntp => (seconds + NTP_TO_UNIX, (nanos << 32) / 1_000_000_000),
            Self::Ptp => (seconds, nanos),
        };
        // Both formats wrap around: NTP in 2036, PTP in 2106.
        (seconds.cast_unsigned() << 32 | fraction).to_be_bytes()
    }

    /// The nanoseconds since 1970 of a timestamp; `None` for zeros, which mean that there is none, and for what is none.
    pub fn decode(self, bytes: [u8; 8]) -> Option<i64> {
        let raw = u64::from_be_bytes(bytes);
        let (seconds, fraction) = (i64::try_from(raw >> 32).ok()?, raw & 0xffff_ffff);
        let (seconds, nanos) = match self {
            _ if raw == 0 => return None,
            // The second era of NTP begins in 2036; the first half of the first one ended in 1968.
            Self::Ntp if seconds < 1 << 31 => (seconds + (1 << 32) - NTP_TO_UNIX, fraction),
            Self::Ntp => (seconds - NTP_TO_UNIX, fraction),
            Self::Ptp => {
                let nanos = i64::try_from(fraction).ok().filter(|nanos| *nanos < SECOND)?;
                return Some(seconds * SECOND + nanos);
            }
        };
        let nanos = i64::try_from((nanos * 1_000_000_000 + (1 << 31)) >> 32).ok()?;
        Some(seconds * SECOND + nanos)
    }
}

/// How wrong timestamps may be, in which format they are, and whether their clock is synchronised to UTC (RFC 4656,
/// section 4.1.2; RFC 8186).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorEstimate(u16);

const SYNCHRONISED: u16 = 0x8000;
const PTP: u16 = 0x4000;

impl ErrorEstimate {
    /// At most `error` nanoseconds, rounded up to what can be written: a multiplier below 256 and a power of two.
    pub fn new(error: Nanos, synchronised: bool, format: TimeFormat) -> Self {
        let units = (u128::try_from(error).unwrap_or(0) << 32).div_ceil(1_000_000_000).max(1);
        let mut scale = 0;
        while units.div_ceil(1 << scale) > 255 {
            scale += 1;
        }
        // 63 bits of nanoseconds need no scale above 56.
        let multiplier = u16::try_from(units.div_ceil(1 << scale)).unwrap_or(u16::MAX);
        let flags = if synchronised { SYNCHRONISED } else { 0 };
        let format = if format == TimeFormat::Ptp { PTP } else { 0 };
        Self(flags | format | scale << 8 | multiplier)
    }

    pub(super) fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(bytes))
    }

    pub(super) fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// The format of the timestamps.
    pub fn format(self) -> TimeFormat {
        if self.0 & PTP == 0 { TimeFormat::Ntp } else { TimeFormat::Ptp }
    }

    /// Whether the clock says that it is synchronised to UTC.
    pub fn is_synchronised(self) -> bool {
        self.0 & SYNCHRONISED != 0
    }

    /// The bound in nanoseconds; `None` for a multiplier of 0, which says nothing.
    pub fn nanos(self) -> Option<Nanos> {
        let (scale, multiplier) = (u32::from(self.0 >> 8 & 63), u128::from(self.0 & 255));
        let nanos = (multiplier << scale).checked_mul(1_000_000_000)?.div_ceil(1 << 32);
        (multiplier != 0).then(|| Nanos::try_from(nanos).unwrap_or(Nanos::MAX))
    }
}
