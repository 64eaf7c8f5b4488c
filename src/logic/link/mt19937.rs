//! Python's `random`, bit for bit: MT19937 (Matsumoto and Nishimura, 1998) seeded and read as `random.seed(n)`,
//! `getrandbits` and `randint` do, so that a course's `random.seed(42)` loses the same packets here.

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
    #[must_use]
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
