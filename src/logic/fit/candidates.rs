//! Fits models of loss to pings: Markov chains with one to four parameters.

use super::em::{Found, changes, log_likelihood, search};
use super::goodness::{Goodness, goodness};
use super::information::standard_errors;
use super::{Channel, Outcomes, bic, rounded};
use crate::logic::Invalid;
use crate::logic::link::Loss;
use crate::logic::stats::{Z95, wilson};
use crate::logic::words::words;

words! {
    /// What kind of chain.
    LossKind {
        /// Independent losses: one parameter, their share.
        Independent = "independent",
        /// A bad state that loses everything, a good one that loses nothing: p and r.
        Gilbert2 = "gilbert-2",
        /// The same, but the bad state does not lose everything (Gilbert 1960).
        Gilbert3 = "gilbert-3",
        /// Both states lose a share (Elliott 1963).
        GilbertElliott = "gilbert-elliott",
    }
}

impl LossKind {
    /// How many parameters it has.
    pub fn parameters(self) -> u32 {
        self as u32 + 1
    }
}

/// One chain, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct LossFit {
    /// What kind it is.
    pub kind: LossKind,
    /// The best of its kind, or the reason why it cannot be fitted.
    pub found: Result<FittedChannel, String>,
}

/// The best of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedChannel {
    /// Its probabilities, to six digits. Of independent losses, p is their share and r is 1 - p.
    pub channel: Channel,
    /// The same as a server's model of loss.
    pub model: Loss,
    /// The standard errors of p, r and the losses in the good and the bad state, where this kind has them and they are
    /// not 0 or 1; of independent losses, that of their share is the first.
    pub errors: [Option<f64>; 4],
    /// The natural logarithm of the probability of all observed outcomes.
    pub log_likelihood: f64,
    /// The Bayesian information criterion: less is better.
    pub bic: f64,
    /// Whether the search converged.
    pub converged: bool,
    /// Its goodness of fit.
    pub goodness: Goodness,
}

/// All chains that were tried.
#[derive(Debug, Clone, PartialEq)]
pub struct LossFits {
    /// Settled pings.
    pub sent: u64,
    /// Those without a reply in time.
    pub lost: u64,
    /// Chains of pings with adjacent numbers.
    pub chains: u64,
    /// The interval of the loss if losses are independent.
    pub interval: (f64, f64),
    /// From the one with one parameter to the one with four.
    pub fits: Vec<LossFit>,
    /// The place of the one with the least BIC.
    pub best: usize,
}

/// Losses, and runs of them, needed to fit a hidden state.
const LOSSES: u64 = 20;
const RUNS: u64 = 10;

/// Fits a chain of each kind to the outcomes of pings.
pub fn fit_loss(outcomes: &Outcomes) -> Result<LossFits, Invalid> {
    let (sent, lost) = (outcomes.sent(), outcomes.lost());
    let interval = wilson(lost, sent, Z95).ok_or_else(|| {
        Invalid::new("table", "without pings", "one settled ping at least, to fit a model to")
    })?;
    let fits: Vec<_> = searched(outcomes)
        .map(|(kind, found)| LossFit {
            kind,
            found: found.and_then(|found| fitted_channel(kind, &found, outcomes)),
        })
        .collect();
    let value = |fit: &LossFit| fit.found.as_ref().map_or(f64::INFINITY, |found| found.bic);
    let best = (0..fits.len()).min_by(|a, b| value(&fits[*a]).total_cmp(&value(&fits[*b]))).unwrap_or(0);
    Ok(LossFits { sent, lost, chains: outcomes.chains().count() as u64, interval, fits, best })
}

/// The model with the least BIC alone, without standard errors and simulations.
pub(super) fn best_loss(outcomes: &Outcomes) -> Option<Loss> {
    searched(outcomes)
        .filter_map(|(kind, found)| {
            let found = found.ok()?;
            let (_, model) = model(kind, &found.channel, outcomes).ok()?;
            Some((bic(kind.parameters(), outcomes.sent() as f64, found.log_likelihood), model))
        })
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, model)| model)
}

/// The best of each kind, or why it cannot be fitted. Each search begins where the one before ended.
fn searched(outcomes: &Outcomes) -> impl Iterator<Item = (LossKind, Result<Found, String>)> {
    let mut before = None;
    LossKind::ALL.into_iter().map(move |kind| {
        let found = enough(kind, outcomes).map(|()| {
            let found = best(kind, outcomes, before);
            before = Some(found.channel);
            found
        });
        (kind, found)
    })
}

