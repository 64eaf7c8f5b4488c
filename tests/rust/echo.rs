//! The lossy server on real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use udpping::logic::echo::{EchoPlan, Heard, Outcome, replay};
use udpping::logic::link::{LinkPlan, Reason, Scope};
use udpping::logic::random::{Direction, Seed};
use udpping::net::echo::{Server, Settings};
use udpping::net::socket::Backend;

use crate::patiently;

const LONG: Duration = Duration::from_secs(60);

fn settings(host: &str, loss: &str, delay: &str) -> Settings {
    let (loss, delay) = (loss.parse().expect("a loss"), delay.parse().expect("a delay"));
    let link = LinkPlan::new(loss, delay, Seed::from(42_u64));
    Settings {
        host: host.to_owned(),
        port: 0,
        port_tries: 1,
        workers: 1,
        echo: EchoPlan::new(link, "upper".parse().expect("a reply"), false),
        record: 100,
        backend: Backend::best(),
        gso: false,
        send_stamps: false,
    }
}

fn serve(settings: Settings) -> Server {
    let server = Server::bind(settings).expect("binds");
    server.start().expect("starts");
    server
}

fn client(local: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((local, 0)).expect("loopback");
    socket.set_read_timeout(Some(LONG)).expect("a timeout");
    socket
}

fn ask(client: &UdpSocket, server: SocketAddr, bytes: &[u8]) -> (Vec<u8>, SocketAddr) {
    client.send_to(bytes, server).expect("sent");
    let mut buffer = vec![0; 70_000];
    let (length, from) = patiently(|| client.recv_from(&mut buffer)).expect("a reply");
    buffer.truncate(length);
    (buffer, from)
}

#[test]
fn any_bytes_of_any_length_come_back_in_upper_case() {
    for backend in [Backend::best(), Backend::Portable] {
        let server = serve(Settings { backend, ..settings("127.0.0.1", "0", "0") });
        let client = client(Ipv4Addr::LOCALHOST.into());
        let all: Vec<u8> = (0..=255).collect();
        let longest = vec![b'z'; 65_507];
        for bytes in [&b"Ping 1 2.0"[..], b"", b"\xff\xfe a\0", &all, &longest] {
            let (reply, from) = ask(&client, server.address(), bytes);
            assert_eq!(reply, bytes.to_ascii_uppercase(), "{backend:?}");
            assert_eq!(from, server.address());
        }
        let counters = server.counters();
        assert_eq!((counters.received, counters.answered, counters.clients), (5, 5, 1));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_wildcard_server_answers_from_the_address_of_the_request() {
    let asked = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 3, 2, 1])];
    let server = serve(settings("", "0", "0"));
    for ip in asked {
        let address = SocketAddr::new(ip, server.bound().port());
        assert_eq!(ask(&client([127, 0, 0, 1].into()), address, b"a").1, address);
    }
    // Both families at once: an IPv4 client receives the reply from the IPv4 address that it sent to.
    let server = serve(settings("::", "0", "0"));
    let address = SocketAddr::new(asked[1], server.bound().port());
    assert_eq!(ask(&client([127, 0, 0, 1].into()), address, b"a"), (b"A".to_vec(), address));
    let v6 = SocketAddr::new("::1".parse().expect("an address"), server.bound().port());
    assert_eq!(ask(&client("::1".parse().expect("an address")), v6, b"a"), (b"A".to_vec(), v6));
    assert_eq!(server.address(), v6);
}

#[test]
fn a_delayed_reply_delays_no_other() {
    // All clients wait together; one after another they would wait for a minute.
    let server = serve(settings("127.0.0.1", "0", "300ms"));
    let clients: Vec<UdpSocket> = (0..200).map(|_| client(Ipv4Addr::LOCALHOST.into())).collect();
    let begin = Instant::now();
    for client in &clients {
        client.send_to(b"x", server.address()).expect("sent");
    }
    let mut buffer = [0; 10];
    for client in &clients {
        patiently(|| client.recv_from(&mut buffer)).expect("a reply");
    }
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(50), "{took:?}");
    assert_eq!(server.counters().delayed, 200);
}

