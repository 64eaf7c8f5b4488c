//! The seal of a heartbeat: the [code](super::super::mac) of the line.

use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;

use super::super::mac::Secret;
use super::{MAC, NAME_RULE, is_name};
use crate::logic::Invalid;

/// A secret that a sender and a monitor share, and its name.
#[derive(Clone)]
pub struct Key {
    name: Box<str>,
    /// The senders that it is for, as in the file; `None`: all.
    senders: Option<Box<str>>,
    secret: Secret,
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
        let expected =
            "`name secret`, the secret of 16 to 1024 bytes; `openssl rand -hex 32` makes a good one";
        let refused = || Invalid::new("key", format!("with a secret of {} bytes", secret.len()), expected);
        Ok(Self { name: name.into(), senders: None, secret: Secret::new(secret).ok_or_else(refused)? })
    }

    /// Restricts it to senders of these names: patterns with commas between, where `*` stands for any characters.
    pub fn only_for(self, senders: &str) -> Result<Self, Invalid> {
        let is_pattern = |pattern: &str| is_name(&pattern.replace('*', "x"));
        if !senders.split(',').all(is_pattern) {
            let expected = "names with commas between and `*` for any characters, such as web*,db1";
            return Err(Invalid::new("key", "for senders that have no such names", expected));
        }
        Ok(Self { senders: Some(senders.into()), ..self })
    }

    /// Whether it is for a sender of that name.
    pub fn is_for(&self, id: &str) -> bool {
        let is_like = |pattern| is_like(id, pattern);
        self.senders.as_deref().is_none_or(|senders| senders.split(',').any(is_like))
    }

    /// The senders that it is for, as in the file; `None`: all.
    pub fn senders(&self) -> Option<&str> {
        self.senders.as_deref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the line that begins at `start`.
    pub(in crate::logic) fn seal(&self, start: usize, line: &mut Vec<u8>) {
        // Writing into memory cannot fail.
        let _ = write!(line, " key={}", self.name);
        let code = self.secret.code(&[&line[start..]]);
        line.extend_from_slice(b" mac=");
        for byte in &code {
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
    /// Reads keys as a file holds them: `name secret`, or `name secret senders`, on each line; a lone secret is called
    /// `default`. Empty lines and lines that begin with `#` are ignored.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let mut keys = HashMap::new();
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let on_its_line =
                |error: Invalid| Invalid { value: format!("on line {number} {}", error.value), ..error };
            let words: Vec<&str> = line.split_whitespace().collect();
            let key = match words[..] {
                [secret] => Key::new("default", secret.as_bytes()),
                [name, secret] => Key::new(name, secret.as_bytes()),
                [name, secret, senders] => {
                    Key::new(name, secret.as_bytes()).and_then(|key| key.only_for(senders))
                }
                _ => {
                    let expected = "a name, a secret without spaces, and perhaps the senders it is for";
                    Err(Invalid::new("key", "with more than three words", expected))
                }
            };
            let key = key.map_err(on_its_line)?;
            if keys.contains_key(&key.name) {
                return Err(on_its_line(Invalid::new("key", "with the name of another", "each name once")));
            }
            keys.insert(key.name.clone(), key);
        }
        if keys.is_empty() {
            return Err(Invalid::new(
                "key",
                "without a line",
                "`name secret`, `name secret senders`, or a secret alone",
            ));
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

    /// The key of a seal, if the seal is right.
    pub fn verify(&self, seal: &Seal<'_>) -> Option<&Key> {
        let key = self.keys.get(seal.key)?;
        key.secret.verifies(&[seal.covered], &seal.mac).then_some(key)
    }
}

/// Whether a text is like a pattern, where `*` stands for any characters; in linear time.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return text == pattern };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_prefix(start).and_then(|text| text.strip_suffix(end)) else {
        return false;
    };
    middle.split('*').all(|part| match text.split_once(part) {
        Some((_, after)) => {
            text = after;
            true
        }
        None => false,
    })
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
    fn a_key_may_be_for_some_senders() {
        let keys = Keys::read(&format!("ops {SECRET}\nweb {SECRET} web*,db1,*.lab.*-x")).unwrap();
        let is_for = |key, id| keys.find(Some(key)).unwrap().is_for(id);
        for id in ["web", "web1", "web.lab", "db1", ".lab.-x", "a.lab.b-x", "a.lab.lab.c-d-x"] {
            assert!(is_for("web", id) && is_for("ops", id), "{id}");
        }
        for id in ["we", "aweb", "db", "db12", "xdb1", ".lab-x", "a.lab.b-y", "lab.b-x"] {
            assert!(!is_for("web", id) && is_for("ops", id), "{id}");
        }
        for (text, pattern, like) in [
            ("aa", "a*a", true),
            ("a", "a*a", false),
            ("aba", "a*b*a", true),
            ("aa", "a*b*a", false),
            ("abcabc", "*abc", true),
            ("abab", "*ab*ab*", true),
            ("ab", "*ab*ab*", false),
            ("x", "**", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} {pattern}");
        }
    }

    #[test]
    fn invalid_keys_are_refused_and_not_printed() {
        for (text, why) in [
            ("", "without a line"),
            ("# nothing\n\n", "without a line"),
            ("short", "16 to 1024 bytes"),
            ("ops short", "key on line 1 with a secret of 5 bytes"),
            ("correct horse battery staple", "with more than three words"),
            (&format!("ops {SECRET} web=1"), "names with commas between"),
            (&format!("ops {SECRET} web1,"), "names with commas between"),
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
