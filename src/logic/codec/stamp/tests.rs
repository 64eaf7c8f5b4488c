//! Packets byte by byte as other implementations send them: stamp-suite 1.0.0 and teaparty 7f5693b.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::logic::codec::{Codec as _, Reading, Seq, ServerTimes};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .split_whitespace()
        .flat_map(|word| match word.split_once('*') {
            Some((byte, count)) => byte.repeat(count.parse().unwrap()).into_bytes(),
            None => word.as_bytes().to_vec(),
        })
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

fn time(format: TimeFormat, hex: &str) -> i64 {
    format.decode(bytes(hex).try_into().unwrap()).unwrap()
}

fn facts() -> Facts {
    Facts {
        source: SocketAddr::from(([127, 0, 0, 1], 20_001)),
        local: SocketAddr::from(([127, 0, 0, 1], 8_620)),
        discloses: true,
        tos: Some(0xb8),
        synchronised: false,
        received: 1,
        sent: 1,
        previous: None,
        format: TimeFormat::Ntp,
    }
}

fn estimate(hex: &str) -> ErrorEstimate {
    ErrorEstimate::from_bytes(bytes(hex).try_into().unwrap())
}

const SENDER: &str = "00000000 eeb708e8c35c05ff 0001 0000 00*28";
const REPLY: &str =
    "00000000 eeb708e8c3629f4b 0001 0000 eeb708e8c3621a91 00000000 eeb708e8c35c05ff 0001 0000 ff 000000";
const SEALED: &str = "00000000 00*12 6b0c8afd095d1c88 4001 0000 00*68 79485c2f0df34b586bd41a6f30f847b1";
const SEALED_REPLY: &str = "00000000 00*12 6b0c8afd09719946 4001 0000 00*4 6b0c8afd097167c9 00*8 00000000 00*12 \
                            6b0c8afd095d1c88 4001 00*6 ff 00*15 dddf37622685d54cf21720378624532b";

fn key() -> Secret {
    secret("hex:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F").unwrap()
}

/// A reply to `request` with these times, in open mode or not.
fn reply(layout: &Layout, request: &str, answer: &Answer, secret: Option<&Secret>, facts: &Facts) -> Vec<u8> {
    let mut out = vec![0xaa];
    layout.write_reply(&bytes(request), answer, secret, facts, &mut out);
    out.split_off(1)
}

fn answer(seq: u32) -> Answer {
    Answer { seq, received: 1, sent: 2, error_estimate: estimate("0001"), ttl: Some(255) }
}

#[test]
fn open_packets_are_those_of_others() {
    let ntp = |hex| time(TimeFormat::Ntp, hex);
    let sender = Stamp::new(None, 0, estimate("0001"));
    let mut sent = Vec::new();
    sender.write(0, ntp("eeb708e8c35c05ff"), None, &mut sent);
    assert_eq!(sent, bytes(SENDER));
    let answer = Answer { received: ntp("eeb708e8c3621a91"), sent: ntp("eeb708e8c3629f4b"), ..answer(0) };
    let reply = reply(&OPEN, SENDER, &answer, None, &facts());
    assert_eq!(reply, bytes(REPLY));
    let server = ServerTimes {
        received: Some(answer.received),
        sent: Some(answer.sent),
        seq: Some(answer.seq),
        stamp: None,
    };
    assert_eq!(sender.read(&reply), Reading { seq: Some(Seq::Low32(0)), server, ..Reading::default() });
    assert!(sender.identifies(&reply, 0, ntp("eeb708e8c35c05ff")));
    assert!(!sender.identifies(&reply, 1, ntp("eeb708e8c35c05ff")));
    assert!(!sender.identifies(&reply, 0, ntp("eeb708e8c35c05ff") + 1));
    // An echo server is no reflector.
    assert_eq!(sender.read(&sent), Reading::default());
    assert!(!sender.identifies(&sent, 0, ntp("eeb708e8c35c05ff")));
}

