//! Times in which nothing passes, more is lost, or the rate is another one; once or again and again.

use std::fmt;
use std::str::FromStr;

use super::packet::Transmission;
use super::rate::Rate;
use crate::logic::random::Effect;
use crate::logic::text::{Probability, Threshold, Time, duration};
use crate::logic::{DAY, Invalid, Nanos};

impl Effect {
    /// Whether a datagram is lost by a schedule.
    const SCHEDULE: Self = Self::new(10);
}

/// Times since the server was made or the simulation began, in order, each from its beginning to just before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What is lost then of what would pass.
    losses: Box<[Ramp<Probability>]>,
    rates: Box<[Ramp<Rate>]>,
    every: Option<Nanos>,
}

/// A time, and what goes on a straight line from one value to another in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ramp<T> {
    start: Nanos,
    end: Nanos,
    from: T,
    to: T,
}

const LONGEST: Nanos = 366 * DAY;
const EXPECTED: &str = "times in which nothing passes, in order and up to 366 days: 10s-12s, several as 10s-12s,20s-25s; or in \
                        which a share is lost, 10s-20s:loss=5%, or from one share to another, 10s-20s:loss=0..50%, or in \
                        which there is another rate, 10s-20s:rate=1Mbit/s..100kbit/s; and again and again with every: \
                        10s-12s,every=60s";

impl Schedule {
    /// Whether a datagram does not pass at its time; all its copies have the same uniform.
    pub(super) fn loses(&self, sent: &Transmission<'_>) -> bool {
        let at = self.within(sent.packet.at);
        ramp(&self.losses, at).is_some_and(|ramp| {
            let threshold = if ramp.from == ramp.to {
                ramp.from.threshold()
            } else {
                let (from, to) = (ramp.from.as_f64(), ramp.to.as_f64());
                let part = (at - ramp.start) as f64 / (ramp.end - ramp.start) as f64;
                Threshold::near(from + (to - from) * part)
            };
            threshold.certain().unwrap_or_else(|| threshold.met_by(sent.uniform(Effect::SCHEDULE)))
        })
    }

    /// The rate at a time, if there is another than always.
    pub(super) fn rate(&self, at: Nanos) -> Option<Rate> {
        let at = self.within(at);
        ramp(&self.rates, at).map(|ramp| ramp.from.towards(ramp.to, at - ramp.start, ramp.end - ramp.start))
    }

    /// Whether there are times with another rate.
    pub(super) fn has_rates(&self) -> bool {
        !self.rates.is_empty()
    }

    fn within(&self, at: Nanos) -> Nanos {
        self.every.map_or(at, |every| at.rem_euclid(every))
    }

    fn read(text: &str) -> Option<Self> {
        let (mut losses, mut rates, mut every) = (Vec::new(), Vec::new(), None);
        for part in text.split(',').map(str::trim) {
            if every.is_some() {
                return None;
            }
            if let Some(time_of) = part.strip_prefix("every=") {
                every = Some(time(time_of)?);
                continue;
            }
            let (times, setting) = part.split_once(':').map_or((part, "loss=1"), |both| both);
            match setting.split_once('=').map(|(key, values)| (key.trim(), values))? {
                ("loss", values) => losses.push(Ramp::read(times, values, losses.last())?),
                ("rate", values) => rates.push(Ramp::read(times, values, rates.last())?),
                _ => return None,
            }
        }
        let last = |end: Option<Nanos>| end.unwrap_or(0);
        let last = last(losses.last().map(|ramp| ramp.end)).max(last(rates.last().map(|ramp| ramp.end)));
        let fits = last > 0 && every.is_none_or(|every| last <= every);
        fits.then(|| Self { losses: losses.into(), rates: rates.into(), every })
    }
}

fn time(text: &str) -> Option<Nanos> {
    duration(text).filter(|time| *time <= LONGEST)
}

/// What is in force at a time.
fn ramp<T>(ramps: &[Ramp<T>], at: Nanos) -> Option<&Ramp<T>> {
    let next = ramps.partition_point(|ramp| ramp.end <= at);
    ramps.get(next).filter(|ramp| ramp.start <= at)
}

impl<T: Copy + FromStr> Ramp<T> {
    /// Reads `10s-20s` and `5%` or `0..50%`, after the one before.
    fn read(times: &str, values: &str, before: Option<&Self>) -> Option<Self> {
        let (start, end) = times.split_once('-')?;
        let (start, end) = (time(start)?, time(end)?);
        let (from, to) = values.split_once("..").unwrap_or((values, values));
        let [from, to] = [from.trim().parse().ok()?, to.trim().parse().ok()?];
        let is_after = start < end && before.is_none_or(|before| before.end <= start);
        is_after.then_some(Self { start, end, from, to })
    }
}

