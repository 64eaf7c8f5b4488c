//! Which packets are lost: by an exact chance, in bursts, by a pattern or a list, or as Python's `randint` has it.
//!
//! `burst`, `gilbert-elliott`, `gilbert-elliott-time` and `correlated` keep the state that the last packet left, and `randint` its
//! generator; all others decide a packet from its number alone.

mod chain;
mod correlated;
#[cfg(test)]
mod tests;
mod timed;

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use self::chain::Chain;
pub use self::chain::{Burst, GilbertElliott};
pub(super) use self::correlated::Correlated;
use self::correlated::Walk;
pub use self::timed::GilbertElliottTime;
use self::timed::{Channel, Seen};
use super::copula::Normal;
use super::packet::Transmission;
use crate::logic::Invalid;
use crate::logic::random::{Effect, Mt19937};
use crate::logic::text::{Probability, Threshold};

impl Effect {
    /// Whether a packet is lost.
    pub const LOSS: Self = Self::new(0);
}

const EXPECTED: &str = "a probability from 0 to 1 (0.3), a percentage (30%), a fraction (4/11), burst:5%,3, \
                        gilbert-elliott:1%,25%, gilbert-elliott-time:10s,500ms, correlated:5%,0.9, pattern:.xx., every:10, list:3,7, trace:.x..x, trace-repeat:.x..x or \
                        randint:0,10,4";

/// A model of loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Each packet with this probability, whatever happens to the others.
    Bernoulli(Probability),
    /// A share of packets, lost in runs of some mean length.
    Burst(Burst),
    /// A channel that is good or bad, and stays so for a while.
    GilbertElliott(GilbertElliott),
    /// The same in time.
    GilbertElliottTime(GilbertElliottTime),
    /// A share of packets, each the more likely lost the nearer the last was to it.
    Correlated(Correlated),
    /// The marks again and again.
    Pattern(Marks),
    /// Each n-th packet: for 10 the 10th, the 20th and so on.
    Every(NonZeroU64),
    /// The packets of these numbers, counted from 1.
    List(Numbers),
    /// The marks once, then nothing is lost.
    Trace(Marks),
    /// A recorded run again and again: a [`Loss::Pattern`] of another origin.
    TraceRepeat(Marks),
    /// As a Python server that draws `random.randint(low, high)` for each datagram.
    RandInt(RandInt),
}

/// A packet each: lost (`x`) or not (`.`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks(Box<[bool]>);

/// Transmission numbers, in order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(Box<[u64]>);

/// Lost if and only if `randint(low, high) < below`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandInt {
    low: i64,
    high: i64,
    below: i128,
}

impl Loss {
    /// No loss.
    pub const NONE: Self = Self::Bernoulli(Probability::ZERO);

    /// The share of packets lost in the long run, exactly; `None` where there is no long run (list, trace) or the
    /// fraction has more than 37 digits.
    pub fn exact_mean(&self) -> Option<Probability> {
        match self {
            Self::Bernoulli(probability) => Some(*probability),
            Self::Burst(burst) => Some(burst.loss()),
            Self::Correlated(correlated) => Some(correlated.loss()),
            Self::GilbertElliott(channel) => channel.exact_mean(),
            Self::GilbertElliottTime(channel) => channel.exact_mean(),
            Self::Pattern(marks) | Self::TraceRepeat(marks) => marks.mean(),
            Self::Every(n) => Probability::new(1, n.get()).ok(),
            Self::List(_) | Self::Trace(_) => None,
            Self::RandInt(randint) => Some(randint.mean()),
        }
    }

    /// The share of packets lost in the long run; `None` where there is none (list, trace).
    pub fn mean_loss(&self) -> Option<f64> {
        match self {
            Self::GilbertElliott(channel) => Some(channel.mean_loss()),
            Self::GilbertElliottTime(channel) => Some(channel.mean_loss()),
            _ => self.exact_mean().map(|mean| mean.as_f64()),
        }
    }

