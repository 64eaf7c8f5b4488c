//! Two clocks in virtual time: the truth is always inside.

use super::*;
use crate::logic::stats::Columns;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

/// An exchange by the true times of a path: sent at `at`, `up` and `down` long, held for `hold`; `theta` is the offset of
/// the server's clock at a time.
fn exchange(at: i64, up: i64, hold: i64, down: i64, theta: &dyn Fn(i64) -> i64) -> Exchange {
    let (arrived, left, recv) = (at + up, at + up + hold, at + up + hold + down);
    let (server_recv, server_sent) = (arrived + theta(arrived), left + theta(left));
    Exchange { sent: at, server_recv, server_sent, recv }
}

fn clock(exchanges: &[Exchange], rate: MaxRate) -> Clock {
    let sent: Vec<i64> = exchanges.iter().map(|each| each.sent).collect();
    let rtt: Vec<i64> = exchanges.iter().map(|each| each.recv - each.sent).collect();
    let recv: Vec<i64> = exchanges.iter().map(|each| each.server_recv).collect();
    let replied: Vec<i64> = exchanges.iter().map(|each| each.server_sent).collect();
    let columns = Columns {
        rtt: &rtt,
        sent_wall: Some(&sent),
        server_recv: Some(&recv),
        server_sent: Some(&replied),
        ..Columns::default()
    };
    Clock::of(&[Sample::new(columns).expect("columns that fit")], rate).expect("times of a server")
}

#[test]
fn one_exchange_knows_the_offset_by_its_round_trip() {
    let found = clock(&[exchange(1_000, 40, 7, 10, &|_| 500)], MaxRate { ppb: 0 });
    assert_eq!(found.offsets, [Offset { low: 490, high: 540 }]);
    let way = found.one_way().next().expect("one way");
    assert_eq!(way, OneWay { up: 25, down: 25, error: 25 });
}

/// 40 ms up and 0 down: the middle is 20 ms off, as NTP's would be, and the bound says so.
#[test]
fn an_asymmetric_path_is_inside_the_bound() {
    let all: Vec<_> = (0..100).map(|i| exchange(i * 1_000_000, 40_000_000, 0, 0, &|_| -77)).collect();
    for way in clock(&all, MaxRate { ppb: 0 }).one_way() {
        assert_eq!((way.up, way.down, way.error), (20_000_000, 20_000_000, 20_000_000));
    }
}

#[test]
fn a_clock_that_is_set_is_found_and_both_offsets_stay_right() {
    let theta = |at: i64| if at < 5_500 { 0 } else { 1_000_000 };
    let all: Vec<_> = (0..10).map(|i| exchange(i * 1_000, 5, 0, 5, &theta)).collect();
    let found = clock(&all, MaxRate { ppb: 0 });
    assert_eq!(found.steps, [Step { after: 5_000, before: 6_010 }]);
    for (exchange, offset) in found.exchanges.iter().zip(&found.offsets) {
        let truth = theta(exchange.sent);
        assert!(offset.low <= truth && truth <= offset.high, "{offset:?} {truth}");
        assert_eq!(offset.high - offset.low, 10);
    }
}

#[test]
fn what_a_lying_server_says_is_left_out() {
    let mut lies =
        [exchange(0, 5, 0, 5, &|_| 0), exchange(10, 5, 0, 5, &|_| 0), exchange(20, 5, 0, 5, &|_| 0)];
    lies[1].server_sent += 1_000;
    lies[2].server_sent = i64::MAX;
    lies[2].server_recv = i64::MIN + 1;
    let found = clock(&lies, MaxRate::DEFAULT);
    assert_eq!((found.exchanges.len(), found.impossible), (1, 2));
}

#[test]
fn rates_that_are_not_clocks_are_refused() {
    for wrong in [-1.0, 100_001.0, f64::NAN, f64::INFINITY] {
        assert!(MaxRate::ppm(wrong).is_err(), "{wrong}");
    }
    assert_eq!(MaxRate::ppm(200.0), Ok(MaxRate::DEFAULT));
}

