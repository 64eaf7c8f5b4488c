//! System calls: the room of `unsafe`, of `libc`, and of what asks the system through `rustix`.
//!
//! Every pointer handed to the kernel is made within the call that uses it, from memory that outlives that call. Above
//! it, in [`super::datagram`], are the types of what goes in and comes out; nothing here knows a socket's rules.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmsg with control messages and some socket options have no safe wrapper"
)]

#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod epoll;
mod errno;
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

#[cfg(target_os = "linux")]
pub(super) use epoll::Epoll;
#[cfg(unix)]
pub(super) use errno::open_files;
pub(super) use errno::{ICMP_ERRORS, OWN_LIMIT, SYSTEM_LIMIT, TRAIN_ERRORS};
pub(super) use poll::{wait_readable, wait_writable};
#[cfg(target_os = "linux")]
pub(super) use receive::{Inbox, read_report};
#[cfg(target_os = "linux")]
pub(super) use send::{Outbox, send};
#[cfg(target_os = "linux")]
pub(super) use time::{boot_time, set_timer_slack};