#[test]
fn the_log_has_each_decision() {
    let server = serve(settings("127.0.0.1", "pattern:.x", "0"));
    let client = client(Ipv4Addr::LOCALHOST.into());
    ask(&client, server.address(), b"Ping 7 1.0");
    client.send_to(b"Ping 8 1.0", server.address()).expect("sent");
    ask(&client, server.address(), b"no number");
    let log = server.log().expect("memory");
    assert_eq!(log.verdict, [Outcome::Answer, Outcome::Drop, Outcome::Answer]);
    assert_eq!(log.seq, [Some(7), Some(8), None]);
    assert_eq!(log.source[0], client.local_addr().expect("bound"));
    let counters = server.counters();
    assert_eq!((counters.received, counters.answered, counters.dropped), (3, 2, 1));
}

/// The log and the replies of a server with these settings, if all datagrams arrive before it starts.
fn outcome(settings: Settings, sends: &[(usize, Vec<u8>)]) -> (Vec<String>, Vec<Vec<u8>>) {
    let clients: Vec<UdpSocket> = (0..3).map(|_| client(Ipv4Addr::LOCALHOST.into())).collect();
    let server = Server::bind(settings).expect("binds");
    for (from, bytes) in sends {
        clients[*from].send_to(bytes, server.address()).expect("sent");
    }
    server.start().expect("starts");
    let begin = Instant::now();
    while server.counters().received < sends.len() as u64 && begin.elapsed() < LONG {
        std::thread::yield_now();
    }
    let log = server.log().expect("memory");
    // With several workers the order of client numbers varies, so clients are identified by their port.
    let client = |at: usize| {
        let port = log.source[at].port();
        clients
            .iter()
            .position(|client| client.local_addr().expect("bound").port() == port)
            .expect("one of ours")
    };
    let mut rows: Vec<String> = (0..log.number.len())
        .map(|at| {
            let (number, seq) = (log.number[at], log.seq[at]);
            let (verdict, reason, delay) = (log.verdict[at], log.reason[at], log.delay_ns[at]);
            format!("{} {number:03} {seq:?} {verdict:?} {reason:?} {delay}", client(at))
        })
        .collect();
    rows.sort();
    let mut replies = Vec::new();
    for (at, client) in clients.iter().enumerate() {
        let answered = |row: &&String| row.starts_with(&at.to_string()) && row.contains("Answer");
        for _ in rows.iter().filter(answered) {
            let mut buffer = vec![0; 70_000];
            let length = patiently(|| client.recv(&mut buffer)).expect("a reply");
            replies.push(buffer[..length].to_vec());
        }
    }
    (rows, replies)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn decisions_log_and_replies_do_not_depend_on_how_datagrams_are_received_and_sent(
        sends in prop::collection::vec((0..3_usize, prop::sample::select(vec![0_usize, 9, 9, 9, 40])), 1..120),
    ) {
        let sends: Vec<(usize, Vec<u8>)> = sends
            .into_iter()
            .enumerate()
            .map(|(at, (from, length))| {
                let mut bytes = format!("ping {at} {}", "x".repeat(length)).into_bytes();
                bytes.truncate(length);
                (from, bytes)
            })
            .collect();
        // No randomness: with several workers the order of the clients varies.
        let plain = Settings { record: 1_000, ..settings("127.0.0.1", "pattern:..x.xx", "0") };
        let expected = outcome(Settings { backend: Backend::Portable, ..plain.clone() }, &sends);
        let ways: &[_] = match Backend::best() {
            Backend::Full => &[(1, false), (1, true), (4, true)],
            Backend::Portable => &[(1, false)],
        };
        for &(workers, gso) in ways {
            let settings = Settings { workers, gso, ..plain.clone() };
            prop_assert_eq!(&outcome(settings, &sends), &expected);
        }
    }
}

