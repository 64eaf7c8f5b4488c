//! The quantiles of the normal distribution.
#![allow(clippy::excessive_precision, reason = "the coefficients are as they were published")]

use super::ln;

/// The value that a standard normal variable exceeds with probability `q`, 0 < `q` < 1, to some parts in 10^16: the
/// rational functions of Wichura (Algorithm AS 241, Applied Statistics 37, 1988).
pub(in crate::logic) fn normal_quantile_above(q: f64) -> f64 {
    let middle = 0.5 - q;
    if middle.abs() <= 0.425 {
        return middle * over(&CENTRE, 0.180_625 - middle * middle);
    }
    let far = (-ln(q.min(1.0 - q))).sqrt();
    let z = if far <= 5.0 { over(&TAIL, far - 1.6) } else { over(&FAR_TAIL, far - 5.0) };
    if middle < 0.0 { -z } else { z }
}

/// Coefficients of a numerator and of a denominator, from the constant on.
type Rational = [[f64; 8]; 2];

fn over(rational: &Rational, x: f64) -> f64 {
    let [above, below] =
        rational.map(|coefficients| coefficients.iter().rev().fold(0.0, |sum, each| sum * x + each));
    above / below
}

#[rustfmt::skip]
const CENTRE: Rational = [
    [
        3.387_132_872_796_366_608_0, 1.331_416_678_917_843_774_5e2, 1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4, 4.592_195_393_154_987_145_7e4, 6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4, 2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0, 4.231_333_070_160_091_125_2e1, 6.871_870_074_920_579_083_0e2, 5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4, 3.930_789_580_009_271_061_0e4, 2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561_0e3,
    ],
];
#[rustfmt::skip]
const TAIL: Rational = [
    [
        1.423_437_110_749_683_577_34, 4.630_337_846_156_545_295_90, 5.769_497_221_460_691_405_50,
        3.647_848_324_763_204_605_04, 1.270_458_252_452_368_382_58, 2.417_807_251_774_506_117_70e-1,
        2.272_384_498_926_918_458_33e-2, 7.745_450_142_783_414_076_40e-4,
    ],
    [
        1.0, 2.053_191_626_637_758_821_87, 1.676_384_830_183_803_849_40, 6.897_673_349_851_000_045_50e-1,
        1.481_039_764_274_800_745_90e-1, 1.519_866_656_361_645_719_66e-2, 5.475_938_084_995_344_946_00e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
];
#[rustfmt::skip]
const FAR_TAIL: Rational = [
    [
        6.657_904_643_501_103_777_20, 5.463_784_911_164_114_369_90, 1.784_826_539_917_291_335_80,
        2.965_605_718_285_048_912_30e-1, 2.653_218_952_657_612_309_30e-2, 1.242_660_947_388_078_438_60e-3,
        2.711_555_568_743_487_578_15e-5, 2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0, 5.998_322_065_558_879_376_90e-1, 1.369_298_809_227_358_053_10e-1, 1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591_00e-4, 1.846_318_317_510_054_681_80e-5, 1.421_511_758_316_445_888_70e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::normal_tail;
    use super::*;

    /// Computed with 60 digits.
    #[test]
    fn quantiles_are_those_of_tables() {
        let cases = [
            (0.5, 0.0),
            (0.025, 1.959_963_984_540_054_2),
            (0.975, -1.959_963_984_540_054_2),
            (1e-8, 5.612_001_244_174_788_9),
            (0.5_f64.powi(53), 8.209_536_151_601_387),
        ];
        for (q, z) in cases {
            assert!(
                (normal_quantile_above(q) - z).abs() <= 2e-15 * z.abs(),
                "{q}: {} {z}",
                normal_quantile_above(q)
            );
        }
    }

    #[test]
    fn tails_are_exact_far_out() {
        assert!((normal_quantile_above(1e-300) - 37.047).abs() < 1e-3);
        // The logistic approximation has phi 8 at 5.226, where it is 7.06.
        assert!((-normal_tail(5.226).log10() - 7.06).abs() < 0.005);
    }

    proptest! {
        #[test]
        fn it_is_the_inverse_of_the_tail(z in -8.0..8.0_f64) {
            let half = normal_tail(z.abs());
            let found = normal_quantile_above(half);
            prop_assert!((found - z.abs()).abs() < 1e-13, "{z} {found}");
            prop_assert!((found + normal_quantile_above(1.0 - half)).abs() < 1e-9 || half < 1e-7);
        }
    }
}
