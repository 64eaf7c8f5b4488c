//! The settings of a monitor.

use super::detect::Detector;
use crate::logic::codec::heartbeat::Keys;
use crate::logic::{Invalid, Nanos, SECOND};

/// The settings of a monitor; [`MonitorPlan::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct MonitorPlan {
    /// When silence is suspicious.
    pub detector: Detector,
    /// The least interval assumed of senders that do not state theirs; a longer one is found out.
    pub interval: Nanos,
    /// Who may send. If there is any key, what is not sealed by one is refused.
    pub keys: Keys,
    /// Whether each fresh heartbeat is answered with its number and time difference, never by more bytes than it has.
    pub answer: bool,
    /// How much this machine's zone is ahead of UTC: a date that names no zone is likely one of the same.
    pub utc_offset: Nanos,
    /// Whether each loss is an event.
    pub losses: bool,
    /// Whether each heartbeat is one.
    pub beats: bool,
    /// How many clients are kept.
    pub max_clients: usize,
    /// How many of them may come from one /24 of IPv4 or /64 of IPv6, when there are no keys.
    pub per_prefix: usize,
    /// How many events are reported at once of clients that are new or restless, when there are no keys; `None` is as
    /// many as `max_clients`, and 10,000 at least.
    pub burst: Option<usize>,
    /// After how long without any heartbeat to report it; 0: never.
    pub idle: Nanos,
}

/// A client that comes up has two events: those of 5,000 are reported, however many start at once.
pub(super) const BURST: usize = 10_000;
const CLIENTS: std::ops::RangeInclusive<usize> = 1..=10_000_000;

impl MonitorPlan {
    /// A plan with the defaults.
    pub fn new(detector: Detector) -> Self {
        Self {
            detector,
            interval: SECOND,
            keys: Keys::default(),
            answer: false,
            utc_offset: 0,
            losses: false,
            beats: false,
            max_clients: 10_000,
            per_prefix: 1_024,
            burst: None,
            idle: 60 * SECOND,
        }
    }

    /// Checks what a user asks for.
    pub fn checked(self) -> Result<Self, Invalid> {
        self.detector.watch(self.interval)?;
        if !CLIENTS.contains(&self.max_clients) {
            return Err(Invalid::new("max_clients", self.max_clients, "1 to 10,000,000"));
        }
        if self.per_prefix == 0 {
            return Err(Invalid::new("per_prefix", 0, "1 at least"));
        }
        Ok(self)
    }
}
