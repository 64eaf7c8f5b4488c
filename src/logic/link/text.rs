//! A direction of a link as text, there and back: `loss=5%; delay=40ms`.

use std::fmt;
use std::str::FromStr;

use super::damage::{Corrupt, Truncate};
use super::delay::Delay;
use super::duplicate::Duplicate;
use super::impair::Impairments;
use super::jitter::Jitter;
use super::loss::Loss;
use super::reorder::Reorder;
use super::schedule::Schedule;
use crate::logic::Invalid;

impl Impairments {
    /// What can be said of a direction, in the order in which it is written.
    pub const KEYS: [&'static str; 13] = [
        "loss",
        "delay",
        "jitter",
        "reorder",
        "duplicate",
        "corrupt",
        "truncate",
        "mtu",
        "rate",
        "queue",
        "schedule",
        "first",
        "match",
    ];

    fn set(&mut self, key: &str, value: &str) -> Result<(), Invalid> {
        match key {
            "loss" => self.loss = value.parse()?,
            "delay" => self.delay = value.parse()?,
            "jitter" => self.jitter = value.parse()?,
            "reorder" => self.reorder = Some(value.parse()?).filter(|it: &Reorder| !it.is_none()),
            "duplicate" => self.duplicate = Some(value.parse()?).filter(|it: &Duplicate| !it.is_none()),
            "corrupt" => self.corrupt = Some(value.parse()?).filter(|it: &Corrupt| !it.is_none()),
            "truncate" => self.truncate = Some(value.parse()?).filter(|it: &Truncate| !it.is_none()),
            "mtu" => {
                let expected = "bytes of the longest IP packet that passes, 28 to 65535: its headers are 28, or 48 of IPv6";
                let mtu = value.parse().ok().filter(|mtu| *mtu >= 28);
                self.mtu = Some(mtu.ok_or_else(|| Invalid::quoted("mtu", value, expected))?);
            }
            "rate" => self.rate = Some(value.parse()?),
            "queue" => self.queue = Some(value.parse()?),
            "schedule" => self.schedule = Some(value.parse()?),
            "first" => {
                let expected = "how many datagrams of each client are left alone at the beginning, a whole number from 0 on";
                self.first = value.parse().map_err(|_| Invalid::quoted("first", value, expected))?;
            }
            "match" => self.matching = Some(value.parse()?),
            _ => return Err(refuse(key, "")),
        }
        Ok(())
    }
}

fn refuse(text: &str, more: &str) -> Invalid {
    let keys = Impairments::KEYS.join(", ");
    let expected =
        format!("key=value, several with ; between them: \"loss=5%; delay=40ms\", of the keys {keys}{more}");
    Invalid::quoted("link", text, expected)
}

/// The key that a value goes on with, where a comma is in place of a semicolon.
fn after_a_comma(value: &str) -> Option<&str> {
    let mut keys = value.split(',').skip(1).filter_map(|part| Some(part.split_once('=')?.0.trim()));
    keys.find(|key| Impairments::KEYS.contains(key))
}

impl FromStr for Impairments {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (mut read, mut seen) = (Self::default(), Vec::new());
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| refuse(part, ""))?;
            let key = key.trim();
            if seen.contains(&key) {
                return Err(refuse(text, &format!(", each once: {key} is there twice")));
            }
            read.set(key, value.trim()).map_err(|error| match after_a_comma(value) {
                Some(next) => refuse(part, &format!("; a ; is missing before {next}=")),
                None => error,
            })?;
            seen.push(key);
        }
        if read.queue.is_some() && read.rate.is_none() {
            return Err(refuse(text, "; a queue needs a rate, such as rate=1Mbit/s"));
        }
        if read.rate.is_none() && read.schedule.as_ref().is_some_and(Schedule::has_rates) {
            return Err(refuse(
                text,
                "; a rate in a schedule needs one for the rest of the time, such as rate=1Mbit/s",
            ));
        }
        Ok(read)
    }
}

