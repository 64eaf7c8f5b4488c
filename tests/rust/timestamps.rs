//! Kernel timestamps: how the pinger uses them in virtual time, and that the kernel reports them on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use udpping::logic::ping::{Action, Options, Pinger, Plan};
use udpping::logic::record::{Row, Status, TimeSource};
use udpping::logic::{Arrival, Moment};
use udpping::net::datagram::Timestamping;
use udpping::net::ping::{Session, Settings, Target};
use udpping::net::socket::Backend;

use crate::patiently;

const TARGET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 12_000);
const US: i64 = 1_000;
const MS: i64 = 1_000_000;
/// The wall clock when the run begins.
const EPOCH: i64 = 1_700_000_000 * 1_000 * MS;
/// The longest that a reply waits for the timestamp of its ping.
const PATIENCE: i64 = 10 * MS;

/// A pinger with kernel timestamps, and the rows that it has reported as changed.
struct Bench {
    pinger: Pinger,
    changed: Vec<Row>,
}

impl Bench {
    fn new(count: Option<i64>) -> Self {
        let options = Options { count, timeout: 1.0, linger: Some(0.0), ..Options::default() };
        let mut pinger = Pinger::new(Plan::new(options).expect("valid"), TARGET, true);
        pinger.expect_stamps();
        Self { pinger, changed: Vec::new() }
    }

    fn watch<T>(&mut self, work: impl FnOnce(&mut Pinger, &mut dyn FnMut(u64)) -> T) -> T {
        let mut changed = Vec::new();
        let result = work(&mut self.pinger, &mut |seq| changed.push(seq));
        let rows = self.pinger.rows();
        self.changed.extend(changed.into_iter().map(|seq| rows.get(rows.index(seq).expect("kept"))));
        result
    }

    fn poll(&mut self, now: i64) -> Action {
        self.watch(|pinger, changed| pinger.poll(now, changed))
    }

    fn send(&mut self, now: i64) -> u64 {
        let Action::Send(seq) = self.poll(now) else { panic!("a ping is due") };
        self.pinger.sent(now, EPOCH + now);
        seq
    }

    fn timestamp(&mut self, seq: u64, at: i64) {
        self.watch(|pinger, changed| pinger.stamped(seq, EPOCH + at, changed));
    }

    /// A reply received at `at` with the kernel timestamp `stamp`, by a wall clock that was set by `step` since.
    fn reply(&mut self, seq: u64, at: i64, stamp: i64, step: i64) {
        let row = self.pinger.rows().get(self.pinger.rows().index(seq).expect("kept"));
        let mut bytes = Vec::new();
        self.pinger.write(seq, row.sent_wall, &mut bytes);
        let at = Moment { mono: at, wall: EPOCH + at + step };
        let arrival = Arrival { at, kernel: Some(EPOCH + stamp + step), ..Arrival::default() };
        self.watch(|pinger, changed| pinger.receive(TARGET, &bytes, &arrival, changed));
    }

    fn changed(&self) -> Vec<(i64, i64, TimeSource)> {
        let timed = |row: &Row| (row.rtt / US, row.user_rtt / US, row.reply.as_ref().expect("a reply").stamp);
        self.changed.iter().map(timed).collect()
    }
}

#[test]
fn a_timestamp_before_the_reply_is_used_at_once() {
    let mut bench = Bench::new(Some(1));
    let seq = bench.send(0);
    bench.timestamp(seq, 10 * US);
    bench.reply(seq, 60 * US, 40 * US, 0);
    assert_eq!(bench.changed(), [(30, 60, TimeSource::Kernel)]);
    assert_eq!(bench.poll(60 * US), Action::Done);
    let summary = bench.pinger.summary();
    assert_eq!((summary.kernel_stamps, summary.clock_steps), (1, 0));
    assert_eq!(summary.rtt.expect("one").max, 30 * US);
}

#[test]
fn a_timestamp_after_the_reply_changes_the_row_and_delays_no_ping() {
    let mut bench = Bench::new(Some(2));
    let first = bench.send(0);
    bench.reply(first, 60 * US, 40 * US, 0);
    assert_eq!(bench.changed(), [], "its row may become better");
    assert_eq!(bench.pinger.summary().rtt.expect("counted as it stands").max, 40 * US);
    let second = bench.send(60 * US);
    bench.timestamp(second, 70 * US);
    bench.timestamp(first, 10 * US);
    assert_eq!(bench.changed(), [(30, 60, TimeSource::Kernel)], "one change");
    bench.reply(second, 120 * US, 100 * US, 0);
    assert_eq!(bench.poll(120 * US), Action::Done);
    let rtt = bench.pinger.summary().rtt.expect("two");
    assert_eq!((rtt.min, rtt.max), (30 * US, 30 * US), "the first is not counted with its first value");
}

#[test]
fn a_missing_timestamp_is_waited_for_briefly_also_at_the_end() {
    let mut bench = Bench::new(Some(1));
    let seq = bench.send(0);
    bench.reply(seq, 60 * US, 40 * US, 0);
    assert_eq!(bench.poll(60 * US), Action::Wait(60 * US + PATIENCE));
    assert_eq!(bench.poll(60 * US + PATIENCE), Action::Done);
    assert_eq!(bench.changed(), [(40, 60, TimeSource::KernelRx)]);
    assert_eq!(bench.pinger.summary().kernel_stamps, 0);
}

