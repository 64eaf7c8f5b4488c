//! The one number a run can be repeated from: an integer of any size and sign, as `random.seed` takes it.

use std::fmt;
use std::str::FromStr;

use super::uniform::{halves, philox4x32_10};
use crate::logic::Invalid;

/// Digits that are read; Python prints no longer integer either.
const MOST_DIGITS: usize = 4_300;
/// Digits that are converted at once: 10^9 fits a word.
const CHUNK: usize = 9;

/// A seed: any integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seed {
    negative: bool,
    /// The magnitude, lowest word first, without leading zero words: zero has none.
    words: Vec<u32>,
}

impl Seed {
    /// The 64-bit key of the counter-based uniforms.
    ///
    /// 0 to 2^64 - 1 are their own key. Any other integer is folded: starting from the number of its words, with
    /// the top bit set if it is negative, each pair of words in turn (lowest first) is enciphered with the key so
    /// far, and the first 64 bits out are the next key.
    #[must_use]
    pub fn key(&self) -> u64 {
        if !self.negative && self.words.len() <= 2 {
            return pair(&self.words);
        }
        let start = self.words.len() as u64 | u64::from(self.negative) << 63;
        self.words.chunks(2).fold(start, |key, words| {
            let [low, high] = halves(pair(words));
            let [first, second, ..] = philox4x32_10([low, high, 0, u32::MAX], halves(key));
            pair(&[first, second])
        })
    }

    /// The magnitude in 32-bit words, lowest first, none for zero: what `random.seed` keeps (it drops the sign).
    #[must_use]
    pub fn words(&self) -> &[u32] {
        &self.words
    }
}

fn pair(words: &[u32]) -> u64 {
    words.iter().rev().fold(0, |value, word| value << 32 | u64::from(*word))
}

impl From<u64> for Seed {
    fn from(value: u64) -> Self {
        let mut words = halves(value).to_vec();
        trim(&mut words);
        Self { negative: false, words }
    }
}

impl From<i64> for Seed {
    fn from(value: i64) -> Self {
        Self { negative: value < 0, ..Self::from(value.unsigned_abs()) }
    }
}

impl FromStr for Seed {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |shown: String| {
            Invalid::new("seed", shown, "an integer in decimal, such as 42 or -7 (at most 4,300 digits)")
        };
        let number = text.trim();
        let (negative, digits) = match number.as_bytes() {
            [b'-', ..] => (true, &number[1..]),
            [b'+', ..] => (false, &number[1..]),
            _ => (false, number),
        };
        if digits.len() > MOST_DIGITS {
            return Err(refuse(format!("of {} characters", digits.len())));
        }
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(refuse(format!("{text:?}")));
        }
        let mut words = Vec::new();
        for chunk in digits.as_bytes().chunks(CHUNK) {
            let value = chunk.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
            multiply_add(&mut words, chunk.iter().fold(1, |power, _| power * 10), value);
        }
        trim(&mut words);
        Ok(Self { negative: negative && !words.is_empty(), words })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.words.clone();
        let mut chunks = Vec::new();
        while !words.is_empty() {
            chunks.push(divide(&mut words, 1_000_000_000));
        }
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}", chunks.pop().unwrap_or(0))?;
        chunks.iter().rev().try_for_each(|chunk| write!(f, "{chunk:09}"))
    }
}

fn multiply_add(words: &mut Vec<u32>, factor: u32, summand: u32) {
    let mut carry = summand;
    for word in words.iter_mut() {
        [*word, carry] = halves(u64::from(*word) * u64::from(factor) + u64::from(carry));
    }
    words.push(carry);
    trim(words);
}

fn divide(words: &mut Vec<u32>, divisor: u32) -> u32 {
    let mut rest = 0;
    for word in words.iter_mut().rev() {
        let value = u64::from(rest) << 32 | u64::from(*word);
        [*word, _] = halves(value / u64::from(divisor));
        [rest, _] = halves(value % u64::from(divisor));
    }
    trim(words);
    rest
}

fn trim(words: &mut Vec<u32>) {
    while words.last() == Some(&0) {
        words.pop();
    }
}
