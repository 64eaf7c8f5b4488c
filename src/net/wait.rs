//! Waits for a datagram, a deadline or a wake-up by another thread, whichever comes first.

use std::io;

use rustix::fd::{AsFd as _, BorrowedFd};

use super::sys;
use crate::logic::{Nanos, SECOND};

/// Wakes a waiting thread.
#[derive(Debug)]
pub(super) struct Waker {
    sender: pipe::End,
}

/// The end of a [`Waker`] on which a thread waits.
#[derive(Debug)]
pub(super) struct Bell {
    receiver: pipe::End,
}

pub(super) fn waker() -> io::Result<(Waker, Bell)> {
    let (sender, receiver) = pipe::pair()?;
    sender.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;
    Ok((Waker { sender }, Bell { receiver }))
}

impl Waker {
    /// Ends the current wait, or the next one. If the pipe is full, a wake-up is pending already.
    pub(super) fn wake(&self) {
        let _ = pipe::write(&self.sender, &[1]);
    }
}

impl Bell {
    fn clear(&self) {
        let mut bytes = [0; 64];
        while pipe::read(&self.receiver, &mut bytes).is_ok_and(|count| count > 0) {}
    }
}

/// Waits until one of `sockets` is readable, the bell rings, or `wait` nanoseconds have passed (`None`: no limit).
/// Returns whether a socket is readable.
pub(super) fn readable<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    bell: &'a Bell,
    wait: Option<Nanos>,
) -> io::Result<bool> {
    let (readable, rings) = sys::wait_readable(sockets, bell.receiver.as_fd(), wait)?;
    if rings {
        bell.clear();
    }
    Ok(readable)
}

/// Waits until a socket is writable, at most a tenth of a second, so that no thread blocks on a dead link.
pub(super) fn writable(socket: BorrowedFd<'_>) -> io::Result<()> {
    sys::wait_writable(socket, SECOND / 10)
}

/// Ends this thread's waits on time: Linux rounds them up by 50 µs otherwise
/// ([`PR_SET_TIMERSLACK`](https://man7.org/linux/man-pages/man2/PR_SET_TIMERSLACK.2const.html)).
pub(super) fn set_timer_slack() {
    // Without it the waits are late, not wrong.
    let _ = sys::set_timer_slack(1);
}

/// A pair of connected ends that `poll` accepts.
#[cfg(unix)]
mod pipe {
    use std::io::{Read as _, Result, Write as _};
    use std::os::unix::net::UnixStream;

    pub(super) type End = UnixStream;

    pub(super) fn pair() -> Result<(End, End)> {
        UnixStream::pair()
    }

    pub(super) fn write(mut end: &End, bytes: &[u8]) -> Result<usize> {
        end.write(bytes)
    }

    pub(super) fn read(mut end: &End, bytes: &mut [u8]) -> Result<usize> {
        end.read(bytes)
    }
}

/// Two connected UDP sockets, where the system has no socket pairs.
#[cfg(not(unix))]
mod pipe {
    use std::io::Result;
    use std::net::{Ipv4Addr, UdpSocket};

    pub(super) type End = UdpSocket;

    pub(super) fn pair() -> Result<(End, End)> {
        let (a, b) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        a.connect(b.local_addr()?)?;
        b.connect(a.local_addr()?)?;
        Ok((a, b))
    }

    pub(super) fn write(end: &End, bytes: &[u8]) -> Result<usize> {
        end.send(bytes)
    }

    pub(super) fn read(end: &End, bytes: &mut [u8]) -> Result<usize> {
        end.recv(bytes)
    }
}
