//! The events of a monitor.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Name;
use crate::logic::words::words;
use crate::logic::{Moment, Nanos, SECOND};

words! {
    /// What is known of a client.
    State {
        /// One heartbeat was heard: not yet believed.
        New = "new",
        /// It is alive.
        Up = "up",
        /// The next heartbeat is later than 99 in 100 are.
        Late = "late",
        /// Its silence is improbable, but not yet enough for a verdict.
        Suspect = "suspect",
        /// It is silent, and the monitor can show that its own connection is gone.
        Unknown = "unknown",
        /// It has stopped, or cannot be heard any more.
        Down = "down",
        /// It said goodbye.
        Bye = "bye",
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The client is now in this state.
    Is(State),
    /// The client began a new session; nothing was lost by that. `span`: since the last heartbeat of the old one.
    Restarted,
    /// The client had sent nothing for a `span`, and no number is missing: it was stopped or asleep.
    Paused,
    /// The wall clock of the client was set, by `span`.
    ClientClockStepped,
    /// Heartbeats come from another address, and no longer from `previous`.
    AddressChanged,
    /// `count` heartbeats from number `seq` on never came.
    Lost,
    /// Heartbeat `seq` came, after all before it. `span`: its time difference, if it has a time.
    Heard,
    /// Heartbeat `seq` came after a later one, with the same `span`. `count`: 1 if it had counted as lost, else 0.
    HeardLate,
    /// Heartbeat `seq` came again.
    HeardAgain,
    /// The numbers of the client went on after a jump of `count`.
    Jumped,
    /// Two senders at a time go by this name.
    DuplicateIdentity,
    /// Sealed heartbeats of a silent client are of a session that began before the known one, and are refused.
    OlderSession,
    /// Too little was heard of the client to watch it.
    Forgotten,
    /// The monitor was away since a `span`: what was then is unknown.
    Resumed,
    /// The state was empty, so the monitor begins anew.
    StateLost,
    /// The monitor itself did not look for a `span`; verdicts wait as much longer.
    Stalled,
    /// The wall clock of this machine was set, by `span`.
    ClockStepped,
    /// The kernel threw `count` datagrams away because the monitor did not keep up; verdicts wait longer.
    Dropped,
    /// `count` clients fell silent together: at least half of those that were up.
    Outage,
    /// Most of these are heard again, after a `span`; `count` of them.
    OutageOver,
    /// The monitor can show that its own connection is gone: its silent clients, `count` now, are unknown.
    Isolated,
    /// That is over, after a `span`.
    Connected,
    /// Nobody was heard for a `span`.
    Idle,
    /// There is no room for another client.
    Full,
    /// `count` events of clients that are new or restless were not reported, as there were too many.
    Unreported,
}

/// An event. [`Kind`] says which of the last five fields are set, and what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Counted from 1.
    pub number: u64,
    /// When it was noticed.
    pub at: Moment,
    /// What it is.
    pub kind: Kind,
    /// Who it is about; `None`: the monitor itself.
    pub client: Option<Name>,
    /// From where the client was heard last.
    pub address: Option<SocketAddr>,
    /// From where it was heard before.
    pub previous: Option<Box<SocketAddr>>,
    /// The state before, when that changed.
    pub before: Option<State>,
    /// The number of a heartbeat: the last one heard, unless its kind says otherwise.
    pub seq: Option<u64>,
    /// For changes of state: since the last heartbeat.
    pub span: Option<Nanos>,
    /// How many; for a goodbye the exit status.
    pub count: Option<i64>,
    /// What else its sentence says.
    pub detail: Option<Box<Detail>>,
}

/// More about an event of many clients or of the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// The clients that were up, and those of the silent ones that were silent longest.
    Silent {
        /// How many were up.
        of: usize,
        /// Their names, with commas between.
        worst: Box<str>,
        /// How many more there are.
        more: usize,
    },
    /// How many clients the outage had.
    Of(usize),
    /// Why the monitor cannot hear.
    Cause(Cause),
}

/// Why the monitor cannot hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// There is no route to a client that was heard before.
    NoRoute(IpAddr),
    /// The interface that leads to it is down.
    InterfaceDown(Box<str>),
    /// The witness does not answer, and no heartbeat arrives.
    NoWitness(Box<str>),
}

