//! The thread of a heartbeat: send what is due, hear who answers, follow the monitor's name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Desk;
use super::names::Names;
use super::way::{Heard, Way};
use crate::logic::heartbeat::Beat;
use crate::logic::{Nanos, SECOND};
use crate::net::background::Shared;
use crate::net::feed::lock;
use crate::net::pace::{self, Bell};
use crate::net::socket::Path;
use crate::net::{Error, Result};

/// How long the first heartbeat waits for the name; then it is an error, and the schedule goes on.
const PATIENCE: Nanos = SECOND;
/// The longest wait at a time: the system does not count into it the time that the machine sleeps.
const NAP: Nanos = 5 * SECOND;
/// After so long without another report nobody refuses any more: systems send one a second at least.
const REFUSAL: Nanos = 2 * SECOND + SECOND / 2;

/// All that the thread needs.
#[derive(Debug)]
pub(super) struct Ready {
    desk: Arc<Desk>,
    names: Names,
    way: Way,
    heard: Vec<Heard>,
    trouble: Trouble,
}

/// What is wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    /// The last heartbeat has not left.
    Unsent,
    /// At this time the network said last that nobody listens.
    Refused(Nanos),
}

impl Ready {
    pub(super) fn new(desk: Arc<Desk>, names: Names, path: Path) -> Self {
        Self { desk, names, way: Way::new(path), heard: Vec::new(), trouble: Trouble::None }
    }

    pub(super) fn run(&mut self, shared: &Shared<()>, bell: &Bell) -> Result<()> {
        let desk = Arc::clone(&self.desk);
        self.find(shared, bell)?;
        lock(&desk.sender).begin(desk.clock.now());
        let mut line = Vec::new();
        while !desk.hush.load(Ordering::Acquire) {
            self.way.listen(&mut self.heard);
            self.digest();
            self.follow_name();
            line.clear();
            let beat = {
                let mut sender = lock(&desk.sender);
                sender.touch(desk.touched.load(Ordering::Relaxed));
                sender.beat(desk.clock.moment(), &mut line)
            };
            match beat {
                Beat::Send => self.send(&line),
                Beat::Wait(until) => self.wait(until, bell)?,
                Beat::Done => break,
            }
        }
        Ok(())
    }

    /// Waits a moment for the first address, so that the first heartbeat has somewhere to go.
    fn find(&mut self, shared: &Shared<()>, bell: &Bell) -> Result<()> {
        let desk = Arc::clone(&self.desk);
        let until = desk.clock.now() + PATIENCE;
        self.follow_name();
        while self.names.is_asking() && desk.clock.now() < until && !shared.is_stopping() {
            self.wait(until, bell)?;
            self.follow_name();
        }
        Ok(())
    }

    /// Uses the addresses that the name has by now, and looks again when it is time.
    fn follow_name(&mut self) {
        match self.names.take() {
            Some(Ok(addresses)) => self.way.lead_to(addresses),
            Some(Err(error)) if !self.way.is_known() => self.complain(Trouble::Unsent, &error),
            // What was found before still serves.
            Some(Err(_)) => self.names.hurry(),
            None => {}
        }
        self.names.look(self.desk.clock.now());
    }

    fn wait(&self, until: Nanos, bell: &Bell) -> Result<()> {
        let now = self.desk.clock.now();
        let wait = until.min(self.names.next()).saturating_sub(now).min(NAP);
        pace::wait(self.way.socket().into_iter(), bell, Some(wait))
            .map_err(|source| Error::System { action: "wait for the next heartbeat", source })
    }

    fn send(&mut self, line: &[u8]) {
        let at = self.desk.clock.now();
        let result = self.way.send(line, &mut self.heard);
        self.digest();
        match result {
            Ok(()) => {
                lock(&self.desk.sender).sent(at);
                lock(&self.desk.state).address = self.way.address();
                let lasts =
                    matches!(self.trouble, Trouble::Refused(last) if at.saturating_sub(last) < REFUSAL);
                if !lasts {
                    self.calm();
                }
            }
            Err(error) => {
                lock(&self.desk.sender).failed();
                // Why the name is not found is told when that is known.
                if self.way.is_known() || matches!(self.trouble, Trouble::None) {
                    self.complain(Trouble::Unsent, &error);
                }
            }
        }
    }

    /// Makes use of what came back.
    fn digest(&mut self) {
        let now = self.desk.clock.now();
        for heard in std::mem::take(&mut self.heard) {
            match heard {
                Heard::Answer(seq) => {
                    lock(&self.desk.sender).answered(seq, now);
                    self.calm();
                }
                Heard::Refusal(source) => {
                    self.desk.refused.fetch_add(1, Ordering::Relaxed);
                    if let Some(address) = self.way.address() {
                        let error = Error::Io { action: "reach", address, source };
                        self.complain(Trouble::Refused(now), &error);
                    }
                }
            }
        }
    }

    /// Something is wrong: it is told, and the name may have moved.
    fn complain(&mut self, trouble: Trouble, error: &Error) {
        self.trouble = trouble;
        self.names.hurry();
        lock(&self.desk.state).problem = Some(error.to_string());
    }

    fn calm(&mut self) {
        if !matches!(self.trouble, Trouble::None) {
            self.trouble = Trouble::None;
            lock(&self.desk.state).problem = None;
        }
    }
}
