//! The table of what sockets can do on each system, in docs/platforms.md, beside what they do on this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use udpping::net::datagram::{Datagram, Reports};
use udpping::net::socket::{Backend, IpOptions, RecvBatch, Socket};

const PAGE: &str = include_str!("../../docs/platforms.md");
const PATIENCE: Duration = Duration::from_secs(60);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Rows that tests of servers, pingers and monitors show, or that need an interface that goes down.
const SHOWN_ELSEWHERE: [&str; 4] = [
    "a refused port shows as `unreachable`",
    "a refused reply leaves a server at work",
    "a monitor knows that an interface is down",
    "waits end on time",
];

/// The rows of the table: its first cell, and whether this system has it.
fn rows() -> Vec<(&'static str, bool)> {
    let column = match std::env::consts::OS {
        "linux" => 2,
        "macos" => 3,
        "windows" => 4,
        _ => return Vec::new(),
    };
    let (_, table) = PAGE.split_once("## Sockets and clocks").expect("the heading of the table");
    let lines = table.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows: Vec<_> = cells.map(|cells| (cells[1], cells[column].starts_with("yes"))).collect();
    assert!(rows.len() > SHOWN_ELSEWHERE.len(), "{rows:?}");
    rows
}

fn pair(own: IpAddr, ip: IpAddr, options: IpOptions) -> Option<(Socket, Socket, SocketAddr)> {
    let server = Socket::serve((own, 0).into(), Backend::best()).expect("a server");
    let to = SocketAddr::new(ip, server.local().expect("its address").port());
    Some((Socket::toward(to, None, options, Backend::best()).ok()?, server, to))
}

/// What of a datagram that was just sent `is` so.
fn arrives((client, server, to): &(Socket, Socket, SocketAddr), is: impl Fn(&Datagram<'_>) -> bool) -> bool {
    let mut batch = RecvBatch::new(1, Backend::best());
    client.send(b"x", *to, None).expect("sent");
    let end = Instant::now() + PATIENCE;
    while !batch.receive(server, 1).expect("received") {
        assert!(Instant::now() < end, "nothing arrived");
        std::thread::yield_now();
    }
    batch.datagrams().next().is_some_and(|datagram| is(&datagram))
}

fn at_once() -> bool {
    let (client, server, to) = pair(LOCALHOST, LOCALHOST, IpOptions::default()).expect("a client");
    let mut batch = RecvBatch::new(4, Backend::best());
    let (end, mut most, mut all) = (Instant::now() + PATIENCE, 0, 0);
    (0..3).for_each(|_| client.send(b"x", to, None).expect("sent"));
    while all < 3 {
        assert!(Instant::now() < end, "{all} of 3 arrived");
        if batch.receive(&server, 4).expect("received") {
            let count = batch.datagrams().count();
            (most, all) = (most.max(count), all + count);
        }
    }
    most > 1
}

fn stamped() -> bool {
    let pair = pair(LOCALHOST, LOCALHOST, IpOptions::default()).expect("a client");
    pair.1.enable_reports(Reports { timestamp: true, ..Reports::default() }).expect("reports");
    // A kernel takes a moment to begin.
    (0..1_000).any(|_| arrives(&pair, |datagram| datagram.timestamp.is_some()))
}

fn has(row: &str) -> bool {
    let plain = || pair(LOCALHOST, LOCALHOST, IpOptions::default()).expect("a client");
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    match row {
        // A busy kernel may deliver them one by one.
        "many datagrams with one system call" => (0..100).any(|_| at_once()),
        "`ttl` of a reply" => {
            let pair = plain();
            pair.1.enable_reports(Reports { ttl: true, ..Reports::default() }).expect("reports");
            arrives(&pair, |datagram| datagram.ttl.is_some())
        }
        "the kernel's time of receiving a reply" => stamped(),
        "the kernel's time of sending a ping" => plain().0.has_error_queue(),
        "`df=True`" => {
            let options = IpOptions { dont_fragment: true, ..IpOptions::default() };
            pair(LOCALHOST, LOCALHOST, options).is_some()
        }
        "`dscp` over IPv6" => pair(v6, v6, IpOptions { dscp: Some(46), ..IpOptions::default() }).is_some(),
        "`foreign` and the sender of an ICMP error" => plain().0.sees_foreign(),
        "one server for IPv4 and IPv6 (`::`)" => {
            let pair = pair(Ipv6Addr::UNSPECIFIED.into(), LOCALHOST, IpOptions::default());
            arrives(&pair.expect("a client"), |_| true)
        }
        "a server on all interfaces answers from the address that was asked" => {
            let pair = pair(Ipv4Addr::UNSPECIFIED.into(), LOCALHOST, IpOptions::default());
            arrives(&pair.expect("a client"), |datagram| datagram.pktinfo.is_some())
        }
        "`workers`" => plain().1.beside().is_ok(),
        "`kernel_drops`" => plain().1.kernel_drops().is_some(),
        unknown => panic!("no test shows what the page says of {unknown:?}"),
    }
}

#[test]
fn the_page_says_of_sockets_what_they_do_here() {
    for (row, told) in rows() {
        if !SHOWN_ELSEWHERE.contains(&row) {
            assert_eq!(has(row), told, "{row}");
        }
    }
}
