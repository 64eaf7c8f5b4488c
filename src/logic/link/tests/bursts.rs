//! Losses in bursts: frozen, and as theory has them.

use super::*;

/// Worked out by another program from the definition; a change here breaks every replayed run.
#[test]
fn the_bursts_of_a_seed_are_frozen() {
    let vectors = [
        ("burst:30%,3", 42, "xxxx....xxxxx.xx..............xxx.xxxxxxxx...xx............."),
        ("burst:30%,3", 7, ".....xxx...xxxxxx.......xxxx...x..xxxxxx.....xx........xx..."),
        (
            "gilbert-elliott:10%,25%,loss_good=5%,loss_bad=80%",
            42,
            "xxxx.xxx.......................xxx...........xxxxxx...x.....",
        ),
    ];
    for (loss, seed, expected) in vectors {
        assert_eq!(losses(plan(loss, "0", seed), 60), expected, "{loss}, seed {seed}");
    }
    // The second client has its own.
    let mut link = Link::new(plan("burst:30%,3", "0", 7));
    send(&mut link, 1);
    let second: String = (0..60).map(|_| if is_lost(send(&mut link, 2)) { 'x' } else { '.' }).collect();
    assert_eq!(second, "....xx......xx..xxx..x..................x.....xx.....xx.....");
}

#[test]
fn a_burst_is_the_channel_that_it_stands_for() {
    // p = L / (B (1 - L)) and r = 1 / B.
    for (burst, channel) in [
        ("burst:30%,3", "gilbert-elliott:1/7,1/3"),
        ("burst:5%,4.66", "gilbert-elliott:50/4427,50/233"),
        ("burst:75%,3", "gilbert-elliott:1,1/3"),
        ("burst:0,3", "gilbert-elliott:0,1/3"),
    ] {
        assert_eq!(losses(plan(burst, "0", 9), 5_000), losses(plan(channel, "0", 9), 5_000), "{burst}");
    }
}

#[test]
fn certain_channels_are_exact() {
    assert!(!losses(plan("burst:0,5", "0", 1), 10_000).contains('x'));
    assert!(!losses(plan("gilbert-elliott:0,0.5", "0", 1), 10_000).contains('x'));
    assert!(!losses(plan("gilbert-elliott:0.5,0", "0", 1), 10_000).contains('.'));
    // It alternates, from either state.
    let seen = losses(plan("gilbert-elliott:1,1", "0", 1), 1_000);
    assert!(seen == "x.".repeat(500) || seen == ".x".repeat(500), "{seen}");
    // Runs of one: never two in a row.
    assert!(!losses(plan("burst:30%,1", "0", 1), 10_000).contains("xx"));
}

#[test]
fn the_state_decides_and_the_loss_has_uniforms_of_its_own() {
    // What a half-lossy channel loses, the lossy one loses as well: the states are the same.
    let all = losses(plan("gilbert-elliott:5%,20%", "0", 3), 20_000);
    let half = losses(plan("gilbert-elliott:5%,20%,loss_bad=50%", "0", 3), 20_000);
    assert!(all.chars().zip(half.chars()).all(|(all, half)| all == 'x' || half == '.'));
    let (all, half) = (all.matches('x').count() as f64, half.matches('x').count() as f64);
    assert!((half / all - 0.5).abs() < 0.03, "{half} of {all}");
    // The same in both states is a coin, and the coin's uniforms.
    let coin = losses(plan("gilbert-elliott:5%,20%,loss_good=30%,loss_bad=30%", "0", 3), 1_000);
    assert_eq!(coin, losses(plan("30%", "0", 3), 1_000));
}

/// Lost packets, and the runs of them by length (the longest ones together), of `count` packets from `ports`
/// clients in turn, each client's runs apart.
fn runs(plan: LinkPlan, ports: u16, count: u32) -> (u32, [u32; 13]) {
    let mut link = Link::new(plan);
    let (mut lost, mut lengths, mut open) = (0, [0; 13], vec![0_usize; usize::from(ports)]);
    for _ in 0..count / u32::from(ports) {
        for port in 0..ports {
            let run = &mut open[usize::from(port)];
            if is_lost(send(&mut link, port)) {
                (lost, *run) = (lost + 1, *run + 1);
            } else if *run > 0 {
                lengths[(*run - 1).min(12)] += 1;
                *run = 0;
            }
        }
    }
    (lost, lengths)
}

