//! Frozen outputs, the vectors of the course, and that no effect and no client disturbs another.

mod bursts;
mod effects;
mod models;

use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;

use super::*;
use crate::logic::Nanos;
use crate::logic::random::Effect;

fn plan(loss: &str, delay: &str, seed: u64) -> LinkPlan {
    LinkPlan::new(loss.parse().unwrap(), delay.parse().unwrap(), Seed::from(seed))
}

/// The next request of a client, at time 0.
fn send(link: &mut Link, port: u16) -> Fate {
    link.round_trip(client(port), Packet { at: 0, len: 20 })
}

fn is_lost(fate: Fate) -> bool {
    fate.deliveries.is_empty()
}

/// When the reply arrives; 0 for none.
fn arrival(fate: Fate) -> Nanos {
    fate.deliveries.first().map_or(0, |delivery| delivery.at)
}

fn client(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The first packets of one client, `x` for a lost one.
fn losses(plan: LinkPlan, count: usize) -> String {
    let mut link = Link::new(plan);
    (0..count).map(|_| if is_lost(send(&mut link, 1)) { 'x' } else { '.' }).collect()
}

/// Published with version 0.1.0; a change here breaks every replayed run.
#[test]
fn the_uniforms_are_frozen() {
    use Direction::{Down, Up};
    let vectors = [
        (0, Up, 0, Effect::LOSS, 0, 0xe169_c58d_6627_e8d5),
        (0, Up, 0, Effect::LOSS, 1, 0x5cb2_00db_f8e4_cca4),
        (0, Up, 0, Effect::DELAY, 0, 0x1348_e23f_2dce_73e5),
        (0, Down, 0, Effect::LOSS, 0, 0x917b_936f_e607_3e71),
        (0, Down, 0, Effect::DELAY, 0, 0x5bd4_550e_0b33_e92c),
        (0, Up, 1, Effect::LOSS, 0, 0xf08d_6eaa_8445_15e1),
        (1, Up, 0, Effect::LOSS, 0, 0xe50a_0ebc_e3e8_0670),
        (42, Up, 0, Effect::LOSS, 0, 0x77f5_493b_9cea_f053),
        (42, Up, 0, Effect::LOSS, 1, 0x53ba_6cfd_fcdb_2127),
        (42, Down, 0, Effect::DELAY, 0, 0x152b_0c45_27c0_b588),
        (42, Up, 7, Effect::LOSS, 999, 0x95cb_8400_70f6_1f8b),
        (42, Up, 0, Effect::LOSS, 1 << 32, 0x7dbf_5de8_42e0_b8b3),
        (u64::MAX, Down, u32::MAX, Effect::DELAY, u64::MAX, 0x2162_2ac2_25e4_8b39),
        (0, Up, 0, Effect::STATE, 0, 0xadf5_a0db_dd2f_c514),
        (0, Up, 0, Effect::STATE, 1, 0x6466_48d3_ba98_ca8c),
        (0, Down, 0, Effect::STATE, 0, 0xa26f_9949_1a16_369c),
        (42, Up, 0, Effect::STATE, 0, 0x2ff5_bc57_53c0_fa72),
        (42, Up, 7, Effect::STATE, 999, 0xcd7d_78e5_15e7_43ce),
        (u64::MAX, Up, u32::MAX, Effect::STATE, u64::MAX, 0x80a0_5788_65a3_6705),
    ];
    for (seed, direction, client, effect, index, expected) in vectors {
        let drawn = Uniforms::new(Seed::from(seed).key()).draw(direction, client, effect, index);
        assert_eq!(drawn, expected, "{seed} {direction:?} {client} {effect:?} {index}");
    }
}

#[test]
fn the_losses_and_delays_of_a_seed_are_frozen() {
    assert_eq!(losses(plan("4/11", "0", 42), 40), ".x...x..x...x..xx..x.....x.x...xxx..x...");
    let mut link = Link::new(plan("0", "uniform:0ms,200ms", 42));
    let delays: Vec<_> = (0..4).map(|_| arrival(send(&mut link, 1))).collect();
    assert_eq!(delays, [16_537_621, 199_999_501, 175_172_546, 159_890_722]);
    let mut link = Link::new(plan("0", "exponential:100ms", 42));
    let delays: Vec<_> = (0..4).map(|_| arrival(send(&mut link, 1))).collect();
    assert_eq!(delays, [249_267_947, 250, 13_254_591, 22_382_678]);
}

/// Section 5 of the course's inventory, which comes from Python itself.
#[test]
fn randint_loses_what_python_loses() {
    let vectors = [
        (0, "..x........x.x.xx....x.xx....x.....x....", "..x..........x.xx....x.xx...x..........x"),
        (1, "x.x.x.....xx.x...x..x.x.xxx..x..x.x.x...", "x.x.x.....x.x...x....x.xxx.x...x........"),
        (42, ".xx.xxxx..x..xxxxx..x.x...x...xx...xx.xx", "xx...xx.x..xxx....x........xx...x..xx.x."),
        (123, "x.x..xx.....xxx...xxx.x..xx..xxx.xxx....", "x.x..xx.....xxx....xx.x..xx..xxxxxx....."),
    ];
    for (seed, four_of_eleven, three_of_ten) in vectors {
        assert_eq!(losses(plan("randint:0,10,4", "0", seed), 40), four_of_eleven, "seed {seed}");
        assert_eq!(losses(plan("randint:1,10,4", "0", seed), 40), three_of_ten, "seed {seed}");
    }
}

#[test]
fn randint_is_one_stream_for_all_clients_by_default() {
    let mut shared = Link::new(plan("randint:0,10,4", "0", 42));
    let mixed: String =
        (0..40).map(|at| if is_lost(send(&mut shared, at % 7)) { 'x' } else { '.' }).collect();
    assert_eq!(mixed, losses(plan("randint:0,10,4", "0", 42), 40));

    let own = LinkPlan { scope: Some(Scope::Client), ..plan("randint:0,10,4", "0", 42) };
    let mut link = Link::new(own);
    for alone in losses(plan("randint:0,10,4", "0", 42), 40).chars() {
        for port in 1..4 {
            assert_eq!(is_lost(send(&mut link, port)), alone == 'x');
        }
    }
}

#[test]
fn clients_and_packets_are_numbered() {
    let mut link = Link::new(plan("0", "0", 1));
    let seen: Vec<_> =
        [5, 5, 9, 5].map(|port| send(&mut link, port)).iter().map(|f| (f.client, f.number)).collect();
    assert_eq!(seen, [(0, 1), (0, 2), (1, 1), (0, 3)]);
    assert_eq!(link.clients(), 2);

    let mut link = Link::new(LinkPlan { scope: Some(Scope::Shared), ..plan("0", "0", 1) });
    let seen: Vec<_> =
        [5, 5, 9, 5].map(|port| send(&mut link, port)).iter().map(|f| (f.client, f.number)).collect();
    assert_eq!(seen, [(0, 1), (0, 2), (1, 3), (0, 4)]);
}

#[test]
fn a_queue_frees_the_memory_of_clients_that_come_no_more() {
    let up = "rate=1Mbit/s; queue=1000".parse().unwrap();
    let mut link = Link::new(LinkPlan { up, ..plan("0", "0", 1) });
    for port in 0..70 {
        // A second each, until the next one comes.
        let at = Nanos::from(port) * 1_000_000_000;
        let passed = (0..1_000)
            .filter(|_| !link.transmit(Direction::Up, client(port), Packet { at, len: 97 }).is_empty());
        assert_eq!(passed.count(), 1_000);
    }
    let kept: usize = link.clients.each().map(|state| state.streams[0].queue_capacity()).sum();
    assert!(kept < 7_000, "{kept}");
}

#[test]
fn a_shared_link_does_not_care_who_sends() {
    let shared = LinkPlan { scope: Some(Scope::Shared), ..plan("30%", "exponential:5ms", 3) };
    let (mut one, mut many) = (Link::new(shared.clone()), Link::new(shared));
    for at in 0..200 {
        let (alone, mixed) = (send(&mut one, 1), send(&mut many, at * 31 % 17));
        assert_eq!((alone.number, alone.deliveries), (mixed.number, mixed.deliveries));
    }
}

#[test]
fn in_the_scope_same_each_client_has_the_losses_of_the_first() {
    for (loss, delay) in [("30%", "exponential:5ms"), ("burst:20%,3", "0"), ("randint:0,10,4", "0")] {
        let plan = LinkPlan { scope: Some(Scope::Same), ..plan(loss, delay, 3) };
        let first: Vec<_> = {
            let mut link = Link::new(LinkPlan { scope: Some(Scope::Client), ..plan.clone() });
            (0..200).map(|_| send(&mut link, 1)).collect()
        };
        let mut link = Link::new(plan);
        for (at, alone) in first.iter().enumerate() {
            let early = send(&mut link, 7);
            assert_eq!((early.client, early.number, early.deliveries), (0, alone.number, alone.deliveries));
            if at >= 100 {
                let late = send(&mut link, 8);
                assert_eq!((late.client, late.number), (1, at as u64 - 99), "counted by itself");
                assert_eq!(late.deliveries, first[at - 100].deliveries, "{loss}, packet {}", at - 99);
            }
        }
    }
}

#[test]
fn each_direction_has_impairments_and_a_count_of_its_own() {
    let plan = LinkPlan {
        up: "loss=every:2; delay=1ns".parse().unwrap(),
        down: "loss=every:3; delay=20ns".parse().unwrap(),
        ..plan("0", "0", 1)
    };
    let mut link = Link::new(plan.clone());
    let arrivals: Vec<_> = (0..6).map(|_| arrival(send(&mut link, 1))).collect();
    assert_eq!(arrivals, [21, 0, 0, 0, 21, 0], "a reply has the number of its request");

    let mut link = Link::new(plan);
    let mut transmit = |direction| link.transmit(direction, client(1), Packet { at: 100, len: 20 });
    let up = [(); 3].map(|()| transmit(Direction::Up));
    assert_eq!(up, [Deliveries::one(101), Deliveries::dropped(Reason::Loss), Deliveries::one(101)]);
    let down = [(); 3].map(|()| transmit(Direction::Down));
    assert_eq!(down, [Deliveries::one(120), Deliveries::one(120), Deliveries::dropped(Reason::Loss)]);
}

#[test]
fn certain_and_impossible_loss_are_exact() {
    assert!(!losses(plan("0", "0", 5), 10_000).contains('x'));
    assert!(!losses(plan("1", "0", 5), 10_000).contains('.'));
    assert!(!losses(plan("100%", "0", 5), 10_000).contains('.'));
}

#[test]
fn the_share_of_lost_packets_is_the_one_asked_for() {
    // 200,000 packets at 4/11: six standard deviations are 1,291.
    let lost = losses(plan("4/11", "0", 2024), 200_000).matches('x').count();
    assert!(lost.abs_diff(200_000 * 4 / 11) < 1_300, "{lost}");
}

#[test]
fn lists_and_patterns_count_from_one() {
    let cases = [
        ("pattern:.xx.", ".xx..xx..xx."),
        ("every:4", "...x...x...x"),
        ("every:1", "xxxxxxxxxxxx"),
        ("list:7,3,3", "..x...x....."),
        ("list:", "............"),
        ("trace:.x..X", ".x..x......."),
        ("trace-repeat:.x..x", ".x..x.x..x.x"),
    ];
    for (loss, expected) in cases {
        assert_eq!(losses(plan(loss, "0", 1), 12), expected, "{loss}");
    }
}

#[test]
fn scope_is_read() {
    assert_eq!("client".parse(), Ok(Scope::Client));
    assert_eq!("shared".parse(), Ok(Scope::Shared));
    assert_eq!("same".parse(), Ok(Scope::Same));
    for scope in [Scope::Client, Scope::Same, Scope::Shared] {
        assert_eq!(scope.to_string().parse(), Ok(scope));
    }
    let refused = "both".parse::<Scope>().unwrap_err().to_string();
    assert!(
        refused.contains("\"both\"") && refused.contains("same") && refused.contains("shared"),
        "{refused}"
    );
    assert_eq!(plan("randint:0,10,4", "0", 1).scope(), Scope::Shared);
    assert_eq!(plan("0.5", "0", 1).scope(), Scope::Client);
}

fn any_loss() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "0.3",
        "4/11",
        "burst:30%,3",
        "gilbert-elliott:10%,25%,loss_good=5%,loss_bad=80%",
        "pattern:.xx.",
        "every:3",
        "list:2,9",
        "trace:xx.x",
        "randint:0,10,4",
    ])
}

