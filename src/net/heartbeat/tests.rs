//! Many senders on one driver, with both backends.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::*;
use crate::logic::codec::heartbeat::Heartbeat as Line;
use crate::logic::heartbeat::Options;
use crate::net::patiently;

const SENDERS: usize = 150;
const SOON: Duration = Duration::from_secs(60);

fn far_end() -> (UdpSocket, SocketAddr) {
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    far.set_read_timeout(Some(SOON)).unwrap();
    let address = far.local_addr().unwrap();
    (far, address)
}

fn plan(id: usize) -> HeartbeatPlan {
    HeartbeatPlan::new(Options { id: id.to_string(), interval: 0.3, ..Options::default() }).unwrap()
}

fn sender(to: SocketAddr, backend: Backend, plan: HeartbeatPlan) -> Heartbeat {
    Heartbeat::new(Settings { host: to.ip().to_string(), port: to.port(), plan, backend }).unwrap()
}

/// The heartbeats received from one sender.
#[derive(Debug, Default, Clone, Copy)]
struct Sent {
    beats: usize,
    byes: usize,
}

/// Receives from the only sender to this socket until it is `enough`.
fn receive_one(far: &UdpSocket, sent: &mut Sent, enough: impl Fn(&Sent) -> bool) {
    let mut bytes = [0; 2_048];
    while !enough(sent) {
        let length = patiently(|| far.recv(&mut bytes)).unwrap();
        let is_bye = Line::read(&bytes[..length]).unwrap().bye.is_some();
        *(if is_bye { &mut sent.byes } else { &mut sent.beats }) += 1;
    }
}

/// Receives from the senders until it is `enough`.
fn receive(
    far: &UdpSocket,
    sent: &mut BTreeMap<usize, Sent>,
    enough: impl Fn(&BTreeMap<usize, Sent>) -> bool,
) {
    let mut bytes = [0; 2_048];
    while !enough(sent) {
        let length = patiently(|| far.recv(&mut bytes)).unwrap();
        let line = Line::read(&bytes[..length]).unwrap();
        let one = sent.entry(line.id.unwrap().parse().unwrap()).or_default();
        one.beats += usize::from(line.bye.is_none());
        one.byes += usize::from(line.bye.is_some());
    }
}

#[test]
fn many_share_a_driver_and_one_that_ends_does_not_end_others() {
    for backend in [Backend::best(), Backend::Portable] {
        // A receive buffer for each: one for all is full as soon as this thread stands still for a moment.
        let far: Vec<_> = (0..SENDERS).map(|_| far_end()).collect();
        let senders: Vec<_> =
            far.iter().zip(0..).map(|((_, to), id)| sender(*to, backend, plan(id))).collect();
        for each in &senders {
            each.start().unwrap();
        }
        let mut sent = [Sent::default(); SENDERS];
        for ((far, _), sent) in far.iter().zip(&mut sent) {
            receive_one(far, sent, |sent| sent.beats >= 2);
        }

        senders[7].stop(0);
        assert!(senders[7].wait(SOON).unwrap() && !senders[7].is_running());
        receive_one(&far[7].0, &mut sent[7], |sent| sent.byes == 3);
        let before: Vec<_> = senders.iter().map(|each| each.totals().counters.sent).collect();
        for id in (0..SENDERS).filter(|id| *id != 7) {
            receive_one(&far[id].0, &mut sent[id], |sent| sent.beats as u64 > before[id] + 1);
        }
        assert!(senders.iter().enumerate().all(|(id, each)| each.is_running() == (id != 7)));

        for each in &senders {
            each.stop(0);
        }
        for (each, ((far, _), sent)) in senders.iter().zip(far.iter().zip(&mut sent)) {
            receive_one(far, sent, |sent| sent.byes == 3);
            assert!(each.wait(SOON).unwrap());
            assert_eq!(each.totals().counters.errors, 0);
        }
        drain(SOON);
    }
}

#[test]
fn a_heartbeat_is_counted_when_it_is_received() {
    let (far, to) = far_end();
    far.set_nonblocking(true).unwrap();
    let plan = HeartbeatPlan::new(Options { interval: 0.001, ..Options::default() }).unwrap();
    let one = sender(to, Backend::best(), plan);
    one.start().unwrap();
    let (mut bytes, end) = ([0; 2_048], Instant::now() + SOON);
    for _ in 0..1_000 {
        // It does not wait: to be woken would give the sender time to count.
        let length = loop {
            match far.recv(&mut bytes) {
                Ok(length) => break length,
                Err(_) => assert!(Instant::now() < end, "it sends"),
            }
        };
        let seq = Line::read(&bytes[..length]).unwrap().seq.unwrap();
        assert!(one.totals().counters.sent >= seq);
    }
}

#[test]
fn a_goodbye_is_sent_when_stop_returns() {
    let (far, to) = far_end();
    for id in 0..20 {
        let one = sender(to, Backend::best(), plan(id));
        one.start().unwrap();
        one.stop(3);
        let sent = one.totals().counters.sent;
        // Dropped meanwhile, it still sends the other goodbyes.
        drop(one);
        let (mut byes, mut datagram) = (Vec::new(), [0; 2_048]);
        while byes.len() < 3 {
            let length = patiently(|| far.recv(&mut datagram)).unwrap();
            let line = Line::read(&datagram[..length]).unwrap();
            assert_eq!(line.id, Some(&*id.to_string()));
            byes.extend(line.seq.filter(|_| line.bye == Some(3)));
        }
        assert!(byes[0] <= sent, "{byes:?} {sent}");
    }
}

#[test]
fn one_that_is_dropped_sends_no_more() {
    let (far, to) = far_end();
    let one = sender(to, Backend::best(), plan(1));
    one.start().unwrap();
    let mut sent = BTreeMap::new();
    receive(&far, &mut sent, |sent| sent.get(&1).is_some_and(|one| one.beats >= 2));
    drop(one);
    // The driver may be about to send its last one.
    far.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let end = Instant::now() + SOON;
    while patiently(|| far.recv(&mut [0; 2_048])).is_ok() {
        assert!(Instant::now() < end);
    }
}

#[test]
fn a_panic_of_one_sender_ends_that_one_alone() {
    let (far, to) = far_end();
    let (first, last) = (sender(to, Backend::best(), plan(1)), sender(to, Backend::best(), plan(2)));
    // Options never make such a plan: it divides by zero.
    let broken = sender(to, Backend::best(), HeartbeatPlan { interval: 0, ..plan(3) });
    for each in [&first, &broken, &last] {
        each.start().unwrap();
    }
    let error = loop {
        match broken.wait(SOON) {
            Ok(over) => assert!(!over),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with("cannot go on sending heartbeats: a defect"), "{error}");
    assert!(!broken.is_running() && first.is_running() && last.is_running());
    let mut sent = BTreeMap::new();
    receive(&far, &mut sent, |sent| [1, 2].iter().all(|id| sent.get(id).is_some_and(|one| one.beats >= 5)));
}
