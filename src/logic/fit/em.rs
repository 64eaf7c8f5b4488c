//! Fits a channel whose state is hidden by maximum likelihood: expectation maximisation (Baum and others 1970), a
//! stretch at a time.
//!
//! A stretch of n equal outcomes multiplies by the n-th power of one matrix, and its expected counts follow from the
//! same powers. So the cost of a step grows with the number of stretches, not with their lengths. The first state of a
//! chain has the stationary distribution, as in a server.

use super::{Channel, Outcomes, Stretch};

type Matrix = [[f64; 2]; 2];

/// Where a search ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) channel: Channel,
    pub(super) log_likelihood: f64,
    /// Whether more steps would change nothing.
    pub(super) converged: bool,
}

/// The gain of log-likelihood in a round at which the search ends: a percent of a standard error.
const ENOUGH: f64 = 1e-5;
/// Rounds on the beginning of the pings, each of three steps.
const MOST_ROUNDS: usize = 300;
/// Rounds on all pings, from the best channel of their beginning: one takes a tenth of a second for ten million.
const MOST_LAST_ROUNDS: usize = 60;
/// Stretches that starting points are tried on.
const TRIAL: usize = 20_000;
const TRIAL_ROUNDS: usize = 8;
/// Probabilities that are not fixed keep so far from 0 and 1.
const EDGE: f64 = 1e-12;

/// The best channel, by steps from several starting points; `fixed_good` keeps the good state free of loss.
///
/// The starting points are tried on the beginning of the pings; the best two of these go on there, and the better one on
/// all pings.
pub(super) fn search(outcomes: &Outcomes, starts: &[Channel], fixed_good: bool) -> Option<Found> {
    let beginning = outcomes.beginning(TRIAL);
    let mut tried: Vec<Found> =
        starts.iter().map(|start| climb(&beginning, *start, fixed_good, TRIAL_ROUNDS)).collect();
    tried.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood));
    tried.truncate(2);
    let near = tried
        .iter()
        .map(|trial| climb(&beginning, trial.channel, fixed_good, MOST_ROUNDS))
        .max_by(|a, b| a.log_likelihood.total_cmp(&b.log_likelihood))?;
    let found = if outcomes.stretches() == beginning.stretches() {
        near
    } else {
        climb(outcomes, near.channel, fixed_good, MOST_LAST_ROUNDS)
    };
    Some(Found { channel: found.channel.named(), ..found })
}

/// Climbs from one starting point: two steps, an extrapolation from them (SQUAREM; Varadhan and Roland 2008), which is
/// dropped if the likelihood falls, and a step from there.
fn climb(outcomes: &Outcomes, start: Channel, fixed_good: bool, rounds: usize) -> Found {
    let step = |channel: Channel| {
        let (log_likelihood, counts) = expect(outcomes, &channel);
        (log_likelihood, counts.maximise(channel, fixed_good))
    };
    let mut channel = start;
    let mut last = f64::NEG_INFINITY;
    for _ in 0..rounds {
        let (here, one) = step(channel);
        if here - last < ENOUGH {
            return Found { channel, log_likelihood: here, converged: true };
        }
        last = here;
        let (there, two) = step(one);
        let (beyond, three) = step(leap(channel, one, two));
        channel = if beyond >= there { three } else { two };
    }
    Found { channel, log_likelihood: expect(outcomes, &channel).0, converged: false }
}

