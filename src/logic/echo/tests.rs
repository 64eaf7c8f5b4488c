//! The machine as a driver sees it.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::logic::link::{Delay, DelayQueue, Deliveries, Loss, Reason};
use crate::logic::random::Seed;

const WALL: i64 = 1_700_000_000_500_000_000;
const NOW: Moment = Moment { mono: 0, wall: WALL };

fn echo(loss: &str, delay: &str, reply: &str) -> Echo {
    let link = LinkPlan::new(loss.parse().unwrap(), delay.parse().unwrap(), Seed::from(42_u64));
    Echo::new(&EchoPlan::new(link, reply.parse().unwrap(), false))
}

fn client(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What a server without loss answers.
fn answer(reply: &str, request: &[u8]) -> Vec<u8> {
    let mut out = b"left over".to_vec();
    let fate = echo("0", "0", reply).decide(client(1), NOW, request, &mut out);
    assert_eq!(fate.deliveries, Deliveries::one(0));
    out
}

#[test]
fn upper_is_pythons_bytes_upper() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"Ping 1 1726406736.2412975", b"PING 1 1726406736.2412975"),
        (b"Fri Sep 20 1e-07", b"FRI SEP 20 1E-07"),
        (b"\xff\xfe a", b"\xff\xfe A"),
        ("é ß ı".as_bytes(), "é ß ı".as_bytes()),
        (b"a\0b\0", b"A\0B\0"),
        (b"", b""),
    ];
    for (request, reply) in cases {
        assert_eq!(answer("upper", request), reply);
    }
}

#[test]
fn the_longest_datagram_is_answered_in_full() {
    let request: Vec<u8> = (0..65_507_u32).map(|at| at.to_le_bytes()[0]).collect();
    assert_eq!(answer("same", &request), request);
    assert_eq!(answer("upper", &request), request.to_ascii_uppercase());
    assert_eq!(answer("{message} OK", &request), request);
}

#[test]
fn the_counters_add_up() {
    let mut echo = echo("every:4", "uniform:0ns,1ns", "same");
    let mut out = Vec::new();
    let fates: Vec<_> = (0..100).map(|_| echo.decide(client(1), NOW, b"x", &mut out)).collect();
    let delayed =
        fates.iter().flat_map(|fate| fate.deliveries.to_vec()).filter(|one| one.at > 0).count() as u64;
    assert!((1..75).contains(&delayed));
    assert_eq!(
        echo.responder.counters(),
        Counters { received: 100, dropped: 25, dropped_up: 25, delayed, ..Counters::default() }
    );
    (0..70).for_each(|_| echo.answered());
    (0..5).for_each(|_| echo.responder.failed());
    let sum = echo.responder.counters();
    assert_eq!((sum.answered, sum.errors, sum.dropped), (70, 5, 25));
    assert_eq!(sum.received, sum.answered + sum.errors + sum.dropped);
    assert_eq!(echo.link.clients(), 1);
}

#[test]
fn the_machine_can_move_to_a_thread() {
    fn moves<T: Send>(_: &T) {}
    moves(&(echo("randint:0,10,4", "0", "{seq}"), Log::new(1), DelayQueue::<Vec<u8>>::new()));
}

#[test]
fn a_lost_datagram_leaves_nothing_to_send() {
    let mut out = b"left over".to_vec();
    let fate = echo("1", "50ms", "upper").decide(client(1), NOW, b"ping", &mut out);
    assert_eq!(fate.deliveries, Deliveries::dropped(Reason::Loss));
    assert!(out.is_empty());
}

#[test]
fn the_courses_server_loses_the_courses_packets() {
    let mut echo = echo("randint:0,10,4", "0", "upper");
    let mut out = Vec::new();
    let lost: String = (0..40_u16)
        .map(|at| echo.decide(client(at % 3), NOW, b"Ping", &mut out))
        .map(|fate| if fate.deliveries.is_empty() { 'x' } else { '.' })
        .collect();
    assert_eq!(lost, ".xx.xxxx..x..xxxxx..x.x...x...xx...xx.xx");
}