/// Chi-square of the lengths of runs, if a run is `k` long with the probability that `chance(k)` gives.
fn chi_square(lengths: &[u32; 13], chance: impl Fn(i32) -> f64) -> f64 {
    let all = f64::from(lengths.iter().sum::<u32>());
    let mut rest = all;
    let mut sum = 0.0;
    for (k, seen) in (1..).zip(lengths) {
        let expected = if k == 13 { rest } else { all * chance(k) };
        assert!(expected >= 5.0, "too few runs of {k}");
        rest -= expected;
        sum += (f64::from(*seen) - expected).powi(2) / expected;
    }
    sum
}

/// The 99.9 % quantile of chi-square with 12 degrees of freedom; the seeds are these, so nothing is left to chance.
const TOO_MUCH: f64 = 32.91;

#[test]
fn the_loss_and_the_runs_are_those_asked_for() {
    for (text, seed, loss, mean_run) in [
        ("burst:5%,3", 11_u64, 0.05, 3.0),
        ("burst:4/11,4.66", 12, 4.0 / 11.0, 4.66),
        // Independent losses have runs of 1 / (1 - loss).
        ("burst:50%,2", 13, 0.5, 2.0),
        ("gilbert-elliott:2%,0.25", 14, 0.02 / 0.27, 4.0),
    ] {
        for (scope, ports) in [(Scope::Client, 1), (Scope::Client, 4), (Scope::Shared, 1)] {
            let count = 400_000;
            let (lost, lengths) =
                runs(LinkPlan { scope: Some(scope), ..plan(text, "0", seed) }, ports, count);
            let share = f64::from(lost) / f64::from(count);
            let r = 1.0 / mean_run;
            let memory = 1.0 - r - r * loss / (1.0 - loss);
            // The variance of a share, when a loss makes the next one likelier.
            let error = (loss * (1.0 - loss) / f64::from(count) * (1.0 + memory) / (1.0 - memory)).sqrt();
            assert!((share - loss).abs() < 4.0 * error, "{text}: {share}");
            let seen = f64::from(lengths.iter().sum::<u32>());
            let run = f64::from(lost) / seen;
            let error = ((mean_run * mean_run - mean_run) / seen).sqrt();
            assert!((run - mean_run).abs() < 4.0 * error, "{text}: runs of {run}");
            let distance = chi_square(&lengths, |k| r * (1.0 - r).powi(k - 1));
            assert!(distance < TOO_MUCH, "{text}, {scope}, {ports} clients: {distance}");
        }
    }
}

#[test]
fn a_shared_channel_is_bad_for_all_clients_at_once() {
    let shared = LinkPlan { scope: Some(Scope::Shared), ..plan("burst:10%,8", "0", 5) };
    let alone = losses(shared.clone(), 2_000);
    let mut link = Link::new(shared);
    let mixed: String =
        (0..2_000).map(|at| if is_lost(send(&mut link, at % 7)) { 'x' } else { '.' }).collect();
    assert_eq!(mixed, alone);
}

#[test]
fn a_partly_lossy_channel_has_the_runs_of_theory() {
    // P(loss after loss) and so the mean run, from the textbook.
    let (p, r, good, bad) = (0.04, 0.2, 0.01, 0.7);
    let share = p / (p + r);
    let mean = share * bad + (1.0 - share) * good;
    let again = (share * bad * ((1.0 - r) * bad + r * good)
        + (1.0 - share) * good * ((1.0 - p) * good + p * bad))
        / mean;
    let (lost, lengths) =
        runs(plan("gilbert-elliott:4%,20%,loss_good=1%,loss_bad=70%", "0", 21), 1, 1_000_000);
    assert!((f64::from(lost) / 1e6 / mean - 1.0).abs() < 0.02, "{lost}");
    let run = f64::from(lost) / f64::from(lengths.iter().sum::<u32>());
    assert!((run * (1.0 - again) - 1.0).abs() < 0.01, "{run}");
}

/// A channel that always began good would hardly lose a first packet.
#[test]
fn the_first_packet_is_lost_as_often_as_any() {
    let mut link = Link::new(plan("burst:30%,20", "0", 31));
    let share = |lost: u32| f64::from(lost) / 40_000.0;
    let mut at = [0; 3];
    for port in 0..40_000 {
        for lost in &mut at {
            *lost += u32::from(is_lost(send(&mut link, port)));
        }
    }
    // Four standard deviations.
    assert!(at.iter().all(|lost| (share(*lost) - 0.3).abs() < 0.0092), "{at:?}");
}

