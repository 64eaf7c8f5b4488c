//! What the models do over many datagrams, beside what theory says, within five standard errors; `tests/test_link_models.py`
//! has a million of them.

use super::*;

const MANY: u32 = 20_000;

/// The delays of many datagrams.
fn delays(delay: &str, seed: u64) -> Vec<Nanos> {
    let mut link = Link::new(plan("0", delay, seed));
    let mut client = link.client(client(1));
    (0..MANY).map(|_| arrival(client.round_trip(Packet { at: 0, len: 0 }))).collect()
}

/// What a mean of independent values is divided by, if each has this correlation with the last.
fn fewer(rho: f64) -> f64 {
    ((1.0 + rho) / (1.0 - rho)).sqrt()
}

fn moments(values: &[Nanos]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|value| *value as f64).sum::<f64>() / count;
    let variance = values.iter().map(|value| (*value as f64 - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// The correlation of each value with the next.
fn autocorrelation(values: &[Nanos]) -> f64 {
    let (mean, sigma) = moments(values);
    let products = values.windows(2).map(|pair| (pair[0] as f64 - mean) * (pair[1] as f64 - mean));
    products.sum::<f64>() / (values.len() - 1) as f64 / (sigma * sigma)
}

#[test]
fn delays_have_the_distribution_asked_for_whatever_their_correlation() {
    for (text, rho) in [
        ("uniform:5ms,25ms", 0.5),
        ("exponential:5ms,base=20ms", 0.0),
        ("exponential:5ms,base=20ms", 0.9),
        ("lognormal:median=5ms,sigma=0.8", 0.5),
        ("gamma:mean=5ms,shape=2", 0.25),
        ("normal:mean=40ms,sigma=5ms", 0.0),
        ("normal:mean=40ms,sigma=5ms", 0.9),
        ("pareto:scale=5ms,shape=5", 0.5),
        ("weibull:scale=5ms,shape=0.8", 0.75),
        ("table:10ms,12ms,20ms,60ms", 0.5),
    ] {
        let model: Delay = text.parse().unwrap();
        let mut seen = delays(&format!("{text},correlation={rho}"), 7);
        let (mean, sigma) = moments(&seen);
        let error = 5.0 * fewer(rho) / f64::from(MANY).sqrt();
        assert!((mean - model.mean() as f64).abs() < sigma * error, "{text} {rho}: {mean}");
        if text.starts_with("normal") {
            assert!((autocorrelation(&seen) - rho).abs() < error, "{text}, {rho}");
            assert!((sigma / 5e6 - 1.0).abs() < error, "{sigma}");
        } else if rho > 0.0 {
            let found = autocorrelation(&seen);
            assert!(found > 0.6 * rho && found < rho + error, "{text}: {found}");
        }
        seen.sort_unstable();
        for percent in [1, 10, 25, 50, 75, 90, 99] {
            // The share below the quantile is its own, and no share is known better than this.
            let share = f64::from(percent) / 100.0;
            let below =
                seen.partition_point(|delay| *delay < model.quantile(share)) as f64 / seen.len() as f64;
            let near = error * (share * (1.0 - share)).sqrt() + 1e-6;
            assert!((below - share).abs() < near, "{text} {rho}: {below} below the quantile of {share}");
        }
    }
}

#[test]
fn what_was_measured_comes_in_the_shares_it_came_in() {
    let seen = delays("empirical:30ms,10ms,20ms,20ms", 3);
    for (time, share) in [(10_000_000, 0.25), (20_000_000, 0.5), (30_000_000, 0.25)] {
        let found = seen.iter().filter(|delay| **delay == time).count() as f64 / seen.len() as f64;
        assert!((found - share).abs() < 5.0 * (share * (1.0 - share) / seen.len() as f64).sqrt(), "{found}");
    }
}

#[test]
fn a_floor_is_under_every_delay_and_moves_no_other() {
    let (free, floored) = (delays("exponential:5ms", 1), delays("exponential:5ms,floor=2ms", 1));
    assert!(free.iter().zip(&floored).all(|(free, floored)| *floored == (*free).max(2_000_000)));
}

#[test]
fn a_trace_is_counted_in_datagrams_also_in_lost_ones() {
    let run = |loss, delay| {
        let mut link = Link::new(plan(loss, delay, 1));
        (0..7).map(|_| arrival(send(&mut link, 1))).collect::<Vec<_>>()
    };
    assert_eq!(run("list:2", "trace:5ns,4ns,3ns"), [5, 0, 3, 0, 0, 0, 0]);
    assert_eq!(run("list:2", "trace-repeat:5ns,4ns,3ns"), [5, 0, 3, 5, 4, 3, 5]);
    assert_eq!(run("0", "trace-repeat:5ns,1ns,floor=2ns"), [5, 2, 5, 2, 5, 2, 5]);
}

#[test]
fn a_correlation_depends_on_no_other_effect() {
    for correlated in
        ["delay=normal:mean=40ms,sigma=5ms,correlation=0.9", "jitter=normal:5ms,correlation=0.9"]
    {
        let run = |more: &str, down: bool| {
            let path = format!("{correlated}; {more}").parse().unwrap();
            let (up, down) =
                if down { (more.parse().unwrap(), path) } else { (path, Impairments::default()) };
            let mut link = Link::new(LinkPlan { up, down, ..plan("0", "0", 5) });
            let mut client = link.client(client(1));
            // So far apart that no jitter lasts until the next.
            let send = |number: Nanos| client.round_trip(Packet { at: number * 1_000_000_000, len: 50 });
            (0..2_000).map(send).collect::<Vec<_>>()
        };
        let alone = run("", false);
        for more in
            ["loss=30%", "loss=burst:30%,3; first=5", "duplicate=30%,2", "schedule=100s-200s", "mtu=60"]
        {
            for down in [false, true] {
                for (with, alone) in run(more, down).iter().zip(&run("", down)) {
                    let (first, others) = (with.deliveries.first(), alone.deliveries.first());
                    let spared = more.contains("first") && with.number <= 5;
                    assert!(first.is_none() || spared || first == others, "{correlated} {more} {down}");
                }
            }
        }
        let waits: Vec<_> = alone
            .iter()
            .map(|fate| arrival(*fate) - (fate.number.cast_signed() - 1) * 1_000_000_000)
            .collect();
        assert!(autocorrelation(&waits) > 0.7, "{correlated}");
    }
}

#[test]
fn the_correlated_delays_of_a_seed_are_frozen() {
    let frozen = [
        ("normal:mean=40ms,sigma=5ms,correlation=0.9", [46_936_075, 36_293_523, 34_147_886, 32_903_077]),
        ("exponential:100ms,correlation=0.5,floor=20ms", [249_267_947, 20_000_000, 20_000_000, 20_000_000]),
        ("table:10ms,12ms,30ms", [27_023_228, 10_000_009, 10_496_549, 10_802_185]),
        ("empirical:10ms,12ms,30ms,31ms,32ms", [32_000_000, 10_000_000, 10_000_000, 12_000_000]),
    ];
    for (text, expected) in frozen {
        let mut link = Link::new(plan("0", text, 42));
        assert_eq!([(); 4].map(|()| arrival(send(&mut link, 1))), expected, "{text}");
    }
}
