//! Pings on real sockets: a background thread that drives one [`Pinger`](crate::logic::ping::Pinger) for each target.
//!
//! The thread alone sends and receives. Other threads read the pingers between two waits, add and remove targets, take
//! events from a bounded queue, and stop the thread.

mod follower;
mod logs;
mod pace;
mod prepared_ping;
mod spin_margin;
#[cfg(test)]
mod tests;
mod thread;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::backlog::Format;
use super::clock::wall_ns;
use super::datagram::Timestamping;
use super::event_queue::{EventQueue, lock};
use super::resolve::{Device, fixed, of_family, reachable, zoned};
use super::resolver::Doorbell;
use super::socket::{Backend, IpOptions};
use super::wait::{self, Waker};
use super::{Error, Family, Host, Lookup, Result};
use crate::logic::ping::{Account, Plan, Verdict};
use crate::logic::record::{Row, Rows};
use crate::logic::stats::Summary;
use crate::logic::{Invalid, Nanos};

use follower::Follower;
use logs::PingLogs;
pub use logs::{PingLog, TargetFacts};
pub use pace::{Pace, SHORTEST_GAP};

/// Bytes of rows that wait in memory for a slow reader who may miss none.
const WAITING_ROWS: usize = 268_435_456;

/// What to ping, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The targets.
    pub targets: Vec<Target>,
    /// The schedule of each.
    pub plan: Plan,
    /// Rows that an endless run keeps for each target; `None`: fewer with more targets.
    pub keep: Option<usize>,
    /// The IP version; `None`: either.
    pub family: Option<Family>,
    /// The local address to send from, with port 0.
    pub bind: Option<SocketAddr>,
    /// The IP options of pings.
    pub ip_options: IpOptions,
    /// Which changes of rows are events.
    pub events: Events,
    /// What other hosts may get.
    pub pace: Pace,
    /// Which socket backend to use.
    pub backend: Backend,
    /// The most that the kernel is to timestamp.
    pub timestamping: Timestamping,
    /// Poll without waiting: this takes a whole processor, for the shortest round trips.
    pub busy: bool,
    /// How long to spin before a ping is due; `None`: adaptive with one target, else 0.
    pub spin: Option<Nanos>,
}

impl Settings {
    /// The settings of a run without options.
    #[must_use]
    pub fn new(targets: Vec<Target>, plan: Plan) -> Self {
        Self {
            targets,
            plan,
            keep: None,
            family: None,
            bind: None,
            ip_options: IpOptions::default(),
            events: Events::None,
            pace: Pace::default(),
            backend: Backend::best(),
            timestamping: Timestamping::Both,
            busy: false,
            spin: None,
        }
    }
}

impl Settings {
    /// The address to ping of those that were found for a host: `old`, if it is still among them.
    fn choose(
        &self,
        found: Result<Vec<SocketAddr>>,
        host: &Host,
        old: Option<SocketAddr>,
    ) -> Result<SocketAddr> {
        let found: Vec<_> = found?.into_iter().map(reachable).collect();
        let same = |address: &&SocketAddr| {
            old.is_some_and(|old| (old.ip(), old.port()) == (address.ip(), address.port()))
        };
        let address = match found.iter().find(same) {
            Some(address) => *address,
            None => of_family(&found, &host.name, self.family)?,
        };
        let zone = self.bind.or(self.ip_options.device.map(Device::zone));
        Ok(zoned("host", address, zone)?)
    }
}

/// Which changes of rows are events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// None.
    None,
    /// The result of each ping.
    Outcomes,
    /// The same, and each ping when it is sent.
    All,
}

/// A host and port, and options that apply to its pings alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub host: Host,
    /// The port, from 1.
    pub port: u16,
    /// The class of service; `None`: that of the session.
    pub dscp: Option<u8>,
    /// Bytes of each message; `None`: that of the session.
    pub size: Option<usize>,
}

impl Target {
    /// A target without options.
    pub fn new(host: impl Into<Host>, port: u16) -> Self {
        Self { host: host.into(), port, ..Self::default() }
    }

    /// `host:port`, and the options of this target.
    #[must_use]
    pub fn name(&self) -> String {
        let host = &self.host.name;
        let mut name = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]:{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        };
        let special = [("dscp", self.dscp.map(usize::from)), ("size", self.size)];
        for (what, value) in special {
            name.extend(value.map(|value| format!(" {what}={value}")));
        }
        name
    }
}

