//! What the silences of all clients of a monitor tell about one that is young.
//!
//! A promise of one false alarm in 30 days takes one client 90 days to prove; a hundred of them need one. So the longest
//! [`Silences`] are also kept for all clients together, in intervals. Clients share them if their intervals are about the
//! same: between two powers of two of nanoseconds.
//!
//! A client gives the longest of its own only, so that one with many outages does not stand for all. It gives none when
//! it fell silent together with others: that is one outage, and not as many as there are clients.

use super::silences::Silences;
use crate::logic::{Nanos, SECOND};

/// Longer silences of a client with which one is still given, and more for each false alarm that was promised.
const GIVEN: f64 = 1.0;
const EACH: f64 = 3.0;
/// Silences of others that are taken for accidents.
const ACCIDENTS: f64 = 1.0;
/// How long a quarter of what is known takes to be forgotten: it is remembered for a week.
const QUARTER: Nanos = 42 * 3_600 * SECOND;
/// The time of so many promised alarms is remembered for longer.
const ALARMS: f64 = 14.0;

/// What clients share, for each power of two of their intervals.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    kinds: Vec<Kind>,
}

#[derive(Debug, Clone, Default)]
struct Kind {
    /// As if the interval were a second.
    silences: Silences,
    /// When a quarter is forgotten.
    next: Nanos,
}

/// The pool, as one client uses it.
#[derive(Debug)]
pub struct Share<'a> {
    /// What all share.
    pub pool: &'a mut Pool,
    /// Whether the client fell silent together with others.
    pub together: bool,
}

/// The silences of others, the longest first, each with how many were longer for each false alarm that was promised.
#[derive(Debug)]
pub(super) struct Others(Vec<(Nanos, f64)>);

impl Others {
    /// False alarms that a silence would have been for each that was promised.
    pub(super) fn rate(&self, silence: Nanos) -> f64 {
        let place = self.0.partition_point(|(longer, _)| *longer > silence);
        self.0.get(place).or(self.0.last()).map_or(0.0, |(_, rate)| *rate)
    }

    /// The shortest silence with so many at most.
    pub(super) fn first(&self, most: f64) -> Nanos {
        let place = self.0.partition_point(|(_, rate)| *rate <= most);
        if place == self.0.len() { 0 } else { self.0[place.max(1) - 1].0 }
    }
}

impl Pool {
    fn kind(&mut self, interval: Nanos) -> &mut Kind {
        let place = interval.max(1).ilog2() as usize;
        if place >= self.kinds.len() {
            self.kinds.resize_with(place + 1, Kind::default);
        }
        &mut self.kinds[place]
    }

    /// Counts what was promised to a client up to now, and its silence, if that is one of its longest.
    pub(super) fn add(&mut self, interval: Nanos, at: Nanos, promised: f64, silence: Option<Nanos>) {
        let kind = self.kind(interval);
        if at >= kind.next {
            kind.next = at.saturating_add(QUARTER);
            kind.silences.forget(ALARMS);
        }
        kind.silences.promise(promised);
        if let Some(silence) = silence {
            kind.silences.insert(scaled(silence, SECOND, interval));
        }
    }

    /// Adds what a client knew when the monitor started.
    pub(super) fn join(&mut self, interval: Nanos, known: &Silences) {
        let silences = &mut self.kind(interval).silences;
        silences.promise(known.promised());
        let most = given(known.promised());
        for (silence, _) in known.ranked().take_while(|(_, longer)| *longer <= most) {
            silences.insert(scaled(silence, SECOND, interval));
        }
    }

    /// The same as [`Others::first`] of 1 for a client that has none of its own; 0 if there are no others.
    pub(super) fn first(&self, interval: Nanos) -> Nanos {
        let Some(kind) = self.kinds.get(interval.max(1).ilog2() as usize) else { return 0 };
        let (all, most) = (&kind.silences, kind.silences.promised() + ACCIDENTS);
        let place = all.ranked().position(|(_, longer)| longer > most).filter(|_| all.promised() > 0.0);
        let first = place.and_then(|place| all.ranked().nth(place.max(1) - 1));
        first.map_or(0, |(silence, _)| scaled(silence, interval, SECOND))
    }

    /// The silences of the others; `None` if there are none. Those of the client itself are not among them.
    pub(super) fn others(&self, interval: Nanos, own: &Silences) -> Option<Others> {
        let all = &self.kinds.get(interval.max(1).ilog2() as usize)?.silences;
        let promised = all.promised() - own.promised();
        let most = given(own.promised());
        let mut own = own.ranked().take_while(move |(_, longer)| *longer <= most).peekable();
        let mut ours = 0.0;
        let others = all.ranked().map(|(silence, longer)| {
            let silence = scaled(silence, interval, SECOND);
            while own.next_if(|(own, _)| *own > silence).is_some() {
                ours += 1.0;
            }
            (silence, f64::max(longer - ours, 0.0) / (promised + ACCIDENTS))
        });
        (promised > 0.0).then(|| Others(others.collect()))
    }

    #[cfg(test)]
    pub(in crate::logic::monitor) fn memory(&self) -> usize {
        let each = |kind: &Kind| size_of::<Kind>() + kind.silences.memory();
        self.kinds.iter().map(each).sum()
    }
}

/// Up to how many longer ones of its own a silence is given with.
pub(super) fn given(promised: f64) -> f64 {
    GIVEN + EACH * promised
}

