//! Resolves names in other threads: one look-up for all that need a name at the same time, and a bounded number of
//! look-ups at once.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::clock::EverClock;
use crate::net::event_queue::lock;
use crate::net::resolve::resolve_all;

/// Look-ups at once, each in a thread of its own.
const MOST: usize = 64;
/// How long an answer is cached; a sender looks its name up every two seconds at most.
const FRESH: Nanos = SECOND;

pub(super) type Answer = Result<Vec<SocketAddr>, Arc<Error>>;

/// A host and a port.
pub(super) type Name = (Arc<str>, u16);

/// The look-ups of a process.
#[derive(Debug)]
pub(super) struct Resolver {
    process: u32,
    clock: EverClock,
    cache: Mutex<Cache>,
    /// The resolver of a forked child, which has no threads of its parent's, and in which any lock may be held.
    next: OnceLock<Box<Resolver>>,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<Name, Entry>,
    queue: VecDeque<Name>,
    threads: usize,
}

#[derive(Debug)]
enum Entry {
    /// Who is to be notified.
    Pending(Vec<Subscriber>),
    /// The time of the answer, and the answer.
    Resolved(Nanos, Answer),
}

/// Whom an answer wakes.
pub(super) trait Wake: Debug + Send + Sync {
    /// An answer for the subscriber with this key is there.
    fn wake(&self, key: u64);
}

/// One who waits for an answer.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    slot: Arc<Mutex<Option<Answer>>>,
    waker: Arc<dyn Wake>,
    key: u64,
}

impl Subscriber {
    /// Each answer wakes `waker` with this key.
    pub(super) fn new(waker: Arc<dyn Wake>, key: u64) -> Self {
        Self { slot: Arc::default(), waker, key }
    }

    /// The answer since the last call.
    pub(super) fn take(&self) -> Option<Answer> {
        lock(&self.slot).take()
    }

    pub(super) fn notify(&self, answer: Answer) {
        *lock(&self.slot) = Some(answer);
        self.waker.wake(self.key);
    }
}