impl fmt::Display for Impairments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn shown(value: Option<&impl ToString>) -> Option<String> {
            value.map(ToString::to_string)
        }
        let values = [
            shown(Some(&self.loss).filter(|loss| **loss != Loss::NONE)),
            shown(Some(&self.delay).filter(|delay| **delay != Delay::NONE)),
            shown(Some(&self.jitter).filter(|jitter| **jitter != Jitter::default())),
            shown(self.reorder.as_ref()),
            shown(self.duplicate.as_ref()),
            shown(self.corrupt.as_ref()),
            shown(self.truncate.as_ref()),
            shown(self.mtu.as_ref()),
            shown(self.rate.as_ref()),
            shown(self.queue.as_ref()),
            shown(self.schedule.as_ref()),
            shown(Some(&self.first).filter(|first| **first > 0)),
            shown(self.matching.as_ref()),
        ];
        let said = Self::KEYS.iter().zip(values).filter_map(|(key, value)| Some(format!("{key}={}", value?)));
        f.write_str(&said.collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back_in_one_order() {
        let all = "loss=burst:0.05,3; delay=uniform:1ms,2ms; jitter=uniform:0,5ms; reorder=0.05,10ms; duplicate=0.01,2; \
                   corrupt=0.02,3; truncate=0.1,64; mtu=1400; rate=1Mbit/s; queue=64KiB; schedule=10s-12s,every=60s; first=3; match=0=0x5069,length=8-100";
        assert_eq!(all.parse::<Impairments>().unwrap().to_string(), all);
        for (text, canonical) in [
            ("", ""),
            (" ; ", ""),
            ("delay=0.04;loss=5%;", "loss=0.05; delay=40ms"),
            ("loss=0; first=0; jitter=0; reorder=0,10ms; duplicate=0,7; corrupt=0; truncate=0,64", ""),
            ("truncate=0", "truncate=0"),
            ("jitter = exponential:5ms,base=1ms", "jitter=exponential:5ms,base=1ms"),
            ("jitter=normal:5ms", "jitter=normal:mean=0,sigma=5ms"),
            ("jitter=normal:5ms,correlation=0.5", "jitter=normal:mean=0,sigma=5ms,correlation=0.5"),
            ("jitter=normal:sigma=5ms,mean=1ms", "jitter=normal:mean=1ms,sigma=5ms"),
            ("jitter=uniform:5ms", "jitter=uniform:0,5ms"),
            ("jitter=uniform:5ms,floor=1ms", "jitter=uniform:0,5ms,floor=1ms"),
            ("jitter=uniform:1ms,5ms", "jitter=uniform:1ms,5ms"),
            ("truncate=64; duplicate=1%,1; corrupt=1", "duplicate=0.01; corrupt=1; truncate=64"),
        ] {
            let read: Impairments = text.parse().unwrap();
            assert_eq!(read.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(read));
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, about) in [
            ("5%", "link \"5%\""),
            ("los=5%", "link \"los\""),
            ("loss=5%; loss=6%", "loss is there twice"),
            ("queue=64KiB", "a queue needs a rate"),
            ("schedule=1s-2s:rate=1Mbit/s", "a rate in a schedule needs one"),
            ("loss=2", "loss \"2\""),
            ("loss=5%, delay=3ms", "a ; is missing before delay="),
            ("jitter=-1ms", "jitter \"-1ms\""),
            ("reorder=5%", "reorder \"5%\""),
            ("reorder=5%,0ms", "reorder \"5%,0ms\""),
            ("duplicate=5%,8", "duplicate \"5%,8\""),
            ("corrupt=5%,33", "corrupt \"5%,33\""),
            ("truncate=65508", "truncate \"65508\""),
            ("mtu=27", "mtu \"27\""),
            ("rate=1", "rate \"1\""),
            ("schedule=2s-1s", "schedule \"2s-1s\""),
            ("first=-1", "first \"-1\""),
            ("match=Ping", "match \"Ping\""),
        ] {
            let refused = text.parse::<Impairments>().unwrap_err().to_string();
            assert!(refused.contains(about), "{refused}");
        }
    }
}
