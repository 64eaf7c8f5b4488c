//! The longest silences after which a sender was heard again: how often each threshold would have been wrong.
//!
//! A suspicion that a later heartbeat refutes is a false alarm, and so it would have been with every shorter threshold. So
//! the silences alone tell the rate of false alarms of any threshold, whatever the losses and delays that made them.
//! Only the longest matter: about as many as false alarms were promised for the time that is remembered. They are kept
//! one by one; where that would be more than 48, neighbours of nearly the same rank are joined. Their times are rounded up to
//! a part in ten million, which halves their memory.

use std::fmt::Write as _;

use crate::logic::Nanos;

const MOST: usize = 48;
/// Silences that are kept from the start, and for each false alarm that was promised.
const FIRST: usize = 16;
const EACH: f64 = 3.0;

/// The longest silences of late.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Silences {
    /// The longest first, each with how many it stands for.
    longest: Vec<(f32, f32)>,
    /// False alarms that were promised for the time that is remembered, and those that there were.
    promised: f64,
    alarms: f64,
}

impl Silences {
    /// Counts a silence that ended, and what was promised for its time; `alarm` if it was taken for a stop. When
    /// `window` false alarms are promised for what is remembered, a quarter of it is forgotten. Returns how many are
    /// longer, if it is one of those that are kept.
    pub(super) fn add(&mut self, silence: Nanos, promised: f64, window: f64, alarm: bool) -> Option<usize> {
        self.promise(promised);
        self.alarms += f64::from(u8::from(alarm));
        self.forget(window);
        self.insert(silence)
    }

    /// Counts what was promised.
    pub(super) fn promise(&mut self, promised: f64) {
        self.promised += promised;
    }

    /// Forgets a quarter when more than `window` false alarms were promised.
    pub(super) fn forget(&mut self, window: f64) {
        if self.promised > window {
            self.scale(0.75);
        }
    }

    /// Keeps a silence if it is one of the longest; returns its place then.
    pub(super) fn insert(&mut self, silence: Nanos) -> Option<usize> {
        let silence = (silence.max(0) as f32).next_up();
        if self.longest.len() >= self.most() {
            if self.longest.last().is_some_and(|(least, _)| silence <= *least) {
                return None;
            }
            self.shrink();
        }
        if self.longest.len() == self.longest.capacity() {
            self.longest.reserve_exact(FIRST / 2);
        }
        let place = self.longest.partition_point(|(longer, _)| *longer > silence);
        self.longest.insert(place, (silence, 1.0));
        Some(place)
    }

