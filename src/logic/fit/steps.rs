//! Finds where the level of a series changes, whatever makes its values depend on each other: self-normalised
//! segmentation (Zhao, Jiang and Shao, Segmenting time series via self-normalisation, 2022).
//!
//! The difference between the means of two neighbouring windows is divided by a variance that the same windows tell,
//! so nothing has to be known of the dependence.

/// The windows are multiples of a tenth of the series: no segment is shorter.
const WINDOWS: usize = 10;

/// How far counts may be from their mean by rounding alone: a count of what is regular is this uncertain.
const ROUNDING: f64 = 0.25;

/// Where segments of `counts` begin, without the first: where the statistic of the best windows is above `limit`.
pub(super) fn steps(counts: &[f64], limit: f64) -> Vec<usize> {
    let window = (counts.len() / WINDOWS).max(2);
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    sums.extend(counts.iter().map(|count| {
        sum += count;
        sum
    }));
    let mut found = Vec::new();
    let mut parts = vec![(0, counts.len())];
    while let Some((from, to)) = parts.pop() {
        let places = from + window..(to + 1).saturating_sub(window);
        let best = places
            .map(|place| (place, statistic(&sums, from, place, to, window)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((place, _)) = best.filter(|(_, value)| *value > limit) {
            found.push(place);
            parts.extend([(from, place), (place, to)]);
        }
    }
    found.sort_unstable();
    found
}

/// The greatest of all pairs of windows that meet at `place`, between `from` and `to`.
fn statistic(sums: &[f64], from: usize, place: usize, to: usize, window: usize) -> f64 {
    let left: Vec<_> = (1..=(place - from) / window).map(|many| place - many * window).collect();
    let right: Vec<_> = (1..=(to - place) / window).map(|many| place + many * window).collect();
    let right: Vec<_> = right.into_iter().map(|end| (end, spread(sums, place, end))).collect();
    let mut greatest: f64 = 0.0;
    for begin in left {
        let own = spread(sums, begin, place);
        for (end, other) in &right {
            let [before, after] = [(place - begin) as f64, (end - place) as f64];
            let difference = (sums[place] - sums[begin]) * after - (sums[*end] - sums[place]) * before;
            greatest = greatest.max(difference * difference / ((before + after) * (own + other)));
        }
    }
    greatest
}

/// How far the sums of a window stray from a straight line, squared and added up.
fn spread(sums: &[f64], begin: usize, end: usize) -> f64 {
    let (length, all) = ((end - begin) as f64, sums[end] - sums[begin]);
    let strayed: f64 = (begin + 1..end)
        .map(|place| sums[place] - sums[begin] - all * (place - begin) as f64 / length)
        .map(|distance| distance * distance)
        .sum();
    strayed.max(ROUNDING * (length * length - 1.0) / 6.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_found_where_it_is_and_what_is_level_has_none() {
        let noise = |place: usize| ((place * 7_919) % 13) as f64 / 4.0;
        let level: Vec<_> = (0..100).map(noise).collect();
        assert!(steps(&level, 175.0).is_empty());
        let stepped: Vec<_> =
            (0..100).map(|place| noise(place) + if place < 40 { 0.0 } else { 9.0 }).collect();
        assert_eq!(steps(&stepped, 175.0), [40]);
        let hole: Vec<_> =
            (0..100).map(|place| noise(place) + if (30..50).contains(&place) { 50.0 } else { 0.0 }).collect();
        assert_eq!(steps(&hole, 175.0), [30, 50]);
    }

    #[test]
    fn what_is_regular_has_no_step_by_rounding() {
        let counts: Vec<_> = (0..100).map(|place| f64::from(place % 3 == 0)).collect();
        assert!(steps(&counts, 175.0).is_empty());
        assert!(steps(&[5.0; 100], 175.0).is_empty());
    }
}
