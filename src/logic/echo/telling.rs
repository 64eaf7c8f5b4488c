//! What a server tells clients of its own times, and of which of their pings it has received.

use std::net::{IpAddr, SocketAddr};

use super::Responder;
use crate::logic::codec::timed_line::{Ask, Told, asked};
use crate::logic::codec::{Previous, Window};
use crate::logic::link::{Damage, Fate};
use crate::logic::sessions::{Id, Sessions};
use crate::logic::{Arrival, Moment, Nanos};

/// The most replies of a run whose times of sending wait to be told.
const MOST_UNTOLD: usize = 64;

/// The runs of pings that a server tells its times.
#[derive(Debug, Default)]
pub(super) struct Telling {
    runs: Sessions,
    clock: TestClock,
}

/// For tests: by how much the clock that is told is ahead, and how much faster it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestClock {
    /// Nanoseconds at the beginning.
    pub offset: Nanos,
    /// Parts per billion since the beginning.
    pub rate_ppb: i64,
}

/// A client, and the address of the server that it asks.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// What it asks; any other where the server has but one.
    pub local: IpAddr,
}

impl From<SocketAddr> for Ends {
    fn from(source: SocketAddr) -> Self {
        Self { source, local: source.ip() }
    }
}

/// A reply that waits until its request has come up.
#[derive(Debug)]
pub enum Held {
    /// Its bytes.
    Written(Vec<u8>),
    /// One that tells times, which are not yet known.
    Asked(Box<Waiting>),
}

/// What such a reply is written from.
#[derive(Debug)]
pub struct Waiting {
    request: Vec<u8>,
    ask: Ask,
    arrival: Arrival,
    /// When the request comes up.
    at: Nanos,
    lost_before: u64,
    down: Damage,
}

impl Held {
    /// One of a reflector, to a copy of a packet that comes up at `at`, and its length.
    pub(super) fn reflected(fate: &Fate, arrival: Arrival, packet: &[u8], at: Nanos) -> (usize, Self) {
        let mut request = packet.to_vec();
        fate.up.apply(&mut request, 0);
        let (ask, lost_before, down) = (Ask::default(), fate.lost_before, fate.down);
        let len = down.length(request.len());
        (len, Self::Asked(Box::new(Waiting { request, ask, arrival, at, lost_before, down })))
    }

    /// Its bytes, if `reply` makes one of the packet that has come up.
    pub(super) fn reflect(self, reply: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let Self::Asked(waiting) = self else { return None };
        let mut reply = reply(&waiting.request)?;
        waiting.down.apply(&mut reply, 0);
        Some(reply)
    }
}

impl TestClock {
    /// What is told at a time.
    fn at(self, mono: Nanos, wall: i64) -> i64 {
        let gained = i128::from(mono) * i128::from(self.rate_ppb) / 1_000_000_000;
        wall.saturating_add(self.offset).saturating_add(i64::try_from(gained).unwrap_or(0))
    }
}

impl Telling {
    pub(super) fn by(clock: TestClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Receives the ping of a client at `at`, whose reply is written at `sent`; `None` if too many runs are remembered.
    fn receive(&mut self, ends: Ends, ask: Ask, arrival: &Arrival, at: Nanos, sent: Moment) -> Option<Told> {
        let run = self.runs.find(run_of(ends, ask), at)?;
        // A stamp that is later than now was taken before the clock was set back.
        let kernel = arrival.kernel.filter(|kernel| *kernel <= arrival.at.wall);
        let came_up = (at - arrival.at.mono).max(0);
        let received = kernel.unwrap_or(arrival.at.wall).saturating_add(came_up);
        let (received, sent) =
            (self.clock.at(at, received), self.clock.at(sent.mono, sent.wall.max(received)));
        let window = run.receive(ask.number, received);
        let before = run.previous.replace(Previous { seq: window.counter, sent });
        let previous = if ask.follow_up { run.untold.pop_front().or(before) } else { None };
        Some(Told { ask, received, by_kernel: kernel.is_some(), sent, window, previous })
    }
}

fn run_of(Ends { source, local }: Ends, ask: Ask) -> Id {
    Id { source, local, name: ask.run }
}

/// A reply that tells times: what the kernel's time stamp of it is for.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    run: Id,
    session: i64,
    seq: u32,
    /// When it was written, as it says.
    written: i64,
    /// How long after that the link lets it go.
    held: Nanos,
}

impl Sent {
    /// The reply that tells this, which the link holds back for so long; `None` if nobody asks when it leaves.
    pub fn of(ends: Ends, told: &Told, held: Nanos) -> Option<Self> {
        let Told { ask, sent: written, window, .. } = *told;
        let sent =
            Self { run: run_of(ends, ask), session: window.session, seq: window.counter, written, held };
        ask.follow_up.then_some(sent)
    }
}

