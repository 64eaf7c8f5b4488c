//! One UDP socket, every option of it, and every difference between operating systems.
//!
//! On Linux a socket is unconnected and reports the local address, the hop count and ICMP errors of each datagram.
//! Everywhere else, and on Linux when asked, the portable path does with what the standard library offers: a pinger's
//! socket is then connected (so that refusals show, and strangers' datagrams do not).

mod inbox;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::fd::{AsFd, BorrowedFd};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

pub use inbox::Inbox;

use super::datagram::{Refusal, Report, Stamping, Via};
#[cfg(target_os = "linux")]
use super::sys::{options, timestamping};
use super::{Error, Result, pace, resolve, sys};
use crate::logic::Invalid;

/// Receive buffer asked for. The system's default holds some 250 small datagrams, which decides loss under load.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Which of the two paths a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// All that this operating system offers.
    Full,
    /// Only what every system offers.
    Portable,
}

impl Path {
    /// The path for this operating system.
    #[must_use]
    pub fn best() -> Self {
        if cfg!(target_os = "linux") { Self::Full } else { Self::Portable }
    }
}

/// Properties of outgoing datagrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// Hop limit, 1 to 255.
    pub ttl: Option<u8>,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: Option<u8>,
    /// Set the don't-fragment bit; longer datagrams than the path takes are then errors.
    pub dont_fragment: bool,
}

impl Marks {
    /// Checks what a user asks for.
    ///
    /// # Errors
    /// A value out of range.
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
        Ok(Self { ttl: within("ttl", ttl, 1, 255)?, dscp: within("dscp", dscp, 0, 63)?, dont_fragment })
    }
}

/// An open UDP socket.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    path: Path,
    connected: bool,
    stamping: Stamping,
}

impl Socket {
    /// A server's socket, bound to `host` (a name or address; empty for every IPv4 interface, `::` for every interface of
    /// both versions) at the first free of `tries` ports from `port` on; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`Error::PortBusy`] when every port tried is taken, or whatever else the system refuses.
    pub(super) fn listen(host: &str, port: u16, tries: u16, path: Path) -> Result<Self> {
        if tries == 0 {
            return Err(Invalid::new("port_tries", 0, "1 to 65535").into());
        }
        let mut taken = None;
        for port in (port..=u16::MAX).take(tries.into()) {
            let address = if host.is_empty() {
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
            } else {
                resolve(host, port, None)?
            };
            match Self::serve(address, path) {
                Err(busy @ Error::PortBusy { .. }) => taken = taken.or(Some(busy)),
                result => return result,
            }
        }
        Err(taken.unwrap_or_else(|| Invalid::new("port", port, "0 to 65535").into()))
    }

    /// A server's socket, bound to `address`, answering from the address it is asked at.
    ///
    /// # Errors
    /// [`Error::PortBusy`], or whatever else the system refuses.
    pub fn serve(address: SocketAddr, path: Path) -> Result<Self> {
        let raw = open(address).map_err(Error::at("open a socket for", address))?;
        Self::bind(raw, address, path)
    }

    /// Another socket at the address of this one: the system gives each client's datagrams to one of the two.
    ///
    /// This one was bound alone, so nobody else was there; afterwards only this user can come in.
    ///
    /// # Errors
    /// Whatever the system refuses; everything, on the portable path, as not every system shares out what arrives.
    pub fn beside(&self) -> Result<Self> {
        let address = self.local()?;
        let refused = Error::at("share the port of", address);
        let raw = open(address).map_err(refused)?;
        share_port(self.as_fd(), self.path)
            .and_then(|()| share_port(raw.as_fd(), self.path))
            .map_err(refused)?;
        Self::bind(raw, address, self.path)
    }