fn enough(kind: LossKind, outcomes: &Outcomes) -> Result<(), String> {
    let (lost, runs, [[_, begun], [ended, _]]) = (outcomes.lost(), outcomes.loss_runs(), outcomes.pairs());
    match kind {
        LossKind::Independent => Ok(()),
        _ if lost == 0 => Err("no ping was lost".into()),
        _ if lost == outcomes.sent() => Err("every ping was lost".into()),
        LossKind::Gilbert2 if begun == 0 || ended == 0 => {
            Err("no run of losses was seen to begin after a reply, or none to end before one".into())
        }
        LossKind::Gilbert2 => Ok(()),
        _ if lost < LOSSES || runs < RUNS => {
            Err(format!("{lost} losses in {runs} runs are too few: a hidden state needs {LOSSES} in {RUNS}"))
        }
        _ => Ok(()),
    }
}

fn best(kind: LossKind, outcomes: &Outcomes, before: Option<Channel>) -> Found {
    let share = outcomes.lost() as f64 / outcomes.sent() as f64;
    match kind {
        LossKind::Independent => {
            let of = |count: u64, share: f64| if count == 0 { 0.0 } else { count as f64 * share.ln() };
            let lost = outcomes.lost();
            Found {
                channel: Channel::independent(share),
                log_likelihood: of(lost, share) + of(outcomes.sent() - lost, 1.0 - share),
                converged: true,
            }
        }
        LossKind::Gilbert2 => {
            let steps = outcomes.pairs().map(|row| row.map(|count| count as f64));
            let first = outcomes.first().map(|count| count as f64);
            let (p, r) = changes(steps, first, (share, 1.0 - share));
            let channel = Channel { p, r, loss_good: 0.0, loss_bad: 1.0 };
            Found { channel, log_likelihood: log_likelihood(outcomes, &channel), converged: true }
        }
        LossKind::Gilbert3 | LossKind::GilbertElliott => {
            let fixed_good = kind == LossKind::Gilbert3;
            let starts: Vec<_> = starts(share, before, fixed_good).collect();
            search(outcomes, &starts, fixed_good).unwrap_or(Found {
                channel: Channel::independent(share),
                log_likelihood: f64::NEG_INFINITY,
                converged: false,
            })
        }
    }
}

/// Where the search begins: near the model with one parameter less, and at bad states of several lengths and losses.
fn starts(share: f64, before: Option<Channel>, fixed_good: bool) -> impl Iterator<Item = Channel> {
    let good = if fixed_good { 0.0 } else { 0.2 * share };
    let near = before.map(|channel| Channel {
        loss_good: if fixed_good { 0.0 } else { 1e-3 * share },
        loss_bad: channel.loss_bad.min(0.99),
        ..channel
    });
    let grid = [2.0, 12.0, 100.0].into_iter().flat_map(move |lasts: f64| {
        [0.25, 0.6, 0.95].into_iter().filter_map(move |loss_bad: f64| {
            let (r, bad) = (1.0 / lasts, (share - good) / (loss_bad - good));
            let p = r * bad / (1.0 - bad);
            (0.0 < bad && bad < 0.9 && p < 1.0).then_some(Channel { p, r, loss_good: good, loss_bad })
        })
    });
    near.into_iter().chain(grid)
}

/// The channel rounded to six digits, and the same as a server's model.
fn model(kind: LossKind, exact: &Channel, outcomes: &Outcomes) -> Result<(Channel, Loss), String> {
    let channel = match kind {
        LossKind::Independent => *exact,
        _ => Channel {
            p: rounded(exact.p),
            r: rounded(exact.r),
            loss_good: rounded(exact.loss_good),
            loss_bad: rounded(exact.loss_bad),
        },
    };
    let Channel { p, r, loss_good, loss_bad } = channel;
    let text = match kind {
        LossKind::Independent => format!("{}/{}", outcomes.lost(), outcomes.sent()),
        _ => format!("gilbert-elliott:{p},{r},loss_good={loss_good},loss_bad={loss_bad}"),
    };
    let model = text.parse().map_err(|Invalid { expected, .. }| format!("{text} is no model: {expected}"))?;
    Ok((channel, model))
}

