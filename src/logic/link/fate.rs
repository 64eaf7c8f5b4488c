//! One datagram on a link, and what happens to it: the list of its deliveries, empty if it is dropped.

use std::ops::{Deref, DerefMut};

use crate::logic::Nanos;
use crate::logic::random::{Direction, Effect, Seed, Uniforms};
use crate::logic::words::words;

/// Deliveries of one datagram; no more are made.
const MOST_DELIVERIES: usize = 4;

/// One datagram, as a link sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// When it is sent.
    pub at: Nanos,
    /// Bytes of its payload.
    pub len: usize,
}

/// A packet of a stream, and the random numbers that decide on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transmission<'a> {
    pub(super) seed: &'a Seed,
    pub(super) uniforms: &'a Uniforms,
    pub(super) direction: Direction,
    /// The client whose uniforms are drawn.
    pub(super) client: u32,
    /// Its number in its stream, from 1.
    pub(super) number: u64,
    pub(super) packet: Packet,
}

/// What happens to a request and its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// The client's index, in order of first appearance.
    pub client: u32,
    /// The request's number in its stream, from 1.
    pub number: u64,
    /// When replies arrive.
    pub deliveries: Deliveries,
    /// How many requests of this client were dropped since the last that was not.
    pub lost_before: u64,
}

/// One copy of a datagram that arrives; its place in the list says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// When it arrives.
    pub at: Nanos,
}

/// The copies of a datagram that arrive, kept without allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deliveries {
    list: [Delivery; MOST_DELIVERIES],
    len: u8,
    reason: Reason,
}

words! {
    /// Why a datagram was not delivered or answered; no word for what was.
    Reason {
        /// It was.
        None = "",
        /// The link lost it.
        Loss = "loss",
        /// Too many replies were waiting.
        Full = "full",
        /// The send failed.
        Send = "send",
    }
}

impl Transmission<'_> {
    /// Its uniform for an effect.
    pub(super) fn uniform(&self, effect: Effect) -> u64 {
        self.uniforms.draw(self.direction, self.client, effect, self.number - 1)
    }
}

impl Deliveries {
    /// One delivery.
    pub fn one(at: Nanos) -> Self {
        let mut one = Self { len: 1, ..Self::dropped(Reason::None) };
        one.list[0].at = at;
        one
    }

    /// No delivery.
    pub fn dropped(reason: Reason) -> Self {
        Self { list: [Delivery::default(); MOST_DELIVERIES], len: 0, reason }
    }

    /// Why there is none.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Adds the deliveries of another list, or takes over its reason if neither has any.
    pub(super) fn extend(&mut self, other: &Self) {
        other.iter().for_each(|delivery| self.push(*delivery));
        if self.is_empty() {
            self.reason = other.reason;
        }
    }

    /// Adds a delivery, unless there are [`MOST_DELIVERIES`].
    fn push(&mut self, delivery: Delivery) {
        if let Some(free) = self.list.get_mut(usize::from(self.len)) {
            *free = delivery;
            self.len += 1;
            self.reason = Reason::None;
        }
    }
}

impl Deref for Deliveries {
    type Target = [Delivery];

    fn deref(&self) -> &[Delivery] {
        &self.list[..usize::from(self.len)]
    }
}

impl DerefMut for Deliveries {
    fn deref_mut(&mut self) -> &mut [Delivery] {
        &mut self.list[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_order_and_its_bound() {
        let mut list = Deliveries::dropped(Reason::Loss);
        assert_eq!((list.len(), list.reason()), (0, Reason::Loss));
        (0..9).for_each(|at| list.push(Delivery { at }));
        assert_eq!(list.iter().map(|delivery| delivery.at).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(list.reason(), Reason::None);
        let mut list = Deliveries::dropped(Reason::None);
        list.extend(&Deliveries::dropped(Reason::Loss));
        assert_eq!((list.is_empty(), list.reason()), (true, Reason::Loss));
        list.extend(&Deliveries::one(7));
        list.extend(&Deliveries::dropped(Reason::Loss));
        assert_eq!(list, Deliveries::one(7));
    }
}