#[test]
fn the_portable_backend_has_one_worker_and_no_gso() {
    let plain = Settings { backend: Backend::Portable, ..settings("127.0.0.1", "0", "0") };
    let refused = |settings| Server::bind(settings).expect_err("refused").to_string();
    let error = refused(Settings { workers: 2, ..plain.clone() });
    assert!(error.contains("workers 2 is not usable: expected 1 on this system"), "{error}");
    let error = refused(Settings { gso: true, ..plain });
    assert!(error.contains("gso True is not usable: expected False on this system"), "{error}");
}

#[test]
fn a_busy_port_is_named_and_the_next_is_tried_if_asked() {
    let first = serve(settings("127.0.0.1", "0", "0"));
    let port = first.bound().port();
    let again = Settings { port, ..settings("127.0.0.1", "0", "0") };
    let error = Server::bind(again.clone()).expect_err("busy").to_string();
    assert!(error.contains(&format!("127.0.0.1:{port} is already in use")), "{error}");
    let next = Server::bind(Settings { port_tries: 50, ..again }).expect("one of fifty is free");
    assert!(next.bound().port() > port);
}

#[test]
fn a_client_that_has_gone_does_not_stop_the_server() {
    for backend in [Backend::best(), Backend::Portable] {
        let server = serve(Settings { backend, ..settings("127.0.0.1", "0", "20ms") });
        let gone = client(Ipv4Addr::LOCALHOST.into());
        gone.send_to(b"x", server.address()).expect("sent");
        drop(gone);
        let client = client(Ipv4Addr::LOCALHOST.into());
        for _ in 0..3 {
            assert_eq!(ask(&client, server.address(), b"still there?").0, b"STILL THERE?");
        }
        assert!(server.is_running(), "{backend:?}");
    }
}

#[test]
fn a_stopped_server_frees_its_port_and_stays_stopped() {
    // Nobody else takes a port of this address meanwhile.
    let host = if cfg!(target_os = "linux") { "127.44.1.2" } else { "127.0.0.1" };
    let server = serve(settings(host, "0", "0"));
    server.stop();
    assert!(UdpSocket::bind(server.bound()).is_ok());
    assert!(server.start().expect_err("refused").to_string().contains("make a new one"));
}

