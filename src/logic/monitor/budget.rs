//! How many events are reported of clients that anybody could have made up. A client that was calm is always heard.

use super::event::{Event, Kind, State};
use super::peer::{NEVER, Peer};
use crate::logic::{Moment, Nanos, SECOND};

/// A client without notable events for so many seconds is calm.
const CALM: u32 = 60;
/// Events a second of clients that are not calm, beside those of [`super::MonitorPlan::burst`]: notable ones, and others.
const RATES: [Nanos; 2] = [10, 100];
/// How often it is reported that events are not.
const NOTICE: Nanos = 10 * SECOND;
/// Drops of the kernel are reported no more often than this.
const PAUSE: Nanos = SECOND * 9 / 10;

#[derive(Debug)]
pub(super) struct Budget {
    buckets: [Bucket; 2],
    /// Events that were not reported.
    pub(super) unreported: u64,
    notable: Waiting,
    drops: Waiting,
}

/// As much as `most`, and what time adds to it.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: Nanos,
    most: Nanos,
    each: Nanos,
    filled: Nanos,
}

/// A count that is reported from time to time.
#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    count: u64,
    said: Option<Nanos>,
}

impl Budget {
    pub(super) fn new(burst: usize, now: Moment) -> Self {
        let burst = Nanos::try_from(burst).unwrap_or(Nanos::MAX);
        let bucket = |rate: Nanos| {
            let most = burst.saturating_mul(SECOND / rate);
            Bucket { left: most, most, each: SECOND / rate, filled: now.mono }
        };
        let nothing = Waiting::default();
        Self { buckets: RATES.map(bucket), unreported: 0, notable: nothing, drops: nothing }
    }

    /// Whether to report an event of a client. What was asked for is always reported.
    pub(super) fn allows(&mut self, peer: &mut Peer, event: &Event) -> bool {
        let (now, notable) = (event.at.mono, event.is_notable());
        // Who is new had no event yet, and is not trusted for that.
        let trusted = is_trusted(peer, now) && (peer.sealed || event.kind != Kind::Is(State::New));
        if notable {
            peer.restless = second(now);
        }
        let asked = matches!(event.kind, Kind::Lost | Kind::Heard | Kind::HeardLate | Kind::HeardAgain);
        let allowed = trusted || asked || self.takes(notable, now);
        if !allowed {
            self.unreported += 1;
            self.notable.count += u64::from(notable);
        }
        allowed
    }

    /// Takes an event from what there is for clients that are not calm.
    pub(super) fn takes(&mut self, notable: bool, now: Nanos) -> bool {
        self.buckets[usize::from(!notable)].takes(now)
    }

    /// Counts datagrams that the kernel dropped.
    pub(super) fn drop(&mut self, count: u64) {
        self.drops.count += count;
    }

    /// How many notable events were not reported, and over what time, if that is to be reported.
    pub(super) fn unreported(&mut self, now: Nanos) -> Option<(u64, Option<Nanos>)> {
        self.notable.due(now, NOTICE)
    }

    /// How many datagrams the kernel dropped, if that is to be reported.
    pub(super) fn dropped(&mut self, now: Nanos) -> Option<u64> {
        self.drops.due(now, PAUSE).map(|(count, _)| count)
    }
}

/// Whether nobody made this client up: it has a seal, or was calm.
pub(super) fn is_trusted(peer: &Peer, now: Nanos) -> bool {
    peer.sealed || peer.restless == NEVER || second(now).saturating_sub(peer.restless) >= CALM
}

fn second(now: Nanos) -> u32 {
    u32::try_from(now / SECOND).unwrap_or(NEVER - 1)
}

impl Bucket {
    fn takes(&mut self, now: Nanos) -> bool {
        let more = now.saturating_sub(std::mem::replace(&mut self.filled, now));
        self.left = self.left.saturating_add(more).min(self.most);
        let enough = self.left >= self.each;
        self.left -= if enough { self.each } else { 0 };
        enough
    }
}

impl Waiting {
    fn due(&mut self, now: Nanos, pause: Nanos) -> Option<(u64, Option<Nanos>)> {
        let since = self.said.map(|said| now.saturating_sub(said));
        if self.count == 0 || since.is_some_and(|since| since < pause) {
            return None;
        }
        self.said = Some(now);
        Some((std::mem::take(&mut self.count), since))
    }
}
