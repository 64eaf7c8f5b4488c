//! Resolves host names to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
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
    let found = resolve_all(host, port)?;
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
    let found = (bare(host)?, port).to_socket_addrs().map_err(|error| unknown(plain(&error)))?;
    let mut found: Vec<SocketAddr> = found.collect();
    if found.is_empty() {
        return Err(unknown("it has no address".to_owned()));
    }
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
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