impl FromStr for Schedule {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::read(text).ok_or_else(|| Invalid::quoted("schedule", text, EXPECTED))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let losses = self.losses.iter().map(|ramp| {
            if ramp.from == Probability::ONE && ramp.to == Probability::ONE {
                ramp.times()
            } else {
                ramp.shown("loss")
            }
        });
        let parts = losses.chain(self.rates.iter().map(|ramp| ramp.shown("rate")));
        let every = self.every.map(|every| format!("every={}", Time(every)));
        f.write_str(&parts.chain(every).collect::<Vec<_>>().join(","))
    }
}

impl<T> Ramp<T> {
    fn times(&self) -> String {
        format!("{}-{}", Time(self.start), Time(self.end))
    }
}

impl<T: fmt::Display + PartialEq> Ramp<T> {
    fn shown(&self, key: &str) -> String {
        let (times, Self { from, to, .. }) = (self.times(), self);
        if from == to { format!("{times}:{key}={from}") } else { format!("{times}:{key}={from}..{to}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::SECOND;
    use crate::logic::link::Packet;
    use crate::logic::random::{Direction, Seed, Uniforms};

    /// The share of many datagrams that is lost at a time.
    fn lost(text: &str, at: Nanos) -> f64 {
        let (seed, uniforms) = (Seed::from(1_u64), Uniforms::new(1));
        let schedule: Schedule = text.parse().unwrap();
        let sent = |number| Transmission {
            seed: &seed,
            uniforms: &uniforms,
            direction: Direction::Up,
            client: 0,
            number,
            headers: 28,
            packet: Packet { at, len: 0 },
        };
        (1..=10_000).filter(|number| schedule.loses(&sent(*number))).count() as f64 / 1e4
    }

    #[test]
    fn an_outage_ends_when_it_says_and_comes_again() {
        let out =
            |text: &str, times: &[i64]| times.iter().map(|at| lost(text, at * SECOND)).collect::<Vec<_>>();
        assert_eq!(out("10s-12s,20s-21s", &[0, 9, 10, 11, 12, 20, 21]), [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(out("0-1s,every=3s", &[0, 1, 2, 3, 4, 300]), [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn a_ramp_is_a_straight_line() {
        for (at, share) in [(9, 0.0), (10, 0.1), (15, 0.3), (18, 0.42), (20, 0.0), (24, 0.25), (25, 0.0)] {
            let found = lost("10s-20s:loss=10%..50%,20s-25s:loss=0..5/16", at * SECOND);
            assert!((found - share).abs() < 5.0 * (0.25 / 1e4_f64).sqrt(), "{found} at {at} s");
            assert_eq!(found == 0.0, share == 0.0);
        }
        let schedule: Schedule =
            "10s-20s:rate=10Mbit/s..1Mbit/s,20s-30s:rate=1kbit/s,every=60s".parse().unwrap();
        let rate = |at| schedule.rate(at * SECOND).map(|rate| rate.to_string());
        let rates = [9, 10, 15, 20, 29, 30, 75].map(rate);
        let told = [
            None,
            Some("10Mbit/s"),
            Some("5500kbit/s"),
            Some("1kbit/s"),
            Some("1kbit/s"),
            None,
            Some("5500kbit/s"),
        ];
        assert_eq!(rates, told.map(|rate| rate.map(str::to_owned)));
    }

    #[test]
    fn texts_read_back_and_others_are_refused() {
        for text in [
            "10s-12s",
            "0-1s,5s-5.5s,every=60s",
            "1s-2s,2s-3s:loss=0.05,3s-4s:loss=0.05..1",
            "1s-2s,1s-3s:rate=1Mbit/s,3s-4s:rate=1Mbit/s..1kbit/s,every=4s",
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("1s-2s:loss = 100%".parse::<Schedule>().unwrap().to_string(), "1s-2s");
        for text in [
            "",
            "10s",
            "12s-10s",
            "1s-1s",
            "1s-3s,2s-4s",
            "1s-3s,2s-4s:loss=5%",
            "1s-3s,every=2s",
            "every=2s",
            "1s-2s,every=3s,4s-5s",
            "1s-2s:delay=5ms",
            "1s-2s:loss=2",
            "1s-2s:rate=0..1Mbit/s",
            "1s-2s:rate",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
