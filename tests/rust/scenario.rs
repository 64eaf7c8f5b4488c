//! Scenarios: a schedule, the replies of the far end to each ping, and the expected rows.
//!
//! Each is a value, so that the virtual and the real driver are held to the same expectations.

use udpping::logic::SECOND;
use udpping::logic::ping::{Options, Plan};
use udpping::logic::record::{Match, Status};

/// One millisecond.
pub(crate) const MS: i64 = SECOND / 1_000;
/// The timeout of every scenario.
pub(crate) const TIMEOUT: i64 = 300 * MS;

/// A reply of the far end to a ping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// The delay.
    pub(crate) after: i64,
    /// The form of its bytes.
    pub(crate) form: Form,
}

/// The forms of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// The ping in upper case, as the course's server answers.
    Upper,
    /// The same, from another port than it was sent to.
    Foreign,
    /// The ping behind a text with a number of its own.
    Prefixed(&'static str),
    /// A text in which `{seq}`, `{next}` and `{time}` are filled in.
    Words(&'static str),
    /// A network-order pair (2, low half of the number).
    Binary,
    /// Bytes that mean nothing.
    Noise,
    /// The ping in upper case, cut after so many bytes.
    Cut(usize),
    /// The ping in upper case, with these bits of one byte changed.
    Changed(usize, u8),
    /// `pong`, the number and the time, with these bits of one byte changed.
    ChangedWords(usize, u8),
}

/// The expected result of a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected(pub(crate) Status, pub(crate) u32, pub(crate) Option<Match>);

/// The expected counts beside the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) duplicates: u64,
    pub(crate) reordered: u64,
    pub(crate) foreign: u64,
    pub(crate) unmatched: u64,
    pub(crate) damaged: u64,
    pub(crate) unverified: u64,
}

/// A whole scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The interval; `None` for stop-and-wait.
    pub(crate) interval: Option<i64>,
    pub(crate) linger: Option<i64>,
    pub(crate) first_seq: u64,
    /// The replies to each ping.
    pub(crate) answers: &'static [&'static [Answer]],
    pub(crate) rows: &'static [Expected],
    pub(crate) counts: Counts,
}

impl Scenario {
    /// The plan of the run, with so many times the timeout.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    pub(crate) fn plan(&self, patience: i64) -> Plan {
        let seconds = |nanos: i64| nanos as f64 / SECOND as f64;
        let options = Options {
            count: Some(i64::try_from(self.answers.len()).expect("few")),
            timeout: seconds(patience * TIMEOUT),
            interval: self.interval.map(seconds),
            linger: self.linger.map(|linger| seconds(patience * linger)),
            ..Options::default()
        };
        Plan { first_seq: self.first_seq, ..Plan::new(options).expect("a valid plan") }
    }
}

impl Form {
    /// The bytes of the answer to `ping`, which has number `seq`.
    pub(crate) fn write(self, ping: &[u8], seq: u64) -> Vec<u8> {
        let text = String::from_utf8_lossy(ping);
        let time = text.split(' ').nth(2).unwrap_or_default();
        match self {
            Self::Upper | Self::Foreign => ping.to_ascii_uppercase(),
            Self::Prefixed(prefix) => format!("{prefix}{text}").into_bytes(),
            Self::Words(words) => words
                .replace("{seq}", &seq.to_string())
                .replace("{next}", &(seq + 1).to_string())
                .replace("{time}", time)
                .into_bytes(),
            Self::Binary => {
                let low = u32::try_from(seq & u64::from(u32::MAX)).expect("masked");
                [2_u32.to_be_bytes(), low.to_be_bytes()].concat()
            }
            Self::Noise => vec![0xff; 12],
            Self::Cut(length) => ping[..length].to_ascii_uppercase(),
            Self::Changed(at, bits) => changed(ping.to_ascii_uppercase(), at, bits),
            Self::ChangedWords(at, bits) => changed(format!("pong {seq} {time}").into_bytes(), at, bits),
        }
    }
}