impl State {
    /// Whether heartbeats are expected.
    pub(super) fn is_watched(self) -> bool {
        matches!(self, Self::Up | Self::Late | Self::Suspect | Self::Unknown)
    }

    /// Whether an expected heartbeat did not come.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Self::Late | Self::Suspect | Self::Unknown)
    }
}

impl Kind {
    /// All but the states.
    const NAMES: [(Self, &'static str); 24] = [
        (Self::Restarted, "restarted"),
        (Self::Paused, "paused"),
        (Self::ClientClockStepped, "client_clock_stepped"),
        (Self::AddressChanged, "address_changed"),
        (Self::Lost, "lost"),
        (Self::Heard, "heard"),
        (Self::HeardLate, "heard_late"),
        (Self::HeardAgain, "heard_again"),
        (Self::Jumped, "jumped"),
        (Self::DuplicateIdentity, "duplicate_identity"),
        (Self::OlderSession, "older_session"),
        (Self::Forgotten, "forgotten"),
        (Self::Resumed, "resumed"),
        (Self::StateLost, "state_lost"),
        (Self::Stalled, "stalled"),
        (Self::ClockStepped, "clock_stepped"),
        (Self::Dropped, "dropped"),
        (Self::Outage, "outage"),
        (Self::OutageOver, "outage_over"),
        (Self::Isolated, "isolated"),
        (Self::Connected, "connected"),
        (Self::Idle, "idle"),
        (Self::Full, "full"),
        (Self::Unreported, "unreported"),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.name(),
            _ => Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name),
        }
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        State::NAMES.into_iter().chain(Self::NAMES.map(|(_, name)| name))
    }

    /// The kind of that name.
    pub fn named(word: &str) -> Option<Self> {
        let kind = || Self::NAMES.iter().find(|(_, name)| *name == word).map(|(kind, _)| *kind);
        State::from_name(word).map(Self::Is).or_else(kind)
    }

    /// Whether it is more than a heartbeat that came, is late or lost, as happens; `before` is the state before.
    pub fn is_notable(self, before: Option<State>) -> bool {
        match self {
            Self::Is(State::Late | State::Suspect | State::Unknown)
            | Self::Lost
            | Self::Heard
            | Self::HeardLate
            | Self::HeardAgain => false,
            Self::Is(State::Up) => !before.is_some_and(State::is_silent),
            _ => true,
        }
    }
}

impl Event {
    pub(super) fn new(at: Moment, kind: Kind) -> Self {
        Self {
            number: 0,
            at,
            kind,
            client: None,
            address: None,
            previous: None,
            before: None,
            seq: None,
            span: None,
            count: None,
            detail: None,
        }
    }

    /// As [`Kind::is_notable`].
    pub fn is_notable(&self) -> bool {
        self.kind.is_notable(self.before)
    }
}

