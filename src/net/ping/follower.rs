//! Follows names whose addresses change: a thread beside a run without an end looks them up from time to time.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Settings, Shared};
use crate::logic::{Nanos, SECOND};
use crate::net::clock::EverClock;
use crate::net::event_queue::lock;
use crate::net::name_watcher::NameWatcher;
use crate::net::resolve::fixed;
use crate::net::resolver::{Resolver, Subscriber};

/// Pings in a row without a reply after which the name is looked up soon: its address may have changed.
const MISSED: u64 = 3;
/// Between two looks at what was missed.
const LOOK: Nanos = SECOND;

/// The thread that follows names.
#[derive(Debug)]
pub(super) struct Follower {
    shared: Arc<Shared>,
    settings: Settings,
    /// The names of targets, by their index.
    watchers: HashMap<usize, NameWatcher>,
}

impl Follower {
    pub(super) fn new(shared: &Arc<Shared>, settings: &Settings) -> Self {
        Self { shared: Arc::clone(shared), settings: settings.clone(), watchers: HashMap::new() }
    }

    pub(super) fn spawn(mut self) -> io::Result<()> {
        // It is not joined: it ends when the run does.
        std::thread::Builder::new().name("udpping names".into()).spawn(move || self.run()).map(drop)
    }

    fn run(&mut self) {
        let clock = EverClock::start();
        while !self.shared.stop.load(Ordering::Acquire) && self.watch(clock.now()) {
            let next = self.watchers.values().map(NameWatcher::next).min().unwrap_or(Nanos::MAX);
            let wait = (next - clock.now()).clamp(0, LOOK);
            self.shared.names.wait(Duration::from_nanos(wait.unsigned_abs()));
        }
    }

    /// Looks names up that are due, and moves targets to the addresses that were found; returns whether the run goes on.
    fn watch(&mut self, now: Nanos) -> bool {
        let mut logs = lock(&self.shared.logs);
        for (index, log) in logs.all.iter().enumerate() {
            if log.removed || fixed(log.target.host.asked(), 0).is_some() {
                self.watchers.remove(&index);
                continue;
            }
            let watcher = self.watchers.entry(index).or_insert_with(|| {
                let subscriber = Subscriber::new(self.shared.names.clone(), 0);
                let host = log.target.host.asked();
                let mut watcher = NameWatcher::new(host, log.target.port, Resolver::own(), subscriber);
                watcher.was_found(now);
                watcher
            });
            if log.pinger.missed() >= MISSED {
                watcher.look_soon();
            }
        }
        let mut found = Vec::new();
        for (index, watcher) in &mut self.watchers {
            match watcher.take() {
                Some(Ok(addresses)) => found.push((*index, Ok(addresses))),
                Some(Err(_)) => watcher.look_soon(),
                None => {}
            }
            watcher.look(now);
        }
        // What cannot move stays where it is.
        let moved = !found.is_empty();
        drop(logs.follow(&self.settings, found));
        let goes_on = !logs.over;
        drop(logs);
        if moved {
            self.shared.waker.wake();
        }
        goes_on
    }
}
