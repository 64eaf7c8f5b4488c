//! Reads the sequence numbers in replies of every dialect of the course: the ping upper-cased, padded, prefixed or
//! re-worded, or binary.

use super::Seq;

/// From this value on, a lone number is a time (seconds since 1970) and not a sequence number.
pub(super) const FIRST_TIME: u64 = 100_000_000;

/// The sequence number in a reply, if one can be read.
pub(super) fn parse_seq(datagram: &[u8]) -> Option<Seq> {
    if let Some(seq) = binary_seq(datagram) {
        return Some(seq);
    }
    let mut after_word = None;
    let mut in_front = None;
    let mut expecting = false;
    for (position, token) in tokens(datagram).enumerate() {
        if let Some(number) = whole_number(token) {
            if expecting && number < FIRST_TIME {
                return Some(Seq::Whole(number));
            }
            if expecting && after_word.is_none() {
                after_word = Some(number);
            }
            if position == 0 && number < FIRST_TIME {
                in_front = Some(number);
            }
            expecting = false;
        } else {
            let (word, digits) = split_glued(token);
            if !is_sequence_word(word) {
                expecting = false;
            } else if digits.is_empty() {
                expecting = true;
            } else if let Some(number) = whole_number(digits) {
                return Some(Seq::Whole(number));
            }
        }
    }
    in_front.or(after_word).map(Seq::Whole)
}

/// Words and numbers of a line; the separators are those of the dialects (space, comma, pipe, JSON, `seq:`).
fn tokens(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    datagram
        .split(|byte| {
            matches!(
                byte,
                0..=b' ' | b',' | b'|' | b';' | b':' | b'"' | b'=' | b'{' | b'}' | b'(' | b')' | b'[' | b']'
            )
        })
        .filter(|token| !token.is_empty())
}

/// Digits only (a leading `#` allowed), within `u64`.
fn whole_number(token: &[u8]) -> Option<u64> {
    let digits = token.strip_prefix(b"#").unwrap_or(token);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `Ping12` -> (`Ping`, `12`): one variant of the lab writes them together.
fn split_glued(token: &[u8]) -> (&[u8], &[u8]) {
    let digits = token.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    token.split_at(token.len() - digits)
}

/// The words after which the known dialects put the sequence number.
pub(super) fn is_sequence_word(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 15] = [
        b"ping",
        b"pong",
        b"echo",
        b"reply",
        b"pingecho",
        b"heartbeat",
        b"seq",
        b"seq_num",
        b"seqno",
        b"seqnum",
        b"sequence",
        b"sequence_number",
        b"number",
        b"packet",
        b"package",
    ];
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Eight bytes that are no text: a network-order `(type, seq)` pair with type 1 or 2, or a 64-bit counter.
fn binary_seq(datagram: &[u8]) -> Option<Seq> {
    let (kind, low) = datagram.split_first_chunk::<4>()?;
    let low = <[u8; 4]>::try_from(low).ok()?;
    (u32::from_be_bytes(*kind) <= 2).then(|| Seq::Low32(u32::from_be_bytes(low)))
}

#[cfg(test)]
mod tests {
    use super::super::read_seq;
    use super::*;

    #[test]
    fn the_number_in_every_form_of_reply_is_read() {
        let forms: [(&[u8], Option<u64>); 24] = [
            (b"PING 1 1700000000.0", Some(1)),
            (b"Ping 1 1700000000.0\0\0\0\0", Some(1)),
            (b"ping 7 1700000000.0 \n", Some(7)),
            (b"127.0.0.1:12000 Ping 3 1700000000.0", Some(3)),
            (b"Ping 3 1700000000.0 OK", Some(3)),
            (b"pong", None),
            (b"pong 4 1700000000.0", Some(4)),
            (b"echo,5,2022-11-10 12:00:00.123456", Some(5)),
            (b"6 0.0", Some(6)),
            (b"6 0.003571", Some(6)),
            (b"6 -2.5680248737335205", Some(6)),
            (b"Seq: 8, Time Difference: 0.000123 seconds", Some(8)),
            (b"Reply 9 1700000000.1 1700000000.2 d41d8cd98f00b204e9800998ecf8427e\n", Some(9)),
            (b"PINGECHO 10 1700000000.0 secret\r\n", Some(10)),
            (b"11 Ping 1700000000", Some(11)),
            (b"PING #12 @ 10:11:12", Some(12)),
            (b"Ping13", Some(13)),
            (b"Ping 14:", Some(14)),
            (b"Sequence number 15", Some(15)),
            (b"{\"seq_num\": 16, \"timestamp\": 1700000000000}", Some(16)),
            (b"received", None),
            (b"ok", None),
            (b"127.0.0.1:12000 ok", None),
            (b"", None),
        ];
        for (form, expected) in forms {
            assert_eq!(read_seq(form), expected, "{}", String::from_utf8_lossy(form));
        }
    }

    #[test]
    fn numbers_that_only_heartbeats_have_are_read_too() {
        let structure = [7_u32.to_le_bytes(), [0; 4]].concat();
        let structure = [structure, 1_700_000_000.25_f64.to_le_bytes().to_vec()].concat();
        let forms: [(&[u8], u64); 5] = [
            (b"0001201234Student Name##################", 12),
            (b"\x08\x00\x88\x99\x10\x92\x00\x03\x01\x6b\x18\xeb\x44\x7b", 3),
            (&structure, 7),
            (b"Version: 1\nSequence No.: 2\nTime: 37464.900\nHost: h", 2),
            (br#"{"Version": 1, "SequenceNo": 4, "Timestamp": 1700000000.25}"#, 4),
        ];
        for (form, expected) in forms {
            assert_eq!(read_seq(form), Some(expected), "{}", String::from_utf8_lossy(form));
            assert_eq!(parse_seq(form), None, "no form of a reply");
        }
        for nothing in [&b"hello 5"[..], b"received 17 of them", b"\xff\xfe\x00", b"{}", b"a: 1\nb: 2"] {
            assert_eq!(read_seq(nothing), None, "{}", String::from_utf8_lossy(nothing));
        }
    }

    #[test]
    fn digits_within_a_binary_form_are_no_number() {
        for seq in 0..70_000_u32 {
            let structure = [seq.to_le_bytes(), [0; 4]].concat();
            let structure = [structure, 1_700_000_000.25_f64.to_le_bytes().to_vec()].concat();
            assert_eq!(read_seq(&structure), Some(seq.into()));
        }
        for milliseconds in 1_700_000_000_000..1_700_000_000_000 + 70_000_u64 {
            let time = milliseconds.to_be_bytes();
            let mut request = [&b"\x08\0\0\0\x10\x92\0\x03"[..], &time[2..]].concat();
            let sum: u32 = request.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
            let checksum = 0xffff - (sum % 0xffff);
            request[2..4].copy_from_slice(&checksum.to_be_bytes()[2..]);
            assert_eq!(read_seq(&request), Some(3), "{request:?}");
        }
    }

    #[test]
    fn binary_answers_carry_32_bits() {
        assert_eq!(parse_seq(&[0, 0, 0, 2, 0, 0, 0, 9]), Some(Seq::Low32(9)));
        assert_eq!(parse_seq(&41_u64.to_be_bytes()), Some(Seq::Low32(41)));
    }
}
