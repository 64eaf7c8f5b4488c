//! Clocks by hand, in virtual time.

use proptest::prelude::*;

use super::*;
use crate::logic::random::{Direction, Effect, Uniforms};

const WALL: i64 = 1_700_000_000_000_000_000;
const HOUR: Nanos = 3_600 * SECOND;

/// A sender and a receiver in virtual time. True time starts at 0 for both.
struct World {
    clocks: Clocks,
    interval: Nanos,
    /// Which times the heartbeats carry.
    wall: bool,
    mono: bool,
    /// How much the sender's clocks are off by now, and ours.
    theirs: Nanos,
    ours: Nanos,
    /// What its clocks gain, in millionths.
    drift: f64,
    last: Option<Nanos>,
    findings: Vec<Finding>,
}

impl World {
    fn new(wall: bool, mono: bool) -> Self {
        let clocks = Clocks::new();
        Self {
            clocks,
            interval: SECOND,
            wall,
            mono,
            theirs: 0,
            ours: 0,
            drift: 0.0,
            last: None,
            findings: Vec::new(),
        }
    }

    /// The next heartbeat, sent at a time and `delay` on the way; what it gives for the sending time.
    fn beat(&mut self, steps: u64, sent: Nanos, delay: Nanos) -> Nanos {
        #[expect(clippy::cast_possible_truncation, reason = "a time")]
        let theirs = sent + (sent as f64 * self.drift * 1e-6).round() as Nanos;
        let sample = ClockSample {
            wall: self.wall.then_some(WALL + theirs + self.theirs),
            mono: self.mono.then_some(theirs),
        };
        let at = sent + delay;
        let update =
            self.clocks.hear(steps, self.interval, sample, Moment { mono: at, wall: WALL + at + self.ours });
        self.findings.extend(update.finding);
        update.sent
    }

    /// One heartbeat a second from one number on, 20 ms on the way: what each gives for the time since the first.
    fn seconds(&mut self, numbers: std::ops::Range<i64>) -> Vec<Nanos> {
        numbers
            .map(|number| {
                let sent = self.beat(1, number * SECOND, 20 * MS);
                sent - *self.last.get_or_insert(sent)
            })
            .collect()
    }
}

/// With both times, with a wall clock alone, with a steady one alone, without any.
fn worlds() -> [World; 4] {
    [World::new(true, true), World::new(true, false), World::new(false, true), World::new(false, false)]
}

fn every_second(numbers: std::ops::Range<i64>) -> Vec<Nanos> {
    numbers.map(|number| number * SECOND).collect()
}

#[test]
fn a_quiet_hour_has_no_findings() {
    for mut world in worlds() {
        assert_eq!(world.seconds(0..3_600), every_second(0..3_600));
        assert_eq!(world.findings, []);
    }
}

#[test]
fn a_step_of_the_senders_wall_clock_is_told_and_taken_out() {
    for by in [-HOUR, -2 * SECOND, 800 * MS, HOUR] {
        for (wall, mono) in [(true, true), (true, false)] {
            let mut world = World::new(wall, mono);
            world.seconds(0..20);
            world.theirs = by;
            assert_eq!(world.seconds(20..40), every_second(20..40));
            assert_eq!(world.findings, [Finding::SenderStepped { by }]);
            assert_eq!(world.clocks.reading().difference, Some(20 * MS - by));
        }
    }
}

#[test]
fn beside_a_steady_clock_a_small_step_is_told_too() {
    let mut world = World::new(true, true);
    world.seconds(0..20);
    world.theirs = -12 * MS;
    world.seconds(20..40);
    assert_eq!(world.findings, [Finding::SenderStepped { by: -12 * MS }]);
}

#[test]
fn a_step_of_our_wall_clock_changes_nothing_but_the_difference() {
    for mut world in worlds() {
        world.seconds(0..20);
        world.ours = -5 * SECOND;
        assert_eq!(world.seconds(20..40), every_second(20..40));
        assert_eq!(world.findings, []);
        let reading = world.clocks.reading();
        assert_eq!(reading.difference, world.wall.then_some(-4_980 * MS));
        assert_eq!(reading.delay, (world.wall || world.mono).then_some(0));
    }
}

