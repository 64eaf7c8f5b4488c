//! Any numbers, beside a model that remembers every one.

use super::*;

/// Remembers each number of the stretch.
struct Model {
    first: u64,
    highest: u64,
    heard: BTreeSet<u64>,
    lost: BTreeSet<u64>,
    /// A number that is held, the last of its gap, and when that was seen.
    held: Vec<(u64, u64, Nanos)>,
    /// Of the stretches before.
    carried: Counts,
    counts: Counts,
    reported: Vec<u64>,
}

impl Model {
    fn new(seq: u64) -> Self {
        Self {
            first: seq,
            highest: seq,
            heard: BTreeSet::from([seq]),
            lost: BTreeSet::new(),
            held: Vec::new(),
            carried: Counts::default(),
            counts: Counts::default(),
            reported: Vec::new(),
        }
    }

    fn hear(&mut self, seq: u64, at: Nanos) -> Heard {
        if seq > self.highest + JUMP {
            self.lose(|_, _, _| true);
            let carried = Counts { jumps: self.carried.jumps + 1, ..self.counts() };
            let reported = std::mem::take(&mut self.reported);
            *self = Self { carried, reported, counts: self.counts, ..Self::new(seq) };
            return Heard::Jump;
        }
        if seq > self.highest {
            let gap = seq - self.highest - 1;
            self.held.extend((self.highest + 1..seq).map(|missing| (missing, seq - 1, at)));
            self.highest = seq;
            self.heard.insert(seq);
            self.lose(|missing, _, _| gap >= WINDOW || missing + WINDOW <= seq);
            return fresh(gap);
        }
        if seq < self.first || seq + WINDOW <= self.highest {
            self.counts.old += 1;
            return Heard::Old;
        }
        if !self.heard.insert(seq) {
            self.counts.duplicates += 1;
            return Heard::Duplicate;
        }
        self.held.retain(|(missing, _, _)| *missing != seq);
        self.counts.reordered += 1;
        let took_back = self.lost.remove(&seq);
        self.counts.taken_back += u64::from(took_back);
        Heard::Late { took_back }
    }

    fn settle(&mut self, now: Nanos, interval: Nanos) {
        let heard = std::mem::take(&mut self.heard);
        self.lose(|_, last, seen| {
            let enough = heard.range(last + 1..).take(3).count() == 3;
            now >= seen + SECOND + if enough { 0 } else { 3 * interval }
        });
        self.heard = heard;
    }

    fn lose(&mut self, due: impl Fn(u64, u64, Nanos) -> bool) {
        let (lost, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(missing, last, seen)| due(*missing, *last, *seen));
        self.held = held;
        self.lost.extend(lost.iter().map(|(missing, _, _)| missing));
        self.reported.extend(lost.iter().map(|(missing, _, _)| missing));
        if !lost.is_empty() {
            self.counts.longest_run = self.counts.longest_run.max(self.runs().1);
        }
    }

    /// How many runs there are, and the longest.
    fn runs(&self) -> (u64, u64) {
        let (mut runs, mut longest, mut length, mut before) = (0, 0, 0, None);
        for lost in &self.lost {
            length = if before == Some(lost - 1) { length + 1 } else { 1 };
            runs += u64::from(length == 1);
            longest = longest.max(length);
            before = Some(*lost);
        }
        (runs, longest)
    }

    fn counts(&self) -> Counts {
        Counts {
            received: self.carried.received + self.heard.len() as u64,
            lost: self.carried.lost + self.lost.len() as u64,
            pending: self.held.len() as u64,
            runs: self.carried.runs + self.runs().0,
            jumps: self.carried.jumps,
            ..self.counts
        }
    }
}

/// What comes next: how much later, and which number when the highest so far is this.
fn step() -> impl Strategy<Value = (Nanos, Step)> {
    let wait = prop_oneof![9 => 50..400 * MS, 1 => 0..9 * SECOND].prop_map(|wait| wait.max(50 * MS));
    let step = prop_oneof![
        50 => Just(Step::Up(1)),
        20 => (2_u64..8).prop_map(Step::Up),
        2 => (2_u64..1_500).prop_map(Step::Up),
        1 => (9_990_u64..10_010).prop_map(Step::Up),
        25 => (0_u64..30).prop_map(Step::Down),
        5 => (0_u64..1_300).prop_map(Step::Down),
    ];
    (wait, step)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Up(u64),
    Down(u64),
}

proptest! {
    #[test]
    fn it_counts_as_one_who_remembers_everything(first in 0_u64..2_000, steps in prop::collection::vec(step(), 1..120)) {
        let interval = 100 * MS;
        let (mut account, mut model) = (Account::new(first), Model::new(first));
        let (mut now, mut reported) = (0, Vec::new());
        for (wait, step) in steps {
            now += wait;
            account.settle(now, interval, |first, last| reported.extend(first..=last));
            model.settle(now, interval);
            let seq = match step {
                Step::Up(by) => model.highest + by,
                Step::Down(by) => model.highest.saturating_sub(by),
            };
            prop_assert_eq!(account.hear(seq, now, || 0), model.hear(seq, now), "{} at {}", seq, now);
            account.settle(now, interval, |first, last| reported.extend(first..=last));
            model.settle(now, interval);
            prop_assert_eq!(account.counts(), model.counts(), "{} at {}", seq, now);
            prop_assert_eq!(&reported, &model.reported);
            prop_assert_eq!(account.counts().sent() - model.carried.sent(), model.highest - model.first + 1);
        }
    }
}
