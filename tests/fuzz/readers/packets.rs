//! Datagrams: pings, replies, heartbeats and STAMP.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use udpping::logic::codec::heartbeat::{Form, Heartbeat, Keys};
use udpping::logic::codec::stamp::{self, AUTHENTICATED, ErrorEstimate, OPEN, Stamp, TimeFormat};
use udpping::logic::codec::{Codec, Seq, TextLine, read_seq, read_time};
use udpping::logic::echo::{Echo, EchoPlan, Reply};
use udpping::logic::link::{Delay, LinkPlan, Loss};
use udpping::logic::ping::{Action, Options, Pinger, Plan};
use udpping::logic::random::Seed;
use udpping::logic::record::Status;
use udpping::logic::reflector::{Reflector, ReflectorPlan, Request};
use udpping::logic::{Arrival, Moment, SECOND};

const WALL: i64 = 1_700_000_000 * SECOND;
const KEY: &str = "0123456789abcdef";

fn far() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 12_000))
}

/// A reply, to three pings: it is counted once, and no ping is lost or added.
pub(super) fn reply(bytes: &[u8]) {
    static LINES: LazyLock<[Arc<TextLine>; 3]> = LazyLock::new(|| {
        ["Ping {seq} {time}", "{seq};{time}", "hello {seq}"]
            .map(|line| Arc::new(line.parse().expect("a line")))
    });
    read_seq(bytes);
    read_time(bytes, 3_600 * SECOND);
    for line in &*LINES {
        let reading = line.read(bytes);
        for latest in [0, 7, u64::MAX] {
            let seq = reading.seq.and_then(|seq| seq.near(latest));
            assert!(seq.is_some() || !matches!(reading.seq, Some(Seq::Whole(_))));
        }
        assert!(reading.server.path(SECOND).is_none_or(|path| (0..=SECOND).contains(&path)));
        line.read_quoted(bytes);
        let options = Options { interval: Some(0.001), codec: line.clone(), ..Options::default() };
        let mut pinger = Pinger::new(Plan::new(options).expect("a plan"), far(), true);
        for now in 0..3_i64 {
            let Action::Send(seq) = pinger.poll(now * SECOND / 1_000, &mut |_| ()) else {
                panic!("none is due")
            };
            pinger.write(seq, WALL + now, &mut Vec::new());
            pinger.sent(now * SECOND / 1_000, WALL + now);
        }
        let at = Moment { mono: SECOND / 100, wall: WALL + SECOND / 100 };
        for round in 1..=2_u64 {
            pinger.receive(far(), bytes, &Arrival { at, ..Arrival::default() }, &mut |_| ());
            pinger.unreachable(SECOND / 100, Some(bytes), None, &mut |_| ());
            let all = pinger.summary();
            assert_eq!(all.sent + all.pending, 3, "{all:?}");
            let counted = all.received + all.duplicates + all.unmatched;
            assert_eq!(counted, round, "{all:?}");
            let is_first = pinger.rows().status(0) == Status::Reply;
            assert!(is_first || !line.echoes(bytes, 1, WALL), "a whole ping came back: {all:?}");
        }
    }
}

/// The reply of a server as a user words it, in the first line, to the rest.
pub(super) fn template(bytes: &[u8]) {
    let (text, request) = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or((bytes, &b"Ping 1 2"[..]), |end| (&bytes[..end], &bytes[end + 1..]));
    let Some(reply) = str::from_utf8(text).ok().and_then(|text| text.parse::<Reply>().ok()) else { return };
    assert_eq!(reply.to_string().parse(), Ok(reply.clone()));
    let now = Moment { mono: 0, wall: WALL };
    let link = LinkPlan::new(Loss::NONE, Delay::NONE, Seed::from(1_u64));
    let mut out = Vec::new();
    Echo::new(&EchoPlan::new(link, reply.clone(), false)).decide(far(), now, request, &mut out);
    assert!(out.len() <= reply.longest(request.len()));
    assert!(out.len() <= request.len() || reply.can_amplify());
}