fn changed(mut reply: Vec<u8>, at: usize, bits: u8) -> Vec<u8> {
    reply[at] ^= bits;
    reply
}

const fn after(after: i64, form: Form) -> Answer {
    Answer { after, form }
}

/// Of the last, the ping with number 100, `PING 10` is left.
const NINETY_TWO: [&[Answer]; 92] = {
    let mut answers = [NOTHING; 92];
    answers[91] = &[after(MS, Form::Cut(7))];
    answers
};
const UPPER: &[Answer] = &[after(MS, Form::Upper)];
const NOTHING: &[Answer] = &[];
const OK: Expected = Expected(Status::Reply, 1, Some(Match::Seq));
const UNVERIFIED: Expected = Expected(Status::Reply, 1, Some(Match::Unverified));
const LOST: Expected = Expected(Status::Timeout, 0, None);
const LATE: Expected = Expected(Status::Late, 1, Some(Match::Seq));
const NONE: Counts =
    Counts { duplicates: 0, reordered: 0, foreign: 0, unmatched: 0, damaged: 0, unverified: 0 };

/// Two replies in words of the server's own, with the number in them.
const fn in_words(answers: &'static [&'static [Answer]; 2]) -> Scenario {
    Scenario {
        name: "answers that carry the number in other words",
        interval: Some(5 * MS),
        linger: None,
        first_seq: 1,
        answers,
        rows: &[OK, OK],
        counts: NONE,
    }
}

/// What was cut or changed on the way, and the number of such replies.
const fn damaged(damaged: u64) -> Counts {
    Counts { unmatched: damaged, damaged, ..NONE }
}

