//! A driver: a thread that serves many senders, each when its time has come, when its socket has something, or when it
//! is called.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::duty::{Duty, Tools};
use super::fleet::Fleet;
use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::crowd::Crowd;
use crate::net::feed::lock;
use crate::net::pace::{self, Bell, Waker};
use crate::net::socket::Path;

/// The longest wait at a time: the system does not count into it the time that the machine sleeps.
const NAP: Nanos = 5 * SECOND;

/// The line to a driver.
#[derive(Debug)]
pub(super) struct Line {
    waker: Waker,
    calls: Mutex<Calls>,
    pub(super) crowd: Arc<Crowd>,
}

/// What a driver has been told since it looked last.
#[derive(Debug, Default)]
struct Calls {
    new: Vec<Duty>,
    keys: Vec<u64>,
}

impl Line {
    pub(super) fn open(path: Path) -> io::Result<(Self, Bell)> {
        let crowd = Arc::new(Crowd::new(path)?);
        let (waker, bell) = pace::waker()?;
        Ok((Self { waker, calls: Mutex::default(), crowd }, bell))
    }

    /// Another sender.
    pub(super) fn give(&self, duty: Duty) {
        self.tell(|calls| calls.new.push(duty));
    }

    /// There is something to do at once for the sender with this key, if it is still there.
    pub(super) fn call(&self, key: u64) {
        self.tell(|calls| calls.keys.push(key));
    }

    fn tell(&self, what: impl FnOnce(&mut Calls)) {
        let mut calls = lock(&self.calls);
        // The driver takes all calls at once: one ring is enough for those since.
        let is_first = calls.new.is_empty() && calls.keys.is_empty();
        what(&mut calls);
        drop(calls);
        if is_first {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

/// The thread's own.
#[derive(Debug)]
pub(super) struct Driver {
    fleet: &'static Fleet,
    line: Arc<Line>,
    bell: Bell,
    tools: Tools,
    duties: HashMap<u64, (Nanos, Duty)>,
    /// When to serve whom, the same times as above.
    times: BTreeSet<(Nanos, u64)>,
}

impl Driver {
    pub(super) fn new(fleet: &'static Fleet, line: Arc<Line>, bell: Bell, path: Path) -> Self {
        Self { fleet, line, bell, tools: Tools::new(path), duties: HashMap::new(), times: BTreeSet::new() }
    }

    /// Works until nobody is left.
    pub(super) fn run(&mut self) {
        let mut ready = Vec::new();
        loop {
            self.answer_calls();
            let now = self.fleet.clock.now();
            while let Some(&(_, key)) = self.times.first().filter(|(due, _)| *due <= now) {
                self.serve(key, false);
            }
            if self.duties.is_empty() && self.fleet.dismiss(&self.line) {
                return;
            }
            let next = self.times.first().map_or(NAP, |(due, _)| due - self.fleet.clock.now());
            ready.clear();
            if let Err(source) = self.line.crowd.wait(&self.bell, Some(next.min(NAP)), &mut ready) {
                self.give_up(&source);
            }
            for &key in &ready {
                self.serve(key, true);
            }
        }
    }

    fn answer_calls(&mut self) {
        let Calls { new, keys } = std::mem::take(&mut *lock(&self.line.calls));
        for duty in new {
            self.serve_one(duty, false);
        }
        for key in keys {
            self.serve(key, false);
        }
    }

    fn serve(&mut self, key: u64, has_mail: bool) {
        if let Some((due, duty)) = self.duties.remove(&key) {
            self.times.remove(&(due, key));
            self.serve_one(duty, has_mail);
        }
    }

    /// Does what is to be done for one of them, who then is over or waits for its next time.
    fn serve_one(&mut self, mut duty: Duty, has_mail: bool) {
        let tools = &mut self.tools;
        // A defect that one has come upon ends that one, which says so as it is dropped.
        let served =
            catch_unwind(AssertUnwindSafe(move || duty.serve(tools, has_mail).map(|due| (due, duty))));
        if let Ok(Some((due, duty))) = served {
            let key = duty.key();
            self.times.insert((due, key));
            self.duties.insert(key, (due, duty));
        }
    }

    /// Nobody can wait without the system.
    fn give_up(&mut self, source: &io::Error) {
        self.times.clear();
        for (_, (_, duty)) in self.duties.drain() {
            let source = source.raw_os_error().map_or(source.kind().into(), io::Error::from_raw_os_error);
            duty.fail(Error::System { action: "wait for the next heartbeat", source });
        }
    }
}
