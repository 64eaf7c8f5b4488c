//! Speed of the pure core, without any socket: `cargo bench`.
//!
//! Each figure is one call, or one run where the name says so. No system call and no thread is in any of them: what
//! a server or pinger achieves on a real socket is less, and has to be measured there.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use udpping::logic::Moment;
use udpping::logic::codec::{self, Codec as _, heartbeat::Heartbeat};
use udpping::logic::echo::{Echo, EchoPlan};
use udpping::logic::link::{DelayQueue, LinkPlan, Scope};
use udpping::logic::monitor::{Monitor, MonitorPlan};
use udpping::logic::ping::{Options, Pinger, Plan};
use udpping::logic::random::{Direction, Effect, Seed, Uniforms};
use udpping::logic::record::{Match, Rows, Source};
use udpping::sim::ping::{EchoPeer, Run};

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 12_000);
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
const WALL: i64 = 1_700_000_000_250_000_000;
const NOW: Moment = Moment { mono: 0, wall: WALL };
const PING: &[u8] = b"Ping 43 1700000000.25";
/// Calls timed together: one alone is no longer than the clock's own step.
const CALLS: u32 = 1_000;

fn main() {
    divan::main();
}

/// A server as its texts describe it; always the same seed.
fn echo(loss: &str, delay: &str, reply: &str) -> Echo {
    let wrong = "the texts of a benchmark are right";
    let (loss, delay) = (loss.parse().expect(wrong), delay.parse().expect(wrong));
    let link = LinkPlan { scope: Some(Scope::Client), ..LinkPlan::new(loss, delay, Seed::from(42_u64)) };
    Echo::new(&EchoPlan::new(link, reply.parse().expect(wrong), false))
}

/// One datagram decided on, from a client that is known: loss, delay, reply.
#[divan::bench(sample_size = CALLS, args = [
    ("0", "0", "upper"),
    ("0", "0", "same"),
    ("4/11", "0", "upper"),
    ("randint:0,10,4", "0", "upper"),
    ("pattern:.xx.", "0", "upper"),
    ("0", "uniform:0ms,200ms", "upper"),
    ("0", "exponential:100ms", "upper"),
    ("0", "0", "{seq} {diff:.6f}"),
])]
fn decide(bencher: Bencher<'_, '_>, (loss, delay, reply): (&str, &str, &str)) {
    let (mut echo, mut out) = (echo(loss, delay, reply), Vec::with_capacity(2_048));
    echo.decide(CLIENT, NOW, PING, &mut out);
    bencher.bench_local(|| echo.decide(CLIENT, NOW, black_box(PING), &mut out));
}

/// The same for larger datagrams: here copying and upper-casing count.
#[divan::bench(sample_size = CALLS, args = [64, 1_472, 65_507])]
fn decide_bytes(bencher: Bencher<'_, '_>, size: usize) {
    let (mut echo, mut out) = (echo("0", "0", "upper"), Vec::with_capacity(size));
    let mut message = Vec::new();
    codec::TextLine::default().write(43, WALL, Some(size), &mut message);
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| echo.decide(CLIENT, NOW, black_box(&message), &mut out));
}

/// The same with so many clients in turn: the table of clients is looked up, and no longer fits a cache.
#[divan::bench(sample_size = CALLS, args = [1, 1_000, 60_000])]
fn decide_clients(bencher: Bencher<'_, '_>, clients: u16) {
    let (mut echo, mut out) = (echo("4/11", "0", "upper"), Vec::with_capacity(2_048));
    let mut port = 0;
    bencher.bench_local(|| {
        port = (port + 1) % clients;
        echo.decide((Ipv4Addr::LOCALHOST, port).into(), NOW, black_box(PING), &mut out)
    });
}

/// A delayed reply put into the queue and the earliest one taken out, with so many waiting.
#[divan::bench(sample_size = CALLS, args = [1, 1_000, 60_000])]
fn held(bencher: Bencher<'_, '_>, waiting: i64) {
    let mut held = DelayQueue::new();
    let uniforms = Uniforms::new(42);
    let mut order = 0;
    let mut push = |held: &mut DelayQueue<u64>, now: i64| {
        order += 1;
        let delay = uniforms.draw(Direction::Down, 0, Effect::DELAY, order) % 200_000_000;
        held.try_push(now + i64::try_from(delay).unwrap_or(0), 21, order)
    };
    (0..waiting).for_each(|_| assert!(push(&mut held, 0).is_ok()));
    bencher.bench_local(|| {
        let now = held.next_due().unwrap_or(0);
        let out = held.pop_due(now);
        (out, push(&mut held, now))
    });
}

/// 64 uniform bits for one packet.
#[divan::bench(sample_size = CALLS)]
fn uniform(bencher: Bencher<'_, '_>) {
    let (uniforms, mut index) = (Uniforms::new(42), 0);
    bencher.bench_local(|| {
        index += 1;
        uniforms.draw(Direction::Up, 7, Effect::LOSS, black_box(index))
    });
}

/// The sequence number read in an answer.
#[divan::bench(sample_size = CALLS, args = [
    "PING 43 1700000000.25",
    "Seq: 8, Time Difference: 0.000123 seconds",
    "{\"seq_num\": 16, \"timestamp\": 1700000000000}",
    "pong",
])]
fn read_seq(answer: &str) -> Option<u64> {
    codec::read_seq(black_box(answer.as_bytes()))
}

