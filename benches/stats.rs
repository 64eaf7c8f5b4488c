//! Speed of the statistics over ten million pings: `cargo bench --bench stats`.
//!
//! A ping each millisecond; 3 % are lost, and the others take 20 ms and some more, so that replies overtake each other.

use std::sync::LazyLock;

use divan::{Bencher, black_box};
use udpping::logic::fit::{Outcomes, fit_delay, fit_loss};
use udpping::logic::record::NONE;
use udpping::logic::stats::{self, Columns, Lost, Quantile, Sample};

const PINGS: usize = 10_000_000;

fn main() {
    divan::main();
}

struct Run {
    rtt: Vec<i64>,
    sent: Vec<i64>,
    status: Vec<u8>,
    seq: Vec<u64>,
    copies: Vec<u32>,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let mut state = 1_u64;
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds")]
    let mut round_trip = move || {
        if draw() < 0.03 { NONE } else { 20_000_000 - (draw().max(1e-9).ln() * 300_000.0) as i64 }
    };
    let rtt: Vec<i64> = (0..PINGS).map(|_| round_trip()).collect();
    Run {
        sent: (0..).step_by(1_000_000).take(PINGS).collect(),
        status: rtt.iter().map(|rtt| if *rtt == NONE { 2 } else { 0 }).collect(),
        seq: (1..=PINGS as u64).collect(),
        copies: rtt.iter().map(|rtt| u32::from(*rtt != NONE)).collect(),
        rtt,
    }
});

fn sample() -> Sample<'static> {
    let run = &*RUN;
    Sample::new(Columns {
        rtt: &run.rtt,
        status: Some(&run.status),
        seq: Some(&run.seq),
        sent: Some(&run.sent),
        copies: Some(&run.copies),
        ..Columns::default()
    })
    .expect("columns that fit")
}

fn wanted() -> Vec<Quantile> {
    [0.95, 0.99].into_iter().map(|q| Quantile::new(q).expect("a quantile")).collect()
}

fn each<T>(bencher: Bencher<'_, '_>, statistic: impl Fn(&[Sample<'_>]) -> T + Sync) {
    let samples = [sample()];
    bencher.bench(|| statistic(black_box(&samples)));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn check_of_the_columns(bencher: Bencher<'_, '_>) {
    LazyLock::force(&RUN);
    bencher.bench(sample);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn round_trip(bencher: Bencher<'_, '_>) {
    each(bencher, |samples| stats::round_trip(samples, &wanted(), Lost::LeftOut));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn ipdv(bencher: Bencher<'_, '_>) {
    each(bencher, |samples| stats::ipdv(samples, &wanted()));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn pdv(bencher: Bencher<'_, '_>) {
    each(bencher, |samples| stats::pdv(samples, &wanted()));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn jitter(bencher: Bencher<'_, '_>) {
    each(bencher, stats::jitter);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn loss(bencher: Bencher<'_, '_>) {
    each(bencher, stats::loss);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn loss_runs(bencher: Bencher<'_, '_>) {
    each(bencher, stats::loss_runs);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn duplication(bencher: Bencher<'_, '_>) {
    each(bencher, stats::duplication);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn reordering(bencher: Bencher<'_, '_>) {
    each(bencher, |samples| stats::reordering(samples, 3));
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn fit_of_losses(bencher: Bencher<'_, '_>) {
    each(bencher, |samples| fit_loss(&Outcomes::of(samples)));
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn fit_of_delays(bencher: Bencher<'_, '_>) {
    each(bencher, fit_delay);
}
