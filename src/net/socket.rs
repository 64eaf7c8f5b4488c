//! A UDP socket, its options, and the differences between operating systems.
//!
//! On Linux a socket is unconnected and reports the local address, the hops and the ICMP errors of each datagram. The
//! portable backend uses the standard library alone: a client's socket is connected, so that it reports ICMP errors and
//! receives no datagrams from other addresses.

mod recv_batch;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;

use rustix::fd::{AsFd, BorrowedFd};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

pub use recv_batch::RecvBatch;

use super::datagram::{ErrorQueueEntry, IcmpError, PktInfo, Reports, Timestamping};
use super::resolve::{Device, resolve, zoned};
use super::sys::{options, single, timestamping};
use super::{Error, Result, sys, wait};
use crate::logic::Invalid;

/// The requested receive buffer. The system's default holds some 250 small datagrams, too few under load.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The implementation of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// All features of this operating system.
    Full,
    /// The features that every system has.
    Portable,
}

impl Backend {
    /// The one for this operating system.
    pub fn best() -> Self {
        if cfg!(target_os = "linux") { Self::Full } else { Self::Portable }
    }
}

/// Options of the IP header of datagrams that are sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct IpOptions {
    /// Hop limit, 1 to 255.
    pub ttl: Option<u8>,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: Option<u8>,
    /// Set the don't-fragment bit; datagrams longer than the path MTU are then errors.
    pub dont_fragment: bool,
    /// Allow broadcast and multicast addresses, where many may answer.
    pub broadcast: bool,
    /// The only interface to send and receive by.
    pub device: Option<Device>,
}

impl IpOptions {
    /// Checks the ranges of the options.
    pub fn new(
        ttl: Option<i64>,
        dscp: Option<i64>,
        dont_fragment: bool,
    ) -> std::result::Result<Self, Invalid> {
        let within = |what, value: Option<i64>, least: u8, most: u8| {
            value
                .map(|value| {
                    u8::try_from(value)
                        .ok()
                        .filter(|byte| (least..=most).contains(byte))
                        .ok_or_else(|| Invalid::new(what, value, format!("{least} to {most}")))
                })
                .transpose()
        };
        let (ttl, dscp) = (within("ttl", ttl, 1, 255)?, within("dscp", dscp, 0, 63)?);
        Ok(Self { ttl, dscp, dont_fragment, ..Self::default() })
    }
}

/// An open UDP socket.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    backend: Backend,
    connected: bool,
    timestamping: Timestamping,
    /// What [`Socket::local`] says, once [`Socket::is_own`] was asked.
    own: OnceLock<Option<SocketAddr>>,
}

impl Socket {
    /// A server's socket, bound to `host` (a name or address; empty for every IPv4 interface, `::` for every interface
    /// of both versions) at the first free of `tries` ports from `port` on; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`Error::PortBusy`] when every port tried is taken, or any other error of the system.
    pub(super) fn listen(host: &str, port: u16, tries: u16, backend: Backend) -> Result<Self> {
        if tries == 0 {
            return Err(Invalid::new("port_tries", 0, "1 to 65535").into());
        }
        let mut taken = None;
        for port in (port..=u16::MAX).take(tries.into()) {
            let address = if host.is_empty() {
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
            } else {
                let address = zoned("host", resolve(host, port, None)?, None)?;
                if let Ok(Some(kind)) = group(address, None) {
                    let expected = format!("an address of this machine, not a {kind} address");
                    return Err(Invalid::new("host", address.ip(), expected).into());
                }
                address
            };
            match Self::serve(address, backend) {
                Err(busy @ Error::PortBusy { .. }) => taken = taken.or(Some(busy)),
                result => return result,
            }
        }
        Err(taken.unwrap_or_else(|| Invalid::new("port", port, "0 to 65535").into()))
    }