#[test]
fn a_reply_has_one_form_and_says_if_it_amplifies() {
    let cases =
        [("upper", false), ("same", false), ("{message}", false), ("{message} OK", true), ("pong", true)];
    for (text, amplifies) in cases {
        let reply: Reply = text.parse().unwrap();
        assert_eq!((reply.to_string().as_str(), reply.can_amplify()), (text, amplifies));
    }
    assert_eq!(Reply::default(), Reply::Upper);
    let refused = "".parse::<Reply>().unwrap_err().to_string();
    assert!(refused.contains("upper, same or text"), "{refused}");
}

proptest! {
    #[test]
    fn nothing_a_client_sends_changes_what_is_decided(
        requests in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..30),
        reply in prop::sample::select(vec!["upper", "same", "{seq} {diff:.6f} {time}", "{upper}{now}"]),
    ) {
        let (mut plain, mut fed) = (echo("4/11", "exponential:1ms", "same"), echo("4/11", "exponential:1ms", reply));
        let (mut log, mut out) = (Log::new(100), Vec::new());
        for request in requests {
            let expected = plain.decide(client(1), NOW, b"", &mut out);
            let fate = fed.decide(client(1), NOW, &request, &mut out);
            prop_assert_eq!(fate, expected);
            prop_assert!(log.add(|| Row::of(0, WALL, client(1), &request, &fate, None)).is_some());
            if reply == "upper" && !fate.deliveries.is_empty() {
                prop_assert_eq!(&out, &request.to_ascii_uppercase());
            }
        }
    }

    #[test]
    fn the_buffer_is_used_again(requests in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..30)) {
        let mut out = Vec::with_capacity(200);
        let room = out.as_ptr();
        let mut echo = echo("0", "0", "upper");
        for request in requests {
            echo.decide(client(1), NOW, &request, &mut out);
            prop_assert_eq!(out.as_ptr(), room);
        }
    }
}

/// When the replies to each of the requests arrive that are sent at these times, and the counters.
fn replies(up: &str, down: &str, requests: &[Nanos]) -> (Vec<Vec<Nanos>>, Counters) {
    let link = LinkPlan::between(
        up.parse().unwrap(),
        down.parse().unwrap(),
        Loss::NONE,
        Delay::NONE,
        Seed::from(7_u64),
    );
    let mut echo = Echo::new(&EchoPlan::new(link.unwrap(), Reply::Same, false));
    let (mut arriving, mut replies, mut out) =
        (Arriving::new(), vec![Vec::new(); requests.len()], Vec::new());
    let settle = |echo: &mut Echo, arriving: &mut Arriving<usize>, now, replies: &mut Vec<Vec<Nanos>>| {
        while let Some((deliveries, request)) = echo.settle(arriving, now) {
            replies[request].extend(deliveries.iter().map(|delivery| delivery.at));
        }
    };
    for (request, at) in requests.iter().enumerate() {
        settle(&mut echo, &mut arriving, *at, &mut replies);
        let now = Moment { mono: *at, wall: WALL };
        let fate = echo.decide(client(1), now, &[0; 97], &mut out);
        if fate.way_down.is_some() {
            let row = Row::of(*at, WALL, client(1), &out, &fate, None);
            arriving.hold(client(1), &fate, row, None, None, |_| (97, request));
        } else {
            replies[request].extend(fate.deliveries.iter().map(|delivery| delivery.at));
        }
    }
    settle(&mut echo, &mut arriving, Nanos::MAX, &mut replies);
    assert!(arriving.is_empty());
    (replies, echo.responder.counters())
}