/// Extrapolates three successive points on the scale of log odds; returns the third where that leads no further.
fn leap(from: Channel, one: Channel, two: Channel) -> Channel {
    let odds = |channel: Channel| {
        [channel.p, channel.r, channel.loss_good, channel.loss_bad]
            .map(|chance| (chance / (1.0 - chance)).ln())
    };
    let odds = [odds(from), odds(one), odds(two)];
    let slope = |i: usize| odds[1][i] - odds[0][i];
    let bend = |i: usize| odds[2][i] - 2.0 * odds[1][i] + odds[0][i];
    let (mut first, mut second) = (0.0, 0.0);
    for i in 0..4 {
        if slope(i).is_finite() && bend(i).is_finite() {
            first += slope(i).powi(2);
            second += bend(i).powi(2);
        }
    }
    let length = (first / second).sqrt();
    if !(length.is_finite() && length > 1.0) {
        return two;
    }
    let to = |i: usize, else_: f64| {
        let odds = odds[0][i] + 2.0 * length * slope(i) + length * length * bend(i);
        if odds.is_finite() { inner(1.0 / (1.0 + (-odds).exp())) } else { else_ }
    };
    Channel {
        p: to(0, two.p),
        r: to(1, two.r),
        loss_good: to(2, two.loss_good),
        loss_bad: to(3, two.loss_bad),
    }
}

fn inner(chance: f64) -> f64 {
    chance.clamp(EDGE, 1.0 - EDGE)
}

/// The expected number of each step of the chain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// By outcome, then by the states before and after.
    pub(super) steps: [Matrix; 2],
    /// The states before the first packet of each chain.
    pub(super) first: [f64; 2],
}

impl Counts {
    fn maximise(&self, before: Channel, fixed_good: bool) -> Channel {
        let [kept, lost] = self.steps;
        let both = |from: usize, to: usize| kept[from][to] + lost[from][to];
        let steps = [[both(0, 0), both(0, 1)], [both(1, 0), both(1, 1)]];
        let (p, r) = changes(steps, self.first, (before.p, before.r));
        let chance = |state: usize| {
            let (lost, all) = (lost[0][state] + lost[1][state], steps[0][state] + steps[1][state]);
            (all > 0.0).then(|| inner(lost / all))
        };
        Channel {
            p,
            r,
            loss_good: if fixed_good { 0.0 } else { chance(0).unwrap_or(before.loss_good) },
            loss_bad: chance(1).unwrap_or(before.loss_bad),
        }
    }
}

/// The best p and r for steps from state to state and for the states that chains begin in, one after the other until
/// neither changes. They maximise n01 ln p + n00 ln (1 - p) + n10 ln r + n11 ln (1 - r) + s0 ln (r / (p + r)) +
/// s1 ln (p / (p + r)).
pub(super) fn changes(steps: Matrix, first: [f64; 2], start: (f64, f64)) -> (f64, f64) {
    let chains = first[0] + first[1];
    let best = |changed: f64, stayed: f64, other: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let chance = f64::midpoint(low, high);
            // The derivative, with the denominators multiplied out.
            let up = changed * (1.0 - chance) * (chance + other);
            let down = chance * (stayed * (chance + other) + chains * (1.0 - chance));
            if up > down { low = chance } else { high = chance }
        }
        inner(f64::midpoint(low, high))
    };
    let (mut p, mut r) = start;
    for _ in 0..30 {
        let before = (p, r);
        p = best(steps[0][1] + first[1], steps[0][0], r);
        r = best(steps[1][0] + first[0], steps[1][1], p);
        if (p - before.0).abs() < 1e-13 && (r - before.1).abs() < 1e-13 {
            break;
        }
    }
    (p, r)
}

