//! Reads the beginning of a line of words, `Heartbeat 17 1700000000.25` and its variants in the course. Words may come
//! before the number and between number and time. A lone number is a time if it is large enough, else a sequence number; of
//! two, the first is the sequence number.

use super::{Parsed, is_gap, whole};
use crate::logic::SECOND;
use crate::logic::codec::dialects::is_sequence_word;
use crate::logic::codec::wall_time::{self, WallTime, is_number};

/// The most unknown words before a number or a time: `This is a ping message 17`. A longer text is prose.
const MOST_STRANGERS: u32 = 5;

pub(super) fn read(text: &str) -> Parsed<'_> {
    let mut parsed = Parsed { rest: text, ..Parsed::default() };
    let (mut seq, mut early, mut clock) = (None, None, false);
    let (mut is_first, mut is_beside, mut strangers) = (true, false, 0);
    while let Some((next, mut rest)) = next(parsed.rest) {
        match next {
            Next::Known => parsed.known |= is_first,
            Next::Date(date) => parsed.wall_time = Some(date),
            Next::Clock => clock = true,
            Next::Number(text) if seq.is_none() && whole(text).is_some() => {
                (seq, is_beside) = (Some(text), true);
            }
            Next::Number(text) if WallTime::Number(text).is_certain() => {
                parsed.wall_time = Some(WallTime::Number(text));
                if let Some((wall_time, after)) = with_microseconds(text, rest) {
                    (parsed.wall_time, rest) = (Some(wall_time), after);
                }
            }
            // The clock of some senders starts at 1970 with them.
            Next::Number(text) if is_beside && early.is_none() => early = Some(WallTime::Number(text)),
            Next::Number(_) | Next::Stranger => (is_beside, strangers) = (false, strangers + 1),
        }
        (parsed.rest, is_first) = (rest, false);
        if parsed.wall_time.is_some() || clock || strangers > MOST_STRANGERS {
            break;
        }
    }
    let lone = seq.filter(|_| parsed.wall_time.or(early).is_none() && !clock).map(WallTime::Number);
    match lone.filter(|lone| lone.is_certain()) {
        Some(lone) => Parsed { wall_time: Some(lone), ..parsed },
        None => Parsed { seq: seq.and_then(whole), wall_time: parsed.wall_time.or(early), ..parsed },
    }
}

/// Whether messages of the course begin with this word.
pub(super) fn is_known(word: &str) -> bool {
    const MORE: [&str; 6] = ["pyhb", "hb", "beat", "alive", "time", "timestamp"];
    is_sequence_word(word.as_bytes()) || MORE.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The next token of a line.
enum Next<'a> {
    Known,
    Date(WallTime<'a>),
    /// A time of day without a date.
    Clock,
    Number(&'a str),
    Stranger,
}

/// `None` at the end, or before the first `key=value`.
fn next(text: &str) -> Option<(Next<'_>, &str)> {
    let text = text.trim_start_matches(is_mark);
    let letters = text.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'_').count();
    if letters > 0 && is_known(&text[..letters]) {
        // A number may follow without any space: `Ping1`.
        return Some((Next::Known, &text[letters..]));
    }
    if let Some((date, rest)) = wall_time::date(text) {
        return Some((Next::Date(date), rest));
    }
    if let Some(rest) = wall_time::clock(text) {
        return Some((Next::Clock, rest));
    }
    if let Some((number, rest)) = number(text) {
        return Some((Next::Number(number), rest));
    }
    let (stranger, rest) = text.split_at(text.find(is_gap).unwrap_or(text.len()));
    (!stranger.is_empty() && !stranger.contains('=')).then_some((Next::Stranger, rest))
}

/// Whether it may come before or after words and numbers: `PING #1 @ 10:11:12`, `seq=3`, `Ping 3:`.
fn is_mark(character: char) -> bool {
    is_gap(character)
        || matches!(character, ':' | ';' | '=' | '#' | '@' | '"' | '\'' | '(' | ')' | '[' | ']' | '<' | '>')
}

fn number(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_at(text.find(is_mark).unwrap_or(text.len()));
    let number = number.trim_end_matches('.');
    is_number(number).then_some((number, rest))
}

/// Reads the microseconds after seconds, as programs print C's `timeval`.
fn with_microseconds<'a>(seconds: &str, rest: &'a str) -> Option<(WallTime<'a>, &'a str)> {
    let seconds = whole(seconds).filter(|seconds| *seconds < 100_000_000_000)?;
    let (microseconds, rest) = number(rest.trim_start_matches(is_gap))?;
    let microseconds = whole(microseconds).filter(|microseconds| *microseconds < 1_000_000)?;
    let nanos = seconds.checked_mul(SECOND.unsigned_abs())?.checked_add(microseconds * 1_000)?;
    Some((WallTime::Known { wall_ns: nanos.try_into().ok()?, zone_known: true }, rest))
}
