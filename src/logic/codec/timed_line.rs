//! Text lines that ask a server for its times. A ping ends with a slot, ` times? RUN NUMBER ... SUM`, and a server that tells
//! its times fills it: ` times: RUN NUMBER ...`. So the reply is as long as the ping, and one without times is that of any
//! server. The sum (CRC-32) covers all before it: what was changed on the way asks nothing, and tells nothing.

use std::io::Write as _;

use super::{Codec, Previous, Reading, Seq, ServerTimes, TextLine, Window};
use crate::logic::time_source::TimeSource;

/// Bytes of a slot.
pub const SLOT: usize = 167;
const ASKS: &[u8] = b" times?";
const TELLS: &[u8] = b" times:";
/// Digits of the sum.
const SUM: usize = 8;
/// Bytes of a field before the slot, by which a ping asks when the reply before left.
const FOLLOW_UP: usize = 32;
const FOLLOWS: &[u8] = b" sent?                          ";
const FOLLOWED: &[u8] = b" sent:";

/// Which ping asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask {
    /// Tells runs apart that come from one address and port.
    pub run: u32,
    /// The number of the ping in its run, from 0.
    pub number: u32,
    /// Whether it also asks when earlier replies left.
    pub follow_up: bool,
}

/// What a server tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Which ping this is for.
    pub ask: Ask,
    /// When the ping arrived, in nanoseconds since 1970.
    pub received: i64,
    /// Whether the kernel says so.
    pub by_kernel: bool,
    /// When the reply was sent.
    pub sent: i64,
    /// What was received so far; `highest` is the number of a ping in its run.
    pub window: Window,
    /// An earlier reply, and when it left, for who asks.
    pub previous: Option<Previous>,
}

/// A ping that asks, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What stands before the slot.
    pub text: &'a [u8],
    /// What is asked.
    pub ask: Ask,
    /// The spaces behind the slot.
    pub padding: &'a [u8],
}

/// Text lines that ask for times.
#[derive(Debug, Clone)]
pub struct TimedLine {
    line: TextLine,
    run: u32,
    /// The ping that has number 0.
    first_seq: u64,
    /// Whether pings ask when the reply before left.
    follow_up: bool,
}

/// Reads a ping that asks.
pub fn asked(ping: &[u8]) -> Option<Asked<'_>> {
    let (text, slot, padding) = opened(ping, ASKS)?;
    let mut fields = slot.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    let line = text.strip_suffix(FOLLOWS);
    let ask = Ask { run: hex(fields.next()?)?, number: hex(fields.next()?)?, follow_up: line.is_some() };
    Some(Asked { text: line.unwrap_or(text), ask, padding })
}

impl Asked<'_> {
    /// Bytes of what a reply adds to its text.
    pub fn len_of_told(&self) -> usize {
        SLOT + if self.ask.follow_up { FOLLOW_UP } else { 0 }
    }
}

/// Appends the slot of a reply, whose text begins at `start`; before it when the reply before left, if that is asked.
pub fn tell(told: &Told, follow_up: bool, out: &mut Vec<u8>, start: usize) {
    let Told { ask: Ask { run, number, .. }, received, by_kernel, sent, window, previous } = *told;
    match previous {
        Some(Previous { seq, sent }) if follow_up => {
            out.extend_from_slice(FOLLOWED);
            let _ = write!(out, " {seq:08x} {sent:016x}");
        }
        _ => out.extend_from_slice(if follow_up { FOLLOWS } else { b"" }),
    }
    let Window { session, counter, unique, highest, bits, late, latest_late: [one, two, three] } = window;
    let stamp = if by_kernel { 'k' } else { 'u' };
    out.extend_from_slice(TELLS);
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        " {run:08x} {number:08x} {session:016x} {received:016x} {sent:016x} {counter:08x} {unique:08x} {highest:08x} \
         {bits:016x} {late:08x} {one:08x} {two:08x} {three:08x} {stamp}"
    );
    seal(out, start);
}

