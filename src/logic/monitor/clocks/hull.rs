//! The lower edge of points (sending time, arrival minus sending): the least delay, and the drift of the clocks.
//!
//! The points' lower convex hull is kept as they come (Andrew's monotone chain). Its edge above the mean time is the
//! line below all points that is nearest to them: the estimate of Moon, Skelly and Towsley ("Estimation and removal of
//! clock skew from network delay measurements", INFOCOM 1999). Clocks do not drift evenly for ever, so there are two
//! hulls; the younger begins half a window after the older and takes its place when that is a window old.

use crate::logic::{Nanos, SECOND};

/// A hull is replaced when it is so old, ...
const WINDOW: Nanos = 3_600 * SECOND;
/// ... and so many intervals: half as many, less the losses, must be enough for a drift.
const INTERVALS: Nanos = 1_000;
/// Points from which a drift is read. With fewer it is worse than none: 9 ppm off at 60.
const ENOUGH: u32 = 300;
/// Corners of a hull. Delays give it 10 or 20; only a drift that bends, or an attack, gives more.
const MOST_CORNERS: usize = 32;

/// The two hulls: 128 bytes, and 512 bytes at most for the corners of each.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    older: Hull,
    younger: Option<Hull>,
}

/// The lower convex hull of some points.
#[derive(Debug, Clone)]
struct Hull {
    /// When it began: times count from here.
    origin: Nanos,
    points: u32,
    /// The sum of all times.
    sum: i128,
    /// The lowest delay.
    least: Nanos,
    /// By rising time.
    corners: Vec<Corner>,
}

#[derive(Debug, Clone, Copy)]
struct Corner {
    time: Nanos,
    delay: Nanos,
}

impl Envelope {
    /// An envelope of points sent from now on.
    pub(super) fn new(sent: Nanos) -> Self {
        Self { older: Hull::empty(sent), younger: None }
    }

    pub(super) fn add(&mut self, sent: Nanos, delay: Nanos, interval: Nanos) {
        let window = WINDOW.max(interval.saturating_mul(INTERVALS));
        if self.older.age(sent) >= window {
            let younger = self.younger.take().filter(|younger| younger.age(sent) < window);
            self.older = younger.unwrap_or_else(|| Hull::empty(sent));
        }
        if self.younger.is_none() && self.older.age(sent) >= window / 2 {
            self.younger = Some(Hull::empty(sent));
        }
        self.older.add(sent, delay);
        if let Some(younger) = &mut self.younger {
            younger.add(sent, delay);
        }
    }

    /// Loads each of its cache lines.
    pub(super) fn prefetch(&self) -> u64 {
        let corners = self.older.corners.last().map_or(0, |last| last.time);
        (self.older.least ^ corners).cast_unsigned() ^ u64::from(self.younger.is_some())
    }

    /// The least delay that a heartbeat sent at this time could have had.
    pub(super) fn below(&self, sent: Nanos) -> Nanos {
        self.older.below(sent)
    }

    /// By how much the delay grows with the time.
    pub(super) fn slope(&self) -> Option<f64> {
        let (from, to) = self.older.edge()?;
        Some((i128::from(to.delay) - i128::from(from.delay)) as f64 / (to.time - from.time) as f64)
    }
}

impl Hull {
    fn empty(origin: Nanos) -> Self {
        Self { origin, points: 0, sum: 0, least: Nanos::MAX, corners: Vec::new() }
    }

    fn age(&self, sent: Nanos) -> Nanos {
        sent.saturating_sub(self.origin)
    }

    /// Adds a point. One that is earlier than the last is ignored: its clock went back.
    fn add(&mut self, sent: Nanos, delay: Nanos) {
        let new = Corner { time: self.age(sent), delay };
        let last = self.corners.last().copied();
        if last.map_or(0, |last| last.time) > new.time {
            return;
        }
        self.points = self.points.saturating_add(1);
        self.sum = self.sum.saturating_add(i128::from(new.time));
        self.least = self.least.min(delay);
        if let Some(last) = last.filter(|last| last.time == new.time) {
            if last.delay <= delay {
                return;
            }
            self.corners.pop();
        }
        while let [.., before, last] = self.corners[..]
            && turn(before, last, new) <= 0
        {
            self.corners.pop();
        }
        if self.corners.len() == MOST_CORNERS {
            self.drop_flattest();
        }
        self.corners.push(new);
    }

    /// Drops the corner without which the hull changes least, but not the oldest, which the edge above the mean time
    /// may need.
    fn drop_flattest(&mut self) {
        let bends = self.corners.windows(3).map(|three| turn(three[0], three[1], three[2]));
        if let Some((before, _)) = bends.enumerate().min_by_key(|(_, bend)| *bend) {
            self.corners.remove(before + 1);
        }
    }

