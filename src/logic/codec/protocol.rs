//! The protocols of pings, by name.

use std::fmt;
use std::str::FromStr;

use super::stamp::TimeFormat;
use crate::logic::Invalid;

/// What pings look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Lines of text, for servers that answer anything.
    #[default]
    Text,
    /// The same, which ask servers for their times.
    TextTimes {
        /// Whether replies are asked when the one before left.
        follow_up: bool,
    },
    /// Test packets, for reflectors.
    Stamp {
        /// The identifier of the session; 0 for none.
        ssid: u16,
        /// The format of timestamps.
        format: TimeFormat,
        /// Whether replies are asked when the one before left.
        follow_up: bool,
    },
}

const FOLLOW_UP: &str = "follow-up";

const EXPECTED: &str = "\"text\", \"text:times\", \"text:times,follow-up\" or \"stamp\", the last also as \"stamp:ssid=7\" (1 to 65535), \"stamp:timestamps=ptp\" (or ntp) \
                        and \"stamp:follow-up\", or several of these with commas between";

impl Protocol {
    fn parse(text: &str) -> Option<Self> {
        let (name, settings) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        match (name, settings) {
            ("text", None) => return Some(Self::Text),
            ("text", Some("times")) => return Some(Self::TextTimes { follow_up: false }),
            ("text", Some("times,follow-up")) => return Some(Self::TextTimes { follow_up: true }),
            ("stamp", _) => {}
            _ => return None,
        }
        let (mut ssid, mut format, mut follow_up) = (None, None, false);
        for setting in settings.into_iter().flat_map(|settings| settings.split(',')) {
            match setting.split_once('=').unwrap_or((setting, "")) {
                _ if setting == FOLLOW_UP && !follow_up => follow_up = true,
                ("ssid", digits) if ssid.is_none() => {
                    ssid = Some(digits.parse().ok().filter(|ssid| *ssid > 0)?);
                }
                ("timestamps", name) if format.is_none() => format = Some(TimeFormat::from_name(name)?),
                _ => return None,
            }
        }
        Some(Self::Stamp { ssid: ssid.unwrap_or(0), format: format.unwrap_or(TimeFormat::Ntp), follow_up })
    }
}

impl FromStr for Protocol {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text).ok_or_else(|| Invalid::quoted("protocol", text, EXPECTED))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Stamp { ssid, format, follow_up } = self else {
            return f.write_str(match self {
                Self::TextTimes { follow_up: true } => "text:times,follow-up",
                Self::TextTimes { follow_up: false } => "text:times",
                _ => "text",
            });
        };
        let ssid = (*ssid != 0).then(|| format!("ssid={ssid}"));
        let format = (*format == TimeFormat::Ptp).then(|| format!("timestamps={}", format.name()));
        let follow_up = follow_up.then(|| FOLLOW_UP.to_owned());
        let settings: Vec<_> = [ssid, format, follow_up].into_iter().flatten().collect();
        f.write_str(if settings.is_empty() { "stamp" } else { "stamp:" })?;
        f.write_str(&settings.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_read_as_it_is_written() {
        for (text, written) in [
            ("text", "text"),
            ("text:times", "text:times"),
            ("text:times,follow-up", "text:times,follow-up"),
            ("stamp", "stamp"),
            ("stamp:timestamps=ntp", "stamp"),
            ("stamp:ssid=65535", "stamp:ssid=65535"),
            ("stamp:timestamps=ptp,ssid=7", "stamp:ssid=7,timestamps=ptp"),
            ("stamp:follow-up,ssid=7", "stamp:ssid=7,follow-up"),
        ] {
            let protocol: Protocol = text.parse().unwrap();
            assert_eq!(protocol.to_string(), written);
            assert_eq!(written.parse(), Ok(protocol));
        }
        for wrong in [
            "",
            "stamp:",
            "Stamp",
            "text:",
            "text:times,times",
            "text:follow-up",
            "stamp:ssid=0",
            "stamp:ssid=1,ssid=1",
            "stamp:ssid=65536",
            "stamp:follow-up,follow-up",
            "stamp:follow-up=",
            "stamp:ssid",
            "twamp",
        ] {
            assert!(
                wrong.parse::<Protocol>().unwrap_err().to_string().contains("\"stamp:ssid=7\""),
                "{wrong}"
            );
        }
    }
}
