//! What one direction of a link does to a datagram, in this order: loss, mtu, truncate, corrupt, duplicate, and for each
//! copy schedule, rate, jitter, delay, reorder. What is lost has no copies and takes no room in the queue.
//!
//! Each draws from uniforms of its own effect, so none moves the draws of another. The loss of each datagram is decided,
//! also of those that are then spared by `first`: so the others are lost as they would be without it.

use super::copula::Normal;
use super::damage::{Corrupt, Damage, Truncate};
use super::delay::Delay;
use super::duplicate::Duplicate;
use super::fate::{Deliveries, Reason};
use super::jitter::{Jitter, Last};
use super::loss::{self, Loss, Rule};
use super::matching::Match;
use super::packet::Transmission;
use super::rate::{Backlog, Queue, Rate};
use super::reorder::Reorder;
use super::schedule::Schedule;
use super::tally::Tally;
use crate::logic::Nanos;
use crate::logic::random::Effect;

/// The impairments of one direction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impairments {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// How long the others take, each by itself.
    pub delay: Delay,
    /// How much longer they take in their order.
    pub jitter: Jitter,
    /// Which are held back.
    pub reorder: Option<Reorder>,
    /// Which arrive several times.
    pub duplicate: Option<Duplicate>,
    /// Of which some bits are flipped.
    pub corrupt: Option<Corrupt>,
    /// Of which the end is missing.
    pub truncate: Option<Truncate>,
    /// Bytes of the longest IP packet that passes.
    pub mtu: Option<u16>,
    /// How fast they are sent.
    pub rate: Option<Rate>,
    /// What may wait for that.
    pub queue: Option<Queue>,
    /// When none passes, more are lost, or the rate is another.
    pub schedule: Option<Schedule>,
    /// How many at the beginning are left alone.
    pub first: u64,
    /// Which datagrams all that is for; the others are not counted.
    pub matching: Option<Match>,
}

/// [`Impairments`] made ready to decide.
#[derive(Debug)]
pub(super) struct Pipeline {
    is_none: bool,
    loss: Rule,
    /// `None` where no datagram is ever delayed.
    delay: Option<Delay>,
    /// `None` where there is nothing but loss and delay.
    others: Option<Box<Impairments>>,
}

/// What is kept for the datagrams of one direction that are counted together.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// How many were sent.
    pub(super) sent: u64,
    /// How many of them the effects were for, where there is a match.
    pub(super) fitting: u64,
    /// Whether the last one was lost.
    pub(super) was_lost: bool,
    loss: loss::State,
    /// The normal number of the last one's delay.
    delay: Option<Normal>,
    others: Option<Box<Others>>,
}

#[derive(Debug, Default)]
struct Others {
    backlog: Backlog,
    last: Last,
    /// The normal number of the last one's jitter.
    jitter: Option<Normal>,
}

/// What is decided for all copies of a datagram that is not dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Passes {
    pub(super) damage: Damage,
    /// Copies beside the original.
    pub(super) copies: u8,
    /// Whether it is left alone.
    spared: bool,
    before: Before,
}

/// The normal numbers of the datagram before, of which the delay and the jitter of the copies depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Before {
    delay: Option<Normal>,
    jitter: Option<Normal>,
}

impl Stream {
    /// Forgets the datagrams that have left the queue.
    pub(super) fn forget(&mut self, now: Nanos) {
        if let Some(others) = &mut self.others {
            others.backlog.forget(now);
        }
    }

    /// Datagrams in the queue that there is memory for.
    #[cfg(test)]
    pub(super) fn queue_capacity(&self) -> usize {
        self.others.as_ref().map_or(0, |others| others.backlog.capacity())
    }
}

impl Passes {
    /// The same of bytes to which the damage is done.
    pub(super) fn undamaged(self) -> Self {
        Self { damage: Damage::NONE, ..self }
    }
}

impl Impairments {
    /// Whether every datagram is delivered once and at once.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The most that arrive of one datagram.
    pub(super) fn most_copies(&self) -> usize {
        1 + self.duplicate.map_or(0, |duplicate| usize::from(duplicate.copies()))
    }
}

