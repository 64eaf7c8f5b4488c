//! What one direction of a link does to a datagram: each impairment in turn, in the order of the fields.
//!
//! An impairment takes the list of deliveries and drops, delays, adds or changes them. It draws from uniforms of its own
//! effect, so none moves the draws of another.

use super::delay::Delay;
use super::fate::{Deliveries, Reason, Transmission};
use super::loss::{self, Loss, Rule};
use crate::logic::random::Effect;

/// The impairments of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impairments {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// How long the others take.
    pub delay: Delay,
}

/// [`Impairments`] made ready to decide.
#[derive(Debug)]
pub(super) struct Pipeline {
    is_none: bool,
    loss: Rule,
    /// `None` where no datagram is ever delayed.
    delay: Option<Delay>,
}

/// What is kept for the datagrams of one direction that are counted together.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// How many were sent.
    pub(super) sent: u64,
    loss: loss::State,
}

impl Impairments {
    /// Whether every datagram is delivered once and at once.
    pub fn is_none(&self) -> bool {
        self.loss == Loss::NONE && self.delay.is_none()
    }
}

impl Pipeline {
    pub(super) fn new(impairments: &Impairments) -> Self {
        let delay = impairments.delay;
        Self {
            is_none: impairments.is_none(),
            loss: impairments.loss.rule(),
            delay: (!delay.is_none()).then_some(delay),
        }
    }

    /// Whether every packet is delivered once and at once.
    pub(super) fn is_none(&self) -> bool {
        self.is_none
    }

    /// The deliveries of a packet of a stream.
    pub(super) fn transmit(&self, sent: &Transmission<'_>, stream: &mut Stream) -> Deliveries {
        if self.loss.loses(sent, &mut stream.loss) {
            return Deliveries::dropped(Reason::Loss);
        }
        let mut deliveries = Deliveries::one(sent.packet.at);
        if let Some(delay) = self.delay {
            let delay = delay.at(sent.uniform(Effect::DELAY));
            deliveries.iter_mut().for_each(|delivery| delivery.at = delivery.at.saturating_add(delay));
        }
        deliveries
    }
}
