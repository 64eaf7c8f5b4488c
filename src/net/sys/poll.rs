//! Waits with `poll`, which is late by microseconds; `SO_RCVTIMEO` counts in jiffies and is late by up to 10 ms.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::logic::{Nanos, SECOND};

/// Waits until one of `sockets` or `bell` is readable, or `wait` nanoseconds have passed (`None`: no limit); returns
/// whether a socket is readable, and whether the bell is. A signal ends the wait, too.
pub(in crate::net) fn wait_readable<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    bell: BorrowedFd<'a>,
    wait: Option<Nanos>,
) -> io::Result<(bool, bool)> {
    let watched = sockets.chain(std::iter::once(bell));
    let mut watched: Vec<PollFd<'_>> =
        watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    #[cfg(windows)]
    let wait = wait.map(|wait| super::windows::wait_precisely(&watched, wait));
    poll_for(&mut watched, wait)?;
    let mut readable = watched.iter().map(|each| !each.revents().is_empty());
    let rings = readable.next_back().unwrap_or(false);
    Ok((readable.any(|is| is), rings))
}

/// Waits until a socket is writable, at most `wait` nanoseconds.
pub(in crate::net) fn wait_writable(socket: BorrowedFd<'_>, wait: Nanos) -> io::Result<()> {
    poll_for(&mut [PollFd::from_borrowed_fd(socket, PollFlags::OUT)], Some(wait))
}

fn poll_for(watched: &mut [PollFd<'_>], wait: Option<Nanos>) -> io::Result<()> {
    let timeout = wait.map(|wait| {
        let wait = wait.max(0);
        Timespec { tv_sec: wait / SECOND, tv_nsec: (wait % SECOND) as _ }
    });
    match poll(watched, timeout.as_ref()) {
        // A signal: the caller checks the clock and waits again.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
