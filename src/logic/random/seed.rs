//! The seed of a run: an integer of any size and sign, as `random.seed` takes it.

use std::fmt;
use std::str::FromStr;

use super::philox::{halves, philox4x32_10};
use crate::logic::Invalid;

/// The most digits that are read, which is also Python's default limit.
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
    /// 0 to 2^64 - 1 are their own key. Any other integer is folded: starting from the number of its words,
    /// with the top bit set if it is negative, each pair of words in turn (lowest first) is encrypted with
    /// the key so far, and the first 64 bits of the result are the next key.
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

    /// The magnitude in 32-bit words, lowest first, none for zero: what `random.seed` keeps (it drops the
    /// sign).
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seed(text: &str) -> Seed {
        text.parse().unwrap()
    }

    /// Published with version 0.1.0; a change here breaks every replayed run.
    #[test]
    fn the_fold_is_frozen() {
        let cases = [
            ("0", 0),
            ("1", 1),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551616", 0x7f6a_ba3c_2d57_42ff),
            ("-1", 0xb236_f72c_2308_ace0),
            ("-42", 0xdeca_1c4b_4ce9_87aa),
            ("-18446744073709551616", 0x3b9e_598d_0735_3775),
            ("1000000000000000000000000000000", 0x7580_c88e_8d03_571c),
            ("-1000000000000000000000000000000", 0x1245_19fd_3745_dfe2),
            ("79228162514264337593543950336", 0x47bd_2357_c3be_6c15),
        ];
        for (text, key) in cases {
            assert_eq!(seed(text).key(), key, "{text}");
        }
    }

    #[test]
    fn one_number_has_one_form() {
        for (text, canonical) in [("007", "7"), ("+5", "5"), ("-0", "0"), (" 42 ", "42"), ("-0010", "-10")] {
            assert_eq!(seed(text).to_string(), canonical);
            assert_eq!(seed(text), seed(canonical));
        }
        assert_eq!(seed("0").words(), [0_u32; 0]);
        assert_eq!(Seed::from(0_u64), seed("0"));
        assert_eq!(Seed::from(i64::MIN), seed("-9223372036854775808"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "-", "+", "1.0", "1e3", "0x10", "1_000", "forty-two", "- 1", "--1", "١"] {
            let refused = text.parse::<Seed>().unwrap_err().to_string();
            assert!(refused.contains(&format!("{text:?}")) && refused.contains("42"), "{refused}");
        }
        assert!("9".repeat(4_300).parse::<Seed>().is_ok());
        assert!("9".repeat(4_301).parse::<Seed>().is_err());
    }

    proptest! {
        #[test]
        fn any_integer_comes_back(text in "-?[1-9][0-9]{0,200}") {
            prop_assert_eq!(seed(&text).to_string(), text);
        }

        #[test]
        fn words_are_the_magnitude(value: i128) {
            let words = seed(&value.to_string());
            let sum = words.words().iter().rev().fold(0_u128, |sum, word| sum << 32 | u128::from(*word));
            prop_assert_eq!(sum, value.unsigned_abs());
        }

        #[test]
        fn small_seeds_are_their_own_key(value: u64) {
            prop_assert_eq!(Seed::from(value).key(), value);
            prop_assert_eq!(Seed::from(value), seed(&value.to_string()));
        }
    }
}
