//! Intervals of a proportion and of a count.

use super::parts::alike;
use crate::logic::Invalid;
use crate::logic::special::{normal_quantile_above, upper};

/// The normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;

/// The Wilson score interval of a proportion, `hits` of `n`, for the normal quantile `z` (1.96 for 95 %).
///
/// Unlike the textbook's p ± z·√(p(1−p)/n) it stays within 0..1 and is valid at 0 of n and n of n
/// (Wilson 1927; Brown, Cai and `DasGupta` 2001). `None` without a trial.
pub fn wilson(hits: u64, n: u64, z: f64) -> Option<(f64, f64)> {
    (n > 0).then(|| wilson_of_share(hits as f64 / n as f64, n as f64, z))
}

/// The Wilson score interval of an observed share. `trials` need not be a whole number, as correlated trials count as
/// fewer independent ones. Without trials it is 0 to 1.
pub fn wilson_of_share(share: f64, trials: f64, z: f64) -> (f64, f64) {
    if trials <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = z * z;
    let middle = share + z2 / (2.0 * trials);
    let half = z * (share * (1.0 - share) / trials + z2 / (4.0 * trials * trials)).sqrt();
    let scale = 1.0 + z2 / trials;
    // The ends are exact where nothing or everything was hit; rounding must not move them.
    let low = if share <= 0.0 { 0.0 } else { (middle - half) / scale };
    let high = if share >= 1.0 { 1.0 } else { (middle + half) / scale };
    (low, high)
}

/// The 95 % interval of the mean of a Poisson variable that was observed to be `n` (Garwood 1936). It is exact for counts:
/// the mean lies below it in at most 2.5 % of all cases and above it in at most 2.5 %. Between counts it is their
/// continuation.
pub fn garwood(n: f64) -> (f64, f64) {
    const SIDE: f64 = 0.025;
    let far = n + 10.0 * n.sqrt() + 10.0;
    // P(X >= n) rises with the mean and P(X <= n) falls.
    let low = if n <= 0.0 { 0.0 } else { crossing(0.0, n, |mean| 1.0 - upper(n, mean) < SIDE) };
    (low, crossing(n, far, |mean| upper(n + 1.0, mean) > SIDE))
}

/// The 95 % interval of the mean of a count that was taken in equal parts of a run: Garwood's, or wider by how much more
/// than Poisson variables the parts differ, for events that come in clusters. `None` if neighbouring parts resemble each
/// other: then clusters are as long as a part, and nobody can say how many more there will be.
pub fn clustered(parts: &[u64]) -> Option<(f64, f64)> {
    let (many, all) = (parts.len() as f64, parts.iter().sum::<u64>() as f64);
    let off: Vec<f64> = parts.iter().map(|count| *count as f64 - all / many).collect();
    let own: f64 = off.iter().map(|off| off * off).sum();
    let next: f64 = off.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let dispersion = own * many / (many - 1.0) / all;
    if all <= 0.0 || dispersion <= 1.0 {
        return Some(garwood(all));
    }
    let sure = Confidence(0.95);
    let wider = dispersion * (sure.t(many - 1.0) / Z95).powi(2);
    let (low, high) = garwood(all / wider);
    (!alike(next / own, many)).then_some((low * wider, high * wider))
}

