//! Seeds from the operating system.

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::{Error, Result};
use crate::logic::link::Seed;

/// A seed of 53 bits: as an integer it survives JSON and everything else that counts in doubles.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_seed() -> Result<Seed> {
    let bits = SysRng.try_next_u64().map_err(|error| Error::System {
        action: "draw a seed",
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(Seed::from(bits >> 11))
}