fn any_delay() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["0", "50ms", "uniform:0ms,200ms", "exponential:100ms"])
}

proptest! {
    #[test]
    fn delay_never_changes_which_packets_are_lost(
        loss in any_loss(), delay in any_delay(), seed: u64, ports in prop::collection::vec(1_u16..5, 1..60),
    ) {
        let (mut plain, mut delayed) = (Link::new(plan(loss, "0", seed)), Link::new(plan(loss, delay, seed)));
        for port in ports {
            let (a, b) = (send(&mut plain, port), send(&mut delayed, port));
            prop_assert_eq!((a.client, a.number, is_lost(a)), (b.client, b.number, is_lost(b)));
        }
    }

    #[test]
    fn loss_never_changes_the_delay_of_what_is_left(
        loss in any_loss(), delay in any_delay(), seed: u64, count in 1..60,
    ) {
        // With one client, the scopes give the same packets.
        let (mut whole, mut lossy) = (Link::new(plan("0", delay, seed)), Link::new(plan(loss, delay, seed)));
        for _ in 0..count {
            let (a, b) = (send(&mut whole, 1), send(&mut lossy, 1));
            prop_assert_eq!(arrival(b), if is_lost(b) { 0 } else { arrival(a) });
        }
    }

    #[test]
    fn a_client_does_not_notice_the_others(
        loss in any_loss(), delay in any_delay(), seed: u64, others in prop::collection::vec(0..6_usize, 1..40),
    ) {
        let plan = LinkPlan { scope: Some(Scope::Client), ..plan(loss, delay, seed) };
        let (mut quiet, mut busy) = (Link::new(plan.clone()), Link::new(plan));
        // Both clients are known to both links in the same order: the index is part of the stream.
        prop_assert_eq!(send(&mut quiet, 1), send(&mut busy, 1));
        for count in others {
            for _ in 0..count {
                send(&mut busy, 2);
            }
            prop_assert_eq!(send(&mut quiet, 1), send(&mut busy, 1));
        }
        let late = send(&mut busy, 3);
        prop_assert!(late.number == 1);
    }

    #[test]
    fn a_run_repeats(loss in any_loss(), delay in any_delay(), seed: i64, ports in prop::collection::vec(1_u16..5, 1..60)) {
        let plan = LinkPlan { seed: Seed::from(seed), ..plan(loss, delay, 0) };
        let (mut first, mut again) = (Link::new(plan.clone()), Link::new(plan));
        for port in ports {
            prop_assert_eq!(send(&mut first, port), send(&mut again, port));
        }
    }
}