#[test]
fn a_clock_that_is_steered_was_not_set() {
    for (wall, mono) in [(true, true), (true, false)] {
        let mut world = World::new(wall, mono);
        for number in 0..3_600 {
            // 500 ppm, forward and back.
            world.theirs = if number < 1_800 { number } else { 3_600 - number } * 500_000;
            world.ours = -world.theirs;
            world.seconds(number..number + 1);
        }
        assert_eq!(world.findings, []);
    }
}

#[test]
fn a_sender_that_stood_still_is_told_from_losses_and_delays() {
    for mut world in worlds() {
        world.seconds(0..20);
        // Number 20 is sent 30 s late, and the others after it.
        let sent = world.beat(1, 49 * SECOND, 20 * MS);
        if world.wall || world.mono {
            assert_eq!(world.findings, [Finding::SenderPaused { gap: 30 * SECOND }]);
            assert_eq!(sent - world.last.unwrap(), 49 * SECOND);
        }
        world.seconds(50..70);
        assert!(world.findings.len() <= 1, "{:?}", world.findings);
    }
}

#[test]
fn losses_and_delays_are_no_findings() {
    for mut world in worlds() {
        world.seconds(0..20);
        // Fifty are lost, one takes 9 s, and those behind it come all at once.
        world.beat(50, 69 * SECOND, 20 * MS);
        for number in 70..80 {
            world.beat(1, number * SECOND, (79 - number) * SECOND + 20 * MS + number);
        }
        world.seconds(80..100);
        assert_eq!(world.findings, []);
    }
}

#[test]
fn a_step_during_a_delay_is_seen_in_a_wall_clock_alone() {
    let mut world = World::new(true, false);
    world.seconds(0..20);
    world.theirs = HOUR;
    let sent = world.beat(1, 20 * SECOND, 3 * SECOND);
    // Not known better than the delay.
    assert!((20 * SECOND..=23 * SECOND).contains(&sent.saturating_sub(world.last.unwrap())), "{sent}");
    assert!(matches!(world.findings[..], [Finding::SenderStepped { by }] if (by - HOUR).abs() <= 3 * SECOND));
}

#[test]
fn a_wall_clock_in_whole_seconds_does_not_step() {
    for interval in [SECOND / 10, SECOND] {
        let mut clocks = Clocks::new();
        for number in 0..1_000 {
            let sent = number * interval + 950 * MS;
            let sample = ClockSample { wall: Some((WALL + sent) / SECOND * SECOND), mono: None };
            // Now before, now after the full second.
            let at = sent + number * 37 % 100 * MS;
            let update = clocks.hear(1, interval, sample, Moment { mono: at, wall: at });
            assert_eq!(update.finding, None, "{number}");
        }
    }
}

#[test]
fn without_times_the_numbers_and_the_arrivals_tell() {
    // The interval is 1 s, but taken for 0.9 s.
    let mut world = World::new(false, false);
    world.interval = 900 * MS;
    let sent = world.seconds(0..200);
    assert!((sent[199] - sent[198] - SECOND).abs() < MS, "{}", sent[199] - sent[198]);
    // One that is late by 400 ms moves it by an eighth of that.
    let late = world.beat(1, 200 * SECOND, 420 * MS) - world.last.unwrap();
    assert!((late - sent[199] - 1_050 * MS).abs() < MS, "{}", late - sent[199]);
    let Reading { difference, delay, drift_ppm, variation } = world.clocks.reading();
    assert_eq!((difference, delay, drift_ppm, variation), (None, None, None, None));
}