/// Reads a reply that tells.
fn told(reply: &[u8]) -> Option<Told> {
    let (text, slot, _) = opened(reply, TELLS)?;
    let mut fields = slot.split(|byte| *byte == b' ').skip(1);
    let (run, number) = (hex(fields.next()?)?, hex(fields.next()?)?);
    let ask = Ask { run, number, follow_up: text.ends_with(FOLLOWS) || followed(text).is_some() };
    let mut time = || hex::<u64>(fields.next()?).map(u64::cast_signed);
    let (session, received, sent) = (time()?, time()?, time()?);
    let mut count = || hex(fields.next()?);
    let (counter, unique, highest) = (count()?, count()?, count()?);
    let bits = hex(fields.next()?)?;
    let mut count = || hex(fields.next()?);
    let (late, latest_late) = (count()?, [count()?, count()?, count()?]);
    let by_kernel = fields.next()? == b"k";
    let window = Window { session, counter, unique, highest, bits, late, latest_late };
    Some(Told { ask, received, by_kernel, sent, window, previous: followed(text) })
}

/// Reads when the reply before left.
fn followed(text: &[u8]) -> Option<Previous> {
    let fields = text.get(text.len().checked_sub(FOLLOW_UP)?..)?.strip_prefix(FOLLOWED)?;
    let mut fields = fields.split(|byte| *byte == b' ').skip(1);
    let (seq, sent) = (hex(fields.next()?)?, hex::<u64>(fields.next()?)?.cast_signed());
    Some(Previous { seq, sent })
}

/// Ends a slot with the sum of all from `start` on.
fn seal(out: &mut Vec<u8>, start: usize) {
    out.push(b' ');
    let sum = sum(&out[start..]);
    let _ = write!(out, "{sum:08x}");
}

/// What is before a slot, in it between its word and its sum, and behind it.
fn opened<'a>(bytes: &'a [u8], word: &[u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let end = bytes.iter().rposition(|byte| *byte != b' ')? + 1;
    let start = end.checked_sub(SLOT)?;
    let fields = bytes[start..end - SUM].strip_prefix(word)?;
    let is_whole = hex(&bytes[end - SUM..end]) == Some(sum(&bytes[..end - SUM]));
    is_whole.then_some((&bytes[..start], fields, &bytes[end..]))
}

/// A number of hexadecimal digits, as many as its type has.
fn hex<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    let is_digits = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let text = str::from_utf8(digits).ok().filter(|_| is_digits && digits.len() == 2 * size_of::<T>())?;
    T::try_from(u64::from_str_radix(text, 16).ok()?).ok()
}

/// CRC-32 (ISO 3309), by half bytes.
fn sum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut half = 0;
        while half < 16 {
            let mut crc = half;
            let mut bit = 0;
            while bit < 4 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
                bit += 1;
            }
            table[half as usize] = crc;
            half += 1;
        }
        table
    };
    let step = |crc: u32, half: u8| crc >> 4 ^ TABLE[((crc ^ u32::from(half)) & 15) as usize];
    !bytes.iter().fold(!0, |crc, byte| step(step(crc, byte & 15), byte >> 4))
}

impl TimedLine {
    /// Lines of a run, whose first ping is `first_seq`.
    pub fn new(line: TextLine, run: u32, first_seq: u64) -> Self {
        Self { line, run, first_seq, follow_up: false }
    }