/// How a clock differs: its offset, parts per billion, a wave of so many parts per billion, and steps.
#[derive(Debug, Clone)]
struct Theta {
    offset: i64,
    ppb: i64,
    wave: i64,
    step: Option<(i64, i64)>,
}

impl Theta {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a test's own small numbers"
    )]
    fn at(&self, time: i64) -> i64 {
        let linear = i128::from(time) * i128::from(self.ppb) / 1_000_000_000;
        // 10 s around a circle: the rate is at most `wave`.
        let circle = 10e9 / std::f64::consts::TAU;
        let wave = (time as f64 / circle).sin() * circle * self.wave as f64 / 1e9;
        let step = self.step.filter(|(at, _)| *at <= time).map_or(0, |(_, by)| by);
        self.offset + i64::try_from(linear).expect("a small number") + wave as i64 + step
    }
}

/// Exchanges of a path that is asymmetric, queues, and whose programs are late at all four points.
fn path() -> impl Strategy<Value = Vec<(i64, i64, i64, i64, i64)>> {
    let gap = 1_000_000_i64..1_000_000_000;
    let (up, down) = (0_i64..30_000_000, 0_i64..30_000_000);
    (up, down).prop_flat_map(move |(up, down)| {
        let each = (gap.clone(), 0_i64..20_000_000, 0_i64..1_000_000, 0_i64..20_000_000, 0_i64..200_000)
            .prop_map(move |(gap, more_up, hold, more_down, late)| {
                (gap, up + more_up, hold, down + more_down, late)
            });
        proptest::collection::vec(each, 1..120)
    })
}

fn run(path: &[(i64, i64, i64, i64, i64)], theta: &Theta) -> Vec<Exchange> {
    let mut at = 0;
    path.iter()
        .map(|(gap, up, hold, down, late)| {
            at += gap;
            let mut each = exchange(at, *up, *hold, *down, &|time| theta.at(time));
            each.sent -= late;
            each.recv += late;
            each
        })
        .collect()
}

fn theta() -> impl Strategy<Value = Theta> {
    (-1_000_000_000_000_i64..1_000_000_000_000, -150_000_i64..150_000, 0_i64..50_000)
        .prop_map(|(offset, ppb, wave)| Theta { offset, ppb, wave, step: None })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Clocks within the stated rate: the truth is inside, nothing is said to be set, and both ways are inside their bound.
    #[test]
    fn the_truth_is_inside((path, theta) in (path(), theta())) {
        let all = run(&path, &theta);
        let found = clock(&all, MaxRate::DEFAULT);
        prop_assert_eq!((found.steps.len(), found.impossible), (0, 0));
        for ((offset, way), (each, (_, up, _, down, late))) in
            found.offsets.iter().zip(found.one_way()).zip(found.exchanges.iter().zip(&path))
        {
            let truth = theta.at(each.sent);
            prop_assert!(offset.low <= truth && truth <= offset.high, "{:?} {}", offset, truth);
            let slack = MaxRate::DEFAULT.drift(each.recv - each.sent) + 2;
            prop_assert!((way.up - (up + late)).abs() <= way.error + slack);
            prop_assert!((way.down - (down + late)).abs() <= way.error + slack);
        }
    }

    /// Clocks of a constant rate: the line is not refuted, and the truth is inside.
    #[test]
    fn the_truth_is_inside_the_line((path, theta) in (path(), theta())) {
        let theta = Theta { wave: 0, ..theta };
        let found = clock(&run(&path, &theta), MaxRate::DEFAULT);
        let line = found.line().expect("clocks of a constant rate");
        let (least, most) = line.skew_ppm();
        let skew = theta.ppb as f64 / 1e3;
        prop_assert!(least <= skew + 1e-6 && skew <= most + 1e-6, "{} {} {}", least, skew, most);
        for exchange in &found.exchanges {
            let (at, truth) = (line.at(exchange.sent), theta.at(exchange.sent));
            prop_assert!(at.low <= truth && truth <= at.high, "{:?} {}", at, truth);
        }
    }

    /// A clock that is set once: the truth stays inside before, around and after, whether it is found or not.
    #[test]
    fn the_truth_is_inside_around_a_step((path, theta, part, by) in (path(), theta(), 0.0..1.0, 100_000_000_i64..1_000_000_000_000)) {
        let end: i64 = path.iter().map(|each| each.0).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a test's own small numbers")]
        let at = (end as f64 * part) as i64;
        let theta = Theta { step: Some((at, by)), ..theta };
        let all = run(&path, &theta);
        // An exchange across the step has no one offset.
        let whole: Vec<_> = all.iter().filter(|each| at < each.sent || each.recv < at).copied().collect();
        prop_assume!(!whole.is_empty());
        let found = clock(&whole, MaxRate::DEFAULT);
        let both = whole.first().is_some_and(|each| each.recv < at) && whole.last().is_some_and(|each| at < each.sent);
        prop_assert_eq!(found.steps.len(), usize::from(both));
        for step in &found.steps {
            prop_assert!(step.after <= at && at <= step.before);
        }
        for (each, offset) in found.exchanges.iter().zip(&found.offsets) {
            let truth = theta.at(each.sent);
            prop_assert!(offset.low <= truth && truth <= offset.high, "{:?} {}", offset, truth);
        }
    }
}