#[test]
fn heartbeats_may_lack_a_time_now_and_then() {
    let mut world = World::new(true, true);
    for number in 0..200 {
        (world.wall, world.mono) = (number % 3 > 0, number % 5 > 1);
        let update = world.seconds(number..number + 1);
        assert_eq!(update, [number * SECOND]);
        let reading = world.clocks.reading();
        assert_eq!(reading.difference.is_some(), world.wall);
        assert_eq!(reading.delay.is_some(), number >= 9 && (world.wall || world.mono), "{number}");
    }
    assert_eq!(world.findings, []);
    // The wall clock is set while nobody can see it, and a pause has no times in its middle.
    (world.wall, world.mono, world.theirs) = (false, false, HOUR);
    world.seconds(200..210);
    world.wall = true;
    assert_eq!(world.seconds(210..211), [210 * SECOND]);
    assert_eq!(world.findings, [Finding::SenderStepped { by: HOUR }]);
}

#[test]
fn a_clock_that_is_set_is_told_once_whichever_times_come() {
    for alone in [true, false] {
        let mut world = World::new(true, true);
        world.seconds(0..20);
        // The first heartbeat after it has the wall clock alone, or both.
        (world.theirs, world.mono) = (HOUR, !alone);
        world.seconds(20..21);
        world.mono = true;
        assert_eq!(world.seconds(21..40), every_second(21..40));
        assert_eq!(world.findings, [Finding::SenderStepped { by: HOUR }]);
    }
}

#[test]
fn a_clock_that_is_set_in_a_long_pause_is_told_after_it_and_one_that_is_steered_is_not() {
    // 500 millionths of eight hours.
    for (by, told) in [(-14 * SECOND, false), (-HOUR, true)] {
        let mut world = World::new(true, true);
        world.seconds(0..20);
        world.theirs = by;
        for number in 20..40 {
            world.beat(1, 8 * HOUR + number * SECOND, 20 * MS);
        }
        let pause = Finding::SenderPaused { gap: 8 * HOUR + SECOND };
        let all = [pause, Finding::SenderStepped { by }];
        assert_eq!(world.findings, all[..=usize::from(told)]);
    }
}

#[test]
fn a_steady_clock_that_goes_back_is_another_one() {
    let mut clocks = Clocks::new();
    for number in 0..40 {
        let mono = if number < 20 { 1_000 + number } else { number - 20 } * SECOND;
        let at = Moment { mono: number * SECOND, wall: WALL + number * SECOND };
        let update = clocks.hear(1, SECOND, ClockSample { wall: Some(at.wall), mono: Some(mono) }, at);
        assert_eq!(update, ClockUpdate { sent: (1_000 + number) * SECOND, finding: None });
    }
}

#[test]
fn variation_is_that_of_rfc_3550() {
    let mut world = World::new(false, true);
    let mut expected = 0.0;
    for (number, delay) in [10, 26, 10, 10, 90, 20].into_iter().enumerate() {
        world.beat(1, i64::try_from(number).unwrap() * SECOND, delay * MS);
        let change: i32 = [0, 16, 16, 0, 80, 70][number];
        expected += if number == 0 { 0.0 } else { (f64::from(change) - expected) / 16.0 };
    }
    let variation = world.clocks.reading().variation.unwrap();
    assert!((variation as f64 / 1e6 - expected).abs() < 1e-6, "{variation} {expected}");
}

/// Exponential delays of 5 ms from a named seed.
fn exponential(uniforms: Uniforms, run: u32, index: i64) -> Nanos {
    let uniform = uniforms.draw(Direction::Up, run, Effect::DELAY, index.unsigned_abs());
    let u = (uniform >> 11) as f64 / (1_u64 << 53) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a delay")]
    let delay = (-5e6 * (1.0 - u).ln()) as Nanos;
    delay
}

/// The drift after so many heartbeats over many runs: the root mean square of its error in ppm.
fn error(beats: i64, runs: u32) -> f64 {
    let uniforms = Uniforms::new(2_004);
    let squares = (0..runs).map(|run| {
        let mut world = World::new(false, true);
        world.drift = 20.0;
        for number in 0..beats {
            world.beat(1, number * SECOND, exponential(uniforms, run, number));
        }
        (world.clocks.reading().drift_ppm.unwrap() - 20.0).powi(2)
    });
    (squares.sum::<f64>() / f64::from(runs)).sqrt()
}

