//! Times of sending by a server's kernel, which later replies tell, in virtual time: loss, copies and reordering on both ways
//! never give one to another ping.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use proptest::prelude::*;
use udpping::logic::codec::stamp::{ErrorEstimate, Keys, Stamp, TimeFormat, secret};
use udpping::logic::codec::{Codec, TextLine, TimedLine};
use udpping::logic::echo::{self, EchoPlan, Reply, Responder};
use udpping::logic::link::{Link, LinkPlan, Loss, Packet};
use udpping::logic::ping::{Options, Pinger, Plan};
use udpping::logic::random::Seed;
use udpping::logic::record::{Rows, TimeSource};
use udpping::logic::reflector::{self, Reflector, ReflectorPlan, Request};
use udpping::logic::{Arrival, Moment, Nanos, SECOND};
use udpping::sim::EPOCH;
use udpping::sim::ping::{Peer, Run};

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8_620);
const US: Nanos = 1_000;
const MS: Nanos = 1_000_000;
/// By how much the server's clock is ahead.
const AHEAD: Nanos = 7 * SECOND + 13;
const KEY: &str = "sixteen-bytes-or-more";

/// What happens to a packet: how long each copy takes, and at the server how long the send and its stamp take.
#[derive(Debug, Clone)]
struct Fate {
    up: Vec<Nanos>,
    hold: Nanos,
    send: Nanos,
    /// When the kernel's stamp is read; `None` if it never is.
    read: Option<Nanos>,
    down: Vec<Nanos>,
}

/// What is to happen at the server.
enum Event {
    Arrives(Vec<u8>, Fate),
    Stamped(Sent, i64),
}

/// What a stamp is for.
enum Sent {
    Stamp(reflector::Sent),
    Text(echo::Sent),
}

/// A reflector, or a server that tells its times.
enum Server {
    Stamp(Box<Reflector>),
    Text(Box<Link>, Box<Responder>),
}

impl Server {
    fn new(case: Case) -> Self {
        if case.text {
            let link = LinkPlan::new(Loss::NONE, "0".parse().expect("a delay"), Seed::from(1_u64));
            let plan = EchoPlan::new(link, Reply::Upper, true);
            return Self::Text(Box::new(plan.link()), Box::new(Responder::new(&plan)));
        }
        let keys = if case.sealed { Keys::read(KEY).expect("a key") } else { Keys::default() };
        let plan = ReflectorPlan { keys, format: case.format, send_stamps: true, ..ReflectorPlan::default() };
        Self::Stamp(Box::new(Reflector::new(plan)))
    }

    /// The reply to a request that arrives at `now`, written at `written`.
    fn answer(&mut self, bytes: &[u8], now: Nanos, written: Nanos) -> (Vec<u8>, Sent) {
        let mut out = Vec::new();
        let sent = match self {
            Self::Stamp(reflector) => {
                let received = clock(now);
                let request = Request {
                    bytes,
                    source: CLIENT,
                    local: SERVER,
                    at: now,
                    received,
                    ttl: None,
                    tos: Some(0),
                };
                let reflection = reflector.admit(&request).expect("it is answered");
                let estimate = ErrorEstimate::new(1, false, reflector.format());
                reflector.write(&request, &reflection, clock(written), estimate, &mut out);
                Sent::Stamp(reflection.sent())
            }
            Self::Text(link, responder) => {
                let moment = |at: Nanos| Moment { mono: at, wall: clock(at) };
                let request = Packet { at: now, len: bytes.len() };
                let fate = link.client(CLIENT).round_trip_by(request, |_, _, _| (bytes.len(), true));
                let arrival = Arrival { at: moment(now), ..Arrival::default() };
                let told = responder.tell(CLIENT, &fate, &arrival, bytes, || moment(written));
                responder.reply(&fate, &arrival, bytes, told.as_ref(), &mut out);
                Sent::Text(Responder::sent(CLIENT, &told.expect("it is asked")))
            }
        };
        assert_eq!(out.len(), bytes.len(), "no reply is longer than its request");
        (out, sent)
    }

    fn stamped(&mut self, now: Nanos, sent: Sent, stamp: i64) {
        match (self, sent) {
            (Self::Stamp(reflector), Sent::Stamp(sent)) => reflector.stamped(sent, stamp),
            (Self::Text(_, responder), Sent::Text(sent)) => {
                responder.stamped(sent, stamp, Moment { mono: now, wall: clock(now) });
            }
            _ => panic!("a stamp of the other kind"),
        }
    }
}

/// The server's clock.
fn clock(at: Nanos) -> i64 {
    EPOCH + AHEAD + at
}