    /// The name of the kind, as its text begins.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bernoulli(_) => "bernoulli",
            Self::Burst(_) => "burst",
            Self::GilbertElliott(_) => "gilbert-elliott",
            Self::GilbertElliottTime(_) => "gilbert-elliott-time",
            Self::Correlated(_) => "correlated",
            Self::Pattern(_) => "pattern",
            Self::Every(_) => "every",
            Self::List(_) => "list",
            Self::Trace(_) => "trace",
            Self::TraceRepeat(_) => "trace-repeat",
            Self::RandInt(_) => "randint",
        }
    }

    /// The parameters of a channel by name, as numerator and denominator; none of the other kinds.
    pub fn parameters(&self) -> Vec<(&'static str, (u128, u128))> {
        match self {
            Self::Burst(burst) => {
                vec![("loss", burst.loss().fraction()), ("mean_run", burst.exact_mean_run())]
            }
            Self::GilbertElliott(channel) => {
                let chances = channel.chances().map(|chance| chance.fraction());
                ["p", "r", "loss_good", "loss_bad"].into_iter().zip(chances).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The rule that decides.
    pub(super) fn rule(&self) -> Rule {
        match self {
            Self::Bernoulli(probability) => Rule::Chance(probability.threshold()),
            Self::Burst(burst) => Rule::Chain(burst.chain()),
            Self::GilbertElliott(channel) => Rule::Chain(channel.chain()),
            Self::GilbertElliottTime(channel) => Rule::Channel(channel.channel()),
            Self::Correlated(correlated) => Rule::Walk(correlated.walk()),
            Self::Pattern(marks) | Self::TraceRepeat(marks) => Rule::Repeat(marks.0.clone()),
            Self::Every(n) => Rule::Every(*n),
            Self::List(numbers) => Rule::List(numbers.0.clone()),
            Self::Trace(marks) => Rule::Once(marks.0.clone()),
            Self::RandInt(randint) => Rule::RandInt(*randint),
        }
    }
}

/// A [`Loss`] made ready to decide.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    Chance(Threshold),
    Chain(Chain),
    Channel(Channel),
    Walk(Walk),
    Repeat(Box<[bool]>),
    Once(Box<[bool]>),
    Every(NonZeroU64),
    List(Box<[u64]>),
    RandInt(RandInt),
}

/// What a model keeps from one packet of a stream to the next.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether the channel is bad; `None` before the first packet.
    bad: Option<bool>,
    /// The normal number of the last packet.
    normal: Option<Normal>,
    /// What the last packets met of a channel in time.
    seen: Option<Seen>,
    /// Made when `randint` first draws; 2.5 KB.
    generator: Option<Box<Mt19937>>,
}

impl Rule {
    /// Whether what was decided for one packet moves what is decided for the next.
    pub(super) fn has_state(&self) -> bool {
        matches!(self, Self::Chain(_) | Self::Channel(_) | Self::Walk(_) | Self::RandInt(_))
    }