#[test]
fn starting_and_stopping_leaks_nothing() {
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    for _ in 0..10 {
        drop(serve(settings("127.0.0.1", "0", "0")));
    }
    let begin = Instant::now();
    for _ in 0..1_000 {
        let server = serve(settings("127.0.0.1", "0", "0"));
        server.stop();
        assert!(server.wait(Duration::ZERO).expect("no failure") && !server.is_running());
    }
    assert!(begin.elapsed() < Duration::from_secs(90), "stopping does not wait for a slice");
    // Other tests run beside this one, and have some open for a while: a leak would be a thousand, and stay.
    let end = Instant::now() + LONG;
    while open() >= 500 {
        assert!(Instant::now() < end, "{} descriptors are open", open());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_follower_gets_each_datagram_and_its_decision() {
    let server = serve(settings("127.0.0.1", "pattern:.x", "0"));
    server.follow();
    let client = client(Ipv4Addr::LOCALHOST.into());
    ask(&client, server.address(), b"Ping 7 1.0");
    client.send_to(&[b'z'; 2_000], server.address()).expect("sent");
    let first = server.next(LONG).expect("no failure").expect("an event");
    assert_eq!(
        (first.row.verdict, first.row.seq, &*first.message),
        (Outcome::Answer, Some(7), &b"Ping 7 1.0"[..])
    );
    let second = server.next(LONG).expect("no failure").expect("an event");
    assert_eq!((second.row.verdict, second.message.len()), (Outcome::Drop, 1_024));
    assert_eq!(server.next(Duration::ZERO).expect("no failure"), None);
    assert!(!server.exhausted());
    server.stop();
    assert!(server.next(LONG).expect("no failure").is_none() && server.exhausted());
}

#[test]
fn what_a_link_does_to_bytes_and_copies_is_on_the_wire_of_both_backends() {
    for backend in [Backend::best(), Backend::Portable] {
        let mut settings = Settings { backend, ..settings("127.0.0.1", "0", "0") };
        let link = &mut settings.echo.link;
        link.up = "truncate=4; duplicate=1; first=1".parse().expect("a link");
        link.down = "corrupt=1,2; delay=1ms; first=1".parse().expect("a link");
        settings.echo.reply = "same".parse().expect("a reply");
        let server = serve(settings);
        let client = client(Ipv4Addr::LOCALHOST.into());
        assert_eq!(ask(&client, server.address(), b"hello").0, b"hello", "{backend:?}");
        let one = ask(&client, server.address(), &[0; 9]).0;
        let mut other = [1; 9];
        let length = patiently(|| client.recv(&mut other)).expect("a copy");
        assert_eq!((one.len(), &other[..length]), (4, &one[..]), "{backend:?}");
        assert_eq!(one.iter().map(|byte| byte.count_ones()).sum::<u32>(), 2, "{backend:?}");
        let counters = server.counters();
        assert_eq!((counters.received, counters.copies, counters.damaged), (2, 1, 1));
    }
}

/// A direction of a link: some of these together.
fn any_way() -> impl Strategy<Value = String> {
    let effects = vec![
        "loss=burst:20%,3",
        "delay=uniform:0ms,9ms",
        "jitter=2ms",
        "reorder=20%,5ms",
        "duplicate=30%,1",
        "corrupt=20%,3",
        "truncate=20%,30",
        "mtu=120",
        "rate=200kbit/s; queue=4",
        "schedule=3ms-6ms,every=10ms",
        "first=3",
    ];
    prop::sample::subsequence(effects, 0..7).prop_map(|effects| effects.join("; "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_log_replayed_has_the_same_decisions(up in any_way(), down in any_way(), seed: u64, reply in
        prop::sample::select(vec!["upper", "{seq} {lost} {upper}{pad:90}"]), shared: bool) {
        let mut settings = Settings { record: 10_000, ..settings("127.0.0.1", "0", "0") };
        settings.echo.link.up = up.parse().expect("a link");
        settings.echo.link.down = down.parse().expect("a link");
        settings.echo.link.seed = seed.into();
        settings.echo.link.scope = shared.then_some(Scope::Shared);
        settings.echo.reply = reply.parse().expect("a reply");
        let link = settings.echo.link.clone();
        let server = serve(settings);
        let clients = [(); 3].map(|()| client(Ipv4Addr::LOCALHOST.into()));
        for number in 0..90_usize {
            let request = format!("Ping {number} {}", "x".repeat(number * 37 % 100));
            clients[number % 3].send_to(request.as_bytes(), server.address()).expect("sent");
            if number % 10 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let begin = Instant::now();
        while server.counters().received < 90 && begin.elapsed() < LONG {
            std::thread::yield_now();
        }
        server.stop();
        let log = server.log().expect("memory");
        let mut heard: Vec<_> = (0..log.recv_ns.len())
            .map(|at| Heard {
                recv_ns: log.recv_ns[at],
                wall_ns: log.wall_ns[at],
                client: log.client[at],
                number: log.number[at],
                source: log.source[at],
                seq: log.seq[at],
                bytes: log.bytes[at],
                reply_bytes: log.reply_bytes[at],
                is_refused: log.reason[at] == Reason::Full,
            })
            .collect();
        let counters = server.counters();
        prop_assert_eq!((counters.received, counters.errors), (90, 0));
        let dropped = |way| log.direction.iter().filter(|direction| **direction == Some(way)).count() as u64;
        prop_assert_eq!(counters.dropped_up, dropped(Direction::Up));
        prop_assert_eq!(counters.dropped_down, dropped(Direction::Down));
        let sum = |values: &[u8]| values.iter().map(|value| u64::from(*value)).sum::<u64>();
        prop_assert_eq!(counters.copies + counters.dropped_copies, sum(&log.copies));
        prop_assert_eq!(counters.answered + counters.waiting, sum(&log.replies));
        prop_assert_eq!(replay(link.clone(), &heard).expect("all").columns(), log);
        heard.remove(40);
        let refused = replay(link, &heard).expect_err("one is missing").to_string();
        prop_assert!(refused.contains("is missing"), "{}", refused);
    }
}