/// A heartbeat: what is read is written, and is read as the same; sealed, no changed byte goes unseen.
pub(super) fn heartbeat(bytes: &[u8]) {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::read("one 0123456789abcdef0123").expect("a key"));
    let Ok(beat) = Heartbeat::read(bytes) else { return };
    if let Some(seal) = &beat.seal {
        KEYS.verify(seal);
    }
    let plain = Heartbeat { seq: Some(beat.seq.unwrap_or(0)), local: false, seal: None, ..beat.clone() };
    let mut line = Vec::new();
    plain.write(Form::Full, None, &mut line);
    assert_eq!(Heartbeat::read(&line).as_ref(), Ok(&plain), "{}", String::from_utf8_lossy(&line));
    for form in [Form::Lab2, Form::Lab3] {
        line.clear();
        plain.write(form, None, &mut line);
        assert_eq!(
            Heartbeat::read(&line).map(|beat| beat.seq),
            Ok(plain.seq),
            "{}",
            String::from_utf8_lossy(&line)
        );
    }
    if plain.id.is_some() && plain.session.is_some() {
        line.clear();
        plain.write(Form::Full, KEYS.find(None), &mut line);
        let sealed = Heartbeat::read(&line).expect("what is sealed can be read");
        assert!(sealed.seal.is_some_and(|seal| KEYS.verify(&seal).is_some()));
        let at = bytes.len() * 31 % line.len();
        line[at] ^= 1 << (bytes.len() % 8);
        let changed = Heartbeat::read(&line);
        assert!(changed.is_err_or_unverified(&KEYS), "{}", String::from_utf8_lossy(&line));
    }
}

trait Unverified {
    fn is_err_or_unverified(&self, keys: &Keys) -> bool;
}

impl<E> Unverified for Result<Heartbeat<'_>, E> {
    fn is_err_or_unverified(&self, keys: &Keys) -> bool {
        self.as_ref().map_or(true, |beat| beat.seal.as_ref().is_none_or(|seal| keys.verify(seal).is_none()))
    }
}

fn estimate(format: TimeFormat) -> ErrorEstimate {
    ErrorEstimate::new(1_000, true, format)
}

/// Requests to a reflector, whose options are bits of the first byte, each with its length in front: a reply is as long as
/// its request or a base packet, and its sender reads in it what the reflector wrote.
pub(super) fn stamp(bytes: &[u8]) {
    let Some((&options, mut rest)) = bytes.split_first() else { return };
    let bit = |at: u8| options >> at & 1 == 1;
    let keys = if bit(0) {
        stamp::Keys::read(&format!("{KEY}\n7 {KEY}")).expect("two keys")
    } else {
        stamp::Keys::default()
    };
    let format = if bit(1) { TimeFormat::Ptp } else { TimeFormat::Ntp };
    let plan = ReflectorPlan {
        stateless: bit(2),
        base_reply: bit(3),
        drop_replayed: bit(4),
        location: bit(5),
        keys,
        format,
        ..ReflectorPlan::default()
    };
    let layout = if bit(0) { &AUTHENTICATED } else { &OPEN };
    let secret = bit(0).then(|| stamp::secret(KEY).expect("a secret"));
    let sender = Stamp::new(secret.clone(), 0, estimate(format));
    let mut reflector = Reflector::new(plan);
    let mut at = 0;
    while let Some((&len, after)) = rest.split_first() {
        let (packet, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        let mut packet = packet.to_vec();
        if let Some(secret) = secret.as_ref().filter(|_| bit(6) && packet.len() >= 112) {
            let code = secret.code(&[&packet[..96]]);
            packet[96..112].copy_from_slice(&code);
        }
        at += SECOND / 100;
        let source = SocketAddr::from(([10, 0, 0, len % 4], 1_000));
        let request = Request {
            bytes: &packet,
            source,
            local: far(),
            at,
            received: WALL + at,
            ttl: Some(7),
            tos: Some(len),
        };
        let Some(reflection) = reflector.admit(&request) else { continue };
        let mut out = Vec::new();
        reflector.write(&request, &reflection, WALL + at + 10, estimate(format), &mut out);
        assert_eq!(out.len(), packet.len().max(layout.base));
        assert!(bit(3) || packet.len() >= layout.base, "longer than its request");
        let reading = sender.read(&out);
        let number = layout.seq(&packet);
        assert_eq!(reading.seq, Some(Seq::Low32(number)));
        let apart = |time: Option<i64>, wall: i64| time.expect("a time").abs_diff(wall);
        assert!(
            apart(reading.server.received, WALL + at) <= 1 && apart(reading.server.sent, WALL + at + 10) <= 1
        );
        // What comes from another reflector is like what comes from anybody.
        let again = Request { bytes: &out, source: far(), ..request };
        assert!(reflector.admit(&again).is_none(), "a circle of reflectors");
    }
    let counts = reflector.counters();
    assert!(counts.reflected <= counts.received && counts.sessions <= counts.received);
}

/// A reply of a reflector, to pings of each kind of session.
pub(super) fn stamp_reply(bytes: &[u8]) {
    for secret in [None, Some(stamp::secret(KEY).expect("a secret"))] {
        for format in [TimeFormat::Ntp, TimeFormat::Ptp] {
            let sender = Stamp::new(secret.clone(), 9, estimate(format));
            let reading = sender.read(bytes);
            sender.read_quoted(bytes);
            sender.identifies(bytes, 5, WALL);
            sender.echoes(bytes, 5, WALL);
            assert!(reading.server.path(SECOND).is_none_or(|path| (0..=SECOND).contains(&path)));
        }
    }
}
