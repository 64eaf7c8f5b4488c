//! Whose datagrams a link counts together.

use std::fmt;
use std::str::FromStr;

use crate::logic::Invalid;

/// Whose datagrams are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Each client's: what happens to it does not depend on who else is there.
    Client,
    /// Each client's, and all have the losses and delays of the first.
    Same,
    /// All clients': one stream.
    Shared,
}

impl FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.trim() {
            "client" => Ok(Self::Client),
            "same" => Ok(Self::Same),
            "shared" => Ok(Self::Shared),
            _ => Err(Invalid::new(
                "scope",
                format!("{text:?}"),
                "client (each client has losses and delays of its own), same (every client has the same ones) \
                 or shared (one sequence for the datagrams of all clients)",
            )),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Same => "same",
            Self::Shared => "shared",
        })
    }
}