/// A run at one moment: its rows and counts agree.
#[derive(Debug)]
pub struct Snapshot {
    /// Name, address and problem of each target.
    pub targets: Vec<TargetFacts>,
    /// The rows of each.
    pub rows: Vec<Rows>,
    /// The counts of all.
    pub total: Summary,
    /// The counts of each.
    pub each: Vec<Summary>,
}

/// A second look-up of the names of a session.
#[derive(Debug)]
pub struct Again {
    indices: Vec<usize>,
    /// The look-up itself.
    pub lookup: Lookup,
}

/// A run of pings in the background.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    /// Whether a thread follows the names of this run.
    follows: AtomicBool,
    thread: Mutex<Option<thread::Ready>>,
    started_wall: Mutex<i64>,
    settings: Settings,
    process: u32,
}

#[derive(Debug)]
struct Shared {
    logs: Mutex<PingLogs>,
    /// Wakes the thread that pings.
    waker: Waker,
    /// Wakes the thread that follows names.
    names: Arc<Doorbell>,
    stop: AtomicBool,
    events: EventQueue<(usize, Row)>,
    /// Which target went up or down, and the wall clock then.
    verdicts: EventQueue<(usize, Verdict, i64)>,
    /// Datagrams from other addresses, with several targets.
    foreign: AtomicU64,
    /// From the beginning to the last wake-up, in nanoseconds.
    duration: AtomicI64,
}

impl Session {
    /// Resolves the targets and opens the sockets. Nothing is sent yet.
    ///
    /// # Errors
    /// A target that is refused, such as one named twice. An unknown host, an unusable address or no route is an error
    /// only if no target is better; else each of its pings gets the status `error`.
    pub fn open(settings: &Settings) -> Result<Self> {
        Self::open_at(settings, &look_up(&settings.targets)?)
    }

