//! Error numbers, and the limit that one of them is about.

use rustix::io::Errno;

/// This process has reached its limit of open files.
pub(in crate::net) const OWN_LIMIT: i32 = Errno::MFILE.raw_os_error();
/// The system has reached its limit of open files; Windows has none, and says that it has no room for another socket.
#[cfg(not(windows))]
pub(in crate::net) const SYSTEM_LIMIT: i32 = Errno::NFILE.raw_os_error();
#[cfg(windows)]
pub(in crate::net) const SYSTEM_LIMIT: i32 = Errno::NOBUFS.raw_os_error();

/// A datagram is longer than the path takes.
pub(in crate::net) const TOO_LONG: i32 = Errno::MSGSIZE.raw_os_error();

/// The errors of ICMP messages on Linux (`icmp_err_convert`, `icmpv6_err_convert`) that `std` does not name.
#[cfg(target_os = "linux")]
pub(in crate::net) const ICMP_ERRORS: &[i32] = &[
    libc::EACCES,
    libc::EHOSTDOWN,
    libc::EMSGSIZE,
    libc::ENONET,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::EPROTO,
];
/// Windows says so when hops run out.
#[cfg(not(target_os = "linux"))]
pub(in crate::net) const ICMP_ERRORS: &[i32] = &[Errno::NETRESET.raw_os_error()];

/// Errors of a GSO batch whose datagrams may be accepted one by one: the device does not compute checksums, the path
/// has a smaller MTU, or the kernel has no GSO.
#[cfg(target_os = "linux")]
pub(in crate::net) const GSO_ERRORS: &[i32] =
    &[libc::EINVAL, libc::EIO, libc::EMSGSIZE, libc::EOPNOTSUPP, libc::ENOPROTOOPT];
#[cfg(not(target_os = "linux"))]
pub(in crate::net) const GSO_ERRORS: &[i32] = &[];

/// The limit of open files of this process, and the limit up to which it may raise it; `None`: unlimited.
/// No answer where there is no such limit.
#[cfg(unix)]
pub(in crate::net) fn open_files() -> Option<(Option<u64>, Option<u64>)> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some((limit.current, limit.maximum))
}

/// Raises the limit of open files as far as this process may; returns it. `None`: unlimited.
#[cfg(unix)]
pub(in crate::net) fn raise_open_files() -> Option<u64> {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).is_err() {
            return before;
        }
    }
    limit.current
}
