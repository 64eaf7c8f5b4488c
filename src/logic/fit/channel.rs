//! A chain with two states in floats, and the runs it makes.

use crate::logic::link::Loss;

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
    /// Losses that know nothing of each other.
    #[must_use]
    pub fn independent(loss: f64) -> Self {
        Self { p: loss, r: 1.0 - loss, loss_good: 0.0, loss_bad: 1.0 }
    }

    /// As a model loses; `None` for those that are no such chain, as patterns and lists.
    #[must_use]
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

    /// The share of packets that meet the bad state.
    #[must_use]
    pub fn bad(&self) -> f64 {
        self.p / (self.p + self.r)
    }

    /// The share of packets that are lost.
    #[must_use]
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

    /// The probabilities of the states and of a fate together, one packet later: a step of the chain, then the fate.
    pub(super) fn step(&self, [good, bad]: [f64; 2], lost: bool) -> [f64; 2] {
        let fate = |loss: f64| if lost { loss } else { 1.0 - loss };
        [
            (good * (1.0 - self.p) + bad * self.r) * fate(self.loss_good),
            (good * self.p + bad * (1.0 - self.r)) * fate(self.loss_bad),
        ]
    }

    /// The probabilities that a run of losses (or, if not `lost`, of pings in time) has a length of 1, 2, ... up to
    /// `longest`, in the long run and exactly. `None` if there are no such runs.
    #[must_use]
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
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Against all ways of ten packets.
    #[test]
    fn runs_of_any_chain_are_those_of_all_ways_there_are() {
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
