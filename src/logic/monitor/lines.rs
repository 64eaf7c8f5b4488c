//! Events and clients as lines of files: JSON for programs, CSV for spreadsheets.

use std::fmt::Display;
use std::time::Duration;

use super::account::Counts;
use super::{Event, PeerRow};
use crate::logic::text::{csv, iso, json};
use crate::logic::{Moment, Nanos};

/// The first line of a log.
pub const LOG_TITLE: &str =
    "run,time,event,client,address,seq,seconds,value,received,lost,duplicates,reordered,message\n";

/// How a file of lines of JSON begins, with any digit for each 0.
const JSON_HEAD: &[u8] = b"{\"time\": \"0000-00-00T00:00:00.000000Z\", \"wall_ns\": ";

impl Event {
    /// Whether the beginning of a file is that of such lines, which may be cut short, or there is none.
    pub fn begins_file(head: &[u8]) -> bool {
        head.iter().zip(JSON_HEAD).all(|(byte, known)| match known {
            b'0' => byte.is_ascii_digit(),
            _ => byte == known,
        })
    }

    /// A line of JSON.
    pub fn json_line(&self) -> String {
        let mut line = String::new();
        json::write_object(
            &mut line,
            &[
                ("time", iso(self.at.wall).into()),
                ("wall_ns", self.at.wall.into()),
                ("event", self.kind.as_str().into()),
                ("client", self.client.as_deref().into()),
                ("address", self.address.map(|address| address.to_string()).into()),
                ("previous", self.previous.as_ref().map(ToString::to_string).into()),
                ("before", self.before.map(super::State::name).into()),
                ("seq", self.seq.into()),
                ("span_ns", self.span.into()),
                ("value", self.count.into()),
                ("message", self.to_string().into()),
            ],
        );
        line + "\n"
    }

    /// A line of the log of the run with this name.
    pub fn log_line(&self, run: &str) -> String {
        let (address, seq, count) = (maybe(self.address), maybe(self.seq), maybe(self.count));
        let values = format!("{address},{seq},{},{count},,,,", maybe(self.span.map(seconds)));
        let client = self.client.as_deref().unwrap_or_default();
        log_line(run, self.at.wall, self.kind.as_str(), client, &values, &self.to_string())
    }
}

impl PeerRow {
    /// The last line of a client in the log of the run with this name.
    pub fn log_line(&self, run: &str, now: Moment) -> String {
        let Self { client, address, seq, counts, state, .. } = self;
        let Counts { received, lost, duplicates, reordered, .. } = counts;
        let silence = seconds(now.mono.saturating_sub(self.last_seen.mono));
        let values = format!("{address},{seq},{silence},,{received},{lost},{duplicates},{reordered}");
        let message = format!("{client} at the end: {}", state.name());
        log_line(run, now.wall, "summary", client, &values, &message)
    }
}

/// Only a client and a message need quotes; the message always has them.
fn log_line(run: &str, wall: i64, event: &str, client: &str, values: &str, message: &str) -> String {
    let mut line = format!("{run},{},{event},", iso(wall));
    csv::write_field(&mut line, &csv::guarded_name(client), false);
    line = line + "," + values + ",";
    csv::write_field(&mut line, &csv::guarded(message), true);
    line + "\n"
}

fn maybe<T: Display>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn seconds(nanos: Nanos) -> String {
    let length = Duration::from_nanos(nanos.unsigned_abs()).as_secs_f64();
    format!("{:.6}", if nanos < 0 { -length } else { length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::monitor::{Kind, State};

    fn event(client: &str) -> Event {
        Event {
            number: 1,
            at: Moment { mono: 0, wall: 1_700_000_000_250_000_000 },
            kind: Kind::Is(State::Down),
            client: Some(client.into()),
            address: Some("127.0.0.1:5000".parse().unwrap()),
            previous: None,
            before: Some(State::Suspect),
            seq: Some(7),
            span: Some(-1_500_000),
            count: None,
            detail: None,
        }
    }

    #[test]
    fn a_name_is_text_to_a_spreadsheet() {
        for (client, written) in [("+A1", "'+A1"), ("1e5", "'1e5"), ("00123", "'00123"), ("web1", "web1")] {
            let line = event(client).log_line("r");
            assert_eq!(line.split(',').nth(3), Some(written), "{line}");
            assert!(!line.contains("\"+"), "{line}");
        }
    }

    #[test]
    fn an_event_has_a_line_in_each_file() {
        assert_eq!(
            event("web1").json_line(),
            "{\"time\": \"2023-11-14T22:13:20.250000Z\", \"wall_ns\": 1700000000250000000, \"event\": \"down\", \
             \"client\": \"web1\", \"address\": \"127.0.0.1:5000\", \"previous\": null, \"before\": \"suspect\", \
             \"seq\": 7, \"span_ns\": -1500000, \"value\": null, \
             \"message\": \"web1 is down: silent for -2 ms after heartbeat 7\"}\n"
        );
        assert_eq!(
            event("web1").log_line("run"),
            "run,2023-11-14T22:13:20.250000Z,down,web1,127.0.0.1:5000,7,-0.001500,,,,,,\
             \"web1 is down: silent for -2 ms after heartbeat 7\"\n"
        );
    }

    #[test]
    fn a_file_of_events_is_known_by_its_beginning() {
        let line = event("web1").json_line();
        assert!((0..line.len()).all(|end| Event::begins_file(&line.as_bytes()[..end])));
        for other in ["hello", "{\"time\": 5}", "{\"time\":\"2023", "\n", &format!(" {line}")] {
            assert!(!Event::begins_file(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn no_text_breaks_a_line() {
        let client = "a\"b,c\nd";
        let (json, log) = (event(client).json_line(), event(client).log_line("run"));
        let mut members = Vec::new();
        json::read_object(&json, &mut members).expect("an object");
        assert_eq!(members[3], ("client".into(), client.into()));
        let (mut reader, mut fields) = (csv::Reader::new(&log, 1), Vec::new());
        assert_eq!(reader.next_into(&mut fields), Ok(Some(1)));
        assert_eq!((fields.len(), &*fields[3].text), (LOG_TITLE.split(',').count(), client));
        assert_eq!(fields[12].text, event(client).to_string());
        assert_eq!(reader.next_into(&mut fields), Ok(None));
    }
}