/// The model rounded to six digits, with its standard errors and its goodness of fit.
fn fitted_channel(kind: LossKind, found: &Found, outcomes: &Outcomes) -> Result<FittedChannel, String> {
    let Found { log_likelihood, converged, channel: exact } = *found;
    let (channel, model) = model(kind, &exact, outcomes)?;
    let errors = match kind {
        LossKind::Independent => {
            let seen = 0 < outcomes.lost() && outcomes.lost() < outcomes.sent();
            let error = (exact.p * exact.r / outcomes.sent() as f64).sqrt();
            [seen.then_some(error), None, None, None]
        }
        LossKind::Gilbert2 => standard_errors(outcomes, &exact, [true, true, false, false]),
        LossKind::Gilbert3 => standard_errors(outcomes, &exact, [true, true, false, true]),
        LossKind::GilbertElliott => standard_errors(outcomes, &exact, [true; 4]),
    };
    Ok(FittedChannel {
        channel,
        model,
        errors,
        log_likelihood,
        bic: bic(kind.parameters(), outcomes.sent() as f64, log_likelihood),
        converged,
        goodness: goodness(outcomes, &exact),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::goodness::made_by;
    use super::super::outcomes::tests::of;
    use super::*;

    fn fitted(outcomes: &Outcomes) -> (LossFits, Channel) {
        let fits = fit_loss(outcomes).expect("pings");
        let channel = fits.fits[fits.best].found.as_ref().expect("a best one").channel;
        (fits, channel)
    }

    #[test]
    fn the_true_kind_is_chosen_and_its_parameters_are_found() {
        let cases = [
            (LossKind::Independent, Channel::independent(0.05)),
            (LossKind::Gilbert2, Channel { p: 0.01, r: 0.3, loss_good: 0.0, loss_bad: 1.0 }),
            (LossKind::Gilbert3, Channel { p: 0.01, r: 0.05, loss_good: 0.0, loss_bad: 0.4 }),
            (LossKind::GilbertElliott, Channel { p: 0.005, r: 0.02, loss_good: 0.01, loss_bad: 0.5 }),
        ];
        for (kind, truth) in cases {
            let (fits, found) = fitted(&made_by(&truth, 60_000, 5));
            assert_eq!(fits.fits[fits.best].kind, kind, "{fits:#?}");
            // Some 240 bad periods: 7 % is a standard error of p and r.
            let near = |a: f64, b: f64| (a - b).abs() <= 0.25 * b;
            assert!(near(found.p, truth.p) && near(found.r, truth.r), "{found:?}");
            assert!(
                near(found.loss_good, truth.loss_good) && near(found.loss_bad, truth.loss_bad),
                "{found:?}"
            );
            let best = fits.fits[fits.best].found.as_ref().expect("a best one");
            assert!(best.converged && best.goodness.p_value > 0.05, "{best:?}");
        }
    }

    #[test]
    fn what_cannot_be_fitted_has_a_reason() {
        assert!(fit_loss(&Outcomes::default()).is_err());
        let reasons = |marks: &str| {
            let fits = fit_loss(&of(marks)).expect("pings");
            let reasons = fits.fits.iter().filter_map(|fit| fit.found.as_ref().err().cloned());
            (fits.best, reasons.collect::<Vec<_>>())
        };
        assert_eq!(reasons("...."), (0, vec!["no ping was lost".to_owned(); 3]));
        assert_eq!(reasons("xx"), (0, vec!["every ping was lost".to_owned(); 3]));
        assert_eq!(
            reasons("...xx").1[0],
            "no run of losses was seen to begin after a reply, or none to end before one"
        );
        let few = reasons("...xx.....x..");
        assert_eq!((few.0, few.1.len()), (0, 2));
        assert_eq!(few.1[0], "3 losses in 2 runs are too few: a hidden state needs 20 in 10");
    }

    /// Runs of ten thousand: powers of small numbers do not underflow.
    #[test]
    fn rare_losses_of_many_pings_are_fitted() {
        let truth = Channel { p: 1e-4, r: 0.2, loss_good: 0.0, loss_bad: 1.0 };
        let (fits, found) = fitted(&made_by(&truth, 500_000, 3));
        assert_eq!(fits.fits[fits.best].kind, LossKind::Gilbert2);
        assert!((found.r - 0.2).abs() < 0.05, "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// More parameters are never less likely.
        #[test]
        fn anything_is_fitted(marks in "[.x]{1,80}( [.x]{1,40}){0,4}") {
            let fits = fit_loss(&of(&marks)).expect("pings");
            let mut last = f64::NEG_INFINITY;
            for fit in &fits.fits {
                if let Ok(found) = &fit.found {
                    prop_assert!(found.log_likelihood >= last - 0.01, "{fits:?}");
                    last = found.log_likelihood;
                    let Channel { p, r, loss_good, loss_bad } = found.channel;
                    prop_assert!([p, r, loss_good, loss_bad].iter().all(|chance| (0.0..=1.0).contains(chance)));
                    prop_assert!(loss_good <= loss_bad);
                }
            }
        }

        #[test]
        fn two_parameters_are_those_of_the_counts(marks in "[.x]{200,400}") {
            let outcomes = of(&marks);
            let [[stayed, begun], [ended, lasted]] = outcomes.pairs().map(|row| row.map(|count| count as f64));
            prop_assume!(begun > 1.0 && ended > 1.0);
            let fits = fit_loss(&outcomes).expect("pings");
            let found = fits.fits[1].found.as_ref().expect("runs that begin and end");
            // But for the first ping.
            prop_assert!((found.channel.p - begun / (stayed + begun)).abs() < 0.03);
            prop_assert!((found.channel.r - ended / (ended + lasted)).abs() < 0.03);
        }
    }
}
