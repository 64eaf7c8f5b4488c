//! Many clients fall silent at once, and the monitor's own connection.

use super::*;

/// Clients c0, c1, ..., one heartbeat each in an interval, evenly spread; `sends` says who sends in which interval.
fn fleet(rig: &mut Rig, clients: u64, intervals: std::ops::Range<u64>, sends: impl Fn(u64, u64) -> bool) {
    for interval in intervals {
        for client in 0..clients {
            if sends(client, interval) {
                let line = format!(
                    "Heartbeat {0} 0 id=c{client} session={client:x} interval=1 mono={0}",
                    interval + 1
                );
                rig.hear_from(&format!("192.0.2.{client}:5000"), line.as_bytes());
            }
            rig.pass(SECOND / i64::try_from(clients).unwrap());
        }
    }
}

/// Notable events since the last call, with their times in seconds, values and sentences.
fn told(rig: &mut Rig) -> Vec<(&'static str, f64, Option<i64>, String)> {
    let events = rig.monitor.events().filter(Event::is_notable);
    events
        .map(|event| {
            let seconds = event.at.mono as f64 / SECOND as f64;
            (event.kind.as_str(), seconds, event.count, event.to_string())
        })
        .collect()
}

fn names<T, U, V>(told: &[(&'static str, T, U, V)]) -> Vec<&'static str> {
    told.iter().map(|event| event.0).collect()
}

#[test]
fn whoever_else_is_silent_each_client_is_down_once_and_in_time() {
    for (all, dead) in [(3, 3), (50, 47), (50, 25), (50, 50), (4, 3), (1, 1), (2, 2), (3, 2)] {
        for detector in ["fixed:3", "calibrated"] {
            let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
            fleet(&mut rig, all, 0..100, |_, _| true);
            let mut rows: Vec<_> = rig.monitor.peers(at(rig.now)).collect();
            rows.sort_by_key(|row| row.last_seen.mono);
            told(&mut rig);
            fleet(&mut rig, all, 100..160, |client, _| client >= dead);
            let (said, count) = (told(&mut rig), usize::try_from(dead).unwrap());
            let outages: Vec<_> = said.iter().filter(|event| event.0 == "outage").collect();
            assert_eq!(outages.len(), usize::from(dead >= 3), "{dead} of {all}: {said:?}");
            if let Some((_, _, value, sentence)) = outages.first() {
                assert_eq!(*value, i64::try_from(dead).ok(), "{sentence}");
                assert!(sentence.starts_with(&format!(
                    "outage: {dead} of the {all} clients that were up are silent: c0, c1, c2"
                )));
                assert!(!sentence.contains("c5"), "{sentence}");
                assert_eq!(sentence.ends_with(&format!(", c4 and {} more", dead - 5.min(dead))), dead > 5);
            }
            assert_eq!(
                said.len() - outages.len() - names(&said).iter().filter(|n| **n == "idle").count(),
                count
            );
            for row in rows.iter().take(count) {
                let mut down = said
                    .iter()
                    .filter(|event| event.0 == "down" && event.3.starts_with(&format!("{} ", row.client)));
                let (_, seconds, ..) =
                    down.next().unwrap_or_else(|| panic!("{} is never down: {said:?}", row.client));
                let latest = row.last_seen.mono + 3 * row.patience.unwrap() + 5 * SECOND;
                assert!(*seconds <= latest as f64 / SECOND as f64, "{row:?}: {seconds}");
                assert_eq!(down.count(), 0, "once");
            }
        }
    }
}

#[test]
fn an_outage_is_over_when_most_are_heard_again_and_no_sentence_before_says_so() {
    let mut rig = Rig::new(|_| {});
    fleet(&mut rig, 50, 0..20, |_, _| true);
    told(&mut rig);
    fleet(&mut rig, 50, 20..80, |client, _| client >= 47);
    let said = told(&mut rig);
    assert_eq!(
        (names(&said)[0], names(&said)[1..].iter().all(|name| *name == "down"), said.len()),
        ("outage", true, 48)
    );
    assert_eq!(rig.monitor.counters().outage, 47);
    // Half of them return, and then the others.
    fleet(&mut rig, 50, 80..90, |client, _| client >= 24);
    assert_eq!(names(&told(&mut rig)), vec!["up"; 23]);
    fleet(&mut rig, 50, 90..100, |_, _| true);
    let said = told(&mut rig);
    let over: Vec<_> = said.iter().filter(|event| event.0 != "up").collect();
    assert_eq!((over.len(), over[0].0, over[0].2), (1, "outage_over", Some(24)), "{said:?}");
    assert!(
        over[0].3.starts_with("the outage is over: 24 of 47 clients are heard again after 69.0 s"),
        "{}",
        over[0].3
    );
    assert_eq!((said.len(), rig.monitor.counters().outage), (25, 0));
}

#[test]
fn nobody_is_blamed_for_a_short_outage_of_what_all_share() {
    for outage in 3..=6 {
        let mut rig = Rig::new(|plan| plan.detector = "chen:1700ms".parse().unwrap());
        fleet(&mut rig, 100, 0..80, |_, second| !(10..10 + outage).contains(&second));
        let said = told(&mut rig);
        let said: Vec<_> = names(&said).into_iter().filter(|kind| !matches!(*kind, "new" | "up")).collect();
        assert_eq!(said, ["outage", "outage_over"], "{outage} s");
    }
}

#[test]
fn a_connection_that_comes_and_goes_keeps_no_dead_client_up() {
    // Twelve seconds of silence and then two heartbeats of all but two, again and again.
    let mut rig = Rig::new(|_| {});
    fleet(&mut rig, 10, 0..20, |_, _| true);
    told(&mut rig);
    fleet(&mut rig, 10, 20..120, |client, second| client >= 2 && second % 6 < 3);
    let said = told(&mut rig);
    for dead in ["c0 is down", "c1 is down"] {
        let down: Vec<_> = said.iter().filter(|event| event.3.starts_with(dead)).collect();
        assert!(down.len() == 1 && down[0].1 < 20.0 + 3.0 * 2.5 + 5.0, "{said:?}");
    }
}

/// A driver whose routes are gone from one time to another.
fn pass_without_route(rig: &mut Rig, span: Nanos) {
    let end = rig.now + span;
    while rig.now < end {
        rig.now = (rig.now + TICK).min(end);
        let path = &mut |to: SocketAddr| Some(Cause::NoRoute(to.ip()));
        rig.monitor.wake_with(at(rig.now), None, path);
    }
}

fn states(rig: &Rig) -> Vec<&'static str> {
    let mut rows: Vec<_> = rig.monitor.peers(at(rig.now)).collect();
    rows.sort_by(|a, b| a.client.cmp(&b.client));
    rows.into_iter().map(|row| row.state.name()).collect()
}

#[test]
fn without_a_route_clients_are_unknown_and_nobody_is_accused() {
    let mut rig = Rig::new(|plan| plan.idle = 0);
    fleet(&mut rig, 4, 0..20, |_, _| true);
    told(&mut rig);
    pass_without_route(&mut rig, 600 * SECOND);
    let said = told(&mut rig);
    assert_eq!(names(&said), ["isolated"]);
    assert_eq!(
        said[0].3,
        "this machine's own connection is gone: no route to 192.0.2.0; silent clients are unknown"
    );
    assert_eq!((states(&rig), rig.monitor.counters().isolated), (vec!["unknown"; 4], true));
    // It is back: three live, and one has died meanwhile.
    fleet(&mut rig, 4, 620..640, |client, _| client > 0);
    let said = told(&mut rig);
    assert_eq!(names(&said), ["connected", "down"]);
    assert!(said[0].3.starts_with("this machine's own connection is back after 10.0 min"), "{}", said[0].3);
    assert!(said[1].3.starts_with("c0 is down"), "{said:?}");
    assert_eq!((states(&rig), rig.monitor.counters().isolated), (vec!["down", "up", "up", "up"], false));
}

#[test]
fn a_client_that_was_heard_without_any_route_to_it_is_down_like_any_other() {
    let mut rig = Rig::new(|_| {});
    for seq in 1..=5 {
        rig.hear(LINE.seq(seq));
        pass_without_route(&mut rig, SECOND);
    }
    pass_without_route(&mut rig, 10 * SECOND);
    assert_eq!(rig.kinds(), ["new", "up", "down"]);
}

/// Answers of a witness: all until a time, and none after it.
fn witness(until: Nanos, now: Nanos) -> Witness {
    let gone = now - 2 * SECOND > until;
    let (answered, silent_since) = (now.min(until), gone.then_some(until));
    Witness { name: "192.0.2.99:12000".into(), unbroken_since: 0, answered, silent_since }
}

#[test]
fn a_witness_tells_the_death_of_all_from_the_monitor_s_own_fault() {
    // It answers all the time: all three are dead, and nothing has to wait.
    let mut rig = Rig::new(|_| {});
    fleet(&mut rig, 3, 0..20, |_, _| true);
    told(&mut rig);
    for _ in 0..25 {
        rig.monitor.set_witness(Some(witness(Nanos::MAX, rig.now)));
        rig.pass(TICK);
    }
    assert_eq!(names(&told(&mut rig)), ["outage", "down", "down", "down"]);

    // It falls silent with them.
    let mut rig = Rig::new(|plan| plan.idle = 0);
    fleet(&mut rig, 3, 0..20, |_, _| true);
    told(&mut rig);
    let until = rig.now;
    for _ in 0..300 {
        rig.monitor.set_witness(Some(witness(until, rig.now)));
        rig.pass(TICK);
    }
    let said = told(&mut rig);
    assert_eq!(names(&said), ["isolated"]);
    assert!(
        said[0].3.contains("no heartbeat arrives, and the witness 192.0.2.99:12000 does not answer"),
        "{said:?}"
    );
    assert_eq!(states(&rig), ["unknown"; 3]);

    // It alone is dead: whoever falls silent besides is down.
    let mut rig = Rig::new(|_| {});
    fleet(&mut rig, 3, 0..20, |_, _| true);
    told(&mut rig);
    for second in 20..60 {
        rig.monitor.set_witness(Some(witness(18 * SECOND, rig.now)));
        fleet(&mut rig, 3, second..second + 1, |client, _| client > 0);
    }
    assert_eq!(names(&told(&mut rig)), ["down"]);
}
