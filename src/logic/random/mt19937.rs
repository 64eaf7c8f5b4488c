//! Python's `random`, bit for bit: MT19937 (Matsumoto and Nishimura, 1998) seeded and read as
//! `random.seed(n)`, `getrandbits` and `randint` do, so that a course's `random.seed(42)` loses the same
//! packets here.

const N: usize = 624;
const M: usize = 397;

/// The generator behind Python's `random`.
#[derive(Clone)]
pub struct Mt19937 {
    state: [u32; N],
    next: usize,
}

impl Mt19937 {
    /// As `random.seed(n)`, given |n| in 32-bit words, lowest first; zero may be one word or none.
    pub fn new(words: &[u32]) -> Self {
        let words = if words.is_empty() { &[0] } else { words };
        let mut state = linear_start(19_650_218);
        let mut i = 0;
        for round in 0..N.max(words.len()) {
            let j = round % words.len();
            i = advance(&mut state, i);
            state[i] =
                (state[i] ^ spread(state[i - 1], 1_664_525)).wrapping_add(words[j]).wrapping_add(low(j));
        }
        for _ in 1..N {
            i = advance(&mut state, i);
            state[i] = (state[i] ^ spread(state[i - 1], 1_566_083_941)).wrapping_sub(low(i));
        }
        state[0] = 0x8000_0000;
        Self { state, next: N }
    }

    /// As `random.randint(low, high)`; `low` must not be above `high`.
    pub fn randint(&mut self, low: i64, high: i64) -> i64 {
        debug_assert!(low <= high);
        let width = (i128::from(high) - i128::from(low)).unsigned_abs() + 1;
        let bits = u128::BITS - width.leading_zeros();
        loop {
            let drawn = self.getrandbits(bits);
            if drawn < width {
                // Neither cuts anything off: drawn is below 2^64, and the sum is at most `high`.
                #[expect(clippy::cast_possible_truncation, reason = "see above")]
                return low.wrapping_add_unsigned(drawn as u64);
            }
        }
    }

    /// As `random.getrandbits(bits)`, for up to 128: whole words lowest first, the last one shifted down.
    pub fn getrandbits(&mut self, bits: u32) -> u128 {
        debug_assert!(bits <= u128::BITS);
        let mut value = 0;
        let mut filled = 0;
        while filled < bits {
            let word = self.next_u32() >> (u32::BITS - (bits - filled).min(u32::BITS));
            value |= u128::from(word) << filled;
            filled += u32::BITS;
        }
        value
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }
}

/// `init_genrand` of the reference implementation.
fn linear_start(seed: u32) -> [u32; N] {
    let mut state = [seed; N];
    for i in 1..N {
        let before = state[i - 1];
        state[i] = spread(before, 1_812_433_253).wrapping_add(low(i));
    }
    state
}

/// The word after `i`; past the end the last is carried to the front, and the second comes next.
fn advance(state: &mut [u32; N], i: usize) -> usize {
    if i + 1 < N {
        return i + 1;
    }
    state[0] = state[N - 1];
    1
}

fn spread(before: u32, multiplier: u32) -> u32 {
    (before ^ (before >> 30)).wrapping_mul(multiplier)
}

#[expect(clippy::cast_possible_truncation, reason = "the reference adds indices modulo 2^32")]
fn low(index: usize) -> u32 {
    index as u32
}

