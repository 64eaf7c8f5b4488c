//! Detectors, in virtual time.

use proptest::prelude::*;

use super::*;
use crate::logic::SECOND;

const MS: Nanos = SECOND / 1_000;

fn detector(text: &str) -> Detector {
    text.parse().unwrap()
}

fn watch(text: &str) -> Watch {
    detector(text).watch(SECOND).unwrap()
}

/// Heartbeats 0, 1, ... sent every second, each delayed by `after`, without those for which `lost` is true.
fn fed(text: &str, beats: u64, after: impl Fn(u64) -> Nanos, lost: impl Fn(u64) -> bool) -> Watch {
    let mut watch = watch(text);
    for seq in (0..beats).filter(|seq| !lost(*seq)) {
        watch.beat(Beat { seq, sent: sent(seq), at: sent(seq) + after(seq) });
    }
    watch
}

fn sent(seq: u64) -> Nanos {
    Nanos::try_from(seq).unwrap() * SECOND
}

#[test]
fn a_detector_has_one_text() {
    let cases = [
        ("fixed:3", "fixed:3"),
        ("fixed", "fixed:3"),
        ("phi", "phi:8"),
        (" calibrated ", "calibrated:1 per 30 days"),
        (" fixed: 003 ", "fixed:3"),
        ("phi:8", "phi:8"),
        ("phi:8.0,window=1000,pause=0", "phi:8"),
        ("phi:12.5, window=200, min_std=10ms, pause=3s", "phi:12.5,window=200,min_std=10ms,pause=3s"),
        ("chen:2.1", "chen:2.1s"),
        ("chen:100ms,window=16", "chen:100ms,window=16"),
        ("2w-fd: 2.1", "2w-fd:2.1s"),
        ("2w-fd:2s,short=1,window=1000", "2w-fd:2s"),
        ("2w-fd:2s,window=20,short=5", "2w-fd:2s,short=5,window=20"),
        ("calibrated:1 per 30 days", "calibrated:1 per 30 days"),
        ("calibrated: 10  per 1 day", "calibrated:10 per day"),
        ("calibrated:2 per hours", "calibrated:2 per hour"),
    ];
    for (text, canonical) in cases {
        assert_eq!(detector(text).to_string(), canonical, "{text}");
        assert_eq!(detector(canonical), detector(text));
    }
}

#[test]
fn invalid_detectors_are_refused_with_the_valid_forms() {
    let cases = [
        ("", "calibrated:1 per 30 days"),
        ("chen", "chen:2s"),
        ("bertier:1", "chen:2s"),
        ("fixed:0", "1 to 1000"),
        ("fixed:1001", "1 to 1000"),
        ("fixed:-1", "1 to 1000"),
        ("phi:nan", "0.5 to 300"),
        ("phi:0.4", "0.5 to 300"),
        ("phi:301", "0.5 to 300"),
        ("phi:8,window=1", "2 to 1000"),
        ("phi:8,window=1001", "2 to 1000"),
        ("phi:8,speed=1", "min_std=100ms"),
        ("phi:8,pause=-1s", "pause=3s"),
        ("chen:", "chen:2s"),
        ("chen:3601s", "1 hour"),
        ("chen:2s,window=x", "2 to 1000"),
        ("chen:2s,margin=3s", "window=1000"),
        ("chen:2s,short=1", "chen:2s,window=1000"),
        ("2w-fd", "2w-fd:2s"),
        ("2w-fd:3601s", "1 hour"),
        ("2w-fd:2s,short=0", "1 at least"),
        ("2w-fd:2s,short=1000", "fewer"),
        ("2w-fd:2s,short=10,window=10", "fewer"),
        ("calibrated:1", "1 per 30 days"),
        ("calibrated:0 per day", "10 per day"),
        ("calibrated:1 per 0 days", "10 per day"),
        ("calibrated:1.5 per day", "whole numbers"),
        ("calibrated:1000001 per day", "1000000"),
        ("calibrated:1 per fortnight", "week or year"),
    ];
    for (text, expected) in cases {
        let refused = text.parse::<Detector>().unwrap_err().to_string();
        assert!(refused.contains(&format!("{text:?}")) && refused.contains(expected), "{refused}");
    }
}

#[test]
fn invalid_intervals_are_refused() {
    for interval in [0, -1, 999_999, 86_400 * SECOND + 1] {
        assert!(detector("fixed:3").watch(interval).is_err(), "{interval}");
    }
    assert!(detector("calibrated:1 per second").watch(SECOND / 10).is_ok());
    let refused = detector("calibrated:1 per second").watch(SECOND).unwrap_err().to_string();
    assert!(refused.contains("1 per second"), "{refused}");
}

