//! What a driver does for one sender: send what is due, hear who answers, follow the monitor's name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mailbox::Lease;
use super::names::Names;
use super::state::SenderState;
use super::way::{Ear, Heard, Way};
use crate::logic::heartbeat::Beat;
use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::event_queue::lock;
use crate::net::socket::Backend;

/// How long the first heartbeat waits for the name; then it is an error, and the schedule goes on.
const PATIENCE: Nanos = SECOND;
/// After so long without another report nobody refuses any more: systems send one a second at least.
const REFUSAL: Nanos = 2 * SECOND + SECOND / 2;

/// All that it takes to serve a sender.
#[derive(Debug)]
pub(super) struct Duty {
    state: Arc<SenderState>,
    lease: Lease,
    names: Names,
    way: Way,
    trouble: Trouble,
    /// How long the first heartbeat waits; `None` once the schedule has begun.
    patience: Option<Nanos>,
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

/// What a driver needs for one sender after the other.
#[derive(Debug)]
pub(super) struct Tools {
    ear: Ear,
    line: Vec<u8>,
}

impl Tools {
    pub(super) fn new(backend: Backend) -> Self {
        Self { ear: Ear::new(backend), line: Vec::new() }
    }
}

impl Duty {
    pub(super) fn new(state: Arc<SenderState>, lease: Lease, names: Names, way: Way) -> Self {
        let patience = Some(state.clock.now() + PATIENCE);
        Self { state, lease, names, way, trouble: Trouble::None, patience }
    }

    pub(super) fn key(&self) -> u64 {
        self.lease.key
    }

    /// Does what is due, and looks at the socket if it `has_mail`; says when to come back, `None` when it is over.
    pub(super) fn serve(&mut self, tools: &mut Tools, has_mail: bool) -> Option<Nanos> {
        if self.state.hush.load(Ordering::Acquire) {
            return None;
        }
        if has_mail {
            self.way.listen(&mut tools.ear);
            self.digest(&mut tools.ear);
        }
        self.follow_name();
        if let Some(until) = self.patience {
            let now = self.state.clock.now();
            let mut sender = lock(&self.state.sender);
            if self.names.is_asking() && now < until && !sender.is_leaving() {
                return Some(until);
            }
            sender.begin(now);
            self.patience = None;
        }
        loop {
            tools.line.clear();
            let beat = {
                let mut sender = lock(&self.state.sender);
                sender.touch(self.state.touched.load(Ordering::Relaxed));
                sender.beat(self.state.clock.moment(), &mut tools.line)
            };
            match beat {
                Beat::Send => self.send(tools),
                Beat::Wait(until) => return Some(until.min(self.names.next())),
                Beat::Done => return None,
            }
        }
    }

    /// Ends it, for this reason.
    pub(super) fn fail(self, error: Error) {
        self.state.events.fail(error);
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
        self.names.look(self.state.clock.now());
    }

    fn send(&mut self, Tools { ear, line }: &mut Tools) {
        let at = self.state.clock.now();
        let result = self.way.send(line, ear);
        self.digest(ear);
        match result {
            Ok(()) => {
                lock(&self.state.sender).sent(at);
                lock(&self.state.network).address = self.way.address();
                let lasts =
                    matches!(self.trouble, Trouble::Refused(last) if at.saturating_sub(last) < REFUSAL);
                if !lasts {
                    self.calm();
                }
            }
            Err(error) => {
                lock(&self.state.sender).failed();
                // Why the name is not found is told when that is known.
                if self.way.is_known() || matches!(self.trouble, Trouble::None) {
                    self.complain(Trouble::Unsent, &error);
                }
            }
        }
        if lock(&self.state.sender).has_parted() {
            // Those who stopped it wait for this.
            self.state.events.extend([()]);
        }
    }

    /// Makes use of what came back.
    fn digest(&mut self, ear: &mut Ear) {
        let now = self.state.clock.now();
        for heard in ear.heard.drain(..) {
            match heard {
                Heard::Answer(seq) => {
                    lock(&self.state.sender).answered(seq, now);
                    self.calm();
                }
                Heard::Refusal(source) => {
                    self.state.refused.fetch_add(1, Ordering::Relaxed);
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
        lock(&self.state.network).problem = Some(error.to_string());
    }

    fn calm(&mut self) {
        if !matches!(self.trouble, Trouble::None) {
            self.trouble = Trouble::None;
            lock(&self.state.network).problem = None;
        }
    }
}

impl Drop for Duty {
    /// However it ends, nobody waits for it in vain.
    fn drop(&mut self) {
        self.state.events.close("go on sending heartbeats");
        self.state.settle();
    }
}
