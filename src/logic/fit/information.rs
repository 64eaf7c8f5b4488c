//! The standard errors of the parameters of a chain.
//!
//! They come from the observed information, the curvature of the log-likelihood at its maximum, on the scale of log odds.
//! The slope follows exactly from the expected counts (Fisher's identity); the curvature is the difference of the slopes
//! on both sides.

use super::em::{Counts, expect};
use super::{Channel, Outcomes};

type Square = [[f64; 4]; 4];

/// How far to either side, in log odds: far above rounding, far below where the slope curves.
const STEP: f64 = 1e-3;
/// A probability counts as 0 or 1 if its event, or the opposite, is expected less often than this.
const MET: f64 = 1.0;
/// A pivot below this share of its diagonal element is rounding.
const FLAT: f64 = 1e-9;

/// Standard errors of p, r and the losses of the good and the bad state, as far as they are `free`. One that is not free, or
/// is at 0 or 1, counts as known and has none. Where the likelihood is flat, none has one.
pub(super) fn standard_errors(outcomes: &Outcomes, channel: &Channel, free: [bool; 4]) -> [Option<f64>; 4] {
    let (_, counts) = expect(outcomes, channel);
    let met = events(&counts).map(|[happened, not]| happened >= MET && not >= MET);
    let free = [0, 1, 2, 3].map(|i| free[i] && met[i]);
    let bend = [0, 1, 2, 3].map(|j| {
        if !free[j] {
            // A fixed parameter is independent of the others.
            return [0, 1, 2, 3].map(|i| f64::from(u8::from(i == j)));
        }
        let there = |step: f64| slope(outcomes, &moved(channel, j, step));
        let (up, down) = (there(STEP), there(-STEP));
        [0, 1, 2, 3].map(|i| if free[i] { (down[i] - up[i]) / (2.0 * STEP) } else { 0.0 })
    });
    let chances = chances(channel);
    let Some(spread) = inverse(bend) else { return [None; 4] };
    [0, 1, 2, 3].map(|i| free[i].then(|| chances[i] * (1.0 - chances[i]) * spread[i][i].sqrt()))
}

fn chances(channel: &Channel) -> [f64; 4] {
    [channel.p, channel.r, channel.loss_good, channel.loss_bad]
}

/// The channel with one of its log odds higher by `step`.
fn moved(channel: &Channel, which: usize, step: f64) -> Channel {
    let mut chances = chances(channel);
    let chance = &mut chances[which];
    *chance = 1.0 / (1.0 + (1.0 - *chance) / *chance * (-step).exp());
    let [p, r, loss_good, loss_bad] = chances;
    Channel { p, r, loss_good, loss_bad }
}

/// How often the event of each probability is expected to have happened, and how often the opposite.
fn events(counts: &Counts) -> [[f64; 2]; 4] {
    let [kept, lost] = counts.steps;
    let both = |from: usize, to: usize| kept[from][to] + lost[from][to];
    let fate = |state: usize| [lost[0][state] + lost[1][state], kept[0][state] + kept[1][state]];
    [[both(0, 1), both(0, 0)], [both(1, 0), both(1, 1)], fate(0), fate(1)]
}

/// The derivative of the log-likelihood by each of the log odds.
fn slope(outcomes: &Outcomes, channel: &Channel) -> [f64; 4] {
    let (_, counts) = expect(outcomes, channel);
    let (events, chances, [good, bad]) = (events(&counts), chances(channel), counts.first);
    // The first states of the chains depend on p and r too: see `changes`.
    let first = [bad, good, 0.0, 0.0];
    let shared = [good + bad, good + bad, 0.0, 0.0];
    [0, 1, 2, 3].map(|i| {
        let ([happened, not], chance) = (events[i], chances[i]);
        (happened + first[i]) * (1.0 - chance)
            - not * chance
            - shared[i] * chance * (1.0 - chance) / (channel.p + channel.r)
    })
}