/// 0.39 ppm at 300 heartbeats, from a calculation in another language; it falls with the square of their number. The
/// first seven are not used.
#[test]
fn the_drift_is_as_good_as_it_should_be() {
    for (beats, expected) in [(307, 0.39), (607, 0.39 / 4.0)] {
        let found = error(beats, 2_000);
        assert!((found / expected - 1.0).abs() < 0.1, "{beats}: {found}");
    }
}

#[test]
fn the_drift_is_known_from_300_heartbeats_on_and_taken_out_of_the_delay() {
    let uniforms = Uniforms::new(7);
    let mut world = World::new(true, true);
    world.drift = -100.0;
    for number in 0..10_000 {
        let delay = if number % 1_000 == 999 { 250 * MS } else { exponential(uniforms, 0, number) };
        world.beat(1, number * SECOND, delay + 30 * MS);
        let reading = world.clocks.reading();
        assert_eq!(reading.drift_ppm.is_some(), number >= 306, "{number}");
        if number > 999 {
            let above = reading.delay.unwrap() - delay;
            assert!((-MS..MS).contains(&above), "{number} {above}");
            assert!((reading.drift_ppm.unwrap() + 100.0).abs() < 1.0, "{number} {reading:?}");
        }
    }
    assert_eq!(world.findings, []);
}

#[test]
fn memory_is_as_stated() {
    assert!(size_of::<Clocks>() <= 96, "{}", size_of::<Clocks>());
    assert!(size_of::<Envelope>() <= 128, "{}", size_of::<Envelope>());
    // A drift that bends for ever: every point is a corner.
    let mut world = World::new(false, true);
    for number in 0..5_000 {
        world.beat(1, number * SECOND, number * number);
        assert!(world.clocks.envelope.as_ref().is_none_or(|envelope| envelope.corners() <= 2 * 64));
        let Reading { delay, drift_ppm, .. } = world.clocks.reading();
        assert!(delay.is_none_or(|delay| delay >= 0));
        // 2 number ns a second, where the edge is: within the last hour.
        let most = 0.002 * number as f64;
        assert!(drift_ppm.is_none_or(|drift| (-most..7.2 - most).contains(&drift)), "{number} {drift_ppm:?}");
    }
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => any::<i64>(),
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        6 => -2 * SECOND..2 * HOUR,
        6 => (0..500 * SECOND).prop_map(|time| time / 100 * 100),
    ]
}

proptest! {
    /// Whatever comes, and whenever: no panic, and readings that are numbers.
    #[test]
    fn nothing_that_comes_hurts(
        beats in prop::collection::vec(
            (prop_oneof![any::<u64>(), 0_u64..5], times(), prop::option::of(times()), prop::option::of(times()), times(), times()),
            1..80,
        ),
        repeat in 1_i64..12,
        rising: bool,
    ) {
        let mut clocks = Clocks::new();
        let mut later = 0_i64;
        for _ in 0..repeat {
            for (steps, interval, wall, mono, at, ours) in &beats {
                // As they are, or each after the one before.
                let time = |time: i64| if rising { later.saturating_add(time.saturating_abs() / 8) } else { time };
                let sample = ClockSample { wall: wall.map(time), mono: mono.map(time) };
                let at = Moment { mono: time(*at), wall: *ours };
                let update = clocks.hear(*steps, *interval, sample, at);
                if let Some(Finding::SenderPaused { gap }) = update.finding {
                    prop_assert!(gap > PAUSE);
                }
                let reading = clocks.reading();
                prop_assert!(reading.delay.is_none_or(|delay| delay >= 0));
                prop_assert!(reading.drift_ppm.is_none_or(f64::is_finite));
                prop_assert!(reading.variation.is_none_or(|variation| variation >= 0));
                later = later.saturating_add(SECOND);
            }
        }
    }
}
