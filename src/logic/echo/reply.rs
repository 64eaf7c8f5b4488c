//! What a server sends back.

use std::fmt;
use std::str::FromStr;

use crate::logic::codec::template::{MOST_BYTES, Template};
use crate::logic::codec::timed_line::{Told, asked, tell};
use crate::logic::link::{Damage, Match};
use crate::logic::{Arrival, Invalid, Nanos};

/// The reply to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reply {
    /// The request with a-z as A-Z and every other byte as it came, as Python's `bytes.upper` does.
    #[default]
    Upper,
    /// The request.
    Same,
    /// A text made from the request.
    Template(Template),
}

impl Reply {
    /// The same, with dates in requests that name no zone taken as ones of a zone that is so much ahead of UTC.
    #[must_use]
    pub fn in_zone(self, utc_offset: Nanos) -> Self {
        match self {
            Self::Template(template) => Self::Template(template.in_zone(utc_offset)),
            other => other,
        }
    }

    /// Whether a reply can be longer than its request.
    pub fn can_amplify(&self) -> bool {
        match self {
            Self::Upper | Self::Same => false,
            Self::Template(template) => template.can_amplify(),
        }
    }

    /// Whether a reply may be the request again, or one of a server that answers like this one.
    pub(super) fn may_repeat(&self, request: &[u8]) -> bool {
        match self {
            Self::Upper => !request.iter().any(u8::is_ascii_lowercase),
            Self::Same | Self::Template(_) => true,
        }
    }

    /// The most bytes of the reply to a request of so many.
    pub fn longest(&self, len: usize) -> usize {
        match self {
            Self::Upper | Self::Same => len,
            Self::Template(_) => len.max(MOST_BYTES),
        }
    }

    /// The length of the reply to a request to which that happened on its way; `told` is for one that asks.
    pub fn length(
        &self,
        request: &[u8],
        damage: Damage,
        arrival: &Arrival,
        lost: u64,
        told: Option<&Told>,
    ) -> usize {
        match self {
            Self::Upper | Self::Same => damage.length(request.len()),
            Self::Template(_) => {
                let mut reply = Vec::new();
                self.write_damaged(request, damage, arrival, lost, told, &mut reply);
                reply.len()
            }
        }
    }

    /// The length of that reply, and whether it fits, which all do if nothing is said.
    pub fn measure(
        &self,
        request: &[u8],
        damage: Damage,
        arrival: &Arrival,
        lost: u64,
        told: Option<&Told>,
        wanted: Option<&Match>,
    ) -> (usize, bool) {
        let Some(wanted) = wanted else { return (self.length(request, damage, arrival, lost, told), true) };
        let mut reply = Vec::new();
        self.write_damaged(request, damage, arrival, lost, told, &mut reply);
        (reply.len(), wanted.fits(&reply))
    }

    /// Appends the reply to a request to which that happened on its way.
    pub(super) fn write_damaged(
        &self,
        request: &[u8],
        damage: Damage,
        arrival: &Arrival,
        lost: u64,
        told: Option<&Told>,
        out: &mut Vec<u8>,
    ) {
        if damage.is_none() {
            return self.answer(request, arrival, lost, told, out);
        }
        let mut arrived = request.to_vec();
        damage.apply(&mut arrived, 0);
        self.answer(&arrived, arrival, lost, told, out);
    }

    /// Appends the reply to `out`, and tells a request that asks, unless the reply would be longer.
    fn answer(&self, request: &[u8], arrival: &Arrival, lost: u64, told: Option<&Told>, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some((told, asked)) = told.zip(asked(request)) {
            self.write(asked.text, arrival, lost, out);
            if out.len() - start + asked.len_of_told() <= request.len() {
                tell(told, asked.ask.follow_up, out, start);
                if !matches!(self, Self::Template(_)) {
                    out.extend_from_slice(asked.padding);
                }
                return;
            }
            out.truncate(start);
        }
        self.write(request, arrival, lost, out);
    }

    /// Appends the reply to `out`.
    fn write(&self, request: &[u8], arrival: &Arrival, lost: u64, out: &mut Vec<u8>) {
        match self {
            Self::Upper => {
                let start = out.len();
                out.extend_from_slice(request);
                out[start..].make_ascii_uppercase();
            }
            Self::Same => out.extend_from_slice(request),
            Self::Template(template) => template.render(request, arrival.at.wall, lost, out),
        }
    }
}

impl FromStr for Reply {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "upper" => Ok(Self::Upper),
            "same" => Ok(Self::Same),
            template => template.parse().map(Self::Template),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upper => write!(f, "upper"),
            Self::Same => write!(f, "same"),
            Self::Template(template) => write!(f, "{template}"),
        }
    }
}
