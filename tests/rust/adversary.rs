//! A pinger and a hostile or broken network, in virtual time.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;
use udpping::logic::codec::TextLine;
use udpping::logic::ping::{Action, Options, Pinger, Plan};
use udpping::logic::record::{Match, NONE, Status};
use udpping::logic::{Arrival, Moment, SECOND};

use crate::scenario::MS;

const WALL: i64 = 1_700_000_000 * SECOND;

fn pinger(options: Options) -> Pinger {
    let target = SocketAddr::from(([192, 0, 2, 1], 12_000));
    Pinger::new(Plan::new(options).expect("a valid plan"), target, true)
}

fn arrive(pinger: &mut Pinger, at: i64, bytes: &[u8]) {
    let source = pinger.target();
    let arrival = Arrival { at: Moment { mono: at, wall: at }, ..Arrival::default() };
    pinger.receive(source, bytes, &arrival, &mut |_| ());
}

/// Sends the due ping; returns the message.
fn send(pinger: &mut Pinger, now: i64) -> Vec<u8> {
    let Action::Send(seq) = pinger.poll(now, &mut |_| ()) else { panic!("nothing is due at {now}") };
    let mut message = Vec::new();
    pinger.write(seq, WALL + now, &mut message);
    pinger.sent(now, WALL + now);
    message
}

#[test]
fn a_ping_that_was_not_sent_is_not_answered() {
    let codec = Arc::new("hello {seq}".parse::<TextLine>().expect("a line"));
    let mut pinger = pinger(Options { interval: Some(0.01), codec, ..Options::default() });
    send(&mut pinger, 0);
    assert_eq!(pinger.poll(10 * MS, &mut |_| ()), Action::Send(2));
    pinger.send_failed(10 * MS, WALL, &mut |_| ());
    arrive(&mut pinger, 12 * MS, b"HELLO 2");
    let row = pinger.rows().get(1);
    assert_eq!((row.status, row.rtt, row.copies), (Status::Error, NONE, 0));
}

#[test]
fn a_negative_binary_number_matches_no_ping() {
    let mut pinger = pinger(Options { first_seq: 0, interval: Some(0.01), ..Options::default() });
    send(&mut pinger, 0);
    send(&mut pinger, 10 * MS);
    arrive(&mut pinger, 12 * MS, &[0, 0, 0, 2, 0xc0, 0, 0, 0]);
    assert_eq!(pinger.rows().status(0), Status::Open);
    assert_eq!(pinger.summary().unmatched, 1);
}

#[test]
fn replies_numbered_from_zero_are_unverified() {
    let mut pinger = pinger(Options { count: Some(3), ..Options::default() });
    for seq in 0..3 {
        let now = 2 * seq * SECOND;
        send(&mut pinger, now);
        arrive(&mut pinger, now + MS, format!("pong {seq}").as_bytes());
    }
    let summary = pinger.summary();
    assert_eq!((summary.received, summary.lost, summary.duplicates, summary.unverified), (3, 0, 0, 3));
}

#[test]
fn a_reply_to_a_ping_without_a_row_is_unmatched() {
    let mut pinger = pinger(Options { count: None, ..Options::default() });
    let first = send(&mut pinger, 0);
    arrive(&mut pinger, MS / 2, &first);
    let mut now = 0;
    while pinger.rows().index(1).is_some() {
        now += MS;
        let message = send(&mut pinger, now);
        arrive(&mut pinger, now + MS / 2, &message);
    }
    send(&mut pinger, now + MS);
    arrive(&mut pinger, now + MS + 1, &first);
    assert_eq!(pinger.rows().status(pinger.rows().len() - 1), Status::Open);
    assert_eq!(pinger.summary().unmatched, 1);
}

#[test]
fn a_run_without_an_end_takes_constant_memory() {
    let mut pinger = pinger(Options { count: None, interval: Some(1e-4), ..Options::default() });
    let step = SECOND / 10_000;
    let mut most = [0; 2];
    for number in 0..400_000_u32 {
        let now = i64::from(number) * step;
        let message = send(&mut pinger, now);
        // One in three is lost, and delays the removal of rows by its timeout.
        if number % 3 != 0 {
            arrive(&mut pinger, now + step / 2, &message);
        }
        let half = usize::from(number >= 200_000);
        most[half] = most[half].max(pinger.rows().bytes_held());
    }
    assert!((65_536..65_536 + 2 * 16_384).contains(&pinger.rows().len()), "{} rows", pinger.rows().len());
    // Replies differ a little in length.
    assert!(most[1] <= most[0] / 100 * 105, "{most:?} bytes at most in the first and the second half");
    assert!(most[1] < 110 * 6 * 16_384, "{most:?} bytes");
}

#[test]
fn an_icmp_error_after_the_timeout_is_ignored() {
    let mut pinger = pinger(Options { count: Some(1), ..Options::default() });
    let message = send(&mut pinger, 0);
    pinger.unreachable(5 * SECOND, Some(&message), None, &mut |_| ());
    assert_eq!(pinger.rows().status(0), Status::Timeout);
}

