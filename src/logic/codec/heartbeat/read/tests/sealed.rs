//! Heartbeats of our own senders, and changes to them on the way.

use proptest::prelude::*;

use super::super::super::{Form, Key, Keys};
use super::super::*;
use super::{FRIDAY, MS};
use crate::logic::SECOND;

const SECRET: &[u8] = b"sixteen-bytes-or-more-of-secret";
const SEALED: Heartbeat<'static> = Heartbeat {
    seq: Some(17),
    wall_ns: Some(1_700_000_000_250_000_001),
    local: false,
    id: Some("web1:80"),
    session: Some(0x9f3a_c0d1_e5b4_7a26),
    boot: Some(4),
    interval: Some(SECOND),
    mono: Some(16_000_214_000),
    ack: Some(16),
    bye: Some(-9),
    seal: None,
};

fn line(heartbeat: &Heartbeat<'_>, form: Form, key: Option<&Key>) -> Vec<u8> {
    let mut line = Vec::new();
    heartbeat.write(form, key, &mut line);
    line
}

fn ops() -> (Key, Keys) {
    let text = format!("ops {}", std::str::from_utf8(SECRET).unwrap());
    (Key::new("ops", SECRET).unwrap(), Keys::read(&text).unwrap())
}

#[test]
fn words_after_the_time() {
    let read = |text| Heartbeat::read(str::as_bytes(text)).unwrap();
    let full = read(
        "Heartbeat 17 1700000000.25 id=web1 session=9f3a boot=4 interval=.5 mono=16.000214 ack=16 bye=-9",
    );
    assert_eq!(full.session, Some(0x9f3a));
    assert_eq!((full.interval, full.mono), (None, Some(16_000_214_000)));
    // In any order, with any separators, after any beginning, among unknown words.
    let other = read("PING,3,Fri Sep 20 13:12:19 2024|new=1 bye=0\tnew=2 x , id=a/b,interval=0.001");
    assert_eq!((other.seq, other.wall_ns, other.local), (Some(3), Some(FRIDAY), true));
    assert_eq!((other.id, other.bye, other.interval), (Some("a/b"), Some(0), Some(MS)));
    assert_eq!(read("Heartbeat id=web1").id, Some("web1"));
    assert_eq!(read("Heartbeat 5 id=web1 session=ABCDEF").session, Some(0xab_cdef));
    // Numbers out of range are ignored.
    for nothing in [
        "interval=0",
        "interval=0.0009",
        "interval=86400.1",
        "interval=-1",
        "interval=1e3",
        "interval=x",
        "mono=-1",
        "mono=",
        "mono=9223372037",
        "boot=-1",
        "boot=+1",
        "boot=18446744073709551616",
        "ack=1.0",
        "bye=2147483648",
        "bye=+1",
        "bye=",
    ] {
        let line = format!("Heartbeat 1 2 {nothing}");
        let expected = Heartbeat { seq: Some(1), wall_ns: Some(2 * SECOND), ..Heartbeat::default() };
        assert_eq!(Heartbeat::read(line.as_bytes()), Ok(expected), "{nothing}");
    }
    assert_eq!(read("Heartbeat 1 2 interval=86400 mono=0").interval, Some(86_400 * SECOND));
    assert_eq!(read("Heartbeat 1 2 bye=-2147483648 mono=0").bye, Some(i32::MIN));
}

#[test]
fn a_seal_covers_every_byte() {
    let (key, keys) = ops();
    let sealed = line(&SEALED, Form::Full, Some(&key));
    let read = Heartbeat::read(&sealed).unwrap();
    let seal = read.seal.unwrap();
    assert_eq!(seal.key, "ops");
    assert_eq!([seal.covered, &sealed[sealed.len() - 37..]].concat(), sealed);
    assert!(keys.verify(&seal).is_some());
    assert_eq!(Heartbeat { seal: None, ..read }, SEALED);
    let other = Keys::read("ops another-secret-of-some-length").unwrap();
    assert!(other.verify(&seal).is_none() && Keys::default().verify(&seal).is_none());
    assert!(keys.verify(&Seal { key: "default", ..seal }).is_none());

    for cut in 1..sealed.len() {
        let read = Heartbeat::read(&sealed[..cut]);
        assert!(read.is_err() || read.is_ok_and(|read| read.seal.is_none()), "{cut}");
    }
    // A line that names a key needs the whole code.
    let named = sealed.len() - 37;
    for cut in named..sealed.len() {
        assert_eq!(Heartbeat::read(&sealed[..cut]), Err(Unreadable::Seal), "{cut}");
    }
    for end in ["\n", "\r\n", " ", "\0", " x", " bye=0", "0", ",a=b"] {
        let longer = [&sealed, end.as_bytes()].concat();
        let error = Heartbeat::read(&longer).unwrap_err();
        assert!([Unreadable::Seal, Unreadable::Twice].contains(&error), "{end:?}: {error}");
    }
    let framed = [&u16::try_from(sealed.len()).unwrap().to_be_bytes(), &sealed[..]].concat();
    assert!(keys.verify(&Heartbeat::read(&framed).unwrap().seal.unwrap()).is_none());
    let text = String::from_utf8(sealed.clone()).unwrap();
    for changed in [
        text.replace(" mac=", "\tmac="),
        text.replace(" mac=", ",mac="),
        text.replace(" mac=", " MAC="),
        text.replace(" key=ops", ""),
        text.replace(" key=", " kez="),
        text.replace("mac=", "key=ops mac="),
        format!("{}{}", &text[..named + 5], text[named + 5..].to_uppercase()),
    ] {
        let error = Heartbeat::read(changed.as_bytes()).unwrap_err();
        assert!([Unreadable::Seal, Unreadable::Twice].contains(&error), "{changed}: {error}");
    }
}

