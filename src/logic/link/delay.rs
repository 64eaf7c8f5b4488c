//! How long a reply is held back: always the same time, or one drawn for each packet from its own uniform.

use std::fmt;
use std::str::FromStr;

use super::decimal::Decimal;
use crate::logic::{Invalid, Nanos, SECOND};

const HOUR: Nanos = 3_600 * SECOND;
const EXPECTED: &str = "a time such as 50ms (units s, ms, us, ns; without one seconds), uniform:0ms,200ms, \
                        exponential:100ms or exponential:5ms,base=20ms, from 0 to 1 hour";

/// A delay, or the distribution it is drawn from; made from text only, so its times are known to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delay(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Fixed(Nanos),
    /// Both ends included.
    Uniform(Nanos, Nanos),
    /// Of this mean, on top of a base.
    Exponential {
        mean: Nanos,
        base: Nanos,
    },
}

impl Delay {
    /// No delay.
    pub const NONE: Self = Self(Kind::Fixed(0));

    /// Whether no packet is ever delayed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.longest() == 0
    }

    /// The mean of the delays.
    #[must_use]
    pub fn mean(&self) -> Nanos {
        match self.0 {
            Kind::Fixed(time) => time,
            Kind::Uniform(low, high) => low + (high - low) / 2,
            Kind::Exponential { mean, base } => base + mean,
        }
    }

    /// The longest delay that can be drawn: an exponential one ends 36.7 means above its base, where the
    /// uniforms do.
    #[must_use]
    pub fn longest(&self) -> Nanos {
        match self.0 {
            Kind::Fixed(time) | Kind::Uniform(_, time) => time,
            Kind::Exponential { mean, base } => base + exponential(mean, 0),
        }
    }

    /// The delay for 64 uniform bits.
    #[must_use]
    pub(super) fn at(&self, uniform: u64) -> Nanos {
        match self.0 {
            Kind::Fixed(time) => time,
            Kind::Uniform(low, high) => {
                let times = u128::from((high - low).unsigned_abs()) + 1;
                let later = (u128::from(uniform) * times) >> u64::BITS;
                low + Nanos::try_from(later).unwrap_or(0)
            }
            Kind::Exponential { mean, base } => base + exponential(mean, uniform),
        }
    }
}

/// -ln(u) means, u being the top 53 bits moved from [0, 1) to (0, 1]: never infinite, at most 36.7 means.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "53 bits; below 2^48 ns")]
pub(in crate::logic) fn exponential(mean: Nanos, uniform: u64) -> Nanos {
    let (mut number, mut halvings) = ((uniform >> 11) + 1, 53);
    // number x 2^-53 as (1 + fraction) x 2^-halvings with the first factor in [1, 2).
    let top = u64::BITS - 1 - number.leading_zeros();
    halvings -= top;
    number <<= 63 - top;
    let factor = (number >> 11) as f64 / (1_u64 << 52) as f64;
    (mean as f64 * (f64::from(halvings) * std::f64::consts::LN_2 - ln_of_one_to_two(factor))).round() as Nanos
}

/// The logarithm by additions, multiplications and one division, which every machine rounds alike: the last
/// digit of the system's `ln` differs from one to the next, and a replayed run must not.
fn ln_of_one_to_two(x: f64) -> f64 {
    // Around 1.5: ln x = ln 1.5 + 2 artanh((x - 1.5) / (x + 1.5)), the argument within 1/5.
    let z = (x - 1.5) / (x + 1.5);
    let square = z * z;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    0.405_465_108_108_164_4 + 2.0 * z * series
}

impl Default for Delay {
    fn default() -> Self {
        Self::NONE
    }
}

impl FromStr for Delay {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |more: &str| Invalid::new("delay", format!("{text:?}"), format!("{EXPECTED}{more}"));
        let time = |text: &str| time(text).map_err(refuse);
        match text.trim().split_once(':') {
            None => Ok(Self(Kind::Fixed(time(text)?))),
            Some(("uniform", range)) => {
                let (low, high) = range.split_once(',').ok_or_else(|| refuse("; uniform takes two times"))?;
                let (low, high) = (time(low)?, time(high)?);
                if low > high {
                    return Err(refuse("; the shorter time comes first"));
                }
                Ok(Self(Kind::Uniform(low, high)))
            }
            Some(("exponential", times)) => {
                let (mean, base) = times.split_once(',').unwrap_or((times, "base=0"));
                let base = base.trim_start().strip_prefix("base").map(str::trim_start);
                let base = base.and_then(|base| base.strip_prefix('=')).ok_or_else(|| refuse(""))?;
                Ok(Self(Kind::Exponential { mean: time(mean)?, base: time(base)? }))
            }
            Some(_) => Err(refuse("")),
        }
    }
}

