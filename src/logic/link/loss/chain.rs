//! Losses in bursts: a channel that is good or bad and remembers which (Gilbert 1960, Elliott 1963).
//!
//! Before each packet but the first it may change: from good to bad with probability p, from bad to good with
//! probability r. A packet is then lost with the probability of the state. The state of the first packet is drawn
//! from the share of time that a channel spends in each, so that a run of ten pings has the same loss as one of a
//! million.

use std::fmt;

use crate::logic::Invalid;
use crate::logic::random::Effect;
use crate::logic::text::{Probability, Ratio, Threshold};

impl Effect {
    /// In which state a channel is.
    pub const STATE: Self = Self::new(2);
}

/// A channel with two states, and a loss in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilbertElliott {
    p: Probability,
    r: Probability,
    loss_good: Probability,
    loss_bad: Probability,
}

/// A share of packets, lost in runs: the channel that loses nothing while it is good and everything while it is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    loss: Probability,
    /// The probability that a run ends with a packet: 1 over the mean run.
    ends: Probability,
}

impl GilbertElliott {
    /// The probabilities of turning bad and of turning good, and the losses in the good and in the bad state.
    pub fn chances(&self) -> [Probability; 4] {
        [self.p, self.r, self.loss_good, self.loss_bad]
    }

    /// The share of packets lost in the long run, if the fraction is not too long.
    pub fn exact_mean(&self) -> Option<Probability> {
        let [p, r, good, bad] = self.chances().map(Ratio::from);
        Probability::exactly(p.times(bad)?.plus(r.times(good)?)?.over(p.plus(r)?)?)
    }

    /// The share of packets lost in the long run.
    pub fn mean_loss(&self) -> f64 {
        let [p, r, good, bad] = self.chances().map(|chance| chance.as_f64());
        self.exact_mean().map_or((p * bad + r * good) / (p + r), |mean| mean.as_f64())
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = "gilbert-elliott:p,r with the probabilities of turning bad and of turning good again, and then \
                        the loss in each state if it is not 0 and 1: gilbert-elliott:1%,25%,loss_good=0.1%,loss_bad=50%";
        let mut parts = text.split(',').map(str::trim);
        let (Some(p), Some(r)) = (parts.next(), parts.next()) else { return Err(expected.into()) };
        let (p, r) = (chance("p", p)?, chance("r", r)?);
        let [loss_good, loss_bad] = losses(parts, expected)?;
        Self { p, r, loss_good, loss_bad }.checked()
    }

    fn checked(self) -> Result<Self, String> {
        if self.p == Probability::ZERO && self.r == Probability::ZERO {
            return Err(
                "p or r above 0: a channel that never changes is always good or always bad, and nothing \
                        says which"
                    .into(),
            );
        }
        Ok(self)
    }

    pub(super) fn chain(&self) -> Chain {
        let (p, r) = (Ratio::from(self.p), Ratio::from(self.r));
        let share = p.plus(r).and_then(|both| p.over(both));
        Chain {
            starts_bad: threshold(share, p.as_f64() / (p.as_f64() + r.as_f64())),
            turns_bad: self.p.threshold(),
            turns_good: self.r.threshold(),
            loses_good: self.loss_good.threshold(),
            loses_bad: self.loss_bad.threshold(),
        }
    }
}

impl Burst {
    /// The share of packets lost.
    pub fn loss(&self) -> Probability {
        self.loss
    }

    /// How many packets are lost in a row, on average.
    pub fn mean_run(&self) -> f64 {
        1.0 / self.ends.as_f64()
    }

    /// The same as numerator and denominator, in lowest terms.
    pub fn exact_mean_run(&self) -> (u128, u128) {
        let (part, whole) = self.ends.fraction();
        (whole, part)
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = "burst:loss,mean_run with a probability and a number from 1 to 2^64 (of at most 37 digits): \
                        burst:5%,3 loses 5 % of the packets in runs of 3 on average";
        let (loss, mean_run) = text.split_once(',').ok_or(expected)?;
        let loss: Probability =
            loss.parse().map_err(|Invalid { expected, .. }| format!("for the loss {expected}"))?;
        let mean_run = Ratio::read(mean_run).ok_or(expected)?;
        if loss == Probability::ONE {
            return Err("a loss below 1: a run that never ends has no mean length".into());
        }
        let ends = Ratio::ONE.over(mean_run).and_then(Probability::exactly).ok_or_else(|| {
            format!("{expected}; losses that are independent come in runs of 1 / (1 - loss) on average")
        })?;
        Self { loss, ends }.checked()
    }