    fn below(&self, sent: Nanos) -> Nanos {
        let Some((from, to)) = self.edge() else { return self.least };
        let [run, rise] = [i128::from(to.time - from.time), i128::from(to.delay) - i128::from(from.delay)];
        let time = i128::from(self.age(sent)) - i128::from(from.time);
        let below = rise.saturating_mul(time).div_euclid(run).saturating_add(from.delay.into());
        Nanos::try_from(below).unwrap_or(if below < 0 { Nanos::MIN } else { Nanos::MAX })
    }

    /// The edge above the mean time; `None` as long as there are too few points.
    fn edge(&self) -> Option<(Corner, Corner)> {
        if self.points < ENOUGH || self.corners.len() < 2 {
            return None;
        }
        let mean = self.sum / i128::from(self.points);
        let after = self.corners.partition_point(|corner| i128::from(corner.time) <= mean);
        let after = after.clamp(1, self.corners.len() - 1);
        Some((self.corners[after - 1], self.corners[after]))
    }
}

/// Twice the area of a triangle; positive where the way from the first over the second to the third turns upward.
/// Times are less than 2^57 apart and delays less than 2^65, so it fits.
fn turn(first: Corner, second: Corner, third: Corner) -> i128 {
    let run = |to: Corner| i128::from(to.time) - i128::from(first.time);
    let rise = |to: Corner| i128::from(to.delay) - i128::from(first.delay);
    run(second) * rise(third) - rise(second) * run(third)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Envelope {
        /// How many corners both hulls have room for.
        pub(in super::super) fn corners(&self) -> usize {
            self.older.corners.capacity()
                + self.younger.as_ref().map_or(0, |younger| younger.corners.capacity())
        }
    }

    fn hull(points: &[(Nanos, Nanos)]) -> Hull {
        let mut hull = Hull::empty(0);
        for (sent, delay) in points {
            hull.add(*sent, *delay);
        }
        hull
    }

    #[test]
    fn a_corner_is_where_no_two_others_are_below() {
        let hull = hull(&[(0, 5), (1, 3), (2, 9), (3, 2), (3, 1), (3, 4), (5, 3), (4, 0), (7, 8)]);
        let corners: Vec<_> = hull.corners.iter().map(|corner| (corner.time, corner.delay)).collect();
        assert_eq!(corners, [(0, 5), (1, 3), (3, 1), (5, 3), (7, 8)]);
        assert_eq!((hull.points, hull.sum, hull.least), (8, 24, 1), "the one that went back is left out");
    }

    #[test]
    fn the_younger_takes_over_after_a_window() {
        let mut envelope = Envelope::new(0);
        let mut began = |second: Nanos| {
            envelope.add(second * SECOND, 20, SECOND);
            assert!(envelope.below(second * SECOND) <= 20);
            (envelope.older.origin / SECOND, envelope.younger.as_ref().map(|younger| younger.origin / SECOND))
        };
        for second in 0..1_800 {
            assert_eq!(began(second), (0, None));
        }
        for second in 1_800..=9_000 {
            let half = second / 1_800;
            assert_eq!(began(second), ((half - 1) * 1_800, Some(half * 1_800)), "{second}");
        }
        // After long silence nothing is left of what was before.
        assert_eq!(began(10_800), (9_000, Some(10_800)));
        assert_eq!(began(99_000), (99_000, None));
    }

    #[test]
    fn a_long_interval_has_a_long_window() {
        let mut envelope = Envelope::new(0);
        let minute = 60 * SECOND;
        for number in 0..2_000 {
            envelope.add(number * minute, number * 1_000, minute);
            assert_eq!(envelope.slope().is_some(), number >= 299, "{number}");
        }
    }

    proptest! {
        /// The edge is below every point, and no line below every point is nearer to them on average.
        #[test]
        fn the_edge_is_the_nearest_line_below(delays in prop::collection::vec(0_i64..10_000, 300..400)) {
            let points: Vec<_> = (0..).map(|at| at * 1_000).zip(delays).collect();
            let hull = hull(&points);
            prop_assert!(hull.corners.len() < MOST_CORNERS);
            prop_assert!(points.iter().all(|(sent, delay)| hull.below(*sent) <= *delay));
            // No line below these two, one on each side of the mean, is higher there.
            let mean = hull.sum / i128::from(hull.points);
            let (from, to) = hull.edge().unwrap();
            prop_assert!((i128::from(from.time)..=to.time.into()).contains(&mean));
            prop_assert!([from, to].iter().all(|corner| points.contains(&(corner.time, corner.delay))));
        }
    }
}
