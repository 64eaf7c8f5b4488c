//! Detectors in virtual time: lost and late heartbeats, mistakes and crashes.

use udpping::logic::link::LinkPlan;
use udpping::logic::monitor::detect::Detector;
use udpping::logic::{Nanos, SECOND};
use udpping::sim::detect::{Outcome, Plan, Run, spread};

fn outcome(detector: &str, loss: &str, delay: &str, beats: u64) -> Outcome {
    let (loss, delay) = (loss.parse().expect("a loss"), delay.parse().expect("a delay"));
    let link = LinkPlan::new(loss, delay, 1_u64.into());
    let plan = Plan { interval: SECOND, beats, link, crashes: spread(200, SECOND, beats) };
    let mut run = Run::new(plan, &[detector.parse::<Detector>().expect("a detector")]).expect("a plan");
    while !run.advance(1_000) {}
    run.outcomes().remove(0)
}

#[test]
fn a_gap_is_one_mistake_of_known_length() {
    // 0 to 9 arrive, 10 to 14 are lost: suspected from 12 s until 15 arrives.
    let seen = outcome("fixed:3", "list:11,12,13,14,15", "0", 100);
    assert_eq!((seen.mistakes, seen.suspected, seen.observed), (1, 3 * SECOND, 100 * SECOND));
    assert_eq!(seen.mean_mistake(), Some(3 * SECOND));
    assert!((seen.query_accuracy().unwrap() - 0.97).abs() < 1e-12);
    // Two lost, and the third comes at the deadline: that is in time.
    let seen = outcome("fixed:3", "list:11,12", "0", 100);
    assert_eq!((seen.mistakes, seen.mean_mistake()), (0, None));
}

#[test]
fn a_gap_at_the_end_counts_too() {
    let seen = outcome("fixed:3", "list:6,7,8,9,10", "0", 10);
    assert_eq!((seen.mistakes, seen.suspected), (1, 3 * SECOND));
}

#[test]
fn silence_from_the_beginning_is_no_mistake() {
    let seen = outcome("fixed:3", "1", "0", 100);
    assert_eq!((seen.mistakes, seen.suspected, seen.observed), (0, 0, 0));
    assert!(seen.query_accuracy().is_none() && seen.detections.is_empty());
}

#[test]
fn a_crash_is_detected_at_the_deadline() {
    let seen = outcome("fixed:3", "0", "100ms", 10_000);
    assert_eq!(seen.detections.len(), 200);
    // From just after a heartbeat to just before the next, with a delay of 100 ms.
    let (least, most) = (seen.detections[0], seen.detections[199]);
    assert!((2_100..2_110).contains(&(least / 1_000_000)), "{least}");
    assert!((3_090..=3_100).contains(&(most / 1_000_000)), "{most}");
}

#[test]
fn heartbeats_in_flight_at_a_crash_arrive() {
    // Five heartbeats are in flight at any time.
    let seen = outcome("fixed:1", "0", "4.5s", 1_000);
    let (least, most) = (seen.detections[0], *seen.detections.last().unwrap());
    assert!(least >= 4_500_000_000 && most <= 5_500_000_000, "{least} {most}");
}

#[test]
fn reordered_heartbeats_cause_no_mistake() {
    let seen = outcome("calibrated:1 per hour", "10%", "exponential:2s", 20_000);
    let per_hour = seen.mistakes as f64 * 3_600e9 / seen.observed as f64;
    assert!(per_hour < 3.0, "{per_hour}");
}

#[test]
fn a_promise_is_kept_within_a_factor_of_two() {
    for loss in ["1%", "5%", "20%", "pattern:.....................................xxx"] {
        let seen = outcome("calibrated:20 per day", loss, "exponential:5ms", 400_000);
        let per_day = seen.mistakes as f64 * 86_400e9 / seen.observed as f64;
        let kept = if loss.starts_with("pattern") { 0.0..40.0 } else { 10.0..40.0 };
        assert!(kept.contains(&per_day), "{loss}: {per_day}");
        let forecast = seen.forecast.unwrap();
        let foretold = forecast.false_alarms * 86_400.0;
        assert!((14.0..21.0).contains(&foretold), "{loss}: {foretold}");
        if loss.starts_with("pattern") {
            // Three are lost, and never four.
            assert!(forecast.silence < 4 * SECOND + SECOND / 10, "{}", forecast.silence);
        } else {
            assert!(seen.detections.last().unwrap() < &(2 * forecast.silence), "{loss}");
        }
    }
}

#[test]
fn crashes_are_spread_over_the_run_and_the_interval() {
    let crashes = spread(1_000, SECOND, 86_400);
    assert!(crashes.is_sorted() && crashes.len() == 1_000 && crashes.iter().all(|at| *at < 86_400 * SECOND));
    let early = crashes.iter().filter(|at| *at % SECOND < SECOND / 4).count();
    assert!((200..300).contains(&early), "{early}");
    assert_eq!(spread(0, SECOND, 10), [] as [Nanos; 0]);
}

#[test]
fn an_invalid_run_is_refused() {
    let run = |interval, beats| {
        let link = LinkPlan::new("0".parse().unwrap(), "0".parse().unwrap(), 1_u64.into());
        let plan = Plan { interval, beats, link, crashes: Vec::new() };
        Run::new(plan, &["fixed:3".parse().unwrap()]).map(|_| ())
    };
    assert!(run(SECOND, 0).is_err() && run(0, 10).is_err() && run(SECOND, u64::MAX).is_err());
    assert!(run(SECOND, 1).is_ok());
}

#[test]
fn the_oracle_is_the_shortest_constant_silence_that_keeps_the_promise() {
    // In a day one gap of 20 s, one of 10 s and many of 2 s: one false alarm a day leaves the first.
    let dropped: Vec<String> = (30_001..=30_019).chain(60_001..=60_009).map(|at| at.to_string()).collect();
    let loss = format!("list:{}", dropped.join(","));
    let seen = outcome("calibrated:1 per day", &loss, "100ms", 86_400);
    let oracle = seen.oracle.expect("a promise");
    assert_eq!(oracle.silence, 10 * SECOND + 100_000_000);
    // A crash falls half an interval after a heartbeat.
    assert!((oracle.detection - 9_600_000_000).abs() < 60_000_000, "{}", oracle.detection);
    assert!(outcome("fixed:3", &loss, "100ms", 86_400).oracle.is_none());
}
