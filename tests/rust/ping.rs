//! The pinger against every scenario, in virtual time and on loopback, and tests that need real sockets.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use udpping::logic::codec::{TextLine, read_seq};
use udpping::logic::ping::{Options, Pinger, Plan};
use udpping::logic::record::{Match, NONE, Rows, Status};
use udpping::logic::stats::Summary;
use udpping::net::ping::{Events, Session, Settings, Snapshot, Target};
use udpping::net::socket::{Backend, IpOptions};
use udpping::sim::ping::{Peer, Run};

use crate::scenario::{Counts, Expected, Form, MS, SCENARIOS, Scenario, TIMEOUT};

const LONG: Duration = Duration::from_secs(120);
/// On real sockets timeouts are so many times longer: no thread stands still for as long, however busy the machine is.
const PATIENCE: i64 = 10;

fn check(scenario: &Scenario, patience: i64, rows: &Rows, summary: &Summary, sees_foreign: bool) {
    let name = scenario.name;
    let found: Vec<Expected> = (0..rows.len())
        .map(|index| {
            let row = rows.get(index);
            Expected(row.status, row.copies, row.reply.map(|reply| reply.matched))
        })
        .collect();
    assert_eq!(found, scenario.rows, "{name}: rows");
    assert_eq!(rows.first_seq(), scenario.first_seq, "{name}");
    for index in 0..rows.len() {
        let row = rows.get(index);
        let answered = matches!(row.status, Status::Reply | Status::Late);
        assert_eq!(
            row.rtt != NONE,
            answered,
            "{name}: a round trip exactly where an answer came, row {index}"
        );
        if answered {
            let (took, timeout) = (row.user_rtt, patience * TIMEOUT);
            assert_eq!(took >= timeout, row.status == Status::Late, "{name}: row {index} took {took}");
        }
    }
    let counts = Counts {
        duplicates: summary.duplicates,
        reordered: summary.reordered,
        foreign: summary.foreign.unwrap_or(scenario.counts.foreign),
        unmatched: summary.unmatched,
        damaged: summary.damaged,
        unverified: summary.unverified,
    };
    assert_eq!(counts, scenario.counts, "{name}: counts");
    assert_eq!(summary.foreign.is_some(), sees_foreign, "{name}");
    let parts = summary.received + summary.late + summary.timeouts + summary.unreachable + summary.errors;
    assert_eq!((summary.sent, summary.pending), (parts, 0), "{name}: sent is the sum of its parts");
    assert_eq!(summary.lost, summary.sent - summary.received, "{name}");
}

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 12_000);

struct Script<'a> {
    scenario: &'a Scenario,
    /// When each ping was sent.
    sent: Vec<i64>,
    /// The replies: when they arrive, the index of the ping, and the form.
    replies: Vec<(i64, usize, Form)>,
}

impl Script<'_> {
    /// Plays a scenario in virtual time.
    fn play(scenario: &Scenario) -> (Script<'_>, Run) {
        let mut script = Script { scenario, sent: Vec::new(), replies: Vec::new() };
        let mut run = Run::new(Pinger::new(scenario.plan(1), ADDRESS, true));
        assert!(run.advance(&mut script, 10_000), "{}: comes to an end", scenario.name);
        script.replies.sort_by_key(|(at, ..)| *at);
        // The others find nobody.
        script.replies.retain(|(at, ..)| *at <= run.now());
        (script, run)
    }
}

impl Peer for Script<'_> {
    fn receive(&mut self, now: i64, ping: &[u8], answer: &mut dyn FnMut(i64, SocketAddr, Vec<u8>)) {
        let seq = read_seq(ping).expect("our own message");
        let index = self.sent.len();
        assert_eq!(seq, self.scenario.first_seq + index as u64);
        self.sent.push(now);
        for reply in self.scenario.answers[index] {
            let elsewhere = SocketAddr::from(([192, 0, 2, 2], 12_000));
            let from = if matches!(reply.form, Form::Foreign) { elsewhere } else { ADDRESS };
            self.replies.push((now + reply.after, index, reply.form));
            answer(now + reply.after, from, reply.form.write(ping, seq));
        }
    }
}

