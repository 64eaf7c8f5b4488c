//! A driver's mailbox, by which other threads call its senders, and the count of its senders.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::net::event_queue::lock;
use crate::net::poller::Poller;
use crate::net::resolver::Wake;
use crate::net::socket::Backend;
use crate::net::wait::{self, Bell, Waker};

/// Wakes a driver: by calls from other threads, and by the sockets in its poller.
#[derive(Debug)]
pub(super) struct Mailbox {
    waker: Waker,
    /// The keys of senders called since the driver last took them.
    calls: Mutex<Vec<u64>>,
    leases: AtomicUsize,
    pub(super) poller: Arc<Poller>,
}

/// A sender's place with a driver, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) key: u64,
}

impl Mailbox {
    pub(super) fn open(backend: Backend) -> io::Result<(Arc<Self>, Bell)> {
        let poller = Arc::new(Poller::new(backend)?);
        let (waker, bell) = wait::waker()?;
        let mailbox = Self { waker, calls: Mutex::default(), leases: AtomicUsize::new(0), poller };
        Ok((Arc::new(mailbox), bell))
    }

    /// Makes the driver serve the sender with this key at once, if it is not over.
    pub(super) fn call(&self, key: u64) {
        let mut calls = lock(&self.calls);
        calls.push(key);
        // The driver takes all calls at once, so one wake-up is enough.
        let is_first = calls.len() == 1;
        drop(calls);
        if is_first {
            self.wake();
        }
    }

    pub(super) fn take_calls(&self) -> Vec<u64> {
        std::mem::take(&mut *lock(&self.calls))
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn leases(&self) -> usize {
        self.leases.load(Ordering::Acquire)
    }
}

impl Wake for Mailbox {
    fn wake(&self, key: u64) {
        self.call(key);
    }
}

impl Lease {
    pub(super) fn new(mailbox: &Arc<Mailbox>, key: u64) -> Self {
        mailbox.leases.fetch_add(1, Ordering::AcqRel);
        Self { mailbox: Arc::clone(mailbox), key }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.mailbox.leases.fetch_sub(1, Ordering::AcqRel);
        // The driver may have no sender left, and then ends.
        self.mailbox.wake();
    }
}