    fn checked(self) -> Result<Self, String> {
        // p = L / (B (1 - L)) must be a probability, so B is at least L / (1 - L).
        let (begins, near) = self.begins();
        if begins.map_or(near, Ratio::as_f64) > 1.0 {
            let (loss, ends) = (Ratio::from(self.loss), Ratio::from(self.ends));
            let least = loss.complement().and_then(|rest| loss.over(rest));
            let most = Ratio::ONE.plus(ends).and_then(|both| Ratio::ONE.over(both));
            let [least, most] =
                [least, most].map(|ratio| ratio.map_or("?".into(), |ratio| ratio.to_string()));
            return Err(format!(
                "a mean run of at least loss / (1 - loss), which is {least}, or a loss of at most mean_run / \
                 (mean_run + 1), which is {most}: between two runs there is at least one packet that passes"
            ));
        }
        if self.loss != Probability::ZERO && threshold(begins, near).certain() == Some(false) {
            return Err(
                "bursts that begin with a probability of loss / (mean_run (1 - loss)), and that at least \
                        2^-64 (5.5e-20): anything smaller would never happen"
                    .into(),
            );
        }
        Ok(self)
    }

    /// The probability that a run begins after a packet that passed, exactly if it is not too long, and nearly.
    fn begins(&self) -> (Option<Ratio>, f64) {
        let (loss, ends) = (Ratio::from(self.loss), Ratio::from(self.ends));
        let exact = || loss.times(ends)?.over(loss.complement()?);
        (exact(), loss.as_f64() * ends.as_f64() / (1.0 - loss.as_f64()))
    }

    pub(super) fn chain(&self) -> Chain {
        let (begins, near) = self.begins();
        Chain {
            starts_bad: self.loss.threshold(),
            turns_bad: threshold(begins, near),
            turns_good: self.ends.threshold(),
            loses_good: Probability::ZERO.threshold(),
            loses_bad: Probability::ONE.threshold(),
        }
    }
}

fn chance(name: &str, text: &str) -> Result<Probability, String> {
    text.parse().map_err(|Invalid { expected, .. }| format!("for {name} {expected}"))
}

/// The losses in the good and in the bad state, 0 and 1 if it is not said.
pub(super) fn losses<'a>(
    parts: impl Iterator<Item = &'a str>,
    expected: &str,
) -> Result<[Probability; 2], String> {
    let (mut loss_good, mut loss_bad) = (None, None);
    for part in parts {
        let (name, value) = part.split_once('=').ok_or(expected)?;
        let place = match name.trim() {
            "loss_good" if loss_good.is_none() => &mut loss_good,
            "loss_bad" if loss_bad.is_none() => &mut loss_bad,
            _ => return Err(expected.into()),
        };
        *place = Some(chance(name.trim(), value)?);
    }
    let (good, bad) = (loss_good.unwrap_or(Probability::ZERO), loss_bad.unwrap_or(Probability::ONE));
    if good.as_f64() > bad.as_f64() {
        return Err(format!(
            "a loss_good of at most loss_bad, which is {bad}; swap the states and the losses to say the same"
        ));
    }
    Ok([good, bad])
}

/// Writes the losses that are not 0 and 1.
pub(super) fn shown(
    f: &mut fmt::Formatter<'_>,
    loss_good: Probability,
    loss_bad: Probability,
) -> fmt::Result {
    if loss_good != Probability::ZERO {
        write!(f, ",loss_good={loss_good}")?;
    }
    if loss_bad != Probability::ONE {
        write!(f, ",loss_bad={loss_bad}")?;
    }
    Ok(())
}

/// Exact where the fraction is not too long; else that of the float, which every machine rounds alike.
fn threshold(exact: Option<Ratio>, near: f64) -> Threshold {
    exact.and_then(Probability::exactly).map_or_else(|| Threshold::near(near), |exact| exact.threshold())
}

/// A channel made ready to decide.
#[derive(Debug, Clone, Copy)]
pub(in crate::logic::link) struct Chain {
    starts_bad: Threshold,
    turns_bad: Threshold,
    turns_good: Threshold,
    loses_good: Threshold,
    loses_bad: Threshold,
}

impl Chain {
    /// Moves on to the next packet and returns whether it is lost. One uniform decides on the state, another on the
    /// loss where the state leaves that open.
    pub(super) fn loses(&self, bad: &mut Option<bool>, uniform: impl Fn(Effect) -> u64) -> bool {
        let state = uniform(Effect::STATE);
        let now_bad = match *bad {
            None => self.starts_bad.met_by(state),
            Some(false) => self.turns_bad.met_by(state),
            Some(true) => !self.turns_good.met_by(state),
        };
        *bad = Some(now_bad);
        let loss = if now_bad { self.loses_bad } else { self.loses_good };
        loss.certain().unwrap_or_else(|| loss.met_by(uniform(Effect::LOSS)))
    }
}

/// What follows `gilbert-elliott:`.
impl fmt::Display for GilbertElliott {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.p, self.r)?;
        shown(f, self.loss_good, self.loss_bad)
    }
}

/// What follows `burst:`.
impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean_run = Ratio::ONE.over(self.ends.into()).unwrap_or(Ratio::ONE);
        write!(f, "{},{mean_run}", self.loss)
    }
}