impl std::fmt::Debug for Mt19937 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mt19937").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The expected numbers come from Python 3.11.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::random::Seed;

    fn python(seed: &str) -> Mt19937 {
        Mt19937::new(seed.parse::<Seed>().unwrap().words())
    }

    /// `mt19937ar.out`, published with the reference implementation.
    #[test]
    fn it_agrees_with_the_reference() {
        let mut generator = Mt19937::new(&[0x123, 0x234, 0x345, 0x456]);
        let first = [(); 5].map(|()| generator.next_u32());
        assert_eq!(first, [1_067_595_299, 955_945_823, 477_289_528, 4_107_218_783, 4_228_976_476]);
        let last = (5..1_000).map(|_| generator.next_u32()).last();
        assert_eq!(last, Some(3_460_025_646));
    }

    #[test]
    fn seeds_of_any_size_and_sign_are_pythons() {
        let googol = format!("1{}", "0".repeat(100));
        let cases = [
            ("0", [3_626_764_237, 1_654_615_998, 3_255_389_356]),
            ("-1", [577_090_037, 2_444_712_010, 3_639_700_191]),
            ("42", [2_746_317_213, 478_163_327, 107_420_369]),
            ("-42", [2_746_317_213, 478_163_327, 107_420_369]),
            ("4294967296", [485_306_839, 1_508_871_100, 1_794_561_286]),
            ("18446744073709551617", [437_050_517, 3_681_013_637, 3_113_036_029]),
            ("-1180591620717411303424", [999_817_988, 4_080_621_250, 1_782_696_399]),
            (&googol, [3_143_547_426, 3_358_266_413, 2_318_994_878]),
        ];
        for (seed, expected) in cases {
            let mut generator = python(seed);
            assert_eq!([(); 3].map(|()| generator.next_u32()), expected, "{seed}");
        }
    }

    #[test]
    fn randint_is_pythons() {
        let mut generator = python("42");
        let drawn = [(); 20].map(|()| generator.randint(0, 10));
        assert_eq!(drawn, [10, 1, 0, 4, 3, 3, 2, 1, 10, 8, 1, 9, 6, 0, 0, 1, 3, 3, 8, 9]);
    }

    /// Ranges of one value, of 32 bits and one more, and of all 64: the last number shows how much was drawn.
    #[test]
    fn wide_ranges_are_pythons() {
        let words = [647_892_279, 2_795_742_288, 2_301_595_691, 2_179_419_893, 161_042_648, 1_862_494_042];
        let all = [
            8_261_657_684_473_197_624,
            2_784_249_659_845_191_438,
            -8_531_699_129_511_414_324,
            -1_509_457_273_540_090_022,
            8_258_772_313_671_944_433,
            1_577_960_769_301_841_103,
        ];
        let from_zero = [
            7_283_207_964_119_141_687,
            890_727_360_438_182_992,
            1_736_392_818_365_009_963,
            3_960_482_443_532_127_989,
            1_585_446_675_937_841_368,
            7_713_914_763_314_685_786,
        ];
        let forty = [
            285_805_288_267,
            1_041_975_902_462,
            1_034_389_053_354,
            421_913_238_836,
            873_924_282_545,
            507_453_033_542,
        ];
        let beyond = [5_373_800_487, 4_787_893_718, 8_153_784_614, 6_787_113_775, 2_607_226_339, 670_595_870];
        let cases = [
            ("7", 5, 5, [5; 6], 1_570_621_944),
            ("7", -10, 10, [0, -6, 2, 10, -9, -8], 3_527_346_212),
            ("7", 0, (1 << 32) - 1, words, 300_026_767),
            ("7", 0, 1 << 32, words, 300_026_767),
            ("7", i64::MIN, i64::MAX, all, 212_984_476),
            ("7", 0, i64::MAX, from_zero, 300_026_767),
            ("-3", 1, 1 << 40, forty, 2_726_705_791),
            ("1208925819614629174706176", 0, 1 << 33, beyond, 3_015_225_566),
        ];
        for (seed, low, high, expected, next) in cases {
            let mut generator = python(seed);
            assert_eq!([(); 6].map(|()| generator.randint(low, high)), expected, "{seed}: {low} to {high}");
            assert_eq!(generator.next_u32(), next, "{seed}: {low} to {high}");
        }
    }

    /// 20 draws of each of the seeds -500^9 to 499^9, as one FNV-1a hash.
    #[test]
    fn a_thousand_seeds_are_pythons() {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for base in -500_i128..500 {
            let mut generator = python(&base.pow(9).to_string());
            for _ in 0..20 {
                let drawn = generator.randint(0, 10).unsigned_abs();
                hash = (hash ^ drawn).wrapping_mul(0x100_0000_01b3);
            }
        }
        assert_eq!(hash, 0x60f9_6406_946c_922c);
    }
}
