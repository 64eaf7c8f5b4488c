//! The threads of a server: receive, have it decided, send or hold back, tell who follows.

use std::net::SocketAddr;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fd::AsFd as _;

use super::{Event, Settings};
use crate::logic::Nanos;
use crate::logic::echo::{Clerk, Columns, Counters, Log, MOST_HELD, MOST_HELD_BYTES, Note, Row};
use crate::logic::link::{DelayQueue, Fate, Link, Packet, Reason};
use crate::net::clock::{Clock, wall_ns};
use crate::net::datagram::PktInfo;
use crate::net::event_queue::lock;
use crate::net::send_queue::SendQueue;
use crate::net::socket::{Backend, RecvBatch, Socket, is_transient};
use crate::net::wait::{self, Bell, Waker};
use crate::net::worker::Shared;
use crate::net::{Error, Result};

/// Datagrams taken by one system call.
const SLOTS: usize = 64;
/// The longest part of a datagram that an event shows.
const SHOWN: usize = 1_024;

/// What the threads and their onlookers share.
#[derive(Debug)]
pub(super) struct Office {
    backend: Backend,
    clock: Clock,
    pub(super) followed: AtomicBool,
    /// One thread has ended, and so shall the others.
    closed: AtomicBool,
    register: Mutex<Register>,
    desks: Vec<Mutex<Desk>>,
}

/// Where every datagram is entered and decided on, whichever thread took it. It is held for the decisions of one
/// receive, never for a send, so threads hardly meet here.
#[derive(Debug)]
struct Register {
    link: Link,
    log: Log,
}

/// What one thread has to itself, but for onlookers.
#[derive(Debug)]
struct Desk {
    clerk: Clerk,
    held: DelayQueue<Reply>,
}

/// A reply that waits.
#[derive(Debug)]
struct Reply {
    bytes: Vec<u8>,
    to: SocketAddr,
    pktinfo: Option<PktInfo>,
    note: Option<Note>,
}

impl Office {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { workers, echo, record, backend, .. } = settings;
        let desk = || Desk {
            clerk: Clerk::new(echo.reply.clone()),
            held: DelayQueue::with_limits(MOST_HELD / workers, MOST_HELD_BYTES / workers),
        };
        Self {
            backend,
            clock: Clock::start(),
            followed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            desks: (0..workers).map(|_| Mutex::new(desk())).collect(),
            register: Mutex::new(Register { link: Link::new(echo.link), log: Log::new(record) }),
        }
    }

    /// Serves with a thread for each socket, this one among them, until it is to stop or one of them fails.
    pub(super) fn serve(
        &self,
        sockets: &[Socket],
        shared: &Shared<Event>,
        bell: &Bell,
        waker: &Waker,
    ) -> Result<()> {
        let work = |desk, socket| {
            let _closing = Closing { office: self, waker };
            Work::new(self, desk, socket, shared).go_on(bell)
        };
        let mut places = self.desks.iter().zip(sockets);
        let first = places.next();
        thread::scope(|scope| {
            let _closing = Closing { office: self, waker };
            let spawn = |(desk, socket)| {
                thread::Builder::new().name("udpping server".into()).spawn_scoped(scope, move || {
                    wait::set_timer_slack();
                    work(desk, socket)
                })
            };
            let others = places.map(spawn).collect::<std::io::Result<Vec<_>>>();
            let others = others.map_err(Error::system("start a thread"))?;
            let end = first.map_or(Ok(()), |(desk, socket)| work(desk, socket));
            others.into_iter().fold(end, |end, other| {
                end.and(other.join().unwrap_or_else(|defect| panic::resume_unwind(defect)))
            })
        })
    }

    pub(super) fn counters(&self, kernel_drops: Option<u64>) -> Counters {
        let desks = self.desks.iter().map(|desk| {
            let desk = lock(desk);
            (desk.clerk.counters(), desk.held.len() as u64)
        });
        let (counters, waiting): (Vec<_>, Vec<_>) = desks.unzip();
        let register = lock(&self.register);
        Counters {
            waiting: waiting.into_iter().sum(),
            kernel_drops,
            clients: register.link.clients(),
            unlogged: register.log.unlogged(),
            ..counters.into_iter().sum()
        }
    }

    pub(super) fn log(&self) -> Columns {
        lock(&self.register).log.columns()
    }

    /// Replies that were not sent after all.
    fn fail(&self, desk: &mut Desk, notes: &[Option<Note>], reason: Reason) {
        let mut register = lock(&self.register);
        for note in notes {
            desk.clerk.failed();
            if let Some(note) = *note {
                register.log.failed(note, reason);
            }
        }
    }
}

/// Ends all threads when one ends, however that comes.
struct Closing<'a> {
    office: &'a Office,
    waker: &'a Waker,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.office.closed.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// One thread's work.
struct Work<'a> {
    office: &'a Office,
    desk: &'a Mutex<Desk>,
    socket: &'a Socket,
    shared: &'a Shared<Event>,
    outbox: SendQueue<Option<Note>>,
    /// What was decided on the datagrams of one receive.
    decided: Vec<(Fate, Option<Note>)>,
}

