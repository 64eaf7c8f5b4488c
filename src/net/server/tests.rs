//! A relay, as a server whose threads have two sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fd::AsFd as _;

use super::*;
use crate::net::socket::Socket;
use crate::net::worker::Worker;
use crate::net::{patiently, sys};

const LATER: Nanos = 5_000_000;

/// The socket for clients has key 0, the one for the far end key 1.
struct Pair([Socket; 2]);

impl Sockets for Pair {
    type Key = usize;

    fn get(&self, key: usize) -> Option<&Socket> {
        self.0.get(key)
    }

    fn all(&self) -> impl Iterator<Item = &Socket> {
        self.0.iter()
    }

    fn wait(&mut self, bell: &Bell, wait: Option<Nanos>, ready: &mut Vec<usize>) -> std::io::Result<()> {
        if wait::readable(self.0.iter().map(Socket::as_fd), bell, wait)? {
            ready.extend([0, 1]);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Relayed {
    client: SocketAddr,
    far: SocketAddr,
    failed: Vec<u8>,
}

/// Sends a datagram that arrives at one socket from the other, a little later, and a copy from a socket that does not
/// exist.
struct Relay;

impl Decide for Relay {
    type Sockets = Pair;
    type Shared = Relayed;
    type Decision = Route<usize>;
    type Tag = u8;
    type Event = (SocketAddr, Arrival);

    const REPORTS: Reports = Reports { ttl: true, tos: true, timestamp: true };

    fn decide<'a>(
        shared: &mut Relayed,
        from: usize,
        received: impl Iterator<Item = (Datagram<'a>, Arrival)>,
        decisions: &mut Vec<Route<usize>>,
    ) {
        for (datagram, _) in received {
            if from == 0 {
                shared.client = datagram.source;
            }
            let destination = [shared.far, shared.client][from];
            decisions.push(Route { socket: 1 - from, destination, pktinfo: None, hops: None, tos: None });
        }
    }

    fn event(datagram: &Datagram<'_>, arrival: &Arrival, _: &Route<usize>) -> Option<(SocketAddr, Arrival)> {
        Some((datagram.source, *arrival))
    }

    fn carry_out(
        &mut self,
        _: &mut Pair,
        datagram: &Datagram<'_>,
        arrival: &Arrival,
        route: &Route<usize>,
        out: &mut Outgoing<'_, usize, u8>,
    ) {
        let (tag, write) = (datagram.bytes[0], |out: &mut Vec<u8>| out.extend_from_slice(datagram.bytes));
        out.push(arrival.at.mono + LATER, *route, tag, write);
        out.push(arrival.at.mono, Route { socket: 2, ..*route }, tag, write);
    }

    fn sent(&mut self, tags: &[u8]) {
        assert!(!tags.is_empty());
    }

    fn failed(&mut self, shared: &mut Relayed, tag: u8, reason: Reason) {
        assert_eq!(reason, Reason::Send);
        shared.failed.push(tag);
    }
}

#[test]
fn a_relay_decides_when_and_from_which_socket_datagrams_are_sent_and_sees_how_they_arrived() {
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        for backend in [Backend::best(), Backend::Portable] {
            relay((ip, 0).into(), backend);
        }
    }
}

fn relay(any: SocketAddr, backend: Backend) {
    let ends = [31, 32].map(|hops: u8| {
        let end = UdpSocket::bind(any).unwrap();
        end.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let options = socket2::SockRef::from(&end);
        let (ttl, tos) = (hops.into(), u32::from(hops) << 2);
        if any.is_ipv4() {
            options.set_ttl_v4(ttl).and_then(|()| options.set_tos_v4(tos)).unwrap();
        } else {
            options.set_unicast_hops_v6(ttl).unwrap();
            assert_eq!(sys::set_traffic_class(end.as_fd(), tos.cast_signed()).is_ok(), cfg!(unix));
        }
        end
    });
    let [client, far] = &ends;
    let pair = Pair([(), ()].map(|()| Socket::serve(any, backend).unwrap()));
    let [near, beyond] = [0, 1].map(|key| pair.0[key].local().unwrap());
    let relayed = Relayed { client: any, far: far.local_addr().unwrap(), failed: Vec::new() };
    let server = Arc::new(ServerState::new(backend, false, relayed, vec![Relay], 10, 1_000));
    server.follow();
    let (worker, state) = (Worker::new().unwrap(), Arc::clone(&server));
    let waker = worker.waker();
    let serve = move |shared: &Shared<_>, bell: &Bell| state.serve(vec![pair], shared, bell, &waker);
    worker.start("server", "go on serving", serve).unwrap();

    let mut buffer = [0; 10];
    let next = || worker.next(Duration::from_secs(60)).unwrap().unwrap();
    let sees_all = cfg!(unix);
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < end, "the kernel begins to timestamp");
        let before = wall_ns();
        client.send_to(b"up", near).unwrap();
        assert_eq!(patiently(|| far.recv_from(&mut buffer)).unwrap(), (2, beyond));
        far.send_to(b"down", beyond).unwrap();
        assert_eq!(patiently(|| client.recv_from(&mut buffer)).unwrap(), (4, near));
        assert_eq!(&buffer[..4], b"down");
        let [up, down] = [next(), next()];
        assert_eq!([up.0, down.0], ends.each_ref().map(|end| end.local_addr().unwrap()));
        assert!(down.1.at.wall - up.1.at.wall >= LATER, "{up:?} {down:?}");
        for ((_, Arrival { at, kernel, ttl, tos }), hops) in [(up, 31), (down, 32)] {
            assert_eq!((ttl, tos), (sees_all.then_some(hops), sees_all.then_some(hops << 2)));
            assert!(kernel.is_none_or(|kernel| sees_all && (before - 1_000..=at.wall).contains(&kernel)));
        }
        if !sees_all || up.1.kernel.and(down.1.kernel).is_some() {
            break;
        }
    }
    worker.stop();
    assert!(server.shared().failed.chunks(2).all(|pair| pair == b"ud"));
}
