//! Reads heartbeats whose fields have names: a JSON object, or lines like `Sequence No.: 1`.

use super::Parsed;
use crate::logic::codec::wall_time::WallTime;

/// Names of the sequence number, without punctuation.
const SEQ: [&str; 5] = ["seq", "seqnum", "seqno", "sequence", "sequenceno"];
const TIME: [&str; 2] = ["time", "timestamp"];

/// `None` if the text has another form. A text with a seal is left to the reader of words, which checks seals.
pub(super) fn read(text: &str) -> Option<Parsed<'_>> {
    let object = text.starts_with('{') && text.ends_with('}');
    if !(object || text.contains('\n')) || text.contains("mac=") {
        return None;
    }
    let mut parsed = Parsed::default();
    if object {
        members(text, |name, value| parsed.take(name, value));
        return Some(parsed);
    }
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        parsed.take(name, value.trim());
    }
    (parsed.seq.is_some() || parsed.wall_time.is_some()).then_some(parsed)
}

impl<'a> Parsed<'a> {
    /// The first field of each kind counts.
    fn take(&mut self, name: &str, value: &'a str) {
        if self.seq.is_none() && is_one_of(name, &SEQ) {
            self.seq = super::whole(value);
        }
        if self.wall_time.is_none() && is_one_of(name, &TIME) {
            self.wall_time = WallTime::read(value);
        }
        self.known |= super::line::is_known(value);
    }
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    let letters = || name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    known.iter().any(|known| letters().eq(known.bytes()))
}

/// Reads the members of a JSON object, but not of the objects in it. Malformed JSON is read as far as possible.
fn members<'a>(text: &'a str, mut take: impl FnMut(&'a str, &'a str)) {
    let (mut depth, mut rest) = (0_u32, text);
    while let Some(first) = rest.chars().next() {
        let Some(after) = rest.strip_prefix(['"', '\'']) else {
            match first {
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (name, after) = string(after, first);
        rest = after;
        let Some(value) = after.trim_start().strip_prefix(':').filter(|_| depth == 1) else { continue };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => string(&value[1..], quote),
            _ => value.split_at(value.find([',', '}', ']', '{', '[']).unwrap_or(value.len())),
        };
        take(name, value.trim());
        rest = after;
    }
}

/// Splits at the closing quote; escapes are kept as they are.
fn string(text: &str, quote: char) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|next: char| {
        let ends = next == quote && !escaped;
        escaped = next == '\\' && !escaped;
        ends
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}