#[test]
fn the_way_down_is_decided_in_the_order_in_which_requests_come_up() {
    let requests: Vec<_> = (0..2_000).map(|number| number * 5_000_000).collect();
    for up in ["delay=uniform:0ms,30ms", "delay=exponential:50ms", "reorder=10%,1s"] {
        let (came_up, _) = replies(up, "", &requests);
        for (rate, bits, queue) in [("10Mbit/s", 100_000, 65_536), ("200kbit/s", 5_000_000, 500)] {
            let (replied, counters) = replies(up, &format!("rate={rate}; queue={queue}B"), &requests);
            // 125 bytes take a time of so many nanoseconds each, one after the other.
            let mut order: Vec<_> = (0..requests.len()).collect();
            order.sort_by_key(|request| came_up[*request][0]);
            let (mut expected, mut end, most) = (vec![vec![]; requests.len()], 0, bits * queue / 125);
            for request in order {
                let leaves = came_up[request][0].max(end) + bits;
                if leaves - came_up[request][0] <= most {
                    end = leaves;
                    expected[request] = vec![leaves];
                }
            }
            assert_eq!(replied, expected, "{up} {rate}");
            let lost = expected.iter().filter(|replies| replies.is_empty()).count() as u64;
            assert_eq!((counters.received, counters.dropped), (2_000, lost));
            assert_eq!(lost > 0, queue == 500, "{up}: an idle link loses nothing");
        }
    }
}

#[test]
fn deciding_later_changes_no_draw() {
    let requests: Vec<_> = (0..2_000).map(|number| number * 5_000_000).collect();
    let up = "loss=burst:10%,2; delay=uniform:0ms,30ms; duplicate=20%,1; corrupt=5%";
    let down = "loss=gilbert-elliott:5%,30%; delay=normal:mean=9ms,sigma=1ms; duplicate=30%,2; reorder=5%,7ms; first=3";
    let (at_once, counters) = replies(up, down, &requests);
    let (later, counters_later) = replies(up, &format!("{down}; rate=100Gbit/s"), &requests);
    assert_eq!(counters, counters_later);
    for (at_once, later) in at_once.iter().zip(&later) {
        let (mut at_once, mut later) = (at_once.clone(), later.clone());
        at_once.sort_unstable();
        later.sort_unstable();
        assert_eq!(at_once.len(), later.len());
        let waits = at_once.iter().zip(&later).map(|(at_once, later)| later - at_once);
        assert!(waits.into_iter().all(|wait| (0..1_000).contains(&wait)), "{at_once:?} {later:?}");
    }
}

#[test]
fn a_reply_can_count_the_requests_lost_since_the_last() {
    for loss in ["pattern:.xx..", "trace:.xx.."] {
        let mut echo = echo(loss, "0", "{lost}");
        let mut out = Vec::new();
        let mut replies = Vec::new();
        for _ in 0..5 {
            if !echo.decide(client(1), NOW, b"x", &mut out).deliveries.is_empty() {
                replies.push(String::from_utf8(out.clone()).unwrap());
            }
        }
        assert_eq!(replies, ["0", "2", "0"]);
        echo.decide(client(2), NOW, b"x", &mut out);
        assert_eq!(out, b"0", "another client lost nothing");
    }
}

#[test]
fn a_reply_that_may_repeat_its_request_loses_hops_until_it_is_given_up() {
    let hops = |reply: &str, request: &[u8], left| echo("0", "0", reply).responder.hops(request, left);
    for (reply, request) in
        [("same", &b"Ping"[..]), ("upper", b"PING 1"), ("upper", b""), ("pong {now}", b"Ping")]
    {
        let mut left = 255;
        let mut passes = 0;
        while let Hops::Most(most) = hops(reply, request, Some(left)) {
            // Up to 16 routers are on the way.
            assert!(most < left);
            left = most - passes % 17;
            passes += 1;
        }
        assert_eq!(hops(reply, request, Some(left)), Hops::Spent, "{reply} {left}");
        for left in [None, Some(0), Some(1), Some(15)] {
            assert_eq!(hops(reply, request, left), Hops::Any);
        }
    }
    for left in 0..=255 {
        assert_eq!(hops("upper", b"Ping 1", Some(left)), Hops::Any);
    }
}
