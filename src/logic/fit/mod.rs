//! Models that fit a measured path: which chain loses like it, which distribution delays like it, and how well.
//!
//! Every fit is by maximum likelihood, the best one has the least BIC (Schwarz 1978), and each is judged in absolute
//! terms too: a best of four can still be bad. What the pings cannot tell is `None`, with the reason.

mod candidates;
mod channel;
mod delay;
mod delay_kinds;
mod em;
mod goodness;
mod information;
mod outcomes;

pub use candidates::{FittedChannel, LossFit, LossFits, LossKind, fit_loss};
pub use channel::Channel;
pub use delay::{DelayFit, DelayFits, FittedDelay, fit_delay};
pub use delay_kinds::{DelayKind, Shape};
pub use goodness::Goodness;
pub use outcomes::{Outcomes, Stretch};

/// The Bayesian information criterion: less is better.
fn bic(parameters: u32, observations: f64, log_likelihood: f64) -> f64 {
    f64::from(parameters) * observations.ln() - 2.0 * log_likelihood
}

/// To six significant digits: far below any standard error, and short as text.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
