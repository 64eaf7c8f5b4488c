use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::logic::ping::Options;

/// Echoes datagrams until the test is over; returns its address.
fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let address = socket.local_addr().expect("bound");
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if socket.send_to(&buffer[..length], from).is_err() {
                break;
            }
        }
    });
    address
}

fn settings(targets: &[SocketAddr], backend: Backend, busy: bool) -> Settings {
    let options = Options { count: None, interval: Some(0.005), timeout: 5.0, ..Options::default() };
    let targets = targets.iter().map(|address| target(*address)).collect();
    let plan = Plan::new(options).expect("valid");
    Settings { backend, busy, spin: Some(0), ..Settings::new(targets, plan) }
}

fn target(address: SocketAddr) -> Target {
    Target::new(address.ip().to_string(), address.port())
}

/// Waits until a target has `more` replies than now, from its current address.
fn wait_for_replies(session: &Session, index: usize, more: u64) {
    let received = || session.look(|logs| logs[index].pinger.summary().received);
    let (wanted, end) = (received() + more, Instant::now() + Duration::from_secs(60));
    while received() < wanted {
        assert!(Instant::now() < end, "target {index} answers");
        thread::sleep(Duration::from_millis(2));
    }
}

fn source_of_newest(session: &Session, index: usize) -> Option<String> {
    session.look(|logs| {
        let rows = logs[index].pinger.rows();
        let newest = (0..rows.len()).rev().map(|row| rows.get(row)).find(|row| row.reply.is_some());
        newest.and_then(|row| row.source).map(|source| source.to_string())
    })
}

#[test]
fn a_target_whose_name_has_another_address_is_pinged_there() {
    for (backend, busy) in [(Backend::best(), false), (Backend::best(), true), (Backend::Portable, false)] {
        let (here, there) = (echo(), echo());
        let session = Session::open(&settings(&[here], backend, busy)).expect("opens");
        session.start().expect("starts");
        wait_for_replies(&session, 0, 3);
        for address in [there, here, there] {
            lock(&session.shared.logs).move_to(&session.settings, 0, address).expect("free");
            session.shared.waker.wake();
            wait_for_replies(&session, 0, 20);
            assert_eq!(source_of_newest(&session, 0), Some(address.to_string()));
        }
        assert_eq!(lock(&session.shared.logs).sockets.len(), 1, "{backend:?}");
        session.stop();
    }
}

#[test]
fn endless_pings_without_an_interval_do_not_move_to_another_host() {
    let here = echo();
    let elsewhere = "192.0.2.1:9".parse().expect("an address");
    let plan = Plan::new(Options { count: None, ..Options::default() }).expect("valid");
    let session =
        Session::open(&Settings { plan, ..settings(&[here], Backend::best(), false) }).expect("opens");
    let refused = lock(&session.shared.logs).move_to(&session.settings, 0, elsewhere).expect_err("a flood");
    assert!(refused.to_string().contains("interval=1"), "{refused}");
    assert_eq!(session.look(|logs| logs[0].address), Some(here));
}

#[test]
fn the_socket_of_a_removed_target_serves_the_next_once_its_last_ping_is_settled() {
    let there = echo();
    for backend in [Backend::best(), Backend::Portable] {
        let session = Session::open(&settings(&[there], backend, false)).expect("opens");
        session.start().expect("starts");
        let end = Instant::now() + Duration::from_secs(60);
        for size in [100, 100, 101, 102, 103, 101] {
            let special = Target { size: Some(size), ..target(there) };
            session.add(&special).expect("another size");
            let index = lock(&session.shared.logs).by_name[&special.name()];
            wait_for_replies(&session, index, 2);
            session.remove(&special).expect("pinged");
            while session.look(|logs| logs[index].socket.is_some()) {
                assert!(Instant::now() < end, "the last ping is settled");
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(lock(&session.shared.logs).sockets.len(), 2, "{backend:?}");
        assert_eq!(session.summary().lost, 0);
        session.stop();
    }
}

#[test]
fn nothing_is_sent_once_it_has_stopped() {
    let far = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    far.set_nonblocking(true).expect("loopback");
    let take = || far.recv(&mut [0; 2_048]).is_ok();
    let mut all = settings(&[far.local_addr().expect("bound")], Backend::best(), false);
    all.plan.interval = Some(1_000);
    for _ in 0..300 {
        let session = Session::open(&all).expect("opens");
        session.start().expect("starts");
        while !take() {
            thread::yield_now();
        }
        session.stop();
        while take() {}
        while !lock(&session.shared.logs).over {
            thread::yield_now();
        }
        assert!(!take(), "a ping left after that");
    }
}

#[test]
fn a_target_does_not_move_to_the_address_of_an_equal_one() {
    let (here, there) = (echo(), echo());
    let session = Session::open(&settings(&[here, there], Backend::best(), false)).expect("opens");
    let refused = lock(&session.shared.logs).move_to(&session.settings, 0, there).expect_err("taken");
    assert!(refused.to_string().contains("each address once"), "{refused}");
    assert_eq!(session.look(|logs| logs[0].address), Some(here));
    let (special, elsewhere) = (Target { dscp: Some(8), ..target(here) }, echo());
    session.add(&special).expect("another class of service");
    lock(&session.shared.logs).move_to(&session.settings, 2, there).expect("they differ");
    session.add(&target(elsewhere)).expect("free");
    session.start().expect("starts");
    (0..4).for_each(|index| wait_for_replies(&session, index, 3));
    session.remove(&special).expect("pinged");
    assert!(session.remove(&special).is_err(), "once");
    (0..2).for_each(|index| wait_for_replies(&session, index, 3));
    assert_eq!(session.summary().foreign, (Backend::best() == Backend::Full).then_some(0));
    session.stop();
}
