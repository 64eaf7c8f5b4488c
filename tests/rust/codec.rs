//! A pinger with another codec: binary, with the server's times in its replies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use udpping::logic::codec::{Codec, Reading, Seq, ServerTimes};
use udpping::logic::ping::{Action, Options, Pinger, Plan};
use udpping::logic::record::{Match, NONE, Rows, Status};
use udpping::logic::{Arrival, Moment, SECOND};
use udpping::net::ping::{Session, Settings, Target};
use udpping::net::socket::Backend;
use udpping::sim::ping::{Peer, Run};

/// The first number of each reply, which no text begins with.
const MAGIC: u64 = u64::from_be_bytes(*b"\xffbinary\0");

/// A ping: its number and its time. A reply: the same, and two times of the server. All are 64 bits in network order.
#[derive(Debug)]
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
        let server = ServerTimes { received: time(words[3]), sent: time(words[4]), ..ServerTimes::default() };
        Reading { seq: Some(Seq::Whole(words[1])), server, ..Reading::default() }
    }

    fn read_quoted(&self, ping: &[u8]) -> Option<Seq> {
        Self::words(ping).and_then(|words| words.get(1).copied()).map(Seq::Whole)
    }

    fn identifies(&self, bytes: &[u8], seq: u64, wall_ns: i64) -> bool {
        Self::words(bytes).is_some_and(|words| words.get(1..3) == Some(&[seq, wall_ns.cast_unsigned()]))
    }
}

const WALL: i64 = 1_700_000_000 * SECOND;
const TARGET: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 862);

fn plan(count: i64) -> Plan {
    let codec = Arc::new(Binary);
    let options =
        Options { count: Some(count), timeout: 20.0, interval: Some(0.001), codec, ..Options::default() };
    Plan::new(options).expect("a valid plan")
}

fn send(pinger: &mut Pinger, now: i64) -> Vec<u8> {
    let Action::Send(seq) = pinger.poll(now, &mut |_| ()) else { panic!("a ping is due at {now}") };
    let mut ping = Vec::new();
    pinger.write(seq, WALL + now, &mut ping);
    pinger.sent(now, WALL + now);
    ping
}

fn receive(pinger: &mut Pinger, now: i64, bytes: &[u8]) {
    let arrival = Arrival { at: Moment { mono: now, wall: WALL + now }, ..Arrival::default() };
    pinger.receive(pinger.target(), bytes, &arrival, &mut |_| ());
}

#[test]
fn replies_are_credited_by_the_codec_and_the_servers_times_are_kept() {
    let mut pinger = Pinger::new(plan(4), TARGET, true);
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
    let server = |received, sent| ServerTimes { received, sent, ..ServerTimes::default() };
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
    let some = rows(ServerTimes { received: None, sent: Some(WALL), ..ServerTimes::default() });
    assert_eq!(some.bytes_held() - none.bytes_held(), 100 * size_of::<ServerTimes>());
    assert_eq!(column(&none, &[98, 99], |times| times.sent), None);
    assert_eq!(column(&some, &[98, 99], |times| times.sent), Some(vec![NONE, WALL]));
    assert_eq!(column(&some, &[98, 99], |times| times.received), Some(vec![NONE; 2]));
}

/// The server: its clock is at `WALL` for each ping, and it says so 5 ns later, but for the second ping.
fn answer(ping: &[u8]) -> Vec<u8> {
    let seq = Binary.read_quoted(ping);
    Binary::reply(ping, WALL, if seq == Some(Seq::Whole(2)) { 0 } else { WALL + 5 })
}

fn column(rows: &Rows, places: &[usize], time: fn(ServerTimes) -> Option<i64>) -> Option<Vec<i64>> {
    rows.chunks().next().expect("rows").server_column(places, time)
}

/// Three pings were answered by [`answer`].
fn check(rows: &Rows) {
    let each: Vec<_> = (0..rows.len()).map(|index| rows.get(index)).collect();
    assert!(each.iter().all(|row| row.status == Status::Reply && row.copies == 1), "{each:?}");
    assert!(each.iter().all(|row| row.reply.as_ref().is_some_and(|reply| reply.matched == Match::Seq)));
    let places = [0, 1, 2];
    assert_eq!(column(rows, &places, |times| times.received), Some(vec![WALL; 3]));
    assert_eq!(column(rows, &places, |times| times.sent), Some(vec![WALL + 5, NONE, WALL + 5]));
}

#[test]
fn a_session_pings_a_server_of_another_protocol() {
    for backend in [Backend::best(), Backend::Portable] {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let target = Target::new("127.0.0.1", server.local_addr().expect("bound").port());
        let serving = thread::spawn(move || {
            let mut buffer = [0; 100];
            for _ in 0..3 {
                let (length, from) = server.recv_from(&mut buffer).expect("a ping");
                server.send_to(&answer(&buffer[..length]), from).expect("sent");
            }
        });
        let settings = Settings { backend, ..Settings::new(vec![target], plan(3)) };
        let session = Session::open(&settings).expect("opens");
        session.start().expect("starts");
        assert!(session.wait(Duration::from_secs(60)).expect("no failure"));
        serving.join().expect("the server is well");
        session.look(|logs| check(logs[0].pinger.rows()));
    }
}

#[test]
fn a_simulated_run_pings_a_server_of_another_protocol() {
    struct Server;
    impl Peer for Server {
        fn receive(&mut self, now: i64, ping: &[u8], send: &mut dyn FnMut(i64, SocketAddr, Vec<u8>)) {
            send(now + SECOND / 1_000, TARGET, answer(ping));
        }
    }
    let mut run = Run::new(Pinger::new(plan(3), TARGET, true));
    assert!(run.advance(&mut Server, 1_000));
    check(run.pinger().rows());
}
