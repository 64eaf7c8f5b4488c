//! Error numbers, and the limit that one of them is about.

use rustix::io::Errno;

/// This process has as many files open as it may.
pub(in crate::net) const OWN_LIMIT: i32 = Errno::MFILE.raw_os_error();
/// The whole system has.
pub(in crate::net) const SYSTEM_LIMIT: i32 = Errno::NFILE.raw_os_error();

/// What Linux makes of ICMP messages (`icmp_err_convert` and `icmpv6_err_convert`), beside those with a name in `std`.
#[cfg(target_os = "linux")]
pub(in crate::net) const ICMP_ERRORS: [i32; 7] = [
    libc::EACCES,
    libc::EHOSTDOWN,
    libc::EMSGSIZE,
    libc::ENONET,
    libc::ENOPROTOOPT,
    libc::EOPNOTSUPP,
    libc::EPROTO,
];
#[cfg(not(target_os = "linux"))]
pub(in crate::net) const ICMP_ERRORS: [i32; 0] = [];

/// Errors of a train alone, whose datagrams may leave one by one: a device that does not compute checksums, a path that
/// takes less, a kernel that knows no trains.
#[cfg(target_os = "linux")]
pub(in crate::net) const TRAIN_ERRORS: [i32; 5] =
    [libc::EINVAL, libc::EIO, libc::EMSGSIZE, libc::EOPNOTSUPP, libc::ENOPROTOOPT];
#[cfg(not(target_os = "linux"))]
pub(in crate::net) const TRAIN_ERRORS: [i32; 0] = [];

/// How many files this process may have open, and how many it may ask for; `None` for any number.
#[cfg(unix)]
pub(in crate::net) fn open_files() -> (Option<u64>, Option<u64>) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    (limit.current, limit.maximum)
}
