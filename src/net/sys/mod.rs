//! System calls: all `unsafe` code, all of `libc`, and the calls of `rustix`.
//!
//! Every pointer for the kernel is made in the function that uses it, from memory that outlives the call. The types of
//! datagrams are in [`super::datagram`].
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmsg with control messages and some socket options have no safe wrapper"
)]

#[cfg(target_os = "linux")]
mod control;
#[cfg(unix)]
mod directory;
#[cfg(not(unix))]
#[path = "directory_portable.rs"]
mod directory;
#[cfg(target_os = "linux")]
mod epoll;
mod errno;
#[cfg(target_os = "linux")]
mod interface;
#[cfg(target_os = "linux")]
pub(super) mod options;
mod poll;
#[cfg(target_os = "linux")]
mod receive;
#[cfg(target_os = "linux")]
mod send;
#[cfg(target_os = "linux")]
mod time;
#[cfg(target_os = "linux")]
pub(super) mod timestamping;

pub(super) use directory::Directory;
#[cfg(target_os = "linux")]
pub(super) use epoll::Epoll;
pub(super) use errno::{GSO_ERRORS, ICMP_ERRORS, OWN_LIMIT, SYSTEM_LIMIT, TOO_LONG};
#[cfg(unix)]
pub(super) use errno::{open_files, raise_open_files};
#[cfg(target_os = "linux")]
pub(super) use interface::down_interfaces;
pub(super) use poll::{wait_readable, wait_writable};
#[cfg(target_os = "linux")]
pub(super) use receive::{RecvBatch, read_error_queue};
#[cfg(target_os = "linux")]
pub(super) use send::{SendBatch, send};
#[cfg(target_os = "linux")]
pub(super) use time::{boot_time, clock_state, set_timer_slack};
