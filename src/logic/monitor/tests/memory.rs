//! What very many clients take: bytes are the same at every speed, so a test may ask for them.

use super::*;

/// So many of each heartbeat that the tables are as full as they get.
const MANY: u64 = 100_000;
/// Events that a monitor keeps.
const EVENTS: usize = 65_536;

/// What clients take by themselves and in the tables, each.
fn memory(rig: &Rig, clients: usize) -> usize {
    rig.monitor.roster.memory() / clients
}

#[test]
fn a_client_that_was_heard_once_or_twice_takes_little() {
    let mut rig = Rig::new(|plan| (plan.max_clients, plan.per_prefix) = (1_000_000, 1_000_000));
    for seq in 1..=2 {
        for client in 0..MANY {
            let line = format!(
                "Heartbeat {seq} {}.5 id=c{client} session={client:x} interval=10",
                1_700_000_000 + seq
            );
            rig.hear_from("192.0.2.1:5000", line.as_bytes());
            if client % 1_000 == 0 {
                rig.monitor.events().count();
            }
        }
        let each = memory(&rig, 100_000);
        let with_events = each + EVENTS * size_of::<Event>() / 100_000;
        assert!(with_events <= 512, "{with_events} bytes after {seq}");
        rig.pass(SECOND);
    }
}

#[test]
fn a_client_with_a_history_takes_4_kb_at_most() {
    let detectors = ["fixed:3", "chen:2s", "2w-fd:2s", "phi:8", "calibrated", "calibrated:1 per day"];
    for detector in detectors {
        let mut rig = Rig::new(|plan| plan.detector = detector.parse().unwrap());
        let mut dice = 1_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        // Delays from microseconds to half an interval, losses in runs, numbers that come late or twice, a
        // restart; and then as many as any detector remembers.
        for seq in 1..=1_600_u64 {
            for client in 0..16_u64 {
                let (session, lost) = (client * 2 + u64::from(seq > 100), roll(20) < 2 || roll(100) < client);
                let delay = (1 << roll(29)) + i64::try_from(roll(1_000)).unwrap();
                let said = |seq: u64| {
                    let sent = i64::try_from(seq).unwrap() * SECOND - delay;
                    let beat = Heartbeat {
                        seq: Some(seq),
                        wall_ns: Some(EPOCH + sent),
                        id: Some(
                            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"]
                                [usize::try_from(client).unwrap()],
                        ),
                        session: Some(session),
                        interval: Some(SECOND),
                        mono: Some(sent.max(0)),
                        ..Heartbeat::default()
                    };
                    let mut line = Vec::new();
                    beat.write(Form::Full, None, &mut line);
                    line
                };
                if !lost {
                    rig.hear_from("192.0.2.1:5000", &said(seq));
                }
                if roll(50) == 0 && seq > 3 {
                    rig.hear_from("192.0.2.1:5000", &said(seq - roll(3)));
                }
            }
            rig.pass(SECOND);
            rig.monitor.events().count();
        }
        let rows = rig.monitor.peers(at(rig.now));
        assert!(rows.into_iter().all(|row| row.counts.received > 1_100 && row.counts.lost > 10));
        let (roster, peers) = (&rig.monitor.roster, rig.monitor.roster.peers());
        let most = peers.map(|peer| size_of::<Option<Peer>>() + peer.memory()).max().unwrap();
        assert!(most + 64 <= 4_096, "{detector}: {most} bytes, {}", roster.memory());
    }
}