impl Responder {
    /// What the reply to a datagram of a client, which is sent `now`, tells of times; `None` where it tells nothing.
    pub fn tell(
        &mut self,
        ends: Ends,
        fate: &Fate,
        arrival: &Arrival,
        datagram: &[u8],
        now: impl FnOnce() -> Moment,
    ) -> Option<Told> {
        let ask = self.asking(fate, datagram)?;
        self.telling.as_mut()?.receive(ends, ask, arrival, arrival.at.mono, now())
    }

    /// Appends the reply to a datagram to `out`.
    pub fn reply(
        &mut self,
        fate: &Fate,
        arrival: &Arrival,
        datagram: &[u8],
        told: Option<&Told>,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        self.reply.write_damaged(datagram, fate.up, arrival, fate.lost_before, told, out);
        fate.down.apply(out, start);
    }

    /// The kernel sent a reply at `stamp`, nanoseconds since 1970, which was found out `now`: a later one of its run can tell
    /// it. What the link held it back for is part of the way, so it left the server as much earlier.
    pub fn stamped(&mut self, Sent { run, session, seq, written, held }: Sent, stamp: i64, now: Moment) {
        let Some(Telling { runs, clock }) = &mut self.telling else { return };
        let sent = clock.at(now.mono - held, stamp - held);
        // A stamp from before the writing was taken before the clock was set back.
        if sent > written
            && let Some(run) = runs.known(run).filter(|run| run.began == Some(session))
        {
            if run.untold.len() >= MOST_UNTOLD {
                run.untold.pop_front();
            }
            run.untold.push_back(Previous { seq, sent });
        }
    }

    /// The reply to a copy of a request that comes up at `at`, and its length.
    pub fn hold(&self, fate: &Fate, arrival: &Arrival, datagram: &[u8], at: Nanos) -> (usize, Held) {
        if let Some(ask) = self.asking(fate, datagram) {
            let mut request = datagram.to_vec();
            fate.up.apply(&mut request, 0);
            let (lost_before, down) = (fate.lost_before, fate.down);
            let len = self.reply.length(&request, Damage::NONE, arrival, lost_before, self.blank().as_ref());
            let waiting = Waiting { request, ask, arrival: *arrival, at, lost_before, down };
            return (down.length(len), Held::Asked(Box::new(waiting)));
        }
        let mut reply = Vec::new();
        self.reply.write_damaged(datagram, fate.up, arrival, fate.lost_before, None, &mut reply);
        fate.down.apply(&mut reply, 0);
        (reply.len(), Held::Written(reply))
    }

    /// The bytes of a reply whose request has come up, written at `now`, and what it tells of times.
    pub fn release(&mut self, ends: Ends, held: Held, now: Moment) -> (Vec<u8>, Option<Told>) {
        let waiting = match held {
            Held::Written(reply) => return (reply, None),
            Held::Asked(waiting) => waiting,
        };
        let Waiting { request, ask, arrival, at, lost_before, down } = *waiting;
        let told = self.telling.as_mut().and_then(|telling| telling.receive(ends, ask, &arrival, at, now));
        let mut reply = Vec::new();
        self.reply.write_damaged(&request, Damage::NONE, &arrival, lost_before, told.as_ref(), &mut reply);
        down.apply(&mut reply, 0);
        (reply, told)
    }

    /// Something of the length of what is told; `None` if nothing ever is.
    pub fn blank(&self) -> Option<Told> {
        self.telling.as_ref().map(|_| Told::default())
    }

    /// What a request asks, as it arrives.
    fn asking(&self, fate: &Fate, datagram: &[u8]) -> Option<Ask> {
        self.telling.as_ref()?;
        if fate.up.is_none() {
            return asked(datagram).map(|asked| asked.ask);
        }
        let mut arrived = datagram.to_vec();
        fate.up.apply(&mut arrived, 0);
        asked(&arrived).map(|asked| asked.ask)
    }
}

impl crate::logic::sessions::Session {
    /// Receives a ping at `at`; what was received so far, with the number of the reply.
    fn receive(&mut self, number: u32, at: i64) -> Window {
        let session = *self.began.get_or_insert(at);
        if self.is_late(number) {
            self.late = self.late.wrapping_add(1);
            self.latest_late.rotate_right(1);
            self.latest_late[0] = number;
        }
        self.unique = self.unique.wrapping_add(u32::from(!self.is_replay(number, 0)));
        let counter = self.next;
        self.next = counter.wrapping_add(1);
        let (highest, bits) = self.seen();
        let Self { unique, late, latest_late, .. } = *self;
        Window { session, counter, unique, highest, bits, late, latest_late }
    }
}
