//! `epoll`: a list of sockets in the kernel, each under a key.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{Timespec, epoll};

/// Keys returned at a time.
const MOST: usize = 256;

#[derive(Debug)]
pub(in crate::net) struct Epoll(OwnedFd);

impl Epoll {
    pub(in crate::net) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    pub(in crate::net) fn add(&self, socket: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, socket, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?)
    }

    pub(in crate::net) fn delete(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.0, socket)?)
    }

    /// Adds the keys of readable sockets to `ready`, without waiting.
    pub(in crate::net) fn take(&self, ready: &mut Vec<u64>) -> io::Result<()> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.wait(Some(at_once), ready)
    }

    /// The same, waiting for one.
    fn wait(&self, wait: Option<Timespec>, ready: &mut Vec<u64>) -> io::Result<()> {
        let mut events = [MaybeUninit::uninit(); MOST];
        let (events, _) = epoll::wait(&self.0, &mut events, wait.as_ref())?;
        ready.extend(events.iter().map(|event| event.data.u64()));
        Ok(())
    }
}

impl AsFd for Epoll {
    /// Readable when one of its sockets is.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
