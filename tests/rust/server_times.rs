//! A server that tells its times, in virtual time: what is said of a lost ping is what became of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use proptest::prelude::*;
use udpping::logic::codec::{TextLine, TimedLine};
use udpping::logic::echo::{Arriving, Echo, EchoPlan, Held};
use udpping::logic::link::{Impairments, LinkPlan, Loss};
use udpping::logic::ping::{Options, Pinger, Plan};
use udpping::logic::random::{Direction, Seed};
use udpping::logic::record::{LostOn, Rows};
use udpping::logic::stats::FarEnd;
use udpping::logic::{Moment, Nanos};
use udpping::sim::EPOCH;
use udpping::sim::ping::{Peer, Run};

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 12_000);
const MILLISECOND: Nanos = 1_000_000;

/// A server that is replaced by a new one at some request, and what the link did to each.
struct Far {
    echo: Echo,
    plan: EchoPlan,
    arriving: Arriving<Held>,
    restart: usize,
    arrived: Vec<bool>,
    reply: Vec<u8>,
}

impl Far {
    fn new(plan: EchoPlan, restart: usize) -> Self {
        let echo = Echo::new(&plan);
        Self { echo, plan, arriving: Arriving::new(), restart, arrived: Vec::new(), reply: Vec::new() }
    }
}

impl Peer for Far {
    fn receive(&mut self, now: Nanos, datagram: &[u8], answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        if self.arrived.len() == self.restart {
            self.echo = Echo::new(&self.plan);
            self.arriving = Arriving::new();
        }
        let moment = Moment { mono: now, wall: EPOCH + now };
        let fate = self.echo.decide(CLIENT, moment, datagram, &mut self.reply);
        self.arrived.push(fate.dropped != Some(Direction::Up) && fate.up.is_none());
        if fate.way_down.is_some() {
            return self.echo.hold(&mut self.arriving, CLIENT, moment, datagram, &fate);
        }
        for delivery in &*fate.deliveries {
            answer(delivery.at, SERVER, self.reply.clone());
        }
    }

    fn next_due(&self) -> Option<Nanos> {
        self.arriving.next_due()
    }

    fn wake(&mut self, now: Nanos, answer: &mut dyn FnMut(Nanos, SocketAddr, Vec<u8>)) {
        while let Some((deliveries, held)) = self.echo.settle(&mut self.arriving, now) {
            let moment = Moment { mono: now, wall: EPOCH + now };
            let reply = self.echo.release(CLIENT, held, moment).expect("it replies");
            for delivery in &*deliveries {
                answer(delivery.at, SERVER, reply.clone());
            }
        }
    }
}

/// Pings through a link; the rows, and which pings arrived.
fn pinged(up: &str, down: &str, reply: &str, seed: u64, count: i64, restart: usize) -> (Rows, Vec<bool>) {
    let way = |text: &str| text.parse::<Impairments>().expect("a link");
    let link =
        LinkPlan::between(way(up), way(down), Loss::NONE, "0".parse().expect("a delay"), Seed::from(seed));
    let plan = EchoPlan::new(link.expect("a link"), reply.parse().expect("a reply"), true);
    let options = Options {
        count: Some(count),
        interval: Some(0.001),
        timeout: 0.1,
        codec: Arc::new(TimedLine::new(TextLine::default(), 5, 1)),
        ..Options::default()
    };
    let pinger = Pinger::new(Plan::new(options).expect("a plan"), SERVER, true);
    let (mut run, mut far) = (Run::new(pinger), Far::new(plan, restart));
    while !run.advance(&mut far, 10_000) {}
    (run.pinger().rows().clone(), far.arrived)
}

/// What is said of each ping without a reply, beside the truth; and whether a reply shows that pings overtook each other.
fn said(rows: &Rows, arrived: &[bool]) -> (Vec<(usize, LostOn, LostOn)>, bool) {
    let Some(far_end) = FarEnd::of(rows) else { return (Vec::new(), false) };
    let truth = |row: usize| if arrived[row] { LostOn::Down } else { LostOn::Up };
    let lost = (0..rows.len()).filter_map(|row| Some((row, far_end.lost_on[row]?, truth(row)))).collect();
    let windows = (0..rows.len()).filter_map(|row| {
        let (chunk, at) = rows.place(row);
        chunk.window(at).map(|window| (rows.seq(row), window))
    });
    let late = windows.filter(|(seq, window)| u64::from(window.highest) != *seq).count();
    (lost, late > 0)
}

#[test]
fn each_lost_ping_is_found_on_its_way() {
    let (rows, arrived) = pinged("loss=list:2,3,9", "loss=list:5,6,12", "upper", 1, 12, usize::MAX);
    let (lost, _) = said(&rows, &arrived);
    let (up, down, unknown) = (LostOn::Up, LostOn::Down, LostOn::Unknown);
    let wanted =
        [(1, up, up), (2, up, up), (4, down, down), (5, down, down), (8, up, up), (11, unknown, down)];
    assert_eq!(lost, wanted, "nobody knows of the last one");
    assert!((0..rows.len()).all(|row| rows.get(row).server.received.is_none_or(|at| at >= EPOCH)));
}

