//! The monitor with very many clients: whatever they send, its verdicts stay right and its memory bounded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use udpping::logic::codec::heartbeat::{Form, Heartbeat};
use udpping::logic::heartbeat::{Beat, HeartbeatPlan, Options, Sender};
use udpping::logic::monitor::{Monitor, MonitorPlan, State};
use udpping::logic::{Moment, SECOND};
use udpping::net::datagram::PktInfo;
use udpping::net::monitor::{Settings, Watcher};
use udpping::net::socket::{Backend, IpOptions, Socket};

/// A deterministic random number generator: xorshift64 (Marsaglia 2003).
pub(crate) struct Random(u64);

impl Random {
    /// A seed of 0 would stay 0.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A million datagrams: random bytes, heartbeats of every form, and those with bytes changed, cut, put in or taken out.
#[test]
fn a_million_datagrams_of_any_kind_break_nothing() {
    let mut plan = MonitorPlan::new("calibrated".parse().expect("a detector"));
    (plan.max_clients, plan.answer, plan.losses) = (500, true, true);
    let mut monitor = Monitor::new(plan, Moment::default());
    // `make soak` sets another seed for each round.
    let seed = std::env::var("SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(42_u64);
    println!("the seed is {seed}");
    let mut random = Random::new(seed);
    let (mut now, mut answer, mut datagram) = (Moment::default(), Vec::new(), Vec::new());
    let seeds: [&[u8]; 8] = [
        b"Heartbeat 17 1700000000.25 id=web1 session=9f3ac0d1e5b47a26 interval=1 mono=16.000214 ack=3 bye=0",
        b"Heartbeat 18 1700000001.25 id=web1 session=9f3ac0d1e5b47a26 boot=3 interval=0.5 key=ops \
          mac=00112233445566778899aabbccddeeff",
        b"Heartbeat 1 1700000000.0",
        b"Ping 5 Fri Sep 20 13:12:19 2024",
        b"1,2022-03-22 19:01:21.995",
        b"{\"seq_num\": 16, \"timestamp\": 1700000000000}",
        b"1|1700000000123456789",
        b"PyHB",
    ];
    let mut most = 0;
    for round in 0_u64..1_000_000 {
        datagram.clear();
        if random.below(10) == 0 {
            let length = random.below(120);
            datagram.extend((0..length).map(|_| u8::try_from(random.below(256)).unwrap_or(0)));
        } else {
            let seed = seeds[usize::try_from(random.below(8)).unwrap_or(0)];
            datagram.extend_from_slice(seed);
            for _ in 0..random.below(4) {
                let byte = [b' ', b'9', b'-', b'=', b'.', b'e', 0, 255]
                    [usize::try_from(random.below(8)).unwrap_or(0)];
                let place = usize::try_from(random.below(datagram.len() as u64 + 1)).unwrap_or(0);
                match random.below(4) {
                    0 => datagram.insert(place, byte),
                    1 => datagram.truncate(place),
                    _ => datagram.iter_mut().skip(place).take(1).for_each(|old| *old = byte),
                }
            }
        }
        // Time advances at random; now and then the wall clock steps.
        now.mono += i64::try_from(random.below(2_000_000)).unwrap_or(0);
        now.wall = if random.below(100_000) == 0 { i64::MIN / 2 } else { now.mono };
        let source = SocketAddr::from(([10, 0, u8::try_from(random.below(256)).unwrap_or(0), 1], 4_000));
        monitor.hear(now, source, &datagram, &mut answer);
        assert!(answer.len() <= datagram.len(), "{datagram:?}");
        if round % 64 == 0 {
            monitor.wake(now, Some(round / 50_000));
        }
        most = most.max(monitor.events().count());
        assert!(monitor.clients() <= 500);
    }
    let counters = monitor.counters();
    assert_eq!(counters.received, 1_000_000);
    assert!(counters.unreadable > 50_000 && counters.unreadable < 900_000, "{counters:?}");
    assert!(monitor.unread().count() <= 16 && monitor.unread().all(|unread| unread.datagram.len() <= 200));
    assert!(most <= 20_000, "{most} events at once");
    for row in monitor.peers(now) {
        assert!(row.client.len() <= 64 && row.counts.received > 0, "{row:?}");
    }
}

proptest! {
    /// No numbers, times or intervals of heartbeats make the arithmetic overflow.
    #[test]
    fn any_heartbeats_at_any_time(beats in prop::collection::vec((any::<u64>(), any::<i64>(), any::<i64>(), any::<u8>(), any::<i64>()), 1..60)) {
        let mut monitor = Monitor::new(MonitorPlan::new("calibrated".parse().expect("a detector")), Moment::default());
        let mut now = Moment::default();
        for (seq, wall, mono, kind, later) in beats {
            let mut line = Vec::new();
            let interval = Some(if kind & 1 == 0 { 1_000_000 } else { 86_400 * SECOND });
            let beat = Heartbeat {
                seq: Some(seq),
                wall_ns: Some(wall),
                id: Some("web1").filter(|_| kind & 2 == 0),
                session: Some(u64::from(kind >> 6)),
                interval: interval.filter(|_| kind & 4 == 0),
                mono: Some(mono.saturating_abs()).filter(|_| kind & 8 == 0),
                bye: Some(3).filter(|_| kind & 0b11_0000 == 0b11_0000),
                ..Heartbeat::default()
            };
            beat.write(if kind & 16 == 0 { Form::Full } else { Form::Lab3 }, None, &mut line);
            now.mono = now.mono.saturating_add(later.saturating_abs() % (100 * 86_400 * SECOND));
            now.wall = later;
            monitor.hear(now, "127.0.0.1:9".parse().expect("an address"), &line, &mut Vec::new());
            monitor.wake(now, None);
            prop_assert!(monitor.next_deadline().is_none_or(|at| at > now.mono));
            prop_assert!(monitor.peers(now).count() <= 2);
        }
    }
}

/// A hundred thousand clients from as many addresses of 127.0.0.0/8: those that stop are down, and no others.
#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_clients_are_distinguished() {
    // On a machine too busy to send a round in time, the clients really are silent for too long.
    assert!(
        [4, 8, 16, 32, 64, 128].into_iter().any(clients_are_distinguished),
        "too slow to send all heartbeats every 128 s"
    );
}

/// `false`: this machine did not send in time, so the test proves nothing.
#[cfg(target_os = "linux")]
fn clients_are_distinguished(interval: u32) -> bool {
    const CLIENTS: usize = 100_000;
    const ROUNDS: u32 = 6;
    let mut plan = MonitorPlan::new("fixed:3".parse().expect("a detector"));
    (plan.max_clients, plan.burst, plan.idle) = (CLIENTS, Some(usize::MAX), 0);
    let settings = Settings {
        host: "127.0.0.1".into(),
        port: 0,
        port_tries: 1,
        plan,
        state: None,
        log: None,
        witness: None,
        backend: Backend::best(),
    };
    let watcher = Watcher::bind(settings).expect("a monitor");
    watcher.start().expect("a thread");
    let socket =
        Socket::toward(watcher.address(), None, IpOptions::default(), Backend::best()).expect("a socket");
    let mut senders: Vec<(Sender, IpAddr)> = (0..CLIENTS)
        .map(|client| {
            let [_, a, b, c] = u32::try_from(client + 2).expect("few").to_be_bytes();
            let options = Options {
                interval: interval.into(),
                id: format!("client{client}"),
                session: client as u64,
                ..Options::default()
            };
            let mut sender = Sender::new(HeartbeatPlan::new(options).expect("a sender"));
            sender.begin(0);
            (sender, Ipv4Addr::new(127, 1 + a, b, c).into())
        })
        .collect();
    let is_gone = |client: usize, round: u32| client % 10 == 3 && round >= 3;
    let period = Duration::from_secs(interval.into());
    let (began, mut sent, mut last_round) = (Instant::now(), 0, Instant::now());
    // Events are taken as they occur: the queue does not keep them all.
    let mut verdicts = 0;
    let count = |verdicts: &mut usize| {
        while let Some(event) = watcher.next(Duration::ZERO).expect("a monitor that watches") {
            *verdicts += usize::from(event.kind.as_str() == "down");
        }
    };
    for round in 0..ROUNDS {
        while began.elapsed() < period * round {
            std::thread::sleep(Duration::from_millis(10));
        }
        let this_round = Instant::now();
        for (client, (sender, ip)) in
            senders.iter_mut().enumerate().filter(|(client, _)| !is_gone(*client, round))
        {
            let mono = i64::from(round * interval) * SECOND;
            let mut line = Vec::new();
            assert_eq!(sender.beat(Moment { mono, wall: mono }, &mut line), Beat::Send, "{client}");
            socket.send(&line, watcher.address(), Some(PktInfo { ip: *ip, interface: 0 })).expect("loopback");
            sender.sent(mono);
            sent += 1;
            // Waits for the monitor, so that the receive buffer does not overflow.
            if sent % 1_000 == 0 {
                count(&mut verdicts);
            }
            while sent % 100 == 0 && watcher.totals().counters.received + 200 < sent {
                std::thread::yield_now();
            }
        }
        if last_round.elapsed() > period * 5 / 2 {
            return false;
        }
        last_round = this_round;
    }
    // A stopped client is down after three intervals, and the others are not, as long as they are not too late themselves.
    while verdicts < CLIENTS / 10 || watcher.totals().counters.received < sent {
        if last_round.elapsed() > period * 2 {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
        count(&mut verdicts);
    }
    let rows = watcher.peers();
    watcher.stop();
    count(&mut verdicts);
    if last_round.elapsed() > period * 5 / 2 {
        return false;
    }
    let (totals, missed) = (watcher.totals(), watcher.missed_events());
    assert_eq!((rows.len(), totals.counters.received, totals.counters.kernel_drops), (CLIENTS, sent, 0));
    for row in rows {
        let client: usize = row.client["client".len()..].parse().expect("a number");
        let gone = is_gone(client, ROUNDS - 1);
        assert_eq!(row.state == State::Down, gone, "{row:?}");
        assert_eq!((row.counts.received, row.counts.lost), (if gone { 3 } else { 6 }, 0), "{row:?}");
    }
    assert_eq!((verdicts, missed, totals.counters.isolated), (CLIENTS / 10, 0, false));
    true
}