/// A time from 0 to an hour, rounded to nanoseconds.
pub(in crate::logic) fn time(text: &str) -> Result<Nanos, &'static str> {
    const UNITS: [(&str, i32); 4] = [("ns", 0), ("us", 3), ("ms", 6), ("s", 9)];
    let text = text.trim();
    let (number, power) = UNITS
        .iter()
        .find_map(|(unit, power)| Some((text.strip_suffix(unit)?.trim_end(), *power)))
        .unwrap_or((text, 9));
    let Decimal { negative, digits, exponent } = number.parse().map_err(|_| "")?;
    if digits == 0 {
        return Ok(0);
    }
    if negative {
        return Err("; no reply leaves before its request");
    }
    let exponent = exponent.saturating_add(power);
    let scale = 10_u128.checked_pow(exponent.unsigned_abs());
    let nanos = match scale {
        Some(scale) if exponent < 0 => (digits + scale / 2) / scale,
        None if exponent < 0 => 0,
        Some(scale) => digits.saturating_mul(scale),
        None => u128::MAX,
    };
    Nanos::try_from(nanos).ok().filter(|nanos| *nanos <= HOUR).ok_or("")
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Fixed(time) => write!(f, "{}", Time(time)),
            Kind::Uniform(low, high) => write!(f, "uniform:{},{}", Time(low), Time(high)),
            Kind::Exponential { mean, base: 0 } => write!(f, "exponential:{}", Time(mean)),
            Kind::Exponential { mean, base } => write!(f, "exponential:{},base={}", Time(mean), Time(base)),
        }
    }
}

/// A time in its largest unit that leaves a whole part.
pub(in crate::logic) struct Time(pub(in crate::logic) Nanos);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, usize, Nanos); 4] =
            [("s", 9, SECOND), ("ms", 6, 1_000_000), ("us", 3, 1_000), ("ns", 0, 1)];
        let Some((unit, decimals, size)) = UNITS.iter().find(|(_, _, size)| self.0 >= *size) else {
            return write!(f, "0");
        };
        let (whole, rest) = (self.0 / size, self.0 % size);
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let rest = format!("{rest:0decimals$}");
        write!(f, "{whole}.{}{unit}", rest.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            ("3600", HOUR, "3600s"),
            ("3600000000000ns", HOUR, "3600s"),
        ];
        for (text, nanos, canonical) in cases {
            assert_eq!(read(text), Delay(Kind::Fixed(nanos)), "{text}");
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
            "3600.000000001",
            "1h",
            "5m",
            "1_0ms",
            "50 m s",
            "1e999999999",
            "1e40",
            "uniform:200ms",
            "uniform:2,1",
            "uniform:0,-1",
            "uniform:0,3601",
            "uniform:1,2,3",
            "exponential:",
            "exponential:-1",
            "exponential:1,2",
            "exponential:1,base=",
            "exponential:1,base=-1",
            "exponential:1,base=3601",
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
    fn uniform_delays_include_both_ends() {
        let delay = read("uniform:10ns,13ns");
        let quarter = 1_u64 << 62;
        let drawn = [0, quarter - 1, quarter, 2 * quarter, 3 * quarter, u64::MAX].map(|bits| delay.at(bits));
        assert_eq!(drawn, [10, 10, 11, 12, 13, 13]);
        assert_eq!(read("uniform:5ms,5ms").at(u64::MAX / 3), 5_000_000);
        assert_eq!(read("uniform:0,3600").at(u64::MAX), HOUR);
        assert_eq!((delay.mean(), delay.longest()), (11, 13));
    }

    /// Computed with 200 bits of precision.
    #[test]
    fn exponential_delays_are_the_logarithm() {
        let bits = [0, 1 << 11, 1 << 63, u64::MAX - 4_095, u64::MAX];
        let drawn = |text: &str| bits.map(|bits| read(text).at(bits));
        assert_eq!(drawn("exponential:100ms"), [3_673_680_057, 3_604_365_339, 69_314_718, 0, 0]);
        let hours = [132_252_482_050_838, 129_757_152_200_822, 2_495_329_850_016, 0, 0];
        assert_eq!(drawn("exponential:3600"), hours);
        assert_eq!(drawn("exponential:100ms,base=1"), drawn("exponential:100ms").map(|delay| SECOND + delay));
        assert_eq!(read("exponential:0"), read("exponential:0ms"));
        let based = read("exponential:5ms,base=20ms");
        assert_eq!(
            (based.mean(), based.longest()),
            (25_000_000, 20_000_000 + read("exponential:5ms").longest())
        );
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
            for delay in [Kind::Fixed(low), Kind::Uniform(low, high), exponential].map(Delay) {
                prop_assert_eq!(read(&delay.to_string()), delay);
            }
        }

        #[test]
        fn delays_stay_in_range(low in 0..HOUR, more in 0..HOUR, bits: u64) {
            let high = (low + more).min(HOUR);
            prop_assert!((low..=high).contains(&Delay(Kind::Uniform(low, high)).at(bits)));
            let exponential = Delay(Kind::Exponential { mean: high, base: low });
            prop_assert!((low..=exponential.longest()).contains(&exponential.at(bits)));
        }

        #[test]
        fn our_logarithm_is_the_systems_to_a_nanosecond(bits: u64) {
            #[expect(clippy::cast_precision_loss)]
            let system = -(((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64).ln() * 1e9;
            #[expect(clippy::cast_precision_loss)]
            let ours = exponential(SECOND, bits) as f64;
            prop_assert!((ours - system).abs() <= 0.51, "{} {}", ours, system);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}", number in "[a-z]{0,11}:?[-+0-9.e]{0,45}(,(base=)?[-+0-9.e]{0,20})?[mun]?s?") {
            let _ = (text.parse::<Delay>(), number.parse::<Delay>());
        }
    }
}
