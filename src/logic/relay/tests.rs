use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use proptest::prelude::*;

use super::*;
use crate::logic::link::{Damage, Delay, Loss};

fn client(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn plan(up: &str, down: &str) -> LinkPlan {
    let [up, down] = [up, down].map(|way| way.parse().unwrap());
    LinkPlan { up, down, ..LinkPlan::new(Loss::NONE, Delay::NONE, "1".parse().unwrap()) }
}

fn relay(up: &str, down: &str, most: usize) -> Relay<()> {
    Relay::new(plan(up, down), SECOND, most)
}

fn key(relay: &mut Relay<()>, port: u16, now: Nanos) -> Option<SessionKey> {
    relay.up(client(port), None, now, || ()).map(|mut lane| {
        lane.pass(Packet { at: now, len: 1 });
        lane.key
    })
}

fn expired(relay: &mut Relay<()>, now: Nanos) -> Vec<SessionKey> {
    let mut closed = Vec::new();
    relay.expire(now, |key| closed.push(key));
    closed
}

#[test]
fn a_client_keeps_its_key_and_an_old_key_is_nobodys() {
    let mut relay = relay("", "", 2);
    let first = key(&mut relay, 1, 0).unwrap();
    assert_eq!(key(&mut relay, 1, 0), Some(first));
    assert_eq!(relay.down(first).unwrap().client, client(1));
    assert!(expired(&mut relay, SECOND - 1).is_empty());
    assert_eq!(expired(&mut relay, SECOND), [first]);
    assert!(relay.down(first).is_none() && relay.clients() == 0);
    let second = key(&mut relay, 2, SECOND).unwrap();
    assert_eq!((second.slot, second.generation), (first.slot, 1));
    assert!(relay.down(first).is_none());
}

#[test]
fn a_flow_label_makes_no_other_client() {
    let mut relay = relay("", "", 9);
    let with = |flow, scope| SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, flow, scope).into();
    let mut of = |flow, scope| relay.up(with(flow, scope), None, 0, || ()).unwrap().key;
    assert_eq!(of(0, 1), of(7, 1));
    assert_ne!(of(0, 1), of(0, 2));
}

#[test]
fn each_address_of_the_relay_has_clients_of_its_own() {
    let mut relay = relay("loss=every:2", "", 9);
    let near = |last| Some(Ipv4Addr::new(127, 0, 1, last).into());
    let mut of = |last| {
        let mut lane = relay.up(client(1), near(last), 0, || ()).unwrap();
        (lane.key, lane.pass(Packet { at: 0, len: 1 }).passage.deliveries.is_empty())
    };
    let (first, second, again) = (of(1), of(2), of(1));
    assert_eq!(first.0, again.0);
    assert_ne!(first.0, second.0);
    // To the link they are the same: every other datagram of the client is lost.
    assert_eq!([first.1, second.1, again.1], [false, true, false]);
    assert_eq!((relay.clients(), expired(&mut relay, SECOND).len(), relay.clients()), (2, 2, 0));
}

#[test]
fn what_leaves_later_keeps_its_client() {
    let mut relay = relay("delay=10s", "", 9);
    let mut lane = relay.up(client(1), None, 0, || ()).unwrap();
    lane.pass(Packet { at: 0, len: 1 });
    let waiting = lane.key;
    let other = relay.up(client(2), None, 1, || ()).unwrap().key;
    assert_eq!(expired(&mut relay, 2 * SECOND), [other]);
    assert_eq!(relay.expire(2 * SECOND, |_| ()), Some(11 * SECOND));
    assert_eq!(expired(&mut relay, 11 * SECOND), [waiting]);
}

#[test]
fn a_client_that_was_never_answered_makes_room_and_one_that_was_does_not() {
    let mut relay = relay("", "", 3);
    let keys: Vec<_> = (1..=3).map(|port| key(&mut relay, port, 0).unwrap()).collect();
    relay.down(keys[0]).unwrap().pass(Packet { at: 1, len: 1 });
    let fourth = key(&mut relay, 4, 2).unwrap();
    assert_eq!(expired(&mut relay, 2), [keys[1]]);
    relay.down(fourth).unwrap();
    relay.down(keys[2]).unwrap();
    assert_eq!(key(&mut relay, 5, 3), None);
    assert_eq!((relay.refused(), relay.clients()), (1, 3));
    assert_eq!(key(&mut relay, 1, 3), Some(keys[0]));
}

