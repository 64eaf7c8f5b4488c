//! Pings on real sockets: a background thread that drives one [`Pinger`] for each target.
//!
//! The thread alone sends and receives. Other threads read the pingers between two waits, add and remove targets, take
//! events from a bounded queue, and stop the thread.

mod prepared_ping;
mod spin_margin;
#[cfg(test)]
mod tests;
mod thread;
mod tx_timestamps;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::clock::wall_ns;
use super::datagram::Timestamping;
use super::event_queue::{EventQueue, lock};
use super::resolve::reachable;
use super::socket::{Backend, IpOptions, Socket};
#[cfg(target_os = "linux")]
use super::timestamping;
use super::wait::{self, Waker};
use super::{Error, Family, Result, resolve};
use crate::logic::ping::{Account, Pinger, Plan};
use crate::logic::record::Row;
use crate::logic::stats::Summary;
use crate::logic::{Invalid, Nanos};

/// The most targets of a session, including removed ones.
const MOST_TARGETS: usize = 65_536;
/// Rows that an endless run keeps by default: for all the targets that it begins with, and for each.
const KEEP_ALL: usize = 1_048_576;
const KEEP_MOST: usize = 65_536;
/// The same for each target that is added later.
const KEEP_ADDED: usize = 1_024;

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
    /// The local address to send from.
    pub bind: Option<IpAddr>,
    /// The IP options of pings.
    pub ip_options: IpOptions,
    /// Which changes of rows are events.
    pub events: Events,
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
            backend: Backend::best(),
            timestamping: Timestamping::Both,
            busy: false,
            spin: None,
        }
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
    pub host: String,
    /// The port, from 1.
    pub port: u16,
    /// The class of service; `None`: that of the session.
    pub dscp: Option<u8>,
    /// Bytes of each message; `None`: that of the session.
    pub size: Option<usize>,
}

impl Target {
    /// A target without options.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, ..Self::default() }
    }

    /// `host:port`, and the options of this target.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let special = [("dscp", self.dscp.map(usize::from)), ("size", self.size)];
        for (what, value) in special {
            name.extend(value.map(|value| format!(" {what}={value}")));
        }
        name
    }
}

/// One target and its run.
#[derive(Debug)]
pub struct PingLog {
    /// The name that the user gave.
    pub name: String,
    /// Its run.
    pub pinger: Pinger,
    /// Whether it was removed: nothing more is sent.
    pub removed: bool,
    target: Target,
    socket: usize,
}

/// The targets of a session; their lock is held briefly.
#[derive(Debug, Default)]
struct PingLogs {
    all: Vec<PingLog>,
    /// By the socket and the address that its replies come from: targets at one address have a socket each.
    by_peer: HashMap<(usize, IpAddr, u16), usize>,
    by_name: HashMap<String, usize>,
    sockets: Vec<Arc<Socket>>,
    /// The class of service of each socket.
    dscp_of: Vec<Option<u8>>,
    /// Whether `sockets` or `touched` changed.
    changed: bool,
    /// Targets that the thread has to poll: new, resumed or ended ones.
    touched: Vec<usize>,
    /// The thread has ended, or never starts.
    over: bool,
}

impl PingLogs {
    /// Adds a target whose first ping is due at `start`.
    fn insert(
        &mut self,
        settings: &Settings,
        target: &Target,
        address: SocketAddr,
        start: Nanos,
    ) -> Result<()> {
        let index = self.all.len();
        let name = target.name();
        if index == MOST_TARGETS {
            let expected = format!("at most {MOST_TARGETS} targets in one run, with those that were removed");
            return Err(Invalid::new("target", format!("{name:?}"), expected).into());
        }
        self.check_free(settings, index, target, address)?;
        let several = settings.targets.len() > 1 || index > 0;
        let socket = self.socket_of(settings, target, address, several)?;
        let mut plan = Plan {
            start,
            stream: u32::try_from(index).unwrap_or(u32::MAX),
            keep: settings.keep.unwrap_or_else(|| keep(index, settings.targets.len())),
            ..settings.plan.clone()
        };
        if target.size.is_some() {
            plan.size = target.size;
        }
        // With several targets the session counts datagrams from other addresses: they belong to no target.
        let sees_foreign = !several && self.sockets[socket].sees_foreign();
        let mut pinger = Pinger::new(plan, address, sees_foreign);
        if self.sockets[socket].timestamping() == Timestamping::Both {
            pinger.expect_stamps();
        }
        self.by_peer.insert(key(socket, address), index);
        self.by_name.insert(name.clone(), index);
        self.all.push(PingLog { name, pinger, removed: false, target: target.clone(), socket });
        Ok(())
    }