/// The log-likelihood of a channel and its expected counts: forwards and backwards over the stretches.
pub(super) fn expect(outcomes: &Outcomes, channel: &Channel) -> (f64, Counts) {
    let unit = |lost: bool| {
        let [good, bad] = [channel.step([1.0, 0.0], lost), channel.step([0.0, 1.0], lost)];
        [good, bad]
    };
    let units = [unit(false), unit(true)];
    let powers: Vec<(Matrix, f64)> =
        outcomes.kinds().iter().map(|kind| power(units[usize::from(kind.lost)], kind.length)).collect();
    let mut weights = vec![[[0.0; 2]; 2]; powers.len()];
    let mut counts = Counts::default();
    let mut log_likelihood = 0.0;
    let start = [1.0 - channel.bad(), channel.bad()];
    let mut before = Vec::new();
    for chain in outcomes.chains() {
        before.clear();
        let mut state = start;
        for kind in chain {
            before.push(state);
            let (matrix, scale) = &powers[*kind as usize];
            let next = forward(state, matrix);
            let sum = next[0] + next[1];
            log_likelihood += sum.ln() + scale;
            state = next.map(|each| each / sum);
        }
        let mut after = [1.0; 2];
        for (kind, state) in chain.iter().zip(&before).rev() {
            let (matrix, _) = &powers[*kind as usize];
            let back = backward(matrix, after);
            let whole = state[0] * back[0] + state[1] * back[1];
            let weight = &mut weights[*kind as usize];
            for (row, from) in weight.iter_mut().zip(state) {
                for (cell, to) in row.iter_mut().zip(after) {
                    *cell += from * to / whole;
                }
            }
            let sum = back[0] + back[1];
            after = back.map(|each| each / sum);
        }
        let whole = start[0] * after[0] + start[1] * after[1];
        for ((count, state), after) in counts.first.iter_mut().zip(start).zip(after) {
            *count += state * after / whole;
        }
    }
    for (Stretch { lost, length }, weight) in outcomes.kinds().iter().zip(weights) {
        let unit = units[usize::from(*lost)];
        let within = within(unit, weight, *length);
        for from in 0..2 {
            for to in 0..2 {
                counts.steps[usize::from(*lost)][from][to] += unit[from][to] * within[from][to];
            }
        }
    }
    (log_likelihood, counts)
}

pub(super) fn log_likelihood(outcomes: &Outcomes, channel: &Channel) -> f64 {
    expect(outcomes, channel).0
}

fn forward(state: [f64; 2], matrix: &Matrix) -> [f64; 2] {
    [0, 1].map(|to| state[0] * matrix[0][to] + state[1] * matrix[1][to])
}

fn backward(matrix: &Matrix, after: [f64; 2]) -> [f64; 2] {
    [0, 1].map(|from| matrix[from][0] * after[0] + matrix[from][1] * after[1])
}

fn times(a: &Matrix, b: &Matrix) -> Matrix {
    [forward(a[0], b), forward(a[1], b)]
}

fn turned(a: &Matrix) -> Matrix {
    [[a[0][0], a[1][0]], [a[0][1], a[1][1]]]
}

fn plus(a: Matrix, b: Matrix) -> Matrix {
    [0, 1].map(|i| [0, 1].map(|j| a[i][j] + b[i][j]))
}

fn over(a: Matrix, by: f64) -> Matrix {
    a.map(|row| row.map(|each| each / by))
}

fn largest(a: &Matrix) -> f64 {
    a.as_flattened().iter().copied().fold(f64::MIN_POSITIVE, f64::max)
}

/// A power, scaled so that it does not underflow, and the logarithm of the scale.
fn power(unit: Matrix, exponent: u64) -> (Matrix, f64) {
    let (mut matrix, mut scale) = (unit, 0.0);
    for bit in (0..exponent.ilog2()).rev() {
        matrix = times(&matrix, &matrix);
        scale *= 2.0;
        if exponent >> bit & 1 == 1 {
            matrix = times(&matrix, &unit);
        }
        let size = largest(&matrix);
        matrix = over(matrix, size);
        scale += size.ln();
    }
    (matrix, scale)
}

