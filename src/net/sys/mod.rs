//! System calls: all `unsafe` code, all of `libc`, and the calls of `rustix`.
//!
//! Every pointer for the kernel is made in the function that uses it, from memory that outlives the call. The types of
//! datagrams are in [`super::datagram`]. What only some systems have has one name on all: what `linux` lists is elsewhere
//! in `lacking`, and says that it is not there.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmsg with control messages and some socket options have no safe wrapper"
)]
#![allow(clippy::unnecessary_wraps, reason = "another system may have nothing, or refuse")]

#[cfg_attr(not(unix), path = "directory_portable.rs")]
mod directory;
mod errno;
mod fragments;
mod poll;
mod time;

pub(super) use directory::Directory;
pub(super) use errno::{GSO_ERRORS, ICMP_ERRORS, OWN_LIMIT, SYSTEM_LIMIT, TOO_LONG};
pub(super) use fragments::forbid_fragments;
pub(super) use poll::{wait_readable, wait_writable};
pub(super) use time::boot_time;

#[cfg(unix)]
mod interface;
#[cfg(unix)]
mod message;
#[cfg(unix)]
mod option;
#[cfg(unix)]
pub(super) use {
    errno::{open_files, raise_open_files},
    interface::down_interfaces,
    option::{ignore_refusals, set_option, set_traffic_class},
};

/// Receives one datagram.
#[cfg_attr(windows, path = "single_windows.rs")]
pub(super) mod single;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(super) use windows::{
    down_interfaces, ignore_refusals, open_files, raise_open_files, set_option, set_traffic_class,
};

#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod epoll;
#[cfg(target_os = "linux")]
pub(super) mod options;
#[cfg(target_os = "linux")]
mod receive;
#[cfg(target_os = "linux")]
mod send;
#[cfg(target_os = "linux")]
pub(super) mod timestamping;
#[cfg(target_os = "linux")]
pub(super) use {
    epoll::Epoll,
    options::bind_device,
    receive::{RecvBatch, read_error_queue},
    send::{SendBatch, send},
    time::{clock_state, set_timer_slack},
};

#[cfg(not(target_os = "linux"))]
mod lacking;
#[cfg(not(target_os = "linux"))]
pub(super) use lacking::{
    Epoll, RecvBatch, SendBatch, bind_device, clock_state, options, read_error_queue, send, set_timer_slack,
    timestamping,
};
