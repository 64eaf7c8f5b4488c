//! A socket that waits at a port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::socket::{Path, Socket};
use super::{Error, Result, resolve};
use crate::logic::Invalid;

/// Binds to `host` (a name or address; empty for every IPv4 interface, `::` for every interface of both versions) at
/// the first free of `tries` ports from `port` on; port 0 lets the system choose.
///
/// # Errors
/// [`Error::PortBusy`] when every port tried is taken, or whatever else the system refuses.
pub(super) fn listen(host: &str, port: u16, tries: u16, path: Path) -> Result<Socket> {
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
        match Socket::serve(address, path) {
            Err(busy @ Error::PortBusy { .. }) => taken = taken.or(Some(busy)),
            result => return result,
        }
    }
    Err(taken.unwrap_or_else(|| Invalid::new("port", port, "0 to 65535").into()))
}
