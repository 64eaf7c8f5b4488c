//! The dialects of the course.

mod sealed;

use proptest::prelude::*;

use super::seconds as seconds_of;
use super::*;
use crate::logic::SECOND;

/// Checks the number and the time in a datagram of the course; returns whether the time may be in another zone.
#[track_caller]
fn says(datagram: impl AsRef<[u8]>, seq: impl Into<Option<u64>>, wall_ns: impl Into<Option<i64>>) -> bool {
    let datagram = datagram.as_ref();
    let text = String::from_utf8_lossy(datagram);
    let read = Heartbeat::read(datagram).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!((read.seq, read.wall_ns), (seq.into(), wall_ns.into()), "{text:?}");
    let rest = Heartbeat { seq: read.seq, wall_ns: read.wall_ns, local: read.local, ..Heartbeat::default() };
    assert_eq!(read, rest, "{text:?}");
    read.local
}

const T: i64 = 1_700_000_000 * SECOND;
const MS: i64 = SECOND / 1_000;
/// 2024-09-20 13:12:19.
const FRIDAY: i64 = 1_726_837_939 * SECOND;

#[test]
fn the_clients_of_the_sources() {
    says("Ping 1 1700000000.0", 1, T);
    says("Ping 10 1726406736.2412975", 10, 1_726_406_736_241_297_500);
    says("43 1726820517.3813171", 43, 1_726_820_517_381_317_100);
    says("0 1726820517.0", 0, 1_726_820_517 * SECOND);
    assert!(says("Ping 5 Fri Sep 20 13:12:19 2024", 5, FRIDAY));
    assert!(says("PING 5 FRI SEP 20 13:12:19 2024", 5, FRIDAY));
    assert!(says("Ping 5 Sun Sep  1 03:02:01 2024", 5, 1_725_159_721 * SECOND));
    assert!(says("1\tFri Sep 20 13:12:19 2024", 1, FRIDAY));
    assert!(says("1\t2024-09-20 13:12:19", 1, FRIDAY));
    // The replies of one server, read as heartbeats.
    says("44 0.003571", 44, 3_571_000);
    says("44 -2.5680248737335205", 44, -2_568_024_874);
    says("44 0.0", 44, None);
}

