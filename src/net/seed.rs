//! Random numbers from the operating system.

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::{Error, Result};
use crate::logic::random::Seed;

/// A random seed of 53 bits, which JSON and doubles hold exactly.
pub fn random_seed() -> Result<Seed> {
    Ok(Seed::from(random_bits("draw a seed")? >> 11))
}

/// A random number for a session.
pub fn random_session() -> Result<u64> {
    random_bits("draw a session number")
}

fn random_bits(action: &'static str) -> Result<u64> {
    SysRng
        .try_next_u64()
        .map_err(|error| Error::System { action, source: std::io::Error::other(error.to_string()) })
}
