//! Snapshots of a monitor and of its clients.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Name;
use super::account::Counts;
use super::clocks::Reading;
use super::detect::{Detector, Forecast, Tally};
use super::event::State;
use super::peer::Peer;
use crate::logic::codec::heartbeat::Unreadable;
use crate::logic::counters::counters;
use crate::logic::{Moment, Nanos};

/// Unreadable datagrams that are kept, and the bytes of each.
const SAMPLES: usize = 16;
const SHOWN: usize = 200;

counters! {
    /// What a monitor received, refused and missed. `dropped` and `unwritten` are for whoever drives it to fill in.
    received: u64 = Counter, "datagrams", "Datagrams that arrived.";
    dropped: u64 = Counter, "datagrams", "Datagrams lost on purpose, as `loss` asks for.";
    unreadable: u64 = Counter, "datagrams",
        "Datagrams that are not a heartbeat of any known format, or whose signature does not protect them.";
    unsealed: u64 = Counter, "datagrams", "Datagrams without a signature, where there are keys.";
    forged: u64 = Counter, "datagrams", "Datagrams with a wrong signature.";
    stale: u64 = Counter, "datagrams",
        "Datagrams of a session that is over, or older than the last: late, replayed, or of a second sender.";
    refused: u64 = Counter, "datagrams", "Datagrams of new clients for which there was no room.";
    evicted: u64 = Counter, "clients", "Clients that were forgotten to make room for others.";
    stalls: u64 = Counter, "stalls", "How often the monitor itself did not run for a while.";
    kernel_drops: u64 = Counter, "datagrams",
        "Datagrams that the kernel dropped because the monitor did not keep up, where the system says so.";
    unreported: u64 = Counter, "events",
        "Events of new or unstable clients that were counted and not reported, as there were too many.";
    unwritten: u64 = Counter, "events", "Events that are missing in the files of `state` and `log`.";
    clients: u64 = Gauge, "clients", "Clients that are known now.";
    outage: u64 = Gauge, "clients", "Clients that fell silent together with others, and have not sent again.";
    isolated: bool = Gauge, "", "Whether this machine's own connection is gone, so that silent clients are unknown.";
}

/// A datagram that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Who sent it.
    pub source: SocketAddr,
    /// Why.
    pub reason: Unreadable,
    /// Its beginning.
    pub datagram: Box<[u8]>,
}

/// The latest unreadable datagrams.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Unread>);

/// A client as a table shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRow {
    /// Its name, or its address where it has none.
    pub client: Name,
    /// From where it was heard last.
    pub address: SocketAddr,
    /// What is known of it.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// When the last fresh heartbeat came.
    pub last_seen: Moment,
    /// Its number.
    pub seq: u64,
    /// What came and what did not, over all sessions.
    pub counts: Counts,
    /// Heartbeats that should have come by now, since the last.
    pub overdue: u64,
    /// The time between two of them.
    pub interval: Nanos,
    /// Whether the client says so itself.
    pub interval_stated: bool,
    /// What its clock and the way say.
    pub reading: Reading,
    /// What a calibrated detector foretells.
    pub forecast: Option<Forecast>,
    /// What it foretold until now, and what came of it.
    pub tally: Tally,
    /// Silence after the last heartbeat until the verdict.
    pub patience: Option<Nanos>,
    /// Heartbeats that the detector needs before it has learned enough.
    pub to_learn: Option<u64>,
    /// Its sessions, the current one included.
    pub sessions: u32,
    /// The number of the current session.
    pub session: Option<u64>,
    /// Whether its heartbeats are sealed, and the seals right.
    pub sealed: bool,
    /// What it said at the end.
    pub bye: Option<i32>,
    /// For a client that is down: when it stopped by this machine's wall clock, if nothing was lost at the end.
    pub stopped: Option<(i64, i64)>,
}

impl Samples {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Unread> {
        self.0.iter()
    }

    pub(super) fn keep(&mut self, source: SocketAddr, datagram: &[u8], reason: Unreadable) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back(Unread { source, reason, datagram: datagram[..datagram.len().min(SHOWN)].into() });
    }
}

impl PeerRow {
    pub(super) fn of(peer: &Peer, detector: &Detector, now: Moment) -> Self {
        let interval = peer.interval();
        let mut reading = peer.clocks.reading();
        reading.difference = reading.difference.filter(|_| !peer.local);
        let silence = now.mono.saturating_sub(peer.last.mono);
        // A heartbeat may take half an interval.
        let overdue = peer.state.is_watched().then(|| (silence - interval / 2).max(0) / interval.max(1));
        let sent = peer.last.wall.saturating_sub(reading.delay.unwrap_or(0));
        Self {
            client: peer.label(),
            address: peer.source,
            state: peer.state,
            since: peer.since,
            last_seen: peer.last,
            seq: peer.seq,
            counts: peer.counts(),
            overdue: overdue.map_or(0, i64::unsigned_abs),
            interval,
            interval_stated: peer.states_interval(),
            reading,
            forecast: peer.forecast(),
            tally: peer.tally_until(now.mono),
            patience: peer.state.is_watched().then_some(peer.patience),
            to_learn: peer.state.is_watched().then(|| peer.to_learn(detector)),
            sessions: peer.sessions,
            session: peer.session.number(),
            sealed: peer.sealed,
            bye: peer.bye().filter(|_| peer.state == State::Bye),
            stopped: (peer.state == State::Down).then(|| (sent, sent.saturating_add(interval))),
        }
    }
}
