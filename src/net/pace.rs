//! Waiting: for a datagram, a deadline or a call to stop, whichever comes first.
//!
//! With `poll`, never with a read timeout: `SO_RCVTIMEO` counts in jiffies and is late by up to ten milliseconds.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::logic::{Nanos, SECOND};

/// Ends somebody's wait from another thread.
#[derive(Debug)]
pub(super) struct Waker {
    sender: UnixStream,
}

/// The waiting end of a [`Waker`].
#[derive(Debug)]
pub(super) struct Bell {
    receiver: UnixStream,
}

/// A waker and the bell that it rings.
pub(super) fn waker() -> io::Result<(Waker, Bell)> {
    let (sender, receiver) = UnixStream::pair()?;
    sender.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;
    Ok((Waker { sender }, Bell { receiver }))
}

impl Waker {
    /// Rings. A bell that is full of rings is as good as rung.
    pub(super) fn wake(&self) {
        let _ = (&self.sender).write(&[1]);
    }
}

impl Bell {
    fn silence(&self) {
        let mut rings = [0; 64];
        while matches!((&self.receiver).read(&mut rings), Ok(count) if count == rings.len()) {}
    }
}

/// Waits until one of `sockets` has something, the bell rings, or `wait` nanoseconds have passed (`None`: no limit).
pub(super) fn wait<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    bell: &'a Bell,
    wait: Option<Nanos>,
) -> io::Result<()> {
    let mut watched: Vec<PollFd<'_>> =
        sockets.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    watched.push(PollFd::from_borrowed_fd(bell.receiver.as_fd(), PollFlags::IN));
    let timeout = wait.map(|wait| {
        let wait = wait.max(0);
        Timespec { tv_sec: wait / SECOND, tv_nsec: wait % SECOND }
    });
    match poll(&mut watched, timeout.as_ref()) {
        // A signal: the caller looks at the clock and comes back.
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    if watched.last().is_some_and(|bell| !bell.revents().is_empty()) {
        bell.silence();
    }
    Ok(())
}

/// Waits until a socket takes another datagram; a tenth of a second at most, as nothing may hang on a dead link.
pub(super) fn wait_to_send(socket: BorrowedFd<'_>) -> io::Result<()> {
    let limit = Timespec { tv_sec: 0, tv_nsec: SECOND / 10 };
    match poll(&mut [PollFd::from_borrowed_fd(socket, PollFlags::OUT)], Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lets this thread's waits end when they should: Linux by default rounds them up by 50 µs.
pub(super) fn be_punctual() {
    #[cfg(target_os = "linux")]
    {
        // Without it the waits are late, not wrong.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}