    fn bind(raw: RawSocket, address: SocketAddr, path: Path) -> Result<Self> {
        let refused = |action| Error::at(action, address);
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            raw.set_only_v6(false).map_err(refused("listen on IPv4 and IPv6 at"))?;
        }
        raw.bind(&address.into()).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => Error::PortBusy { address, source },
            _ => Error::Io { action: "listen on", address, source },
        })?;
        let socket = Self::finish(raw, path).map_err(refused("set up the socket of"))?;
        if address.ip().is_unspecified() {
            socket.tell_local_address(address).map_err(refused("set up the socket of"))?;
        }
        Ok(socket)
    }

    /// A pinger's socket, from `bind` (or any address) towards `target`; on the portable path it is connected.
    ///
    /// # Errors
    /// Whatever the system refuses; no route to the target is found out here.
    pub fn toward(target: SocketAddr, bind: Option<IpAddr>, marks: Marks, path: Path) -> Result<Self> {
        let any = if target.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let local = SocketAddr::new(bind.unwrap_or(any), 0);
        if local.is_ipv4() != target.is_ipv4() {
            let family = if target.is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(
                Invalid::new("bind", local.ip(), format!("an {family} address, as the target has")).into()
            );
        }
        let raw = open(local).map_err(Error::at("open a socket for", target))?;
        raw.bind(&local.into()).map_err(Error::at("send from", local))?;
        let reach = Error::at("reach", target);
        check_route(local.ip(), target).map_err(reach)?;
        let mut socket = Self::finish(raw, path).map_err(reach)?;
        if path == Path::Portable {
            socket.connect(target)?;
        }
        socket.mark(target, marks).map_err(Error::at("mark datagrams to", target))?;
        socket.tell_refusals(target).map_err(reach)?;
        Ok(socket)
    }

    /// From now on the socket hears `target` alone, and sends a little faster.
    pub(super) fn connect(&mut self, target: SocketAddr) -> Result<()> {
        self.inner.connect(target).map_err(Error::at("reach", target))?;
        self.connected = true;
        Ok(())
    }

    fn finish(raw: RawSocket, path: Path) -> io::Result<Self> {
        raw.set_nonblocking(true)?;
        // The system may grant less; what it drops is counted and shown.
        let _ = raw.set_recv_buffer_size(RECEIVE_BUFFER);
        #[cfg(target_os = "linux")]
        if path == Path::Full {
            let _ = options::force_receive_buffer(raw.as_fd(), RECEIVE_BUFFER);
        }
        Ok(Self { inner: raw.into(), path, connected: false, stamping: Stamping::None })
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// Whatever the system refuses.
    pub fn local(&self) -> Result<SocketAddr> {
        self.inner.local_addr().map_err(Error::system("read the socket's own address"))
    }

    /// Whether datagrams from strangers arrive here too.
    #[must_use]
    pub fn sees_foreign(&self) -> bool {
        self.path == Path::Full && !self.connected
    }

    /// Whether reports of refusals, and stamps of sending, are in an error queue.
    #[must_use]
    pub fn has_reports(&self) -> bool {
        self.path == Path::Full
    }

    /// What the kernel stamps.
    #[must_use]
    pub fn stamping(&self) -> Stamping {
        self.stamping
    }

    /// What the kernel stamps from now on.
    #[cfg(target_os = "linux")]
    pub(super) fn set_stamping(&mut self, stamping: Stamping) {
        self.stamping = stamping;
    }

    /// Counts what is sent from 0 again: after a send that failed, nobody knows whether the kernel counted it.
    pub(super) fn recount(&self) {
        #[cfg(target_os = "linux")]
        if self.stamping == Stamping::Both {
            let _ = timestamping::recount(self.as_fd());
        }
    }

    /// Sends one datagram, from `via` if given; waits a moment if the system's send buffer is full.
    ///
    /// # Errors
    /// Whatever the system refuses.
    pub fn send(&self, bytes: &[u8], to: SocketAddr, via: Option<Via>) -> io::Result<()> {
        match self.send_now(bytes, to, via) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                pace::wait_to_send(self.as_fd())?;
                self.send_now(bytes, to, via)
            }
            result => result,
        }
    }

    /// The same, without waiting.
    pub(super) fn send_now(&self, bytes: &[u8], to: SocketAddr, via: Option<Via>) -> io::Result<()> {
        match self.path {
            _ if self.connected => self.inner.send(bytes).map(drop),
            #[cfg(target_os = "linux")]
            Path::Full => sys::send(self.as_fd(), bytes, to, via),
            _ => self.inner.send_to(bytes, to).map(drop),
        }
    }

    /// Takes one report of an undelivered datagram, if there is one.
    ///
    /// # Errors
    /// Whatever the system refuses.
    pub fn read_refusal(&self, quoted: &mut Vec<u8>) -> io::Result<Option<Refusal>> {
        loop {
            match self.read_report(quoted)? {
                Some(Report::Sent { .. } | Report::Unsent) => {}
                Some(Report::Refused(refusal)) => return Ok(Some(refusal)),
                None => return Ok(None),
            }
        }
    }

    /// Takes one report from the error queue, if there is one.
    ///
    /// # Errors
    /// Whatever the system refuses.
    pub fn read_report(&self, quoted: &mut Vec<u8>) -> io::Result<Option<Report>> {
        quoted.clear();
        match self.path {
            #[cfg(target_os = "linux")]
            Path::Full => sys::read_report(self.as_fd(), quoted),
            // The portable path learns of refusals from its receive.
            _ => Ok(None),
        }
    }

    /// From now on a train of datagrams may come in one slot of an [`Inbox`]; it is taken apart there.
    pub fn take_trains(&self) {
        #[cfg(target_os = "linux")]
        if self.path == Path::Full {
            // A kernel that knows no trains takes them apart by itself.
            let _ = options::take_trains(self.as_fd());
        }
    }

    /// Datagrams that the kernel has dropped because this socket's buffer was full, where it tells.
    #[must_use]
    pub fn kernel_drops(&self) -> Option<u64> {
        match self.path {
            #[cfg(target_os = "linux")]
            Path::Full => options::kernel_drops(self.as_fd()),
            _ => None,
        }
    }

    fn tell_local_address(&self, address: SocketAddr) -> io::Result<()> {
        match self.path {
            #[cfg(target_os = "linux")]
            Path::Full => options::tell_local_address(self.as_fd(), address.is_ipv4()),
            _ => Ok(()),
        }
    }

    fn tell_refusals(&self, target: SocketAddr) -> io::Result<()> {
        match self.path {
            #[cfg(target_os = "linux")]
            Path::Full => options::tell_refusals(self.as_fd(), target.is_ipv4()),
            _ => Ok(()),
        }
    }

    fn mark(&self, target: SocketAddr, marks: Marks) -> io::Result<()> {
        let raw = socket2::SockRef::from(&self.inner);
        if let Some(ttl) = marks.ttl {
            if target.is_ipv4() { raw.set_ttl_v4(ttl.into())? } else { raw.set_unicast_hops_v6(ttl.into())? }
        }
        if let Some(dscp) = marks.dscp {
            // The upper six bits of the byte; the lower two are ECN's.
            let byte = u32::from(dscp) << 2;
            if target.is_ipv4() {
                raw.set_tos_v4(byte)?;
            } else {
                #[cfg(unix)]
                raw.set_tclass_v6(byte)?;
                #[cfg(not(unix))]
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "dscp over IPv6 is not supported here",
                ));
            }
        }
        if !marks.dont_fragment {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        return options::forbid_fragments(self.as_fd(), target.is_ipv4());
        #[cfg(not(target_os = "linux"))]
        Err(io::Error::new(io::ErrorKind::Unsupported, "df is supported on Linux only so far"))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Whether an error of a send or a receive is about an earlier datagram: an ICMP message that came meanwhile.
#[must_use]
pub fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
        || error.raw_os_error().is_some_and(|errno| sys::ICMP_ERRORS.contains(&errno))
}

/// Whether an error of a receive is about an earlier answer, or about nothing that lasts.
#[must_use]
pub fn passes(error: &io::Error) -> bool {
    is_refusal(error) || matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory)
}

fn open(local: SocketAddr) -> io::Result<RawSocket> {
    RawSocket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))
}

fn share_port(socket: BorrowedFd<'_>, path: Path) -> io::Result<()> {
    match path {
        #[cfg(target_os = "linux")]
        Path::Full => options::share_port(socket),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not share out what arrives")),
    }
}

/// Finds out whether there is a route, by connecting a socket that is thrown away. Nothing is sent.
fn check_route(local: IpAddr, target: SocketAddr) -> io::Result<()> {
    UdpSocket::bind(SocketAddr::new(local, 0))?.connect(target)
}
