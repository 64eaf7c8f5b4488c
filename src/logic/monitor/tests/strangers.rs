//! What strangers may cause without keys has bounds, and those who were calm are heard all the same.

use super::*;

/// A flood of heartbeats of made-up clients, each with two numbers, a restart and a goodbye.
fn flood(rig: &mut Rig, seconds: u64) {
    for number in 0..seconds * 2_000 {
        let (name, kind) = (number / 5, number % 5);
        let line = match kind {
            0..=2 => format!("Heartbeat {} 0 id=x{name} session=1 interval=0.001", kind + 1),
            3 => format!("Heartbeat 1 0 id=x{name} session=2 boot={number}"),
            _ => format!("Heartbeat 9 0 id=x{name} session=2 boot={} bye=1", number - 1),
        };
        rig.hear_from(&format!("198.51.{}.{}:5000", number % 7, number % 200), line.as_bytes());
        if number % 400 == 0 {
            rig.pass(TICK);
        }
    }
}

#[test]
fn a_flood_of_strangers_causes_few_events_and_those_of_real_clients_are_complete() {
    let mut rig = Rig::new(|plan| (plan.max_clients, plan.per_prefix) = (500, 100));
    rig.beats(LINE, 1..=100);
    let told = rig.kinds();
    assert_eq!(told, ["new", "up"]);
    flood(&mut rig, 60);
    let events: Vec<Event> = rig.monitor.events().collect();
    let notable = events.iter().filter(|event| event.is_notable()).count();
    assert!((10_000..10_000 + 15 * 60).contains(&notable), "{notable}");
    assert!(events.len() < 2 * 10_000 + 110 * 60 + 100, "{}", events.len());
    let down: Vec<_> = events.iter().filter(|event| event.client.as_deref() == Some("web1")).collect();
    assert_eq!(down.last().map(|event| event.kind), Some(Kind::Is(State::Down)), "{down:?}");
    // What is not reported is counted, and that is reported every ten seconds.
    let counters = rig.monitor.counters();
    let counted: i64 =
        events.iter().filter(|event| event.kind == Kind::Unreported).filter_map(|event| event.count).sum();
    assert!(counted > 10_000 && counters.unreported >= counted.unsigned_abs(), "{counted} {counters:?}");
    assert!((5..=8).contains(&events.iter().filter(|event| event.kind == Kind::Unreported).count()));
    assert!(
        events.iter().rfind(|event| event.kind == Kind::Unreported).unwrap().to_string().ends_with(
            " events of new or unstable clients were counted and not reported: there were too many"
        )
    );
}

#[test]
fn a_real_fleet_that_starts_at_once_is_reported_in_full() {
    // Half of `max_clients`, and 5,000 at least.
    for (max_clients, fleet) in [(5_000, 5_000_u32), (10_000, 5_000), (40_000, 20_000)] {
        let mut rig = Rig::new(|plan| plan.max_clients = max_clients);
        for seq in 1..=3 {
            for client in 0..fleet {
                let source = format!("10.0.{}.{}:5000", client / 250, client % 250);
                let line = format!("Heartbeat {seq} 0 id=web{client} session=1 interval=1");
                rig.hear_from(&source, line.as_bytes());
            }
            rig.pass(SECOND);
        }
        let kinds = rig.kinds();
        let count = |kind| kinds.iter().filter(|one| **one == kind).count();
        assert_eq!(
            (count("new"), count("up"), kinds.len()),
            (fleet as usize, fleet as usize, 2 * fleet as usize)
        );
        assert_eq!(rig.monitor.counters().unreported, 0);
    }
}

#[test]
fn with_keys_every_event_is_reported() {
    let mut rig = Rig::new(|plan| (plan.keys, plan.burst) = (Keys::read(KEYS).unwrap(), Some(1)));
    for session in 1..=100 {
        let start = EPOCH + i64::try_from(session).unwrap() * SECOND;
        rig.hear(Line { key: Some("ops"), session, start, ..LINE });
    }
    assert_eq!((rig.kinds().len(), rig.monitor.counters().unreported), (101, 0));
}

#[test]
fn a_client_that_moves_needs_room_where_it_goes() {
    let mut rig = Rig::new(|plan| plan.per_prefix = 4);
    for client in 0..20 {
        for seq in 1..=3 {
            // From a network of its own, and then to the one of all others.
            let network = if seq < 3 { client } else { 99 };
            let line = format!("Heartbeat {seq} 0 id=c{client} session={client}");
            rig.hear_from(&format!("203.0.{network}.{client}:5000"), line.as_bytes());
        }
    }
    let moved = rig.monitor.peers(at(rig.now)).filter(|row| row.address.to_string().starts_with("203.0.99."));
    assert_eq!((moved.count(), rig.monitor.counters().refused), (4, 16));
}

#[test]
fn drops_of_the_kernel_are_reported_once_a_second_and_counted_in_full() {
    let mut rig = Rig::new(|_| {});
    for total in 1..=1_000 {
        rig.now += SECOND / 100;
        rig.monitor.wake(at(rig.now), Some(total));
    }
    let counts: Vec<_> = rig.monitor.events().map(|event| (event.kind, event.count)).collect();
    assert!((10..=12).contains(&counts.len()), "{counts:?}");
    assert!(counts.iter().all(|(kind, _)| *kind == Kind::Dropped));
    assert_eq!(rig.monitor.counters().kernel_drops, 1_000);
}
