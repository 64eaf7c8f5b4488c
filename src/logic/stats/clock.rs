//! The offset of a server's clock from ours, as intervals, and one-way delays with a bound.
//!
//! Each answered ping has four times: sent, received by the server, sent by the server, received. By the two clocks, the way
//! up took `up = server_recv - sent`, which is the delay plus the offset, and `down = server_sent - recv` is the offset less
//! the delay of the way down. Delays are not negative, so the offset is between `down` and `up` at that moment. Two clocks
//! whose rates differ by `rate` at most carry that interval to every other moment, where it grows by the time between.
//!
//! Nobody can know more from such times: a longer way up with a shorter way down looks like another offset.

mod line;

pub use self::line::Line;

use super::Sample;
use crate::logic::{Invalid, Nanos};

/// Times are cut to this, so that no difference of two overflows: the year 2116.
const FARTHEST: Nanos = Nanos::MAX >> 1;

/// The four times of an answered ping, in nanoseconds since 1970, each by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The ping was sent, by our clock, or later.
    pub sent: i64,
    /// The server received it, by its clock, or later.
    pub server_recv: i64,
    /// The server sent the reply, by its clock, or earlier.
    pub server_sent: i64,
    /// The reply was received, by our clock, or later.
    pub recv: i64,
}

/// By how much the rates of two clocks differ at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxRate {
    /// Parts per billion.
    ppb: u64,
}

/// An interval that has the offset of the server's clock, ours subtracted from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// The least.
    pub low: Nanos,
    /// The greatest.
    pub high: Nanos,
}

/// One of the two clocks was set between these times of ours, or ran faster or slower than [`MaxRate`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// After this.
    pub after: i64,
    /// Before this.
    pub before: i64,
}

/// The offset at each of some exchanges.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    /// In the order of their sending.
    pub exchanges: Vec<Exchange>,
    /// The number of the row of each.
    pub rows: Vec<usize>,
    /// The offset when each was sent.
    pub offsets: Vec<Offset>,
    /// The times at which no one offset fits all.
    pub steps: Vec<Step>,
    /// Replies whose server says that it held them for longer than the round trip took: left out.
    pub impossible: u64,
    rate: MaxRate,
}

/// The way up and down of one ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneWay {
    /// The delay of the way up, for an offset in the middle of its interval.
    pub up: Nanos,
    /// The delay of the way down, likewise.
    pub down: Nanos,
    /// Each may be shorter or longer by this, one as much as the other is the opposite.
    pub error: Nanos,
}

impl MaxRate {
    /// Crystals without any correction: a bound that is safe for computers.
    pub const DEFAULT: Self = Self { ppb: 200_000 };

    /// A rate in parts per million.
    ///
    /// # Errors
    /// It is not from 0 to 100,000.
    pub fn ppm(ppm: f64) -> Result<Self, Invalid> {
        if !(0.0..=100_000.0).contains(&ppm) {
            return Err(Invalid::new("max_rate_ppm", ppm, "parts per million from 0 to 100000, such as 200"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range, as just checked"
        )]
        Ok(Self { ppb: (ppm * 1e3).ceil() as u64 })
    }

    /// By how much the offset can change within a time.
    fn drift(self, time: i64) -> Nanos {
        let product = u128::from(time.unsigned_abs()) * u128::from(self.ppb);
        i64::try_from(product.div_ceil(1_000_000_000)).unwrap_or(FARTHEST).min(FARTHEST)
    }
}

impl Exchange {
    /// The four times of a row; `None` where the ping has no reply, or the reply no time of its server.
    ///
    /// Where the server gave one time, it stands for both, and our own program's times are taken before the kernel's:
    /// all that makes the interval wider, never wrong.
    fn of(sample: &Sample<'_>, row: usize) -> Option<Self> {
        let (sent, server_recv, server_sent) = sample.exchange(row)?;
        let (rtt, user_rtt) = (sample.any_reply(row)?, sample.user_rtt(row));
        let cut = |time: i64| time.clamp(-FARTHEST, FARTHEST);
        let (sent, server_recv, server_sent) = (cut(sent), cut(server_recv), cut(server_sent));
        let recv = sent.saturating_add(user_rtt.unwrap_or(rtt).max(rtt).max(0));
        Some(Self { sent, server_recv, server_sent, recv: recv.min(FARTHEST) })
    }

    /// The time in which the server held the reply.
    pub fn hold(&self) -> Nanos {
        self.server_sent - self.server_recv
    }

    /// Between which the offset was when the ping was sent.
    fn bounds(&self, rate: MaxRate) -> Offset {
        let drift = rate.drift(self.recv.saturating_sub(self.sent));
        Offset {
            low: (self.server_sent - self.recv).saturating_sub(drift),
            high: (self.server_recv - self.sent).saturating_add(drift),
        }
    }
}

impl Offset {
    fn is_possible(self) -> bool {
        self.low <= self.high
    }

    fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    fn or(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The same some time later or earlier.
    fn after(self, time: i64, rate: MaxRate) -> Self {
        let drift = rate.drift(time);
        Self { low: self.low.saturating_sub(drift), high: self.high.saturating_add(drift) }
    }

    /// The offset in the middle.
    pub fn middle(self) -> Nanos {
        self.low.midpoint(self.high)
    }

    /// Half of its width.
    pub fn half(self) -> Nanos {
        self.high.abs_diff(self.low).div_ceil(2).try_into().unwrap_or(Nanos::MAX)
    }
}

impl Clock {
    /// The offset between the clocks of one target and ours, from the pings of all samples.
    ///
    /// # Errors
    /// A sample has no times of the server.
    pub fn of(samples: &[Sample<'_>], rate: MaxRate) -> Result<Self, Invalid> {
        let (mut all, mut first, mut impossible) = (Vec::new(), 0, 0);
        for sample in samples {
            sample.need_server_times("the offset of a clock")?;
            for row in 0..sample.len() {
                let Some(exchange) = Exchange::of(sample, row) else { continue };
                if exchange.hold() >= 0 && exchange.bounds(rate).is_possible() {
                    all.push((first + row, exchange));
                } else {
                    impossible += 1;
                }
            }
            first += sample.len();
        }
        all.sort_by_key(|(_, exchange)| exchange.sent);
        let (rows, exchanges): (_, Vec<_>) = all.into_iter().unzip();
        let (offsets, steps) = offsets(&exchanges, rate);
        Ok(Self { exchanges, rows, offsets, steps, impossible, rate })
    }

    /// The ways of each ping, in the order of sending.
    pub fn one_way(&self) -> impl Iterator<Item = OneWay> {
        self.exchanges.iter().zip(&self.offsets).map(|(exchange, offset)| {
            let up = (exchange.server_recv - exchange.sent).saturating_sub(offset.middle());
            let down = (exchange.recv - exchange.server_sent).saturating_add(offset.middle());
            OneWay { up, down, error: offset.half() }
        })
    }

    /// The clocks as a straight line; `None` where their rates changed, and where one was set.
    pub fn line(&self) -> Option<Line> {
        Line::of(&self.exchanges, self.rate)
    }

    /// The narrowest interval, and which it is.
    pub fn narrowest(&self) -> Option<(usize, Offset)> {
        self.offsets.iter().copied().enumerate().min_by_key(|(_, offset)| offset.half())
    }
}

/// The offset at each exchange, and where no one offset fits all, in one pass forward and one back.
///
/// Where exchange `i` is the first that cannot be together with those before it, and `a` the last of those that exclude it, a
/// clock was set between the two. Up to `a` the old offset holds and from `i` on the new one. In between it is the one or
/// the other: the interval has both.
fn offsets(exchanges: &[Exchange], rate: MaxRate) -> (Vec<Offset>, Vec<Step>) {
    let bounds = |place: usize| exchanges[place].bounds(rate);
    let gap = |from: usize, to: usize| exchanges[to].sent.saturating_sub(exchanges[from].sent);
    let mut found: Vec<Offset> = Vec::with_capacity(exchanges.len());
    let (mut start, mut breaks) = (0, Vec::new());
    for place in 0..exchanges.len() {
        let own = bounds(place);
        let carried = if place > start { found[place - 1].after(gap(place - 1, place), rate) } else { own };
        let both = carried.and(own);
        if both.is_possible() {
            found.push(both);
            continue;
        }
        let excludes = |other: &usize| !bounds(*other).after(gap(*other, place), rate).and(own).is_possible();
        let last = (start..place).rev().find(excludes).unwrap_or(place - 1);
        breaks.push((last, place));
        found.push(own);
        start = place;
    }
    let mut end = exchanges.len();
    for (last, first) in breaks.iter().rev().copied().chain([(0, 0)]) {
        let mut back: Option<Offset> = None;
        for place in (first..end).rev() {
            let own = bounds(place);
            let carried = back.map_or(own, |back| back.after(gap(place, place + 1), rate).and(own));
            found[place] = found[place].and(carried);
            back = Some(carried);
        }
        for place in (last + 1..first).rev() {
            let Some(later) = back else { break };
            let carried = later.after(gap(place, place + 1), rate).and(bounds(place));
            back = carried.is_possible().then_some(carried);
            found[place] = back.map_or(found[place], |back| found[place].or(back));
        }
        end = last + 1;
    }
    let steps = breaks
        .iter()
        .map(|(last, first)| Step { after: exchanges[*last].sent, before: exchanges[*first].recv });
    (found, steps.collect())
}

#[cfg(test)]
mod tests;
