//! How long before a deadline to wake up and spin, from how late recent waits ended.

use crate::logic::Nanos;

/// The bounds of an adaptive margin.
const LEAST: Nanos = 20_000;
const MOST: Nanos = 200_000;
/// Waits that are kept, and waits after which the margin is computed again.
const REMEMBERED: usize = 256;
const EVERY: usize = 32;

/// How long to spin before a ping is due.
#[derive(Debug)]
pub(super) struct SpinMargin {
    fixed: Option<Nanos>,
    now: Nanos,
    late: Vec<Nanos>,
    sorted: Vec<Nanos>,
    next: usize,
}

impl SpinMargin {
    /// A fixed margin; `None`: the 99th percentile of the lateness of waits, within bounds.
    pub(super) fn new(fixed: Option<Nanos>) -> Self {
        Self { fixed, now: fixed.unwrap_or(MOST), late: Vec::new(), sorted: Vec::new(), next: 0 }
    }

    /// The current margin.
    pub(super) fn get(&self) -> Nanos {
        self.now
    }

    /// Records how late a wait ended.
    pub(super) fn learn(&mut self, late: Nanos) {
        if self.fixed.is_some() {
            return;
        }
        if self.late.len() < REMEMBERED {
            self.late.push(late);
        } else {
            self.late[self.next % REMEMBERED] = late;
        }
        self.next += 1;
        if self.next.is_multiple_of(EVERY) {
            self.sorted.clone_from(&self.late);
            let place = self.sorted.len() * 99 / 100;
            let (_, p99, _) = self.sorted.select_nth_unstable(place);
            self.now = (*p99).clamp(LEAST, MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_follows_the_lateness_of_waits_within_bounds() {
        let mut margin = SpinMargin::new(None);
        assert_eq!(margin.get(), MOST, "nothing is known yet");
        (0..REMEMBERED).for_each(|_| margin.learn(60_000));
        assert_eq!(margin.get(), 60_000);
        // One wait in a hundred does not count, however late.
        margin.learn(10_000_000);
        (1..EVERY).for_each(|_| margin.learn(60_000));
        assert_eq!(margin.get(), 60_000);
        (0..REMEMBERED).for_each(|_| margin.learn(1));
        assert_eq!(margin.get(), LEAST);
        (0..REMEMBERED).for_each(|_| margin.learn(10_000_000));
        assert_eq!(margin.get(), MOST);
    }

    #[test]
    fn a_fixed_margin_does_not_change() {
        let mut margin = SpinMargin::new(Some(0));
        (0..REMEMBERED).for_each(|_| margin.learn(60_000));
        assert_eq!(margin.get(), 0);
    }
}