impl<'a> Work<'a> {
    fn new(office: &'a Office, desk: &'a Mutex<Desk>, socket: &'a Socket, shared: &'a Shared<Event>) -> Self {
        Self { office, desk, socket, shared, outbox: SendQueue::new(office.backend), decided: Vec::new() }
    }

    fn is_over(&self) -> bool {
        self.shared.is_stopping() || self.office.closed.load(Ordering::Acquire)
    }

    fn go_on(&mut self, bell: &Bell) -> Result<()> {
        let mut inbox = RecvBatch::new(SLOTS, self.office.backend);
        while !self.is_over() {
            match inbox.receive(self.socket) {
                Ok(true) => {
                    let (now, wall) = self.decide(&inbox);
                    self.answer(&inbox, now, wall);
                }
                Ok(false) => self.wait(bell)?,
                // A client that has gone: its machine refused an earlier reply. No reason to stop serving.
                Err(error) if is_transient(&error) => {}
                Err(source) => return Err(Error::System { action: "receive", source }),
            }
            self.release();
        }
        Ok(())
    }

    fn wait(&self, bell: &Bell) -> Result<()> {
        let until = lock(self.desk).held.next_due();
        let wait = until.map(|due| due - self.office.clock.now());
        // All threads hear one bell, which rings at the end only.
        wait::readable_shared(std::iter::once(self.socket.as_fd()), bell, wait)
            .map(drop)
            .map_err(Error::system("wait for datagrams"))
    }

    /// Enters what has arrived and decides on it; gives back when that was.
    fn decide(&mut self, inbox: &RecvBatch) -> (Nanos, i64) {
        let mut register = lock(&self.office.register);
        // The clocks are read in here: so rows and events are in order of time, whichever thread they come from.
        let (now, wall) = (self.office.clock.now(), wall_ns());
        let Register { link, log } = &mut *register;
        self.decided.clear();
        let mut datagrams = inbox.datagrams().peekable();
        while let Some(source) = datagrams.peek().map(|first| first.source) {
            let mut client = link.client(source);
            while let Some(datagram) = datagrams.next_if(|next| next.source == source) {
                let fate = client.round_trip(Packet { at: now, len: datagram.bytes.len() });
                let note = log.note(now, wall, source, datagram.bytes, &fate);
                self.decided.push((fate, note));
            }
        }
        if self.office.followed.load(Ordering::Acquire) {
            let each = inbox.datagrams().zip(&self.decided);
            self.shared.events.extend(each.map(|(datagram, (fate, _))| Event {
                row: Row::of(now, wall, datagram.source, datagram.bytes, fate),
                message: datagram.bytes[..datagram.bytes.len().min(SHOWN)].into(),
            }));
        }
        (now, wall)
    }

    /// Does what was decided.
    fn answer(&mut self, inbox: &RecvBatch, now: Nanos, wall: i64) {
        let mut desk = lock(self.desk);
        for (datagram, at) in inbox.datagrams().zip(0..self.decided.len()) {
            let (fate, note) = self.decided[at];
            let (to, pktinfo) = (datagram.source, datagram.pktinfo);
            desk.clerk.received(&fate, now);
            for delivery in &*fate.deliveries {
                if delivery.at > now {
                    let mut bytes = Vec::new();
                    desk.clerk.write(&fate, wall, datagram.bytes, &mut bytes);
                    self.hold(&mut desk, delivery.at, Reply { bytes, to, pktinfo, note });
                    continue;
                }
                self.outbox.push(to, pktinfo, note, |out| desk.clerk.write(&fate, wall, datagram.bytes, out));
                if self.outbox.is_full() {
                    self.send(&mut desk);
                }
            }
        }
        self.send(&mut desk);
    }

    fn hold(&self, desk: &mut Desk, due: Nanos, reply: Reply) {
        if let Err(reply) = desk.held.try_push(due, reply.bytes.len(), reply) {
            self.office.fail(desk, &[reply.note], Reason::Full);
        }
    }

    /// Sends the delayed replies whose time has come.
    fn release(&mut self) {
        let mut desk = lock(self.desk);
        if desk.held.is_empty() {
            return;
        }
        let now: Nanos = self.office.clock.now();
        // A dead link makes each send wait: stopping must not wait for all of them.
        while !self.is_over()
            && let Some(Reply { bytes, to, pktinfo, note }) = desk.held.pop_due(now)
        {
            self.outbox.push(to, pktinfo, note, |out| out.extend_from_slice(&bytes));
            if self.outbox.is_full() {
                self.send(&mut desk);
            }
        }
        self.send(&mut desk);
    }

    fn send(&mut self, desk: &mut Desk) {
        let Self { office, socket, shared, outbox, .. } = self;
        outbox.send(
            socket,
            || !shared.is_stopping(),
            |notes, result| match result {
                Ok(()) => desk.clerk.answered(notes.len() as u64),
                Err(_) => office.fail(desk, notes, Reason::Send),
            },
        );
    }
}
