//! STAMP, the Simple Two-way Active Measurement Protocol: RFC 8762, and its extensions (TLVs), RFC 8972.
//!
//! The sender writes the time T1 into a test packet; the reflector answers with T2, when it received it, and T3, when it
//! answered, and copies T1. In authenticated mode an HMAC covers the base packet.

mod clock;
mod keys;
mod sender;
#[cfg(test)]
mod tests;
mod tlv;

pub use super::Previous;
pub use clock::{ErrorEstimate, TimeFormat};
pub use keys::{KEY_RULE, Keys, secret};
pub use sender::Stamp;
pub use tlv::Facts;

use super::mac::{MAC, Secret};
use std::ops::Range;

/// The port of reflectors.
pub const PORT: u16 = 862;

/// The shortest request that TWAMP Light sends: number, time and Error Estimate.
pub const SHORTEST: usize = 14;

/// Where the fields of a base packet are.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// The length of the base packet; TLVs follow.
    pub base: usize,
    /// T1 of the sender, T3 of the reflector.
    timestamp: Range<usize>,
    error_estimate: Range<usize>,
    ssid: Range<usize>,
    received: Range<usize>,
    sender_seq: Range<usize>,
    sender_timestamp: Range<usize>,
    sender_error_estimate: Range<usize>,
    sender_ttl: usize,
    /// In authenticated mode: what covers everything before it.
    mac: Option<Range<usize>>,
}

/// The sequence number is in front in both modes.
const SEQ: Range<usize> = 0..4;

/// Unauthenticated packets.
pub const OPEN: Layout = Layout {
    base: 44,
    timestamp: 4..12,
    error_estimate: 12..14,
    ssid: 14..16,
    received: 16..24,
    sender_seq: 24..28,
    sender_timestamp: 28..36,
    sender_error_estimate: 36..38,
    sender_ttl: 40,
    mac: None,
};

/// Authenticated packets.
pub const AUTHENTICATED: Layout = Layout {
    base: 112,
    timestamp: 16..24,
    error_estimate: 24..26,
    ssid: 26..28,
    received: 32..40,
    sender_seq: 48..52,
    sender_timestamp: 64..72,
    sender_error_estimate: 72..74,
    sender_ttl: 80,
    mac: Some(96..112),
};

/// What a reflector adds to what it copies.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Its own number, or that of the request if it is stateless.
    pub seq: u32,
    /// T2, nanoseconds since 1970.
    pub received: i64,
    /// T3.
    pub sent: i64,
    /// How wrong both may be, and their format.
    pub error_estimate: ErrorEstimate,
    /// Hops that the request had left; `None` where the system does not report them.
    pub ttl: Option<u8>,
}

impl Layout {
    /// The number of a packet; 0 where it is cut off.
    pub fn seq(&self, packet: &[u8]) -> u32 {
        u32::from_be_bytes(field(packet, SEQ))
    }

    /// The session identifier of a packet; 0 for none.
    pub fn ssid(&self, packet: &[u8]) -> u16 {
        u16::from_be_bytes(field(packet, self.ssid.clone()))
    }

    /// The time of a packet as it travels.
    pub fn raw_timestamp(&self, packet: &[u8]) -> u64 {
        u64::from_be_bytes(field(packet, self.timestamp.clone()))
    }

    /// Whether the HMAC of a base packet is right; in open mode there is none.
    pub fn is_authentic(&self, packet: &[u8], secret: &Secret) -> bool {
        let Some(mac) = &self.mac else { return true };
        packet.len() >= mac.end && secret.verifies(&[&packet[..mac.start]], &field(packet, mac.clone()))
    }

    /// The class of service (DSCP) that a request asks for its reply.
    pub fn wanted_class(&self, request: &[u8], secret: Option<&Secret>) -> Option<u8> {
        tlv::wanted_class(request, self, secret)
    }

    /// Appends the reply to a request: as long as that, and no shorter than a base packet.
    ///
    /// What follows the base packet is copied, and then answered as far as it is TLVs.
    pub fn write_reply(
        &self,
        request: &[u8],
        answer: &Answer,
        secret: Option<&Secret>,
        facts: &Facts,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.resize(start + self.base, 0);
        out.extend_from_slice(request.get(self.base..).unwrap_or_default());
        let reply = &mut out[start..];
        let format = answer.error_estimate.format();
        reply[SEQ].copy_from_slice(&answer.seq.to_be_bytes());
        reply[self.timestamp.clone()].copy_from_slice(&format.encode(answer.sent));
        reply[self.error_estimate.clone()].copy_from_slice(&answer.error_estimate.to_bytes());
        reply[self.ssid.clone()].copy_from_slice(&field::<2>(request, self.ssid.clone()));
        reply[self.received.clone()].copy_from_slice(&format.encode(answer.received));
        reply[self.sender_seq.clone()].copy_from_slice(&field::<4>(request, SEQ));
        reply[self.sender_timestamp.clone()].copy_from_slice(&field::<8>(request, self.timestamp.clone()));
        reply[self.sender_error_estimate.clone()]
            .copy_from_slice(&field::<2>(request, self.error_estimate.clone()));
        reply[self.sender_ttl] = answer.ttl.unwrap_or(u8::MAX);
        self.seal(reply, secret);
        tlv::answer(request, reply, self, secret, facts);
    }

    /// Writes the HMAC of a base packet.
    fn seal(&self, packet: &mut [u8], secret: Option<&Secret>) {
        if let (Some(mac), Some(secret)) = (&self.mac, secret) {
            let code: [u8; MAC] = secret.code(&[&packet[..mac.start]]);
            packet[mac.clone()].copy_from_slice(&code);
        }
    }
}

/// A field; zeros where the packet is too short for it.
fn field<const N: usize>(packet: &[u8], place: Range<usize>) -> [u8; N] {
    packet.get(place).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}