#[test]
fn the_clients_of_the_variants() {
    assert!(says("Ping 1 Thu Jan  1 00:00:01 1970", 1, SECOND));
    says("Ping 1 1700000000.123456", 1, T + 123_456_000);
    says("1 1700000000.25", 1, T + 250 * MS);
    says("PING 0 1700000000123 \r\n", 0, T + 123 * MS);
    says("PING 9 1700000000\r\n", 9, T);
    assert!(says("PING 3 Fri Sep 20 13:12:19 CEST 2024\r\n", 3, FRIDAY));
    assert!(!says("PING 3 Fri Sep 20 13:12:19 UTC 2024\r\n", 3, FRIDAY));
    says("PING 4 1700000000123 secret\r\n", 4, T + 123 * MS);
    says("PING 111 1700000000123\0\0\0\0\0\0", 111, T + 123 * MS);
    says([&b"PING 0 1700000000123\r\n"[..], &[0; 1_002]].concat(), 0, T + 123 * MS);
    assert!(says("ping 1 2024-09-20 13:12:19.123456", 1, FRIDAY + 123_456_000));
    says(b"\0\x13PING 7 170000000012", 7, 170_000_000_012 * MS);
    says("ping", None, None);
    says("pong", None, None);
    says("PING 3331 1700000000.25\r\n", 3_331, T + 250 * MS);
    says("Ping1", 1, None);
    says("PING12", 12, None);
    says("Ping 3:", 3, None);
    says("Ping 3: 1700000000.25", 3, T + 250 * MS);
    says("Ping 1", 1, None);
    says("1 Ping 1700000000.25", 1, T + 250 * MS);
    assert!(says("ping,1,2022-11-10 12:00:00.123456", 1, 1_668_081_600 * SECOND + 123_456_000));
    says("PING 5 1700000000 250000 \r\n", 5, T + 250 * MS);
    says("PING 5 1700000000 7\r\n", 5, T + 7_000);
    says("Ping 0", 0, None);
    says([&b"Sequence number 1"[..], &[0; 47]].concat(), 1, None);
    says("Hello world! Number: 1", 1, None);
    says("Ping 1 9:5:3:45", 1, None);
    says("Ping 1 13:12:19:450", 1, None);
    says("PING 0 1:12:19 PM\r\n", 0, None);
    says(r#"{"type":"ping"}"#, None, None);
    says("Ping 1 1700000000123", 1, T + 123 * MS);
    says("ping 1 1700000000123", 1, T + 123 * MS);
    says("say PING #1 @ 10:11:12", 1, None);
    assert!(says("ping 1 \t2016-10-03 12:00:00.5", 1, 1_475_496_000 * SECOND + 500 * MS));
    says("This is a ping message 1700000000.25", None, T + 250 * MS);
    says("Ping 1 1700000000.25 ", 1, T + 250 * MS);
    says("1", 1, None);
    says("Heartbeat 1 1700000000.25", 1, T + 250 * MS);
    says("Heartbeat  1 1700000000.25", 1, T + 250 * MS);
    assert!(says("1 2022-03-22 19:01:21.995", 1, 1_647_975_681 * SECOND + 995 * MS));
    says("Heartbeat 1700000000.25", None, T + 250 * MS);
    says("1|1700000000123456789", 1, T + 123_456_789);
    says("PyHB", None, None);
    says("PING", None, None);
    says("heartbeat\n", None, None);
}

#[test]
fn named_parts() {
    says(
        r#"{"seq_num": 3, "timestamp": 1677871807298.903, "message": "ping 10.0.0.246"}"#,
        3,
        1_677_871_807_298_903_000,
    );
    says("{'seq_num': 0, 'timestamp': 16778718072989.03}", 0, None);
    says(
        r#"{"Version": 1, "SequenceNo": 4, "Timestamp": 1700000000.25, "Size": 80, "Payload": "Host: \"a\"\nTime: 5"}"#,
        4,
        T + 250 * MS,
    );
    says(r#"{"SEQ":"5","TIME":"1700000000250"}"#, 5, T + 250 * MS);
    assert!(says(r#"{"time":"2024-09-20T13:12:19","sequence":6}"#, 6, FRIDAY));
    says(r#"{"a":{"seq":1},"b":[{"seq":2}],"seq":3,"seq":4}"#, 3, None);
    // Cut short: no object, but a number.
    says(r#"{"seq": 1"#, 1, None);
    says("Version: 1\nSequence No.: 2\nTime: 37464.900\nPayload Size: 420\nHost: h", 2, 37_464_900 * MS);
    says(
        "---------- Ping Packet Header ----------\nVersion: 1\nSequence No.: 10\nTime: 1700000000.25\nHost: h\n----",
        10,
        T + 250 * MS,
    );
    says("Version: 1\r\nSequenceNo: 11\r\n", 11, None);
    says("Ping 12\n1700000000.25", 12, T + 250 * MS);
    for nothing in ["{}", r#"{"a": 1}"#, r#"{"seq": "x"}"#, "{", r#"{"\"#, r#"{"a":}"#, "{{{{}"] {
        assert_eq!(Heartbeat::read(nothing.as_bytes()), Err(Unreadable::Nothing), "{nothing}");
    }
}

#[test]
fn binary_forms() {
    says([0, 0, 0, 1, 0, 0, 0, 9], 9, None);
    says([0, 0, 0, 1, 0, 0, 1, 0], 256, None);
    says([0, 0, 0, 2, 0, 0, 0, 0], 0, None);
    says(b"\x08\x00\x88\x99\x10\x92\x00\x03\x01\x6b\x18\xeb\x44\x7b", 3, 1_559_491_200_123 * MS);
    let mut structure = [7_u32.to_le_bytes(), [0; 4]].concat();
    structure.extend(1_700_000_000.25_f64.to_le_bytes());
    says(&structure, 7, T + 250 * MS);
    let mut swapped = [7_u32.to_be_bytes(), [0; 4]].concat();
    swapped.extend(1_700_000_000.25_f64.to_be_bytes());
    says(&swapped, 7, T + 250 * MS);
    says(b"0001201234Student Name##################", 12, None);
    says(b"0001301234##############################", 13, None);
    says(b"\0\x1bHeartbeat 1 1700000000.2500", 1, T + 250 * MS);

    let wrong: [&[u8]; 8] = [
        &[0, 0, 0, 3, 0, 0, 0, 9],
        &[0, 0, 0, 1, 0x80, 0, 0, 9],
        b"\x08\x00\x88\x98\x10\x92\x00\x03\x01\x6b\x18\xeb\x44\x7b",
        b"\x08\x00\x88\x99\x10\x92\x00\x03\x01\x6b\x18\xeb\x44\xff",
        &[0xff; 16],
        &[0x80; 64],
        b"\0\x05Ping \xff",
        b"Ping 1 \xff",
    ];
    for datagram in wrong {
        let error = Heartbeat::read(datagram).unwrap_err();
        assert!([Unreadable::Binary, Unreadable::Nothing].contains(&error), "{datagram:?}: {error}");
    }
    // As long as a binary form, but text.
    says("1 1700000000.125", 1, T + 125 * MS);
    says("Ping 111", 111, None);
    says("1700000000.250000000000000000000000000  5", None, T + 250 * MS);
}

#[test]
fn a_lone_number_is_what_its_size_says() {
    says("99999999", 99_999_999, None);
    says("100000000", None, 100_000_000 * SECOND);
    says("Heartbeat 1700000000", None, T);
    says("Heartbeat 1700000000 id_of=x", None, T);
    // Two: the first is the sequence number, however large, and the second a time, however small.
    says("1700000001 1700000000", 1_700_000_001, T);
    says("18446744073709551615 1", u64::MAX, SECOND);
    says("1700000001 0", 1_700_000_001, None);
    says("1700000001 10:11:12", 1_700_000_001, None);
    // Not directly after it, a number is a time only if it must be one.
    says("Ping 3 of 10", 3, None);
    says("Ping 3 of 10 at 1700000000", 3, T);
    says("Ping 3 64 1700000000", 3, T);
    // Too far away, or too large for anything.
    says("99999999999999999999 5", 5, None);
    says("50000000000", 50_000_000_000, None);
    says("Ping 7 99999999999999999999", 7, None);
    says("Ping nan inf 1_7e9 -5 +5 0x10 1e999 1e 1..2", None, None);
    says("Ping 7 1.70000000025e+09", 7, T + 250 * MS);
    says("Ping -3", None, None);
    says("PING 10:11:12", None, None);
    says("Ping 3:17", None, None);
    says("Ping 3:1700000000", 3, T);
    says("seq=3 time=1700000000.25", 3, T + 250 * MS);
    says("Heartbeat from web1", None, None);
    assert!(!says("Ping 2024-09-20T13:12:19Z", None, FRIDAY));
    says("Ping Fri Sep 20 13:12:19 2024", None, FRIDAY);
}

#[test]
fn what_is_no_heartbeat() {
    for (datagram, why) in [
        ("", Unreadable::Empty),
        ("\0\0\0", Unreadable::Empty),
        (" \r\n", Unreadable::Empty),
        ("\0\0", Unreadable::Empty),
        ("hello world", Unreadable::Nothing),
        ("hello ping", Unreadable::Nothing),
        ("nan", Unreadable::Nothing),
        ("0.5", Unreadable::Nothing),
        ("10:11:12", Unreadable::Nothing),
        ("2024-09-20", Unreadable::Nothing),
        ("2024-13-20 13:12:19", Unreadable::Nothing),
        ("id=web1 interval=1", Unreadable::Nothing),
        ("id=web1 17 1700000000", Unreadable::Nothing),
        (
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 3",
            Unreadable::Nothing,
        ),
        ("one two three four five six 7", Unreadable::Nothing),
        ("Heartbeat 1 2 id=", Unreadable::Sender),
        ("Heartbeat 1 2 id=a=b", Unreadable::Sender),
        ("Heartbeat 1 2 id=é", Unreadable::Sender),
        ("Heartbeat 1 2 session=", Unreadable::Sender),
        ("Heartbeat 1 2 session=+1", Unreadable::Sender),
        ("Heartbeat 1 2 session=00000000000000001", Unreadable::Sender),
        ("Heartbeat 1 2 id=a id=a", Unreadable::Twice),
        ("Heartbeat 1 2 ack=x ack=1", Unreadable::Twice),
        ("Heartbeat 1 2 key=ops", Unreadable::Seal),
        ("Heartbeat 1 2 key=", Unreadable::Seal),
        ("Heartbeat 1 2 mac=", Unreadable::Seal),
        ("Heartbeat 1 2 mac=00000000000000000000000000000000", Unreadable::Seal),
        ("Heartbeat mac=00000000000000000000000000000000", Unreadable::Seal),
        ("mac=0", Unreadable::Seal),
        (r#"{"seq": 1} key=a mac=0"#, Unreadable::Seal),
        ("Sequence: 1\nkey=a mac=0", Unreadable::Seal),
        ("a b c d e f g h i mac=0", Unreadable::Seal),
    ] {
        let error = Heartbeat::read(datagram.as_bytes()).unwrap_err();
        assert_eq!(error, why, "{datagram:?}");
        assert!(error.to_string().starts_with("it"), "{error}");
    }
    let long = |padding: &str| format!("Ping 1 {}", padding.repeat(1_500));
    assert_eq!(Heartbeat::read(long("x").as_bytes()), Err(Unreadable::Long));
    says(long(" "), 1, None);
    says(long("x").split_at(1_500).0, 1, None);
}

proptest! {
    /// The fast path reads a line as the other readers do.
    #[test]
    fn the_fast_path_agrees_with_the_other_readers(
        word in prop::sample::select(vec!["Heartbeat", "Ping"]),
        seq in any::<u64>(),
        seconds in prop_oneof![1_600_000_000_u64..1_800_000_000, any::<u64>()],
        part in "(\\.[0-9]{0,11})?",
        rest in prop_oneof!["( [a-z]{1,8}=[a-z0-9.-]{0,12}){0,4}", "[ -~\n]{0,12}"],
        value in "[0-9]{0,12}(\\.[0-9]{0,11})?",
    ) {
        let text = format!("{word} {seq} {seconds}{part}{rest}");
        if let Some(short) = plain::read(&text) {
            let long = parse_text(&text);
            let all = |parsed: &Parsed<'_>| {
                let wall_time = parsed.wall_time.map(|wall_time| (wall_time.wall_ns(), wall_time.zone_known()));
                (parsed.seq, wall_time, parsed.known, parsed.rest.len())
            };
            prop_assert_eq!(all(&short), all(&long), "{}", text);
        }
        prop_assert_eq!(seconds_of(&value), decimal_seconds(&value), "{}", value);
    }

    /// Words with an equals sign, however they are separated.
    #[test]
    fn words_are_what_is_between_gaps(rest in "([a-z=ü]{0,4}[ ,|\n]{0,2}){0,6}") {
        let apart: Vec<_> = rest.split(is_gap).filter_map(|word| word.split_once('=')).collect();
        prop_assert_eq!(words(&rest).collect::<Vec<_>>(), apart);
    }
}

#[test]
fn our_own_lines_take_the_fast_path() {
    for line in [
        "Heartbeat 17 1700000000.25 id=web1 session=9f",
        "Heartbeat 1 1700000000",
        "Ping 1 1700000000.5",
        "Heartbeat 1 1700000000.000000001",
    ] {
        assert!(plain::read(line).is_some(), "{line}");
    }
    for other in [
        "Heartbeat 1 1700000000 5",
        "Heartbeat 1 1700000000.1234567891",
        "Heartbeat 1 17",
        "heartbeat 1 1700000000",
    ] {
        assert!(plain::read(other).is_none(), "{other}");
    }
}
