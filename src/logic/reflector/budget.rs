//! How many replies may be longer than their requests: some for each address, and some more in all.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::logic::sessions::network;
use crate::logic::{Nanos, SECOND};

/// Addresses remembered; one that was forgotten has all of its replies again, so the bound in all is what counts then.
const MOST: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Replies a second to one address, and as many at once.
const OF_SOURCE: Nanos = 100;
/// The same in all.
const OF_ALL: Nanos = 1_000;

/// A bucket with a second's worth of replies, as the time at which it would be full again (GCRA).
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    full: Option<Nanos>,
}

impl Bucket {
    fn has(self, now: Nanos) -> bool {
        self.full.is_none_or(|full| full - now < SECOND)
    }

    fn take(&mut self, now: Nanos, rate: Nanos) {
        self.full = Some(self.full.map_or(now, |full| full.max(now)) + SECOND / rate);
    }
}

#[derive(Debug)]
pub(super) struct Budget {
    all: Bucket,
    sources: LruCache<IpAddr, Bucket>,
}

impl Default for Budget {
    fn default() -> Self {
        // Made as it grows: most reflectors never need it.
        let mut sources = LruCache::unbounded();
        sources.resize(MOST);
        Self { all: Bucket::default(), sources }
    }
}

impl Budget {
    /// Whether one more reply to `source` may be longer than its request.
    pub(super) fn spend(&mut self, source: IpAddr, now: Nanos) -> bool {
        let of_source = self.sources.get_or_insert_mut(network(source), Bucket::default);
        let may = of_source.has(now) && self.all.has(now);
        if may {
            of_source.take(now, OF_SOURCE);
            self.all.take(now, OF_ALL);
        }
        may
    }
}