#[test]
fn an_icmp_error_that_quotes_headers_only_is_credited_to_the_oldest_ping() {
    // RFC 792 obliges a router to quote no more than the first eight bytes behind the IP header.
    let mut pinger = pinger(Options { interval: Some(0.01), ..Options::default() });
    send(&mut pinger, 0);
    send(&mut pinger, 10 * MS);
    pinger.unreachable(11 * MS, Some(b""), None, &mut |_| ());
    assert_eq!((pinger.rows().status(0), pinger.rows().status(1)), (Status::Unreachable, Status::Open));
}

#[test]
fn an_icmp_error_that_quotes_what_was_not_sent_is_ignored() {
    let mut pinger = pinger(Options { interval: Some(0.01), ..Options::default() });
    let pings = [send(&mut pinger, 0), send(&mut pinger, 10 * MS)];
    let upper = pings[1].to_ascii_uppercase();
    let other_time = [&pings[1][..pings[1].len() - 1], b"x"].concat();
    for forged in [&b"Ping 2 0"[..], b"Ping 2 now", b"2", b"x Ping 2", &upper, &other_time] {
        pinger.unreachable(11 * MS, Some(forged), None, &mut |_| ());
        assert_eq!(pinger.rows().status(1), Status::Open, "{}", String::from_utf8_lossy(forged));
    }
    // A router may cut it short, or add zeros and extensions.
    pinger.unreachable(11 * MS, Some(b"Ping 2 "), None, &mut |_| ());
    assert_eq!((pinger.rows().status(0), pinger.rows().status(1)), (Status::Open, Status::Unreachable));
    pinger.unreachable(11 * MS, Some(&[&pings[0][..], &[0; 90]].concat()), None, &mut |_| ());
    assert_eq!(pinger.rows().status(0), Status::Unreachable);
}

#[test]
fn it_stops_sending_after_so_many_misses_in_a_row() {
    let mut pinger =
        pinger(Options { count: None, misses: Some(2), linger: Some(0.0), ..Options::default() });
    send(&mut pinger, 0);
    let answered = send(&mut pinger, SECOND);
    arrive(&mut pinger, SECOND + MS, &answered);
    send(&mut pinger, SECOND + MS);
    send(&mut pinger, 2 * SECOND + MS);
    assert_eq!(pinger.poll(3 * SECOND + MS, &mut |_| ()), Action::Done);
    // A late reply does not resume the run.
    arrive(&mut pinger, 3 * SECOND + 2 * MS, &answered);
    assert_eq!(pinger.poll(3 * SECOND + 2 * MS, &mut |_| ()), Action::Done);
    assert_eq!((pinger.summary().sent, pinger.summary().timeouts), (4, 3));
}

#[test]
fn a_schedule_that_is_too_long_is_refused() {
    let options = Options { count: Some(107_000), interval: Some(86_400.0), ..Options::default() };
    assert!(Plan::new(options).expect_err("too long").to_string().contains("107000"));
}

/// The fate of each ping of a random run: not sent, or replies and ICMP errors with their delays.
#[derive(Debug, Clone)]
struct Fate {
    fails: bool,
    answers: Vec<(i64, bool)>,
}