#[test]
fn without_timestamps_the_wait_ends_and_a_new_timestamp_restarts_it() {
    let mut bench = Bench::new(None);
    let mut now = 0;
    let mut waited = 0;
    for round in 0..20 {
        let seq = bench.send(now);
        bench.reply(seq, now + 60 * US, now + 40 * US, 0);
        waited += usize::from(bench.changed.len() == round);
        now += PATIENCE + MS;
        bench.poll(now);
        assert_eq!(bench.changed.len(), round + 1, "each row changes in the end");
    }
    assert_eq!(waited, 8);
    let seq = bench.send(now);
    bench.timestamp(seq, now + 10 * US);
    bench.reply(seq, now + 60 * US, now + 40 * US, 0);
    let seq = bench.send(now + 60 * US);
    bench.reply(seq, now + 120 * US, now + 100 * US, 0);
    assert_eq!(bench.changed.len(), 21, "the last one waits again");
    assert_eq!(bench.pinger.summary().received, 22);
}

#[test]
fn a_clock_that_is_set_while_a_ping_is_in_flight_is_flagged() {
    for step in [-3_600_000 * MS, 10 * MS, 3_600_000 * MS] {
        let mut bench = Bench::new(Some(2));
        let seq = bench.send(0);
        bench.timestamp(seq, 10 * US);
        bench.reply(seq, 60 * US, 40 * US, step);
        assert_eq!(bench.changed(), [(60, 60, TimeSource::Stepped)]);
        let summary = bench.pinger.summary();
        assert_eq!((summary.clock_steps, summary.kernel_stamps), (1, 0));
        assert_eq!(summary.rtt.expect("one").max, 60 * US);
    }
}

#[test]
fn one_clock_decides_what_is_late() {
    let mut bench = Bench::new(Some(1));
    let seq = bench.send(0);
    bench.timestamp(seq, 10 * US);
    // It arrived in time, but this program read it too late.
    bench.reply(seq, 1_001 * MS, 999 * MS, 0);
    let row = bench.changed.last().expect("a row");
    assert_eq!((row.status, row.rtt), (Status::Late, 999 * MS - 10 * US));
    assert_eq!(bench.pinger.summary().rtt, None);
}

fn run(settings: impl FnOnce(Settings) -> Settings) -> (Session, Vec<Row>) {
    const PINGS: i64 = 20;
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = server.local_addr().expect("bound").port();
    server.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let echo = thread::spawn(move || {
        let mut buffer = [0; 100];
        for _ in 0..PINGS {
            let (length, from) = patiently(|| server.recv_from(&mut buffer)).expect("a ping");
            server.send_to(&buffer[..length], from).expect("sent");
        }
    });
    let options = Options { count: Some(PINGS), timeout: 20.0, ..Options::default() };
    let plan = Plan::new(options).expect("valid");
    let settings = settings(Settings::new(vec![Target::new("127.0.0.1", port)], plan));
    let session = Session::open(&settings).expect("opens");
    session.start().expect("starts");
    assert!(session.wait(Duration::from_secs(30)).expect("no failure"));
    echo.join().expect("the server is well");
    let rows = session.look(|lanes| {
        let rows = lanes[0].pinger.rows();
        (0..rows.len()).map(|index| rows.get(index)).collect::<Vec<_>>()
    });
    assert!(rows.iter().all(|row| row.status == Status::Reply));
    (session, rows)
}

fn stamps(rows: &[Row]) -> impl Iterator<Item = TimeSource> {
    rows.iter().map(|row| row.reply.as_ref().expect("a reply").stamp)
}

/// Where the test of a socket finds kernel timestamps, rows have them; the clock may be set while this runs.
#[test]
fn rows_have_the_timestamps_that_the_test_of_the_socket_found() {
    for busy in [false, true] {
        let (session, rows) = run(|settings| Settings { busy, ..settings });
        let expected = match session.timestamping() {
            Timestamping::Both => TimeSource::Kernel,
            Timestamping::Receive => TimeSource::KernelRx,
            Timestamping::None => TimeSource::User,
        };
        assert!(stamps(&rows).filter(|stamp| *stamp == expected).count() > rows.len() / 2);
        assert!(rows.iter().all(|row| row.rtt <= row.user_rtt + 10 * US));
        let foreign = session.summary().foreign;
        assert_eq!(foreign.is_some(), !busy && Backend::best() == Backend::Full);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn fewer_timestamps_can_be_requested_and_the_portable_backend_has_those_of_receives() {
    let (session, rows) = run(|settings| Settings { timestamping: Timestamping::Receive, ..settings });
    if session.timestamping() == Timestamping::Receive {
        assert!(stamps(&rows).filter(|stamp| *stamp == TimeSource::KernelRx).count() > rows.len() / 2);
    }
    let (session, rows) = run(|settings| Settings { backend: Backend::Portable, ..settings });
    assert_eq!(session.timestamping(), Timestamping::Receive);
    assert!(stamps(&rows).filter(|stamp| *stamp == TimeSource::KernelRx).count() > rows.len() / 2);
    let (session, rows) = run(|settings| Settings { timestamping: Timestamping::None, ..settings });
    assert_eq!(session.timestamping(), Timestamping::None);
    assert!(stamps(&rows).all(|stamp| stamp == TimeSource::User));
    assert!(rows.iter().all(|row| row.rtt == row.user_rtt));
}
