//! The settings of a run of pings, before and after they are checked.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Schedule;
use crate::logic::Invalid;
use crate::logic::codec::heartbeat::INTERVALS;
use crate::logic::codec::{Codec, MAX_PAYLOAD, TextLine};
use crate::logic::monitor::detect::{Detector, Watch};
use crate::logic::random::{Direction, Effect, Seed, Uniforms};
use crate::logic::record::Rows;
use crate::logic::time::{DAY, Nanos, SECOND, seconds};

/// The valid timeouts and intervals.
pub const WAITS: RangeInclusive<Nanos> = 1_000..=DAY;
/// The valid times to spin before a ping is due.
pub const SPINS: RangeInclusive<Nanos> = 0..=SECOND;

/// Rows that a run without an end keeps by default.
const KEEP: usize = 65_536;
/// The valid numbers of rows to keep.
const KEEPS: RangeInclusive<i64> = 16..=1_000_000;

/// The longest run: nanoseconds since 1970 fill 64 bits in 2262.
const AGES: Nanos = 200 * 365 * DAY;

/// The settings of a run, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many pings; `None` for ever.
    pub count: Option<u64>,
    /// How long a reply counts as in time (RFC 7680's Tmax).
    pub timeout: Nanos,
    /// Open loop: pings are due on a `schedule` with this interval, whatever is received. `None`: the next leaves when
    /// the last is settled.
    pub interval: Option<Nanos>,
    /// How pings are spread over time.
    pub schedule: Schedule,
    /// What the gaps of a random schedule are drawn from.
    pub seed: Seed,
    /// Which of the streams of that seed: runs to several targets differ.
    pub stream: u32,
    /// How long to listen after the last ping is settled. `None`: `timeout` while a reply is missing, else 0.
    pub linger: Option<Nanos>,
    /// Give up after so many pings in a row without a reply in time.
    pub misses: Option<u64>,
    /// The format of the pings and their replies.
    pub codec: Arc<dyn Codec>,
    /// Length of each message; `None` for as long as it needs to be.
    pub size: Option<usize>,
    /// When the first ping is due, after the start of the run.
    pub start: Nanos,
    /// The number of the first ping.
    pub first_seq: u64,
    /// Rows that a run without an end keeps at least, for late replies and for tables.
    pub keep: usize,
    /// Whether a ping that is refused is followed by the next after `timeout` only, as if nothing had been received. A
    /// run without an end is always so patient with a closed port.
    pub patient: bool,
    /// Tells whether a target is up, from the beginning; `None` if that is not asked for.
    pub watch: Option<Watch>,
}

/// The settings of a run as the user passes them, with times in seconds.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many pings; `None` for ever.
    pub count: Option<i64>,
    /// Seconds to wait for a reply.
    pub timeout: f64,
    /// Seconds between two pings; `None` for stop-and-wait.
    pub interval: Option<f64>,
    /// How pings are spread over time.
    pub schedule: Schedule,
    /// What the gaps of a random schedule are drawn from.
    pub seed: Seed,
    /// Seconds to listen at the end.
    pub linger: Option<f64>,
    /// Pings in a row without a reply in time after which to give up.
    pub misses: Option<i64>,
    /// The format of the pings and their replies.
    pub codec: Arc<dyn Codec>,
    /// Bytes of each message.
    pub size: Option<i64>,
    /// The number of the first ping.
    pub first_seq: i64,
    /// What tells whether a target is up.
    pub detector: Option<Detector>,
}

impl Default for Options {
    /// Ten pings, as in the course.
    fn default() -> Self {
        Self {
            count: Some(10),
            timeout: 1.0,
            interval: None,
            schedule: Schedule::default(),
            seed: Seed::from(0_u64),
            linger: None,
            misses: None,
            codec: Arc::new(TextLine::default()),
            size: None,
            first_seq: 1,
            detector: None,
        }
    }
}