    /// The same, which ask each reply to tell when the reply before left.
    #[must_use]
    pub fn following_up(self, follow_up: bool) -> Self {
        Self { follow_up, ..self }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is what travels")]
    fn number(&self, seq: u64) -> u32 {
        seq.wrapping_sub(self.first_seq) as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is what travels")]
    fn low_seq(&self, number: u32) -> u32 {
        number.wrapping_add(self.first_seq as u32)
    }

    /// What a server tells this run.
    fn told(&self, reply: &[u8]) -> Option<Told> {
        told(reply).filter(|told| told.ask.run == self.run)
    }
}

impl Codec for TimedLine {
    /// Pads with spaces behind the slot.
    fn write(&self, seq: u64, wall_ns: i64, size: Option<usize>, out: &mut Vec<u8>) {
        let start = out.len();
        self.line.write(seq, wall_ns, None, out);
        out.extend_from_slice(if self.follow_up { FOLLOWS } else { b"" });
        let end = out.len() + SLOT;
        out.extend_from_slice(ASKS);
        let _ = write!(out, " {:08x} {:08x}", self.run, self.number(seq));
        out.resize(end - SUM - 1, b' ');
        seal(out, start);
        out.resize(end.max(start + size.unwrap_or(0)), b' ');
    }

    fn longest(&self, last_seq: u64) -> usize {
        self.line.longest(last_seq) + SLOT + if self.follow_up { FOLLOW_UP } else { 0 }
    }

    fn read(&self, reply: &[u8]) -> Reading {
        let Some(told) = self.told(reply) else { return self.line.read(reply) };
        let Window { highest, latest_late, .. } = told.window;
        let latest_late = latest_late.map(|number| self.low_seq(number));
        let window = Window { highest: self.low_seq(highest), latest_late, ..told.window };
        let stamp = if told.by_kernel { TimeSource::KernelRx } else { TimeSource::User };
        Reading {
            seq: Some(Seq::Low32(self.low_seq(told.ask.number))),
            server: ServerTimes {
                received: Some(told.received),
                sent: Some(told.sent),
                seq: Some(told.window.counter),
                stamp: Some(stamp),
            },
            window: Some(window),
            previous: told.previous.filter(|_| self.follow_up),
        }
    }

    fn read_quoted(&self, ping: &[u8]) -> Option<Seq> {
        self.line.read_quoted(ping)
    }

    fn identifies(&self, bytes: &[u8], seq: u64, wall_ns: i64) -> bool {
        match self.told(bytes) {
            Some(told) => told.ask.number == self.number(seq),
            None => self.line.identifies(bytes, seq, wall_ns),
        }
    }

    fn follows_up(&self) -> bool {
        self.follow_up
    }

    /// A reply with times is known by them, whatever its text is.
    fn echoes(&self, reply: &[u8], seq: u64, wall_ns: i64) -> bool {
        match self.told(reply) {
            Some(told) => told.ask.number == self.number(seq),
            None => super::is_echo(self, reply, seq, wall_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logic::SECOND;

    const WALL: i64 = 1_700_000_000 * SECOND;
    const FILLED: Told = Told {
        ask: Ask { run: 7, number: 41, follow_up: false },
        received: WALL + 5,
        by_kernel: true,
        sent: WALL + 9,
        window: Window {
            session: WALL,
            counter: 40,
            unique: 39,
            highest: 42,
            bits: 0b111,
            late: 2,
            latest_late: [5, 6, 0],
        },
        previous: None,
    };

    fn line() -> TimedLine {
        TimedLine::new(TextLine::default(), 7, 1)
    }

    fn ping(seq: u64, size: Option<usize>) -> Vec<u8> {
        let mut out = Vec::new();
        line().write(seq, WALL, size, &mut out);
        out
    }

    #[test]
    fn a_ping_is_the_line_of_the_course_and_a_slot() {
        let spaces = " ".repeat(SLOT - 34);
        let text = format!("Ping 42 1700000000.0 times? 00000007 00000029{spaces} ");
        let sent = ping(42, None);
        assert_eq!(String::from_utf8_lossy(&sent[..sent.len() - 8]), text);
        assert_eq!(sent.len(), 20 + SLOT);
        assert!(sent.len() <= line().longest(42));
        let asked = asked(&sent).unwrap();
        assert_eq!((asked.text, asked.ask, asked.padding), (&sent[..20], FILLED.ask, &b""[..]));
        assert_eq!(super::asked(&ping(42, Some(200))).unwrap().padding, [b' '; 200 - 20 - SLOT]);
        assert_eq!(sum(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
    }

    #[test]
    fn a_reply_is_as_long_and_tells_all() {
        let mut reply = b"before PING 42 1700000000.0".to_vec();
        tell(&FILLED, false, &mut reply, 7);
        let reply = &reply[7..];
        assert_eq!(reply.len(), ping(42, None).len());
        let reading = line().read(reply);
        assert_eq!(reading.seq, Some(Seq::Low32(42)));
        let ServerTimes { received, sent, seq, stamp } = reading.server;
        assert_eq!((received, sent, seq), (Some(WALL + 5), Some(WALL + 9), Some(40)));
        assert_eq!(stamp, Some(TimeSource::KernelRx));
        assert_eq!(reading.window, Some(Window { highest: 43, latest_late: [6, 7, 1], ..FILLED.window }));
        assert!(line().echoes(reply, 42, 0) && line().identifies(reply, 42, 0));
        assert!(!line().echoes(reply, 41, WALL) && !line().identifies(reply, 41, WALL));
        assert!(asked(reply).is_none() && told(&ping(42, None)).is_none());
        // Those of another run are text, as of a server without times.
        let other = TimedLine::new(TextLine::default(), 8, 1);
        assert_eq!((other.read(reply).window, other.read(reply).seq), (None, Some(Seq::Whole(42))));
    }

    #[test]
    fn a_ping_may_ask_when_the_reply_before_left() {
        let mut sent = Vec::new();
        let line = line().following_up(true);
        line.write(42, WALL, None, &mut sent);
        assert_eq!(sent.len(), 20 + FOLLOW_UP + SLOT);
        assert!(sent.len() <= line.longest(42));
        let asked = asked(&sent).unwrap();
        assert_eq!((asked.text, asked.ask), (&sent[..20], Ask { follow_up: true, ..FILLED.ask }));
        let previous = Some(Previous { seq: 39, sent: WALL - 7 });
        for (previous, follow_up) in [(previous, true), (None, true), (previous, false)] {
            let mut reply = sent[..20].to_ascii_uppercase();
            tell(&Told { previous, ..FILLED }, follow_up, &mut reply, 0);
            let reading = line.read(&reply);
            assert_eq!(reading.previous, previous.filter(|_| follow_up));
            assert_eq!((reading.seq, reading.server.sent), (Some(Seq::Low32(42)), Some(WALL + 9)));
            assert!(line.echoes(&reply, 42, 0) && line.identifies(&reply, 42, 0));
            assert_eq!(self::line().read(&reply).previous, None, "not asked");
        }
        // A server that knows nothing of it answers all the same.
        let mut reply = sent[..20 + FOLLOW_UP].to_ascii_uppercase();
        tell(&FILLED, false, &mut reply, 0);
        assert_eq!(reply.len(), sent.len());
        assert_eq!((line.read(&reply).previous, line.read(&reply).seq), (None, Some(Seq::Low32(42))));
        let same = sent.to_ascii_uppercase();
        assert_eq!(line.read(&same), Reading { seq: Some(Seq::Whole(42)), ..Reading::default() });
        assert!(line.echoes(&same, 42, WALL) && line.identifies(&same, 42, WALL));
    }

    #[test]
    fn a_server_without_times_answers_as_ever() {
        let sent = ping(3, Some(180));
        for reply in [sent.clone(), sent.to_ascii_uppercase()] {
            assert_eq!(line().read(&reply), Reading { seq: Some(Seq::Whole(3)), ..Reading::default() });
            assert!(line().echoes(&reply, 3, WALL) && line().identifies(&reply, 3, WALL));
            assert!(!line().echoes(&reply, 4, WALL));
        }
        assert_eq!(line().read_quoted(&sent[..28]), Some(Seq::Whole(3)));
        assert!(line().identifies(b"pong 3 1700000000.0", 3, WALL));
    }

    proptest! {
        #[test]
        fn what_is_changed_asks_nothing_and_tells_nothing(place in 0..187_usize, bit in 0..8_u8, cut in 0..187_usize) {
            let sent = ping(42, None);
            let mut reply = sent[..20].to_vec();
            tell(&FILLED, false, &mut reply, 0);
            for whole in [&sent, &reply] {
                let mut changed = whole.clone();
                changed[place] ^= 1 << bit;
                prop_assert!(asked(&changed).is_none() && told(&changed).is_none());
                prop_assert!(asked(&whole[..cut]).is_none() && told(&whole[..cut]).is_none());
            }
        }

        #[test]
        fn all_numbers_travel(
            numbers in any::<[u32; 9]>(), times in any::<[i64; 3]>(), bits: u64, by_kernel: bool,
        ) {
            let [run, number, counter, unique, highest, late, latest_late @ ..] = numbers;
            let [session, received, sent] = times;
            let window = Window { session, counter, unique, highest, bits, late, latest_late };
            let previous = Some(Previous { seq: late, sent: session });
            for follow_up in [true, false] {
                let ask = Ask { run, number, follow_up };
                let filled = Told { ask, received, by_kernel, sent, window, previous };
                let mut reply = b"pong".to_vec();
                tell(&filled, follow_up, &mut reply, 0);
                prop_assert_eq!(reply.len(), 4 + SLOT + if follow_up { FOLLOW_UP } else { 0 });
                prop_assert_eq!(told(&reply), Some(Told { previous: previous.filter(|_| follow_up), ..filled }));
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (asked(&bytes), line().read(&bytes), line().echoes(&bytes, 1, WALL));
        }
    }
}