fn fate() -> impl Strategy<Value = Fate> {
    let around_the_timeout = prop_oneof![Just(5 * MS - 1), Just(5 * MS), Just(5 * MS + 1)];
    let after = prop_oneof![Just(1), Just(MS), around_the_timeout, 1..20 * MS];
    let answers = prop::collection::vec((after, prop::bool::weighted(0.12)), 0..4);
    (prop::bool::weighted(0.05), answers).prop_map(|(fails, answers)| Fate { fails, answers })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// A second implementation of the rules, by ping instead of by datagram, must produce the same rows.
    #[test]
    fn every_answer_is_credited_to_its_own_ping(
        fates in prop::collection::vec(fate(), 1..40),
        interval in prop_oneof![Just(None), Just(Some(0.000_3)), Just(Some(0.001)), Just(Some(0.01))],
        first_seq in prop_oneof![Just(0), Just(1), Just((1 << 32) - 5), Just(99_999_990), Just(i64::MAX - 40)],
        linger in prop_oneof![Just(None), Just(Some(0.0)), Just(Some(0.02))],
    ) {
        const TIMEOUT: i64 = 5 * MS;
        let count = Some(i64::try_from(fates.len()).expect("few"));
        let mut pinger =
            pinger(Options { count, interval, first_seq, linger, timeout: 0.005, ..Options::default() });
        let mut on_the_way = BTreeMap::new();
        let mut sent = HashMap::new();
        let mut expected: Vec<(Status, u32, i64)> = Vec::new();
        let mut now = 0;
        loop {
            match pinger.poll(now, &mut |_| ()) {
                Action::Send(seq) => {
                    let fate = &fates[expected.len()];
                    if fate.fails {
                        pinger.send_failed(now, WALL + now, &mut |_| ());
                        expected.push((Status::Error, 0, NONE));
                        continue;
                    }
                    let index = expected.len();
                    let mut message = Vec::new();
                    pinger.write(seq, WALL + now, &mut message);
                    pinger.sent(now, WALL + now);
                    sent.insert(index, now);
                    expected.push((Status::Timeout, 0, NONE));
                    for (after, refusal) in &fate.answers {
                        let order = on_the_way.len() + 1_000 * index;
                        on_the_way.insert((now + after, order), (index, *refusal, message.clone()));
                    }
                }
                Action::Wait(until) => {
                    let next = on_the_way.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until);
                    let Some((index, refusal, message)) = next.and_then(|key| on_the_way.remove(&key)) else {
                        now = until;
                        continue;
                    };
                    now = next.map_or(now, |(at, _)| at).max(now);
                    let rtt = now - sent[&index];
                    let (status, copies, first) = &mut expected[index];
                    if refusal {
                        pinger.unreachable(now, Some(&message), None, &mut |_| ());
                        if *copies == 0 && rtt < TIMEOUT {
                            *status = Status::Unreachable;
                        }
                    } else {
                        arrive(&mut pinger, now, &message.to_ascii_uppercase());
                        *copies += 1;
                        if *copies == 1 {
                            *first = rtt;
                            *status = if rtt < TIMEOUT { Status::Reply } else { Status::Late };
                        }
                    }
                }
                Action::Done => break,
            }
        }
        prop_assert_eq!(pinger.rows().len(), fates.len());
        for (index, expected) in expected.into_iter().enumerate() {
            let row = pinger.rows().get(index);
            prop_assert_eq!((row.status, row.copies, row.rtt), expected, "row {}: {:?}", index, row);
            prop_assert!(row.reply.is_none_or(|reply| reply.matched != Match::Unverified));
        }
        let summary = pinger.summary();
        prop_assert_eq!((summary.sent, summary.pending), (fates.len() as u64, 0));
    }

    /// Replies are cut or changed anyhow: each is credited to its own ping, or to none and counted as damaged.
    #[test]
    fn no_damage_makes_a_wrong_round_trip(
        fates in prop::collection::vec((1..60 * MS, damage()), 2..60), step in MS / 1_000..20 * MS, first_seq in 0..2_000_i64,
    ) {
        let count = Some(i64::try_from(fates.len()).expect("few"));
        let (interval, timeout) = (Some(step as f64 / SECOND as f64), 0.05);
        let mut pinger = pinger(Options { count, interval, first_seq, timeout, ..Options::default() });
        let mut on_the_way = BTreeMap::new();
        let (mut pings, mut damaged, mut now) = (Vec::new(), 0, 0);
        loop {
            match pinger.poll(now, &mut |_| ()) {
                Action::Send(seq) => {
                    let (after, damage) = &fates[pings.len()];
                    let mut ping = Vec::new();
                    pinger.write(seq, WALL + now, &mut ping);
                    pinger.sent(now, WALL + now);
                    let whole = ping.to_ascii_uppercase();
                    // The first reply is whole, and comes first: it shows what the target sends back.
                    let first = pings.is_empty();
                    let reply = if first { whole.clone() } else { damage.of(whole.clone()) };
                    on_the_way.insert((now + if first { 1 } else { *after }, pings.len()), reply);
                    pings.push((now, whole, ping));
                }
                Action::Wait(until) => {
                    let next = on_the_way.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until);
                    let Some((key, reply)) = next.and_then(|key| Some((key, on_the_way.remove(&key)?))) else {
                        now = until;
                        continue;
                    };
                    now = key.0.max(now);
                    damaged += u64::from(pings.iter().all(|(_, whole, ping)| reply != *whole && reply != *ping));
                    arrive(&mut pinger, now, &reply);
                }
                Action::Done => break,
            }
        }
        prop_assert_eq!(pinger.summary().damaged, damaged);
        for (index, (after, damage)) in fates.iter().enumerate() {
            let row = pinger.rows().get(index);
            let is_whole = index == 0 || damage.of(pings[index].1.clone()) == pings[index].1;
            let own = if index == 0 { 1 } else { *after };
            prop_assert!(row.rtt == NONE || is_whole && row.rtt == own, "row {}: {:?}", index, row);
        }
    }
}

/// What happens to a reply.
#[derive(Debug, Clone)]
struct Damage {
    length: usize,
    flips: Vec<usize>,
}

impl Damage {
    fn of(&self, mut reply: Vec<u8>) -> Vec<u8> {
        reply.truncate(self.length);
        let bits = 8 * reply.len();
        for bit in self.flips.iter().filter(|_| bits > 0) {
            reply[bit % bits / 8] ^= 1 << (bit % 8);
        }
        reply
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let length = prop_oneof![3 => Just(usize::MAX), 1 => 0..30_usize];
    let flips = prop_oneof![2 => Just(Vec::new()), 2 => prop::collection::vec(0..10_000_usize, 1..4)];
    (length, flips).prop_map(|(length, flips)| Damage { length, flips })
}