    /// As [`Session::open`], at the addresses that [`look_up`] found; waits for those that are missing.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open_at(settings: &Settings, lookup: &Lookup) -> Result<Self> {
        if settings.targets.is_empty() {
            return Err(Invalid::new("targets", "[]", "at least one target").into());
        }
        let mut logs = PingLogs::default();
        let mut problems = Vec::new();
        for (index, (target, found)) in settings.targets.iter().zip(lookup.answers()).enumerate() {
            let start = stagger(&settings.plan, index, settings.targets.len());
            let address = settings.choose(found, &target.host, None);
            problems.extend(logs.insert(settings, target, address, start)?);
        }
        if problems.len() == settings.targets.len() {
            return Err(problems.swap_remove(0));
        }
        let (waker, bell) = wait::waker().map_err(Error::system("set up the pinger"))?;
        let shared = Arc::new(Shared {
            logs: Mutex::new(logs),
            waker,
            names: Arc::default(),
            stop: AtomicBool::new(false),
            events: EventQueue::new(),
            verdicts: EventQueue::keeping(),
            foreign: AtomicU64::new(0),
            duration: AtomicI64::new(0),
        });
        let ready = thread::Ready::new(Arc::clone(&shared), bell, settings);
        let settings = settings.clone();
        Ok(Self {
            shared,
            follows: AtomicBool::new(false),
            thread: Mutex::new(Some(ready)),
            started_wall: Mutex::new(0),
            settings,
            process: std::process::id(),
        })
    }

    /// Pings one more target, within an interval from now; one that was removed is resumed.
    ///
    /// # Errors
    /// As [`Session::open`], and when the run is over. An error changes nothing.
    pub fn add(&self, target: &Target) -> Result<()> {
        self.add_at(target, &look_up(std::slice::from_ref(target))?)
    }

    /// As [`Session::add`], at the address that [`look_up`] found for this target.
    ///
    /// # Errors
    /// As [`Session::add`].
    pub fn add_at(&self, target: &Target, lookup: &Lookup) -> Result<()> {
        let found = lookup.answers().pop().unwrap_or_else(|| Ok(Vec::new()));
        let address = self.settings.choose(found, &target.host, None)?;
        let mut logs = lock(&self.shared.logs);
        if logs.over {
            return Err(Invalid::new("target", format!("{:?}", target.name()), "a run that goes on").into());
        }
        match logs.by_name.get(&target.name()).copied() {
            Some(index) if logs.all[index].removed => {
                logs.check_free(&self.settings, index, target, Some(address))?;
                logs.move_to(&self.settings, index, address)?;
                logs.all[index].removed = false;
                logs.touched.push(index);
                logs.changed = true;
            }
            _ => logs.add(&self.settings, target, address, &self.shared)?,
        }
        drop(logs);
        self.shared.waker.wake();
        self.follow_names()
    }

    /// Sends nothing more to a target; pings in flight are waited for. Its rows and counts stay.
    ///
    /// # Errors
    /// A target that is not pinged.
    pub fn remove(&self, target: &Target) -> Result<()> {
        let mut logs = lock(&self.shared.logs);
        let name = target.name();
        let index = logs.by_name.get(&name).copied().filter(|index| !logs.all[*index].removed);
        let index = index.ok_or_else(|| {
            Invalid::new("target", format!("{name:?}"), "one that is pinged, named as it was added")
        })?;
        logs.all[index].removed = true;
        logs.all[index].pinger.end();
        logs.touched.push(index);
        logs.changed = true;
        self.shared.waker.wake();
        Ok(())
    }

    /// Begins to look up all names again.
    ///
    /// # Errors
    /// None that [`Session::add`] has not had.
    pub fn look_up(&self) -> Result<Again> {
        let logs = lock(&self.shared.logs);
        let each = logs.all.iter().enumerate().filter(|(_, log)| !log.removed);
        let (indices, targets): (Vec<_>, Vec<_>) =
            each.map(|(index, log)| (index, log.target.clone())).unzip();
        drop(logs);
        Ok(Again { indices, lookup: look_up(&targets)? })
    }

    /// Pings the addresses that were found from now on; returns the targets that keep their address, with the error. A
    /// target keeps an address that is still one of its name's.
    pub fn follow(&self, again: &Again) -> Vec<(String, Error)> {
        let found = again.indices.iter().copied().zip(again.lookup.answers()).collect();
        let mut logs = lock(&self.shared.logs);
        let failed = logs.follow(&self.settings, found);
        self.shared.waker.wake();
        failed.into_iter().map(|(index, error)| (logs.all[index].name.clone(), error)).collect()
    }

    /// Has a slow reader miss no row, from before the start on: without an interval the next ping waits for the reader; on
    /// a schedule rows wait in memory, up to `memory` bytes or a default, and in a temporary file.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn miss_no_row(&self, memory: Option<usize>) -> Result<()> {
        if self.settings.plan.interval.is_none() {
            self.shared.events.wait_when_full();
            return Ok(());
        }
        let format = Format { store: store_row, restore: restore_row };
        self.shared.events.store_when_full(memory.unwrap_or(WAITING_ROWS), format);
        let shared = Arc::clone(&self.shared);
        // It is not joined: it ends with the run.
        std::thread::Builder::new()
            .name("udpping rows".into())
            .spawn(move || shared.events.write_backlog())
            .map_err(Error::system("start a thread"))?;
        Ok(())
    }

    /// Starts sending. A second call does nothing.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(&self) -> Result<()> {
        let Some(ready) = lock(&self.thread).take() else { return Ok(()) };
        *lock(&self.started_wall) = wall_ns();
        ready.spawn().map_err(|source| {
            // No thread closes the queue.
            lock(&self.shared.logs).over = true;
            self.shared.events.end();
            Error::System { action: "start a thread", source }
        })?;
        self.follow_names()
    }

    /// Has a thread follow the names of a run without an end, if there are any and none does yet.
    fn follow_names(&self) -> Result<()> {
        let is_name = |log: &PingLog| fixed(log.target.host.asked(), 0).is_none();
        if self.settings.plan.count.is_some()
            || lock(&self.thread).is_some()
            || !self.look(|logs| logs.iter().any(is_name))
            || self.follows.swap(true, Ordering::AcqRel)
        {
            return Ok(());
        }
        Follower::new(&self.shared, &self.settings).spawn().map_err(Error::system("start a thread"))
    }

    /// Ends the run soon, and sends nothing more once it returns; pings in flight get no result.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.names.ring();
        // It never started, so no thread closes the queue.
        if lock(&self.thread).take().is_some() {
            lock(&self.shared.logs).over = true;
            self.shared.events.end();
        }
        self.shared.waker.wake();
        if self.process == std::process::id() {
            // The thread sends under this lock. In a forked child nobody unlocks it.
            drop(lock(&self.shared.logs));
        }
    }

    /// Which target went up or down, with the wall clock then: the latest ones. It has no end of its own.
    pub fn verdicts(&self) -> &EventQueue<(usize, Verdict, i64)> {
        &self.shared.verdicts
    }

    /// Nanoseconds since 1970 when the run began; 0 before.
    pub fn started_wall(&self) -> i64 {
        *lock(&self.started_wall)
    }

    /// The duration of the run; while it runs, up to its last wake-up.
    pub fn duration(&self) -> Nanos {
        self.shared.duration.load(Ordering::Relaxed)
    }

    /// What the kernel timestamps on every socket of the run.
    pub fn timestamping(&self) -> Timestamping {
        let sockets = lock(&self.shared.logs).sockets.clone();
        let each = || sockets.iter().map(|socket| socket.timestamping());
        if each().all(|each| each == Timestamping::Both) {
            Timestamping::Both
        } else if each().all(|each| each != Timestamping::None) {
            Timestamping::Receive
        } else {
            Timestamping::None
        }
    }

    /// The local ports of the sockets that were opened.
    pub fn ports(&self) -> Vec<u16> {
        let sockets = lock(&self.shared.logs).sockets.clone();
        sockets.iter().filter_map(|socket| socket.local().ok()).map(|local| local.port()).collect()
    }

    /// Reads the logs under their lock.
    pub fn look<T>(&self, look: impl FnOnce(&[PingLog]) -> T) -> T {
        look(&lock(&self.shared.logs).all)
    }

    /// The counts of all targets.
    pub fn summary(&self) -> Summary {
        let (account, targets) =
            self.look(|logs| (Account::of(logs.iter().map(|log| &log.pinger)), logs.len()));
        self.total(account, targets > 1)
    }

    /// The run so far, with the `latest` rows of each target at least. No ping is sent meanwhile, for a short time, as
    /// rows are shared and not copied.
    pub fn snapshot(&self, latest: usize) -> Snapshot {
        let (targets, (rows, each)): (Vec<_>, (Vec<_>, Vec<_>)) = self.look(|logs| {
            let pingers = logs.iter().map(|log| (log.facts(), &log.pinger));
            pingers
                .map(|(facts, pinger)| (facts, (pinger.rows().latest(latest), Account::of([pinger]))))
                .unzip()
        });
        let total = self.total(Account::sum(&each), targets.len() > 1);
        Snapshot { targets, rows, total, each: each.into_iter().map(Account::summary).collect() }
    }

    /// The summary of all targets; computed without the lock, which would delay the run.
    fn total(&self, account: Account, several: bool) -> Summary {
        let mut summary = account.summary();
        if several && self.settings.backend == Backend::Full {
            summary.foreign = Some(self.shared.foreign.load(Ordering::Relaxed));
        }
        // A socket may serve several targets, and the kernel counts drops for the socket.
        let sockets = lock(&self.shared.logs).sockets.clone();
        summary.kernel_drops = sockets.iter().map(|socket| socket.kernel_drops()).sum();
        summary
    }
}