impl Plan {
    /// Checks the options of the user.
    ///
    /// # Errors
    /// The first value that cannot be used, with its range.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        let count = options
            .count
            .map(|count| {
                u64::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
                    Invalid::new("count", count, "at least 1 (a Pinger also takes None, for no end)")
                })
            })
            .transpose()?;
        let timeout = seconds("timeout", options.timeout, &WAITS)?;
        let interval = options.interval.map(|interval| seconds("interval", interval, &WAITS)).transpose()?;
        if interval.is_none() && options.schedule != Schedule::default() {
            let expected =
                "interval=0.01 (-i 10ms) as well; without an interval each ping waits for the one before";
            return Err(Invalid::new("schedule", format!("\"{}\"", options.schedule), expected));
        }
        let watch =
            options.detector.map(|detector| watch(&detector, interval, options.schedule)).transpose()?;
        let linger = options.linger.map(|linger| seconds("linger", linger, &(0..=DAY))).transpose()?;
        let misses = options
            .misses
            .map(|misses| {
                u64::try_from(misses).ok().filter(|misses| *misses > 0).ok_or_else(|| {
                    Invalid::new("misses", misses, "at least 1, or None to go on whatever is missed")
                })
            })
            .transpose()?;
        let first_seq = u64::try_from(options.first_seq)
            .map_err(|_| Invalid::new("first_seq", options.first_seq, "0 to 2^63 - 1"))?;
        // An endless run may reach any number.
        let last_seq = count.map_or(u64::MAX, |count| first_seq.saturating_add(count - 1));
        let step = interval.unwrap_or(0).max(timeout);
        let lasts = |count: u64| Nanos::try_from(count).ok()?.checked_mul(step);
        if let Some(count) = count.filter(|count| lasts(*count).is_none_or(|lasts| lasts > AGES)) {
            return Err(Invalid::new(
                "count",
                count,
                "so few that their timeouts or intervals last at most 200 years",
            ));
        }
        let longest = options.codec.longest(last_seq);
        let size = options.size.map(|size| payload_size(size, longest)).transpose()?;
        Ok(Self {
            count,
            timeout,
            interval,
            schedule: options.schedule,
            seed: options.seed,
            stream: 0,
            linger,
            misses,
            codec: options.codec,
            size,
            start: 0,
            first_seq,
            keep: KEEP,
            patient: options.count.is_none(),
            watch,
        })
    }

    /// The same with messages of `size` bytes.
    ///
    /// # Errors
    /// A message that does not fit.
    pub fn with_size(mut self, size: i64) -> Result<Self, Invalid> {
        let last_seq = self.end_seq().map_or(u64::MAX, |end| end - 1);
        self.size = Some(payload_size(size, self.codec.longest(last_seq))?);
        Ok(self)
    }

    /// Checks how many rows a run without an end is to keep.
    ///
    /// # Errors
    /// A number out of range, or a run with an end.
    pub fn check_keep(&self, keep: i64) -> Result<usize, Invalid> {
        if self.count.is_some() {
            return Err(Invalid::new("keep", keep, "count=None as well; a run with an end keeps every row"));
        }
        usize::try_from(keep)
            .ok()
            .filter(|_| KEEPS.contains(&keep))
            .ok_or_else(|| Invalid::new("keep", keep, "16 to 1,000,000 rows, or None for the default"))
    }

    /// No rows yet, in chunks of a quarter of what is kept.
    pub(super) fn rows(&self) -> Rows {
        if self.count.is_some() {
            return Rows::new(self.first_seq);
        }
        Rows::in_chunks(self.first_seq, self.keep.div_ceil(4))
    }

    /// When the ping after `seq` is due, which itself was due at `due`; `None` without an interval.
    pub(super) fn due_after(&self, seq: u64, due: Nanos) -> Option<Nanos> {
        let index = seq - self.first_seq;
        let uniform = || Uniforms::new(self.seed.key()).draw(Direction::Up, self.stream, Effect::PACE, index);
        self.interval.map(|interval| self.schedule.next(self.start, interval, index, due, uniform))
    }

    /// The end of the schedule, if it has one: the number after the last.
    #[must_use]
    pub fn end_seq(&self) -> Option<u64> {
        self.count.map(|count| self.first_seq.saturating_add(count))
    }
}

/// A detector counts the silence from replies that come at an even pace, as heartbeats do.
fn watch(detector: &Detector, interval: Option<Nanos>, schedule: Schedule) -> Result<Watch, Invalid> {
    let expected = match interval {
        None => {
            "interval=1 (-i 1s) as well: without an interval the next ping waits for the reply, however long that takes"
        }
        Some(_) if schedule != Schedule::default() => {
            "schedule=\"isochronous\" (--schedule isochronous): a detector tells a silence by replies that are due at an \
             even pace"
        }
        Some(interval) if !INTERVALS.contains(&interval) => "interval=1ms (-i 1ms) at least",
        Some(interval) => return detector.watch(interval),
    };
    Err(Invalid::quoted("detector", &detector.to_string(), expected))
}

fn payload_size(size: i64, least: usize) -> Result<usize, Invalid> {
    usize::try_from(size).ok().filter(|size| (least..=MAX_PAYLOAD).contains(size)).ok_or_else(|| {
        Invalid::new("size", size, format!("{least} to {MAX_PAYLOAD} bytes, so that the message fits"))
    })
}
