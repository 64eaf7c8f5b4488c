use proptest::prelude::*;

use super::text::MOST_TIMES;
use super::*;
use crate::logic::SECOND;

fn read(text: &str) -> Delay {
    text.parse().unwrap()
}

#[test]
fn times_are_read_exactly_and_shown_in_one_form() {
    let cases = [
        ("0", 0, "0"),
        ("0ms", 0, "0"),
        ("-0.0", 0, "0"),
        ("0.05", 50_000_000, "50ms"),
        ("0.30000000000000004", 300_000_000, "300ms"),
        ("1e-05", 10_000, "10us"),
        ("200us", 200_000, "200us"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("1500 ms", 1_500_000_000, "1.5s"),
        ("0.5us", 500, "500ns"),
        ("1.000001ms", 1_000_001, "1.000001ms"),
        ("7ns", 7, "7ns"),
        ("0.5ns", 1, "1ns"),
        ("1e-300", 0, "0"),
        ("3600s", HOUR, "3600s"),
        ("1h", HOUR, "3600s"),
        ("0.5m", 30 * SECOND, "30s"),
        ("9.999", 9_999_000_000, "9.999s"),
        ("20\u{b5}s", 20_000, "20us"),
        ("3600000000000ns", HOUR, "3600s"),
    ];
    for (text, nanos, canonical) in cases {
        assert_eq!(read(text), Delay::from(Kind::Fixed(nanos)), "{text}");
        assert_eq!(read(text).to_string(), canonical, "{text}");
    }
    assert_eq!(read("uniform: 0ms , 0.2").to_string(), "uniform:0,200ms");
    assert_eq!(read("exponential:100ms").to_string(), "exponential:100ms");
    assert_eq!(read("exponential:100ms,base=0s").to_string(), "exponential:100ms");
    assert_eq!(read("exponential: 5ms , base = 0.02").to_string(), "exponential:5ms,base=20ms");
}

#[test]
fn what_is_no_delay_is_refused() {
    let cases = [
        "",
        "ms",
        "-1ms",
        "nan",
        "inf",
        "3600.000000001s",
        "1.1h",
        "1d",
        "61m",
        "1_0ms",
        "50 m s",
        "1e999999999",
        "1e40",
        "uniform:200ms",
        "uniform:2,1",
        "uniform:0,-1",
        "uniform:0,3601s",
        "uniform:1,2,3",
        "exponential:",
        "exponential:-1",
        "exponential:1,2",
        "exponential:1,base=",
        "exponential:1,base=-1",
        "exponential:1,base=3601s",
        "exponential:1,base=1,base=1",
        "normal:1,2",
        "fixed:1",
    ];
    for text in cases {
        let refused = text.parse::<Delay>().unwrap_err().to_string();
        assert!(refused.contains(&format!("{text:?}")) && refused.contains("1 hour"), "{refused}");
    }
}

#[test]
fn a_delay_that_may_be_of_milliseconds_or_seconds_is_refused() {
    let cases = [
        ("50", "50 seconds? write 50ms or 50s"),
        ("10.0", "10.0 seconds? write 10.0ms or 10.0s"),
        (" 1e2 ", "1e2 seconds? write 1e2ms or 1e2s"),
        ("5000", "5000 seconds? write 5000ms"),
        ("uniform:10,50", "10 seconds? write 10ms or 10s"),
        ("uniform:0,50", "50 seconds?"),
        ("exponential:20", "20 seconds?"),
        ("exponential:1,base=20", "20 seconds?"),
        ("lognormal:median=50,sigma=1", "50 seconds?"),
        ("gamma:mean=50,shape=2", "50 seconds?"),
        ("gamma:mean=1,shape=2,base=50", "50 seconds?"),
    ];
    for (text, hint) in cases {
        let refused = text.parse::<Delay>().unwrap_err().to_string();
        assert!(refused.contains(&format!("{text:?} is not usable: expected a unit: ")), "{refused}");
        assert!(refused.contains(hint), "{refused}");
    }
    assert_eq!(read("gamma:mean=1s,shape=20").to_string(), "gamma:mean=1s,shape=20", "a shape has no unit");
    assert_eq!(read("uniform:9.999999999,50s").to_string(), "uniform:9.999999999s,50s");
}

#[test]
fn uniform_delays_include_both_ends() {
    let delay = read("uniform:10ns,13ns");
    let quarter = 1_u64 << 62;
    let drawn = [0, quarter - 1, quarter, 2 * quarter, 3 * quarter, u64::MAX].map(|bits| delay.at(bits));
    assert_eq!(drawn, [10, 10, 11, 12, 13, 13]);
    assert_eq!(read("uniform:5ms,5ms").at(u64::MAX / 3), 5_000_000);
    assert_eq!(read("uniform:0,1h").at(u64::MAX), HOUR);
    assert_eq!((delay.mean(), delay.longest()), (11, 13));
}

/// Computed with 200 bits of precision.
#[test]
fn exponential_delays_are_the_logarithm() {
    let bits = [0, 1 << 11, 1 << 63, u64::MAX - 4_095, u64::MAX];
    let drawn = |text: &str| bits.map(|bits| read(text).at(bits));
    assert_eq!(drawn("exponential:100ms"), [3_673_680_057, 3_604_365_339, 69_314_718, 0, 0]);
    let hours = [132_252_482_050_838, 129_757_152_200_822, 2_495_329_850_016, 0, 0];
    assert_eq!(drawn("exponential:1h"), hours);
    assert_eq!(drawn("exponential:100ms,base=1"), drawn("exponential:100ms").map(|delay| SECOND + delay));
    assert_eq!(read("exponential:0"), read("exponential:0ms"));
    let based = read("exponential:5ms,base=20ms");
    assert_eq!((based.mean(), based.longest()), (25_000_000, 20_000_000 + read("exponential:5ms").longest()));
    assert!(read("exponential:0").is_none() && read("uniform:0,0").is_none() && !read("1ns").is_none());
    assert!(!read("exponential:0,base=1ns").is_none());
}

#[test]
fn the_mean_is_the_one_asked_for() {
    let delay = read("exponential:1ms");
    let steps = 100_000_u64;
    let sum: Nanos = (0..steps).map(|step| delay.at(u64::MAX / steps * step)).sum();
    let mean = sum / Nanos::try_from(steps).unwrap();
    assert!((mean - 1_000_000).abs() < 1_000, "{mean}");
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(low in 0..HOUR, more in 0..HOUR) {
        let high = (low + more).min(HOUR);
        let exponential = Kind::Exponential { mean: high, base: low };
        for delay in [Kind::Fixed(low), Kind::Uniform(low, high), exponential].map(Delay::from) {
            prop_assert_eq!(read(&delay.to_string()), delay);
        }
    }

    #[test]
    fn delays_stay_in_range(low in 0..HOUR, more in 0..HOUR, bits: u64) {
        let high = (low + more).min(HOUR);
        prop_assert!((low..=high).contains(&Delay::from(Kind::Uniform(low, high)).at(bits)));
        let exponential = Delay::from(Kind::Exponential { mean: high, base: low });
        prop_assert!((low..=exponential.longest()).contains(&exponential.at(bits)));
    }

    #[test]
    fn our_logarithm_is_the_systems_to_a_nanosecond(bits: u64) {
        let system = -(((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64).ln() * 1e9;
        let ours = exponential(SECOND, bits) as f64;
        prop_assert!((ours - system).abs() <= 0.51, "{} {}", ours, system);
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", number in "[a-z]{0,11}:?[-+0-9.e]{0,45}(,(base=)?[-+0-9.e]{0,20})?[mun]?s?") {
        let _ = (text.parse::<Delay>(), number.parse::<Delay>());
    }
}

/// Never to change: a seed gives the same delays in every version.
#[test]
fn log_normal_and_gamma_delays_are_frozen() {
    let bits = [0, 1 << 20, 1 << 54, 1 << 62, 1 << 63, 3 << 62, u64::MAX - (1 << 54), u64::MAX];
    let drawn = |text: &str| bits.map(|bits| read(text).at(bits));
    let frozen = [
        (
            "lognormal:median=5ms,sigma=0.8,base=20ms",
            [
                3_578_401_954,
                1_917_671_942,
                79_576_022,
                28_576_533,
                25_000_000,
                22_914_931,
                20_419_632,
                20_007_026,
            ],
        ),
        (
            "gamma:mean=5ms,shape=2.5,base=20ms",
            [104_195_032, 91_225_425, 40_569_689, 26_625_680, 24_351_460, 22_674_603, 20_208_167, 20_000_001],
        ),
        (
            "gamma:mean=5ms,shape=0.1",
            [1_567_787_438, 1_265_113_965, 169_155_517, 1_765_318, 29_670, 29, 0, 0],
        ),
        (
            "gamma:mean=100ms,shape=1000",
            [
                128_215_904,
                125_309_672,
                110_081_526,
                102_114_369,
                99_966_669,
                97_849_297,
                90_491_264,
                76_207_054,
            ],
        ),
    ];
    for (text, times) in frozen {
        assert_eq!(drawn(text), times, "{text}");
    }
}

/// Published with version 0.1.0.
#[test]
fn normal_pareto_and_weibull_delays_are_frozen() {
    let uniforms = [0, 1 << 60, 1 << 63, u64::MAX];
    for (text, expected) in [
        ("normal:mean=40ms,sigma=5ms", [81_047_681, 47_670_603, 40_000_000, 0]),
        ("normal:mean=1ms,sigma=1ms", [9_209_536, 2_534_121, 1_000_000, 0]),
        ("pareto:scale=5ms,shape=3,base=20ms", [1_040_339_153_418, 32_599_210, 26_299_605, 25_000_000]),
        ("weibull:scale=5ms,shape=0.8,base=20ms", [472_216_774, 37_888_619, 23_162_291, 20_000_000]),
    ] {
        assert_eq!(uniforms.map(|uniform| read(text).at(uniform)), expected, "{text}");
        assert_eq!(read(text).to_string(), text);
    }
}

#[test]
fn the_means_of_normal_pareto_and_weibull_delays_are_those_of_their_quantiles() {
    for text in [
        "normal:mean=40ms,sigma=5ms",
        "normal:mean=5ms,sigma=5ms",
        "normal:mean=1ms,sigma=0",
        "pareto:scale=5ms,shape=4,base=2ms",
        "weibull:scale=5ms,shape=0.8,base=2ms",
    ] {
        let (delay, steps) = (read(text), 1 << 16);
        let sum: i128 = (0..steps).map(|step| i128::from(delay.at((2 * step + 1) << 47))).sum();
        let mean = sum as f64 / steps as f64;
        assert!((mean / delay.mean() as f64 - 1.0).abs() < 1e-3, "{text}: {mean} and {}", delay.mean());
    }
}

#[test]
fn parameters_have_names_and_ranges() {
    for (text, canonical) in [
        ("lognormal: sigma = 0.50 , median = 5ms", "lognormal:median=5ms,sigma=0.5"),
        ("lognormal:median=0.005,sigma=1,base=20ms", "lognormal:median=5ms,sigma=1,base=20ms"),
        ("lognormal:median=1s,sigma=0", "lognormal:median=1s,sigma=0"),
        ("gamma:base=20ms,shape=2.50,mean=5ms", "gamma:mean=5ms,shape=2.5,base=20ms"),
        ("gamma:mean=5ms,shape=0.1,base=0", "gamma:mean=5ms,shape=0.1"),
    ] {
        assert_eq!(read(text).to_string(), canonical);
    }
    for (text, word) in [
        ("lognormal:5ms,sigma=1", "lognormal:median=5ms"),
        ("lognormal:median=5ms", "sigma is a number from 0"),
        ("lognormal:median=5ms,sigma=-1", "sigma is a number from 0"),
        ("lognormal:median=5ms,sigma=81", "sigma is a number from 0"),
        ("lognormal:median=5ms,sigma=80", "a smaller sigma"),
        ("lognormal:median=5ms,sigma=3", "a smaller sigma"),
        ("lognormal:median=1,median=2,sigma=1", "a base is not needed"),
        ("gamma:mean=5ms,shape=0.09", "from 0.1 to 1000"),
        ("gamma:mean=5ms,shape=1001", "from 0.1 to 1000"),
        ("gamma:mean=5ms,sigma=1", "gamma:mean=5ms"),
        ("gamma:mean=1h,shape=0.1", "a larger shape"),
        ("gamma:mean=2h,shape=1", "1 hour"),
    ] {
        let refused = text.parse::<Delay>().unwrap_err().to_string();
        assert!(refused.contains(&format!("{text:?}")) && refused.contains(word), "{refused}");
    }
}

#[test]
fn means_are_those_asked_for() {
    for text in [
        "lognormal:median=1ms,sigma=0.5,base=1ms",
        "gamma:mean=1ms,shape=3",
        "gamma:mean=1ms,shape=0.5,base=1ms",
    ] {
        let (delay, steps) = (read(text), 100_000_u64);
        let sum: Nanos =
            (0..steps).map(|step| delay.at(u64::MAX / steps * step + u64::MAX / steps / 2)).sum();
        let mean = sum / Nanos::try_from(steps).unwrap();
        assert!((mean - delay.mean()).abs() < 1_000, "{text}: {mean}");
    }
    assert!(read("gamma:mean=0,shape=2").is_none() && !read("gamma:mean=0,shape=2,base=1ns").is_none());
}

proptest! {
    #[test]
    fn named_parameters_are_read_back_and_delays_fall(
        time in 0..20_000_000_i64,
        base in 0..HOUR,
        sigma in 0..1_500_000_000_i64,
        shape in 100_000_000..1_000_000_000_000_i64,
        low: u64,
        high: u64,
    ) {
        let kinds = [Kind::LogNormal { median: time, sigma, base }, Kind::Gamma { mean: time, shape, base }];
        for delay in kinds.map(Delay::from) {
            prop_assert_eq!(&read(&delay.to_string()), &delay);
            let (longer, shorter) = (delay.at(low.min(high)), delay.at(low.max(high)));
            prop_assert!(base <= shorter && shorter <= longer && longer <= delay.longest());
        }
    }
}

#[test]
fn tables_lists_and_traces_are_read_back_and_what_is_none_is_named() {
    for (text, canonical) in [
        ("table: 10ms , 0.012, 30ms", "table:10ms,12ms,30ms"),
        ("empirical:30ms,10ms,10ms", "empirical:10ms,10ms,30ms"),
        ("trace:30ms,0,10ms", "trace:30ms,0,10ms"),
        ("trace-repeat:1ns", "trace-repeat:1ns"),
        (
            "normal:floor=35ms,mean=40ms,correlation=0.50,sigma=5ms",
            "normal:mean=40ms,sigma=5ms,correlation=0.5,floor=35ms",
        ),
        ("uniform:1ms,floor=2ms,9ms,correlation=0", "uniform:1ms,9ms,floor=2ms"),
        ("exponential:5ms,base=1ms,floor = 2ms", "exponential:5ms,base=1ms,floor=2ms"),
        ("trace:5ms,floor=2ms,1ms", "trace:5ms,1ms,floor=2ms"),
    ] {
        assert_eq!(read(text).to_string(), canonical);
        assert_eq!(read(canonical), read(text));
    }
    for (text, word) in [
        ("table:10ms", "two times or more"),
        ("table:10ms,5ms", "none is shorter than the one before"),
        ("empirical:", "1 hour"),
        ("empirical:5ms,", "1 hour"),
        ("trace:50", "50ms"),
        ("trace:2h", "1 hour"),
        ("trace:5ms,correlation=0.5", "a trace without a correlation"),
        ("normal:mean=40ms,sigma=5ms,correlation=1", "from 0 (none) to below 1"),
        ("normal:mean=40ms,sigma=5ms,correlation=-0.1", "from 0 (none) to below 1"),
        ("normal:mean=40ms,sigma=5ms,floor=2h", "1 hour"),
        ("normal:mean=40ms,sigma=5ms,floor=1ms,floor=2ms", "there once"),
        ("40ms,floor=1ms", "1 hour"),
    ] {
        let refused = text.parse::<Delay>().unwrap_err().to_string();
        assert!(refused.contains(&format!("{text:?}")) && refused.contains(word), "{refused}");
    }
    let many = format!("trace:{}0", "0,".repeat(MOST_TIMES));
    assert!(many.parse::<Delay>().unwrap_err().to_string().contains("at most 1048576 times, not 1048577"));
}

#[test]
fn a_table_is_a_quantile_function_and_a_list_has_equal_shares() {
    let bits = [0, 1 << 62, 1 << 63, 3 << 62, u64::MAX];
    let drawn = |text: &str| bits.map(|bits| read(text).at(bits));
    assert_eq!(drawn("table:10ns,12ns,30ns"), [29, 20, 11, 10, 10], "as of a share of 1 - u");
    assert_eq!(drawn("empirical:10ns,40ns,20ns,30ns"), [40, 30, 20, 10, 10]);
    assert_eq!(drawn("table:10ns,12ns,30ns,floor=12ns"), [29, 20, 12, 12, 12]);
    assert_eq!(read("table:10ns,12ns,30ns").mean(), 16);
    assert_eq!((read("empirical:10ns,40ns").mean(), read("trace:40ns,1ns").longest()), (25, 40));
    assert!(read("table:0,0").is_none() && read("trace:0").is_none() && !read("trace:0,floor=1ns").is_none());
}
