//! The targets of a session with their runs, and the sockets that they share.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Settings, Shared, Target};
use crate::logic::ping::{Pinger, Plan};
use crate::logic::{Invalid, Nanos};
use crate::net::datagram::Timestamping;
use crate::net::socket::{IpOptions, Socket, is_group};
use crate::net::timestamping;
use crate::net::{Error, Result};

/// The most targets of a session, including removed ones.
const MOST_TARGETS: usize = 65_536;
/// Rows that an endless run keeps by default: for all the targets that it begins with, and for each.
const KEEP_ALL: usize = 1_048_576;
const KEEP_MOST: usize = 65_536;
/// The same for each target that is added later.
const KEEP_ADDED: usize = 1_024;
/// The address of a target whose name is not found; no datagram is from there.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// One target and its run.
#[derive(Debug)]
pub struct PingLog {
    /// The name that the user gave.
    pub name: String,
    /// Its run.
    pub pinger: Pinger,
    /// Whether it was removed: nothing more is sent.
    pub removed: bool,
    pub(super) target: Target,
    /// Its address, once its name is found.
    pub(super) address: Option<SocketAddr>,
    /// Its socket, if one can be opened towards it.
    pub(super) socket: Option<usize>,
    /// Why its last ping that failed was not sent.
    pub(super) problem: Option<String>,
}

/// The name of a target, its address once that is found, and why its last ping that was not sent was not.
pub type TargetFacts = (String, Option<String>, Option<String>);

impl PingLog {
    /// Its name, address and problem.
    #[must_use]
    pub fn facts(&self) -> TargetFacts {
        (self.name.clone(), self.address.map(|address| address.to_string()), self.problem.clone())
    }
}

/// The targets of a session; their lock is held briefly.
#[derive(Debug, Default)]
pub(super) struct PingLogs {
    pub(super) all: Vec<PingLog>,
    /// By the socket and the address that its replies come from: targets at one address have a socket each.
    pub(super) by_peer: HashMap<(usize, IpAddr, u16), usize>,
    /// By its socket, a broadcast or multicast target: whatever comes there answers it.
    pub(super) groups: HashMap<usize, usize>,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) sockets: Vec<Arc<Socket>>,
    /// The class of service of each socket.
    pub(super) dscp_of: Vec<Option<u8>>,
    /// Connected sockets that serve no target any more.
    free: Vec<usize>,
    /// Whether `sockets` or `touched` changed.
    pub(super) changed: bool,
    /// Targets that the thread has to poll: new, resumed or ended ones.
    pub(super) touched: Vec<usize>,
    /// The thread has ended, or never starts.
    pub(super) over: bool,
}

impl PingLogs {
    /// Adds a target whose first ping is due at `start`; returns why it cannot be pinged now, if it cannot.
    ///
    /// # Errors
    /// A target that is refused: one too many, or one that is equal to another.
    pub(super) fn insert(
        &mut self,
        settings: &Settings,
        target: &Target,
        found: Result<SocketAddr>,
        start: Nanos,
    ) -> Result<Option<Error>> {
        let index = self.all.len();
        let name = target.name();
        if index == MOST_TARGETS {
            let expected = format!("at most {MOST_TARGETS} targets in one run, with those that were removed");
            return Err(Invalid::new("target", format!("{name:?}"), expected).into());
        }
        let (address, unknown) = match found {
            Ok(address) => (Some(address), None),
            Err(error) => (None, Some(error)),
        };
        address.map_or(Ok(()), |address| settings.check_pace(address))?;
        self.check_free(settings, index, target, address)?;
        let several = settings.targets.len() > 1 || index > 0;
        let opened = address.map(|address| {
            let group = is_group(address, settings.bind, settings.ip_options.broadcast);
            let socket = match group {
                Ok(true) => self.open(settings, target, address, false)?,
                _ => self.socket_of(settings, target, address, several)?,
            };
            Ok((socket, group))
        });
        let (socket, is_group, problem) = match opened {
            None => (None, false, unknown),
            // A broadcast address that is not allowed stays so; a route may appear.
            Some(Ok((_, Err(error @ Error::Invalid(_))))) => (None, false, Some(error)),
            Some(Ok((socket, Err(no_route)))) => (Some(socket), false, Some(no_route)),
            Some(Ok((socket, Ok(is_group)))) => (Some(socket), is_group, None),
            Some(Err(error)) if Error::is_shortage(&error) => return Err(error),
            Some(Err(error)) => (None, false, Some(error)),
        };
        let mut plan = Plan {
            start,
            stream: u32::try_from(index).unwrap_or(u32::MAX),
            keep: settings.keep.unwrap_or_else(|| keep(index, settings.targets.len())),
            ..settings.plan.clone()
        };
        if target.size.is_some() {
            plan.size = target.size;
        }
        let socket_of = |socket: usize| &self.sockets[socket];
        // With several targets the session counts datagrams from other addresses: they belong to no target.
        let sees_foreign = !several && socket.is_some_and(|socket| socket_of(socket).sees_foreign());
        let mut pinger = Pinger::new(plan, address.unwrap_or(NOBODY), sees_foreign);
        if socket.is_some_and(|socket| socket_of(socket).timestamping() == Timestamping::Both) {
            pinger.expect_stamps();
        }
        if let Some(socket) = socket.filter(|_| is_group) {
            self.groups.insert(socket, index);
            pinger.accept_all();
        }
        self.by_peer.extend(socket.zip(address).map(|(socket, address)| (key(socket, address), index)));
        self.by_name.insert(name.clone(), index);
        self.all.push(PingLog {
            name,
            pinger,
            removed: false,
            target: target.clone(),
            address,
            socket,
            problem: problem.as_ref().filter(|_| socket.is_none()).map(ToString::to_string),
        });
        Ok(problem)
    }

