//! The interfaces that are down.

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// The addresses of interfaces that are down or have no carrier, with their names
/// ([getifaddrs(3)](https://man7.org/linux/man-pages/man3/getifaddrs.3.html)).
pub(in crate::net) fn down_interfaces() -> Vec<(IpAddr, String)> {
    let running = (libc::IFF_UP | libc::IFF_RUNNING).cast_unsigned();
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the call only writes the pointer.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = first.cast_const();
    // SAFETY: the entries are whole until they are freed below, and the last one points to none.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: the system gives each entry with an address of its family, or with none.
        let address = unsafe { ip(entry.ifa_addr) }.filter(|_| entry.ifa_flags & running != running);
        // SAFETY: the name of an entry is a C string.
        let name = || unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        found.extend(address.map(|address| (address, name())));
    }
    // SAFETY: it came from getifaddrs, and nothing refers to it any more.
    unsafe { libc::freeifaddrs(first) };
    found
}

/// The address at a pointer.
///
/// # Safety
/// It is null, or points to an address of its family, in full.
unsafe fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as above; an address begins with its family.
    match i32::from(unsafe { address.as_ref() }?.sa_family) {
        libc::AF_INET => {
            // SAFETY: as above.
            let v4 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in6>()) };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_never_down() {
        assert!(down_interfaces().iter().all(|(address, _)| !address.is_loopback()));
    }
}