impl Pipeline {
    pub(super) fn new(impairments: &Impairments) -> Self {
        let Impairments { loss, delay, .. } = impairments;
        let others = Impairments { loss: Loss::NONE, delay: Delay::NONE, ..impairments.clone() };
        Self {
            is_none: impairments.is_none(),
            loss: loss.rule(),
            delay: (!delay.is_none()).then(|| delay.clone()),
            others: (!others.is_none()).then(|| others.into()),
        }
    }

    /// Whether every packet is delivered once and at once.
    pub(super) fn is_none(&self) -> bool {
        self.is_none
    }

    /// Which packets the effects are for; all without a match.
    pub(super) fn matching(&self) -> Option<&Match> {
        self.others.as_ref().and_then(|others| others.matching.as_ref())
    }

    /// The number of a packet of this number that fits, among those that fit.
    pub(super) fn count(&self, number: u64, stream: &mut Stream) -> u64 {
        if self.matching().is_none() {
            return number;
        }
        stream.fitting += 1;
        stream.fitting
    }

    /// Whether the length of a packet decides anything.
    pub(super) fn asks_for_length(&self) -> bool {
        self.others.as_ref().is_some_and(|others| {
            others.mtu.is_some()
                || others.rate.is_some()
                || others.truncate.is_some()
                || others.corrupt.is_some()
        })
    }

    /// Lets a packet that was never sent move what the next ones depend on, as one that was sent does.
    pub(super) fn pass_over(&self, missing: &Transmission<'_>, stream: &mut Stream) {
        if self.loss.has_state() {
            self.loss.loses(missing, &mut stream.loss);
        }
        self.step(missing, stream);
    }

    fn step(&self, sent: &Transmission<'_>, stream: &mut Stream) -> Before {
        let delay = self.delay.as_ref().and_then(|delay| delay.step(sent, Effect::DELAY, &mut stream.delay));
        let others = self.others.as_ref().filter(|others| !others.jitter.is_none());
        let jitter = others
            .and_then(|others| others.jitter.step(sent, &mut stream.others.get_or_insert_default().jitter));
        Before { delay, jitter }
    }

    /// What is decided for all copies of a packet, or why it is dropped; counts it.
    pub(super) fn admit(
        &self,
        sent: &Transmission<'_>,
        stream: &mut Stream,
        tally: &mut Tally,
    ) -> Result<Passes, Reason> {
        let decided = self.decide(sent, stream);
        let was_lost = std::mem::replace(&mut stream.was_lost, decided == Err(Reason::Loss));
        tally.sent += 1;
        match decided {
            Ok(passes) => {
                tally.spared += u64::from(passes.spared);
                tally.duplicated += u64::from(passes.copies > 0);
                tally.cuttable += u64::from(self.can_cut(sent.packet.len) && !passes.spared);
                tally.cut += u64::from(passes.damage.is_cut());
                tally.flipped += u64::from(passes.damage.is_flipped());
            }
            Err(Reason::Mtu) => tally.too_long += 1,
            Err(_) => {
                tally.lost += 1;
                tally.loss_runs += u64::from(!was_lost);
            }
        }
        decided
    }

    fn decide(&self, sent: &Transmission<'_>, stream: &mut Stream) -> Result<Passes, Reason> {
        let is_lost = self.loss.loses(sent, &mut stream.loss);
        let before = self.step(sent, stream);
        let passes = Passes { damage: Damage::NONE, copies: 0, spared: false, before };
        let Some(others) = &self.others else {
            return if is_lost { Err(Reason::Loss) } else { Ok(passes) };
        };
        if sent.number <= others.first {
            return Ok(Passes { spared: true, ..passes });
        }
        if is_lost {
            return Err(Reason::Loss);
        }
        if others.mtu.is_some_and(|mtu| sent.packet_bytes() > usize::from(mtu)) {
            return Err(Reason::Mtu);
        }
        Ok(Passes {
            damage: Damage::of(sent, others.truncate, others.corrupt),
            copies: others.duplicate.map_or(0, |duplicate| duplicate.of(sent)),
            ..passes
        })
    }

