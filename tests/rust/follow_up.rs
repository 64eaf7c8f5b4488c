//! Times of sending by a server's kernel, which later replies tell, in virtual time: loss, copies and reordering on both ways
//! never give one to another ping.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use proptest::prelude::*;
use udpping::logic::codec::stamp::{ErrorEstimate, Keys, Stamp, TimeFormat, secret};
use udpping::logic::codec::{Codec, TextLine, TimedLine};
use udpping::logic::echo::{self, Arriving, EchoPlan, Held, Reply, Responder, Row};
use udpping::logic::link::{Impairments, Link, LinkPlan, Loss, Packet};
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
    /// A reply leaves, of which the kernel tells if there is one number for it.
    Leaves(Vec<u8>, Fate, Option<Sent>),
    Stamped(Sent, i64),
}

/// What a stamp is for.
enum Sent {
    Stamp(reflector::Sent),
    Text(Option<echo::Sent>),
}

/// A reflector, or a server that tells its times.
enum Server {
    Stamp(Box<Reflector>),
    Text(Box<Text>),
}

/// A server that tells its times, whose link holds some requests back.
struct Text {
    link: Link,
    responder: Responder,
    /// What their replies are written from, what happens to them, and when they have come up.
    arriving: Arriving<(Held, Fate, Nanos)>,
}

impl Server {
    fn new(case: Case) -> Self {
        if case.text {
            let [up, down] = case.link.map(|way| way.parse::<Impairments>().expect("a link"));
            let none = "0".parse().expect("a delay");
            let link = LinkPlan::between(up, down, Loss::NONE, none, Seed::from(1_u64)).expect("a link");
            let plan = EchoPlan::new(link, Reply::Upper, true);
            let (link, responder) = (plan.link(), Responder::new(&plan));
            return Self::Text(Box::new(Text { link, responder, arriving: Arriving::new() }));
        }
        let keys = if case.sealed { Keys::read(KEY).expect("a key") } else { Keys::default() };
        let plan = ReflectorPlan { keys, format: case.format, send_stamps: true, ..ReflectorPlan::default() };
        Self::Stamp(Box::new(Reflector::new(plan)))
    }

    /// The reply to a request that arrives at `now`, written at `written`, if the link does not lose it or hold it back.
    fn answer(&mut self, bytes: &[u8], now: Nanos, written: Nanos, fate: &Fate) -> Option<(Vec<u8>, Sent)> {
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
            Self::Text(text) => {
                let Text { link, responder, arriving } = &mut **text;
                let request = Packet { at: now, len: bytes.len() };
                let trip = link.client(CLIENT).round_trip_by(request, |_, _, _| (bytes.len(), true));
                let arrival = Arrival { at: moment(now), ..Arrival::default() };
                if trip.way_down.is_some() {
                    let row = Row::of(now, clock(now), CLIENT, bytes, &trip, None);
                    arriving.hold(CLIENT, &trip, row, None, None, |at| {
                        let (len, held) = responder.hold(&trip, &arrival, bytes, at);
                        (len, (held, fate.clone(), at))
                    });
                    return None;
                }
                if trip.deliveries.is_empty() {
                    return None;
                }
                let told = responder.tell(CLIENT.into(), &trip, &arrival, bytes, || moment(written));
                responder.reply(&trip, &arrival, bytes, told.as_ref(), &mut out);
                Sent::Text(told.and_then(|told| echo::Sent::of(CLIENT.into(), &told, 0)))
            }
        };
        assert_eq!(out.len(), bytes.len(), "no reply is longer than its request");
        Some((out, sent))
    }

    fn stamped(&mut self, now: Nanos, sent: Sent, stamp: i64) {
        match (self, sent) {
            (Self::Stamp(reflector), Sent::Stamp(sent)) => reflector.stamped(sent, stamp),
            (Self::Text(text), Sent::Text(Some(sent))) => text.responder.stamped(sent, stamp, moment(now)),
            (Self::Text(_), Sent::Text(None)) => {}
            _ => panic!("a stamp of the other kind"),
        }
    }
}

/// The server's clock.
fn clock(at: Nanos) -> i64 {
    EPOCH + AHEAD + at
}