/// The inverse of a positive definite matrix; `None` for another.
fn inverse(matrix: Square) -> Option<Square> {
    let mut a = matrix;
    for k in 0..4 {
        let pivot = a[k][k];
        if !(pivot > FLAT * matrix[k][k] && pivot.is_finite()) {
            return None;
        }
        a[k] = a[k].map(|each| each / pivot);
        a[k][k] = 1.0 / pivot;
        let row = a[k];
        for i in [0, 1, 2, 3].into_iter().filter(|i| *i != k) {
            let part = std::mem::take(&mut a[i][k]);
            a[i] = [0, 1, 2, 3].map(|j| a[i][j] - part * row[j]);
        }
    }
    Some(a)
}

#[cfg(test)]
mod tests {
    use super::super::em::log_likelihood;
    use super::super::goodness::made_by;
    use super::*;

    const HIDDEN: Channel = Channel { p: 0.02, r: 0.1, loss_good: 0.01, loss_bad: 0.6 };

    #[test]
    fn states_that_are_seen_have_the_errors_of_counts() {
        let channel = Channel { p: 0.02, r: 0.3, loss_good: 0.0, loss_bad: 1.0 };
        let outcomes = made_by(&channel, 60_000, 5);
        let [p, r, ..] = standard_errors(&outcomes, &channel, [true, true, false, false]);
        let [kept, lost] = outcomes.pairs().map(|pairs| (pairs[0] + pairs[1]) as f64);
        let counted = |chance: f64, pairs: f64| (chance * (1.0 - chance) / pairs).sqrt();
        for (error, counted) in [(p, counted(0.02, kept)), (r, counted(0.3, lost))] {
            assert!(error.is_some_and(|error| (error / counted - 1.0).abs() < 0.05), "{error:?} {counted}");
        }
    }

    /// With the others known, an error follows from the curvature of the likelihood itself.
    #[test]
    fn the_bend_is_that_of_the_likelihood() {
        let outcomes = made_by(&HIDDEN, 20_000, 1);
        for which in 0..4 {
            let mut free = [false; 4];
            free[which] = true;
            let error =
                standard_errors(&outcomes, &HIDDEN, free)[which].expect("a probability within 0 and 1");
            let chance = chances(&HIDDEN)[which];
            let there = |step: f64| log_likelihood(&outcomes, &moved(&HIDDEN, which, step));
            let bend = (2.0 * there(0.0) - there(0.01) - there(-0.01)) / 1e-4;
            let expected = chance * (1.0 - chance) / bend.sqrt();
            assert!((error / expected - 1.0).abs() < 1e-3, "{which}: {error} {expected}");
        }
    }

    #[test]
    fn errors_grow_when_the_others_are_unknown() {
        let outcomes = made_by(&HIDDEN, 20_000, 1);
        let all = standard_errors(&outcomes, &HIDDEN, [true; 4]);
        for which in 0..4 {
            let mut free = [false; 4];
            free[which] = true;
            assert!(all[which] > standard_errors(&outcomes, &HIDDEN, free)[which]);
        }
    }

    #[test]
    fn at_an_edge_or_where_the_likelihood_is_flat_there_is_none() {
        let outcomes = made_by(&HIDDEN, 20_000, 1);
        let edge = Channel { loss_good: 1e-12, ..HIDDEN };
        let errors = standard_errors(&outcomes, &edge, [true; 4]);
        assert_eq!(errors.map(|error| error.is_some()), [true, true, false, true]);
        // Both states lose alike, so no parameter can be determined.
        let same = Channel { loss_good: 0.1, loss_bad: 0.1, ..HIDDEN };
        assert_eq!(standard_errors(&outcomes, &same, [true; 4]), [None; 4]);
    }

    #[test]
    fn an_inverse_is_one() {
        let matrix = [[4.0, 1.0, 0.5, 0.0], [1.0, 3.0, 0.2, 0.1], [0.5, 0.2, 2.0, 0.3], [0.0, 0.1, 0.3, 1.0]];
        let inverse = inverse(matrix).expect("positive definite");
        for (i, row) in matrix.iter().enumerate() {
            let product = [0, 1, 2, 3].map(|j| row.iter().zip(inverse).map(|(a, b)| a * b[j]).sum::<f64>());
            let unit = [0, 1, 2, 3].map(|j| f64::from(u8::from(i == j)));
            assert!(product.iter().zip(unit).all(|(a, b)| (a - b).abs() < 1e-12), "{product:?}");
        }
    }
}
