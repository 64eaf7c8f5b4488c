//! Heartbeats whose parts have names: a JSON object, or lines like `Sequence No.: 1`.

use super::Said;
use crate::logic::codec::moment::Moment;

/// Names without whatever is no letter or digit.
const SEQ: [&str; 5] = ["seq", "seqnum", "seqno", "sequence", "sequenceno"];
const TIME: [&str; 2] = ["time", "timestamp"];

/// None if the text has another form. One that may have a seal is read word by word, where seals are.
pub(super) fn read(text: &str) -> Option<Said<'_>> {
    let object = text.starts_with('{') && text.ends_with('}');
    if !(object || text.contains('\n')) || text.contains("mac=") {
        return None;
    }
    let mut said = Said::default();
    if object {
        members(text, |name, value| said.take(name, value));
        return Some(said);
    }
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        said.take(name, value.trim());
    }
    (said.seq.is_some() || said.moment.is_some()).then_some(said)
}

impl<'a> Said<'a> {
    /// What comes first counts.
    fn take(&mut self, name: &str, value: &'a str) {
        if self.seq.is_none() && is_one_of(name, &SEQ) {
            self.seq = super::whole(value);
        }
        if self.moment.is_none() && is_one_of(name, &TIME) {
            self.moment = Moment::read(value);
        }
        self.known |= super::line::is_known(value);
    }
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    let letters = || name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
    known.iter().any(|known| letters().eq(known.bytes()))
}

/// The names and values of an object, without those of objects in it. What is no JSON gives whatever looks like it.
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

/// What stands before the closing quote, escapes as they are, and what follows it.
fn string(text: &str, quote: char) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|next: char| {
        let ends = next == quote && !escaped;
        escaped = next == '\\' && !escaped;
        ends
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}