#[expect(clippy::cast_possible_truncation, reason = "it was a time")]
fn scaled(silence: Nanos, to: Nanos, from: Nanos) -> Nanos {
    (silence as f64 * to as f64 / from as f64).ceil() as Nanos
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Beat, Detector, Watch};
    use super::*;

    const INTERVAL: Nanos = 300 * SECOND;
    const DAY: u64 = 288;
    /// Outages per 100 days, and the heartbeats that the shortest and the longest take.
    type Outages = (u64, u64, u64);
    const SHORT: Outages = (200, 4, 7);
    const ANY: Outages = (100, 20, 400);

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % sides
        }
    }

    /// A healthy client that loses one heartbeat in 200, and has outages.
    struct Client {
        watch: Watch,
        dice: Dice,
        lost: u64,
        outages: Outages,
        alarms: u64,
    }

    impl Client {
        fn new(number: u64, outages: Outages) -> Self {
            let detector: Detector = "calibrated:1 per 30 days".parse().unwrap();
            let watch = detector.watch(INTERVAL).unwrap();
            Self { watch, dice: Dice(number), lost: 0, outages, alarms: 0 }
        }

        fn beat(&mut self, seq: u64, pool: Option<&mut Pool>) {
            let (a_hundred_days, shortest, longest) = self.outages;
            if self.lost > 0 {
                self.lost -= 1;
                return;
            }
            if self.dice.roll(100 * DAY) < a_hundred_days {
                self.lost = shortest - 1 + self.dice.roll(longest - shortest + 1);
                return;
            }
            if self.dice.roll(200) == 0 {
                return;
            }
            let sent = Nanos::try_from(seq).unwrap() * INTERVAL;
            let at = sent + Nanos::try_from(self.dice.roll(20_000_000)).unwrap();
            self.alarms += u64::from(self.watch.deadline().is_some_and(|deadline| at > deadline));
            let share = pool.map(|pool| Share { pool, together: false });
            self.watch.beat_among(Beat { seq, sent, at }, share);
        }
    }

    /// Clients of one kind follow their heartbeats of some days; returns their false alarms.
    fn alarms(clients: &mut [Client], days: std::ops::Range<u64>, mut pool: Option<&mut Pool>) -> u64 {
        let before: u64 = clients.iter().map(|client| client.alarms).sum();
        for seq in days.start * DAY..days.end * DAY {
            for client in clients.iter_mut() {
                client.beat(seq, pool.as_deref_mut());
            }
        }
        clients.iter().map(|client| client.alarms).sum::<u64>() - before
    }

    fn clients(numbers: std::ops::Range<u64>, outages: Outages) -> Vec<Client> {
        numbers.map(|number| Client::new(number, outages)).collect()
    }

    proptest! {
        #[test]
        fn a_newcomer_begins_with_what_it_would_look_up(
            silences in prop::collection::vec(0..100 * SECOND, 0..60),
            promised in prop::sample::select(vec![0.0, 1e-6, 0.2, 1.0, 7.5]),
            interval in prop::sample::select(vec![SECOND, SECOND * 3 / 4, 10 * SECOND]),
        ) {
            let mut pool = Pool::default();
            for silence in silences {
                pool.add(SECOND, 0, promised, Some(silence));
            }
            let others = pool.others(interval, &Silences::default());
            prop_assert_eq!(pool.first(interval), others.map_or(0, |others| others.first(1.0)));
        }
    }

    #[test]
    fn a_hundred_clients_keep_a_rare_promise_after_three_days_and_newcomers_at_once() {
        for outages in [SHORT, ANY] {
            let (mut old, mut pool) = (clients(0..100, outages), Pool::default());
            let learning = alarms(&mut old, 0..3, Some(&mut pool));
            let alone = alarms(&mut clients(0..100, outages), 0..3, None);
            assert!(learning < alone, "{outages:?}: {learning} {alone}");
            // 90 are promised.
            let later = alarms(&mut old, 3..30, Some(&mut pool));
            assert!(later <= 180, "{outages:?}: {later}");
            // 33 are promised.
            let young = alarms(&mut clients(500..600, outages), 30..40, Some(&mut pool));
            let alone = alarms(&mut clients(500..600, outages), 30..40, None);
            assert!(young <= 66 && 2 * young < alone, "{outages:?}: {young} {alone}");
            assert!(pool.memory() < 8_192, "{}", pool.memory());
        }
    }

    #[test]
    fn a_path_that_is_worse_than_the_others_learns_by_itself() {
        let mut pool = Pool::default();
        alarms(&mut clients(0..100, (0, 1, 1)), 0..30, Some(&mut pool));
        let worse = (3_000, 10, 40);
        let among = alarms(&mut clients(500..510, worse), 30..210, Some(&mut pool));
        let alone = alarms(&mut clients(500..510, worse), 30..210, None);
        // 60 are promised.
        assert!(among <= 120 && among <= alone + 10, "{among} {alone}");
    }

    #[test]
    fn a_client_with_many_outages_does_not_stand_for_all() {
        let mut pool = Pool::default();
        let mut all = clients(0..100, (0, 1, 1));
        all.push(Client::new(100, (1_000, 100, 200)));
        alarms(&mut all, 0..60, Some(&mut pool));
        let mut young = clients(500..501, (0, 1, 1));
        alarms(&mut young, 60..62, Some(&mut pool));
        let silence = young[0].watch.forecast().unwrap().silence;
        assert!(silence < 10 * INTERVAL, "{}", silence / INTERVAL);
    }
}