fn moment(at: Nanos) -> Moment {
    Moment { mono: at, wall: clock(at) }
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
    fn answer(&mut self, now: Nanos, bytes: &[u8], fate: &Fate) {
        // Each at a time of its own.
        let written = now + fate.hold + Nanos::try_from(self.queued).expect("few");
        if let Some((reply, sent)) = self.server.answer(bytes, now, written, fate) {
            let left = written + fate.send;
            assert!(self.truth.insert(clock(written), (clock(now), clock(left))).is_none());
            self.push(left, Event::Leaves(reply, fate.clone(), Some(sent)));
        }
    }

    /// When a request has come up the link of the server.
    fn comes_up(&self) -> Option<Nanos> {
        let Server::Text(text) = &self.server else { return None };
        text.arriving.next_due()
    }

    /// Writes the replies to the requests that have come up the link by `now`.
    fn settle(&mut self, now: Nanos) {
        while let Server::Text(text) = &mut self.server
            && let Some((deliveries, (held, fate, came), _)) = text.arriving.settle(&mut text.link, now)
        {
            let written = now + fate.hold + Nanos::try_from(self.queued).expect("few");
            let (reply, told) = text.responder.release(CLIENT.into(), held, moment(written));
            for delivery in &*deliveries {
                let held = (delivery.at - written).max(0);
                let sent = told.as_ref().and_then(|told| echo::Sent::of(CLIENT.into(), told, held));
                let left = written + held + fate.send;
                self.truth.insert(clock(written), (clock(came), clock(left - held)));
                let sent = (deliveries.len() == 1).then_some(Sent::Text(sent));
                self.push(left, Event::Leaves(reply.clone(), fate.clone(), sent));
            }
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
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        [event, self.comes_up()].into_iter().flatten().min()
    }

    fn wake(&mut self, now: Nanos, answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            if self.comes_up() == Some(at) {
                self.settle(at);
                continue;
            }
            let Some((_, event)) = self.events.pop_first() else { return };
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
                        self.answer(at, &bytes, &fate);
                    }
                }
                Event::Leaves(reply, fate, sent) => {
                    for way in &fate.down {
                        answer(at + way, SERVER, reply.clone());
                    }
                    if let Some((sent, read)) = sent.zip(fate.read) {
                        self.push(at + read, Event::Stamped(sent, clock(at)));
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
    /// What the server itself does on the two ways.
    link: [&'static str; 2],
}

fn pinged(case: Case, fates: Vec<Fate>, count: i64, restart: usize) -> (Rows, Far) {
    let Case { text, interval, sealed, follow_up, format, .. } = case;
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

const CASE: Case = Case {
    text: false,
    interval: None,
    sealed: false,
    follow_up: true,
    format: TimeFormat::Ntp,
    link: ["", ""],
};
const TEXT: Case = Case { text: true, ..CASE };

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
fn the_replies_to_a_train_are_told_of_one_by_one() {
    // Ten arrive together, and are answered before the first of them leaves.
    let train: Vec<_> = (0..10).map(|place| Fate { up: vec![(10 - place) * MS], ..smooth() }).collect();
    for (case, expected) in [(TEXT, 90), (CASE, 9)] {
        let case = Case { interval: Some(0.001), ..case };
        let (rows, far) = pinged(case, train.clone(), 100, usize::MAX);
        assert_eq!(stamped(&rows, &far), expected, "STAMP can tell of the last reply alone");
    }
}

#[test]
fn what_the_link_of_a_server_holds_back_is_part_of_the_way() {
    for (up, down) in [(5, 0), (0, 7), (5, 7), (40, 300)] {
        for interval in [None, Some(1), Some(10)] {
            let link = [up, down].map(|ms| &*format!("delay={ms}ms").leak());
            let seconds = interval.map(|ms: i64| ms as f64 / 1e3);
            let (rows, far) =
                pinged(Case { link, interval: seconds, ..TEXT }, vec![smooth()], 700, usize::MAX);
            // A later reply tells, which is written after this one has left.
            let untold = interval.map_or(1, |interval| usize::try_from(down / interval).expect("few") + 2);
            assert!(stamped(&rows, &far) >= 700 - untold, "{link:?}, {interval:?}");
            let (row, took) = (rows.get(300), (3 + up + down) * MS);
            let path = row.server.path(row.rtt).expect("times");
            assert!((took - 50 * US..=took).contains(&path), "{path} of {took}");
        }
    }
}

#[test]
fn what_the_link_of_a_server_loses_copies_and_reorders_gives_no_time_to_another() {
    let each = |link| {
        let case = Case { link, interval: Some(0.01), ..TEXT };
        let (rows, far) = pinged(case, vec![smooth()], 1_000, usize::MAX);
        let told = stamped(&rows, &far);
        let replies = (0..rows.len()).filter(|at| rows.get(*at).reply.is_some()).count();
        told as f64 / replies as f64
    };
    assert!(each(["loss=20%", ""]) > 0.99, "a request that is lost takes nothing with it");
    assert!((0.75..0.85).contains(&each(["", "loss=20%"])), "a reply that is lost tells nobody");
    assert!(each(["duplicate=20%", ""]) > 0.99);
    assert!((0.75..0.85).contains(&each(["", "duplicate=20%"])), "copies leave at several times");
    assert!(each(["reorder=20%,30ms", "reorder=20%,30ms"]) > 0.99);
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

const LINKS: [[&str; 2]; 4] = [
    ["", ""],
    ["delay=5ms", "delay=uniform:0ms,30ms"],
    ["loss=10%; duplicate=20%; delay=uniform:0ms,30ms", "loss=10%; duplicate=20%; delay=uniform:0ms,300ms"],
    ["reorder=30%,20ms", "reorder=30%,20ms; duplicate=10%"],
];

proptest! {
    #[test]
    fn no_reply_has_the_time_of_another(
        fates in prop::collection::vec(fate(), 1..60), interval in prop::option::of(0.0005..0.02_f64),
        text: bool, sealed: bool, link in prop::sample::select(LINKS.to_vec()), restart in prop_oneof![Just(usize::MAX), 0..100_usize],
    ) {
        let case = Case { text, interval, sealed, link, ..CASE };
        let (rows, far) = pinged(case, fates, 100, restart);
        stamped(&rows, &far);
    }
}
