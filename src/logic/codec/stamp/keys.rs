//! The secrets of sessions, as a file holds them.

use std::collections::HashMap;
use std::net::IpAddr;

use super::super::mac::Secret;
use crate::logic::Invalid;

/// The form of a line with a secret.
pub const KEY_RULE: &str = "a secret of 16 to 1024 bytes, or hex: and 32 to 2048 hexadecimal digits; \
                            `openssl rand -hex 32` makes a good one";

/// The secrets that a reflector knows: one for all sessions, and those of some.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    all: Option<Secret>,
    sessions: HashMap<u16, Session>,
}

#[derive(Debug, Clone)]
struct Session {
    secret: Secret,
    /// Where its sender may be; `None`: anywhere.
    sources: Option<Vec<IpAddr>>,
}

/// A secret as it is written: text, or `hex:` and digits.
pub fn secret(text: &str) -> Result<Secret, Invalid> {
    let bytes = match text.strip_prefix("hex:") {
        Some(digits) => from_hexadecimal(digits),
        None => Some(text.as_bytes().to_vec()),
    };
    // What is wrong may be most of a secret, so no error shows it.
    let refused = || Invalid::new("key", format!("with a secret of {} letters", text.len()), KEY_RULE);
    bytes.and_then(|bytes| Secret::new(&bytes)).ok_or_else(refused)
}

fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

impl Keys {
    /// Reads lines of `secret`, for every session, or `SSID secret`, or `SSID secret addresses`: where that session's
    /// sender may be, with commas between. Empty lines and lines that begin with `#` are ignored.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let mut keys = Self::default();
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            keys.add(line)
                .map_err(|error| Invalid { value: format!("on line {number} {}", error.value), ..error })?;
        }
        if keys.is_empty() {
            let expected = "a secret alone, `SSID secret`, or `SSID secret addresses`";
            return Err(Invalid::new("key", "without a line", expected));
        }
        Ok(keys)
    }

    fn add(&mut self, line: &str) -> Result<(), Invalid> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let taken = || Invalid::new("key", "for a session that has one", "each session once");
        let (ssid, secret, sources) = match words[..] {
            [secret] if self.all.is_none() => {
                self.all = Some(self::secret(secret)?);
                return Ok(());
            }
            [_] => return Err(taken()),
            [ssid, secret] => (ssid, secret, None),
            [ssid, secret, sources] => (ssid, secret, Some(self::sources(sources)?)),
            _ => {
                let expected = "an SSID, a secret without spaces, and perhaps addresses";
                return Err(Invalid::new("key", "with more than three words", expected));
            }
        };
        let ssid = ssid.parse().ok().filter(|ssid| *ssid != 0);
        let refused = || Invalid::new("key", "with such an SSID", "1 to 65535 before the secret");
        let session = Session { secret: self::secret(secret)?, sources };
        match self.sessions.insert(ssid.ok_or_else(refused)?, session) {
            None => Ok(()),
            Some(_) => Err(taken()),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.sessions.is_empty()
    }

    /// The secret of a session.
    pub fn find(&self, ssid: u16) -> Option<&Secret> {
        self.sessions.get(&ssid).map(|session| &session.secret).or(self.all.as_ref())
    }

    /// Whether a session has a line of its own, and its sender may be at this address.
    pub fn is_provisioned(&self, ssid: u16, source: IpAddr) -> bool {
        self.sessions.contains_key(&ssid) && self.may_be_at(ssid, source)
    }

    /// Whether the sender of a session may be at this address.
    pub fn may_be_at(&self, ssid: u16, source: IpAddr) -> bool {
        let sources = self.sessions.get(&ssid).and_then(|session| session.sources.as_ref());
        sources.is_none_or(|sources| sources.contains(&source.to_canonical()))
    }

    /// How many sessions have a line of their own.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }
}

fn sources(text: &str) -> Result<Vec<IpAddr>, Invalid> {
    let refused = || Invalid::quoted("key for senders at", text, "IP addresses with commas between");
    text.split(',').map(|each| each.parse().map_err(|_| refused())).collect()
}
