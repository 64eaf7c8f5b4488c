//! The sockets of one thread, each under a key.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use rustix::fd::AsFd as _;

use super::socket::Socket;
use super::wait::{self, Bell};
use crate::logic::Nanos;

/// One socket, or several.
pub(super) trait Sockets: Send {
    /// Identifies one of the sockets.
    type Key: Copy + Eq + Debug + Send;

    /// The socket with this key, unless it was closed.
    fn get(&self, key: Self::Key) -> Option<&Socket>;

    /// All that are open.
    fn all(&self) -> impl Iterator<Item = &Socket>;

    /// Waits as [`wait::readable`] does, and adds the keys of the readable sockets to `ready`.
    fn wait(&mut self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<Self::Key>) -> io::Result<()>;

    /// How many datagrams to receive at a time from this socket, `most` at most: room for each takes a little time.
    fn slots(&self, _key: Self::Key, most: usize) -> usize {
        most
    }

    /// Whether to receive again at once; the last receive was `full` if it got as many datagrams as there was room for.
    fn may_have_more(&self, _key: Self::Key, _full: bool) -> bool {
        true
    }
}

impl Sockets for Arc<Socket> {
    type Key = ();

    fn get(&self, (): ()) -> Option<&Socket> {
        Some(self)
    }

    fn all(&self) -> impl Iterator<Item = &Socket> {
        std::iter::once(&**self)
    }

    fn wait(&mut self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<()>) -> io::Result<()> {
        if wait::readable(std::iter::once(self.as_fd()), bell, wait)? {
            ready.push(());
        }
        Ok(())
    }
}
