//! Makes inputs of others: by bytes, by words, by numbers, and by parts of two.

use udpping::logic::random::Mt19937;

/// The longest input that is made.
const LONGEST: usize = 4_096;

/// Where grammars and counters end.
const EDGES: [&str; 16] = [
    "0",
    "-1",
    "1e308",
    "1e-320",
    "nan",
    "inf",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "0.1",
    "100%",
    "ü",
    "\u{202e}",
];

/// A source of inputs, which repeats with its seed.
pub(super) struct Mutator {
    random: Mt19937,
    corpus: Vec<Vec<u8>>,
    made: Vec<u8>,
}

impl Mutator {
    pub(super) fn new(seed: u32, corpus: Vec<Vec<u8>>) -> Self {
        Self { random: Mt19937::new(&[seed]), corpus, made: Vec::new() }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.next_u32() as usize % bound.max(1)
    }

    /// A part of an input of the corpus.
    fn part(&mut self) -> Vec<u8> {
        let from = self.below(self.corpus.len());
        let len = self.corpus[from].len();
        let (start, length) = (self.below(len), 1 + self.below(24));
        self.corpus[from][start..len.min(start + length)].to_vec()
    }

    /// The next input.
    pub(super) fn next(&mut self) -> &[u8] {
        let from = self.below(self.corpus.len());
        let mut made = std::mem::take(&mut self.made);
        made.clone_from(&self.corpus[from]);
        for _ in 0..=self.below(4) {
            self.change(&mut made);
        }
        made.truncate(LONGEST);
        self.made = made;
        &self.made
    }

    fn change(&mut self, made: &mut Vec<u8>) {
        let at = self.below(made.len() + 1);
        let end = made.len().min(at + 1 + self.below(16));
        match self.below(8) {
            0 if at < made.len() => made[at] ^= 1 << self.below(8),
            1 if at < made.len() => made[at] = self.random.next_u32().to_le_bytes()[0],
            2 => drop(made.splice(at..end, [])),
            3 => {
                let part = made[at..end].repeat(1 + self.below(6));
                made.splice(at..at, part);
            }
            4 => {
                let part = self.part();
                made.splice(at..end, part);
            }
            5 => {
                let part = self.part();
                made.splice(at..at, part);
            }
            6 => made.truncate(at),
            // A number at the place, or what is there, gives way to one at an edge.
            _ => {
                let digits = made[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let edge = EDGES[self.below(EDGES.len())];
                made.splice(at..at + digits, edge.bytes());
            }
        }
    }
}
