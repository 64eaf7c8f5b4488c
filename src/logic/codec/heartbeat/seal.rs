//! The seal of a heartbeat: HMAC-SHA-256 (RFC 2104, FIPS 180-4) over the line, cut to 16 bytes (RFC 2104, section 5).

use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{NAME_RULE, is_name};
use crate::logic::Invalid;

/// Bytes of the code in a line, written as twice as many hexadecimal digits.
pub const MAC: usize = 16;

/// The shortest and the longest secret.
const SECRET: std::ops::RangeInclusive<usize> = 16..=1_024;

/// A secret that a sender and a monitor share, and its name.
#[derive(Clone)]
pub struct Key {
    name: Box<str>,
    /// The secret is hashed once.
    ready: Hmac<Sha256>,
}

/// All secrets that a monitor knows.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    keys: HashMap<Box<str>, Key>,
}

/// The end of a sealed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal<'a> {
    /// The name of its key.
    pub key: &'a str,
    /// The code.
    pub mac: [u8; MAC],
    /// What it covers: everything in the line before ` mac=`.
    pub covered: &'a [u8],
}

impl<'a> Seal<'a> {
    /// The seal at the very end of a datagram: it would not cover bytes after it.
    pub(super) fn at_end(key: &'a str, datagram: &'a [u8]) -> Option<Self> {
        let (rest, digits) = datagram.split_last_chunk::<{ 2 * MAC }>()?;
        let covered = rest.strip_suffix(b" mac=")?;
        let mut mac = [0; MAC];
        for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hexadecimal(pair[0])? << 4 | hexadecimal(pair[1])?;
        }
        Some(Self { key, mac, covered })
    }
}

