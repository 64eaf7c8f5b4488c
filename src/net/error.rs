//! Errors of the network and the system, with the failed action and the address or file.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::sys::{OWN_LIMIT, SYSTEM_LIMIT, open_files};
use crate::logic::error::{Invalid, in_quotes};
use crate::logic::memory::NoMemory;

/// A result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the network or the system.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value that cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No memory for what is to come.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// A host name without an address.
    #[error("cannot find host {}: {reason}; check the spelling and the network's name service", in_quotes(.host))]
    UnknownHost {
        /// The name.
        host: String,
        /// The resolver's reason.
        reason: String,
    },
    /// The port to serve on is taken.
    #[error(
        "{address} is already in use by another program: stop that program, or use another port; port_tries=10 tries the next ports"
    )]
    PortBusy {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A datagram that the path does not take whole, with the don't-fragment bit.
    #[error(
        "cannot send to {address}: {bytes} bytes are too long for an MTU of {mtu} without fragments (df); send at most {}",
        most_payload(*address, *mtu)
    )]
    TooLong {
        /// The target.
        address: SocketAddr,
        /// The length of its payload.
        bytes: usize,
        /// The longest packet of the path, with its headers.
        mtu: usize,
        /// The system's error.
        source: io::Error,
    },
    /// Any other error of the system at an address.
    #[error("cannot {action} {address}: {}{}", plain(source), advice(action, source))]
    Io {
        /// The failed action, as a verb.
        action: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A file that cannot be used.
    #[error("cannot {action} {}: {}", path.display(), plain(source))]
    File {
        /// The failed action, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Any other error of the system.
    #[error("cannot {action}: {}{}", plain(source), advice(action, source))]
    System {
        /// The failed action, as a verb.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn at(action: &'static str, address: SocketAddr) -> impl Fn(io::Error) -> Self + Copy {
        move |source| Self::Io { action, address, source }
    }

    pub(super) fn system(action: &'static str) -> impl Fn(io::Error) -> Self + Copy {
        move |source| Self::System { action, source }
    }

    /// The system's error number, if any.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Invalid(_) | Self::NoMemory(_) | Self::UnknownHost { .. } => None,
            Self::PortBusy { source, .. }
            | Self::TooLong { source, .. }
            | Self::Io { source, .. }
            | Self::File { source, .. }
            | Self::System { source, .. } => source.raw_os_error(),
        }
    }

    /// Whether this process or the system has reached its limit of open files and sockets.
    pub fn is_shortage(&self) -> bool {
        self.errno().is_some_and(|errno| errno == OWN_LIMIT || errno == SYSTEM_LIMIT)
    }
}

/// The system's text without its number, which [`Error::errno`] has.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The longest payload of a datagram that a packet of this length holds.
pub(super) fn most_payload(address: SocketAddr, mtu: usize) -> usize {
    let headers = if address.is_ipv4() { 20 + 8 } else { 40 + 8 };
    mtu.saturating_sub(headers)
}

fn advice(action: &str, error: &io::Error) -> Cow<'static, str> {
    if error.raw_os_error() == Some(OWN_LIMIT) {
        return limit().into();
    }
    Cow::Borrowed(match error.kind() {
        io::ErrorKind::WouldBlock if action == "start a thread" => {
            "; there is not enough memory, or too many threads run already (ulimit -v, ulimit -u)"
        }
        io::ErrorKind::PermissionDenied if action == "listen on" => "; ports below 1024 need extra rights",
        io::ErrorKind::PermissionDenied if action == "reflect at" => {
            "; ports below 1024 need extra rights: use port=8620, and tell the senders"
        }
        io::ErrorKind::PermissionDenied => {
            "; a firewall forbids it, or many may answer at that address (broadcast)"
        }
        io::ErrorKind::InvalidInput => "; this machine cannot use that address for it",
        io::ErrorKind::AddrNotAvailable => "; the address is not one of this machine's",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "; this machine has no route to it"
        }
        _ => "",
    })
}

/// The limit on open files, and how to raise it.
fn limit() -> String {
    let Some((current, maximum)) = open_files() else {
        return "; this process may have no more files and sockets open at once".to_owned();
    };
    let shown = |limit: Option<u64>| limit.map_or_else(|| "any number".to_owned(), |limit| limit.to_string());
    format!(
        "; this process may have {} files and sockets open at once, and may ask for {}: raise that with `ulimit -n` \
         in the shell or resource.setrlimit in Python",
        shown(current),
        shown(maximum)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_use_the_port_of_reflectors_is_told_another() {
        let address = SocketAddr::from(([0, 0, 0, 0], 862));
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = Error::at("reflect at", address)(refused).to_string();
        assert!(text.starts_with("cannot reflect at 0.0.0.0:862: ") && text.contains("port=8620"), "{text}");
    }

    #[test]
    fn too_little_memory_for_a_thread_is_named() {
        let refused = io::Error::from(io::ErrorKind::WouldBlock);
        let text = Error::system("start a thread")(refused).to_string();
        assert!(text.starts_with("cannot start a thread: "), "{text}");
        assert!(text.contains("not enough memory, or too many threads"), "{text}");
    }
}