/// A heartbeat read, as our own sender writes it and as others do.
#[divan::bench(sample_size = CALLS, args = [
    "Heartbeat 17 1700000000.250001 id=web1 session=9f3ac0d1e5b47a26 boot=4 interval=1 mono=16.000214 ack=16",
    "Heartbeat 17 1700000000.250001 id=web1 session=9f3ac0d1e5b47a26 boot=4 interval=1 mono=16.000214 ack=16 key=ops \
     mac=00112233445566778899aabbccddeeff",
    "Heartbeat 43 1700000000.25",
    "Ping 5 Fri Sep 20 13:12:19 2024",
    "{\"seq_num\": 16, \"timestamp\": 1700000000000}",
    "hello world",
])]
fn heartbeat_read(line: &str) -> bool {
    Heartbeat::read(black_box(line.as_bytes())).is_ok()
}

/// Heartbeats of so many clients, each heard so often before, 64 at a time as a receive brings them; the time is that of
/// one. Which clients come together is anybody's guess.
#[divan::bench(sample_size = 1_000, sample_count = 30, args = [
    ("fixed:3", 1_000, 2), ("fixed:3", 100_000, 2), ("calibrated", 100_000, 2), ("calibrated", 100_000, 40),
    ("calibrated", 1_000, 1_000), ("fixed:3", 1_000_000, 2),
])]
fn hear(bencher: Bencher<'_, '_>, (detector, clients, before): (&str, u32, u32)) {
    const AT_ONCE: u32 = 64;
    let mut plan = MonitorPlan::new(detector.parse().expect("a detector"));
    (plan.max_clients, plan.per_prefix) = (10_000_000, 10_000_000);
    let mut monitor = Monitor::new(plan, Moment::default());
    let mut said = 0;
    let mut letters = move || {
        let letters = (said..said + AT_ONCE).map(|number| {
            // A stride that has no factor in common with how many there are.
            let (client, seq) =
                (u64::from(number % clients) * 7_919 % u64::from(clients), number / clients + 1);
            let line = format!(
                "Heartbeat {seq} {}.5 id=c{client} session={client:x} interval=1 mono={seq}.5",
                1_700_000_000 + seq
            );
            (Moment { mono: i64::from(seq) * 1_000_000_000, wall: 0 }, line)
        });
        said += AT_ONCE;
        letters.collect::<Vec<_>>()
    };
    let hear = |monitor: &mut Monitor, letters: &Vec<(Moment, String)>| {
        let now = letters[0].0;
        let said = letters.iter().map(|(_, line)| (CLIENT, line.as_bytes()));
        monitor.hear_all(now, said, |_, _| {});
        monitor.events().count()
    };
    let mut heard = 0;
    while heard < clients * before {
        hear(&mut monitor, &letters());
        heard += AT_ONCE;
        if heard % (64 * AT_ONCE) == 0 {
            let (now, _) = letters()[0];
            monitor.wake(now, None);
        }
    }
    bencher
        .counter(ItemsCount::new(AT_ONCE))
        .with_inputs(letters)
        .bench_local_refs(|letters| hear(&mut monitor, letters));
}

/// The message of a ping written: `Ping 43 1700000000.25`, the time as Python prints it.
#[divan::bench(sample_size = CALLS)]
fn write_ping(bencher: Bencher<'_, '_>) {
    let mut out = Vec::with_capacity(64);
    let message = codec::TextLine::default();
    bencher.bench_local(|| {
        out.clear();
        message.write(black_box(43), black_box(WALL), None, &mut out);
    });
}

/// A whole run in virtual time: pinger, lossy server, rows and all, to the last timeout.
#[divan::bench(args = [10_000, 100_000], sample_count = 20, sample_size = 1)]
fn simulated_run(bencher: Bencher<'_, '_>, pings: i64) {
    bencher.counter(ItemsCount::new(pings.unsigned_abs())).bench(|| run(pings));
}

/// The summary of a run of a million rows; most of it is sorting the round trips.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn summary_of_a_million_rows(bencher: Bencher<'_, '_>) {
    let run = run(1_000_000);
    bencher.counter(ItemsCount::new(1_000_000_u64)).bench_local(|| run.pinger().summary());
}

/// A row put behind the others, its reply written down, and old ones forgotten: a run without an end, for each of its pings.
#[divan::bench(sample_size = 100_000, sample_count = 20)]
fn endless_row(bencher: Bencher<'_, '_>) {
    let mut rows = Rows::new(1);
    bencher.bench_local(|| {
        put(&mut rows);
        rows.drop_front(rows.len().saturating_sub(65_536));
    });
}

/// Somebody looks at a million rows: what taking them costs, and then the next row, for which a chunk is copied.
#[divan::bench(args = ["taken", "next row"])]
fn look_at_rows(bencher: Bencher<'_, '_>, what: &str) {
    let mut rows = Rows::new(1);
    (0..1_000_000).for_each(|_| put(&mut rows));
    if what == "taken" {
        bencher.bench_local(|| rows.clone());
    } else {
        let looks = rows.clone();
        bencher.with_inputs(|| looks.clone()).bench_local_values(|mut rows| put(&mut rows));
    }
}

fn put(rows: &mut Rows) {
    rows.push(WALL, WALL, WALL);
    let index = rows.len() - 1;
    rows.set_reply(index, Source::Peer(SERVER), Match::Seq, None, PING);
    let (chunk, at) = rows.place_mut(index);
    chunk.copies[at] = 1;
}

fn run(pings: i64) -> Run {
    let options = Options { count: Some(pings), ..Options::default() };
    let plan = Plan::new(options).expect("a plan that can be used");
    let mut peer = EchoPeer::new(echo("4/11", "exponential:100ms", "upper"), SERVER);
    let mut run = Run::new(Pinger::new(plan, SERVER, true));
    while !run.advance(&mut peer, 10_000) {}
    run
}
