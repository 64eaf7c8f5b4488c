//! The sender's side: test packets as pings, and reflected ones as replies.

use super::tlv::{self, EXTRA_PADDING, HEADER, UNKNOWN};
use super::{AUTHENTICATED, ErrorEstimate, Layout, OPEN, SEQ, Secret, field};
use crate::logic::codec::{Codec, Reading, Seq, ServerTimes};

/// A session of test packets.
///
/// Each has the number of its ping. As pings count from 1, the first reply of a reflector that counts (from 0) tells it from
/// one that copies the numbers; losses on the way down alone would not.
#[derive(Debug, Clone)]
pub struct Stamp {
    layout: &'static Layout,
    secret: Option<Secret>,
    ssid: u16,
    error_estimate: ErrorEstimate,
    /// Whether replies are to tell when the reply before left (Follow-Up Telemetry).
    follow_up: bool,
}

impl Stamp {
    /// A session with this identifier (0 for none); authenticated with a secret.
    pub fn new(secret: Option<Secret>, ssid: u16, error_estimate: ErrorEstimate) -> Self {
        let layout = if secret.is_some() { &AUTHENTICATED } else { &OPEN };
        Self { layout, secret, ssid, error_estimate, follow_up: false }
    }

    /// The same, which asks each reply to tell when the reply before left.
    #[must_use]
    pub fn following_up(self, follow_up: bool) -> Self {
        Self { follow_up, ..self }
    }

    /// Bytes of a packet that is not padded.
    fn least(&self) -> usize {
        self.layout.base + if self.follow_up { tlv::asking(self.layout) } else { 0 }
    }

    /// The bytes of a reply that a reflector filled in: those of TWAMP Light may end after the copied Error Estimate.
    fn is_reply(&self, reply: &[u8]) -> bool {
        let Layout { base, sender_error_estimate, received, mac, .. } = self.layout;
        let least = if mac.is_some() { *base } else { sender_error_estimate.end };
        // A test packet that an echo server sends back has zeros here.
        reply.len() >= least
            && field::<8>(reply, received.clone()) != [0; 8]
            && self.secret.as_ref().is_none_or(|secret| self.layout.is_authentic(reply, secret))
    }
}

/// The number of a ping as it travels.
fn number(seq: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is what travels")]
    let low = seq as u32;
    low
}

impl Codec for Stamp {
    /// Pads with the TLV for that, or with zeros where that does not fit.
    fn write(&self, seq: u64, wall_ns: i64, size: Option<usize>, out: &mut Vec<u8>) {
        let Layout { timestamp, error_estimate, ssid, .. } = self.layout;
        let (start, least) = (out.len(), self.least());
        let len = size.unwrap_or(least).max(least);
        out.resize(start + len, 0);
        let packet = &mut out[start..];
        packet[SEQ].copy_from_slice(&number(seq).to_be_bytes());
        let time = self.error_estimate.format().encode(wall_ns);
        packet[timestamp.clone()].copy_from_slice(&time);
        packet[error_estimate.clone()].copy_from_slice(&self.error_estimate.to_bytes());
        packet[ssid.clone()].copy_from_slice(&self.ssid.to_be_bytes());
        self.layout.seal(packet, self.secret.as_ref());
        if self.follow_up {
            tlv::ask(packet, self.layout, self.secret.as_ref());
        }
        let padding = (len - least).checked_sub(HEADER).and_then(|len| u16::try_from(len).ok());
        if let Some(padding) = padding {
            packet[least..least + 2].copy_from_slice(&[UNKNOWN, EXTRA_PADDING]);
            packet[least + 2..least + HEADER].copy_from_slice(&padding.to_be_bytes());
        }
    }

    fn longest(&self, _: u64) -> usize {
        self.least()
    }

    fn read(&self, reply: &[u8]) -> Reading {
        if !self.is_reply(reply) {
            return Reading::default();
        }
        let Layout { timestamp, error_estimate, received, sender_seq, .. } = self.layout;
        let format = ErrorEstimate::from_bytes(field(reply, error_estimate.clone())).format();
        let time = |place: &std::ops::Range<usize>| format.decode(field(reply, place.clone()));
        Reading {
            seq: Some(Seq::Low32(u32::from_be_bytes(field(reply, sender_seq.clone())))),
            server: ServerTimes {
                received: time(received),
                sent: time(timestamp),
                seq: Some(self.layout.seq(reply)),
                stamp: None,
            },
            window: None,
            previous: if self.follow_up {
                tlv::told(reply, self.layout, self.secret.as_ref(), format)
            } else {
                None
            },
        }
    }

    fn read_quoted(&self, ping: &[u8]) -> Option<Seq> {
        ping.get(SEQ).map(|_| Seq::Low32(self.layout.seq(ping)))
    }

    /// A reflector copies the number and the time.
    fn identifies(&self, bytes: &[u8], seq: u64, wall_ns: i64) -> bool {
        let Layout { sender_seq, sender_timestamp, .. } = self.layout;
        self.is_reply(bytes)
            && field(bytes, sender_seq.clone()) == number(seq).to_be_bytes()
            && field(bytes, sender_timestamp.clone()) == self.error_estimate.format().encode(wall_ns)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn follows_up(&self) -> bool {
        self.follow_up
    }
}