    /// A server's socket, bound to `address`; replies are sent from the address at which the request arrived.
    ///
    /// # Errors
    /// [`Error::PortBusy`], or any other error of the system.
    pub fn serve(address: SocketAddr, backend: Backend) -> Result<Self> {
        let raw = open(address).map_err(Error::at("open a socket for", address))?;
        Self::bind(raw, address, backend)
    }

    /// Another socket at the address of this one; the kernel delivers each client's datagrams to one of the two.
    ///
    /// This one was bound without `SO_REUSEPORT`, so the address was free; later only sockets of this user can join.
    pub fn beside(&self) -> Result<Self> {
        let address = self.local()?;
        let refused = Error::at("share the port of", address);
        let raw = open(address).map_err(refused)?;
        share_port(self.as_fd(), self.backend)
            .and_then(|()| share_port(raw.as_fd(), self.backend))
            .map_err(refused)?;
        Self::bind(raw, address, self.backend)
    }

    fn bind(raw: RawSocket, address: SocketAddr, backend: Backend) -> Result<Self> {
        let refused = |action| Error::at(action, address);
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            raw.set_only_v6(false).map_err(refused("listen on IPv4 and IPv6 at"))?;
        }
        raw.bind(&address.into()).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::PortBusy { address, source },
            _ => Error::Io { action: "listen on", address, source },
        })?;
        let socket = Self::finish(raw, backend).map_err(refused("set up the socket of"))?;
        sys::ignore_refusals(socket.as_fd()).map_err(refused("set up the socket of"))?;
        if address.ip().is_unspecified() {
            socket.enable_pktinfo(address).map_err(refused("set up the socket of"))?;
        }
        Ok(socket)
    }

    /// A client's socket, from `bind` (or any address) to `target`; on the portable backend it is connected.
    pub fn toward(
        target: SocketAddr,
        bind: Option<SocketAddr>,
        ip_options: IpOptions,
        backend: Backend,
    ) -> Result<Self> {
        let raw = open_toward(target, local(target, bind)?, ip_options.device)?;
        let reach = Error::at("reach", target);
        raw.set_broadcast(ip_options.broadcast).map_err(reach)?;
        let mut socket = Self::finish(raw, backend).map_err(reach)?;
        if backend == Backend::Portable {
            socket.connect(target)?;
        }
        socket.set_ip_options(target, ip_options).map_err(Error::at("mark datagrams to", target))?;
        socket.enable_recverr(target).map_err(reach)?;
        socket.enable_reports(Reports { ttl: true, ..Reports::default() })?;
        Ok(socket)
    }

    /// A relay's socket for one client: connected to `target`, or at any port of this machine.
    pub(super) fn onward(target: SocketAddr, connected: bool, backend: Backend) -> Result<Self> {
        let raw = open_toward(target, local(target, None)?, None)?;
        let mut socket = Self::finish(raw, backend).map_err(Error::at("reach", target))?;
        if connected {
            socket.connect(target)?;
        }
        Ok(socket)
    }

    /// Connects: the socket then receives from `target` alone, and sends a little faster.
    pub(super) fn connect(&mut self, target: SocketAddr) -> Result<()> {
        self.inner.connect(target).map_err(Error::at("reach", target))?;
        self.connected = true;
        Ok(())
    }

    fn finish(raw: RawSocket, backend: Backend) -> io::Result<Self> {
        raw.set_nonblocking(true)?;
        // The system may grant less; its drops are counted.
        let _ = raw.set_recv_buffer_size(RECEIVE_BUFFER);
        if backend == Backend::Full {
            let _ = options::force_receive_buffer(raw.as_fd(), RECEIVE_BUFFER);
        }
        Ok(Self {
            inner: raw.into(),
            backend,
            connected: false,
            timestamping: Timestamping::None,
            own: OnceLock::new(),
        })
    }

    /// The address that the socket is bound to.
    pub fn local(&self) -> Result<SocketAddr> {
        self.inner.local_addr().map_err(Error::system("read the socket's own address"))
    }

    /// Whether datagrams to an address come back to this bound socket: only somebody who forges sends from there.
    pub(super) fn is_own(&self, source: SocketAddr) -> bool {
        let Some(own) = self.own.get_or_init(|| self.inner.local_addr().ok()) else { return false };
        let (ip, bound) = (source.ip().to_canonical(), own.ip().to_canonical());
        if source.port() != own.port() {
            return false;
        }
        // Nobody else has this port of an address of this machine.
        let is_local = || {
            let refused = UdpSocket::bind(SocketAddr::new(ip, 0)).err();
            refused.is_none_or(|error| error.kind() != io::ErrorKind::AddrNotAvailable)
        };
        ip == bound || bound.is_unspecified() && is_local()
    }

    /// Whether it sends to and receives from one address alone.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether it also receives datagrams from addresses other than its target.
    pub fn sees_foreign(&self) -> bool {
        self.backend == Backend::Full && !self.connected
    }

    /// Whether ICMP errors and timestamps of sends are in an error queue.
    pub fn has_error_queue(&self) -> bool {
        self.backend == Backend::Full
    }

    /// Which datagrams the kernel timestamps.
    pub fn timestamping(&self) -> Timestamping {
        self.timestamping
    }

    /// Records which datagrams the kernel timestamps.
    pub(super) fn set_timestamping(&mut self, timestamping: Timestamping) {
        self.timestamping = timestamping;
    }

    /// Restarts the kernel's count of sent datagrams at 0, as a failed send may or may not have been counted.
    pub(super) fn recount(&self) {
        if self.timestamping == Timestamping::Both {
            let _ = timestamping::recount(self.as_fd());
        }
    }

    /// Sends one datagram, from `pktinfo` if given; waits a moment if the system's send buffer is full.
    pub fn send(&self, bytes: &[u8], to: SocketAddr, pktinfo: Option<PktInfo>) -> io::Result<()> {
        match self.send_now(bytes, to, pktinfo) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait::writable(self.as_fd())?;
                self.send_now(bytes, to, pktinfo)
            }
            result => result,
        }
    }

    /// As [`Socket::send`], without waiting.
    pub(super) fn send_now(&self, bytes: &[u8], to: SocketAddr, pktinfo: Option<PktInfo>) -> io::Result<()> {
        match self.backend {
            _ if self.connected => self.inner.send(bytes).map(drop),
            Backend::Full => sys::send(self.as_fd(), bytes, to, pktinfo),
            Backend::Portable => self.inner.send_to(bytes, to).map(drop),
        }
    }

    /// Takes the next ICMP error from the error queue, if there is one.
    pub fn read_icmp_error(&self, quoted: &mut Vec<u8>) -> io::Result<Option<IcmpError>> {
        loop {
            match self.read_error_queue(quoted)? {
                Some(ErrorQueueEntry::Timestamp { .. } | ErrorQueueEntry::Local) => {}
                Some(ErrorQueueEntry::Icmp(error)) => return Ok(Some(error)),
                None => return Ok(None),
            }
        }
    }

    /// Takes one entry from the error queue, if there is one.
    pub fn read_error_queue(&self, quoted: &mut Vec<u8>) -> io::Result<Option<ErrorQueueEntry>> {
        quoted.clear();
        match self.backend {
            Backend::Full => sys::read_error_queue(self.as_fd(), quoted),
            // There, a receive returns ICMP errors.
            Backend::Portable => Ok(None),
        }
    }

    /// Enables GRO: a batch fills one slot of a [`RecvBatch`], which yields its datagrams one by one.
    pub fn enable_gro(&self) {
        if self.backend == Backend::Full {
            // A kernel without GRO delivers the datagrams one by one.
            let _ = options::enable_gro(self.as_fd());
        }
    }

    /// Enables reports; the portable backend has those that the system has, and a kernel without timestamps the others.
    pub fn enable_reports(&self, reports: Reports) -> Result<()> {
        if reports == Reports::default() {
            return Ok(());
        }
        let (fd, local) = (self.as_fd(), self.local()?);
        let ipv4 = local.is_ipv4();
        if self.backend == Backend::Portable {
            let _ = single::enable(fd, ipv4, reports);
            return Ok(());
        }
        let refused = Error::at("set up the socket of", local);
        if reports.ttl {
            options::enable_recvttl(fd, ipv4).map_err(refused)?;
        }
        if reports.tos {
            options::enable_recvtos(fd, ipv4).map_err(refused)?;
        }
        // Those of sends, which were tried before, are beside those of receives.
        if reports.timestamp && self.timestamping != Timestamping::Both {
            let _ = timestamping::receive(fd);
        }
        Ok(())
    }

    /// Datagrams that the kernel has dropped because this socket's buffer was full, where it reports them.
    pub fn kernel_drops(&self) -> Option<u64> {
        match self.backend {
            Backend::Full => options::kernel_drops(self.as_fd()),
            Backend::Portable => None,
        }
    }

    fn enable_pktinfo(&self, address: SocketAddr) -> io::Result<()> {
        match self.backend {
            Backend::Full => options::enable_pktinfo(self.as_fd(), address.is_ipv4()),
            Backend::Portable => Ok(()),
        }
    }

    fn enable_recverr(&self, target: SocketAddr) -> io::Result<()> {
        match self.backend {
            Backend::Full => options::enable_recverr(self.as_fd(), target.is_ipv4()),
            Backend::Portable => Ok(()),
        }
    }

    /// Sends with so many hops and this type of service from now on; returns those that the system took.
    pub(super) fn set_header(&self, hops: Option<u8>, tos: Option<u8>) -> (Option<u8>, Option<u8>) {
        let raw = socket2::SockRef::from(&self.inner);
        let is_v6 = self.inner.local_addr().is_ok_and(|local| local.is_ipv6());
        // An IPv6 socket may send IPv4 too.
        let took = |v4: &dyn Fn(u32) -> io::Result<()>, v6: &dyn Fn(u32) -> io::Result<()>, value: u8| {
            let (four, six) = (v4(value.into()), if is_v6 { v6(value.into()) } else { Ok(()) });
            four.and(six).is_ok()
        };
        #[cfg(unix)]
        let set_tclass = |tos| raw.set_tclass_v6(tos);
        #[cfg(not(unix))]
        let set_tclass = |_| Err(io::ErrorKind::Unsupported.into());
        (
            hops.filter(|hops| {
                took(&|hops| raw.set_ttl_v4(hops), &|hops| raw.set_unicast_hops_v6(hops), *hops)
            }),
            tos.filter(|tos| took(&|tos| raw.set_tos_v4(tos), &set_tclass, *tos)),
        )
    }

    fn set_ip_options(&self, target: SocketAddr, ip_options: IpOptions) -> io::Result<()> {
        let raw = socket2::SockRef::from(&self.inner);
        if let Some(ttl) = ip_options.ttl {
            match (target.is_ipv4(), target.ip().is_multicast()) {
                (true, false) => raw.set_ttl_v4(ttl.into())?,
                (true, true) => raw.set_multicast_ttl_v4(ttl.into())?,
                (false, false) => raw.set_unicast_hops_v6(ttl.into())?,
                (false, true) => raw.set_multicast_hops_v6(ttl.into())?,
            }
        }
        if let Some(dscp) = ip_options.dscp {
            // The upper six bits of the byte; the lower two are ECN's.
            let byte = u32::from(dscp) << 2;
            if target.is_ipv4() {
                raw.set_tos_v4(byte)?;
            } else {
                sys::set_traffic_class(raw.as_fd(), i32::from(dscp) << 2)?;
            }
        }
        if ip_options.dont_fragment {
            sys::forbid_fragments(self.as_fd(), target.is_ipv4())?;
        }
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Whether an error of a send or a receive is an ICMP error about an earlier datagram.
pub fn is_icmp_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
        || error.raw_os_error().is_some_and(|errno| sys::ICMP_ERRORS.contains(&errno))
}