/// All scenarios.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "all answered",
        interval: None,
        linger: None,
        first_seq: 1,
        answers: &[UPPER, UPPER, UPPER],
        rows: &[OK, OK, OK],
        counts: NONE,
    },
    Scenario {
        name: "lost",
        interval: None,
        linger: Some(0),
        first_seq: 1,
        answers: &[UPPER, NOTHING, UPPER],
        rows: &[OK, LOST, OK],
        counts: NONE,
    },
    Scenario {
        name: "late: credited to its own ping, and no later one is shifted",
        interval: None,
        linger: None,
        first_seq: 1,
        answers: &[&[after(TIMEOUT + 60 * MS, Form::Upper)], &[after(120 * MS, Form::Upper)], UPPER],
        rows: &[LATE, OK, OK],
        counts: NONE,
    },
    Scenario {
        name: "late after the last ping: found by lingering",
        interval: None,
        linger: Some(TIMEOUT),
        first_seq: 1,
        answers: &[UPPER, &[after(TIMEOUT + 60 * MS, Form::Upper)]],
        rows: &[OK, LATE],
        counts: NONE,
    },
    Scenario {
        name: "late without lingering is lost",
        interval: None,
        linger: Some(0),
        first_seq: 1,
        answers: &[UPPER, &[after(2 * TIMEOUT, Form::Upper)]],
        rows: &[OK, LOST],
        counts: NONE,
    },
    Scenario {
        name: "duplicates: counted, and the first copy counts",
        interval: None,
        linger: Some(TIMEOUT),
        first_seq: 1,
        answers: &[
            &[after(MS, Form::Upper), after(2 * MS, Form::Upper), after(3 * MS, Form::Upper)],
            UPPER,
            &[after(MS, Form::Upper), after(20 * MS, Form::Upper)],
        ],
        rows: &[
            Expected(Status::Reply, 3, Some(Match::Seq)),
            OK,
            Expected(Status::Reply, 2, Some(Match::Seq)),
        ],
        counts: Counts { duplicates: 3, ..NONE },
    },
    Scenario {
        name: "reordered: each keeps its own",
        interval: Some(20 * MS),
        linger: None,
        first_seq: 1,
        answers: &[&[after(150 * MS, Form::Upper)], UPPER, UPPER],
        rows: &[OK, OK, OK],
        counts: Counts { reordered: 1, ..NONE },
    },
    Scenario {
        name: "foreign datagrams answer nothing",
        interval: None,
        linger: Some(0),
        first_seq: 1,
        answers: &[&[after(MS, Form::Foreign)], &[after(MS, Form::Foreign), after(40 * MS, Form::Upper)]],
        rows: &[LOST, OK],
        counts: Counts { foreign: 2, ..NONE },
    },
    Scenario {
        name: "wrap-around of a 32-bit answer",
        interval: Some(10 * MS),
        linger: None,
        first_seq: (1 << 32) - 2,
        answers: &[
            &[after(MS, Form::Binary)],
            NOTHING,
            &[after(MS, Form::Binary)],
            &[after(MS, Form::Binary)],
        ],
        rows: &[OK, LOST, OK, OK],
        counts: NONE,
    },
    Scenario {
        name: "constant answers are unverified, one at a time",
        interval: None,
        linger: None,
        first_seq: 1,
        answers: &[&[after(MS, Form::Words("pong"))], &[after(MS, Form::Words("ok"))]],
        rows: &[UNVERIFIED, UNVERIFIED],
        counts: Counts { unverified: 2, ..NONE },
    },
    Scenario {
        name: "constant answers to several pings in flight belong to none",
        interval: Some(10 * MS),
        linger: Some(0),
        first_seq: 1,
        answers: &[&[after(100 * MS, Form::Words("ok"))], &[after(100 * MS, Form::Words("ok"))]],
        rows: &[LOST, LOST],
        counts: Counts { unmatched: 2, ..NONE },
    },
    Scenario {
        name: "a number of the server's own does not mislead",
        interval: Some(10 * MS),
        linger: None,
        first_seq: 1,
        answers: &[
            &[after(60 * MS, Form::Prefixed("Reply 2 to "))],
            &[after(60 * MS, Form::Prefixed("Reply 1 to "))],
        ],
        rows: &[
            Expected(Status::Reply, 1, Some(Match::Payload)),
            Expected(Status::Reply, 1, Some(Match::Payload)),
        ],
        counts: NONE,
    },
    Scenario {
        name: "n + 1 with the ping's time: the time decides, also when late",
        interval: None,
        linger: None,
        first_seq: 1,
        answers: &[
            &[after(TIMEOUT + 60 * MS, Form::Words("{next} {time}"))],
            &[after(120 * MS, Form::Words("{next} {time}"))],
        ],
        rows: &[
            Expected(Status::Late, 1, Some(Match::Payload)),
            Expected(Status::Reply, 1, Some(Match::Payload)),
        ],
        counts: NONE,
    },
    Scenario {
        name: "n + 1 alone proves nothing, once seen",
        interval: None,
        linger: Some(0),
        first_seq: 1,
        answers: &[
            &[after(MS, Form::Words("{next} 12"))],
            &[after(TIMEOUT + 60 * MS, Form::Words("{next} 12"))],
            &[after(120 * MS, Form::Words("{next} 12"))],
        ],
        // The late answer to ping 2 reads 3 while 3 is in flight: it may be credited to ping 3, but is marked.
        rows: &[UNVERIFIED, LOST, UNVERIFIED],
        counts: Counts { unverified: 2, ..NONE },
    },
    Scenario {
        name: "noise is no answer while two are in flight",
        interval: Some(10 * MS),
        linger: None,
        first_seq: 1,
        answers: &[
            &[after(40 * MS, Form::Noise), after(60 * MS, Form::Upper)],
            &[after(80 * MS, Form::Upper)],
        ],
        rows: &[OK, OK],
        counts: Counts { unmatched: 1, ..NONE },
    },
    in_words(&[&[after(50 * MS, Form::Words("pong {seq} {time}"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("echo,{seq},2022-11-10 12:00:00.123456"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("{seq} 0.003571"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("Seq: {seq}, Time Difference: 0.000123 seconds"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("Reply {seq} 1.5 2.5 d41d8cd98f00b204e9800998ecf8427e\n"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("PINGECHO {seq} {time} secret\r\n"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("PING {seq} {time}\0\0\0\0\0\0\0\0"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("127.0.0.1:12000 Ping {seq} {time} OK"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("Ping {seq} 1700000000.123456789"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("PING {seq}"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Words("{seq}"))]; 2]),
    in_words(&[&[after(50 * MS, Form::Binary)]; 2]),
    Scenario {
        name: "a number that was cut is no other ping's",
        interval: Some(10 * MS),
        linger: Some(0),
        first_seq: 1,
        answers: &[
            NOTHING,
            UPPER,
            UPPER,
            UPPER,
            UPPER,
            UPPER,
            UPPER,
            UPPER,
            UPPER,
            &[after(MS, Form::Cut(6))],
            &[after(MS, Form::Cut(12))],
        ],
        rows: &[LOST, OK, OK, OK, OK, OK, OK, OK, OK, LOST, LOST],
        counts: damaged(2),
    },
    Scenario {
        name: "a number that was cut is no other ping's, also if no reply was ever whole",
        interval: Some(MS),
        linger: Some(0),
        first_seq: 9,
        answers: &NINETY_TWO,
        rows: &[LOST; 92],
        counts: damaged(1),
    },
    Scenario {
        name: "a changed reply answers neither the ping of its number, nor that of its time, nor the only one out",
        interval: Some(10 * MS),
        linger: Some(0),
        first_seq: 1,
        answers: &[
            UPPER,
            &[after(25 * MS, Form::Changed(5, 1))],
            NOTHING,
            &[after(MS, Form::Changed(5, 1))],
            &[after(MS, Form::Changed(1, 0x80))],
            &[after(MS, Form::Changed(18, 2))],
        ],
        rows: &[OK, LOST, LOST, LOST, LOST, LOST],
        counts: damaged(4),
    },
    Scenario {
        name: "a changed reply answers nothing, also if no reply was ever whole",
        interval: Some(10 * MS),
        linger: Some(0),
        first_seq: 1,
        answers: &[&[after(MS, Form::Changed(8, 0x40))], &[after(25 * MS, Form::Changed(5, 1))], NOTHING],
        rows: &[LOST, LOST, LOST],
        counts: damaged(2),
    },
    Scenario {
        name: "a changed reply in other words answers nothing, and the next is whole again",
        interval: Some(10 * MS),
        linger: Some(0),
        first_seq: 1,
        answers: &[
            &[after(MS, Form::Words("pong {seq} {time}"))],
            &[after(MS, Form::ChangedWords(12, 0x40))],
            &[after(MS, Form::Words("pong {seq} {time}"))],
        ],
        rows: &[OK, LOST, OK],
        counts: damaged(1),
    },
    Scenario {
        name: "a changed reply is no copy",
        interval: None,
        linger: Some(TIMEOUT),
        first_seq: 1,
        answers: &[
            UPPER,
            &[after(MS, Form::Upper), after(2 * MS, Form::Changed(20, 4)), after(3 * MS, Form::Upper)],
        ],
        rows: &[OK, Expected(Status::Reply, 2, Some(Match::Seq))],
        counts: Counts { duplicates: 1, ..damaged(1) },
    },
    Scenario {
        name: "a bare number proves nothing once replies had the time",
        interval: Some(10 * MS),
        linger: Some(0),
        first_seq: 1,
        answers: &[
            &[after(MS, Form::Words("pong {seq} {time}"))],
            &[after(MS, Form::Words("pong {seq}"))],
            &[after(MS, Form::Words("pong {seq} {time}"))],
        ],
        rows: &[OK, LOST, OK],
        counts: damaged(1),
    },
];
