//! The front of a line of words: `Heartbeat 17 1700000000.25`, and all that the course makes of it.
//!
//! Words may come before the number and between number and time. A lone number is a time if it is large enough, else a
//! sequence number; where there are two, the first is the sequence number, however large.

use super::{Said, is_gap, whole};
use crate::logic::SECOND;
use crate::logic::codec::dialects::is_sequence_word;
use crate::logic::codec::moment::{self, Moment, is_number};

/// So many words that mean nothing to us may come before a number or a time: `This is a ping message 17`. In a longer
/// text, a number is about something else.
const MOST_STRANGERS: u32 = 5;

pub(super) fn read(text: &str) -> Said<'_> {
    let mut said = Said { rest: text, ..Said::default() };
    let (mut seq, mut early, mut clock) = (None, None, false);
    let (mut is_first, mut is_beside, mut strangers) = (true, false, 0);
    while let Some((next, mut rest)) = next(said.rest) {
        match next {
            Next::Known => said.known |= is_first,
            Next::Date(date) => said.moment = Some(date),
            Next::Clock => clock = true,
            Next::Number(text) if seq.is_none() && whole(text).is_some() => {
                (seq, is_beside) = (Some(text), true);
            }
            Next::Number(text) if Moment::Number(text).is_certain() => {
                said.moment = Some(Moment::Number(text));
                if let Some((moment, after)) = with_microseconds(text, rest) {
                    (said.moment, rest) = (Some(moment), after);
                }
            }
            // A clock that began at 1970 as the sender started. Elsewhere it would be any number.
            Next::Number(text) if is_beside && early.is_none() => early = Some(Moment::Number(text)),
            Next::Number(_) | Next::Stranger => (is_beside, strangers) = (false, strangers + 1),
        }
        (said.rest, is_first) = (rest, false);
        if said.moment.is_some() || clock || strangers > MOST_STRANGERS {
            break;
        }
    }
    let lone = seq.filter(|_| said.moment.or(early).is_none() && !clock).map(Moment::Number);
    match lone.filter(|lone| lone.is_certain()) {
        Some(lone) => Said { moment: Some(lone), ..said },
        None => Said { seq: seq.and_then(whole), moment: said.moment.or(early), ..said },
    }
}

/// Whether a word is one of those that the course's messages begin with.
pub(super) fn is_known(word: &str) -> bool {
    const MORE: [&str; 6] = ["pyhb", "hb", "beat", "alive", "time", "timestamp"];
    is_sequence_word(word.as_bytes()) || MORE.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// What a line goes on with.
enum Next<'a> {
    Known,
    Date(Moment<'a>),
    /// The time of a day that is not told.
    Clock,
    Number(&'a str),
    Stranger,
}

/// None at the end, or before the first `key=value`.
fn next(text: &str) -> Option<(Next<'_>, &str)> {
    let text = text.trim_start_matches(is_mark);
    let letters = text.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'_').count();
    if letters > 0 && is_known(&text[..letters]) {
        // A number may follow without any space: `Ping1`.
        return Some((Next::Known, &text[letters..]));
    }
    if let Some((date, rest)) = moment::date(text) {
        return Some((Next::Date(date), rest));
    }
    if let Some(rest) = moment::clock(text) {
        return Some((Next::Clock, rest));
    }
    if let Some((number, rest)) = number(text) {
        return Some((Next::Number(number), rest));
    }
    let (stranger, rest) = text.split_at(text.find(is_gap).unwrap_or(text.len()));
    (!stranger.is_empty() && !stranger.contains('=')).then_some((Next::Stranger, rest))
}

/// What may stand around words and numbers: `PING #1 @ 10:11:12`, `seq=3`, `Ping 3:`.
fn is_mark(character: char) -> bool {
    is_gap(character)
        || matches!(character, ':' | ';' | '=' | '#' | '@' | '"' | '\'' | '(' | ')' | '[' | ']' | '<' | '>')
}

fn number(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_at(text.find(is_mark).unwrap_or(text.len()));
    let number = number.trim_end_matches('.');
    is_number(number).then_some((number, rest))
}

/// Seconds, and microseconds in a number of their own, as C's `gettimeofday` gives them.
fn with_microseconds<'a>(seconds: &str, rest: &'a str) -> Option<(Moment<'a>, &'a str)> {
    let seconds = whole(seconds).filter(|seconds| *seconds < 100_000_000_000)?;
    let (microseconds, rest) = number(rest.trim_start_matches(is_gap))?;
    let microseconds = whole(microseconds).filter(|microseconds| *microseconds < 1_000_000)?;
    let nanos = seconds.checked_mul(SECOND.unsigned_abs())?.checked_add(microseconds * 1_000)?;
    Some((Moment::Told { wall_ns: nanos.try_into().ok()?, zone_known: true }, rest))
}
