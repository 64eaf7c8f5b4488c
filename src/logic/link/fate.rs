//! What happens to a datagram on a link: the list of its deliveries, empty if it is dropped.

use std::ops::{Deref, DerefMut};

use crate::logic::Nanos;
use crate::logic::words::words;

/// Deliveries of one datagram; no more are made.
pub(super) const MOST_DELIVERIES: usize = 8;

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
        /// It was longer than the link takes.
        Mtu = "mtu",
        /// The queue in front of the link was full.
        Queue = "queue",
        /// Nothing passed at that time.
        Schedule = "schedule",
        /// Too many replies were waiting.
        Full = "full",
        /// The send failed.
        Send = "send",
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

    /// How many there are.
    pub fn count(&self) -> u8 {
        self.len
    }

    /// Adds a copy that arrives, or, if none does, why not.
    pub(super) fn add(&mut self, arrival: Result<Nanos, Reason>) {
        match arrival {
            Ok(at) => self.push(Delivery { at }),
            Err(reason) if self.is_empty() => self.reason = reason,
            Err(_) => {}
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
        (0..19).for_each(|at| list.add(Ok(at)));
        assert!(list.iter().map(|delivery| delivery.at).eq(0..8));
        assert_eq!(list.reason(), Reason::None);
        let mut list = Deliveries::dropped(Reason::None);
        list.add(Err(Reason::Queue));
        assert_eq!((list.is_empty(), list.reason()), (true, Reason::Queue));
        list.add(Ok(7));
        list.add(Err(Reason::Queue));
        assert_eq!(list, Deliveries::one(7));
    }
}