/// 10 minutes of 10 a second over 5 ms each way, 20 ppm apart: the slope is known to some 17 ppm, as RTT/time says.
#[test]
fn a_line_knows_the_skew() {
    let theta = Theta { offset: 7_000_000_000, ppb: 20_000, wave: 0, step: None };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let queue = proptest::collection::vec((0_i64..4_000_000, 0_i64..4_000_000), 6_000);
    let queue = queue.new_tree(&mut runner).expect("queues").current();
    let ways = queue.iter().map(|(up, down)| (100_000_000, 5_000_000 + up, 0, 5_000_000 + down, 0));
    let found = clock(&run(&ways.collect::<Vec<_>>(), &theta), MaxRate::DEFAULT);
    let line = found.line().expect("a line");
    let (least, most) = line.skew_ppm();
    assert!((0.0..20.0).contains(&least) && (20.0..45.0).contains(&most), "{least} {most}");
    for exchange in &found.exchanges {
        let (at, truth) = (line.at(exchange.sent), theta.at(exchange.sent));
        assert!(at.low <= truth && truth <= at.high, "{at:?} {truth}");
        assert!(at.half() < 6_000_000, "{at:?}");
    }
}

/// A rate that changes by more than the bounds hide is no line, and is not called one.
#[test]
fn a_line_is_refuted() {
    let theta = Theta { offset: 0, ppb: 0, wave: 50_000, step: None };
    let all: Vec<_> =
        (0..600).map(|i| exchange(i * 100_000_000, 1_000, 0, 1_000, &|at| theta.at(at))).collect();
    let found = clock(&all, MaxRate::DEFAULT);
    assert!(found.line().is_none());
    assert_eq!(found.steps, []);
    assert!(clock(&[], MaxRate::DEFAULT).line().is_none());
}

/// How much wider the interval is than what nobody can do better: half of the shortest way up and down together.
#[test]
fn the_interval_is_little_wider_than_the_best() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut ratios: Vec<i64> = (0..500)
        .map(|_| {
            let path = path().new_tree(&mut runner).expect("a path").current();
            let theta = theta().new_tree(&mut runner).expect("a clock").current();
            let found = clock(&run(&path, &theta), MaxRate::DEFAULT);
            let up = path.iter().map(|each| each.1 + each.4).min().expect("a ping");
            let down = path.iter().map(|each| each.3 + each.4).min().expect("a ping");
            let (_, narrowest) = found.narrowest().expect("an interval");
            narrowest.half() * 100 / up.midpoint(down).max(1)
        })
        .collect();
    ratios.sort_unstable();
    assert!(ratios[450] <= 130, "{} % at p90", ratios[450]);
}
