use super::*;
use crate::logic::{Moment, SECOND};

const HERE: ([u8; 4], u16) = ([192, 0, 2, 1], 7);
const ELSEWHERE: ([u8; 4], u16) = ([192, 0, 2, 2], 7);

fn endless() -> Plan {
    let options = Options { count: None, interval: Some(1.0), timeout: 0.5, ..Options::default() };
    Plan::new(options).expect("valid")
}

/// Sends what is due until `until` and answers each ping 1 ms later from `from`; returns when each was sent.
fn answered(pinger: &mut Pinger, mut now: Nanos, until: Nanos, from: ([u8; 4], u16)) -> Vec<Nanos> {
    let mut sent = Vec::new();
    while now <= until {
        match pinger.poll(now, &mut |_| ()) {
            Action::Send(seq) => {
                let mut text = Vec::new();
                pinger.write(seq, now, &mut text);
                pinger.sent(now, now);
                sent.push(now);
                let at = Moment { mono: now + SECOND / 1_000, wall: now + SECOND / 1_000 };
                let arrival = Arrival { at, ..Arrival::default() };
                pinger.receive(from.into(), &text, &arrival, &mut |_| ());
            }
            Action::Wait(next) => now = next,
            Action::Done => break,
        }
    }
    sent
}

#[test]
fn a_run_keeps_as_many_rows_as_configured_and_counts_all() {
    let keep = endless().check_keep(16).expect("in range");
    let mut pinger = Pinger::new(Plan { keep, ..endless() }, HERE.into(), false);
    answered(&mut pinger, 0, 999 * SECOND, HERE);
    assert!((16..=20).contains(&pinger.rows().len()), "{}", pinger.rows().len());
    assert_eq!((pinger.summary().sent, pinger.summary().received), (1_000, 1_000));
    let newest = pinger.rows().get(pinger.rows().len() - 1);
    assert_eq!((newest.seq, newest.status), (1_000, Status::Reply));
}

#[test]
fn rows_kept_are_in_range_and_for_runs_without_an_end() {
    for keep in [15, 1_000_001, -1] {
        let refused = endless().check_keep(keep).expect_err("out of range").to_string();
        assert!(refused.contains("16 to 1,000,000"), "{refused}");
    }
    let ends = Plan::new(Options::default()).expect("valid");
    assert!(ends.check_keep(100).expect_err("it ends").to_string().contains("count=None"));
}

#[test]
fn a_run_that_is_ended_waits_for_what_is_in_flight_and_can_go_on_without_catching_up() {
    let mut pinger = Pinger::new(endless(), HERE.into(), false);
    assert_eq!(answered(&mut pinger, 0, 2 * SECOND, HERE), [0, SECOND, 2 * SECOND]);
    assert_eq!(pinger.poll(3 * SECOND, &mut |_| ()), Action::Send(4));
    pinger.sent(3 * SECOND, 3 * SECOND);
    pinger.end();
    assert_eq!(pinger.poll(3 * SECOND, &mut |_| ()), Action::Wait(3 * SECOND + SECOND / 2));
    assert_eq!(pinger.summary().pending, 1);
    // The timeout, and as long again for what is late.
    assert_eq!(pinger.poll(3 * SECOND + SECOND / 2, &mut |_| ()), Action::Wait(4 * SECOND));
    assert_eq!(pinger.poll(4 * SECOND, &mut |_| ()), Action::Done);
    assert_eq!((pinger.summary().timeouts, pinger.summary().pending), (1, 0));
    pinger.resume(100 * SECOND);
    let sent = answered(&mut pinger, 100 * SECOND, 102 * SECOND, HERE);
    assert_eq!(sent, [100 * SECOND, 101 * SECOND, 102 * SECOND]);
    assert_eq!((pinger.summary().sent, pinger.summary().behind), (7, 0));
}

#[test]
fn a_run_follows_its_target() {
    let mut pinger = Pinger::new(endless(), HERE.into(), true);
    answered(&mut pinger, 0, SECOND, HERE);
    pinger.retarget(ELSEWHERE.into());
    answered(&mut pinger, 2 * SECOND, 2 * SECOND, HERE);
    answered(&mut pinger, 3 * SECOND, 3 * SECOND, ELSEWHERE);
    let summary = pinger.summary();
    assert_eq!((summary.received, summary.pending + summary.timeouts, summary.foreign), (3, 1, Some(1)));
    assert_eq!(pinger.leave_foreign(), 1);
    assert_eq!(pinger.summary().foreign, None);
}

#[test]
fn a_patient_run_waits_for_the_timeout_after_a_refusal() {
    for (patient, next) in [(false, SECOND / 10), (true, SECOND)] {
        let plan = Plan { patient, ..Plan::new(Options::default()).expect("valid") };
        let mut pinger = Pinger::new(plan, HERE.into(), false);
        assert!(matches!(pinger.poll(0, &mut |_| ()), Action::Send(1)));
        pinger.sent(0, 0);
        pinger.unreachable(SECOND / 10, None, None, &mut |_| ());
        assert!(patient == matches!(pinger.poll(SECOND / 10, &mut |_| ()), Action::Wait(at) if at == SECOND));
        assert!(matches!(pinger.poll(next, &mut |_| ()), Action::Send(2)));
    }
}
