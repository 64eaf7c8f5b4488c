//! Rows against a model that keeps them one by one, and the cost of cloning them.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const FIRST: u64 = 7;

/// An operation on rows.
#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    /// A reply with a text to the row that is so far from the end, if there is one.
    Reply(usize, Vec<u8>),
    Unreachable(usize),
    Drop(usize),
    /// Clones the rows, and the latest so many.
    Look(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let text = prop::collection::vec(any::<u8>(), 0..3).prop_map(|seed| seed.repeat(700));
    prop_oneof![
        2 => (1..20_000_usize).prop_map(Step::Push),
        6 => (0..60_000_usize, text).prop_map(|(back, text)| Step::Reply(back, text)),
        2 => (0..60_000_usize).prop_map(Step::Unreachable),
        1 => (0..40_000_usize).prop_map(Step::Drop),
        2 => (0..40_000_usize).prop_map(Step::Look),
    ]
}

fn from(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Rows one by one.
type Model = VecDeque<Row>;

fn check(rows: &Rows, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(rows.len(), model.len());
    for (index, row) in model.iter().enumerate() {
        prop_assert_eq!(rows.index(row.seq), Some(index));
        prop_assert_eq!(&rows.get(index), row);
    }
    prop_assert_eq!(rows.index(rows.first_seq() + rows.len() as u64), None);
    prop_assert_eq!(rows.chunks().map(|chunk| chunk.len()).sum::<usize>(), model.len());
    let in_time = model.iter().filter(|row| row.status == Status::Reply).map(|row| row.rtt);
    prop_assert!(rows.round_trips().eq(in_time));
    Ok(())
}

/// Does the same to both.
fn reply(rows: &mut Rows, model: &mut Model, came: &mut u64, index: usize, text: &[u8]) {
    let port = u16::try_from(index % 3).unwrap_or(0);
    let ttl = (port > 0).then_some(64);
    let (chunk, at) = rows.place_mut(index);
    chunk.copies[at] += 1;
    model[index].copies += 1;
    if model[index].copies > 1 {
        return;
    }
    chunk.status[at] = Status::Reply as u8;
    chunk.rtt[at] = 30;
    rows.set_reply(index, Source::Peer(from(port)), Match::Payload, ttl, text);
    *came += 1;
    let row = &mut model[index];
    row.arrival = Some(*came);
    (row.status, row.rtt, row.ttl, row.source) = (Status::Reply, 30, ttl, Some(Source::Peer(from(port))));
    row.reply = Some(Reply {
        bytes: u32::try_from(text.len()).expect("short"),
        stamp: TimeSource::User,
        matched: Match::Payload,
        text: text[..text.len().min(KEPT_REPLY)].into(),
    });
}

fn push(rows: &mut Rows, model: &mut Model, count: usize) {
    for _ in 0..count {
        let seq = model.back().map_or(rows.first_seq(), |row| row.seq + 1);
        let due = i64::try_from(seq).expect("small") * 100;
        let sent = if seq.is_multiple_of(10) { NONE } else { due + 1 };
        rows.push(due, sent, due + 2);
        model.push_back(Row {
            seq,
            due,
            sent,
            sent_wall: due + 2,
            rtt: NONE,
            user_rtt: NONE,
            status: if sent == NONE { Status::Error } else { Status::Open },
            copies: 0,
            source: None,
            ttl: None,
            reply: None,
            server: ServerTimes::default(),
            arrival: None,
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Rows agree with a list of rows, and their clones stay as they were.
    #[test]
    fn rows_are_as_a_plain_list_of_them(steps in prop::collection::vec(step(), 1..24)) {
        let (mut rows, mut model) = (Rows::new(FIRST), Model::new());
        let (mut looks, mut came) = (Vec::new(), 0);
        for step in steps {
            let place = |back: usize| model.len().checked_sub(back + 1);
            match step {
                Step::Push(count) => push(&mut rows, &mut model, count),
                Step::Reply(back, text) => {
                    if let Some(index) = place(back) {
                        reply(&mut rows, &mut model, &mut came, index, &text);
                    }
                }
                Step::Unreachable(back) => {
                    if let Some(index) = place(back) {
                        rows.set_source(index, Source::Router(from(0).ip()));
                        model[index].source = Some(Source::Router(from(0).ip()));
                    }
                }
                Step::Drop(count) => {
                    rows.drop_front(count);
                    let dropped = model.len() - rows.len();
                    prop_assert!(dropped <= count.min(model.len()));
                    prop_assert!(count.min(model.len()) - dropped < Rows::CHUNK);
                    model.drain(..dropped);
                }
                Step::Look(count) => {
                    let latest = rows.latest(count);
                    prop_assert!(latest.len() >= count.min(rows.len()));
                    prop_assert!(latest.len() < count + Rows::CHUNK);
                    let kept = model.iter().skip(model.len() - latest.len()).cloned().collect::<Model>();
                    looks.push((latest, kept));
                    looks.push((rows.clone(), model.clone()));
                }
            }
        }
        check(&rows, &model)?;
        for (look, seen) in &looks {
            check(look, seen)?;
        }
    }
}

/// The addresses of a column of each chunk.
fn places(rows: &Rows) -> Vec<*const Nanos> {
    rows.chunks().map(|chunk| chunk.rtt.as_ptr()).collect()
}

#[test]
fn what_is_written_once_is_never_moved() {
    let mut rows = Rows::new(FIRST);
    let mut before = Vec::new();
    for index in 0..5 * Rows::CHUNK {
        if index % Rows::CHUNK == 0 {
            assert_eq!(places(&rows)[..], before[..], "after {index} rows");
        }
        rows.push(0, 0, 0);
        if (index + 1).is_multiple_of(Rows::CHUNK) {
            before = places(&rows);
        }
    }
    rows.drop_front(3 * Rows::CHUNK - 1);
    assert_eq!(places(&rows), before[2..]);
}

#[test]
fn a_clone_shares_the_rows_and_only_chunks_that_are_written_to_are_copied() {
    let mut rows = Rows::new(FIRST);
    (0..3 * Rows::CHUNK + 5).for_each(|_| rows.push(0, 0, 0));
    let look = rows.clone();
    assert_eq!(places(&look), places(&rows));
    rows.push(0, 0, 0);
    rows.place_mut(Rows::CHUNK).0.copies[0] = 2;
    let moved: Vec<bool> = places(&look).iter().zip(&places(&rows)).map(|(then, now)| then != now).collect();
    assert_eq!(moved, [false, true, false, true]);
    drop(look);
    let then = places(&rows);
    rows.place_mut(Rows::CHUNK).0.copies[0] = 3;
    rows.place_mut(0).0.copies[0] = 3;
    assert_eq!(places(&rows), then, "without a clone nothing is copied");
    assert!(rows.chunks().all(|chunk| Arc::strong_count(chunk) == 1));
    assert_eq!(rows.latest(0).chunks().len(), 0);
}

#[test]
fn a_row_takes_few_bytes() {
    let (mut rows, mut model) = (Rows::new(FIRST), Model::new());
    push(&mut rows, &mut model, 4 * Rows::CHUNK);
    let text = [b'x'; 32];
    (0..rows.len()).for_each(|index| reply(&mut rows, &mut model, &mut 0, index, &text));
    let each = rows.bytes_held() / rows.len();
    assert_eq!(each, 7 * 8 + 4 * 4 + 4 + text.len());
}

fn some_row() -> impl Strategy<Value = Row> {
    let sources =
        prop::sample::select(vec!["", "127.0.0.1:9", "[fe80::1%3]:65535", "192.0.2.1", "2001:db8::1"]);
    let text = prop::collection::vec(any::<u8>(), 0..=KEPT_REPLY);
    let reply = (any::<u32>(), 0..TimeSource::ALL.len(), 0..Match::ALL.len(), text);
    let stamp = prop::option::of(0..TimeSource::ALL.len());
    let server = (any::<(Option<i64>, Option<i64>, Option<u32>, Option<u64>)>(), stamp);
    (
        any::<(u64, [i64; 5], u32, Option<u8>)>(),
        0..Status::ALL.len(),
        sources,
        prop::option::of(reply),
        server,
    )
        .prop_map(
            |(
                (seq, times, copies, ttl),
                status,
                source,
                reply,
                ((received, sent_there, server_seq, arrival), server_stamp),
            )| {
                let [due, sent_ns, sent_wall, rtt, user_rtt] = times;
                let peer = source.parse().ok().map(Source::Peer);
                Row {
                    seq,
                    due,
                    sent: sent_ns,
                    sent_wall,
                    rtt,
                    user_rtt,
                    status: Status::ALL[status],
                    copies,
                    source: peer.or_else(|| source.parse().ok().map(Source::Router)),
                    ttl,
                    reply: reply.map(|(bytes, stamp, matched, text)| Reply {
                        bytes,
                        stamp: TimeSource::ALL[stamp],
                        matched: Match::ALL[matched],
                        text: text.into(),
                    }),
                    server: ServerTimes {
                        received,
                        sent: sent_there,
                        seq: server_seq,
                        stamp: server_stamp.map(|stamp| TimeSource::ALL[stamp]),
                    },
                    arrival,
                }
            },
        )
}

proptest! {
    #[test]
    fn stored_rows_are_restored(rows in prop::collection::vec(some_row(), 1..4)) {
        let mut bytes = Vec::new();
        for row in &rows {
            row.store(&mut bytes);
        }
        let mut left = &bytes[..];
        for row in &rows {
            prop_assert_eq!(Row::restore(&mut left), Some(row.clone()));
        }
        prop_assert!(left.is_empty());
        // A file that was cut has no rows made up.
        let mut cut = &bytes[..bytes.len() - 1];
        prop_assert_eq!(std::iter::from_fn(|| Row::restore(&mut cut)).count(), rows.len() - 1);
    }
}