    /// So many silences as are kept.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    fn most(&self) -> usize {
        MOST.min(FIRST + (4.0 * self.promised) as usize)
    }

    /// The number of longer silences up to which one is needed.
    fn needed(&self) -> f64 {
        FIRST as f64 + EACH * self.promised
    }

    fn scale(&mut self, share: f64) {
        self.promised *= share;
        self.alarms *= share;
        let (mut longer, most) = (0.0, self.needed());
        self.longest.retain_mut(|(_, weight)| {
            let needed = longer <= most;
            #[expect(clippy::cast_possible_truncation, reason = "a share")]
            {
                *weight *= share as f32;
            }
            longer += f64::from(*weight);
            needed
        });
    }

    /// Drops the shortest, or where that is needed joins the two that differ least in rank.
    fn shrink(&mut self) {
        let longer: f64 = self.longest.iter().rev().skip(1).map(|(_, weight)| f64::from(*weight)).sum();
        if longer >= self.needed() || self.longest.len() < MOST {
            self.longest.pop();
            return;
        }
        let (mut rank, mut least, mut at) = (0.0, f32::MAX, 0);
        for (place, pair) in self.longest.windows(2).enumerate() {
            let joined = pair[0].1 + pair[1].1;
            rank += pair[0].1;
            if joined / rank < least {
                (least, at) = (joined / rank, place);
            }
        }
        let (shorter, weight) = self.longest.remove(at + 1);
        let (mean, joined) = &mut self.longest[at];
        *joined += weight;
        *mean += (shorter - *mean) * (weight / *joined);
    }

    /// The longest first, each with the number of longer ones.
    #[expect(clippy::cast_possible_truncation, reason = "it was a time")]
    pub(super) fn ranked(&self) -> impl Iterator<Item = (Nanos, f64)> {
        self.longest.iter().scan(0.0, |longer, (silence, weight)| {
            let before = *longer;
            *longer += f64::from(*weight);
            // Half of those that were joined are longer than their mean.
            Some((*silence as Nanos, before + f64::from(weight - 1.0).max(0.0) / 2.0))
        })
    }

    /// False alarms that were promised for the time that is remembered.
    pub(super) fn promised(&self) -> f64 {
        self.promised
    }

    /// False alarms beyond the promised ones.
    pub(super) fn excess(&self) -> f64 {
        self.alarms - self.promised
    }

    /// As text, with the time in heartbeats, as the promise may change.
    pub(super) fn write(&self, budget: f64, text: &mut String) {
        // Writing into memory cannot fail.
        let _ = write!(text, "{} {}", self.promised / budget, self.alarms);
        for (silence, weight) in &self.longest {
            let _ = write!(text, " {silence}:{weight}");
        }
    }

    /// Reads what [`Silences::write`] wrote.
    pub(super) fn read(text: &str, budget: f64) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut number = || parts.next()?.parse::<f64>().ok().filter(|number| (0.0..1e15).contains(number));
        let (promised, alarms) = (number()? * budget, number()?);
        let longest: Option<Vec<(f32, f32)>> = parts
            .map(|part| {
                let (silence, weight) = part.split_once(':')?;
                let number = |text: &str| text.parse().ok().filter(|number| (0.0..1e18).contains(number));
                Some((number(silence)?, number(weight)?))
            })
            .collect();
        let longest = longest.filter(|all| all.len() <= MOST && all.is_sorted_by(|a, b| a.0 >= b.0))?;
        Some(Self { longest, promised, alarms })
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of::<(f32, f32)>() * self.longest.capacity()
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(silence: Nanos) -> Nanos {
        (silence as f32).next_up() as Nanos
    }

    proptest! {
        #[test]
        fn the_longest_are_known_exactly_and_what_is_kept_is_read_back(
            silences in prop::collection::vec(0_i64..1_000_000, 1..1_000),
            promised in prop::sample::select(vec![0.0, 0.001, 0.01, 0.1]),
        ) {
            let mut kept = Silences::default();
            for silence in &silences {
                kept.add(*silence, promised, 1e9, false);
            }
            let mut silences: Vec<Nanos> = silences.into_iter().map(rounded).collect();
            silences.sort_unstable_by(|a, b| b.cmp(a));
            prop_assert!(kept.longest.len() <= MOST);
            for (place, (silence, longer)) in kept.ranked().enumerate().take(FIRST / 2) {
                prop_assert_eq!((silence, longer), (silences[place], place as f64));
            }
            let mut text = String::new();
            kept.write(0.5, &mut text);
            prop_assert_eq!(Silences::read(&text, 0.5), Some(kept));
        }
    }

    #[test]
    fn as_many_are_counted_as_are_needed() {
        let (mut kept, mut state) = (Silences::default(), 1_u64);
        let mut all: Vec<Nanos> = Vec::new();
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let silence = (state >> 33).cast_signed();
            all.push(silence);
            kept.add(silence, 0.01, 1e9, false);
        }
        all.sort_unstable_by(|a, b| b.cmp(a));
        let deepest = kept.ranked().last().map_or(0.0, |(_, longer)| longer);
        assert!(deepest >= 1.5 * kept.promised, "{deepest} {}", kept.promised);
        for (silence, longer) in kept.ranked() {
            let exact = all.partition_point(|other| *other > silence) as f64;
            assert!((exact * 0.8 - 3.0..=exact * 1.2 + 3.0).contains(&longer), "{longer} {exact}");
        }
    }
}