#[test]
fn authenticated_packets_are_those_of_others() {
    let ptp = |hex| time(TimeFormat::Ptp, hex);
    let sender = Stamp::new(Some(key()), 0, estimate("4001"));
    let mut sent = Vec::new();
    sender.write(0, ptp("6b0c8afd095d1c88"), None, &mut sent);
    assert_eq!(sent, bytes(SEALED));
    assert!(AUTHENTICATED.is_authentic(&sent, &key()));
    let answer = Answer {
        received: ptp("6b0c8afd097167c9"),
        sent: ptp("6b0c8afd09719946"),
        error_estimate: estimate("4001"),
        ..answer(0)
    };
    let mut reply = reply(&AUTHENTICATED, SEALED, &answer, Some(&key()), &facts());
    assert_eq!(reply, bytes(SEALED_REPLY));
    assert_eq!(sender.read(&reply).server.sent, Some(answer.sent));
    reply[100] ^= 1;
    assert_eq!(sender.read(&reply), Reading::default());
}

#[test]
fn extensions_are_answered() {
    let tlvs = "80040004b8000000 8003000400000000 8002002c 00000000 80070010 00*16 80040010 00*16 \
                80070010 00*16 8005000c 00000001 00*8";
    let request = format!("{SENDER} {tlvs}");
    let answers = reply(&OPEN, &request, &answer(0), None, &facts()).split_off(44);
    // stamp-suite sets bits of a draft in the class of service, and a method for a reply that there is not.
    assert_eq!(OPEN.wanted_class(&bytes(&request), None), Some(46));
    assert_eq!(
        answers,
        bytes(
            "00040004bae00000 0003000405020502 0002002c 21ac4e21 00080010 7f000001 00*12 00050010 7f000001 00*12 \
             00070010 00*16 0005000c000000010000000100000001"
        )
    );
    for (tlvs, class) in [
        ("80010000 80040004b8000000", Some(46)),
        ("80030000 80040004b8000000", None),
        ("80040003b80000", None),
        ("80040004b8000000 80080010 00*16", None),
        ("80010000", None),
    ] {
        assert_eq!(OPEN.wanted_class(&bytes(&format!("{SENDER} {tlvs}")), None), class, "{tlvs}");
    }
    let unmarked = Facts { tos: None, ..facts() };
    let answers =
        reply(&OPEN, &format!("{SENDER} 80040004b8000000"), &answer(0), None, &unmarked).split_off(44);
    assert_eq!(answers, bytes("00040004b8010000"));
    let silent = Facts { discloses: false, ..facts() };
    let answers = reply(&OPEN, &request, &answer(0), None, &silent).split_off(44);
    assert_eq!(answers[16..64], bytes("0002002c 00*4 00080010 00*16 00050010 00*16"));
    let request = format!("{SENDER} 80070010 00*16");
    let later = Facts { previous: Some(Previous { seq: 5, sent: 0 }), ..facts() };
    let answers = reply(&OPEN, &request, &answer(6), None, &later).split_off(44);
    assert_eq!(answers, bytes("00070010 00000005 83aa7e80 00000000 02 000000"));
}

#[test]
fn extensions_that_are_unknown_or_malformed_are_copied_with_a_flag() {
    for (tlvs, answered) in [
        // Unknown; those that redirect or multiply replies among them.
        ("80f00002abcd", "80f00002abcd"),
        ("00f00002abcd", "80f00002abcd"),
        ("800a0004 00000001 800c0004 00000009", "800a0004 00000001 800c0004 00000009"),
        // Extra Padding, twice, and after it what is asked.
        ("80010002abcd 80010000 8003000400000000", "00010002abcd 00010000 0003000405020502"),
        // Too long for the packet, and of a wrong length: nothing after it is looked at.
        ("80f000ffabcd", "40f000ffabcd"),
        ("80040003b80000 8003000400000000", "40040003b80000 8003000400000000"),
        ("80070004 01020304 80f00000", "40070004 00000000 80f00000"),
        // Access Report: kinds 1 and 2 are defined.
        ("80060004 11000000", "00060004 11000000"),
        ("80060004 31000000", "80060004 31000000"),
        // TWAMP's padding, and less than a header.
        ("00*40", "00*40"),
        ("ff", "ff"),
        ("80010000 ffff", "00010000 ffff"),
        // No key, so no HMAC can be right.
        ("8003000400000000 80080010 00*16", "a003000400000000 a0080010 00*16"),
    ] {
        let request = format!("{SENDER} {tlvs}");
        let answers = reply(&OPEN, &request, &answer(0), None, &facts()).split_off(44);
        assert_eq!(answers, bytes(answered), "{tlvs}");
    }
}

