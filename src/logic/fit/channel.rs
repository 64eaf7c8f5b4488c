//! A two-state Markov chain that loses packets, and the probabilities of how many it loses, in all and in a row.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use crate::logic::link::Loss;
use crate::logic::special::normal_tail;
use crate::logic::stats::{Confidence, wilson_of_share};

/// The probability of a number of losses is computed up to so many standard deviations from the mean.
const REACH: f64 = 30.0;
/// Numbers of losses with a probability each: a million take half a second. Where more are likely, the distribution is
/// taken for normal.
const MOST_COUNTS: u64 = 1 << 20;

type Complex = [f64; 2];

/// A channel that is good or bad, as [`GilbertElliott`](crate::logic::link::GilbertElliott) is: before each packet it
/// turns bad with probability `p` and good with probability `r`, and then loses with the probability of its state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// From good to bad.
    pub p: f64,
    /// From bad to good.
    pub r: f64,
    /// The loss while it is good.
    pub loss_good: f64,
    /// The loss while it is bad.
    pub loss_bad: f64,
}

impl Channel {
    /// Independent losses.
    pub fn independent(loss: f64) -> Self {
        Self { p: loss, r: 1.0 - loss, loss_good: 0.0, loss_bad: 1.0 }
    }

    /// The channel of a model; `None` for a model that is no such chain, such as a pattern or a list.
    pub fn of(loss: &Loss) -> Option<Self> {
        match loss {
            Loss::Bernoulli(share) => Some(Self::independent(share.as_f64())),
            Loss::Burst(burst) => {
                let (share, r) = (burst.loss().as_f64(), 1.0 / burst.mean_run());
                Some(Self { p: share * r / (1.0 - share), r, loss_good: 0.0, loss_bad: 1.0 })
            }
            Loss::GilbertElliott(channel) => {
                let [p, r, loss_good, loss_bad] = channel.chances().map(|chance| chance.as_f64());
                Some(Self { p, r, loss_good, loss_bad })
            }
            _ => None,
        }
    }

    /// The share of packets in the bad state.
    pub fn bad(&self) -> f64 {
        self.p / (self.p + self.r)
    }

    /// The share of packets that are lost.
    pub fn mean_loss(&self) -> f64 {
        self.bad() * self.loss_bad + (1.0 - self.bad()) * self.loss_good
    }

    /// The same channel with the worse state called bad.
    pub(super) fn named(self) -> Self {
        if self.loss_good <= self.loss_bad {
            return self;
        }
        Self { p: self.r, r: self.p, loss_good: self.loss_bad, loss_bad: self.loss_good }
    }

    /// The joint probabilities of each state and an outcome, one packet later: a step of the chain, then the outcome.
    pub(super) fn step(&self, [good, bad]: [f64; 2], lost: bool) -> [f64; 2] {
        let fate = |loss: f64| if lost { loss } else { 1.0 - loss };
        [
            (good * (1.0 - self.p) + bad * self.r) * fate(self.loss_good),
            (good * self.p + bad * (1.0 - self.r)) * fate(self.loss_bad),
        ]
    }

    /// The probabilities that a run of losses (or, if not `lost`, of pings in time) has a length of 1, 2, ... up to
    /// `longest`, in the long run and exactly. `None` if there are no such runs.
    pub fn run_lengths(&self, lost: bool, longest: usize) -> Option<Vec<f64>> {
        let sum = |[good, bad]: [f64; 2]| good + bad;
        let mut state = self.step(self.step([1.0 - self.bad(), self.bad()], !lost), lost);
        let begins = sum(state);
        if begins <= 0.0 {
            return None;
        }
        Some(
            (0..longest)
                .map(|_| {
                    let ends = sum(self.step(state, !lost)) / begins;
                    state = self.step(state, lost);
                    ends
                })
                .collect(),
        )
    }