/// A server behind a path, which begins anew at some request, and what it really did.
struct Far {
    server: Server,
    case: Case,
    fates: Vec<Fate>,
    next: usize,
    /// Requests until it begins anew, and when it is there again.
    restart: usize,
    back: Nanos,
    events: BTreeMap<(Nanos, usize), Event>,
    queued: usize,
    /// By its time of writing, which no other reply has: when each reply arrived and left.
    truth: HashMap<i64, (i64, i64)>,
}

impl Far {
    fn push(&mut self, at: Nanos, event: Event) {
        self.queued += 1;
        self.events.insert((at, self.queued), event);
    }

    /// Answers a request that arrives `now`.
    fn answer(
        &mut self,
        now: Nanos,
        bytes: &[u8],
        fate: &Fate,
        answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>),
    ) {
        // Each at a time of its own.
        let written = now + fate.hold + Nanos::try_from(self.queued).expect("few");
        let (reply, sent) = self.server.answer(bytes, now, written);
        let left = written + fate.send;
        assert!(self.truth.insert(clock(written), (clock(now), clock(left))).is_none());
        if let Some(read) = fate.read {
            self.push(left + read, Event::Stamped(sent, clock(left)));
        }
        for way in &fate.down {
            answer(left + way, SERVER, reply.clone());
        }
    }
}

impl Peer for Far {
    fn receive(&mut self, now: Nanos, datagram: &[u8], _: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        let fate = self.fates[self.next % self.fates.len()].clone();
        self.next += 1;
        for way in fate.up.clone() {
            self.push(now + way, Event::Arrives(datagram.to_vec(), fate.clone()));
        }
    }

    fn next_due(&self) -> Option<Nanos> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    fn wake(&mut self, now: Nanos, answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        while let Some(first) = self.events.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, _), event) = first.remove_entry();
            match event {
                Event::Arrives(bytes, fate) => {
                    if self.restart == 0 {
                        self.server = Server::new(self.case);
                        self.events.retain(|_, event| matches!(event, Event::Arrives(..)));
                        // A program needs longer than this to begin again; one that tells since when it counts may be as quick
                        // as it likes.
                        self.back = if self.case.text { at } else { at + SECOND / 10 };
                    }
                    self.restart = self.restart.wrapping_sub(1);
                    if at >= self.back {
                        self.answer(at, &bytes, &fate, answer);
                    }
                }
                Event::Stamped(sent, stamp) => self.server.stamped(at, sent, stamp),
            }
        }
    }
}

/// How pings and replies are made.
#[derive(Debug, Clone, Copy)]
struct Case {
    text: bool,
    interval: Option<f64>,
    sealed: bool,
    follow_up: bool,
    format: TimeFormat,
}

fn pinged(case: Case, fates: Vec<Fate>, count: i64, restart: usize) -> (Rows, Far) {
    let Case { text, interval, sealed, follow_up, format } = case;
    let key = sealed.then(|| secret(KEY).expect("a secret"));
    let stamp = Stamp::new(key, 0, ErrorEstimate::new(1, false, format)).following_up(follow_up);
    let line = TimedLine::new(TextLine::default(), 5, 1).following_up(follow_up);
    let codec: Arc<dyn Codec> = if text { Arc::new(line) } else { Arc::new(stamp) };
    let options = Options { count: Some(count), interval, timeout: 0.5, codec, ..Options::default() };
    let mut far = Far {
        server: Server::new(case),
        case,
        fates,
        next: 0,
        restart,
        back: 0,
        events: BTreeMap::new(),
        queued: 0,
        truth: HashMap::new(),
    };
    let mut run = Run::new(Pinger::new(Plan::new(options).expect("a plan"), SERVER, true));
    while !run.advance(&mut far, 10_000) {}
    (run.pinger().rows().clone(), far)
}

/// Checks each row against what was done; returns how many have a time of the kernel.
fn stamped(rows: &Rows, far: &Far) -> usize {
    let rows = (0..rows.len()).map(|index| rows.get(index)).filter(|row| row.reply.is_some());
    let each = rows.map(|row| {
        let (received, sent) = row.server.received.zip(row.server.sent).expect("times");
        let path = row.server.path(row.rtt).expect("possible times");
        if row.server.stamp != Some(TimeSource::KernelTx) {
            assert_eq!(far.truth[&sent].0, received, "its own times, as they were written");
            return 0;
        }
        let own = far.truth.values().filter(|(arrived, left)| (*arrived, *left) == (received, sent));
        assert_eq!(own.count(), 1, "the time of its own reply: {row:?}");
        assert!(path <= row.rtt - (sent - received));
        1
    });
    each.sum()
}