/// Where `before` turns from true to false, by bisection.
fn crossing(mut low: f64, mut high: f64, before: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The confidence level of an interval, more than 0 and less than 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence(f64);

impl Confidence {
    /// `confidence`, such as 0.95.
    pub fn new(confidence: f64) -> Result<Self, Invalid> {
        if confidence > 0.0 && confidence < 1.0 {
            return Ok(Self(confidence));
        }
        Err(Invalid::new("confidence", confidence, "more than 0 and less than 1, such as 0.95"))
    }

    /// The normal quantile of a two-sided interval with this confidence.
    pub fn z(self) -> f64 {
        // Close to 1 the tail would round to 0, whose quantile is infinite.
        normal_quantile_above(((1.0 - self.0) / 2.0).max(1e-300))
    }

    /// The same quantile of Student's t, for at least 15 degrees of freedom: 5 terms of Fisher and Cornish (1960), right
    /// to 1 in 1,000 up to a confidence of 99.9999 %.
    pub fn t(self, freedom: f64) -> f64 {
        let z = self.z();
        let s = z * z;
        let terms = [
            1.0,
            (s + 1.0) / 4.0,
            ((5.0 * s + 16.0) * s + 3.0) / 96.0,
            (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
            ((((79.0 * s + 776.0) * s + 1_482.0) * s - 1_920.0) * s - 945.0) / 92_160.0,
        ];
        z * terms.iter().rev().fold(0.0, |sum, term| sum / freedom + term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::stats::close;
    use proptest::prelude::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // 90 of 240: 31.6 % to 43.8 %.
        let (low, high) = wilson(90, 240, Z95).expect("trials");
        assert!((low - 0.316).abs() < 5e-4 && (high - 0.438).abs() < 5e-4, "{low} {high}");
        // 0 of 10: the upper end is z²/(n+z²).
        let (low, high) = wilson(0, 10, Z95).expect("trials");
        assert!(low.to_bits() == 0 && close(high, Z95 * Z95 / (10.0 + Z95 * Z95)));
        assert_eq!(wilson(10, 10, Z95).map(|(_, high)| high.to_bits()), Some(1.0_f64.to_bits()));
        assert_eq!(wilson(0, 0, Z95), None);
    }

    /// From tables of chi-square: half its quantiles with 2n and 2n + 2 degrees of freedom.
    #[test]
    fn garwood_agrees_with_published_values() {
        let cases = [
            (0, 0.0, 3.688_879_454_113_936),
            (1, 0.025_317_807_984_289_9, 5.571_643_390_938_86),
            (10, 4.795_389_037_614_69, 18.390_356_042_203_5),
            (100, 81.363_976_515_263_9, 121.627_335_286_837),
        ];
        for (count, low, high) in cases {
            let (ours_low, ours_high) = garwood(f64::from(count));
            assert!(
                (ours_low - low).abs() < 1e-3 && (ours_high - high).abs() < 1e-3,
                "{count} {ours_low} {ours_high}"
            );
        }
        let (low, high) = garwood(1e6);
        assert!((low - 998_041.0).abs() < 5.0 && (high - 1_001_961.0).abs() < 5.0, "{low} {high}");
    }

    #[test]
    fn clusters_make_the_interval_of_a_count_wider() {
        let even = [3; 16];
        assert_eq!(clustered(&even), Some(garwood(48.0)));
        assert_eq!(clustered(&[0; 16]), Some(garwood(0.0)));
        let mut one = [0; 16];
        one[5] = 1;
        assert_eq!(clustered(&one), Some(garwood(1.0)));
        // The same 48 in six clusters of 8.
        let clusters = [8, 0, 0, 8, 0, 0, 8, 0, 8, 0, 0, 0, 8, 0, 8, 0];
        let (low, high) = clustered(&clusters).expect("no neighbours alike");
        let (few, many) = garwood(48.0);
        assert!(high - low > 2.5 * (many - few), "{low} {high}");
        let step = [0, 0, 0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6];
        assert_eq!(clustered(&step), None);
    }

    #[test]
    fn students_t_agrees_with_published_values() {
        for (confidence, freedom, t) in [
            (0.95, 15.0, 2.131_449_5),
            (0.95, 31.0, 2.039_513_4),
            (0.99, 15.0, 2.946_712_9),
            (0.999, 20.0, 3.849_516_3),
            (0.9, 1e9, 1.644_853_6),
        ] {
            let ours = Confidence::new(confidence).expect("a confidence").t(freedom);
            assert!((ours - t).abs() < 1e-4, "{confidence} {freedom} {ours}");
        }
    }

    #[test]
    fn confidence_is_a_number_between_0_and_1() {
        assert!(Confidence::new(0.95).is_ok_and(|sure| (sure.z() - Z95).abs() < 1e-14));
        for wrong in [0.0, 1.0, 95.0, -0.5, f64::NAN, f64::INFINITY] {
            assert!(Confidence::new(wrong).is_err(), "{wrong}");
        }
        for extreme in [f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0] {
            assert!(Confidence::new(extreme).is_ok_and(|sure| sure.z().is_finite()), "{extreme}");
        }
    }

    proptest! {
        #[test]
        fn wilson_holds_the_share_within_0_and_1(n in 1_u64..100_000, share in 0.0..=1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test data")]
            let hits = (share * n as f64) as u64;
            let (low, high) = wilson(hits, n, Z95).expect("trials");
            let p = hits as f64 / n as f64;
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0);
        }

        #[test]
        fn an_interval_holds_what_was_seen(count in 0_u64..100_000) {
            let (low, high) = garwood(count as f64);
            let n = count as f64;
            prop_assert!(low <= n && n < high);
            prop_assert!(count == 0 || (1.0 - upper(n, low) - 0.025).abs() < 1e-6);
            prop_assert!((upper(n + 1.0, high) - 0.025).abs() < 1e-6);
        }

        #[test]
        fn fewer_trials_make_a_wider_interval(share in 0.0..=1.0_f64, trials in 0.1..1e6_f64) {
            let (low, high) = wilson_of_share(share, trials, Z95);
            let (lower, higher) = wilson_of_share(share, trials / 2.0, Z95);
            prop_assert!(lower <= low + 1e-12 && high <= higher + 1e-12);
        }
    }
}
