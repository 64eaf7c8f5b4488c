//! Very many sockets watched together: to ask the system about each of 10,000 before every wait would take all its time.
//!
//! Linux keeps the list itself (`epoll`), and tells which of them have something. Everywhere else, and on Linux when
//! asked, they are polled; a crowd should then be small.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use rustix::fd::AsFd as _;

use super::feed::lock;
use super::pace::{self, Bell};
use super::socket::{Path, Socket};
#[cfg(target_os = "linux")]
use super::sys::Epoll;
use crate::logic::Nanos;

/// Sockets that are watched together, each under a key.
#[derive(Debug)]
pub(super) enum Crowd {
    /// The system keeps the list.
    #[cfg(target_os = "linux")]
    Kept(Epoll),
    /// The list is here.
    Polled(Mutex<BTreeMap<u64, Arc<Socket>>>),
}

impl Crowd {
    pub(super) fn new(path: Path) -> io::Result<Self> {
        match path {
            #[cfg(target_os = "linux")]
            Path::Full => Ok(Self::Kept(Epoll::new()?)),
            _ => Ok(Self::Polled(Mutex::default())),
        }
    }

    /// Waits as [`pace::wait`] does, and adds to `ready` the keys of the sockets to look at: of those that have
    /// something, or, where they are polled, of all.
    pub(super) fn wait(&self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<u64>) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Kept(list) => {
                if pace::hear(std::iter::once(list.as_fd()), bell, wait)? {
                    list.take(ready)?;
                }
            }
            Self::Polled(members) => {
                // Nobody is kept waiting who comes or goes meanwhile.
                let members = lock(members).clone();
                if pace::hear(members.values().map(|socket| socket.as_fd()), bell, wait)? {
                    ready.extend(members.keys());
                }
            }
        }
        Ok(())
    }
}

/// A socket that is watched for as long as it is open.
#[derive(Debug)]
pub(super) struct Member {
    socket: Arc<Socket>,
    crowd: Arc<Crowd>,
    key: u64,
}

impl Member {
    /// From now on the socket is watched under this key, which no other has.
    pub(super) fn new(socket: Socket, crowd: &Arc<Crowd>, key: u64) -> io::Result<Self> {
        let socket = Arc::new(socket);
        match &**crowd {
            #[cfg(target_os = "linux")]
            Crowd::Kept(list) => list.add(&*socket, key)?,
            Crowd::Polled(members) => drop(lock(members).insert(key, Arc::clone(&socket))),
        }
        Ok(Self { socket, crowd: Arc::clone(crowd), key })
    }
}

impl Deref for Member {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl Drop for Member {
    /// It is not enough to close the socket: a forked child may have it open as well, and then Linux goes on to watch.
    fn drop(&mut self) {
        match &*self.crowd {
            #[cfg(target_os = "linux")]
            // What is not on the list need not be taken off it.
            Crowd::Kept(list) => drop(list.delete(&*self.socket)),
            Crowd::Polled(members) => drop(lock(members).remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use super::*;
    use crate::logic::SECOND;
    use crate::net::socket::Marks;

    fn toward(to: SocketAddr, path: Path) -> Socket {
        Socket::toward(to, None, Marks::default(), path).unwrap()
    }

    /// Tells whose socket has something, until it is the one expected; no deadline passes meanwhile.
    fn hears(crowd: &Crowd, bell: &Bell, expected: u64) {
        let mut ready = Vec::new();
        while !ready.contains(&expected) {
            crowd.wait(bell, Some(20 * SECOND), &mut ready).unwrap();
            assert!(!ready.is_empty());
        }
        assert!(matches!(crowd, Crowd::Polled(_)) || ready == vec![expected], "{ready:?}");
    }

    #[test]
    fn who_has_something_is_told_and_who_has_left_is_not() {
        for path in [Path::Full, Path::Portable] {
            let far = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = far.local_addr().unwrap();
            let (waker, bell) = pace::waker().unwrap();
            let crowd = Arc::new(Crowd::new(path).unwrap());
            let members: Vec<Member> =
                (0..300).map(|key| Member::new(toward(to, path), &crowd, key).unwrap()).collect();
            let mut ready = Vec::new();
            crowd.wait(&bell, Some(0), &mut ready).unwrap();
            waker.wake();
            crowd.wait(&bell, None, &mut ready).unwrap();
            assert!(ready.is_empty());

            let port = members[7].local().unwrap().port();
            far.send_to(b"hello", ("127.0.0.1", port)).unwrap();
            hears(&crowd, &bell, 7);
            // It has not been read, and so it is told again.
            hears(&crowd, &bell, 7);
            // As if a forked child had it open still.
            let kept = Arc::clone(&members[7].socket);
            drop(members);
            crowd.wait(&bell, Some(0), &mut ready).unwrap();
            assert!(ready.is_empty());
            drop(kept);
        }
    }
}