const SMOOTH: Fate = Fate { up: Vec::new(), hold: 20 * US, send: 3 * US, read: Some(0), down: Vec::new() };

fn smooth() -> Fate {
    Fate { up: vec![MS], down: vec![2 * MS], ..SMOOTH }
}

const CASE: Case =
    Case { text: false, interval: None, sealed: false, follow_up: true, format: TimeFormat::Ntp };

#[test]
fn the_next_reply_tells_when_the_one_before_left() {
    for (text, sealed) in [(false, false), (false, true), (true, false)] {
        for format in TimeFormat::ALL {
            for interval in [None, Some(0.001), Some(0.01)] {
                let case = Case { text, interval, sealed, format, ..CASE };
                let (rows, far) = pinged(case, vec![smooth()], 10, usize::MAX);
                assert_eq!(stamped(&rows, &far), 9, "of the last nobody tells: {case:?}");
                let row = rows.get(4);
                assert_eq!(row.server.path(row.rtt), Some(3 * MS));
                let (rows, far) = pinged(Case { follow_up: false, ..case }, vec![smooth()], 10, usize::MAX);
                assert_eq!(stamped(&rows, &far), 0, "not asked");
            }
        }
    }
}

#[test]
fn a_reply_that_was_overtaken_has_its_time_and_a_lost_one_gives_it_to_nobody() {
    let case = Case { interval: Some(0.01), ..CASE };
    let overtaken = Fate { down: vec![25 * MS], ..smooth() };
    let (rows, far) = pinged(case, vec![smooth(), overtaken, smooth(), smooth(), smooth()], 5, usize::MAX);
    assert_eq!(stamped(&rows, &far), 4);
    let lost = Fate { down: Vec::new(), ..smooth() };
    let (rows, far) = pinged(case, vec![smooth(), lost, smooth(), smooth(), smooth()], 5, usize::MAX);
    assert_eq!(stamped(&rows, &far), 2, "the lost one would have told of the one before");
    let twice = Fate { up: vec![MS, 2 * MS], ..smooth() };
    let (rows, far) = pinged(case, vec![smooth(), twice, smooth(), smooth(), smooth()], 5, usize::MAX);
    assert_eq!(stamped(&rows, &far), 4, "the copy of the request is answered, and tells of the first answer");
}

#[test]
fn a_time_that_says_no_more_or_comes_too_late_changes_nothing() {
    for fate in [
        Fate { read: None, ..smooth() },
        Fate { read: Some(SECOND), ..smooth() },
        Fate { send: 0, ..smooth() },
        // No send takes so long: it is the reply of a reflector that has begun anew.
        Fate { send: SECOND / 5, ..smooth() },
    ] {
        let case = Case { interval: Some(0.01), ..CASE };
        let (rows, far) = pinged(case, vec![fate.clone()], 10, usize::MAX);
        assert_eq!(stamped(&rows, &far), 0, "{fate:?}");
    }
}

#[test]
fn packets_that_ask_are_as_long_as_they_say() {
    for (sealed, least) in [(false, 64), (true, 152)] {
        let key = sealed.then(|| secret(KEY).expect("a secret"));
        let stamp = Stamp::new(key, 0, ErrorEstimate::new(1, false, TimeFormat::Ntp)).following_up(true);
        assert_eq!(stamp.longest(9), least);
        for size in [None, Some(0), Some(least), Some(least + 3), Some(least + 4), Some(500)] {
            let mut bytes = Vec::new();
            stamp.write(1, EPOCH, size, &mut bytes);
            assert_eq!(bytes.len(), size.unwrap_or(0).max(least));
        }
    }
}

fn ways() -> impl Strategy<Value = Vec<Nanos>> {
    prop::collection::vec(prop_oneof![4 => 1..3 * MS, 1 => 1..40 * MS, 1 => 1..300 * MS], 0..3)
}

fn fate() -> impl Strategy<Value = Fate> {
    let read = prop::option::weighted(0.9, prop_oneof![Just(0), 0..5 * MS, 0..200 * MS]);
    (ways(), 0..MS, 0..2 * MS, read, ways()).prop_map(|(up, hold, send, read, down)| Fate {
        up,
        hold,
        send,
        read,
        down,
    })
}

proptest! {
    #[test]
    fn no_reply_has_the_time_of_another(
        fates in prop::collection::vec(fate(), 1..60), interval in prop::option::of(0.0005..0.02_f64),
        text: bool, sealed: bool, restart in prop_oneof![Just(usize::MAX), 0..100_usize],
    ) {
        let case = Case { text, interval, sealed, ..CASE };
        let (rows, far) = pinged(case, fates, 100, restart);
        stamped(&rows, &far);
    }
}
