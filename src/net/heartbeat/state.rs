//! What the driver of a sender and its onlookers share.

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
    /// The latest sign of life: without a lock, as programs give it in their innermost loops.
    pub(super) touched: AtomicI64,
    /// It is to end without a word.
    pub(super) hush: AtomicBool,
    /// It was stopped and is not over yet.
    leaving: Mutex<Option<Leaving>>,
    pub(super) refused: AtomicU64,
    pub(super) network: Mutex<Network>,
    /// The event is that a last word has been said.
    pub(super) events: EventQueue<()>,
}

/// How it stands with the network.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    pub(super) address: Option<SocketAddr>,
    pub(super) problem: Option<String>,
}

/// One of those that were stopped and are not over, for as long as it lives.
#[derive(Debug)]
pub(super) struct Leaving(&'static AtomicUsize);

impl SenderState {
    pub(super) fn new(clock: EverClock, plan: HeartbeatPlan) -> Self {
        Self {
            clock,
            sender: Mutex::new(Sender::new(plan)),
            touched: AtomicI64::new(0),
            hush: AtomicBool::new(false),
            leaving: Mutex::new(None),
            refused: AtomicU64::new(0),
            network: Mutex::default(),
            events: EventQueue::new(),
        }
    }

    /// It was stopped: until it is over, a process that ends waits for it.
    pub(super) fn leave(&self, leaving: Leaving) {
        *lock(&self.leaving) = Some(leaving);
        self.settle();
    }

    /// It is no longer waited for if it is over. Whoever comes last, the one who stops it or its driver, finds it so.
    pub(super) fn settle(&self) {
        if self.events.is_over() {
            drop(lock(&self.leaving).take());
        }
    }
}

impl Leaving {
    /// Another one in `count`.
    pub(super) fn new(count: &'static AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
