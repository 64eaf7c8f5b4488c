//! HMAC-SHA-256 (RFC 2104, FIPS 180-4) cut to 16 bytes (RFC 2104, section 5), as in heartbeats and in STAMP.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

/// Bytes of a code.
pub const MAC: usize = 16;

/// The shortest and the longest secret.
const SECRET: std::ops::RangeInclusive<usize> = 16..=1_024;

/// A secret, hashed once.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// A secret of 16 to 1,024 bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        SECRET.contains(&secret.len()).then(|| Hmac::new_from_slice(secret).ok()).flatten().map(Self)
    }

    /// The code of these parts, one after the other.
    pub fn code(&self, parts: &[&[u8]]) -> [u8; MAC] {
        let whole = self.over(parts).finalize().into_bytes();
        std::array::from_fn(|at| whole[at])
    }

    /// Whether `code` is right. The comparison takes as long for a wrong code as for the right one.
    pub fn verifies(&self, parts: &[&[u8]], code: &[u8; MAC]) -> bool {
        self.over(parts).verify_truncated_left(code).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        parts.iter().fold(self.0.clone(), Mac::chain_update)
    }
}

impl fmt::Debug for Secret {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
