//! The reflector of STAMP on real sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use udpping::logic::codec::stamp::{AUTHENTICATED, Keys, OPEN, Stamp, TimeFormat, secret};
use udpping::logic::codec::{Codec as _, Seq};
use udpping::logic::reflector::ReflectorPlan;
use udpping::net::Error;
use udpping::net::datagram::Timestamping;
use udpping::net::reflector::{Server, Settings, error_estimate};
use udpping::net::socket::Backend;

use crate::patiently;

const LONG: Duration = Duration::from_secs(30);
const SECRET: &str = "sixteen-bytes-or-more";

fn reflect(host: &str, plan: ReflectorPlan, backend: Backend) -> Server {
    let settings = Settings { host: host.to_owned(), port: 0, port_tries: 1, plan, backend };
    let server = Server::bind(settings).expect("binds");
    server.start().expect("starts");
    server
}

fn sender(local: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((local, 0)).expect("loopback");
    socket.set_read_timeout(Some(LONG)).expect("a timeout");
    socket
}

fn ask(own: &UdpSocket, server: SocketAddr, request: &[u8]) -> Vec<u8> {
    own.send_to(request, server).expect("sent");
    let mut buffer = vec![0; 2_000];
    let (length, from) = patiently(|| own.recv_from(&mut buffer)).expect("a reply");
    assert_eq!(from, server);
    buffer.truncate(length);
    buffer
}

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_nanos()).expect("this century")
}

/// The bytes of a test packet, padded to a size.
fn packet(stamp: &Stamp, seq: u64, size: Option<usize>) -> Vec<u8> {
    let mut bytes = Vec::new();
    stamp.write(seq, wall(), size, &mut bytes);
    bytes
}

#[test]
fn replies_are_as_long_counted_and_timed_between_sending_and_receiving() {
    for backend in [Backend::best(), Backend::Portable] {
        for (host, local) in
            [("127.0.0.1", IpAddr::from(Ipv4Addr::LOCALHOST)), ("::1", Ipv6Addr::LOCALHOST.into())]
        {
            let server = reflect(host, ReflectorPlan::default(), backend);
            let (own, stamp) = (sender(local), Stamp::new(None, 7, error_estimate(TimeFormat::Ntp)));
            for (number, size) in [44, 45, 48, 500, 1_400].into_iter().enumerate() {
                let before = wall();
                let reply = ask(&own, server.address(), &packet(&stamp, 3, Some(size)));
                let reading = stamp.read(&reply);
                assert_eq!(reply.len(), size);
                assert_eq!(reading.seq, Some(Seq::Low32(3)));
                assert_eq!(reading.server.seq, u32::try_from(number).ok());
                let (received, sent) = (reading.server.received, reading.server.sent);
                // Times of NTP are cut by less than a nanosecond.
                let times = [Some(before - 1), received, sent, Some(wall() + 1)];
                assert!(times.is_sorted() && received.is_some(), "{times:?}");
                assert_eq!(OPEN.ssid(&reply), 7);
            }
            let counters = server.counters();
            assert_eq!((counters.received, counters.reflected, counters.sessions), (5, 5, 1));
            assert_eq!(counters.short + counters.errors + counters.looped, 0);
        }
    }
}

#[test]
fn the_kernel_says_when_a_reply_left_where_it_can() {
    for backend in [Backend::best(), Backend::Portable] {
        for (host, local) in
            [("127.0.0.1", IpAddr::from(Ipv4Addr::LOCALHOST)), ("::", Ipv6Addr::LOCALHOST.into())]
        {
            let plan = ReflectorPlan { send_stamps: true, ..ReflectorPlan::default() };
            let server = reflect(host, plan, backend);
            let has_stamps = server.timestamping() == Timestamping::Both;
            assert!(backend == Backend::Full || !has_stamps);
            let address = SocketAddr::new(local, server.address().port());
            let own = sender(local);
            let stamp = Stamp::new(None, 7, error_estimate(TimeFormat::Ntp)).following_up(true);
            let (mut earlier, mut told): (Option<i64>, usize) = (None, 0);
            for seq in 0..50 {
                let reading = stamp.read(&ask(&own, address, &packet(&stamp, seq, None)));
                let previous = reading.previous.map(|previous| (u64::from(previous.seq), previous.sent));
                if let Some((written, (number, left))) = earlier.zip(previous) {
                    assert_eq!(number, seq - 1);
                    assert!((written..=wall()).contains(&left), "{written} {left}");
                    told += usize::from(left > written);
                }
                earlier = reading.server.sent;
            }
            // A clock that is set meanwhile, or a full buffer, takes some.
            assert!(if has_stamps { told > 25 } else { told == 0 }, "{told} with {backend:?} at {host}");
        }
    }
}

#[test]
fn only_authentic_packets_are_answered() {
    let keys: Keys = Keys::read(SECRET).expect("a key");
    let plan = ReflectorPlan { keys, ..ReflectorPlan::default() };
    let server = reflect("127.0.0.1", plan, Backend::best());
    let own = sender(Ipv4Addr::LOCALHOST.into());
    let estimate = error_estimate(TimeFormat::Ntp);
    let right = secret(SECRET).expect("a secret");
    let wrong = Stamp::new(Some(secret("another-long-secret").expect("a secret")), 0, estimate);
    for forged in [packet(&wrong, 0, None), packet(&Stamp::new(None, 0, estimate), 0, None)] {
        own.send_to(&forged, server.address()).expect("sent");
    }
    let stamp = Stamp::new(Some(right.clone()), 0, estimate);
    // Datagrams of one sender stay in order: this reply is the first.
    let reply = ask(&own, server.address(), &packet(&stamp, 9, None));
    assert_eq!(reply.len(), AUTHENTICATED.base);
    assert!(AUTHENTICATED.is_authentic(&reply, &right));
    assert_eq!(stamp.read(&reply).seq, Some(Seq::Low32(9)));
    let counters = server.counters();
    assert_eq!((counters.unverified, counters.short, counters.reflected), (1, 1, 1));
}

#[test]
fn a_port_that_is_taken_is_refused() {
    let server = reflect("127.0.0.1", ReflectorPlan::default(), Backend::best());
    let settings = Settings {
        host: "127.0.0.1".to_owned(),
        port: server.address().port(),
        port_tries: 1,
        plan: ReflectorPlan::default(),
        backend: Backend::best(),
    };
    assert!(matches!(Server::bind(settings), Err(Error::PortBusy { .. })));
}

#[test]
fn what_was_counted_is_known_after_the_end() {
    let server = reflect("127.0.0.1", ReflectorPlan::default(), Backend::best());
    let own = sender(Ipv4Addr::LOCALHOST.into());
    let stamp = Stamp::new(None, 0, error_estimate(TimeFormat::Ntp));
    ask(&own, server.address(), &packet(&stamp, 0, None));
    server.stop();
    assert_eq!(server.counters().reflected, 1);
}
