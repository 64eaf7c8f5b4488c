//! Pings on real sockets: a background thread that drives one [`Pinger`] for each target.
//!
//! The thread alone touches the sockets. Everyone else looks at the pingers between two waits, takes events from a
//! bounded queue, and asks it to stop.

mod draft;
mod margin;
mod sendings;
mod thread;

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

/// What to ping, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host and port of each target.
    pub targets: Vec<(String, u16)>,
    /// The schedule of each.
    pub plan: Plan,
    /// The IP version, if it matters.
    pub family: Option<Family>,
    /// The local address to send from.
    pub bind: Option<IpAddr>,
    /// `IpOptions` on what is sent.
    pub ip_options: IpOptions,
    /// Which rows somebody will take as they change.
    pub events: Events,
    /// Which socket path to take.
    pub backend: Backend,
    /// The most that the kernel is asked to stamp.
    pub timestamping: Timestamping,
    /// Never wait, and ask for replies again and again: a whole processor for the shortest round trips.
    pub busy: bool,
    /// How long to spin before a ping is due; `None`: as long as needed with one target, else not at all.
    pub spin: Option<Nanos>,
}

/// Which changes of rows are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// None.
    None,
    /// What became of each ping.
    Outcomes,
    /// The same, and each ping as it leaves.
    All,
}

/// One target and its run.
#[derive(Debug)]
pub struct Lane {
    /// `host:port` as the user named it.
    pub name: String,
    /// Its run.
    pub pinger: Pinger,
    socket: usize,
}

/// A run of pings in the background.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    waker: Waker,
    thread: Mutex<Option<thread::Ready>>,
    started_wall: Mutex<i64>,
    sees_foreign: bool,
}

#[derive(Debug)]
struct Shared {
    lanes: Mutex<Vec<Lane>>,
    sockets: Vec<Socket>,
    stop: AtomicBool,
    events: EventQueue<(usize, Row)>,
    /// Datagrams from strangers, where there are several targets that they could be foreign to.
    foreign: AtomicU64,
    /// Up to the last thing that happened, in nanoseconds.
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
        let several = settings.targets.len() > 1;
        let mut sockets: Vec<Socket> = Vec::new();
        let mut lanes = Vec::with_capacity(settings.targets.len());
        let mut lane_of = HashMap::with_capacity(settings.targets.len());
        for (index, (host, port)) in settings.targets.iter().enumerate() {
            let address = reachable(resolve(host, *port, settings.family)?);
            let name = display_name(host, *port);
            if *port == 0 {
                return Err(Invalid::new("port", 0, "1 to 65535").into());
            }
            if lane_of.insert(key(address), index).is_some() {
                return Err(Invalid::new("targets", format!("{name:?}"), "each address once").into());
            }
            // Unconnected sockets serve every target of their family; connected ones serve one.
            let shared = sockets.iter().position(|socket| {
                socket.sees_foreign()
                    && socket.local().is_ok_and(|local| local.is_ipv4() == address.is_ipv4())
            });
            let socket = if let Some(socket) = shared {
                socket
            } else {
                let mut socket =
                    Socket::toward(address, settings.bind, settings.ip_options, settings.backend)?;
                #[cfg(target_os = "linux")]
                timestamping::enable(&mut socket, settings.timestamping);
                if settings.busy && !several {
                    socket.connect(address)?;
                }
                sockets.push(socket);
                sockets.len() - 1
            };
            let plan = Plan {
                start: stagger(&settings.plan, index, settings.targets.len()),
                stream: u32::try_from(index).unwrap_or(u32::MAX),
                ..settings.plan.clone()
            };
            // With several targets a stranger's datagram belongs to none of them: the session counts it.
            let sees_foreign = !several && sockets[socket].sees_foreign();
            let mut pinger = Pinger::new(plan, address, sees_foreign);
            if sockets[socket].timestamping() == Timestamping::Both {
                pinger.expect_stamps();
            }
            lanes.push(Lane { name, pinger, socket });
        }
        let (waker, bell) = wait::waker().map_err(Error::system("set up the pinger"))?;
        let shared = Arc::new(Shared {
            lanes: Mutex::new(lanes),
            sockets,
            stop: AtomicBool::new(false),
            events: EventQueue::new(),
            foreign: AtomicU64::new(0),
            duration: AtomicI64::new(0),
        });
        let ready = thread::Ready::new(Arc::clone(&shared), lane_of, bell, settings);
        let sees_foreign = settings.backend == Backend::Full;
        Ok(Self { shared, waker, thread: Mutex::new(Some(ready)), started_wall: Mutex::new(0), sees_foreign })
    }

    /// Starts sending. A second call does nothing.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(&self) -> Result<()> {
        let Some(ready) = lock(&self.thread).take() else { return Ok(()) };
        *lock(&self.started_wall) = wall_ns();
        ready.spawn().map_err(|source| {
            // Nobody else will say that it is over.
            self.shared.events.end();
            Error::System { action: "start a thread", source }
        })
    }

    /// Ends the run soon; what is in flight stays undecided.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        // Never started: there is no thread to say that it is over.
        if lock(&self.thread).take().is_some() {
            self.shared.events.end();
        }
        self.waker.wake();
    }

    /// Nanoseconds since 1970 when the run began; 0 before.
    pub fn started_wall(&self) -> i64 {
        *lock(&self.started_wall)
    }

    /// How long the run has taken; while it runs, up to the last thing that happened.
    pub fn duration(&self) -> Nanos {
        self.shared.duration.load(Ordering::Relaxed)
    }

    /// What the kernel stamps, on every socket of the run.
    pub fn timestamping(&self) -> Timestamping {
        let each = || self.shared.sockets.iter().map(Socket::timestamping);
        if each().all(|each| each == Timestamping::Both) {
            Timestamping::Both
        } else if each().all(|each| each != Timestamping::None) {
            Timestamping::Receive
        } else {
            Timestamping::None
        }
    }

    /// Looks at the lanes as they stand.
    pub fn look<T>(&self, look: impl FnOnce(&[Lane]) -> T) -> T {
        look(&lock(&self.shared.lanes))
    }

    /// The counts of one target, or of all.
    pub fn summary(&self, target: Option<usize>) -> Option<Summary> {
        let foreign = self.shared.foreign.load(Ordering::Relaxed);
        let (account, several) = self.look(|lanes| {
            let chosen = target.map_or(Some(lanes), |target| lanes.get(target..=target))?;
            Some((Account::of(chosen.iter().map(|lane| &lane.pinger)), chosen.len() > 1))
        })?;
        // Worked out without the lock, so that asking does not disturb the run.
        let mut summary = account.summary();
        if several && self.sees_foreign {
            summary.foreign = Some(foreign);
        }
        // A socket may serve several targets: what it dropped is nobody's in particular.
        if target.is_none() {
            summary.kernel_drops = self.shared.sockets.iter().map(Socket::kernel_drops).sum();
        }
        Some(summary)
    }
}

/// Its events are the changes of rows: target and row.
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

/// The first pings of several targets are spread over the interval, so that they do not leave in one burst.
fn stagger(plan: &Plan, index: usize, targets: usize) -> Nanos {
    let share = |interval: Nanos| {
        let (index, targets) = (Nanos::try_from(index).unwrap_or(0), Nanos::try_from(targets).unwrap_or(1));
        interval / targets * index
    };
    plan.start + plan.interval.map_or(0, share)
}

fn display_name(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The key of a lane: scope and flow of an IPv6 address do not tell targets apart.
fn key(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip(), address.port())
}
