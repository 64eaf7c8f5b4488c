//! The drivers of this process: few threads for very many senders.
//!
//! A forked child has none of its parent's threads, and may have got any lock of theirs as held. So each process has a
//! fleet of its own, and touches no other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::duty::Duty;
use super::hosts::Hosts;
use super::mailbox::{Lease, Mailbox};
use super::state::Leaving;
use super::thread::Driver;
use crate::net::clock::EverClock;
use crate::net::event_queue::lock;
use crate::net::socket::Backend;
use crate::net::wait;
use crate::net::{Error, Result};

/// Senders of one thread. It could do more; but a thread is little beside so many sockets, and machines have several
/// processors.
const MOST: usize = 1_024;
/// The same where sockets are polled, and each costs something at each wait.
const MOST_POLLED: usize = 64;

/// What the senders of a process share.
#[derive(Debug)]
pub(super) struct Fleet {
    process: u32,
    /// One for all, so that their times can be compared.
    pub(super) clock: EverClock,
    pub(super) hosts: Hosts,
    roster: Mutex<Roster>,
    /// Senders that were stopped and have last words to say.
    leaving: AtomicUsize,
    /// The fleet of a child, or of its child.
    next: OnceLock<Box<Fleet>>,
}

/// Who drives how many.
#[derive(Debug, Default)]
struct Roster {
    teams: Vec<Team>,
    /// Keys are never used again.
    keys: u64,
}

/// A driver and its senders.
#[derive(Debug)]
struct Team {
    mailbox: Arc<Mailbox>,
    new: mpsc::Sender<Duty>,
    backend: Backend,
}

impl Fleet {
    /// The fleet of the process that asks.
    pub(super) fn own() -> &'static Self {
        static FIRST: OnceLock<Fleet> = OnceLock::new();
        let process = std::process::id();
        let mut fleet = FIRST.get_or_init(|| Self::new(process, EverClock::start()));
        while fleet.process != process {
            // With the same clock: a sender may be made in one process and started in its child.
            fleet = fleet.next.get_or_init(|| Box::new(Self::new(process, fleet.clock)));
        }
        fleet
    }

    fn new(process: u32, clock: EverClock) -> Self {
        Self {
            process,
            clock,
            hosts: Hosts::new(clock),
            roster: Mutex::default(),
            leaving: AtomicUsize::new(0),
            next: OnceLock::new(),
        }
    }

    /// A place with a driver that has room, or with a new one; and where that driver takes its sender from.
    ///
    /// # Errors
    /// The system refuses a thread, or what it needs.
    pub(super) fn lease(&'static self, backend: Backend) -> Result<(Lease, mpsc::Sender<Duty>)> {
        let most = if backend == Backend::Full { MOST } else { MOST_POLLED };
        let mut roster = lock(&self.roster);
        let room =
            roster.teams.iter().position(|team| team.backend == backend && team.mailbox.leases() < most);
        let index = room.unwrap_or(roster.teams.len());
        if room.is_none() {
            roster.teams.push(self.hire(backend)?);
        }
        roster.keys += 1;
        let team = &roster.teams[index];
        Ok((Lease::new(&team.mailbox, roster.keys), team.new.clone()))
    }

    fn hire(&'static self, backend: Backend) -> Result<Team> {
        let refused = Error::system("start a thread");
        let (mailbox, bell) = Mailbox::open(backend).map_err(refused)?;
        let (new, taken) = mpsc::channel();
        let mut driver = Driver::new(self.clock, Arc::clone(&mailbox), taken, bell, backend);
        let spawned = std::thread::Builder::new().name("udpping beats".into()).spawn(move || {
            wait::set_timer_slack();
            driver.run(|mailbox| self.dismiss(mailbox));
        });
        spawned.map(|_| Team { mailbox, new, backend }).map_err(refused)
    }

    /// Whether a driver has nobody left; then it is off the roster, and nobody will come.
    fn dismiss(&self, mailbox: &Arc<Mailbox>) -> bool {
        let mut roster = lock(&self.roster);
        roster.teams.retain(|team| team.mailbox.leases() > 0 || !Arc::ptr_eq(&team.mailbox, mailbox));
        !roster.teams.iter().any(|team| Arc::ptr_eq(&team.mailbox, mailbox))
    }

    /// One more that was stopped and has last words to say.
    pub(super) fn leaving(&'static self) -> Leaving {
        Leaving::new(&self.leaving)
    }

    /// Waits until all that were stopped have said their last words, at most `limit`.
    pub(super) fn see_off(&self, limit: Duration) {
        let began = Instant::now();
        // Once in a process, when it ends: not worth a lock at each goodbye.
        while self.leaving.load(Ordering::Acquire) > 0 && began.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