/// The sum over t from 0 to n - 1 of (A^t)' W (A^(n-1-t))', divided by the scale of the n-th power: the
/// weights of all steps within stretches of the weight W.
fn within(unit: Matrix, weight: Matrix, n: u64) -> Matrix {
    let turned_unit = turned(&unit);
    // The transposed power and the sum, for the leading digits of n in binary.
    let (mut matrix, mut sum) = (turned_unit, weight);
    for bit in (0..n.ilog2()).rev() {
        sum = plus(times(&sum, &matrix), times(&matrix, &sum));
        matrix = times(&matrix, &matrix);
        if n >> bit & 1 == 1 {
            sum = plus(times(&turned_unit, &sum), times(&weight, &matrix));
            matrix = times(&matrix, &turned_unit);
        }
        let size = largest(&matrix);
        (matrix, sum) = (over(matrix, size), over(sum, size));
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::outcomes::tests::of;
    use super::*;

    /// The log-likelihood, packet by packet.
    fn plainly(marks: &str, channel: &Channel) -> f64 {
        let chain = |marks: &str| {
            let start = [1.0 - channel.bad(), channel.bad()];
            let end = marks.bytes().fold(start, |state, mark| channel.step(state, mark == b'x'));
            (end[0] + end[1]).ln()
        };
        marks.split(' ').map(chain).sum()
    }

    fn channels() -> impl Strategy<Value = Channel> {
        (0.01..0.99, 0.01..0.99, 0.01..0.5, 0.5..0.99).prop_map(|(p, r, loss_good, loss_bad)| Channel {
            p,
            r,
            loss_good,
            loss_bad,
        })
    }

    #[test]
    fn long_stretches_do_not_underflow() {
        let channel = Channel { p: 0.001, r: 0.3, loss_good: 0.0, loss_bad: 0.9 };
        let mut outcomes = Outcomes::default();
        outcomes.push(Stretch { lost: false, length: 10_000_000 });
        outcomes.end();
        let (value, counts) = expect(&outcomes, &channel);
        assert!(value.is_finite() && value < -1_000.0);
        let steps: f64 = counts.steps.as_flattened().as_flattened().iter().sum();
        assert!((steps / 1e7 - 1.0).abs() < 1e-9, "{steps}");
    }

    proptest! {
        #[test]
        fn stretches_are_as_likely_as_their_pings(marks in "[.x]{1,40}( [.x]{1,9}){0,3}", channel in channels()) {
            let (ours, counts) = expect(&of(&marks), &channel);
            prop_assert!((ours - plainly(&marks, &channel)).abs() < 1e-9);
            // Every ping has a step, and every chain a beginning.
            let pings = |mark: char| marks.matches(mark).count() as f64;
            for (steps, mark) in counts.steps.iter().zip(['.', 'x']) {
                prop_assert!((steps.as_flattened().iter().sum::<f64>() - pings(mark)).abs() < 1e-9);
            }
            prop_assert!((counts.first[0] + counts.first[1] - pings(' ') - 1.0).abs() < 1e-9);
        }

        /// The expected steps are the slope of the log-likelihood over that of the logarithms (Fisher).
        #[test]
        fn expected_counts_give_the_slope(marks in "[.x]{2,40}", channel in channels()) {
            let (_, counts) = expect(&of(&marks), &channel);
            let [kept, lost] = counts.steps;
            let small = 1e-6;
            let more = Channel { loss_bad: channel.loss_bad + small, ..channel };
            let less = Channel { loss_bad: channel.loss_bad - small, ..channel };
            let slope = (plainly(&marks, &more) - plainly(&marks, &less)) / (2.0 * small);
            let expected = (lost[0][1] + lost[1][1]) / channel.loss_bad - (kept[0][1] + kept[1][1]) / (1.0 - channel.loss_bad);
            prop_assert!((slope - expected).abs() < 1e-4 * expected.abs().max(1.0), "{slope} {expected}");
        }

        #[test]
        fn no_step_leads_down(marks in "[.x]{2,60}( [.x]{1,9}){0,2}", channel in channels(), fixed_good: bool) {
            let start = if fixed_good { Channel { loss_good: 0.0, ..channel } } else { channel };
            let outcomes = of(&marks);
            let (before, counts) = expect(&outcomes, &start);
            let (after, _) = expect(&outcomes, &counts.maximise(start, fixed_good));
            prop_assert!(after >= before - 1e-7, "{before} {after}");
        }

        #[test]
        fn without_a_hidden_state_shares_are_counts(kept in 1.0..1e6_f64, turned in 1.0..1e6_f64, back in 1.0..1e6_f64) {
            let (p, r) = changes([[kept, turned], [back, 7.0]], [0.0; 2], (0.5, 0.5));
            prop_assert!((p - turned / (kept + turned)).abs() < 1e-11 && (r - back / (back + 7.0)).abs() < 1e-11);
        }
    }
}