/// Whether an error of a send says that the datagram is longer than the path takes.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(sys::TOO_LONG)
}

/// Whether an error of a receive is about an earlier reply, or is temporary.
pub fn is_transient(error: &io::Error) -> bool {
    is_icmp_error(error) || matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory)
}

fn open(local: SocketAddr) -> io::Result<RawSocket> {
    RawSocket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))
}

/// A socket bound to `local`. Its port is not that of the target, from which a reflector of STAMP answers nobody.
fn open_toward(target: SocketAddr, local: SocketAddr, device: Option<Device>) -> Result<RawSocket> {
    let open = || {
        let raw = open(local).map_err(Error::at("open a socket for", target))?;
        if let Some(device) = device {
            sys::bind_device(&raw, device.name())
                .map_err(Error::at("bind to an interface a socket for", target))?;
        }
        raw.bind(&local.into()).map_err(Error::at("send from", local))?;
        Ok(raw)
    };
    let first = open()?;
    let bound = first.local_addr().ok().and_then(|bound| bound.as_socket());
    // While the first has that port, the system chooses another for the second.
    if bound.is_some_and(|bound| bound.port() == target.port()) { open() } else { Ok(first) }
}

fn share_port(socket: BorrowedFd<'_>, backend: Backend) -> io::Result<()> {
    match backend {
        Backend::Full => options::share_port(socket),
        Backend::Portable => {
            Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not share out what arrives"))
        }
    }
}