proptest! {
    #[test]
    fn a_channel_goes_on_where_the_client_left_it(seed: u64, others in prop::collection::vec(0..9_u16, 1..200)) {
        let plan = LinkPlan { scope: Some(Scope::Client), ..plan("burst:40%,6", "0", seed) };
        let (mut quiet, mut busy) = (Link::new(plan.clone()), Link::new(plan));
        prop_assert_eq!(send(&mut quiet, 100), send(&mut busy, 100));
        for port in others {
            send(&mut busy, port);
            prop_assert_eq!(is_lost(send(&mut quiet, 100)), is_lost(send(&mut busy, 100)));
        }
    }
}

/// The published lines of a seed, and over many packets the share that was asked for and the mean runs of a numerical
/// integral of the bivariate normal distribution: 1 / (1 - P(lost | lost before)).
#[test]
fn correlated_losses_are_as_many_as_asked_for_and_in_the_runs_of_the_copula() {
    for (rho, mean_run) in [("0", 1.0526), ("0.5", 1.3224), ("0.75", 1.7863), ("0.9", 2.7575)] {
        let marks = losses(plan(&format!("correlated:5%,{rho}"), "0", 7), 200_000);
        let lost = marks.matches('x').count() as f64;
        let runs = marks.split('.').filter(|run| !run.is_empty()).count() as f64;
        assert!((lost / 10_000.0 - 1.0).abs() < 0.09, "{rho}: {lost}");
        assert!((lost / runs / mean_run - 1.0).abs() < 0.05, "{rho}: {}", lost / runs);
    }
    assert_eq!(losses(plan("correlated:0,0.9", "0", 1), 100), ".".repeat(100));
    assert_eq!(losses(plan("correlated:1,0.9", "0", 1), 100), "x".repeat(100));
    assert_eq!(losses(plan("correlated:30%,0.9", "0", 42), 40), "x...............x.......................");
    for text in ["correlated:0.05,0.9", "correlated:4/11,0"] {
        assert_eq!(text.parse::<Loss>().unwrap().to_string(), text);
    }
    for text in
        ["correlated:5%", "correlated:5%,1", "correlated:5%,-0.1", "correlated:2,0.5", "correlated:5%,0.5,1"]
    {
        let refused = text.parse::<Loss>().unwrap_err().to_string();
        assert!(refused.contains("from 0 to below 1"), "{refused}");
    }
}

/// Whether each of many datagrams is lost that are this far apart.
fn lost_in_time(loss: &str, apart: Nanos, count: i64) -> Vec<bool> {
    let mut link = Link::new(plan(loss, "0", 11));
    let mut client = link.client(client(1));
    (0..count).map(|number| is_lost(client.round_trip(Packet { at: number * apart, len: 0 }))).collect()
}

#[test]
fn a_channel_in_time_loses_the_same_share_however_far_apart_datagrams_are() {
    const COUNT: i64 = 100_000;
    // Bad for 1 s of 5 s on average.
    for (apart, text) in
        [(1, "100 ms"), (20, "2 s"), (600, "1 min")].map(|(tenths, text)| (tenths * 100_000_000, text))
    {
        let lost = lost_in_time("gilbert-elliott-time:4s,1s", apart, COUNT);
        let share = lost.iter().filter(|lost| **lost).count() as f64 / COUNT as f64;
        // The state of one is left in the next: exp(-t (1/4 + 1)).
        let stays = (-1.25e-9 * apart as f64).exp();
        let error = 5.0 * (0.2 * 0.8 / COUNT as f64 * (1.0 + stays) / (1.0 - stays)).sqrt();
        assert!((share - 0.2).abs() < error, "{share} of those {text} apart");
        let after = lost.windows(2).filter(|pair| pair[0]).map(|pair| f64::from(u8::from(pair[1])));
        let (runs, again) = (share * COUNT as f64, after.sum::<f64>());
        let expected = 0.2 + 0.8 * stays;
        assert!(
            (again / runs - expected).abs() < 5.0 * (expected * (1.0 - expected) / runs).sqrt() + 1e-3,
            "{text}"
        );
    }
}

#[test]
fn a_channel_in_time_is_frozen_and_does_not_change_back_in_time() {
    let marks = |apart, count| -> String {
        let lost = lost_in_time("gilbert-elliott-time:4s,1s,loss_bad=60%", apart, count);
        lost.into_iter().map(|lost| if lost { 'x' } else { '.' }).collect()
    };
    assert_eq!(marks(100_000_000, 60), "..x.xx.xx...xx.xxx.x...x.x.x..x....xx.......................");
    assert_eq!(marks(2_000_000_000, 60), ".......x.........x.....x.x.........xx.xx.................x..");
    let earlier = lost_in_time("gilbert-elliott-time:4s,1s", -1, 1_000);
    assert!(earlier.iter().all(|lost| *lost == earlier[0]));
}