    /// The two-sided p-value of `lost` losses among `sent` packets: twice the probability of the smaller tail, at most 1.
    /// Exact to about 1e-12, by the characteristic function of the number of losses;
    /// from a million likely numbers on by the normal distribution with the chain's own variance.
    pub fn p_value(&self, sent: u64, lost: u64) -> f64 {
        let (mean, spread) = (sent as f64 * self.mean_loss(), self.variance(sent).sqrt());
        let counts = (2.0 * REACH * spread + 64.0).min(sent as f64 + 1.0);
        if counts > MOST_COUNTS as f64 {
            let off = ((lost as f64 - mean).abs() - 0.5).max(0.0) / spread;
            return 2.0 * normal_tail(off.abs());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let counts = counts.ceil() as u64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let least = ((mean - counts as f64 / 2.0).max(0.0) as u64).min(sent + 1 - counts);
        let Some(place) = lost.checked_sub(least).filter(|place| *place < counts) else { return 0.0 };
        let (fewer, as_few) = self.tails(sent, least, counts, place);
        (2.0 * as_few.min(1.0 - fewer)).clamp(0.0, 1.0)
    }

    /// The interval of the loss when `lost` of `sent` packets were lost: Wilson's for as many independent packets as vary
    /// like these of the chain.
    pub fn interval(&self, sent: u64, lost: u64, confidence: Confidence) -> (f64, f64) {
        let (n, mean, variance) = (sent as f64, self.mean_loss(), self.variance(sent));
        let independent = n * mean * (1.0 - mean);
        let trials = if independent > 0.0 && variance > 0.0 { n * independent / variance } else { n };
        wilson_of_share(lost as f64 / n.max(1.0), trials, confidence.z())
    }

    /// The probabilities that, of `sent` packets, fewer than `least + place` are lost, and not more than that, if the
    /// number of losses is one of the `counts` from `least` on.
    fn tails(&self, sent: u64, least: u64, counts: u64, place: u64) -> (f64, f64) {
        let turn = |by: u64, times: u64| {
            // Whole turns are removed in integers, before rounding.
            let part = u128::from(by) * u128::from(times) % u128::from(counts);
            let (sin, cos) = (TAU * part as f64 / counts as f64).sin_cos();
            [cos, sin]
        };
        // The sum over the first counts of the inverse Fourier transform, as geometric series; the second half mirrors
        // the first.
        let mut sums = [place as f64, place as f64 + 1.0];
        for wave in 1..=counts / 2 {
            let mirrored = if wave * 2 == counts { 1.0 } else { 2.0 };
            let [cos, sin] = turn(wave, least);
            let value = times(self.transform(sent, turn(wave, 1)), [cos, -sin]);
            let [cos, sin] = turn(wave, 1);
            let below = [1.0 - cos, sin];
            let size = below[0] * below[0] + below[1] * below[1];
            let value = times(value, [below[0] / size, -below[1] / size]);
            for (sum, terms) in sums.iter_mut().zip([place, place + 1]) {
                let [cos, sin] = turn(wave, terms);
                *sum += mirrored * times(value, [1.0 - cos, sin])[0];
            }
        }
        let [fewer, as_few] = sums.map(|sum| sum / counts as f64);
        (fewer, as_few)
    }

    /// The probability generating function, at `z`, of the number of losses among `sent` packets.
    fn transform(&self, sent: u64, z: Complex) -> Complex {
        let fate = |loss: f64| [1.0 - loss + loss * z[0], loss * z[1]];
        let (good, bad) = (fate(self.loss_good), fate(self.loss_bad));
        let scaled = |factor: f64, [re, im]: Complex| [factor * re, factor * im];
        let mut power = [
            [scaled(1.0 - self.p, good), scaled(self.p, bad)],
            [scaled(self.r, good), scaled(1.0 - self.r, bad)],
        ];
        let mut state = [[1.0 - self.bad(), 0.0], [self.bad(), 0.0]];
        let mut left = sent;
        while left > 0 {
            if left & 1 == 1 {
                state = moved(state, &power);
            }
            power = [moved(power[0], &power), moved(power[1], &power)];
            left >>= 1;
        }
        [state[0][0] + state[1][0], state[0][1] + state[1][1]]
    }

    /// The variance of the number of losses among `sent` packets.
    fn variance(&self, sent: u64) -> f64 {
        let (n, mean, change) = (sent as f64, self.mean_loss(), self.p + self.r);
        let kept = 1.0 - change;
        // 1 - kept^n, precise also where it is tiny.
        let forgotten = if kept > 0.0 {
            -(n * (-change).ln_1p()).exp_m1()
        } else {
            1.0 - kept.abs().powf(n) * if sent.is_multiple_of(2) { 1.0 } else { -1.0 }
        };
        let common = self.bad() * (1.0 - self.bad()) * (self.loss_bad - self.loss_good).powi(2);
        let pairs = kept * (n * change - forgotten) / (change * change);
        (n * mean * (1.0 - mean) + 2.0 * common * pairs).max(0.0)
    }

    /// The probability that, of `sent` packets, at least `length` in a row are lost somewhere.
    pub fn run_within(&self, sent: u64, length: u64) -> f64 {
        let through =
            [[1.0, 0.0], [0.0, 1.0]].map(|state| (0..length).fold(state, |state, _| self.step(state, true)));
        // The probabilities of the states without such a run so far; and, up to `length` packets earlier, of those in
        // which one could begin.
        let mut all = [1.0 - self.bad(), self.bad()];
        let mut starts = VecDeque::from([all]);
        let mut found = 0.0;
        for packet in 1..=sent {
            let passed = self.step(all, false);
            let lost = self.step(all, true);
            all = [passed[0] + lost[0], passed[1] + lost[1]];
            starts.push_back(passed);
            if packet >= length
                && let Some([good, bad]) = starts.pop_front()
            {
                let reached = [0, 1].map(|to| good * through[0][to] + bad * through[1][to]);
                all = [0, 1].map(|state| (all[state] - reached[state]).max(0.0));
                found += reached[0] + reached[1];
            }
        }
        if length == 0 { 1.0 } else { found.min(1.0) }
    }
}

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn moved(state: [Complex; 2], by: &[[Complex; 2]; 2]) -> [Complex; 2] {
    [0, 1].map(|to| {
        let (a, b) = (times(state[0], by[0][to]), times(state[1], by[1][to]));
        [a[0] + b[0], a[1] + b[1]]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The probabilities of each number of losses and of each longest run, over all outcomes of `sent` packets.
    fn ways(channel: &Channel, sent: u32) -> (Vec<f64>, Vec<f64>) {
        let mut counts = vec![0.0; sent as usize + 1];
        let mut longest = counts.clone();
        for way in 0..1_u32 << sent {
            let (mut run, mut most) = (0, 0);
            let mut state = [1.0 - channel.bad(), channel.bad()];
            for packet in 0..sent {
                let lost = way >> packet & 1 == 1;
                state = channel.step(state, lost);
                run = if lost { run + 1 } else { 0 };
                most = most.max(run);
            }
            counts[way.count_ones() as usize] += state[0] + state[1];
            longest[most] += state[0] + state[1];
        }
        (counts, longest)
    }

    proptest! {
        #[test]
        fn both_agree_with_all_outcomes(
            (p, r) in (0.001..1.0_f64, 0.001..1.0_f64),
            (loss_good, loss_bad) in (0.0..=1.0_f64, 0.0..=1.0_f64),
            sent in 1..10_u32,
        ) {
            let channel = Channel { p, r, loss_good, loss_bad };
            let (counts, longest) = ways(&channel, sent);
            for at in 0..=sent as usize {
                let (few, many): (f64, f64) = (counts[..=at].iter().sum(), counts[at..].iter().sum());
                let found = channel.p_value(sent.into(), at as u64);
                prop_assert!((found - (2.0 * few.min(many)).min(1.0)).abs() < 1e-12, "{at} of {sent}: {found}");
                let runs: f64 = longest[at..].iter().sum();
                let found = channel.run_within(sent.into(), at as u64);
                prop_assert!((found - runs).abs() < 1e-12, "{at} in a row of {sent}: {found}");
            }
        }
    }

    #[test]
    fn a_window_is_as_good_as_all() {
        let sent = 20_000;
        for (p, r, loss_good, loss_bad) in
            [(0.01, 0.2, 0.0, 1.0), (0.001, 0.03, 0.01, 0.5), (0.2, 0.01, 0.0, 1.0)]
        {
            let channel = Channel { p, r, loss_good, loss_bad };
            let (mean, spread) = (sent as f64 * channel.mean_loss(), channel.variance(sent).sqrt());
            for off in [-3.0, -1.0, 0.5, 2.0, 4.0] {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let lost = (mean + off * spread).clamp(0.0, sent as f64) as u64;
                let (fewer, as_few) = channel.tails(sent, 0, sent + 1, lost);
                let all = (2.0 * as_few.min(1.0 - fewer)).clamp(0.0, 1.0);
                let found = channel.p_value(sent, lost);
                assert!((found - all).abs() < 1e-11, "{lost}: {found} is not {all}");
            }
        }
    }

    #[test]
    fn independent_losses_are_binomial() {
        // 46 of 100 at 30 %: the tail from 46 on is 0.000531 (exact sum).
        let tail: f64 = (46..=100)
            .map(|k: u32| {
                let ways: f64 = (0..k).map(|i| f64::from(100 - i) / f64::from(k - i)).product();
                ways * 0.3_f64.powi(k.cast_signed()) * 0.7_f64.powi((100 - k).cast_signed())
            })
            .sum();
        assert!((Channel::independent(0.3).p_value(100, 46) - 2.0 * tail).abs() < 1e-13);
        assert_eq!(Channel::independent(0.0).p_value(100, 0).to_bits(), 1.0_f64.to_bits());
        assert!(Channel::independent(0.0).p_value(100, 1) < 1e-12);
        assert!(Channel::independent(1.0).p_value(100, 99) < 1e-12);
    }

    #[test]
    fn very_many_are_normal() {
        let channel = Channel { p: 0.01, r: 0.25, loss_good: 0.001, loss_bad: 0.9 };
        // 2.576 standard deviations off: one in a hundred.
        for sent in [100_000_000_u64, 10_000_000_000_000] {
            let off = 2.575_829_303_5 * channel.variance(sent).sqrt();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let lost = (sent as f64 * channel.mean_loss() + off) as u64;
            let found = channel.p_value(sent, lost);
            assert!((found - 0.01).abs() < 1e-4, "{found}");
        }
    }

    /// By the geometric runs of a bad state that loses all: a run of losses has k or more with (1 - r)^(k - 1).
    #[test]
    fn a_long_run_in_many_packets_is_as_rare_as_its_bursts() {
        let channel = Channel { p: 0.001, r: 0.2, loss_good: 0.0, loss_bad: 1.0 };
        let sent = 1_000_000_u32;
        let bursts = f64::from(sent) * channel.bad() * channel.r;
        let expected = -(-bursts * 0.8_f64.powi(39)).exp_m1();
        assert!((channel.run_within(sent.into(), 40) - expected).abs() < 1e-3 * expected);
    }

    fn close(ours: &[f64], theirs: &[f64]) {
        assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-12), "{ours:?} {theirs:?}");
    }

    #[test]
    fn runs_of_simple_chains_are_geometric() {
        let lengths = Channel::independent(0.3).run_lengths(true, 3).expect("runs");
        close(&lengths, &[0.7, 0.21, 0.063]);
        let burst = Channel { p: 0.1, r: 0.25, loss_good: 0.0, loss_bad: 1.0 };
        close(&burst.run_lengths(true, 3).expect("runs"), &[0.25, 0.1875, 0.140_625]);
        close(&burst.run_lengths(false, 2).expect("runs"), &[0.1, 0.09]);
        assert_eq!(Channel::independent(0.0).run_lengths(true, 3), None);
        assert_eq!(Channel::independent(1.0).run_lengths(false, 3), None);
    }

    #[test]
    fn models_of_chance_are_chains() {
        let of = |text: &str| Channel::of(&text.parse().expect("a loss"));
        let burst = of("burst:20%,3").expect("a chain");
        assert!((burst.mean_loss() - 0.2).abs() < 1e-15 && (burst.r - 1.0 / 3.0).abs() < 1e-15);
        let lossy = Channel { p: 0.01, r: 0.25, loss_good: 0.125, loss_bad: 0.5 };
        assert_eq!(of("gilbert-elliott:1%,25%,loss_good=0.125,loss_bad=0.5"), Some(lossy));
        assert_eq!((of("1"), of("pattern:.x")), (Some(Channel::independent(1.0)), None));
    }

    /// Against the probabilities of single patterns.
    #[test]
    fn runs_of_any_chain_agree_with_all_outcomes() {
        let channel = Channel { p: 0.2, r: 0.3, loss_good: 0.1, loss_bad: 0.7 };
        let chance = |marks: &str| {
            let start = [1.0 - channel.bad(), channel.bad()];
            let end = marks.bytes().fold(start, |state, mark| channel.step(state, mark == b'x'));
            end[0] + end[1]
        };
        let begins = chance(".x");
        let expected = [chance(".x.") / begins, chance(".xx.") / begins, chance(".xxx.") / begins];
        close(&channel.run_lengths(true, 3).expect("runs"), &expected);
        let total: f64 = channel.run_lengths(true, 500).expect("runs").iter().sum();
        assert!((total - 1.0).abs() < 1e-12);
        // The mean run is 1 over the share of losses that a ping in time follows.
        let mean: f64 = channel
            .run_lengths(true, 500)
            .expect("runs")
            .iter()
            .zip(1_u32..)
            .map(|(p, k)| p * f64::from(k))
            .sum();
        assert!((mean - channel.mean_loss() / chance("x.")).abs() < 1e-12);
    }
}
