//! What can go wrong between us and the network, always with what was tried and where.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::logic::Invalid;

/// Shorthand for results of this wing.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value that cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A host name without an address.
    #[error("cannot find host {host:?}: {reason}; check the spelling and the network's name service")]
    UnknownHost {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// The port to serve on is taken.
    #[error(
        "{address} is already in use by another program; stop it, choose another port, or let port_tries look for a free one"
    )]
    PortBusy {
        /// Where we wanted to be.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else the system refuses.
    #[error("cannot {action} {address}: {source}{}", advice(source))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A file that cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A failure that has no address.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// The system's error number, where there is one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Invalid(_) | Self::UnknownHost { .. } => None,
            Self::PortBusy { source, .. }
            | Self::Io { source, .. }
            | Self::File { source, .. }
            | Self::System { source, .. } => source.raw_os_error(),
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; ports below 1024 and broadcast addresses need extra rights",
        io::ErrorKind::AddrNotAvailable => "; the address is not one of this machine's",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "; this machine has no route to it"
        }
        _ => "",
    }
}
