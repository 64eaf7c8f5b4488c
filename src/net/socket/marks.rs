//! What a pinger may ask for in the headers of its datagrams.

use crate::logic::Invalid;

/// Properties of outgoing datagrams.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// Hop limit, 1 to 255.
    pub ttl: Option<u8>,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: Option<u8>,
    /// Set the don't-fragment bit; longer datagrams than the path takes are then errors.
    pub dont_fragment: bool,
}

impl Marks {
    /// Checks what a user asks for.
    ///
    /// # Errors
    /// A value out of range.
    pub fn new(ttl: Option<i64>, dscp: Option<i64>, dont_fragment: bool) -> Result<Self, Invalid> {
        let within = |what, value: Option<i64>, least: u8, most: u8| {
            value
                .map(|value| {
                    u8::try_from(value)
                        .ok()
                        .filter(|byte| (least..=most).contains(byte))
                        .ok_or_else(|| Invalid::new(what, value, format!("{least} to {most}")))
                })
                .transpose()
        };
        Ok(Self { ttl: within("ttl", ttl, 1, 255)?, dscp: within("dscp", dscp, 0, 63)?, dont_fragment })
    }
}
