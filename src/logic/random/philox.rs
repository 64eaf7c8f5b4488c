//! Uniform random numbers, each a pure function of its seed and purpose.
//!
//! The function is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
//! <https://doi.org/10.1145/2063384.2063405>). It keeps no state, so no effect changes the draws of another and any packet
//! can be replayed alone. Its outputs never change.

/// The direction of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Direction {
    /// Client to server.
    Up = 0,
    /// Server to client.
    Down = 1,
}

impl Direction {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What a uniform decides. 0 to 2 and 4 to 10 are a link's and 3 is a schedule's, each a constant in the file that draws it; a
/// number never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Effect(u16);

impl Effect {
    pub(in crate::logic) const fn new(number: u16) -> Self {
        Self(number)
    }

    /// That of one copy of a datagram, the original being copy 0.
    pub(in crate::logic) fn of_copy(self, copy: u8) -> Self {
        Self(self.0 | u16::from(copy) << 8)
    }
}

/// All the uniforms of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uniforms {
    key: [u32; 2],
}

impl Uniforms {
    /// The uniforms of a 64-bit key (see [`Seed::key`](super::Seed::key)).
    pub fn new(key: u64) -> Self {
        Self { key: halves(key) }
    }

    /// 64 uniform bits for the packet `index` (counted from 0) of a client.
    ///
    /// Key: the seed, low word first. Counter: index low, index high, client, direction << 16 | effect. The
    /// result is the first two output words, low word first.
    pub fn draw(&self, direction: Direction, client: u32, effect: Effect, index: u64) -> u64 {
        let [low, high] = halves(index);
        let purpose = (u32::from(direction as u16) << 16) | u32::from(effect.0);
        let [first, second, ..] = philox4x32_10([low, high, client, purpose], self.key);
        u64::from(first) | u64::from(second) << 32
    }
}

/// Philox4x32-10: 128 bits of counter and 64 of key to 128 uniform bits.
pub(super) fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85]; // golden ratio and sqrt(3) - 1
    let ([mut x0, mut x1, mut x2, mut x3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let [low0, high0] = halves(u64::from(MULTIPLIERS[0]) * u64::from(x0));
        let [low1, high1] = halves(u64::from(MULTIPLIERS[1]) * u64::from(x2));
        (x0, x1, x2, x3) = (high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0);
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [x0, x1, x2, x3]
}

/// Low and high word.
#[expect(clippy::cast_possible_truncation, reason = "taking a number apart")]
pub(super) fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `kat_vectors`, published with Random123.
    #[test]
    fn philox_gives_the_published_answers() {
        let zero = philox4x32_10([0; 4], [0; 2]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = philox4x32_10([u32::MAX; 4], [u32::MAX; 2]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi =
            philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }
}
