//! The thread of a server: receive, ask the machine, send or hold back, tell who follows.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::AsFd as _;

use super::Event;
use crate::logic::Nanos;
use crate::logic::echo::{Echo, Held, Log, Note, Reason, Row, Verdict};
use crate::net::background::Shared;
use crate::net::clock::{Clock, wall_ns};
use crate::net::feed::lock;
use crate::net::pace::{self, Bell};
use crate::net::socket::{Inbox, Path, Socket, Via, passes};
use crate::net::{Error, Result};

/// Datagrams taken by one system call.
const SLOTS: usize = 32;
/// The longest part of a datagram that an event shows.
const SHOWN: usize = 1_024;

/// What the thread and its onlookers share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) path: Path,
    pub(super) clock: Clock,
    pub(super) followed: AtomicBool,
    pub(super) books: Mutex<Books>,
}

#[derive(Debug)]
pub(super) struct Books {
    pub(super) echo: Echo,
    pub(super) log: Log,
    pub(super) held: Held<Reply>,
}

/// A reply on its way out.
#[derive(Debug)]
pub(super) struct Reply {
    bytes: Vec<u8>,
    to: SocketAddr,
    via: Option<Via>,
    note: Option<Note>,
}

impl Desk {
    pub(super) fn serve(&self, socket: &Socket, shared: &Shared<Event>, bell: &Bell) -> Result<()> {
        let mut inbox = Inbox::new(SLOTS, self.path);
        let mut out = Vec::new();
        while !shared.is_stopping() {
            match inbox.receive(socket) {
                Ok(true) => self.answer(socket, shared, &inbox, &mut out),
                Ok(false) => {
                    let until = lock(&self.books).held.next_due();
                    let wait = until.map(|due| due - self.clock.now());
                    pace::wait(std::iter::once(socket.as_fd()), bell, wait)
                        .map_err(|source| Error::System { action: "wait for datagrams", source })?;
                }
                // A client that has gone: its machine refused an earlier reply. No reason to stop serving.
                Err(error) if passes(&error) => {}
                Err(source) => return Err(Error::System { action: "receive", source }),
            }
            self.release(socket, shared);
        }
        Ok(())
    }

    fn answer(&self, socket: &Socket, shared: &Shared<Event>, inbox: &Inbox, out: &mut Vec<u8>) {
        let (now, wall) = (self.clock.now(), wall_ns());
        let mut books = lock(&self.books);
        for datagram in inbox.datagrams() {
            let decision = books.echo.decide(datagram.source, wall, datagram.bytes, out);
            let note = books.log.note(now, wall, datagram.source, datagram.bytes, &decision);
            if self.followed.load(Ordering::Acquire) {
                shared.feed.tell([Event {
                    row: Row::of(now, wall, datagram.source, datagram.bytes, &decision),
                    message: datagram.bytes[..datagram.bytes.len().min(SHOWN)].into(),
                }]);
            }
            match decision.verdict {
                Verdict::Drop => {}
                Verdict::Answer { delay: 0 } => {
                    books.send(socket, out, datagram.source, datagram.via, note);
                }
                Verdict::Answer { delay } => {
                    let reply = Reply { bytes: out.clone(), to: datagram.source, via: datagram.via, note };
                    books.hold(now + delay, reply);
                }
            }
        }
    }

    /// Sends the delayed replies whose time has come.
    fn release(&self, socket: &Socket, shared: &Shared<Event>) {
        let mut books = lock(&self.books);
        if books.held.is_empty() {
            return;
        }
        let now: Nanos = self.clock.now();
        // A dead link makes each send wait: stopping must not wait for all of them.
        while !shared.is_stopping()
            && let Some(reply) = books.held.pop_due(now)
        {
            books.send(socket, &reply.bytes, reply.to, reply.via, reply.note);
        }
    }
}

impl Books {
    fn send(&mut self, socket: &Socket, bytes: &[u8], to: SocketAddr, via: Option<Via>, note: Option<Note>) {
        match socket.send(bytes, to, via) {
            Ok(()) => self.echo.answered(),
            Err(_) => self.fail(note, Reason::Send),
        }
    }

    fn hold(&mut self, due: Nanos, reply: Reply) {
        if let Err(reply) = self.held.push(due, reply.bytes.len(), reply) {
            self.fail(reply.note, Reason::Full);
        }
    }

    fn fail(&mut self, note: Option<Note>, reason: Reason) {
        self.echo.failed();
        if let Some(note) = note {
            self.log.failed(note, reason);
        }
    }
}
