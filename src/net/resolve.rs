//! Resolves host names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs as _, UdpSocket};
use std::str::FromStr;

use super::{Error, Result};
use crate::logic::Invalid;

/// An IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl FromStr for Family {
    type Err = Invalid;

    fn from_str(text: &str) -> std::result::Result<Self, Invalid> {
        match text {
            "ipv4" => Ok(Self::V4),
            "ipv6" => Ok(Self::V6),
            _ => Err(Invalid::new("family", format!("{text:?}"), "\"ipv4\", \"ipv6\" or None for either")),
        }
    }
}

/// The address of `host` in a family; without one IPv4 is preferred, as the course's programs have only that.
///
/// # Errors
/// [`Error::UnknownHost`] if the name has no address of that family.
pub fn resolve(host: &str, port: u16, family: Option<Family>) -> Result<SocketAddr> {
    of_family(&resolve_all(host, port)?, host, family)
}

/// The first address of a family of those that were found for `host`.
pub(super) fn of_family(found: &[SocketAddr], host: &str, family: Option<Family>) -> Result<SocketAddr> {
    let wanted = |address: &&SocketAddr| match family {
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
        None => true,
    };
    found.iter().find(wanted).copied().ok_or_else(|| Error::UnknownHost {
        host: host.to_owned(),
        reason: format!("it has no {} address", if family == Some(Family::V6) { "IPv6" } else { "IPv4" }),
    })
}

/// All addresses of `host`, at least one, IPv4 first.
pub(super) fn resolve_all(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let unknown = |reason: String| Error::UnknownHost { host: host.to_owned(), reason };
    let bare = bare(host)?;
    let mut found = match zone_of(bare) {
        Some((ip, zone)) => vec![in_zone("host", bare, ip, zone, port)?],
        None => (bare, port)
            .to_socket_addrs()
            .map_err(|error| no_file_left().unwrap_or_else(|| unknown(plain(&error))))?
            .collect(),
    };
    if found.is_empty() {
        return Err(unknown("it has no address".to_owned()));
    }
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

/// The error of a process that may open no more files. The system's resolver then says that the name is unknown.
fn no_file_left() -> Option<Error> {
    let source = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err()?;
    Some(Error::System { action: "look up a name", source }).filter(Error::is_shortage)
}

/// The address, if the host is one.
pub(super) fn fixed(host: &str, port: u16) -> Option<SocketAddr> {
    bare(host).ok().and_then(|host| host.parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, port))
}

/// A local address to send from, such as `127.0.0.1` or `fe80::1%eth0`.
///
/// # Errors
/// Other text, an interface that does not exist, or a link-local address without one.
pub fn local_address(text: &str) -> Result<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let refused = || {
        let expected =
            "an IP address of this machine, such as \"127.0.0.1\" or \"fe80::1%eth0\", or an interface";
        Invalid::new("bind", format!("{text:?}"), expected)
    };
    let address = match (bare.parse::<IpAddr>(), zone_of(bare)) {
        (Ok(ip), _) if !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST) => SocketAddr::new(ip, 0),
        (_, Some((ip, zone))) => in_zone("bind", bare, ip, zone, 0)?,
        _ => return Err(refused().into()),
    };
    Ok(zoned("bind", address, None)?)
}

/// An interface of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    name: [u8; Device::LONGEST],
    index: u32,
}

impl Device {
    /// The most bytes of a name (`IFNAMSIZ`, with its end).
    const LONGEST: usize = 16;

    /// The interface with this name; `None` if there is none, or if the system binds no socket to one.
    pub fn named(text: &str) -> Option<Self> {
        let is_name = text.len() < Self::LONGEST && !text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_name || !cfg!(target_os = "linux") {
            return None;
        }
        // The system's resolver knows the numbers of interfaces.
        let SocketAddr::V6(zoned) = (format!("fe80::%{text}"), 0).to_socket_addrs().ok()?.next()? else {
            return None;
        };
        let mut name = [0; Self::LONGEST];
        name[..text.len()].copy_from_slice(text.as_bytes());
        Some(Self { name, index: zoned.scope_id() }).filter(|device| device.index != 0)
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.name.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Any IPv6 address there.
    pub(super) fn zone(self) -> SocketAddr {
        SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, self.index).into()
    }
}

/// The parts of an IPv6 address with an interface.
fn zone_of(host: &str) -> Option<(Ipv6Addr, &str)> {
    host.split_once('%').and_then(|(ip, zone)| Some((ip.parse().ok()?, zone)))
}

/// The address with its interface. Only link-local addresses need that; the resolver takes no name of one for others.
fn in_zone(
    what: &'static str,
    host: &str,
    ip: Ipv6Addr,
    zone: &str,
    port: u16,
) -> std::result::Result<SocketAddr, Invalid> {
    let names = interfaces("");
    if !is_link_local(ip) && names.iter().any(|name| name == zone) {
        return Ok(SocketAddr::new(ip.into(), port));
    }
    let found = (host, port).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.ok_or_else(|| {
        let known = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        let expected = format!("an interface of this machine{known} behind the %, not {zone:?}");
        Invalid::new(what, format!("{host:?}"), expected)
    })
}

/// The address; a link-local one, which exists on each interface, needs its interface, or gets that of `bind`.
///
/// # Errors
/// Neither names an interface.
pub(super) fn zoned(
    what: &'static str,
    address: SocketAddr,
    bind: Option<SocketAddr>,
) -> std::result::Result<SocketAddr, Invalid> {
    let SocketAddr::V6(v6) = address else { return Ok(address) };
    if v6.scope_id() != 0 || !is_link_local(*v6.ip()) {
        return Ok(address);
    }
    match bind {
        Some(SocketAddr::V6(bind)) if bind.scope_id() != 0 => {
            Ok(SocketAddrV6::new(*v6.ip(), v6.port(), 0, bind.scope_id()).into())
        }
        _ => {
            let names = interfaces("fe80");
            let expected = format!(
                "its interface too: \"{}%{}\"{}",
                v6.ip(),
                names.first().map_or("eth0", String::as_str),
                if names.len() > 1 { format!(", with one of {}", names.join(", ")) } else { String::new() },
            );
            Err(Invalid::new(what, v6.ip(), expected))
        }
    }
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || (ip.is_multicast() && matches!(ip.segments()[0] & 0xf, 1 | 2))
}

/// The interfaces with an IPv6 address that starts with these hexadecimal digits, where the system lists them.
fn interfaces(start: &str) -> Vec<String> {
    // "fe80000000000000... 02 40 20 80     eth0": address, index, prefix, scope, flags, name
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with(start));
    let mut names: Vec<_> =
        rows.filter_map(|line| line.split_whitespace().nth(5).map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> Result<&str> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || bare.contains('\0') {
        return Err(Invalid::new("host", format!("{host:?}"), "a host name or an IP address").into());
    }
    Ok(bare)
}

/// The resolver's message without the standard library's prefix.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

/// The address for clients on this machine: loopback for a wildcard.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), v4.port())
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), v6.port())
        }
        other => other,
    }
}