#[test]
fn the_hmac_of_extensions_covers_the_number_of_its_packet() {
    let key = secret("0123456789abcdef").unwrap();
    let right = "8003000400000000 80080010 6cad2fddbc6584396ae0721f666796b5";
    let base = "00000022 00*108";
    let tlvs = |tlvs: &str| {
        let request = format!("{base} {tlvs}");
        reply(&AUTHENTICATED, &request, &answer(0), Some(&key), &facts()).split_off(112)
    };
    let answered = "0003000405020502 00080010 5141eaf2b66d303829a77ce2c41060fd";
    assert_eq!(tlvs(right), bytes(answered));
    assert_eq!(tlvs(&format!("{right} 80010002 abcd")), bytes(&format!("{answered} 00010002 abcd")));
    for (wrong, answered) in [
        // Changed, missing, not last, twice.
        (
            "8003000400000001 80080010 6cad2fddbc6584396ae0721f666796b5",
            "a003000400000001 a0080010 6cad2fddbc6584396ae0721f666796b5",
        ),
        ("8003000400000000", "a003000400000000"),
        ("80080010 00*16 8003000400000000", "a0080010 00*16 a003000400000000"),
        ("80080010 00*16 80080010 00*16", "a0080010 00*16 a0080010 00*16"),
        // Padding alone needs none.
        ("80010002 abcd", "00010002 abcd"),
    ] {
        assert_eq!(tlvs(wrong), bytes(answered), "{wrong}");
    }
    // In open mode a reflector with the key checks it all the same.
    let request = format!("00000022 00*40 {right}");
    let answers = reply(&OPEN, &request, &answer(0), Some(&key), &facts()).split_off(44);
    assert_eq!(answers, bytes(answered));
}

#[test]
fn short_requests_are_answered_with_a_base_packet() {
    // twampy's sender: 14 octets.
    let reply = reply(&OPEN, "00000007 eeb708e8c35c05ff 3fff", &answer(7), None, &facts());
    assert_eq!(reply.len(), 44);
    assert_eq!(reply[24..44], bytes("00000007 eeb708e8c35c05ff 3fff 0000 ff 000000"));
}

#[test]
fn hops_that_the_system_does_not_report_are_255() {
    let answer = Answer { ttl: None, ..answer(7) };
    assert_eq!(reply(&OPEN, "00000007 eeb708e8c35c05ff 3fff", &answer, None, &facts())[40], 255);
}

#[test]
fn replies_of_twamp_light_need_no_hops() {
    let sender = Stamp::new(None, 0, estimate("0001"));
    assert_eq!(sender.read(&bytes(REPLY)[..38]).seq, Some(Seq::Low32(0)));
    assert_eq!(sender.read(&bytes(REPLY)[..37]), Reading::default());
}

#[test]
fn a_reflector_that_knows_no_sessions_is_read_too() {
    let sender = Stamp::new(None, 7, estimate("0001"));
    assert_eq!(OPEN.ssid(&bytes(REPLY)), 0);
    assert_eq!(sender.read(&bytes(REPLY)).seq, Some(Seq::Low32(0)));
}

#[test]
fn packets_are_padded_with_the_extension_for_it() {
    let sender = Stamp::new(None, 0x1234, estimate("0587"));
    let sized = |size| {
        let mut out = Vec::new();
        sender.write(1 << 32 | 3, 0, Some(size), &mut out);
        (out.len(), out)
    };
    assert_eq!(sized(60).1, bytes("00000003 83aa7e80 00000000 0587 1234 00*28 8001000c 00*12"));
    assert_eq!(sized(48).1[44..], bytes("80010000"));
    assert_eq!(sized(47).1[44..], [0; 3]);
    assert_eq!((sized(44).0, sized(10).0), (44, 44));
    assert_eq!(sender.read_quoted(&sized(44).1[..8]), Some(Seq::Low32(3)));
    assert_eq!(sender.read_quoted(&[0; 3]), None);
}