    /// Adds a target while the session runs.
    pub(super) fn add(
        &mut self,
        settings: &Settings,
        target: &Target,
        address: SocketAddr,
        shared: &Shared,
    ) -> Result<()> {
        let index = self.all.len();
        is_group(address, settings.bind, settings.ip_options.broadcast)?;
        self.insert(settings, target, Ok(address), 0)?;
        self.touched.push(index);
        self.changed = true;
        if let [first, _] = &mut self.all[..] {
            shared.foreign.fetch_add(first.pinger.leave_foreign(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Refuses a target that is equal to another one.
    pub(super) fn check_free(
        &self,
        settings: &Settings,
        index: usize,
        target: &Target,
        address: Option<SocketAddr>,
    ) -> Result<()> {
        let same = |other: &usize| {
            let log = &self.all[*other];
            looks(settings, &log.target) == looks(settings, target) && *other != index && !log.removed
        };
        let sockets = address
            .into_iter()
            .flat_map(|address| (0..self.sockets.len()).map(move |socket| key(socket, address)));
        let mut there = sockets.filter_map(|key| self.by_peer.get(&key));
        if there.any(same) || self.by_name.get(&target.name()).is_some_and(same) {
            return Err(taken(target, ", or with a size= or dscp= of its own"));
        }
        Ok(())
    }

    /// Moves targets to the addresses that were found for their names; returns those that stay, with the error.
    pub(super) fn follow(
        &mut self,
        settings: &Settings,
        found: Vec<(usize, Result<Vec<SocketAddr>>)>,
    ) -> Vec<(usize, Error)> {
        let (mut moves, mut failed) = (Vec::new(), Vec::new());
        for (index, found) in found {
            let log = &self.all[index];
            match settings.choose(found, &log.target.host, log.address) {
                Ok(address) => moves.push((index, address)),
                Err(error) => failed.push((index, error)),
            }
        }
        failed.extend(self.move_all(settings, moves));
        failed
    }

    /// Changes the address of a target.
    pub(super) fn move_to(&mut self, settings: &Settings, index: usize, address: SocketAddr) -> Result<()> {
        self.move_all(settings, vec![(index, address)]).pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Changes the addresses of targets at once, so that two can change places; returns those that stay, with the error.
    fn move_all(&mut self, settings: &Settings, mut moves: Vec<(usize, SocketAddr)>) -> Vec<(usize, Error)> {
        moves.retain(|(index, address)| {
            let PingLog { socket, address: old, .. } = &self.all[*index];
            socket.and(*old).is_none_or(|old| key(0, old) != key(0, *address))
        });
        let mut failed = self.keep_apart(settings, &mut moves);
        let mut left = Vec::new();
        for (index, address) in moves {
            let (target, before) =
                (self.all[index].target.clone(), self.all[index].socket.zip(self.all[index].address));
            let opened = settings.check_pace(address).map_err(Error::from).and_then(|()| match before {
                Some((socket, _)) if !self.sockets[socket].sees_foreign() => {
                    // It was connected to the old address, for this target alone.
                    open_socket(settings, &target, address, settings.busy).map(|new| {
                        self.sockets[socket] = new;
                        socket
                    })
                }
                _ => self.socket_of(settings, &target, address, true),
            });
            match opened {
                Ok(socket) => {
                    self.by_peer.insert(key(socket, address), index);
                    left.extend(before.map(|(socket, old)| key(socket, old)));
                    let log = &mut self.all[index];
                    (log.socket, log.address) = (Some(socket), Some(address));
                    log.pinger.retarget(address);
                    if before.is_none() && self.sockets[socket].timestamping() == Timestamping::Both {
                        log.pinger.expect_stamps();
                    }
                    self.changed = true;
                }
                Err(error) => failed.push((index, error)),
            }
        }
        // Last: no target got a socket on which late replies to another come from its new address.
        for key in left {
            self.by_peer.remove(&key);
        }
        failed
    }

    /// Takes out moves after which two equal targets would have one address; returns them with the error.
    fn keep_apart(&self, settings: &Settings, moves: &mut Vec<(usize, SocketAddr)>) -> Vec<(usize, Error)> {
        let place = |index: usize, address| (key(0, address), looks(settings, &self.all[index].target));
        let mut after = HashMap::new();
        let mut count = |place, by: i32| {
            let count = after.entry(place).or_insert(0);
            *count += by;
            *count
        };
        let moving: HashMap<usize, SocketAddr> = moves.iter().copied().collect();
        for (index, log) in self.all.iter().enumerate() {
            let address = moving.get(&index).copied().or_else(|| log.address.filter(|_| !log.removed));
            address.map(|address| count(place(index, address), 1));
        }
        let mut failed = Vec::new();
        while let Some(at) = moves.iter().position(|(index, address)| count(place(*index, *address), 0) > 1) {
            let (index, address) = moves.remove(at);
            count(place(index, address), -1);
            self.all[index].address.map(|old| count(place(index, old), 1));
            failed.push((index, taken(&self.all[index].target, "")));
        }
        failed
    }

    /// A socket for a target. An unconnected socket serves any number of targets of its family, one at each address; a
    /// connected socket serves one.
    pub(super) fn socket_of(
        &mut self,
        settings: &Settings,
        target: &Target,
        address: SocketAddr,
        several: bool,
    ) -> Result<usize> {
        if let Some(socket) = self.socket_for(address, target.dscp, settings) {
            return Ok(socket);
        }
        self.open(settings, target, address, settings.busy && !several)
    }

    /// A new socket for a target alone, until it is shared.
    fn open(
        &mut self,
        settings: &Settings,
        target: &Target,
        address: SocketAddr,
        connected: bool,
    ) -> Result<usize> {
        let socket = open_socket(settings, target, address, connected)?;
        let dscp = target.dscp.or(settings.ip_options.dscp);
        if let Some(free) = self.free.pop() {
            (self.sockets[free], self.dscp_of[free]) = (socket, dscp);
            return Ok(free);
        }
        self.sockets.push(socket);
        self.dscp_of.push(dscp);
        Ok(self.sockets.len() - 1)
    }

    /// Lets the socket of a removed target serve others.
    pub(super) fn release(&mut self, index: usize) {
        let log = &mut self.all[index];
        if let Some((socket, address)) = log.socket.take().zip(log.address) {
            self.by_peer.remove(&key(socket, address));
            self.groups.remove(&socket);
            if !self.sockets[socket].sees_foreign() {
                self.free.push(socket);
            }
        }
    }

    /// The first socket with these options and this family that serves no target at `address`, and has another port than
    /// that: a reflector of STAMP answers nobody at its own port.
    pub(super) fn socket_for(
        &self,
        address: SocketAddr,
        dscp: Option<u8>,
        settings: &Settings,
    ) -> Option<usize> {
        (0..self.sockets.len()).find(|index| {
            let socket = &self.sockets[*index];
            socket.sees_foreign()
                && !self.groups.contains_key(index)
                && !self.by_peer.contains_key(&key(*index, address))
                && self.dscp_of[*index] == dscp.or(settings.ip_options.dscp)
                && socket
                    .local()
                    .is_ok_and(|local| local.is_ipv4() == address.is_ipv4() && local.port() != address.port())
        })
    }
}

/// What a target has of its own, by which it may share an address with another; for the command line also its name, as
/// a list of hosts often has two names of one.
fn looks(settings: &Settings, target: &Target) -> (Option<u8>, Option<usize>, Option<String>) {
    let name = settings.pace.is_command().then(|| target.name());
    (target.dscp.or(settings.ip_options.dscp), target.size.or(settings.plan.size), name)
}

fn taken(target: &Target, or: &str) -> Error {
    Invalid::new("target", format!("{:?}", target.name()), format!("each address once{or}")).into()
}

/// Rows kept for a target; the run began with `targets`.
fn keep(index: usize, targets: usize) -> usize {
    if index < targets { (KEEP_ALL / targets).clamp(KEEP_ADDED, KEEP_MOST) } else { KEEP_ADDED }
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
    timestamping::enable(&mut socket, settings.timestamping);
    if connected {
        socket.connect(address)?;
    }
    Ok(Arc::new(socket))
}

/// The key of replies, without scope and flow of an IPv6 address.
pub(super) fn key(socket: usize, address: SocketAddr) -> (usize, IpAddr, u16) {
    (socket, address.ip(), address.port())
}
