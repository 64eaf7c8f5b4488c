//! Waiting: for a datagram, a deadline or a call to stop, whichever comes first.

use std::io;

use rustix::fd::{AsFd as _, BorrowedFd};

use super::sys;
use crate::logic::{Nanos, SECOND};

/// Ends somebody's wait from another thread.
#[derive(Debug)]
pub(super) struct Waker {
    sender: ring::End,
}

/// The waiting end of a [`Waker`].
#[derive(Debug)]
pub(super) struct Bell {
    receiver: ring::End,
}

/// A waker and the bell that it rings.
pub(super) fn waker() -> io::Result<(Waker, Bell)> {
    let (sender, receiver) = ring::pair()?;
    sender.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;
    Ok((Waker { sender }, Bell { receiver }))
}

impl Waker {
    /// Rings. A bell that is full of rings is as good as rung.
    pub(super) fn wake(&self) {
        let _ = ring::write(&self.sender, &[1]);
    }
}

impl Bell {
    fn silence(&self) {
        let mut rings = [0; 64];
        while ring::read(&self.receiver, &mut rings).is_ok_and(|count| count > 0) {}
    }
}

/// Waits until one of `sockets` has something, the bell rings, or `wait` nanoseconds have passed (`None`: no limit).
pub(super) fn wait<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    bell: &'a Bell,
    wait: Option<Nanos>,
) -> io::Result<()> {
    hear(sockets, bell, wait).map(drop)
}

/// As [`wait`]; says whether one of the sockets has something.
pub(super) fn hear<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    bell: &'a Bell,
    wait: Option<Nanos>,
) -> io::Result<bool> {
    let (something, rings) = sys::wait_readable(sockets, bell.receiver.as_fd(), wait)?;
    if rings {
        bell.silence();
    }
    Ok(something)
}

/// As [`wait`], and a bell that rings goes on, for the others who hear it; says whether it does.
pub(super) fn watch<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    bell: &'a Bell,
    wait: Option<Nanos>,
) -> io::Result<bool> {
    sys::wait_readable(sockets, bell.receiver.as_fd(), wait).map(|(_, rings)| rings)
}

/// Waits until a socket takes another datagram; a tenth of a second at most, as nothing may hang on a dead link.
pub(super) fn wait_to_send(socket: BorrowedFd<'_>) -> io::Result<()> {
    sys::wait_writable(socket, SECOND / 10)
}

/// Lets this thread's waits end when they should: Linux by default rounds them up by 50 µs.
pub(super) fn be_punctual() {
    #[cfg(target_os = "linux")]
    {
        // Without it the waits are late, not wrong.
        let _ = sys::set_timer_slack(1);
    }
}

/// Two ends of a wire that `poll` can watch.
#[cfg(unix)]
mod ring {
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

/// Where there are no such wires, two UDP sockets that hear only each other.
#[cfg(not(unix))]
mod ring {
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
