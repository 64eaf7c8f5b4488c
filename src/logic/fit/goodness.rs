//! The goodness of fit of a chain: compares the observed run lengths with those of simulated pings.

use super::{Channel, Outcomes, Stretch};

/// The result of a comparison with simulated pings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goodness {
    /// Pearson's X²: how far the numbers of runs of each length, of losses and of pings in time, are from the mean of the
    /// simulations.
    pub distance: f64,
    /// The share of runs, the observed one among them, that are as far from that mean: small for a model with other run
    /// lengths. It errs on the high side, as the model is not fitted anew to each simulated run.
    pub p_value: f64,
    /// How many pings were compared.
    pub compared: u64,
}

const SIMULATIONS: usize = 99;
const PIECES: u64 = 10;
const PIECE: u64 = 10_000;
/// The seed of the simulations: the same pings always have the same result.
const SEED: u64 = 42;

/// Compares run lengths with those of 99 simulated runs (a parametric bootstrap); of more than 100,000 pings, ten pieces of
/// 10,000 are compared.
pub(super) fn goodness(outcomes: &Outcomes, channel: &Channel) -> Goodness {
    let seen = outcomes.pieces(PIECES, PIECE);
    let chains: Vec<u64> = seen
        .chains()
        .map(|chain| chain.iter().map(|kind| seen.kinds()[*kind as usize].length).sum())
        .collect();
    let mut uniforms = SplitMix(SEED);
    let simulated: Vec<Lengths> =
        (0..SIMULATIONS).map(|_| simulate(channel, &chains, &mut uniforms)).collect();
    let mut mean = Lengths::default();
    for (place, cell) in mean.0.iter_mut().enumerate() {
        *cell = simulated.iter().map(|each| each.0[place]).sum::<f64>() / SIMULATIONS as f64;
    }
    let mut observed = Lengths::default();
    for kind in seen.chains().flatten() {
        observed.count(seen.kinds()[*kind as usize]);
    }
    let distance = observed.from(&mean);
    let as_far = simulated.iter().filter(|each| each.from(&mean) >= distance).count();
    Goodness {
        distance,
        p_value: (as_far + 1) as f64 / (SIMULATIONS + 1) as f64,
        compared: chains.iter().sum(),
    }
}

fn simulate(channel: &Channel, chains: &[u64], uniforms: &mut SplitMix) -> Lengths {
    let mut lengths = Lengths::default();
    for pings in chains {
        let mut bad = uniforms.next() < channel.bad();
        let mut run = Stretch { lost: false, length: 0 };
        for ping in 0..*pings {
            if ping > 0 {
                let change = if bad { channel.r } else { channel.p };
                bad ^= uniforms.next() < change;
            }
            let chance = if bad { channel.loss_bad } else { channel.loss_good };
            let lost = chance >= 1.0 || (chance > 0.0 && uniforms.next() < chance);
            if lost != run.lost && run.length > 0 {
                lengths.count(run);
                run.length = 0;
            }
            run = Stretch { lost, length: run.length + 1 };
        }
        if run.length > 0 {
            lengths.count(run);
        }
    }
    lengths
}

/// How many runs there are of each length: 1, 2, 3, 4, then two classes for each doubling; of pings in time, then of losses.
#[derive(Clone)]
struct Lengths([f64; 2 * CLASSES]);

const CLASSES: usize = 128;

impl Default for Lengths {
    fn default() -> Self {
        Self([0.0; 2 * CLASSES])
    }
}

impl Lengths {
    fn count(&mut self, run: Stretch) {
        self.0[usize::from(run.lost) * CLASSES + class(run.length)] += 1.0;
    }

    /// Pearson's X² against expected numbers, each taken as 1 at least.
    fn from(&self, expected: &Self) -> f64 {
        self.0.iter().zip(expected.0).map(|(seen, mean)| (seen - mean).powi(2) / mean.max(1.0)).sum()
    }
}

fn class(length: u64) -> usize {
    let before = length - 1;
    if before < 4 {
        return usize::try_from(before).unwrap_or(0);
    }
    let halvings = before.ilog2();
    2 * halvings as usize + usize::from(before >> (halvings - 1) & 1 == 1)
}

/// `SplitMix64` (Steele, Lea and Flood 2014), as numbers from 0 to 1.
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number below a small one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below `limit`")]
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() * limit as f64) as usize
    }
}

/// Pings simulated with a channel, for tests.
#[cfg(test)]
pub(super) fn made_by(channel: &Channel, pings: u64, seed: u64) -> Outcomes {
    let mut uniforms = SplitMix(seed);
    let mut outcomes = Outcomes::default();
    let mut bad = uniforms.next() < channel.bad();
    let mut run = Stretch { lost: false, length: 0 };
    for _ in 0..pings {
        let lost = uniforms.next() < if bad { channel.loss_bad } else { channel.loss_good };
        if lost != run.lost && run.length > 0 {
            outcomes.push(run);
            run.length = 0;
        }
        run = Stretch { lost, length: run.length + 1 };
        bad ^= uniforms.next() < if bad { channel.r } else { channel.p };
    }
    outcomes.push(run);
    outcomes.end();
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_double() {
        let classes: Vec<usize> = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17].map(class).into();
        assert_eq!(classes, [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8]);
        assert!(class(u64::MAX) < CLASSES);
    }

    #[test]
    fn the_true_channel_is_good_and_another_is_not() {
        let burst = Channel { p: 0.01, r: 0.3, loss_good: 0.0, loss_bad: 1.0 };
        let independent = Channel::independent(burst.mean_loss());
        let poor = (0..20).filter(|seed| goodness(&made_by(&burst, 20_000, *seed), &burst).p_value <= 0.05);
        assert!(poor.count() <= 4); // one expected
        let outcomes = made_by(&burst, 20_000, 1);
        assert!(goodness(&outcomes, &independent).p_value < 0.02);
        assert_eq!(goodness(&outcomes, &burst), goodness(&outcomes, &burst));
    }

    /// Losses in the second half alone: a chain with the same mean loss fits neither half.
    #[test]
    fn a_path_that_changes_is_no_chain() {
        let mut outcomes = Outcomes::default();
        outcomes.push(Stretch { lost: false, length: 500_000 });
        for _ in 0..50_000 {
            outcomes.push(Stretch { lost: true, length: 1 });
            outcomes.push(Stretch { lost: false, length: 9 });
        }
        outcomes.end();
        let found = goodness(&outcomes, &Channel::independent(0.05));
        assert!(found.p_value <= 0.01 && found.compared == 100_000, "{found:?}");
    }
}