    /// Whether the packet is lost; draws only what it needs.
    pub(super) fn loses(&self, sent: &Transmission<'_>, state: &mut State) -> bool {
        let number = sent.number;
        match self {
            Self::Chance(threshold) => {
                threshold.certain().unwrap_or_else(|| threshold.met_by(sent.uniform(Effect::LOSS)))
            }
            Self::Chain(chain) => chain.loses(&mut state.bad, |effect| sent.uniform(effect)),
            Self::Channel(channel) => {
                channel.loses(&mut state.seen, sent.packet.at, |effect| sent.uniform(effect))
            }
            Self::Walk(walk) => walk.loses(&mut state.normal, sent.uniform(Effect::STATE)),
            Self::Repeat(marks) => marks[position(number, marks.len())],
            Self::Once(marks) => usize::try_from(number - 1).is_ok_and(|at| marks.get(at) == Some(&true)),
            Self::Every(n) => number.is_multiple_of(n.get()),
            Self::List(numbers) => numbers.binary_search(&number).is_ok(),
            Self::RandInt(randint) => {
                let new = || Box::new(Mt19937::new(sent.seed.words()));
                randint.loses(state.generator.get_or_insert_with(new))
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below a usize")]
fn position(number: u64, len: usize) -> usize {
    ((number - 1) % len as u64) as usize
}

impl Marks {
    /// How many packets they are for.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn mean(&self) -> Option<Probability> {
        let lost = self.0.iter().filter(|lost| **lost).count();
        Probability::new(lost as u64, self.count()).ok()
    }
}

impl RandInt {
    /// The exact share of packets lost: 4/11 for `randint(0, 10) < 4`.
    pub fn mean(&self) -> Probability {
        let (low, values) = (i128::from(self.low), i128::from(self.high) - i128::from(self.low) + 1);
        let lost = self.below.saturating_sub(low).clamp(0, values);
        Probability::of(lost.unsigned_abs(), values.unsigned_abs())
    }

    fn loses(self, generator: &mut Mt19937) -> bool {
        i128::from(generator.randint(self.low, self.high)) < self.below
    }
}

impl Default for Loss {
    fn default() -> Self {
        Self::NONE
    }
}

impl FromStr for Loss {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = match text.trim().split_once(':') {
            None => probability(text),
            Some(("bernoulli", p)) => probability(p),
            Some(("burst", pair)) => Burst::read(pair).map(Self::Burst),
            Some(("gilbert-elliott", chances)) => GilbertElliott::read(chances).map(Self::GilbertElliott),
            Some(("gilbert-elliott-time", times)) => {
                GilbertElliottTime::read(times).map(Self::GilbertElliottTime)
            }
            Some(("correlated", pair)) => Correlated::read(pair).map(Self::Correlated),
            Some(("pattern", marks)) => Marks::read(marks).map(Self::Pattern),
            Some(("trace", marks)) => Marks::read(marks).map(Self::Trace),
            Some(("trace-repeat", marks)) => Marks::read(marks).map(Self::TraceRepeat),
            Some(("every", n)) => n.trim().parse().map(Self::Every).map_err(|_| {
                "every:n with a whole number n from 1 to 2^64 - 1: every:10 loses the 10th, the 20th and so on".into()
            }),
            Some(("list", numbers)) => Numbers::read(numbers).map(Self::List),
            Some(("randint", numbers)) => return RandInt::read(text, numbers).map(Self::RandInt),
            Some(_) => Err(EXPECTED.into()),
        };
        parsed.map_err(|expected| refuse(text, expected))
    }
}

fn refuse(text: &str, expected: impl Into<String>) -> Invalid {
    Invalid::quoted("loss", text, expected)
}

fn probability(text: &str) -> Result<Loss, String> {
    if !text.is_empty() && text.bytes().all(|mark| b".xX".contains(&mark)) {
        return Err(format!("{EXPECTED}; for these marks write \"pattern:{text}\""));
    }
    match text.parse() {
        Ok(probability) => Ok(Loss::Bernoulli(probability)),
        Err(Invalid { expected, .. }) if text.contains(|c: char| c.is_ascii_digit()) => Err(expected),
        Err(_) => Err(EXPECTED.into()),
    }
}

impl Marks {
    fn read(text: &str) -> Result<Self, String> {
        let mark = |(at, mark): (usize, char)| match mark {
            '.' => Ok(false),
            'x' | 'X' => Ok(true),
            other => Err(format!(
                "marks, . for a packet that passes and x for a lost one, not {other:?} at {}",
                at + 1
            )),
        };
        let marks = text.trim().chars().enumerate().map(mark).collect::<Result<Box<[_]>, _>>()?;
        if marks.is_empty() {
            return Err("one mark at least, . for a packet that passes and x for a lost one".into());
        }
        Ok(Self(marks))
    }
}

impl Numbers {
    fn read(text: &str) -> Result<Self, String> {
        let expected = || "packet numbers from 1, separated by commas: list:3,7".to_owned();
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        let mut numbers = text
            .split(',')
            .map(|number| number.trim().parse().ok().filter(|number| *number > 0).ok_or_else(expected))
            .collect::<Result<Vec<u64>, _>>()?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Self(numbers.into()))
    }
}

impl RandInt {
    fn read(text: &str, numbers: &str) -> Result<Self, Invalid> {
        let expected = "randint:low,high,below with three integers (low and high of 64 bits, below of 128): \
                        randint:0,10,4 loses 4 of 11";
        let read = || {
            let mut numbers = numbers.split(',').map(str::trim);
            let (low, high, below) = (numbers.next()?, numbers.next()?, numbers.next()?);
            let values = (low.parse().ok()?, high.parse().ok()?, below.parse().ok()?);
            numbers.next().is_none().then_some(values)
        };
        let (low, high, below) = read().ok_or_else(|| refuse(text, expected))?;
        if low > high {
            return Err(refuse(text, "low not above high, such as randint:0,10,4"));
        }
        Ok(Self { low, high, below })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Bernoulli(probability) = self {
            return write!(f, "{probability}");
        }
        write!(f, "{}:", self.kind())?;
        match self {
            Self::Bernoulli(_) => Ok(()),
            Self::Burst(burst) => write!(f, "{burst}"),
            Self::GilbertElliott(channel) => write!(f, "{channel}"),
            Self::GilbertElliottTime(channel) => write!(f, "{channel}"),
            Self::Correlated(correlated) => write!(f, "{correlated}"),
            Self::Pattern(marks) | Self::Trace(marks) | Self::TraceRepeat(marks) => write!(f, "{marks}"),
            Self::Every(n) => write!(f, "{n}"),
            Self::List(numbers) => write!(f, "{numbers}"),
            Self::RandInt(RandInt { low, high, below }) => write!(f, "{low},{high},{below}"),
        }
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|lost| f.write_str(if *lost { "x" } else { "." }))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, number)| {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{number}")
        })
    }
}
