//! The work of a driver for one sender: it sends due heartbeats, receives answers and follows the monitor's name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mailbox::Lease;
use super::state::SenderState;
use super::transport::{Received, RecvBuf, Transport};
use crate::logic::heartbeat::Beat;
use crate::logic::{Nanos, SECOND};
use crate::net::Error;
use crate::net::event_queue::lock;
use crate::net::name_watcher::NameWatcher;
use crate::net::socket::Backend;

/// How long the first heartbeat waits for the name; then the name is an error, and the schedule starts.
const PATIENCE: Nanos = SECOND;
/// How long an ICMP error stays the problem: systems send at least one a second.
const REFUSAL: Nanos = 2 * SECOND + SECOND / 2;

#[derive(Debug)]
pub(super) struct SenderTask {
    state: Arc<SenderState>,
    lease: Lease,
    name: NameWatcher,
    transport: Transport,
    problem: Problem,
    /// Until when the first heartbeat waits for the name; `None` once the schedule has begun.
    patience: Option<Nanos>,
}

#[derive(Debug, Clone, Copy)]
enum Problem {
    None,
    /// The last heartbeat was not sent.
    Unsent,
    /// When the last ICMP error arrived.
    Refused(Nanos),
}

/// Buffers that a driver reuses for all senders.
#[derive(Debug)]
pub(super) struct Scratch {
    recv: RecvBuf,
    line: Vec<u8>,
}

impl Scratch {
    pub(super) fn new(backend: Backend) -> Self {
        Self { recv: RecvBuf::new(backend), line: Vec::new() }
    }
}

impl SenderTask {
    pub(super) fn new(
        state: Arc<SenderState>,
        lease: Lease,
        name: NameWatcher,
        transport: Transport,
    ) -> Self {
        let patience = Some(state.clock.now() + PATIENCE);
        Self { state, lease, name, transport, problem: Problem::None, patience }
    }

    pub(super) fn key(&self) -> u64 {
        self.lease.key
    }

    /// Sends what is due, and reads the socket if it is `readable`; returns when to call again, `None` when it is over.
    pub(super) fn serve(&mut self, scratch: &mut Scratch, readable: bool) -> Option<Nanos> {
        if self.state.silenced.load(Ordering::Acquire) {
            return None;
        }
        if readable {
            self.transport.receive(&mut scratch.recv);
            self.handle_received(&mut scratch.recv);
        }
        self.follow_name();
        if let Some(until) = self.patience {
            let now = self.state.clock.now();
            let mut sender = lock(&self.state.sender);
            if self.name.is_pending() && now < until && !sender.is_draining() {
                return Some(until);
            }
            sender.begin(now);
            self.patience = None;
        }
        loop {
            scratch.line.clear();
            let beat = {
                let mut sender = lock(&self.state.sender);
                sender.touch(self.state.touched.load(Ordering::Relaxed));
                sender.beat(self.state.clock.moment(), &mut scratch.line)
            };
            match beat {
                Beat::Send => self.send(scratch),
                Beat::Wait(until) => return Some(until.min(self.name.next())),
                Beat::Done => return None,
            }
        }
    }

    pub(super) fn fail(self, error: Error) {
        self.state.events.fail(error);
    }

    /// Uses the resolved addresses, and looks the name up again when that is due.
    fn follow_name(&mut self) {
        match self.name.take() {
            Some(Ok(addresses)) => self.transport.set_addresses(addresses),
            Some(Err(error)) if !self.transport.is_known() => self.set_problem(Problem::Unsent, &error),
            // The addresses found before stay in use.
            Some(Err(_)) => self.name.look_soon(),
            None => {}
        }
        self.name.look(self.state.clock.now());
    }

    fn send(&mut self, Scratch { recv, line }: &mut Scratch) {
        let at = self.state.clock.now();
        // It is counted before anybody who has received it can ask.
        let mut sender = lock(&self.state.sender);
        let result = self.transport.send(line, recv);
        match result {
            Ok(()) => sender.sent(at),
            Err(_) => sender.failed(at),
        }
        drop(sender);
        self.handle_received(recv);
        match result {
            Ok(()) => {
                lock(&self.state.network).address = self.transport.address();
                let lasts =
                    matches!(self.problem, Problem::Refused(last) if at.saturating_sub(last) < REFUSAL);
                if !lasts {
                    self.clear_problem();
                }
            }
            Err(error) => {
                // The failed look-up itself is reported when it ends.
                if self.transport.is_known() || matches!(self.problem, Problem::None) {
                    self.set_problem(Problem::Unsent, &error);
                }
            }
        }
        if lock(&self.state.sender).has_sent_goodbye() {
            // `Heartbeat::stop` waits for this.
            self.state.events.extend([()]);
        }
    }

    fn handle_received(&mut self, recv: &mut RecvBuf) {
        let now = self.state.clock.now();
        for received in recv.received.drain(..) {
            match received {
                Received::Answer(seq) => {
                    lock(&self.state.sender).answered(seq, now);
                    self.clear_problem();
                }
                Received::Refused(source) => {
                    self.state.refused.fetch_add(1, Ordering::Relaxed);
                    if let Some(address) = self.transport.address() {
                        let error = Error::Io { action: "reach", address, source };
                        self.set_problem(Problem::Refused(now), &error);
                    }
                }
            }
        }
    }

    /// Reports an error, and looks the name up soon, as its address may have changed.
    fn set_problem(&mut self, problem: Problem, error: &Error) {
        self.problem = problem;
        self.name.look_soon();
        lock(&self.state.network).problem = Some(error.to_string());
    }

    fn clear_problem(&mut self) {
        if !matches!(self.problem, Problem::None) {
            self.problem = Problem::None;
            lock(&self.state.network).problem = None;
        }
    }
}

impl Drop for SenderTask {
    /// Ends every wait for it, however it ends.
    fn drop(&mut self) {
        self.state.events.close("go on sending heartbeats");
        self.state.release();
    }
}
