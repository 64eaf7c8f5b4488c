//! Resolves a name repeatedly in another thread: a resolver may take half a minute when the network is down, and what is
//! sent to a known address must not wait for it.

use super::resolve::fixed;
use super::resolver::{Answer, Name, Resolver, Subscriber};
use crate::logic::{Nanos, SECOND};

/// Between two look-ups without errors.
const REFRESH: Nanos = 60 * SECOND;
/// Between two look-ups after an error; then twice as long each time, up to [`REFRESH`].
const FIRST_RETRY: Nanos = 2 * SECOND;

/// A host and its addresses.
#[derive(Debug)]
pub(super) struct NameWatcher {
    name: Name,
    resolver: &'static Resolver,
    subscriber: Subscriber,
    pending: bool,
    asked: Nanos,
    /// When to look the name up next; `None` for an address.
    next: Option<Nanos>,
    looks_soon: bool,
    pause: Nanos,
}

impl NameWatcher {
    /// The first look-up is due at 0.
    pub(super) fn new(host: &str, port: u16, resolver: &'static Resolver, subscriber: Subscriber) -> Self {
        Self {
            name: (host.into(), port),
            resolver,
            subscriber,
            pending: false,
            asked: 0,
            next: fixed(host, port).is_none().then_some(0),
            looks_soon: false,
            pause: FIRST_RETRY,
        }
    }

    /// Its addresses were found at this time.
    pub(super) fn was_found(&mut self, at: Nanos) {
        (self.asked, self.next) = (at, self.next.map(|_| at + REFRESH));
    }

    /// The answer since the last call.
    pub(super) fn take(&mut self) -> Option<Answer> {
        let answer = self.subscriber.take();
        self.pending &= answer.is_none();
        answer
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Looks the name up soon after an error, as its address may have changed.
    pub(super) fn look_soon(&mut self) {
        self.looks_soon = true;
        self.next = self.next.map(|next| next.min(self.asked + self.pause));
    }

    /// Looks the name up if it is time.
    pub(super) fn look(&mut self, now: Nanos) {
        if self.pending || self.next.is_none_or(|next| now < next) {
            return;
        }
        self.pause = if self.looks_soon { (self.pause * 2).min(REFRESH) } else { FIRST_RETRY };
        (self.looks_soon, self.pending, self.asked, self.next) = (false, true, now, Some(now + REFRESH));
        self.resolver.look_up(&self.name, self.subscriber.clone());
    }

    /// When [`NameWatcher::look`] is due.
    pub(super) fn next(&self) -> Nanos {
        self.next.filter(|_| !self.pending).unwrap_or(Nanos::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::resolver::Doorbell;
    use super::*;

    fn watcher(host: &str) -> (NameWatcher, Arc<Doorbell>) {
        let bell = Arc::new(Doorbell::default());
        let resolver = Box::leak(Box::new(Resolver::new(std::process::id())));
        (NameWatcher::new(host, 9, resolver, Subscriber::new(bell.clone(), 1)), bell)
    }

    /// Looks the name up at that time, and waits for the system's resolver.
    fn look(watcher: &mut NameWatcher, bell: &Doorbell, at: Nanos) -> Answer {
        watcher.look(at);
        loop {
            if let Some(answer) = watcher.take() {
                return answer;
            }
            assert!(watcher.is_pending() && watcher.next() == Nanos::MAX);
            bell.wait(Duration::from_secs(1));
        }
    }

    #[test]
    fn a_name_is_looked_up_each_minute_and_sooner_after_an_error() {
        let (mut watcher, mailbox) = watcher("localhost");
        assert!(look(&mut watcher, &mailbox, 0).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert_eq!(watcher.next(), 60 * SECOND);
        let mut at = 60 * SECOND;
        look(&mut watcher, &mailbox, at).unwrap();
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            watcher.look_soon();
            watcher.look_soon();
            assert_eq!(watcher.next(), at + pause * SECOND);
            at = watcher.next();
            look(&mut watcher, &mailbox, at).unwrap();
        }
        // A minute without an error resets the pause.
        at = watcher.next();
        look(&mut watcher, &mailbox, at).unwrap();
        watcher.look_soon();
        assert_eq!(watcher.next(), at + 2 * SECOND);
    }

    #[test]
    fn an_address_is_never_looked_up() {
        for host in ["127.0.0.1", "::1", "[::1]"] {
            assert!(fixed(host, 9).unwrap().ip().is_loopback());
            let (mut watcher, _) = watcher(host);
            watcher.look_soon();
            watcher.look(Nanos::MAX);
            assert!(watcher.take().is_none() && !watcher.is_pending() && watcher.next() == Nanos::MAX);
        }
    }
}
