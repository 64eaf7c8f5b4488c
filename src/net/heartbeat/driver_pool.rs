//! The drivers of this process: few threads for very many senders. A forked child has none of its parent's threads,
//! and any lock may be held in it, so each process has a pool of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::driver::Driver;
use super::mailbox::{Lease, Mailbox};
use super::sender_task::SenderTask;
use super::state::Draining;
use crate::net::clock::EverClock;
use crate::net::event_queue::lock;
use crate::net::socket::Backend;
use crate::net::wait;
use crate::net::{Error, Result};

/// The most senders of one thread.
const MOST: usize = 1_024;
/// The same with poll(2), which checks each socket at each wait.
const MOST_POLLED: usize = 64;

/// The drivers of a process.
#[derive(Debug)]
pub(super) struct DriverPool {
    process: u32,
    pub(super) clock: EverClock,
    slots: Mutex<Slots>,
    /// Senders that were stopped and are not over.
    draining: AtomicUsize,
    /// The pool of a forked child.
    next: OnceLock<Box<DriverPool>>,
}

#[derive(Debug, Default)]
struct Slots {
    list: Vec<Slot>,
    /// The last key; none is used twice.
    keys: u64,
}

/// A running driver.
#[derive(Debug)]
struct Slot {
    mailbox: Arc<Mailbox>,
    new: mpsc::Sender<SenderTask>,
    backend: Backend,
}

impl DriverPool {
    /// The pool of this process.
    pub(super) fn own() -> &'static Self {
        static FIRST: OnceLock<DriverPool> = OnceLock::new();
        let process = std::process::id();
        let mut pool = FIRST.get_or_init(|| Self::new(process, EverClock::start()));
        while pool.process != process {
            // The same clock, as a sender may be made in one process and started in its child.
            pool = pool.next.get_or_init(|| Box::new(Self::new(process, pool.clock)));
        }
        pool
    }

    fn new(process: u32, clock: EverClock) -> Self {
        Self { process, clock, slots: Mutex::default(), draining: AtomicUsize::new(0), next: OnceLock::new() }
    }

    /// A lease of a driver that is not full, or of a new one, and the channel on which the driver receives the sender.
    pub(super) fn lease(&'static self, backend: Backend) -> Result<(Lease, mpsc::Sender<SenderTask>)> {
        let most = if backend == Backend::Full { MOST } else { MOST_POLLED };
        let mut slots = lock(&self.slots);
        let room = slots.list.iter().position(|slot| slot.backend == backend && slot.mailbox.leases() < most);
        let index = room.unwrap_or(slots.list.len());
        if room.is_none() {
            slots.list.push(self.spawn(backend)?);
        }
        slots.keys += 1;
        let slot = &slots.list[index];
        Ok((Lease::new(&slot.mailbox, slots.keys), slot.new.clone()))
    }

    fn spawn(&'static self, backend: Backend) -> Result<Slot> {
        let refused = Error::system("start a thread");
        let (mailbox, bell) = Mailbox::open(backend).map_err(refused)?;
        let (new, tasks) = mpsc::channel();
        let mut driver = Driver::new(self.clock, Arc::clone(&mailbox), tasks, bell, backend);
        let spawned = std::thread::Builder::new().name("udpping beats".into()).spawn(move || {
            wait::set_timer_slack();
            driver.run(|mailbox| self.retire(mailbox));
        });
        spawned.map(|_| Slot { mailbox, new, backend }).map_err(refused)
    }

    /// Removes a driver that has no senders left, so that it gets no more; returns whether it was removed.
    fn retire(&self, mailbox: &Arc<Mailbox>) -> bool {
        let mut slots = lock(&self.slots);
        slots.list.retain(|slot| slot.mailbox.leases() > 0 || !Arc::ptr_eq(&slot.mailbox, mailbox));
        !slots.list.iter().any(|slot| Arc::ptr_eq(&slot.mailbox, mailbox))
    }

    /// Counts one more stopped sender.
    pub(super) fn draining(&'static self) -> Draining {
        Draining::new(&self.draining)
    }

    /// Waits until all stopped senders are over, at most `limit`.
    pub(super) fn drain(&self, limit: Duration) {
        let began = Instant::now();
        // This runs once, at the end of a process: not worth a condition variable.
        while self.draining.load(Ordering::Acquire) > 0 && began.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