/// Its events are changed rows: target and row.
impl Deref for Session {
    type Target = EventQueue<(usize, Row)>;

    fn deref(&self) -> &EventQueue<(usize, Row)> {
        &self.shared.events
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

fn store_row((index, row): &(usize, Row), out: &mut Vec<u8>) {
    out.extend(index.to_le_bytes());
    row.store(out);
}

fn restore_row(bytes: &mut &[u8]) -> Option<(usize, Row)> {
    let (index, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some((usize::from_le_bytes(*index), Row::restore(bytes)?))
}

/// Spreads the first pings of several targets over the interval, so that they are not sent in one burst.
fn stagger(plan: &Plan, index: usize, targets: usize) -> Nanos {
    let share = |interval: Nanos| {
        let (index, targets) = (Nanos::try_from(index).unwrap_or(0), Nanos::try_from(targets).unwrap_or(1));
        interval / targets * index
    };
    plan.start + plan.interval.map_or(0, share)
}

/// Begins to look up the names of targets.
///
/// # Errors
/// A target without a host or a port.
pub fn look_up(targets: &[Target]) -> Result<Lookup> {
    if targets.iter().any(|target| target.port == 0) {
        return Err(Invalid::new("port", 0, "1 to 65535").into());
    }
    Lookup::start(targets.iter().map(|target| (&target.host, target.port)))
}