#[test]
fn a_sender_without_a_heartbeat_has_no_deadline() {
    for text in ["fixed:3", "phi:8", "chen:2s", "2w-fd:2s", "calibrated:1 per day"] {
        assert_eq!(watch(text).deadline(), None);
    }
}

#[test]
fn fixed_counts_from_the_arrival() {
    let watch = fed("fixed:3", 5, |_| 20 * MS, |_| false);
    assert_eq!(watch.deadline(), Some(7 * SECOND + 20 * MS));
}

#[test]
fn chen_counts_from_the_expected_time() {
    // Delays of 0 and 20 ms in turn: 10 ms on average, and the latest one's own does not matter.
    let even = fed("chen:2s", 100, |seq| if seq % 2 == 0 { 0 } else { 20 * MS }, |_| false);
    assert_eq!(even.deadline(), Some(100 * SECOND + 10 * MS + 2 * SECOND));
    // The window forgets: the last ten all took 50 ms.
    let moved = fed("chen:2s,window=10", 100, |seq| if seq < 90 { 0 } else { 50 * MS }, |_| false);
    assert_eq!(moved.deadline(), Some(102 * SECOND + 50 * MS));
}

#[test]
fn two_windows_count_from_the_later_of_two_expected_times() {
    // As long as nothing changes, both windows expect the same.
    let even = fed("2w-fd:2s", 100, |_| 10 * MS, |_| false);
    assert_eq!(even.deadline(), Some(102 * SECOND + 10 * MS));
    // A delay that jumps is in the short window at once, ...
    let jumped = fed("2w-fd:2s", 101, |seq| if seq < 100 { 0 } else { 500 * MS }, |_| false);
    assert_eq!(jumped.deadline(), Some(103 * SECOND + 500 * MS));
    // ... and one that falls is in the long one for as long as it remembers.
    let fallen = fed("2w-fd:2s,short=2,window=10", 100, |seq| if seq < 95 { 500 * MS } else { 0 }, |_| false);
    assert_eq!(fallen.deadline(), Some(102 * SECOND + 250 * MS));
}

#[test]
fn stale_heartbeats_extend_no_deadline() {
    for text in ["fixed:3", "phi:8", "chen:2s", "calibrated:1 per day"] {
        let mut watch = fed(text, 100, |_| 0, |seq| (50..99).contains(&seq));
        let before = watch.deadline().unwrap();
        for seq in 50..99 {
            watch.beat(Beat { seq, sent: sent(seq), at: sent(200 + seq) });
        }
        let moved = watch.deadline().unwrap() - before;
        // Chen's mean learns from them that they were late: with so few, up to the 150 s times 49 of 100.
        let most = if text.starts_with("chen") { 100 * SECOND } else { 0 };
        assert!((0..=most).contains(&moved), "{text} {moved}");
    }
}

#[test]
fn phi_is_the_normal_tail_of_the_intervals() {
    // 0.9 s and 1.1 s in turn: mean 1 s, deviation 100 ms, so phi 8 is 5.612 deviations later.
    let watch = fed("phi:8", 2_001, |seq| if seq % 2 == 0 { 0 } else { 100 * MS }, |_| false);
    let silence = watch.deadline().unwrap() - sent(2_000);
    assert!((silence - 1_561_200_124).abs() < 1_000, "{silence}");
    let paused = fed("phi:8,pause=3s", 2_001, |seq| if seq % 2 == 0 { 0 } else { 100 * MS }, |_| false);
    assert!((paused.deadline().unwrap() - watch.deadline().unwrap() - 3 * SECOND).abs() <= 1);
}

#[test]
fn phi_does_not_learn_from_an_outage() {
    let steady = fed("phi:8", 2_000, |_| 0, |_| false);
    let torn = fed("phi:8", 2_000, |_| 0, |seq| (1_500..1_900).contains(&seq));
    assert_eq!(steady.deadline(), torn.deadline());
}

#[test]
fn calibrated_waits_longer_where_losses_come_in_runs() {
    let silence = |lost: fn(u64) -> bool| {
        fed("calibrated:1 per day", 20_000, |seq| Nanos::try_from(seq * 7 % 20).unwrap() * MS, lost)
            .forecast()
            .unwrap()
            .silence
    };
    let none = silence(|_| false);
    let single = silence(|seq| seq % 100 == 50);
    let runs = silence(|seq| seq % 500 / 5 == 50);
    assert!(none < single && single < runs && runs < MOST_SILENT * SECOND, "{none} {single} {runs}");
}