#[test]
fn a_datagram_that_leaves_before_an_earlier_one_is_reordered_and_a_copy_is_not() {
    let mut relay = relay("delay=uniform:0ms,100ms; duplicate=50%", "", 9);
    let mut lane = relay.up(client(1), None, 0, || ()).unwrap();
    let (mut latest, mut seen) = (Nanos::MIN, 0);
    for at in 0..1_000 {
        let Relayed { passage, reordered } = lane.pass(Packet { at, len: 1 });
        let first = passage.deliveries[0].at;
        assert_eq!(reordered, first < latest);
        latest = latest.max(first);
        seen += u64::from(reordered);
    }
    assert!(seen > 100);
}

#[test]
fn directions_are_counted_and_drawn_apart_and_can_be_changed() {
    let mut relay = relay("loss=list:2", "loss=list:1", 9);
    let report = |relay: &Relay<()>| relay.shares().map(|way| way.first().map(|loss| (loss.hits, loss.of)));
    let mut lane = relay.up(client(1), None, 0, || ()).unwrap();
    let lost = |lane: &mut Lane<'_, ()>| lane.pass(Packet { at: 9, len: 1 }).passage.deliveries.is_empty();
    assert_eq!([(); 3].map(|()| lost(&mut lane)), [false, true, false]);
    let key = lane.key;
    let mut lane = relay.down(key).unwrap();
    assert_eq!([(); 2].map(|()| lost(&mut lane)), [true, false]);
    assert_eq!(report(&relay), [Some((1, 3)), Some((1, 2))]);
    relay.set(Direction::Down, &"loss=list:4".parse().unwrap());
    let mut lane = relay.down(key).unwrap();
    assert_eq!([(); 3].map(|()| lost(&mut lane)), [false, true, false]);
    assert_eq!(report(&relay), [Some((1, 3)), Some((1, 3))], "down was counted anew");
    relay.set(Direction::Up, &"delay=1ms".parse().unwrap());
    assert_eq!(report(&relay), [None, Some((1, 3))]);
    relay.block_until(10);
    let mut lane = relay.down(key).unwrap();
    assert!(lost(&mut lane));
    assert!(!lane.pass(Packet { at: 10, len: 1 }).passage.deliveries.is_empty());
}

proptest! {
    /// Each datagram, and each copy, is in one of the counters.
    #[test]
    fn the_counters_add_up(
        loss in prop::sample::select(vec!["0", "30%", "1"]),
        queue in 1..4_u32,
        fates in prop::collection::vec(prop::bool::ANY, 1..100),
    ) {
        let up = format!("loss={loss}; duplicate=50%,2; delay=uniform:0ms,9ms; corrupt=50%; rate=1Mbit/s; queue={queue}");
        let mut relay = relay(&up, "", 9);
        let mut counters = Counters::default();
        let mut lane = relay.up(client(1), None, 0, || ()).unwrap();
        for (number, sent) in fates.iter().enumerate() {
            let at = 1_000_000 * Nanos::try_from(number).unwrap();
            let relayed = lane.pass(Packet { at, len: 100 });
            counters.relayed(&relayed, at);
            for _ in &*relayed.passage.deliveries {
                match (number % 3, sent) {
                    (0, _) => {}
                    (_, true) => counters.sent(),
                    (_, false) => counters.failed(),
                }
            }
            prop_assert!(relayed.passage.deliveries.len() <= 3);
            prop_assert!(!relayed.passage.deliveries.is_empty() || relayed.passage.damage == Damage::NONE || queue < 4);
        }
        counters.refused();
        prop_assert_eq!(
            counters.received + counters.duplicated,
            counters.sent + counters.dropped + counters.queue_drops + counters.errors + counters.waiting
        );
    }

    /// The table never holds more than it may, and finds everybody that it knows.
    #[test]
    fn a_flood_of_clients_is_bounded(
        steps in prop::collection::vec((0..40_u16, prop::bool::ANY, 0..3_i64), 1..300),
    ) {
        let (mut relay, mut now) = (relay("", "", 8), 0);
        let mut known = std::collections::HashMap::new();
        for (port, answered, pause) in steps {
            now += pause * SECOND / 8;
            relay.expire(now, |key| known.retain(|_, other| *other != key));
            if let Some(key) = key(&mut relay, port, now) {
                // Whoever made room is told at the next turn.
                relay.expire(now, |closed| known.retain(|_, other| *other != closed));
                prop_assert!(known.insert(port, key).is_none_or(|before| before == key));
                if answered {
                    relay.down(key).unwrap().pass(Packet { at: now, len: 1 });
                }
            }
            prop_assert!(known.len() <= 8);
            prop_assert_eq!(relay.clients(), known.len() as u64);
            for (port, key) in &known {
                prop_assert!(relay.about(*key).is_some(), "{port}");
            }
        }
    }
}