    /// Whether a packet can take any time.
    pub(super) fn can_delay(&self) -> bool {
        self.minds_order() || self.can_reorder() || self.delay.is_some()
    }

    /// Whether each packet in the queue is remembered.
    pub(super) fn counts_packets(&self) -> bool {
        self.others.as_ref().is_some_and(|others| matches!(others.queue, Some(Queue::Packets(_))))
    }

    /// Whether a packet of so many bytes can be cut.
    fn can_cut(&self, len: usize) -> bool {
        self.others.as_ref().and_then(|others| others.truncate).is_some_and(|truncate| truncate.can_cut(len))
    }

    /// Whether a packet can overtake another.
    pub(super) fn can_reorder(&self) -> bool {
        self.delay.as_ref().is_some_and(|delay| !delay.is_fixed())
            || self.others.as_ref().is_some_and(|others| others.reorder.is_some())
    }

    /// Whether what happens to a packet depends on which came before it.
    pub(super) fn minds_order(&self) -> bool {
        self.others.as_ref().is_some_and(|others| others.rate.is_some() || !others.jitter.is_none())
    }

    /// When the copies of an admitted packet arrive that is sent at each of these times; the first is the copy with this
    /// number from 0.
    pub(super) fn arrivals(
        &self,
        mut sent: Transmission<'_>,
        passes: Passes,
        times: &Deliveries,
        first: u8,
        stream: &mut Stream,
        tally: &mut Tally,
    ) -> Deliveries {
        let (mut deliveries, mut copy) = (Deliveries::dropped(Reason::None), first * (1 + passes.copies));
        for time in &**times {
            sent.packet.at = time.at;
            for _ in 0..=passes.copies {
                let arrival = self.arrival(&sent, passes, copy, stream, tally);
                if let Err(reason) = arrival {
                    tally.dropped(reason);
                }
                deliveries.add(arrival);
                copy += 1;
            }
        }
        deliveries
    }

    /// When a copy of an admitted packet arrives, or why it is dropped.
    fn arrival(
        &self,
        sent: &Transmission<'_>,
        passes: Passes,
        copy: u8,
        stream: &mut Stream,
        tally: &mut Tally,
    ) -> Result<Nanos, Reason> {
        let mut at = sent.packet.at;
        if passes.spared {
            return Ok(at);
        }
        if let Some(others) = &self.others {
            at = others.carry(sent, passes, copy, stream.others.get_or_insert_default())?;
        }
        if let Some(delay) = &self.delay {
            at = at.saturating_add(delay.of(sent, Effect::DELAY, copy, passes.before.delay));
        }
        if let Some(reorder) = self.others.as_ref().and_then(|others| others.reorder) {
            let back = reorder.of(sent, copy);
            tally.held_back += u64::from(back > 0);
            at = at.saturating_add(back);
        }
        tally.passed += 1;
        Ok(at)
    }
}

impl Impairments {
    fn carry(
        &self,
        sent: &Transmission<'_>,
        passes: Passes,
        copy: u8,
        state: &mut Others,
    ) -> Result<Nanos, Reason> {
        let mut at = sent.packet.at;
        if self.schedule.as_ref().is_some_and(|schedule| schedule.loses(sent)) {
            return Err(Reason::Schedule);
        }
        if let Some(rate) = self.rate {
            let schedule = self.schedule.as_ref().filter(|schedule| schedule.has_rates());
            let scheduled = schedule.and_then(|schedule| schedule.rate(state.backlog.ends().max(at)));
            let rate = scheduled.unwrap_or(rate);
            let bytes = sent.headers + passes.damage.length(sent.packet.len);
            let leaves = rate.leaves(self.queue.unwrap_or_default(), at, bytes, &mut state.backlog);
            at = leaves.ok_or(Reason::Queue)?;
        }
        if !self.jitter.is_none() {
            at = self.jitter.after(at, sent, copy, passes.before.jitter, &mut state.last);
        }
        Ok(at)
    }
}
