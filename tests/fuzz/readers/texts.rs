//! What people and files say in words: links, options, faults, keys, JSON and CSV.

use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::str::FromStr;

use udpping::logic::codec::{Protocol, TextLine, heartbeat, stamp};
use udpping::logic::link::{
    Corrupt, Delay, Duplicate, Impairments, Jitter, Link, LinkPlan, Loss, Match, Packet, Queue, Rate,
    Reorder, Schedule, Scope, Truncate,
};
use udpping::logic::monitor::detect::Detector;
use udpping::logic::ping;
use udpping::logic::random::Seed;
use udpping::logic::text::{self, Probability, csv as table, json as lines};
use udpping::logic::{Invalid, SECOND};
use udpping::sim::monitor::Faults;

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// A link of two directions, a line each: what it says is read as the same, and datagrams pass it.
pub(super) fn link(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let (up, down) = text.split_once('\n').unwrap_or((text, ""));
    let (Some(up), Some(down)) = (there_and_back::<Impairments>(up), there_and_back::<Impairments>(down))
    else {
        return;
    };
    let Ok(plan) = LinkPlan::between(up, down, Loss::NONE, Delay::NONE, Seed::from(1_u64)) else { return };
    let mut link = Link::new(plan);
    let client = SocketAddr::from(([10, 0, 0, 1], 5_000));
    for number in 0..8 {
        let request = Packet { at: number * SECOND / 10, len: 64 };
        let fate = link.round_trip(client, request);
        assert!(fate.deliveries.len() <= 8);
        for delivery in &*fate.deliveries {
            assert!(delivery.at >= request.at, "before it was sent: {delivery:?}");
        }
    }
}

/// Each other grammar.
pub(super) fn options(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    there_and_back::<Loss>(text);
    there_and_back::<Delay>(text);
    there_and_back::<Jitter>(text);
    there_and_back::<Reorder>(text);
    there_and_back::<Duplicate>(text);
    there_and_back::<Corrupt>(text);
    there_and_back::<Truncate>(text);
    there_and_back::<Rate>(text);
    there_and_back::<Queue>(text);
    there_and_back::<Schedule>(text);
    there_and_back::<Match>(text);
    there_and_back::<Scope>(text);
    there_and_back::<ping::Schedule>(text);
    there_and_back::<Detector>(text);
    there_and_back::<Seed>(text);
    there_and_back::<Protocol>(text);
    there_and_back::<TextLine>(text);
    there_and_back::<heartbeat::Form>(text);
    let _ = text.parse::<Probability>().map(|it| (it.as_f64(), it.fraction()));
}

/// Reads a text; one that is read is written as one that is read as the same, and one that is not has an error of a line.
fn there_and_back<T: FromStr<Err = Invalid> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(read) => {
            let written = read.to_string();
            let again = written.parse::<T>();
            assert_eq!(again.as_ref(), Ok(&read), "{text:?} is written as {written:?}");
            Some(read)
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && told.chars().all(|letter| !text::is_hidden(letter)), "{told:?}");
            None
        }
    }
}

/// The faults of a simulated sender.
pub(super) fn faults(bytes: &[u8]) {
    let _ = text(bytes).map(str::parse::<Faults>);
}

/// Files of keys; no error tells what is in them.
pub(super) fn keys(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(keys) = heartbeat::Keys::read(text) {
        keys.find(None);
        keys.find(Some("one"));
    }
    if let Ok(keys) = stamp::Keys::read(text) {
        keys.find(7);
    }
}

/// Lines of JSON: an object that is read is written as one that is read as the same.
pub(super) fn json(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut members = Vec::new();
    for line in text.lines() {
        lines::opens_with(line, "event");
        if lines::read_object(line, &mut members).is_none() {
            continue;
        }
        let named: Vec<_> = members.iter().map(|(name, value)| (&**name, value.clone())).collect();
        let (mut out, shown) = (String::new(), lines::visible(line));
        lines::write_object(&mut out, &named);
        let mut again = Vec::new();
        assert!(!out.contains('\n'));
        lines::read_object(&out, &mut again).unwrap_or_else(|| panic!("{out}"));
        // NaN is not equal to itself.
        assert_eq!(format!("{again:?}"), format!("{members:?}"), "{line:?} is written as {out:?}");
        lines::read_object(&shown, &mut again).expect("as visible");
        assert_eq!(format!("{again:?}"), format!("{members:?}"));
    }
}

/// CSV: records that are read are written as records that are read as the same.
pub(super) fn csv(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut reader = table::Reader::new(text, 1);
    while reader.comment("# ").is_some() {}
    let (mut fields, mut last) = (Vec::new(), 0);
    while let Ok(Some(line)) = reader.next_into(&mut fields) {
        assert!(line > last, "lines are counted");
        last = line;
        let mut out = String::new();
        for (place, field) in fields.iter().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            table::write_field(&mut out, &field.text, field.quoted);
        }
        if out.is_empty() {
            continue;
        }
        out.push('\n');
        let mut again = Vec::new();
        table::Reader::new(&out, 1).next_into(&mut again).unwrap_or_else(|error| panic!("{out:?}: {error}"));
        let texts = |fields: &[table::Field<'_>]| {
            fields.iter().map(|field| field.text.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&again), texts(&fields), "{out:?}");
        for field in &fields {
            assert_eq!(table::unguarded(&table::guarded(&field.text)), field.text);
        }
    }
}

/// Bytes as readable text, and back.
pub(super) fn escape(bytes: &[u8]) {
    let escaped = text::escape(bytes);
    assert_eq!(text::unescape(&escaped), bytes);
    if let Some(text) = text(bytes) {
        text::unescape(text);
        let _ = text::python_bytes(text);
        assert!(text::visible(text.to_owned()).chars().all(|letter| !text::is_hidden(letter)));
    }
}
