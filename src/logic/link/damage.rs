//! What a link does to the bytes of a datagram: it cuts the end off, and flips bits.

use std::fmt;
use std::str::FromStr;

use super::chance::Chance;
use super::packet::Transmission;
use crate::logic::Invalid;
use crate::logic::random::{Direction, Effect, Uniforms};
use crate::logic::text::Probability;

impl Effect {
    /// Whether bits of a datagram are flipped.
    const CORRUPT: Self = Self::new(7);
    /// Which ones.
    const BITS: Self = Self::new(8);
    /// Whether a datagram is cut.
    const TRUNCATE: Self = Self::new(9);
}

/// The most bits that are flipped in one datagram.
const MOST_BITS: u8 = 32;

/// How often bits are flipped, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt {
    chance: Chance,
    bits: u8,
}

/// How often a datagram is cut, and how many bytes are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncate {
    chance: Chance,
    bytes: u16,
}

/// What happens to the bytes of one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// So many bytes are left; more than any datagram has if it is not cut.
    kept: u16,
    /// So many bits are flipped.
    bits: u8,
    /// The key of the uniforms that say which.
    which: u64,
}

impl Corrupt {
    /// Of how many datagrams it is.
    pub(super) fn share(self) -> f64 {
        self.chance.share()
    }

    /// Whether it is of no datagram.
    pub(super) fn is_none(self) -> bool {
        self.chance.is_none()
    }
}

impl Truncate {
    /// Whether it can shorten a datagram of so many bytes.
    pub(super) fn can_cut(self, len: usize) -> bool {
        usize::from(self.bytes) < len
    }

    /// Of how many datagrams it is.
    pub(super) fn share(self) -> f64 {
        self.chance.share()
    }

    /// Whether it is of no datagram.
    pub(super) fn is_none(self) -> bool {
        self.chance.is_none()
    }
}

impl Damage {
    /// None.
    pub const NONE: Self = Self { kept: u16::MAX, bits: 0, which: 0 };

    /// What changes the bytes of a packet: one that is short enough is not cut, and one without bytes has no bits.
    pub(super) fn of(sent: &Transmission<'_>, truncate: Option<Truncate>, corrupt: Option<Corrupt>) -> Self {
        let mut damage = Self::NONE;
        if let Some(truncate) = truncate
            .filter(|it| usize::from(it.bytes) < sent.packet.len && it.chance.hits(sent, Effect::TRUNCATE))
        {
            damage.kept = truncate.bytes;
        }
        if let Some(corrupt) =
            corrupt.filter(|it| damage.length(sent.packet.len) > 0 && it.chance.hits(sent, Effect::CORRUPT))
        {
            (damage.bits, damage.which) = (corrupt.bits, sent.uniform(Effect::BITS));
        }
        damage
    }

    /// Whether the end is missing.
    pub fn is_cut(self) -> bool {
        self.kept != u16::MAX
    }

    /// Whether bits are flipped.
    pub fn is_flipped(self) -> bool {
        self.bits > 0
    }

    /// Whether the bytes arrive as they were sent.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The length of a datagram of `len` bytes when it arrives.
    pub fn length(self, len: usize) -> usize {
        len.min(usize::from(self.kept))
    }

    /// Does it to the bytes from `start` on: the end goes first, then different bits are flipped, or all if there are not
    /// so many.
    pub fn apply(self, bytes: &mut Vec<u8>, start: usize) {
        if self.is_none() {
            return;
        }
        bytes.truncate(start + self.length(bytes.len() - start));
        let bytes = &mut bytes[start..];
        let all = 8 * bytes.len() as u64;
        let uniforms = Uniforms::new(self.which);
        let mut flipped = [0; MOST_BITS as usize];
        for drawn in 0..usize::from(self.bits).min(usize::try_from(all).unwrap_or(usize::MAX)) {
            let uniform = uniforms.draw(Direction::Up, 0, Effect::BITS, drawn as u64);
            let mut bit = ((u128::from(uniform) * u128::from(all - drawn as u64)) >> u64::BITS) as u64;
            // The n-th of the bits that are not flipped yet.
            let place = flipped[..drawn].iter().take_while(|before| {
                let passes = **before <= bit;
                bit += u64::from(passes);
                passes
            });
            let place = place.count();
            flipped.copy_within(place..drawn, place + 1);
            flipped[place] = bit;
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

impl FromStr for Corrupt {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = || {
            let (chance, bits) = Chance::and_rest(text)?;
            let bits = bits.map_or(Some(1), |bits| bits.parse().ok())?;
            (1..=MOST_BITS).contains(&bits).then_some(Self { chance, bits })
        };
        read().ok_or_else(|| {
            let expected = "a probability (1%), and with a comma how many bits are flipped, 1 to 32: 1%,3";
            Invalid::quoted("corrupt", text, expected)
        })
    }
}

impl FromStr for Truncate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const LONGEST: u16 = 65_507;
        let read = || {
            let (chance, bytes) = match text.rsplit_once(',') {
                Some((chance, bytes)) => (chance.parse().ok()?, bytes),
                None => (Probability::ONE, text),
            };
            let bytes = bytes.trim().parse().ok().filter(|bytes| *bytes <= LONGEST)?;
            Some(Self { chance: chance.into(), bytes })
        };
        read().ok_or_else(|| {
            let expected = "how many bytes are left of each datagram, 0 to 65,507 (64), or of some: 1%,64";
            Invalid::quoted("truncate", text, expected)
        })
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.chance)?;
        if self.bits > 1 { write!(f, ",{}", self.bits) } else { Ok(()) }
    }
}

impl fmt::Display for Truncate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.chance == Probability::ONE.into() {
            return write!(f, "{}", self.bytes);
        }
        write!(f, "{},{}", self.chance, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_bits_differ_as_were_asked_for_and_what_came_before_is_left_alone(
            which: u64, bits in 0..=MOST_BITS, kept in 0..20_u16, len in 0..20_usize,
        ) {
            let mut bytes = vec![7; 3 + len];
            let before = bytes.clone();
            Damage { kept, bits, which }.apply(&mut bytes, 3);
            prop_assert_eq!(bytes.len(), 3 + len.min(usize::from(kept)));
            prop_assert_eq!(&bytes[..3], [7; 3]);
            let flipped: u32 = bytes.iter().zip(&before).map(|(one, other)| (one ^ other).count_ones()).sum();
            prop_assert_eq!(flipped as usize, usize::from(bits).min(8 * (bytes.len() - 3)));
        }
    }

    #[test]
    fn each_bit_is_as_likely_as_any_other() {
        let mut counts = [0_u32; 16];
        for which in 0..32_000 {
            let mut bytes = vec![0; 2];
            Damage { kept: u16::MAX, bits: 3, which }.apply(&mut bytes, 0);
            let word = u16::from_le_bytes([bytes[0], bytes[1]]);
            (0..16).for_each(|bit| counts[bit] += u32::from(word >> bit & 1));
        }
        // 32,000 x 3 / 16 are 6,000; five standard deviations are 350.
        assert!(counts.iter().all(|count| count.abs_diff(6_000) < 350), "{counts:?}");
    }
}