#[test]
fn error_estimates_are_rounded_up() {
    for (nanos, hex) in [
        (1_000, "0587"),
        (10_000, "08a8"),
        (100_000, "0bd2"),
        (1_000_000, "0f84"),
        (5_000_000, "11a4"),
        (10_000_000, "12a4"),
        (1_000_000_000, "1980"),
    ] {
        let written = ErrorEstimate::new(nanos, false, TimeFormat::Ntp);
        assert_eq!(written, estimate(hex), "{nanos}");
        assert!(written.nanos().unwrap() >= nanos && written.nanos().unwrap() < nanos + nanos / 100 + 1);
    }
    assert_eq!(ErrorEstimate::new(1_000, true, TimeFormat::Ptp), estimate("c587"));
    assert!(estimate("c587").is_synchronised() && estimate("c587").format() == TimeFormat::Ptp);
    // TWAMP's largest overflows, and 0 says nothing.
    assert_eq!((estimate("3fff").nanos(), estimate("0500").nanos()), (Some(i64::MAX), None));
    assert_eq!(ErrorEstimate::new(0, false, TimeFormat::Ntp), estimate("0001"));
    assert!(ErrorEstimate::new(i64::MAX, false, TimeFormat::Ntp).nanos().is_some());
}

#[test]
fn the_second_era_of_ntp_begins_in_2036() {
    let end = 2_085_978_496 * 1_000_000_000; // 2036-02-07 06:28:16
    assert_eq!(TimeFormat::Ntp.encode(end - 1_000_000_000), bytes("ffffffff00000000")[..]);
    assert_eq!(TimeFormat::Ntp.decode(TimeFormat::Ntp.encode(end + 1)), Some(end + 1));
    assert_eq!(TimeFormat::Ptp.decode(bytes("00000001 3b9aca00").try_into().unwrap()), None);
    assert_eq!(TimeFormat::Ntp.decode([0; 8]), None);
}

#[test]
fn keys_are_read_from_lines() {
    let keys =
        Keys::read("# ours\n0123456789abcdef\n\n7 hex:00112233445566778899aabbccddeeff 10.0.0.1,::1\n")
            .unwrap();
    let source = |text: &str| text.parse().unwrap();
    assert!(keys.find(7).is_some() && keys.find(8).is_some() && keys.sessions() == 1);
    assert!(keys.is_provisioned(7, source("10.0.0.1")) && keys.is_provisioned(7, source("::ffff:10.0.0.1")));
    assert!(!keys.is_provisioned(7, source("10.0.0.2")) && !keys.is_provisioned(8, source("10.0.0.1")));
    assert!(keys.may_be_at(8, source("10.0.0.9")));
    for (text, why) in [
        ("", "without a line"),
        ("short", "on line 1 with a secret of 5 letters"),
        ("hex:0011", "hex: and 32 to 2048 hexadecimal digits"),
        ("hex:0011223344556677889900112233445x", "hexadecimal digits"),
        ("0 0123456789abcdef", "1 to 65535 before the secret"),
        ("x 0123456789abcdef", "1 to 65535"),
        ("0123456789abcdef\n0123456789abcdef", "on line 2 for a session that has one"),
        ("7 0123456789abcdef\n7 0123456789abcdef", "each session once"),
        ("7 0123456789abcdef here", "IP addresses with commas"),
        ("7 0123456789abcdef ::1 x", "more than three words"),
    ] {
        let error = Keys::read(text).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains("9abcdef"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn times_come_back_as_they_were(wall in 0..4_000_000_000_000_000_000_i64) {
        for format in TimeFormat::ALL {
            let back = format.decode(format.encode(wall));
            prop_assert_eq!(back, Some(wall).filter(|wall| format == TimeFormat::Ntp || *wall != 0));
        }
    }

    #[test]
    fn errors_are_never_rounded_down(nanos in 0..i64::MAX, ptp: bool) {
        let format = if ptp { TimeFormat::Ptp } else { TimeFormat::Ntp };
        let written = ErrorEstimate::new(nanos, ptp, format);
        prop_assert!(written.nanos().unwrap() >= nanos && written.format() == format);
    }
}
