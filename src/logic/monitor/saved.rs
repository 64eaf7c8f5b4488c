//! The saved state of a monitor, as lines of text. Restored clients keep their states, and the silence of each that was
//! watched; what was due in the absence of a monitor is held against nobody.

use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;
use std::str::FromStr;

use super::account::Counts;
use super::detect::{Deadlines, Tally};
use super::event::State;
use super::interval::Interval;
use super::niche::NicheI64;
use super::peer::{PATIENCE, Peer};
use super::session::Session;
use crate::logic::codec::heartbeat::{Heartbeat, INTERVALS, is_name};
use crate::logic::{Moment, Nanos, SECOND};

/// The first word of the file, with the version of its format.
const MAGIC: &str = "udpping-monitor-1";

/// The first line of what is saved now.
pub(super) fn title(now: Moment) -> String {
    format!("{MAGIC}\t{}\n", now.wall)
}

/// The first line of what is saved of detectors.
pub(super) const LEARNED: &str = "udpping-learned-1\n";

/// Adds a line with what the detector of a client has learned, if it has one.
pub(super) fn write_learned(peer: &Peer, text: &mut String) {
    if let Some(learned) = peer.learned() {
        let (name, nameless) = (&peer.name, u8::from(peer.nameless));
        // Writing into memory cannot fail.
        let _ = writeln!(text, "{name}\t{nameless}\t{}\t{learned}", peer.source);
    }
}

/// Whose line this is, and what was learned.
pub(super) fn read_learned(line: &str) -> Option<(Option<&str>, SocketAddr, &str)> {
    let mut fields = line.splitn(4, '\t');
    let name = fields.next()?;
    let nameless = next::<u8>(&mut fields)? != 0;
    Some(((!nameless).then_some(name), next(&mut fields)?, fields.next()?))
}

/// A line of a saved state that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub number: usize,
    /// Its beginning.
    pub text: String,
}

impl BadLine {
    fn new(number: usize, line: &str) -> Self {
        Self { number, text: line.chars().take(SHOWN).collect() }
    }
}

impl Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, text } = self;
        let expected = if *number == 1 { "the first line" } else { "a line" };
        write!(
            f,
            "line {number} is {text:?}: expected {expected} of a state that a monitor of this version saved"
        )
    }
}

/// Characters of a bad line that are shown.
const SHOWN: usize = 60;

/// When this was saved, by its first line.
pub(super) fn time(title: &str) -> Result<i64, BadLine> {
    let saved = title.strip_prefix(MAGIC).and_then(|rest| rest.trim().parse::<i64>().ok());
    saved.ok_or_else(|| BadLine::new(1, title))
}

/// How much of the silence of a client is not held against it: an interval for each heartbeat that was due while no
/// monitor was there, or so shortly before that it was still on its way.
fn excused(last: i64, interval: Nanos, saved: i64, now: i64) -> Nanos {
    let due = |until: i64| until.saturating_sub(last).max(0) / interval;
    let before = due(saved.saturating_sub(SECOND.min(interval / 2)));
    interval.saturating_mul((due(now) - before).max(0))
}

pub(super) fn write(peer: &Peer, text: &mut String) {
    // The next monitor begins each account anew.
    let counts = peer.counts_at_end();
    let session = peer.session;
    let unwatched = peer.history.as_ref().map_or(0, |history| history.unwatched);
    let tally = peer.tally();
    let fields: [&dyn Display; 30] = [
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
        &unwatched,
        &peer.patience,
        &tally.watched,
        &tally.foretold,
        &tally.false_alarms,
    ];
    for (index, field) in fields.iter().enumerate() {
        // Writing into memory cannot fail.
        let _ = write!(text, "{}{field}", if index == 0 { "" } else { "\t" });
    }
    text.push('\n');
}

/// Reads line `number` of what was saved at a time by the wall clock.
pub(super) fn read(
    number: usize,
    line: &str,
    saved: i64,
    now: Moment,
    assumed: Nanos,
) -> Result<Peer, BadLine> {
    fields(line, saved, now, assumed).ok_or_else(|| BadLine::new(number, line))
}

fn fields(line: &str, saved: i64, now: Moment, assumed: Nanos) -> Option<Peer> {
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
    // The first versions did not write this and what follows.
    let sent = fields.next().and_then(|sent| sent.parse::<i64>().ok());
    let unwatched = fields.next().and_then(|unwatched| unwatched.parse().ok()).unwrap_or(0);
    let unwatched = excused(last.wall, interval, saved, now.wall).saturating_add(unwatched).max(0);
    let patience = fields.next().and_then(|patience| patience.parse().ok());
    let young = interval.saturating_mul(PATIENCE).saturating_add(SECOND);
    let patience =
        patience.filter(|patience| (interval..=Nanos::MAX / 8).contains(patience)).unwrap_or(young);
    let watched = fields.next().and_then(|watched| watched.parse().ok()).unwrap_or(0).max(0);
    let foretold = fields.next().and_then(|foretold| foretold.parse().ok());
    let foretold = foretold.filter(|foretold| (0.0..1e15).contains(foretold)).unwrap_or(0.0);
    let false_alarms = fields.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    // The next one is waited for in any case.
    let next = now.mono.saturating_add(interval - now.mono.saturating_sub(last.mono).rem_euclid(interval));
    let soon = next.saturating_add(SECOND / 2);
    let down = last.mono.saturating_add(unwatched).saturating_add(patience).max(soon);
    let deadlines = Deadlines { late: soon, suspect: soon, down };
    let interval = Interval::known(interval, stated, assumed);
    let beat = Heartbeat { id: (!nameless).then_some(name), ..Heartbeat::default() };
    let mut peer = Peer::new(&beat, source, now, assumed);
    (peer.sealed, peer.state, peer.since, peer.last) = (sealed, state, since, last);
    peer.routed = true;
    (peer.session, peer.sessions, peer.seq) = (session, sessions, seq);
    peer.patience = patience;
    peer.interval = interval;
    if state.is_watched() {
        peer.set_deadlines(deadlines);
    }
    let history = peer.history();
    (history.floor, history.carried, history.bye) = (Some(seq), counts, bye);
    history.tally = Tally { watched, foretold, false_alarms };
    history.unwatched = unwatched;
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
