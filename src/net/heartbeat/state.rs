//! The state that a sender's driver shares with other threads.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crate::logic::heartbeat::{HeartbeatPlan, Sender};
use crate::net::clock::EverClock;
use crate::net::event_queue::{EventQueue, lock};

#[derive(Debug)]
pub(super) struct SenderState {
    pub(super) clock: EverClock,
    pub(super) sender: Mutex<Sender>,
    /// The time of the last `touch`: without a lock, as programs call it in their innermost loops.
    pub(super) touched: AtomicI64,
    /// Whether it is to end without a goodbye.
    pub(super) silenced: AtomicBool,
    /// Set while it is stopped and not over.
    draining: Mutex<Option<Draining>>,
    pub(super) refused: AtomicU64,
    pub(super) network: Mutex<Network>,
    /// One event for each goodbye sent.
    pub(super) events: EventQueue<()>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    pub(super) address: Option<SocketAddr>,
    pub(super) problem: Option<String>,
}

/// Counts a sender that is stopped and not over, until it is dropped.
#[derive(Debug)]
pub(super) struct Draining(&'static AtomicUsize);

impl SenderState {
    pub(super) fn new(clock: EverClock, plan: HeartbeatPlan) -> Self {
        Self {
            clock,
            sender: Mutex::new(Sender::new(plan)),
            touched: AtomicI64::new(0),
            silenced: AtomicBool::new(false),
            draining: Mutex::new(None),
            refused: AtomicU64::new(0),
            network: Mutex::default(),
            events: EventQueue::new(),
        }
    }

    /// Makes an ending process wait for this sender until it is over.
    pub(super) fn set_draining(&self, draining: Draining) {
        *lock(&self.draining) = Some(draining);
        self.release();
    }

    /// Ends that wait if the sender is over. The driver and the stopping thread both call this, in either order.
    pub(super) fn release(&self) {
        if self.events.is_over() {
            drop(lock(&self.draining).take());
        }
    }
}

impl Draining {
    pub(super) fn new(count: &'static AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