/// One digit in lower case, so that each code has one form only.
fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Key {
    /// A key.
    pub fn new(name: &str, secret: &[u8]) -> Result<Self, Invalid> {
        // What stands in place of the name may be the secret, so no error shows it.
        if !is_name(name) {
            return Err(Invalid::new("key", "with such a name", format!("a name of {NAME_RULE}")));
        }
        if looks_secret(name) {
            let expected = "the name before the secret, and no 32 or more hexadecimal digits for a name";
            return Err(Invalid::new("key", "with such a name", expected));
        }
        let ready = Some(secret)
            .filter(|secret| SECRET.contains(&secret.len()))
            .and_then(|secret| Hmac::<Sha256>::new_from_slice(secret).ok());
        let expected =
            "`name secret`, the secret of 16 to 1024 bytes; `openssl rand -hex 32` makes a good one";
        let refused = || Invalid::new("key", format!("with a secret of {} bytes", secret.len()), expected);
        Ok(Self { name: name.into(), ready: ready.ok_or_else(refused)? })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the line that begins at `start`.
    pub(super) fn seal(&self, start: usize, line: &mut Vec<u8>) {
        // Writing into memory cannot fail.
        let _ = write!(line, " key={}", self.name);
        let code = self.ready.clone().chain_update(&line[start..]).finalize().into_bytes();
        line.extend_from_slice(b" mac=");
        for byte in &code[..MAC] {
            let _ = write!(line, "{byte:02x}");
        }
    }
}

/// Whether a text is as `openssl rand -hex 16` and others write secrets.
pub fn looks_secret(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

impl fmt::Debug for Key {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

impl Keys {
    /// Reads keys as a file holds them: `name secret` on each line; a lone secret is called `default`. Empty lines and
    /// lines that begin with `#` are ignored.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let mut keys = HashMap::new();
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let on_its_line =
                |error: Invalid| Invalid { value: format!("on line {number} {}", error.value), ..error };
            let (name, secret) = line.split_once(char::is_whitespace).unwrap_or(("default", line));
            let secret = secret.trim();
            // The first word of a passphrase would be taken for the key's name, which is not secret.
            if secret.contains(char::is_whitespace) {
                let expected = "a name and a secret, neither with spaces";
                return Err(on_its_line(Invalid::new("key", "with more than two words", expected)));
            }
            let key = Key::new(name, secret.as_bytes()).map_err(on_its_line)?;
            if keys.insert(key.name.clone(), key).is_some() {
                return Err(on_its_line(Invalid::new("key", "with the name of another", "each name once")));
            }
        }
        if keys.is_empty() {
            return Err(Invalid::new("key", "without a line", "`name secret`, or a secret alone"));
        }
        Ok(Self { keys })
    }

    /// Whether there is none, so that no heartbeat is verified.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The only key, or the one called `name`.
    pub fn find(&self, name: Option<&str>) -> Option<&Key> {
        match name {
            Some(name) => self.keys.get(name),
            None => self.keys.values().next().filter(|_| self.keys.len() == 1),
        }
    }

    /// Whether a seal is valid, in constant time.
    pub fn verify(&self, seal: &Seal<'_>) -> bool {
        self.keys.get(seal.key).is_some_and(|key| {
            key.ready.clone().chain_update(seal.covered).verify_truncated_left(&seal.mac).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sixteen-bytes-or-more";

    #[test]
    fn codes_are_those_of_python() {
        // hmac.new(b"sixteen-bytes-or-more", b"Heartbeat 1 0 key=ops", "sha256").hexdigest()[:32]
        let mut line = b"before Heartbeat 1 0".to_vec();
        Key::new("ops", SECRET.as_bytes()).unwrap().seal(7, &mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "before Heartbeat 1 0 key=ops mac=cc274ae6982ab7a42bd101bba125d636"
        );
    }

    #[test]
    fn keys_are_read_from_lines() {
        let keys = Keys::read(&format!("# ours\n\n ops \t {SECRET} \r\nweb1 {SECRET}2\n")).unwrap();
        assert_eq!(keys.find(Some("ops")).map(Key::name), Some("ops"));
        assert!(
            keys.find(Some("web1")).is_some() && keys.find(Some("x")).is_none() && keys.find(None).is_none()
        );
        let lone = Keys::read("0123456789abcdef").unwrap();
        assert_eq!(lone.find(None).map(Key::name), Some("default"));
        assert!(Keys::default().is_empty() && Keys::default().find(None).is_none() && !lone.is_empty());
    }

    #[test]
    fn invalid_keys_are_refused_and_not_printed() {
        for (text, why) in [
            ("", "without a line"),
            ("# nothing\n\n", "without a line"),
            ("short", "16 to 1024 bytes"),
            ("ops short", "key on line 1 with a secret of 5 bytes"),
            ("correct horse battery staple", "neither with spaces"),
            ("ops 012345678901234", "16 to 1024 bytes"),
            (&format!("ops {}", "x".repeat(1_025)), "16 to 1024 bytes"),
            (&format!("a,b {SECRET}"), "a name of 1 to 64"),
            (&format!("{} {SECRET}", "n".repeat(65)), "a name of 1 to 64"),
            (&format!("ops {SECRET}\nops {SECRET}"), "each name once"),
            (&format!("{0}\n{0}", "0123456789abcdef"), "each name once"),
            (&format!("\n#\n{SECRET} ops"), "key on line 3 with a secret of 3 bytes"),
            (&format!("{SECRET}! ops"), "a name of 1 to 64"),
            (&format!("{} a-name-of-16-letters", "0123456789abcdef".repeat(2)), "the name before the secret"),
            (&format!("{} {SECRET}", "0123456789ABCDEF".repeat(4)), "the name before the secret"),
        ] {
            let error = Keys::read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(!error.contains(SECRET) && !error.contains("01234567"), "{error}");
        }
        let key = Key::new("ops", SECRET.as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "Key(ops)");
        let keys = Keys::read(&format!("ops {SECRET}")).unwrap();
        assert!(!format!("{keys:?}").contains(SECRET));
    }
}
