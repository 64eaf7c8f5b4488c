//! A pinger with another codec: binary, with the server's times in its replies.

use std::net::SocketAddr;

use udpping::logic::codec::{Codec, Reading, Seq, ServerTimes};
use udpping::logic::ping::{Action, Options, Pinger, Plan, Schedule};
use udpping::logic::record::{Match, Rows, Status};
use udpping::logic::{Arrival, Moment, SECOND};

/// The first number of each reply, which no text begins with.
const MAGIC: u64 = u64::from_be_bytes(*b"\xffbinary\0");

/// A ping: its number and its time. A reply: the same, and two times of the server. All are 64 bits in network order.
#[derive(Debug, Clone)]
struct Binary;

impl Binary {
    fn words(bytes: &[u8]) -> Option<Vec<u64>> {
        let (words, rest) = bytes.as_chunks();
        let words: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
        (rest.is_empty() && words.first() == Some(&MAGIC)).then_some(words)
    }

    fn reply(ping: &[u8], received: i64, sent: i64) -> Vec<u8> {
        [ping, &received.to_be_bytes(), &sent.to_be_bytes()].concat()
    }
}

impl Codec for Binary {
    fn write(&self, seq: u64, wall_ns: i64, _: Option<usize>, out: &mut Vec<u8>) {
        for word in [MAGIC, seq, wall_ns.cast_unsigned()] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }

    fn longest(&self, _: u64) -> usize {
        24
    }

    fn read(&self, reply: &[u8]) -> Reading {
        let Some(words) = Self::words(reply).filter(|words| words.len() == 5) else {
            return Reading::default();
        };
        let time = |word: u64| Some(word.cast_signed()).filter(|time| *time != 0);
        let server = ServerTimes { received: time(words[3]), sent: time(words[4]) };
        Reading { seq: Some(Seq::Whole(words[1])), server }
    }

    fn read_quoted(&self, ping: &[u8]) -> Option<Seq> {
        Self::words(ping).and_then(|words| words.get(1).copied()).map(Seq::Whole)
    }

    fn identifies(&self, bytes: &[u8], seq: u64, wall_ns: i64) -> bool {
        Self::words(bytes).is_some_and(|words| words.get(1..3) == Some(&[seq, wall_ns.cast_unsigned()]))
    }
}

const WALL: i64 = 1_700_000_000 * SECOND;

fn send(pinger: &mut Pinger<Binary>, now: i64) -> Vec<u8> {
    let Action::Send(seq) = pinger.poll(now, &mut |_| ()) else { panic!("a ping is due at {now}") };
    let mut ping = Vec::new();
    pinger.write(seq, WALL + now, &mut ping);
    pinger.sent(now, WALL + now);
    ping
}

fn receive(pinger: &mut Pinger<Binary>, now: i64, bytes: &[u8]) {
    let arrival = Arrival { at: Moment { mono: now, wall: WALL + now }, ..Arrival::default() };
    pinger.receive(pinger.target(), bytes, &arrival, &mut |_| ());
}

#[test]
fn replies_are_credited_by_the_codec_and_the_servers_times_are_kept() {
    let plan = Plan::new(Options {
        count: Some(4),
        timeout: 1.0,
        interval: Some(0.001),
        codec: Binary,
        schedule: Schedule::default(),
        seed: 0_u64.into(),
        linger: None,
        misses: None,
        size: None,
        first_seq: 1,
    });
    let target = SocketAddr::from(([192, 0, 2, 1], 862));
    let mut pinger = Pinger::new(plan.expect("a valid plan"), target, true);
    let pings: Vec<_> = (0..4).map(|index| send(&mut pinger, index * SECOND / 1_000)).collect();
    let now = SECOND / 100;
    receive(&mut pinger, now, b"PING 1 1700000000.0");
    receive(&mut pinger, now, &Binary::reply(&pings[2], WALL + 5, WALL + 7));
    receive(&mut pinger, now, &Binary::reply(&pings[2], WALL + 50, WALL + 70));
    receive(&mut pinger, now, &Binary::reply(&pings[0], WALL + 3, 0));
    pinger.unreachable(now, Some(&pings[1]), None, &mut |_| ());
    let summary = pinger.summary();
    assert_eq!((summary.received, summary.duplicates, summary.unmatched, summary.unverified), (2, 1, 1, 0));
    let rows = pinger.rows();
    let status = (0..4).map(|index| rows.status(index)).collect::<Vec<_>>();
    assert_eq!(status, [Status::Reply, Status::Unreachable, Status::Reply, Status::Open]);
    let server = |received, sent| ServerTimes { received, sent };
    let times = (0..4).map(|index| rows.get(index).server).collect::<Vec<_>>();
    let first = server(Some(WALL + 3), None);
    let third = server(Some(WALL + 5), Some(WALL + 7));
    assert_eq!(times, [first, server(None, None), third, server(None, None)], "those of the first copy");
    assert_eq!(rows.get(2).reply.expect("one").matched, Match::Seq);
}

#[test]
fn the_servers_times_take_no_memory_if_no_reply_has_any() {
    let rows = |times: ServerTimes| {
        let mut rows = Rows::new(1);
        for index in 0..100 {
            rows.push(index, index, WALL + index);
        }
        rows.set_server_times(99, times);
        rows
    };
    let none = rows(ServerTimes::default());
    let some = rows(ServerTimes { received: None, sent: Some(WALL) });
    assert_eq!(some.bytes_held() - none.bytes_held(), 100 * size_of::<ServerTimes>());
    let has_times = |rows: &Rows| rows.chunks().any(|chunk| chunk.has_server_times());
    assert!(has_times(&some) && !has_times(&none));
}