#[test]
fn every_scenario_in_virtual_time() {
    for scenario in SCENARIOS {
        let (_, run) = Script::play(scenario);
        check(scenario, 1, run.pinger().rows(), &run.pinger().summary(), true);
    }
}

/// A far end that follows a script on real sockets until its channel closes.
///
/// Whoever stands still meanwhile, pings and replies keep their order of virtual time: a reply waits until as many pings have
/// arrived as were sent before it, and then for as long as it came after the ping or reply before it.
fn real_peer(scenario: &'static Scenario, done: mpsc::Receiver<()>) -> (u16, thread::JoinHandle<()>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let elsewhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = socket.local_addr().expect("bound").port();
    socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
    let peer = thread::spawn(move || {
        let (Script { sent, replies, .. }, _) = Script::play(scenario);
        let (mut pings, mut before) = (Vec::new(), 0);
        let mut buffer = [0; 2_048];
        for (at, index, form) in replies {
            let needed = sent.iter().filter(|sent| **sent < at).count();
            before = sent[needed - 1].max(before);
            let gap = at - std::mem::replace(&mut before, at);
            // A gap of timeouts is one of the longer timeouts.
            let gap = gap / TIMEOUT * PATIENCE * TIMEOUT + gap % TIMEOUT;
            while pings.len() < needed {
                if done.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                    return;
                }
                pings.extend(
                    socket.recv_from(&mut buffer).map(|(length, from)| (buffer[..length].to_vec(), from)),
                );
            }
            if done.recv_timeout(Duration::from_nanos(gap.unsigned_abs()))
                == Err(RecvTimeoutError::Disconnected)
            {
                return;
            }
            let (ping, from) = &pings[index];
            let seq = read_seq(ping).expect("our own message");
            let own = if matches!(form, Form::Foreign) { &elsewhere } else { &socket };
            own.send_to(&form.write(ping, seq), from).expect("loopback takes it");
        }
        // Its port stays open as long as pings may come.
        let _ = done.recv();
    });
    (port, peer)
}

fn settings(targets: &[(&str, u16)], plan: Plan, backend: Backend) -> Settings {
    let targets = targets.iter().map(|(host, port)| Target::new(*host, *port)).collect();
    Settings { backend, ..Settings::new(targets, plan) }
}

fn plan(count: Option<i64>, timeout: f64, interval: Option<f64>) -> Plan {
    Plan::new(Options { count, timeout, interval, linger: Some(0.0), ..Options::default() })
        .expect("a valid plan")
}