/// Wakes one thread that waits for answers.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Doorbell {
    pub(super) fn ring(&self) {
        *lock(&self.rung) = true;
        self.changed.notify_all();
    }

    /// Waits until it rings, at most `limit`.
    pub(super) fn wait(&self, limit: Duration) {
        let waited = self.changed.wait_timeout_while(lock(&self.rung), limit, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Wake for Doorbell {
    fn wake(&self, _key: u64) {
        self.ring();
    }
}

impl Resolver {
    /// The resolver of this process.
    pub(super) fn own() -> &'static Self {
        static FIRST: OnceLock<Resolver> = OnceLock::new();
        let process = std::process::id();
        let mut resolver = FIRST.get_or_init(|| Self::new(process));
        while resolver.process != process {
            resolver = resolver.next.get_or_init(|| Box::new(Self::new(process)));
        }
        resolver
    }

    pub(super) fn new(process: u32) -> Self {
        Self { process, clock: EverClock::start(), cache: Mutex::default(), next: OnceLock::new() }
    }

    /// Notifies `subscriber` of the addresses of a name, at once or from another thread.
    pub(super) fn look_up(&'static self, name: &Name, subscriber: Subscriber) {
        self.ask(name, subscriber, FRESH);
    }

    /// The same with an answer of now, not of the last second.
    pub(super) fn look_up_now(&'static self, name: &Name, subscriber: Subscriber) {
        self.ask(name, subscriber, 0);
    }

    fn ask(&'static self, name: &Name, subscriber: Subscriber, fresh: Nanos) {
        let now = self.clock.now();
        let is_fresh = |at: Nanos| now - at < FRESH;
        let mut cache = lock(&self.cache);
        match cache.entries.get_mut(name) {
            Some(Entry::Pending(subscribers)) => return subscribers.push(subscriber),
            Some(Entry::Resolved(at, answer)) if now - *at < fresh => {
                return subscriber.notify(answer.clone());
            }
            _ => {}
        }
        cache.entries.retain(|_, entry| !matches!(entry, Entry::Resolved(at, _) if !is_fresh(*at)));
        cache.entries.insert(name.clone(), Entry::Pending(vec![subscriber]));
        cache.queue.push_back(name.clone());
        if cache.threads == MOST {
            return;
        }
        // Not joined: a resolver may take very long.
        let spawned = std::thread::Builder::new().name("udpping name".into()).spawn(|| self.work());
        match spawned {
            Ok(_) => cache.threads += 1,
            // A running thread takes the name from the queue.
            Err(_) if cache.threads > 0 => {}
            Err(source) => {
                cache.queue.clear();
                let error = Arc::new(Error::System { action: "start a thread", source });
                drop(cache);
                self.notify(name, &Err(error));
            }
        }
    }

    fn work(&self) {
        while let Some(name) = self.next() {
            let (host, port) = &name;
            self.notify(&name, &resolve_all(host, *port).map_err(Arc::new));
        }
    }

    fn next(&self) -> Option<Name> {
        let mut cache = lock(&self.cache);
        let name = cache.queue.pop_front();
        if name.is_none() {
            cache.threads -= 1;
        }
        name
    }

    fn notify(&self, name: &Name, answer: &Answer) {
        let entry = Entry::Resolved(self.clock.now(), answer.clone());
        let before = lock(&self.cache).entries.insert(name.clone(), entry);
        let Some(Entry::Pending(subscribers)) = before else { return };
        for subscriber in subscribers {
            subscriber.notify(answer.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver() -> &'static Resolver {
        Box::leak(Box::new(Resolver::new(std::process::id())))
    }

    fn wait(subscriber: &Subscriber, bell: &Doorbell) -> Answer {
        loop {
            if let Some(answer) = subscriber.take() {
                return answer;
            }
            bell.wait(Duration::from_secs(1));
        }
    }

    fn found_at(resolver: &Resolver, name: &Name) -> Nanos {
        match lock(&resolver.cache).entries.get(name) {
            Some(Entry::Resolved(at, _)) => *at,
            entry => panic!("{entry:?}"),
        }
    }

    #[test]
    fn one_look_up_serves_all_senders_until_its_answer_is_stale() {
        for host in ["localhost", "no..such..host"] {
            let resolver = resolver();
            let name: Name = (host.into(), 9);
            let bell = Arc::new(Doorbell::default());
            let subscribers: Vec<Subscriber> =
                (0..1_000).map(|key| Subscriber::new(bell.clone(), key)).collect();
            let (first, others) = subscribers.split_first().unwrap();
            // However long this test takes, the answer is not stale.
            resolver.ask(&name, first.clone(), Nanos::MAX);
            for subscriber in others {
                resolver.ask(&name, subscriber.clone(), Nanos::MAX);
                assert!(lock(&resolver.cache).threads <= 1);
            }
            let answer = wait(first, &bell);
            assert_eq!(answer.is_ok(), host == "localhost");
            let at = found_at(resolver, &name);
            for subscriber in others {
                assert_eq!(
                    wait(subscriber, &bell).map_err(|error| error.to_string()),
                    answer.clone().map_err(|error| error.to_string())
                );
            }
            assert_eq!(found_at(resolver, &name), at);
        }
    }

    #[test]
    fn many_names_are_looked_up_a_few_at_a_time_and_not_kept() {
        let resolver = resolver();
        let bell = Arc::new(Doorbell::default());
        let subscribers: Vec<Subscriber> = (0..300).map(|key| Subscriber::new(bell.clone(), key)).collect();
        for subscriber in &subscribers {
            resolver.look_up(&(format!("no..such..host{}", subscriber.key).into(), 9), subscriber.clone());
            assert!(lock(&resolver.cache).threads <= MOST);
        }
        for subscriber in &subscribers {
            let error = wait(subscriber, &bell).unwrap_err().to_string();
            assert!(error.contains(&format!("no..such..host{}\"", subscriber.key)), "{error}");
        }
        for entry in lock(&resolver.cache).entries.values_mut() {
            *entry = Entry::Resolved(-FRESH, Ok(Vec::new()));
        }
        resolver.look_up(&("localhost".into(), 9), subscribers[0].clone());
        wait(&subscribers[0], &bell).unwrap();
        assert_eq!(lock(&resolver.cache).entries.len(), 1);
    }
}
