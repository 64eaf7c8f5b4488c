//! The saved state of a monitor, as lines of text. What detectors have learned is not saved. Restored clients keep
//! their states, and have as long for their next heartbeat as a new client has.

use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::str::FromStr;

use super::account::Counts;
use super::detect::Deadlines;
use super::event::State;
use super::interval::Interval;
use super::niche::NicheI64;
use super::peer::{PATIENCE, Peer};
use super::session::Session;
use crate::logic::codec::heartbeat::{Heartbeat, INTERVALS, is_name};
use crate::logic::{Invalid, Moment, Nanos, SECOND};

/// The first word of the file, with the version of its format.
const MAGIC: &str = "udpping-monitor-1";

/// The first line of what is saved now.
pub(super) fn title(now: Moment) -> String {
    format!("{MAGIC}\t{}\n", now.wall)
}

pub(super) fn absence(title: &str, now: Moment) -> Result<Nanos, Invalid> {
    let saved = title.strip_prefix(MAGIC).and_then(|rest| rest.trim().parse::<i64>().ok());
    Ok(now.wall.saturating_sub(saved.ok_or_else(|| refused(title))?).max(0))
}

fn refused(line: &str) -> Invalid {
    let expected = "a clients.tsv that a monitor of this version has saved; move it away to begin anew";
    Invalid::quoted("state", line, expected)
}

pub(super) fn write(peer: &Peer, text: &mut String) {
    let counts = peer.counts();
    let session = peer.session;
    let fields: [&dyn Display; 25] = [
        &peer.name,
        &u8::from(peer.nameless),
        &u8::from(peer.sealed),
        &peer.state.name(),
        &peer.since.wall,
        &peer.last.wall,
        &peer.source,
        &maybe(session.number()),
        &maybe(session.boot()),
        &maybe(session.start()),
        &peer.seq,
        &peer.interval(),
        &u8::from(peer.states_interval()),
        &maybe(peer.bye()),
        &peer.sessions,
        &counts.received,
        &counts.lost,
        &counts.duplicates,
        &counts.reordered,
        &counts.old,
        &counts.jumps,
        &counts.taken_back,
        &counts.runs,
        &counts.longest_run,
        &maybe(peer.last_sent.map(NicheI64::get)),
    ];
    for (index, field) in fields.iter().enumerate() {
        // Writing into memory cannot fail.
        let _ = write!(text, "{}{field}", if index == 0 { "" } else { "\t" });
    }
    text.push('\n');
}

pub(super) fn read(line: &str, now: Moment, assumed: Nanos) -> Result<Peer, Invalid> {
    fields(line, now, assumed).ok_or_else(|| refused(line))
}

fn fields(line: &str, now: Moment, assumed: Nanos) -> Option<Peer> {
    let mut fields = line.split('\t');
    let name = fields.next().filter(|name| is_name(name) || name.parse::<SocketAddr>().is_ok())?;
    let nameless = next::<u8>(&mut fields)? != 0;
    let sealed = next::<u8>(&mut fields)? != 0;
    let state = State::from_name(fields.next()?).filter(|state| *state != State::New)?;
    // On the monotonic clock, as long ago as by the wall clock.
    let mut moment = || {
        let wall = next::<i64>(&mut fields)?;
        Some(Moment { mono: now.mono.saturating_sub(now.wall.saturating_sub(wall).max(0)), wall })
    };
    let (since, last) = (moment()?, moment()?);
    let source = next(&mut fields)?;
    let session = Session::new(option(&mut fields)?, option(&mut fields)?, option(&mut fields)?);
    let seq = next(&mut fields)?;
    let interval = next::<Nanos>(&mut fields).filter(|interval| INTERVALS.contains(interval))?;
    let stated = next::<u8>(&mut fields)? != 0;
    let bye = option(&mut fields)?;
    let sessions = next(&mut fields)?;
    let counts = Counts {
        received: next(&mut fields)?,
        lost: next(&mut fields)?,
        duplicates: next(&mut fields)?,
        reordered: next(&mut fields)?,
        old: next(&mut fields)?,
        jumps: next(&mut fields)?,
        taken_back: next(&mut fields)?,
        runs: next(&mut fields)?,
        longest_run: next(&mut fields)?,
        pending: 0,
    };
    // The first versions did not write it.
    let sent = fields.next().and_then(|sent| sent.parse::<i64>().ok());
    // As for a new client.
    let patience = now.mono.saturating_add(interval.saturating_mul(PATIENCE).saturating_add(SECOND));
    let deadlines = Deadlines { late: patience, suspect: patience, down: patience };
    let interval = Interval {
        found: interval,
        gaps: 1,
        ..Interval::new(stated.then_some(interval), assumed.min(interval))
    };
    let beat = Heartbeat { id: (!nameless).then_some(name), ..Heartbeat::default() };
    let mut peer = Peer::new(&beat, source, now, assumed);
    (peer.sealed, peer.state, peer.since, peer.last) = (sealed, state, since, last);
    peer.routed = true;
    (peer.session, peer.sessions, peer.seq) = (session, sessions, seq);
    peer.patience = interval.value().saturating_mul(PATIENCE).saturating_add(SECOND);
    peer.interval = interval;
    if state.is_watched() {
        peer.set_deadlines(deadlines);
    }
    let history = peer.history();
    (history.floor, history.carried, history.bye) = (Some(seq), counts, bye);
    peer.last_sent = sent.map(NicheI64::from);
    peer.resume(now.wall, sent);
    Some(peer)
}

fn maybe<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn next<'a, T: FromStr>(fields: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    fields.next()?.parse().ok()
}

/// A value, or `-` if it is missing; `None` if it is neither.
#[expect(clippy::option_option, reason = "unreadable, missing, or there")]
fn option<'a, T: FromStr>(fields: &mut impl Iterator<Item = &'a str>) -> Option<Option<T>> {
    match fields.next()? {
        "-" => Some(None),
        value => value.parse().ok().map(Some),
    }
}