fn every_scenario_on_loopback(backend: Backend) {
    thread::scope(|scope| {
        for scenario in SCENARIOS {
            scope.spawn(move || {
                let (keep, done) = mpsc::channel();
                let (port, peer) = real_peer(scenario, done);
                let plan = scenario.plan(PATIENCE);
                let session = Session::open(&settings(&[("127.0.0.1", port)], plan, backend)).expect("opens");
                session.start().expect("starts");
                assert!(session.wait(LONG).expect("no failure"), "{}: comes to an end", scenario.name);
                let summary = session.summary();
                session.look(|lanes| {
                    let is_full = backend == Backend::Full;
                    check(scenario, PATIENCE, lanes[0].pinger.rows(), &summary, is_full);
                });
                drop(keep);
                peer.join().expect("the peer is well");
            });
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn every_scenario_on_loopback_with_the_full_backend() {
    every_scenario_on_loopback(Backend::Full);
}

#[test]
fn every_scenario_on_loopback_with_the_portable_backend() {
    every_scenario_on_loopback(Backend::Portable);
}

/// A port that is closed to all, and that nobody opens meanwhile: its socket hears itself alone.
fn closed_port() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let address = socket.local_addr().expect("bound");
    socket.connect(address).expect("itself");
    (socket, address.port())
}

#[test]
fn a_closed_port_is_unreachable_at_once() {
    let (_closed, port) = closed_port();
    for backend in [Backend::best(), Backend::Portable] {
        let session = Session::open(&settings(&[("127.0.0.1", port)], plan(Some(3), 60.0, None), backend))
            .expect("opens");
        let begin = Instant::now();
        session.start().expect("starts");
        assert!(session.wait(LONG).expect("no failure"));
        assert!(begin.elapsed() < Duration::from_secs(60), "far less than one timeout");
        let summary = session.summary();
        assert_eq!((summary.unreachable, summary.lost, summary.sent), (3, 3, 3), "{backend:?}");
        if backend == Backend::Full {
            let source =
                session.look(|lanes| lanes[0].pinger.rows().get(0).source.map(|source| source.to_string()));
            assert_eq!(source.as_deref(), Some("127.0.0.1"), "the row says who refused");
        }
    }
}

#[test]
fn an_open_loop_keeps_its_schedule_without_replies() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = silent.local_addr().expect("bound").port();
    let session =
        Session::open(&settings(&[("127.0.0.1", port)], plan(Some(50), 0.2, Some(0.002)), Backend::best()))
            .expect("opens");
    session.start().expect("starts");
    assert!(session.wait(LONG).expect("no failure"));
    session.look(|lanes| {
        let rows = lanes[0].pinger.rows();
        let due: Vec<i64> = (0..50).map(|index| index * 2 * MS).collect();
        let rows: Vec<_> = (0..rows.len()).map(|index| rows.get(index)).collect();
        let told: Vec<i64> = rows.iter().map(|row| row.due).collect();
        assert_eq!(told, due, "absolute deadlines: one late send delays no other");
        assert!(rows.iter().all(|row| row.sent >= row.due), "never early");
    });
    assert_eq!(session.summary().timeouts, 50);
}

#[test]
fn several_targets_share_one_table_with_counts_of_their_own() {
    let (_closed, closed) = closed_port();
    for backend in [Backend::best(), Backend::Portable] {
        let (keep, done) = mpsc::channel();
        let (port, peer) = real_peer(&SCENARIOS[0], done);
        let targets = [("127.0.0.1", port), ("127.0.0.1", closed)];
        let session = Session::open(&settings(&targets, plan(Some(3), 5.0, None), backend)).expect("opens");
        session.start().expect("starts");
        assert!(session.wait(LONG).expect("no failure"));
        let Snapshot { targets, rows, total: all, each } = session.snapshot(usize::MAX);
        assert_eq!((targets.len(), rows.iter().map(Rows::len).collect::<Vec<_>>()), (2, vec![3, 3]));
        let counts = each.iter().map(|each| (each.received, each.unreachable)).collect::<Vec<_>>();
        assert_eq!(counts, [(3, 0), (0, 3)], "{backend:?}");
        assert_eq!((all.sent, all.received, all.lost), (6, 3, 3));
        drop(keep);
        peer.join().expect("the peer is well");
    }
}

#[test]
fn stopping_leaves_pings_in_flight_without_a_result() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = silent.local_addr().expect("bound").port();
    let session = Session::open(&settings(&[("127.0.0.1", port)], plan(None, 60.0, None), Backend::best()))
        .expect("opens");
    session.start().expect("starts");
    let mut buffer = [0; 100];
    silent.recv_from(&mut buffer).expect("the first ping");
    session.stop();
    assert!(session.wait(LONG).expect("no failure"));
    let summary = session.summary();
    assert_eq!((summary.sent, summary.pending, summary.loss), (0, 1, None));
}

#[test]
fn a_session_that_was_never_started_ends_when_stopped() {
    let session = Session::open(&settings(&[("127.0.0.1", 9)], plan(Some(1), 1.0, None), Backend::best()))
        .expect("opens");
    assert!(!session.wait(Duration::ZERO).expect("no failure"));
    session.stop();
    assert!(session.wait(Duration::ZERO).expect("no failure"));
}

#[test]
fn invalid_targets_are_errors() {
    let open = |settings: Settings| Session::open(&settings).expect_err("refused").to_string();
    let base = settings(&[("127.0.0.1", 9)], plan(Some(1), 1.0, None), Backend::best());
    let unknown = open(Settings { targets: vec![Target::new("no-such-host.invalid", 9)], ..base.clone() });
    assert!(unknown.contains("\"no-such-host.invalid\""), "{unknown}");
    let twice = vec![Target::new("127.0.0.1", 9), Target::new("127.0.0.1", 9)];
    assert!(open(Settings { targets: twice, ..base.clone() }).contains("each address once"));
    assert!(open(Settings { targets: Vec::new(), ..base.clone() }).contains("at least one target"));
    let bind = Some(SocketAddr::from(([192, 0, 2, 1], 0)));
    assert!(open(Settings { bind, ..base.clone() }).contains("192.0.2.1"));
    let bind = Some("[::1]:0".parse().expect("an address"));
    assert!(open(Settings { bind, ..base }).contains("IPv4"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_size_pads_the_message_and_a_reply_has_its_metadata() {
    let (keep, done) = mpsc::channel();
    let (port, peer) = real_peer(&SCENARIOS[0], done);
    let options = Options { count: Some(1), timeout: 5.0, size: Some(1_400), ..Options::default() };
    let ip_options =
        IpOptions { ttl: Some(9), dscp: Some(46), dont_fragment: true, broadcast: false, device: None };
    let settings = Settings {
        ip_options,
        ..settings(&[("127.0.0.1", port)], Plan::new(options).expect("valid"), Backend::best())
    };
    let session = Session::open(&settings).expect("opens");
    session.start().expect("starts");
    assert!(session.wait(LONG).expect("no failure"));
    session.look(|lanes| {
        let row = lanes[0].pinger.rows().get(0);
        let reply = row.reply.expect("answered");
        assert_eq!((reply.bytes, reply.text.len(), reply.matched), (1_400, 1_024, Match::Seq));
        if Backend::best() == Backend::Full {
            assert_eq!(row.ttl, Some(64), "the peer's own hop limit, not ours");
        }
    });
    drop(keep);
    peer.join().expect("the peer is well");
}

#[test]
fn a_follower_gets_each_ping_when_it_is_sent_and_when_it_is_settled() {
    let (keep, done) = mpsc::channel();
    let (port, peer) = real_peer(&SCENARIOS[1], done);
    let mut settings = settings(&[("127.0.0.1", port)], SCENARIOS[1].plan(PATIENCE), Backend::best());
    settings.events = Events::All;
    let session = Session::open(&settings).expect("opens");
    session.start().expect("starts");
    let mut seen = Vec::new();
    while !session.exhausted() {
        seen.extend(session.next(LONG).expect("no failure").map(|(_, row)| (row.seq, row.status)));
    }
    let left = |seq| (seq, Status::Open);
    assert_eq!(
        seen,
        [left(1), (1, Status::Reply), left(2), (2, Status::Timeout), left(3), (3, Status::Reply)],
    );
    drop(keep);
    peer.join().expect("the peer is well");
}

#[test]
fn messages_of_other_programs_are_sent_and_matched() {
    for message in ["{seq} {time}", "Ping {seq} {ctime}", "PING {seq} {ms}\r\n", "hello {seq}"] {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let port = server.local_addr().expect("bound").port();
        let echo = thread::spawn(move || {
            let mut buffer = [0; 100];
            for _ in 0..2 {
                let (length, from) = server.recv_from(&mut buffer).expect("a ping");
                server.send_to(&buffer[..length].to_ascii_uppercase(), from).expect("sent");
            }
        });
        let options = Options {
            count: Some(2),
            timeout: 5.0,
            codec: Arc::new(message.parse::<TextLine>().expect("a message")),
            first_seq: 0,
            ..Options::default()
        };
        let settings = settings(&[("127.0.0.1", port)], Plan::new(options).expect("valid"), Backend::best());
        let session = Session::open(&settings).expect("opens");
        session.start().expect("starts");
        assert!(session.wait(LONG).expect("no failure"));
        session.look(|lanes| {
            let rows = lanes[0].pinger.rows();
            assert_eq!((rows.len(), rows.first_seq()), (2, 0));
            for index in 0..2 {
                assert_ne!(rows.get(index).reply.expect(message).matched, Match::Unverified, "{message}");
            }
        });
        echo.join().expect("the peer is well");
    }
}