#[test]
fn no_bit_of_a_sealed_line_can_flip() {
    let (key, keys) = ops();
    let sealed = line(&SEALED, Form::Full, Some(&key));
    for bit in 0..8 * sealed.len() {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // It cannot be read, or its seal is wrong.
        if let Ok(read) = Heartbeat::read(&changed) {
            let seal = read.seal.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&changed)));
            assert!(keys.verify(&seal).is_none(), "{}", String::from_utf8_lossy(&changed));
        }
    }
}

prop_compose! {
    fn heartbeats()(
        seq: u64,
        wall_ns in any::<i64>().prop_filter("a sender without a clock", |wall_ns| *wall_ns != 0),
        numbers: (Option<u64>, Option<u64>, Option<u64>, Option<i32>),
        interval in prop::option::of(INTERVALS),
        mono in prop::option::of(0..i64::MAX),
    ) -> Heartbeat<'static> {
        let (session, boot, ack, bye) = numbers;
        Heartbeat {
            seq: Some(seq), wall_ns: Some(wall_ns), session, boot, interval, mono, ack, bye, ..Heartbeat::default()
        }
    }
}

proptest! {
    #[test]
    fn what_we_write_we_read(
        heartbeat in heartbeats(),
        id in prop::option::of("[a-zA-Z0-9._:@/+-]{1,64}"),
        name in prop::option::of("[a-zA-Z0-9._:@/+-]{1,64}"),
    ) {
        let heartbeat = Heartbeat { id: id.as_deref(), ..heartbeat };
        let key = name.as_deref().map(|name| Key::new(name, SECRET).unwrap());
        let full = line(&heartbeat, Form::Full, key.as_ref());
        let read = Heartbeat::read(&full).unwrap();
        prop_assert_eq!(read.seal.map(|seal| seal.key), name.as_deref());
        if let Some(seal) = read.seal {
            let keys = format!("{} {}", seal.key, std::str::from_utf8(SECRET).unwrap());
            prop_assert!(Keys::read(&keys).unwrap().verify(&seal).is_some());
        }
        prop_assert_eq!(Heartbeat { seal: None, ..read }, heartbeat);
    }

    #[test]
    fn the_forms_of_the_course_are_read_back(seq: u64, wall_ns in 1..4_000_000_000_000_000_000_i64) {
        for form in [Form::Lab2, Form::Lab3] {
            let written = Heartbeat { seq: Some(seq), wall_ns: Some(wall_ns), ..Heartbeat::default() };
            let line = line(&written, form, None);
            let read = Heartbeat::read(&line).unwrap();
            prop_assert_eq!(read.seq, Some(seq));
            // A float has room for microseconds.
            prop_assert!((read.wall_ns.unwrap() - wall_ns).abs() < 1_000, "{:?}", read);
        }
    }

    #[test]
    fn a_changed_line_is_never_verified(
        heartbeat in heartbeats(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..6),
    ) {
        let (key, keys) = ops();
        let sealed = line(&heartbeat, Form::Full, Some(&key));
        let mut changed = sealed.clone();
        for (at, byte, how) in edits {
            let at = at.index(changed.len());
            match how {
                0 => changed[at] = byte,
                1 => changed.insert(at, byte),
                2 if changed.len() > 1 => drop(changed.remove(at)),
                _ => changed.truncate(at.max(1)),
            }
        }
        let believed = Heartbeat::read(&changed).is_ok_and(|read| read.seal.is_some_and(|seal| keys.verify(&seal).is_some()));
        prop_assert_eq!(believed, changed == sealed);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (Heartbeat::read(&bytes), sent_at(&bytes));
    }

    #[test]
    fn any_text_is_read_without_harm(text in "(Ping|[0-9]{0,20}|[-+.:,|=#@{}\"'\\\\]|Fri Sep 20|13:12:19|2024-09-20|id|mac|é|\n| ){0,14}") {
        let _ = (Heartbeat::read(text.as_bytes()), sent_at(text.as_bytes()));
    }
}

#[test]
fn codes_are_compared_in_constant_time() {
    let source = include_str!("../../seal.rs");
    let (code, _) = source.split_once("#[cfg(test)]").unwrap();
    assert_eq!(code.matches(".verifies(&[seal.covered], &seal.mac)").count(), 1);
    assert_eq!(code.matches(".mac").count(), 1, "a code is used elsewhere");
    let source = include_str!("../../../mac.rs");
    assert_eq!(source.matches("verify_truncated_left(code)").count(), 1);
}
