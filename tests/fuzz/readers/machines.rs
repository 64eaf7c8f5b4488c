//! What a monitor keeps, and what a whole conversation makes of it.

use std::net::SocketAddr;

use udpping::logic::codec::heartbeat::Keys;
use udpping::logic::monitor::{Monitor, MonitorPlan};
use udpping::logic::{Moment, SECOND};

const WALL: i64 = 1_700_000_000 * SECOND;

fn at(now: i64) -> Moment {
    Moment { mono: now, wall: WALL + now }
}

fn plan(detector: &str) -> MonitorPlan {
    MonitorPlan {
        max_clients: 64,
        per_prefix: 64,
        losses: true,
        answer: true,
        ..MonitorPlan::new(detector.parse().expect("a detector"))
    }
}

fn saved(monitor: &Monitor, now: Moment) -> String {
    let mut text = Monitor::save_title(now);
    monitor.save(0, usize::MAX / 2, &mut text);
    text
}

/// Without the silence that is held against nobody, to which the one about a restart is added.
fn without_excuses(saved: &str) -> Vec<Vec<&str>> {
    const EXCUSED: usize = 25;
    saved
        .lines()
        .map(|line| {
            line.split('\t').enumerate().filter(|(at, _)| *at != EXCUSED).map(|(_, field)| field).collect()
        })
        .collect()
}

/// The state of a monitor, and behind an empty line what its detectors have learned: one that is restored is saved as one
/// that restores the same.
pub(super) fn state(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (state, learned) = text.split_once("\n\n").unwrap_or((text, ""));
    let now = at(3_600 * SECOND);
    let restored = |state: &str| {
        let mut monitor = Monitor::new(plan("calibrated"), now);
        monitor.restore(state, now).ok().map(|()| monitor)
    };
    Monitor::begins_state(state);
    let Some(mut monitor) = restored(state) else { return };
    let first = saved(&monitor, now);
    let second = restored(&first).unwrap_or_else(|| panic!("not restored: {first:?}"));
    assert_eq!(without_excuses(&saved(&second, now)), without_excuses(&first));
    assert!(monitor.clients() <= 64);
    monitor.restore_learned(learned);
    let mut title = Monitor::learned_title().to_owned();
    monitor.save_learned(0, usize::MAX / 2, &mut title);
    for minute in 0..3 {
        monitor.wake(at((3_600 + 60 * minute) * SECOND), None);
        monitor.events().for_each(drop);
    }
}

/// A conversation: each step is a time, a kind, and for a datagram a client and its bytes. Whatever is said, every datagram
/// is counted once, the number of clients is bounded, and what is saved can be restored.
pub(super) fn monitor(bytes: &[u8]) {
    let Some((&options, mut rest)) = bytes.split_first() else { return };
    let mut plan = plan(["calibrated", "fixed:3", "phi:8", "chen:0.1"][usize::from(options & 3)]);
    plan.beats = options & 4 != 0;
    if options & 8 != 0 {
        plan.keys = Keys::read("one 0123456789abcdef0123").expect("a key");
    }
    let mut now = at(0);
    let mut monitor = Monitor::new(plan.clone(), now);
    let mut heard = 0;
    while let [step, kind, after @ ..] = rest {
        rest = after;
        let span = i64::from(*step) * SECOND / 10;
        now = Moment { mono: now.mono + span, wall: now.wall + span };
        while let Some(deadline) = monitor.next_deadline().filter(|deadline| *deadline <= now.mono) {
            let due = Moment { mono: deadline, wall: now.wall - (now.mono - deadline) };
            monitor.rested(due);
            monitor.wake(due, None);
            monitor.events().for_each(drop);
            if monitor.next_deadline() == Some(deadline) {
                break;
            }
        }
        monitor.rested(now);
        match kind {
            // The wall clock is set.
            250 => now.wall += i64::from(*step) * 60 * SECOND - 3_600 * SECOND,
            251 => monitor.wake(now, Some(u64::from(*step))),
            252 | 253 => {
                let text = saved(&monitor, now);
                monitor = Monitor::new(plan.clone(), now);
                heard = 0;
                if *kind == 253 {
                    monitor.restore(&text, now).unwrap_or_else(|error| panic!("{error}"));
                }
            }
            kind => {
                let (datagram, after) = rest.split_at(rest.len().min(usize::from(*kind)));
                rest = after;
                let source = SocketAddr::from(([10, 0, step % 3, kind % 5], 5_000));
                let mut out = Vec::new();
                monitor.hear(now, source, datagram, &mut out);
                assert!(out.len() <= datagram.len(), "an answer is longer than its heartbeat");
                heard += 1;
            }
        }
        for event in monitor.events() {
            assert_eq!(event.json_line().find('\n'), Some(event.json_line().len() - 1));
        }
        assert!(monitor.clients() <= 64);
        assert_eq!(monitor.counters().received, heard);
    }
    for row in monitor.peers(now) {
        assert!(row.last_seen.mono <= now.mono, "{row:?}");
    }
}