/// Checks for a route to one host.
pub(super) fn check_route(target: SocketAddr) -> Result<()> {
    let Some(kind) = group(target, None)? else { return Ok(()) };
    let expected = format!("the address of one host, not this {kind} address, where many may answer");
    Err(Invalid::new("host", target.ip(), expected).into())
}

/// Checks for a route, and whether `broadcast` allows the address; returns whether many may answer there.
pub(super) fn is_group(target: SocketAddr, bind: Option<SocketAddr>, broadcast: bool) -> Result<bool> {
    let Some(kind) = group(target, bind)? else { return Ok(false) };
    let expected = format!("broadcast=True (-b) for this {kind} address, where many may answer");
    if broadcast { Ok(true) } else { Err(Invalid::new("host", target.ip(), expected).into()) }
}

/// The kind of an address where many may answer; checks for a route by connecting another socket, which sends nothing.
fn group(target: SocketAddr, bind: Option<SocketAddr>) -> Result<Option<&'static str>> {
    match probe(target, bind, false) {
        Ok(_) => Ok(target.ip().is_multicast().then_some("multicast")),
        Err(Error::Io { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied && probe(target, bind, true).is_ok() =>
        {
            Ok(Some("broadcast"))
        }
        Err(error) => Err(error),
    }
}

/// The longest packet on the path to `target`, where the system reports it.
pub(super) fn path_mtu(target: SocketAddr, bind: Option<SocketAddr>) -> Option<usize> {
    options::path_mtu(probe(target, bind, true).ok()?.as_fd(), target.is_ipv4())
}

fn probe(target: SocketAddr, bind: Option<SocketAddr>, broadcast: bool) -> Result<UdpSocket> {
    let local = local(target, bind)?;
    let socket = UdpSocket::bind(local).map_err(Error::at("send from", local))?;
    socket.set_broadcast(broadcast).map_err(Error::at("reach", target))?;
    socket.connect(target).map_err(Error::at("reach", target))?;
    Ok(socket)
}

/// The address to send to `target` from.
fn local(target: SocketAddr, bind: Option<SocketAddr>) -> Result<SocketAddr> {
    let any =
        if target.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let local = bind.unwrap_or(SocketAddr::new(any, 0));
    if local.is_ipv4() == target.is_ipv4() {
        return Ok(local);
    }
    let family = if target.is_ipv4() { "IPv4" } else { "IPv6" };
    Err(Invalid::new("bind", local.ip(), format!("an {family} address, as the target has")).into())
}
