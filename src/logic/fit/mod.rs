//! Fits models to a measured path: Markov chains to its losses and distributions to its delays.
//!
//! Every fit is by maximum likelihood, the best one has the least BIC (Schwarz 1978), and each has a goodness
//! of fit too, as the best of four may still be bad. A model that cannot be fitted has a reason in its place.

mod candidates;
mod channel;
mod delay;
mod delay_kinds;
mod em;
mod goodness;
mod information;
mod outcomes;
mod steady;
mod steps;

pub use candidates::{FittedChannel, LossFit, LossFits, LossKind, fit_loss};
pub use channel::Channel;
pub use delay::{DelayFit, DelayFits, FittedDelay, fit_delay};
pub use delay_kinds::{DelayKind, Shape};
pub use goodness::Goodness;
pub use outcomes::{Outcomes, Stretch};
pub use steady::{Hour, Segment, Steadiness, steadiness};

/// The Bayesian information criterion: less is better.
fn bic(parameters: u32, observations: f64, log_likelihood: f64) -> f64 {
    f64::from(parameters) * observations.ln() - 2.0 * log_likelihood
}

/// Rounds to six significant digits: the error is far below any standard error, and the text is short.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