impl fmt::Display for Event {
    /// One sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = self.client.as_deref().unwrap_or("");
        let span = Span(self.span.unwrap_or(0));
        let count = self.count.unwrap_or(0);
        let seq = self.seq.unwrap_or(0);
        match self.kind {
            Kind::Is(State::New) => write!(f, "{client} was heard for the first time"),
            Kind::Is(State::Up) => match self.before {
                Some(State::Down | State::Bye) => write!(f, "{client} is up again after {span}"),
                _ => write!(f, "{client} is up"),
            },
            Kind::Is(State::Late) => write!(f, "{client} is late: silent for {span} after heartbeat {seq}"),
            Kind::Is(State::Suspect) => {
                write!(f, "{client} is suspect: silent for {span} after heartbeat {seq}")
            }
            Kind::Is(State::Unknown) => write!(
                f,
                "{client} is unknown: not heard for {span}, and this machine's own connection is gone"
            ),
            Kind::Is(State::Down) => write!(f, "{client} is down: silent for {span} after heartbeat {seq}"),
            Kind::Is(State::Bye) if count == 0 => write!(f, "{client} said goodbye"),
            Kind::Is(State::Bye) if count < 0 => write!(f, "{client} was ended by signal {}", -count),
            Kind::Is(State::Bye) => write!(f, "{client} ended with exit status {count}"),
            Kind::Restarted => write!(f, "{client} restarted, {span} after its last heartbeat"),
            Kind::Paused => {
                write!(f, "{client} was stopped or asleep: it sent nothing for {span}, and nothing is lost")
            }
            Kind::ClientClockStepped => write!(f, "the wall clock of {client} was set by {span}"),
            Kind::AddressChanged => {
                write!(f, "{client} moved")?;
                self.previous.as_ref().map_or(Ok(()), |previous| write!(f, " from {previous}"))?;
                self.address.map_or(Ok(()), |address| write!(f, " to {address}"))
            }
            Kind::Lost if count == 1 => write!(f, "{client}: heartbeat {seq} is lost"),
            Kind::Lost => {
                let last = seq.saturating_add(count.unsigned_abs().saturating_sub(1));
                write!(f, "{client}: heartbeats {seq} to {last} are lost")
            }
            Kind::Heard | Kind::HeardLate | Kind::HeardAgain => {
                let how = match (self.kind, count) {
                    (Kind::HeardLate, 1) => "came late, and is not lost",
                    (Kind::HeardLate, _) => "came late",
                    (Kind::HeardAgain, _) => "came again",
                    _ => "came",
                };
                write!(f, "{client}: heartbeat {seq} {how}")?;
                self.span.map_or(Ok(()), |span| write!(f, "; time difference {}", Span(span)))
            }
            Kind::Jumped => write!(f, "the numbers of {client} jumped ahead by {count}"),
            Kind::DuplicateIdentity => write!(f, "two senders use the name {client}"),
            Kind::OlderSession => write!(
                f,
                "heartbeats of {client} are refused, as their session began before the known one: replayed, or its \
                 clock was put back; a sender with a boot file needs no clock"
            ),
            Kind::Forgotten if self.before.is_some() => {
                write!(f, "{client} is forgotten, to make room for another client")
            }
            Kind::Forgotten => write!(f, "{client} sent too little to be watched, and is forgotten"),
            Kind::Resumed => write!(f, "the monitor was away for {span}: what happened then is unknown"),
            Kind::StateLost => {
                write!(f, "the state is empty: the monitor begins anew, and knows nobody from before")
            }
            Kind::Stalled => {
                write!(f, "the monitor itself did not run for {span}: all deadlines move by as much")
            }
            Kind::ClockStepped => write!(f, "the wall clock of this machine was set by {span}"),
            Kind::Dropped => write!(f, "the kernel dropped {count} datagrams: clients have more time"),
            Kind::Outage => {
                write!(f, "outage: {count} ")?;
                self.detail.as_ref().map_or(Ok(()), |detail| write!(f, "{detail}"))
            }
            Kind::OutageOver => {
                write!(f, "the outage is over: {count} ")?;
                self.detail.as_ref().map_or(Ok(()), |detail| write!(f, "{detail}"))?;
                write!(f, " are heard again after {span}")
            }
            Kind::Isolated => {
                write!(f, "this machine's own connection is gone")?;
                self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))?;
                write!(f, "; silent clients are unknown")
            }
            Kind::Connected => write!(f, "this machine's own connection is back after {span}"),
            Kind::Idle => write!(f, "nobody was heard for {span}"),
            Kind::Unreported => {
                write!(
                    f,
                    "{count} events of new or unstable clients were counted and not reported: there were too many"
                )
            }
            Kind::Full => write!(f, "no room for another client: raise max_clients"),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { of, worst, more } => {
                write!(f, "of the {of} clients that were up are silent: {worst}")?;
                if *more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Self::Of(all) => write!(f, "of {all} clients"),
            Self::Cause(cause) => write!(f, "{cause}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoute(to) => write!(f, "no route to {to}"),
            Self::InterfaceDown(name) => write!(f, "interface {name} is down"),
            Self::NoWitness(name) => {
                write!(f, "no heartbeat arrives, and the witness {name} does not answer")
            }
        }
    }
}

/// A time in a unit that suits it.
pub(in crate::logic) struct Span(pub(in crate::logic) Nanos);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 as f64 / SECOND as f64;
        match seconds.abs() {
            0.0..0.001 => write!(f, "{:.0} µs", seconds * 1e6),
            0.001..1.0 => write!(f, "{:.0} ms", seconds * 1e3),
            1.0..120.0 => write!(f, "{seconds:.1} s"),
            120.0..7_200.0 => write!(f, "{:.1} min", seconds / 60.0),
            7_200.0..172_800.0 => write!(f, "{:.1} h", seconds / 3_600.0),
            _ => write!(f, "{:.1} days", seconds / 86_400.0),
        }
    }
}
