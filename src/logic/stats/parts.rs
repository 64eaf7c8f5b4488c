//! How much the loss differs between equal parts of samples: the variance of a share, whatever makes losses depend on
//! each other (batch means: Conway, Some Tactical Problems in Digital Simulation, 1963).

use super::Sample;

/// A sample is cut into 1, 2, 4, 8 and 16 parts. More parts of one sample would be shorter than its dependence too often,
/// and fewer know the variance badly.
const CUTS: usize = 5;
const FEWEST: u64 = 16;

/// A correlation between neighbours this many standard deviations above 0 is chance once in 100 times.
const SURELY: f64 = 2.33;

/// Sums over parts with `lost` of `sent` pings, and over pairs of neighbours of one sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// How many parts there are.
    pub parts: u64,
    /// Sums of lost x lost, lost x sent and sent x sent.
    pub own: [u128; 3],
    /// The same of neighbours: lost x lost, lost x sent both ways, sent x sent.
    pub next: [u128; 3],
}

impl Cut {
    /// Its numbers, in the order of the fields.
    pub fn sums(&self) -> impl Iterator<Item = u128> {
        std::iter::once(u128::from(self.parts)).chain(self.own).chain(self.next)
    }

    fn add(&mut self, (lost, sent): (u64, u64), before: Option<(u64, u64)>) {
        self.parts = self.parts.saturating_add(1);
        let (lost, sent) = (u128::from(lost), u128::from(sent));
        grow(&mut self.own, [lost * lost, lost * sent, sent * sent]);
        if let Some((old_lost, old_sent)) = before.map(|(lost, sent)| (u128::from(lost), u128::from(sent))) {
            grow(&mut self.next, [old_lost * lost, old_lost * sent + lost * old_sent, old_sent * sent]);
        }
    }
}

fn grow(sums: &mut [u128; 3], by: [u128; 3]) {
    for (sum, by) in sums.iter_mut().zip(by) {
        *sum = sum.saturating_add(by);
    }
}

/// The cuts of samples. Those of several samples add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts(pub [Cut; CUTS]);

impl Parts {
    /// Cuts a sample.
    pub fn of(sample: &Sample<'_>) -> Self {
        let (mut all, len) = (Self::default(), sample.len());
        for (number, cut) in all.0.iter_mut().enumerate() {
            let many = 1 << number;
            let mut before = None;
            for part in 0..many {
                let rows = part * len / many..(part + 1) * len / many;
                if rows.is_empty() {
                    continue;
                }
                let sent = rows.len() as u64;
                let lost = rows.filter(|row| sample.in_time(*row).is_none()).count() as u64;
                cut.add((lost, sent), before);
                before = Some((lost, sent));
            }
        }
        all
    }

    /// Adds other samples.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.parts = mine.parts.saturating_add(theirs.parts);
            grow(&mut mine.own, theirs.own);
            grow(&mut mine.next, theirs.next);
        }
    }

    /// The variance of the number of losses in all, and the degrees of freedom that it is known with: from the longest
    /// parts that are enough. `None` if they are too few, or neighbours resemble each other: then the loss changes in
    /// times as long as a part, and nobody can say how it will go on.
    pub fn variance(&self, share: f64) -> Option<(f64, f64)> {
        let cut = self.0.iter().find(|cut| cut.parts >= FEWEST)?;
        let about = |[lost, both, sent]: [u128; 3], twice: f64| {
            lost as f64 - twice * share * both as f64 + share * share * sent as f64
        };
        let (own, next) = (about(cut.own, 2.0), about(cut.next, 1.0));
        let parts = cut.parts as f64;
        let alike = own > 0.0 && alike(next / own, parts);
        (!alike).then(|| (own.max(0.0) * parts / (parts - 1.0), parts - 1.0))
    }
}

/// Whether neighbours of so many parts resemble each other, by their correlation.
pub(super) fn alike(correlation: f64, parts: f64) -> bool {
    (correlation + 1.0 / parts) * parts.sqrt() > SURELY
}