#[test]
fn calibrated_reports_a_silence_that_is_cut_short() {
    // Runs of 40 losses every 80: silence of 60 intervals is still too probable for a promise of one a year.
    let watch = fed("calibrated:1 per year", 20_000, |_| 0, |seq| seq % 80 >= 40);
    let forecast = watch.forecast().unwrap();
    assert!(forecast.silence == MOST_SILENT * SECOND, "{forecast:?}");
    assert!(forecast.false_alarms > 1.0 / 31_536_000.0, "{forecast:?}");
}

#[test]
fn calibrated_gives_a_newcomer_three_intervals_and_a_second() {
    for beats in 1..=10 {
        let watch = fed("calibrated:10 per day", beats, |_| 0, |_| false);
        assert!(watch.deadline().unwrap() >= sent(beats - 1) + 4 * SECOND);
    }
}

#[test]
fn a_silent_sender_is_late_then_suspect_then_down() {
    // 200 heartbeats, every tenth lost, each up to 10 ms on the way: the last was sent at 200 s.
    let lossy =
        fed("calibrated:1 per day", 201, |seq| i64::try_from(seq % 11).unwrap() * MS, |seq| seq % 10 == 5);
    let deadlines = lossy.deadlines().unwrap();
    let late = deadlines.late - sent(200);
    assert!((SECOND..SECOND + 100 * MS).contains(&late), "{late}");
    // One loss in ten is no reason to doubt, two in a row are.
    let doubtful = deadlines.suspect - sent(200);
    assert!((2 * SECOND..3 * SECOND).contains(&doubtful), "{doubtful}");
    assert!(deadlines.down > deadlines.suspect);
    // The others compute the last deadline alone.
    for (text, late, suspect, down) in
        [("fixed:3", 1_500, 2_250, 3_000), ("fixed:1", 1_000, 1_000, 1_000), ("chen:2s", 1_500, 2_250, 3_000)]
    {
        let deadlines = fed(text, 10, |_| 0, |_| false).deadlines().unwrap();
        let after = [deadlines.late, deadlines.suspect, deadlines.down].map(|mark| (mark - sent(9)) / MS);
        assert_eq!(after, [late, suspect, down], "{text}");
    }
}

proptest! {
    #[test]
    fn a_text_is_read_back(misses in 1_u16..=1_000, phi in 0.5..300.0_f64, ms in 0_u32..3_600_000, window in 2_u16..=1_000,
                           events in 1_u32..=1_000_000, periods in 1_u32..=1_000_000, unit in 0_usize..6) {
        let unit = ["second", "minute", "hour", "day", "week", "year"][unit];
        for text in [
            format!("fixed:{misses}"),
            format!("phi:{phi},window={window},min_std={ms}ms,pause={ms}ms"),
            format!("chen:{ms}ms,window={window}"),
            format!("2w-fd:{ms}ms,short={},window={window}", window / 2),
            format!("calibrated:{events} per {periods} {unit}s"),
        ] {
            prop_assert_eq!(detector(&detector(&text).to_string()), detector(&text));
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", near in "(fixed|phi|chen|2w-fd|calibrated):[0-9a-z=., ]{0,30}") {
        let _ = (text.parse::<Detector>(), near.parse::<Detector>());
    }

    /// Any heartbeats, in any order and at any time: no panic, and a deadline.
    #[test]
    fn any_heartbeats_are_accepted(beats in prop::collection::vec((any::<u64>(), any::<i64>(), 0..1_000 * SECOND), 1..300)) {
        for text in ["fixed:3", "phi:8", "chen:2s", "2w-fd:2s", "calibrated:1 per day"] {
            let (mut watch, mut at) = (watch(text), 0);
            for (seq, sent, later) in &beats {
                at += later;
                watch.beat(Beat { seq: *seq, sent: *sent, at });
            }
            prop_assert!(watch.deadline().is_some());
        }
    }

    /// A stricter promise never has a shorter silence.
    #[test]
    fn a_stricter_promise_waits_longer(delays in prop::collection::vec((0_i64..500, 0_u8..5), 20..300)) {
        let silence = |text: &str| {
            let mut watch = watch(text);
            for (seq, (delay, _)) in (0..).zip(&delays).filter(|(_, (_, fate))| *fate > 0) {
                watch.beat(Beat { seq, sent: sent(seq), at: sent(seq) + delay * MS });
            }
            watch.forecast().map_or(0, |forecast| forecast.silence)
        };
        let promises = ["5 per minute", "1 per hour", "1 per day", "1 per 30 days", "1 per 100 years"];
        let silences = promises.map(|promise| silence(&format!("calibrated:{promise}")));
        prop_assert!(silences.is_sorted(), "{:?}", silences);
    }
}