#[test]
fn long_runs_of_losses_are_known_by_their_number() {
    for (up, down, way) in [("loss=list:3", "", LostOn::Up), ("", "loss=list:3", LostOn::Down)] {
        let outage =
            |text: &str| if text.is_empty() { String::new() } else { "schedule=10ms-300ms".to_owned() };
        let (rows, arrived) = pinged(&outage(up), &outage(down), "upper", 1, 400, usize::MAX);
        let (lost, _) = said(&rows, &arrived);
        assert!(lost.len() >= 289, "{}", lost.len());
        assert!(lost.iter().all(|(_, said, truth)| *said == way && *truth == way), "{lost:?}");
    }
}

#[test]
fn a_restart_leaves_its_gap_unknown() {
    let (rows, arrived) = pinged("loss=list:6,14", "loss=list:8,9,10,16", "upper", 1, 20, 10);
    let (lost, _) = said(&rows, &arrived);
    let (up, down, unknown) = (LostOn::Up, LostOn::Down, LostOn::Unknown);
    // The link begins anew with the server: it loses its sixth, and the replies to the last three.
    let wanted = [(5, up, up), (7, unknown, down), (8, unknown, down), (9, unknown, down), (15, up, up)];
    assert_eq!(lost[..5], wanted);
    assert_eq!(lost[5..], [(17, unknown, down), (18, unknown, down), (19, unknown, down)]);
}

#[test]
fn both_ways_take_what_the_link_takes() {
    for (up, down, reply) in
        [("delay=40ms", "", "upper"), ("", "delay=30ms", "same"), ("delay=7ms", "delay=9ms", "pong")]
    {
        let (rows, _) = pinged(up, down, reply, 1, 20, usize::MAX);
        let (mut ways, far_end) = (Vec::new(), FarEnd::of(&rows).expect("times"));
        for row in 0..rows.len() {
            let server = rows.get(row).server;
            let (sent, rtt) = (rows.get(row).sent_wall, rows.get(row).rtt);
            let (received, left) = (server.received.expect("a time"), server.sent.expect("a time"));
            ways.push((received - sent, sent + rtt - left));
            let error = far_end.error[row];
            assert!(((received - sent) - far_end.up[row]).abs() <= error);
            assert!(((sent + rtt - left) - far_end.down[row]).abs() <= error);
        }
        let of = |text: &str| text.trim_start_matches("delay=").trim_end_matches("ms").parse().unwrap_or(0);
        let wanted = (of(up) * MILLISECOND, of(down) * MILLISECOND);
        assert!(ways.iter().all(|way| *way == wanted), "{ways:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Loss, copies, damage and overtaking on both ways, with any form of the reply: nothing wrong is said, and all is known but
    /// the end.
    #[test]
    fn what_is_said_is_the_truth(
        losses in (0..40_u32, 0..40_u32), copies in (0..30_u32, 0..30_u32), damage in (0..10_u32, 0..10_u32),
        reach in (prop_oneof![Just(0_i64), 5..50_i64], 0..90_i64),
        reply in prop_oneof![Just("upper"), Just("same"), Just("pong")],
        seed: u64, restart in prop_oneof![Just(usize::MAX), 50..150_usize],
    ) {
        let way = |loss: u32, copies: u32, damage: u32, reach: i64| format!(
            "loss={loss}%; duplicate={copies}%; corrupt={damage}%; delay=uniform:0ms,{reach}ms"
        );
        let up = way(losses.0, copies.0, damage.0, reach.0);
        let down = way(losses.1, copies.1, damage.1, reach.1);
        let (rows, arrived) = pinged(&up, &down, reply, seed, 300, restart);
        let (lost, overtaken) = said(&rows, &arrived);
        prop_assume!(reach.0 == 0 || overtaken);
        let answered = |row: &usize| rows.place(*row).0.window(*row).is_some();
        let end = (0..rows.len()).rev().find(answered).unwrap_or(0);
        for (row, said, truth) in lost {
            // A server that begins anew loses what was under way.
            let near_restart = restart < 300 && (restart.saturating_sub(128)..restart + 128).contains(&row);
            if said == LostOn::Unknown {
                prop_assert!(near_restart || row + 64 > end, "{} of {}", row, end);
            } else if !near_restart || truth == LostOn::Up {
                prop_assert_eq!(said, truth, "{}", row);
            }
        }
    }

    /// Pings that are overtaken by more than a window: nothing wrong is said.
    #[test]
    fn what_comes_too_late_for_the_window_is_not_called_lost(
        losses in (0..40_u32, 0..40_u32), copies in 0..30_u32, reach in 60..300_i64, seed: u64,
    ) {
        let up = format!("loss={}%; duplicate={copies}%; delay=uniform:0ms,{reach}ms", losses.0);
        let down = format!("loss={}%; delay=uniform:0ms,30ms", losses.1);
        let (rows, arrived) = pinged(&up, &down, "upper", seed, 600, usize::MAX);
        for (row, said, truth) in said(&rows, &arrived).0 {
            prop_assert!(said == truth || said == LostOn::Unknown, "{row}: {said:?}");
        }
    }
}