    /// Adds a target while the session runs.
    fn add(
        &mut self,
        settings: &Settings,
        target: &Target,
        address: SocketAddr,
        shared: &Shared,
    ) -> Result<()> {
        let index = self.all.len();
        self.insert(settings, target, address, 0)?;
        self.touched.push(index);
        self.changed = true;
        if let [first, _] = &mut self.all[..] {
            shared.foreign.fetch_add(first.pinger.leave_foreign(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Refuses a target that is equal to another one.
    fn check_free(
        &self,
        settings: &Settings,
        index: usize,
        target: &Target,
        address: SocketAddr,
    ) -> Result<()> {
        let looks =
            |target: &Target| (target.dscp.or(settings.ip_options.dscp), target.size.or(settings.plan.size));
        let same = |other: &usize| {
            let log = &self.all[*other];
            looks(&log.target) == looks(target) && *other != index && !log.removed
        };
        let mut there = (0..self.sockets.len()).filter_map(|socket| self.by_peer.get(&key(socket, address)));
        if there.any(same) || self.by_name.get(&target.name()).is_some_and(same) {
            return Err(Invalid::new("targets", format!("{:?}", target.name()), "each address once").into());
        }
        Ok(())
    }

    /// Changes the address of a target.
    fn move_to(&mut self, settings: &Settings, index: usize, address: SocketAddr) -> Result<()> {
        let (target, old, before) = {
            let log = &self.all[index];
            (log.target.clone(), log.pinger.target(), log.socket)
        };
        self.check_free(settings, index, &target, address)?;
        if key(0, old) == key(0, address) {
            return Ok(());
        }
        let socket = if self.sockets[before].sees_foreign() {
            self.socket_of(settings, &target, address, true)?
        } else {
            // It was connected to the old address, for this target alone.
            self.sockets[before] = open_socket(settings, &target, address, settings.busy)?;
            before
        };
        self.by_peer.remove(&key(before, old));
        self.by_peer.insert(key(socket, address), index);
        let log = &mut self.all[index];
        log.socket = socket;
        log.pinger.retarget(address);
        self.changed = true;
        Ok(())
    }

    /// A socket for a target. An unconnected socket serves any number of targets of its family, one at each address; a
    /// connected socket serves one.
    fn socket_of(
        &mut self,
        settings: &Settings,
        target: &Target,
        address: SocketAddr,
        several: bool,
    ) -> Result<usize> {
        if let Some(socket) = self.socket_for(address, target.dscp, settings) {
            return Ok(socket);
        }
        self.sockets.push(open_socket(settings, target, address, settings.busy && !several)?);
        self.dscp_of.push(target.dscp.or(settings.ip_options.dscp));
        Ok(self.sockets.len() - 1)
    }

    /// The first socket with these options and this family that serves no target at `address`.
    fn socket_for(&self, address: SocketAddr, dscp: Option<u8>, settings: &Settings) -> Option<usize> {
        (0..self.sockets.len()).find(|index| {
            let socket = &self.sockets[*index];
            socket.sees_foreign()
                && !self.by_peer.contains_key(&key(*index, address))
                && self.dscp_of[*index] == dscp.or(settings.ip_options.dscp)
                && socket.local().is_ok_and(|local| local.is_ipv4() == address.is_ipv4())
        })
    }
}

/// A run of pings in the background.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    waker: Waker,
    thread: Mutex<Option<thread::Ready>>,
    started_wall: Mutex<i64>,
    settings: Settings,
}

#[derive(Debug)]
struct Shared {
    logs: Mutex<PingLogs>,
    stop: AtomicBool,
    events: EventQueue<(usize, Row)>,
    /// Datagrams from other addresses, with several targets.
    foreign: AtomicU64,
    /// From the beginning to the last wake-up, in nanoseconds.
    duration: AtomicI64,
}

impl Session {
    /// Resolves the targets and opens the sockets. Nothing is sent yet.
    ///
    /// # Errors
    /// An unknown host, an unusable address, no route, or a target named twice.
    pub fn open(settings: &Settings) -> Result<Self> {
        if settings.targets.is_empty() {
            return Err(Invalid::new("targets", "[]", "at least one target").into());
        }
        let mut logs = PingLogs::default();
        for (index, target) in settings.targets.iter().enumerate() {
            let start = stagger(&settings.plan, index, settings.targets.len());
            logs.insert(settings, target, address_of(target, settings)?, start)?;
        }
        let (waker, bell) = wait::waker().map_err(Error::system("set up the pinger"))?;
        let shared = Arc::new(Shared {
            logs: Mutex::new(logs),
            stop: AtomicBool::new(false),
            events: EventQueue::new(),
            foreign: AtomicU64::new(0),
            duration: AtomicI64::new(0),
        });
        let ready = thread::Ready::new(Arc::clone(&shared), bell, settings);
        let settings = settings.clone();
        Ok(Self { shared, waker, thread: Mutex::new(Some(ready)), started_wall: Mutex::new(0), settings })
    }

    /// Pings one more target, within an interval from now; one that was removed is resumed.
    ///
    /// # Errors
    /// As [`Session::open`], and when the run is over. An error changes nothing.
    pub fn add(&self, target: &Target) -> Result<()> {
        let address = address_of(target, &self.settings)?;
        let mut logs = lock(&self.shared.logs);
        if logs.over {
            return Err(Invalid::new("target", format!("{:?}", target.name()), "a run that goes on").into());
        }
        match logs.by_name.get(&target.name()).copied() {
            Some(index) if logs.all[index].removed => {
                logs.move_to(&self.settings, index, address)?;
                logs.all[index].removed = false;
                logs.touched.push(index);
                logs.changed = true;
            }
            _ => logs.add(&self.settings, target, address, &self.shared)?,
        }
        self.waker.wake();
        Ok(())
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
        self.waker.wake();
        Ok(())
    }

    /// Resolves all names again, and pings new addresses from then on; returns the targets that keep their address,
    /// with the error.
    pub fn resolve(&self) -> Vec<(String, Error)> {
        let targets: Vec<_> = {
            let logs = lock(&self.shared.logs);
            let each = logs.all.iter().enumerate().filter(|(_, log)| !log.removed);
            each.map(|(index, log)| (index, log.target.clone())).collect()
        };
        let mut failed = Vec::new();
        for (index, target) in targets {
            let done = address_of(&target, &self.settings)
                .and_then(|address| lock(&self.shared.logs).move_to(&self.settings, index, address));
            failed.extend(done.err().map(|error| (target.name(), error)));
        }
        self.waker.wake();
        failed
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
        })
    }

    /// Ends the run soon; pings in flight get no result.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        // It never started, so no thread closes the queue.
        if lock(&self.thread).take().is_some() {
            lock(&self.shared.logs).over = true;
            self.shared.events.end();
        }
        self.waker.wake();
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

    /// Reads the logs under their lock.
    pub fn look<T>(&self, look: impl FnOnce(&[PingLog]) -> T) -> T {
        look(&lock(&self.shared.logs).all)
    }

    /// The counts of one target, or of all.
    pub fn summary(&self, target: Option<usize>) -> Option<Summary> {
        let foreign = self.shared.foreign.load(Ordering::Relaxed);
        let (account, several) = self.look(|logs| {
            let chosen = target.map_or(Some(logs), |target| logs.get(target..=target))?;
            Some((Account::of(chosen.iter().map(|log| &log.pinger)), chosen.len() > 1))
        })?;
        // Computed without the lock, which would delay the run.
        let mut summary = account.summary();
        if several && self.settings.backend == Backend::Full {
            summary.foreign = Some(foreign);
        }
        // A socket may serve several targets, and the kernel counts drops for the socket.
        if target.is_none() {
            let sockets = lock(&self.shared.logs).sockets.clone();
            summary.kernel_drops = sockets.iter().map(|socket| socket.kernel_drops()).sum();
        }
        Some(summary)
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

/// Rows kept for a target; the run began with `targets`.
fn keep(index: usize, targets: usize) -> usize {
    if index < targets { (KEEP_ALL / targets).clamp(KEEP_ADDED, KEEP_MOST) } else { KEEP_ADDED }
}

/// Spreads the first pings of several targets over the interval, so that they are not sent in one burst.
fn stagger(plan: &Plan, index: usize, targets: usize) -> Nanos {
    let share = |interval: Nanos| {
        let (index, targets) = (Nanos::try_from(index).unwrap_or(0), Nanos::try_from(targets).unwrap_or(1));
        interval / targets * index
    };
    plan.start + plan.interval.map_or(0, share)
}

fn open_socket(
    settings: &Settings,
    target: &Target,
    address: SocketAddr,
    connected: bool,
) -> Result<Arc<Socket>> {
    let dscp = target.dscp.or(settings.ip_options.dscp);
    let ip_options = IpOptions { dscp, ..settings.ip_options };
    let mut socket = Socket::toward(address, settings.bind, ip_options, settings.backend)?;
    #[cfg(target_os = "linux")]
    timestamping::enable(&mut socket, settings.timestamping);
    if connected {
        socket.connect(address)?;
    }
    Ok(Arc::new(socket))
}

fn address_of(target: &Target, settings: &Settings) -> Result<SocketAddr> {
    let address = reachable(resolve(&target.host, target.port, settings.family)?);
    if target.port == 0 {
        return Err(Invalid::new("port", 0, "1 to 65535").into());
    }
    Ok(address)
}

/// The key of replies, without scope and flow of an IPv6 address.
fn key(socket: usize, address: SocketAddr) -> (usize, IpAddr, u16) {
    (socket, address.ip(), address.port())
}
