//! Waits for many sockets at once: with `epoll` on Linux, whose cost does not grow with the number of idle sockets, and
//! with `poll` on the portable backend, where a poller should have few sockets.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use rustix::fd::AsFd as _;

use super::event_queue::lock;
use super::socket::{Backend, Socket};
use super::sys::Epoll;
use super::wait::{self, Bell};
use crate::logic::Nanos;

/// A set of sockets, each registered under a key.
#[derive(Debug)]
pub(super) enum Poller {
    Epoll(Epoll),
    Poll(Mutex<BTreeMap<u64, Arc<Socket>>>),
}

impl Poller {
    pub(super) fn new(backend: Backend) -> io::Result<Self> {
        match backend {
            Backend::Full => Ok(Self::Epoll(Epoll::new()?)),
            Backend::Portable => Ok(Self::Poll(Mutex::default())),
        }
    }

    /// Waits as [`wait::readable`] does, and adds the keys of the readable sockets to `ready`; `poll` adds all keys
    /// when one is readable.
    pub(super) fn wait(&self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<u64>) -> io::Result<()> {
        match self {
            Self::Epoll(list) => {
                // Most often something has come already, which takes one system call.
                let before = ready.len();
                list.take(ready)?;
                if ready.len() > before || wait.is_some_and(|wait| wait <= 0) {
                    return Ok(());
                }
                if wait::readable(std::iter::once(list.as_fd()), bell, wait)? {
                    list.take(ready)?;
                }
            }
            Self::Poll(sockets) => {
                // A copy, so that registering does not block until this wait ends.
                let sockets = lock(sockets).clone();
                if wait::readable(sockets.values().map(|socket| socket.as_fd()), bell, wait)? {
                    ready.extend(sockets.keys());
                }
            }
        }
        Ok(())
    }
}

/// A socket that is registered with a poller for as long as it is open.
#[derive(Debug)]
pub(super) struct Registration {
    socket: Arc<Socket>,
    poller: Arc<Poller>,
    key: u64,
}

impl Registration {
    /// Registers the socket under a unique key.
    pub(super) fn new(socket: Socket, poller: &Arc<Poller>, key: u64) -> io::Result<Self> {
        Self::of(Arc::new(socket), poller, key)
    }

    /// The same for a socket that others have too.
    pub(super) fn of(socket: Arc<Socket>, poller: &Arc<Poller>, key: u64) -> io::Result<Self> {
        match &**poller {
            Poller::Epoll(list) => list.add(socket.as_fd(), key)?,
            Poller::Poll(sockets) => drop(lock(sockets).insert(key, Arc::clone(&socket))),
        }
        Ok(Self { socket, poller: Arc::clone(poller), key })
    }
}

impl Registration {
    /// The socket, to ask it from another thread.
    pub(super) fn shared(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }
}

impl Deref for Registration {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Registration {
    /// Closing the socket is not enough: epoll keeps it while a forked child has it open
    /// ([epoll(7)](https://man7.org/linux/man-pages/man7/epoll.7.html), questions and answers, 6).
    fn drop(&mut self) {
        match &*self.poller {
            // What is not registered need not be removed.
            Poller::Epoll(list) => drop(list.delete(self.socket.as_fd())),
            Poller::Poll(sockets) => drop(lock(sockets).remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use super::*;
    use crate::logic::SECOND;
    use crate::net::socket::IpOptions;

    fn toward(to: SocketAddr, backend: Backend) -> Socket {
        Socket::toward(to, None, IpOptions::default(), backend).unwrap()
    }

    /// Waits until the expected socket is readable.
    fn wait_for(poller: &Poller, bell: &Bell, expected: u64) {
        let mut ready = Vec::new();
        while !ready.contains(&expected) {
            poller.wait(bell, Some(20 * SECOND), &mut ready).unwrap();
            assert!(!ready.is_empty());
        }
        assert!(matches!(poller, Poller::Poll(_)) || ready == vec![expected], "{ready:?}");
    }

    #[test]
    fn readable_sockets_are_reported_and_closed_ones_are_not() {
        for backend in [Backend::best(), Backend::Portable] {
            let far = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = far.local_addr().unwrap();
            let (waker, bell) = wait::waker().unwrap();
            let poller = Arc::new(Poller::new(backend).unwrap());
            let registered: Vec<Registration> =
                (0..300).map(|key| Registration::new(toward(to, backend), &poller, key).unwrap()).collect();
            let mut ready = Vec::new();
            poller.wait(&bell, Some(0), &mut ready).unwrap();
            waker.wake();
            poller.wait(&bell, None, &mut ready).unwrap();
            assert!(ready.is_empty());

            let port = registered[7].local().unwrap().port();
            far.send_to(b"hello", ("127.0.0.1", port)).unwrap();
            wait_for(&poller, &bell, 7);
            // It has not been read, so it is reported again.
            wait_for(&poller, &bell, 7);
            // Stands for a forked child that has it open.
            let kept = Arc::clone(&registered[7].socket);
            drop(registered);
            poller.wait(&bell, Some(0), &mut ready).unwrap();
            assert!(ready.is_empty());
            drop(kept);
        }
    }
}
