//! The extensions of a test packet: type, length and value each (RFC 8972).
//!
//! A reflector answers them in place, so a reply is as long as its request. Flags of a reply: U, the type is unknown; M,
//! the length is wrong, and nothing after it was looked at; I, the HMAC is wrong, and nothing was looked at.

use std::net::{IpAddr, SocketAddr};

use super::{Layout, MAC, SEQ, Secret, TimeFormat, field};
use crate::logic::codec::Previous;

pub(super) const UNKNOWN: u8 = 0x80;
const MALFORMED: u8 = 0x40;
const UNVERIFIED: u8 = 0x20;

/// Flags, type and length.
pub(super) const HEADER: usize = 4;
/// Bytes of Follow-Up Telemetry, and of an HMAC.
const ASKING: usize = HEADER + 16;

pub(super) const EXTRA_PADDING: u8 = 1;
const LOCATION: u8 = 2;
const TIMESTAMP_INFORMATION: u8 = 3;
const CLASS_OF_SERVICE: u8 = 4;
const DIRECT_MEASUREMENT: u8 = 5;
const ACCESS_REPORT: u8 = 6;
const FOLLOW_UP: u8 = 7;
pub(super) const HMAC: u8 = 8;

/// Where the clock is synchronised from, and how timestamps are taken (RFC 8972, section 4.3).
const BY_NTP: u8 = 1;
const FREE_RUNNING: u8 = 5;
const SOFTWARE: u8 = 2;

/// What a reflector knows beside the base packet.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Where the request came from.
    pub source: SocketAddr,
    /// Where it arrived.
    pub local: SocketAddr,
    /// Whether the two are told.
    pub discloses: bool,
    /// Its class of service and ECN bits, where the system reports them; there the reply has the class that is asked for.
    pub tos: Option<u8>,
    /// Whether the clock is synchronised.
    pub synchronised: bool,
    /// Requests of its session, this one included.
    pub received: u32,
    /// Replies of its session, this one included.
    pub sent: u32,
    /// The reply before this one in its session.
    pub previous: Option<Previous>,
    /// The format of its time.
    pub format: TimeFormat,
}

/// A TLV at `start` in its packet.
#[derive(Debug, Clone, Copy)]
struct Tlv {
    start: usize,
    kind: u8,
    /// Its value; `None` if that would end behind the packet.
    value: Option<(usize, usize)>,
}

impl Tlv {
    fn len(self) -> Option<usize> {
        self.value.map(|(from, to)| to - from)
    }
}

/// The TLVs of a packet from `at` on, up to the first that is cut off. Less than a header is none.
fn tlvs(packet: &[u8], mut at: usize) -> impl Iterator<Item = Tlv> {
    std::iter::from_fn(move || {
        let header = packet.get(at..at + HEADER)?;
        let (start, from) = (at, at + HEADER);
        let to = from + usize::from(u16::from_be_bytes([header[2], header[3]]));
        let value = (to <= packet.len()).then_some((from, to));
        at = if value.is_some() { to } else { packet.len() };
        Some(Tlv { start, kind: header[1], value })
    })
}

/// The HMAC TLV of a packet.
enum Seal {
    /// There is none, and there need be none.
    None,
    /// It is right.
    Right,
    /// It is wrong, in a wrong place, or missing.
    Wrong,
}

impl Seal {
    fn of(packet: &[u8], layout: &Layout, secret: Option<&Secret>) -> Self {
        let (mut seal, mut only_padding) = (None, true);
        for tlv in tlvs(packet, layout.base) {
            match tlv.kind {
                EXTRA_PADDING if tlv.value.is_some() => {}
                HMAC if seal.is_none() && tlv.len() == Some(MAC) => seal = Some(tlv.start),
                // Nothing but padding may follow.
                _ if seal.is_some() || tlv.kind == HMAC => return Self::Wrong,
                _ => only_padding = false,
            }
        }
        match (seal, secret) {
            (Some(at), Some(secret)) => {
                let code = field(packet, at + HEADER..at + HEADER + MAC);
                let covered = [&packet[SEQ], &packet[layout.base..at]];
                if secret.verifies(&covered, &code) { Self::Right } else { Self::Wrong }
            }
            (Some(_), None) => Self::Wrong,
            (None, _) if layout.mac.is_some() && !only_padding => Self::Wrong,
            (None, _) => Self::None,
        }
    }
}

/// Bytes of the TLVs that ask for Follow-Up Telemetry; what is authenticated has an HMAC of them.
pub(super) fn asking(layout: &Layout) -> usize {
    if layout.mac.is_some() { 2 * ASKING } else { ASKING }
}

/// Writes these TLVs behind a base packet.
pub(super) fn ask(packet: &mut [u8], layout: &Layout, secret: Option<&Secret>) {
    let header = |kind| [UNKNOWN, kind, 0, 16];
    let at = layout.base;
    packet[at..at + HEADER].copy_from_slice(&header(FOLLOW_UP));
    if let (Some(_), Some(secret)) = (&layout.mac, secret) {
        let code = secret.code(&[&packet[SEQ], &packet[at..at + ASKING]]);
        let at = at + ASKING;
        packet[at..at + HEADER].copy_from_slice(&header(HMAC));
        packet[at + HEADER..at + ASKING].copy_from_slice(&code);
    }
}

/// What Follow-Up Telemetry in a reply tells, in the format of the reply.
pub(super) fn told(
    reply: &[u8],
    layout: &Layout,
    secret: Option<&Secret>,
    format: TimeFormat,
) -> Option<Previous> {
    let tlv = tlvs(reply, layout.base).find(|tlv| tlv.kind == FOLLOW_UP)?;
    let is_answered = reply[tlv.start] & (UNKNOWN | MALFORMED | UNVERIFIED) == 0;
    if !is_answered || tlv.len() != Some(16) || matches!(Seal::of(reply, layout, secret), Seal::Wrong) {
        return None;
    }
    let value = tlv.start + HEADER;
    let seq = u32::from_be_bytes(field(reply, value..value + 4));
    Some(Previous { seq, sent: format.decode(field(reply, value + 4..value + 12))? })
}

/// Answers the TLVs of a request in its reply, where they are copies so far.
pub(super) fn answer(
    request: &[u8],
    reply: &mut [u8],
    layout: &Layout,
    secret: Option<&Secret>,
    facts: &Facts,
) {
    // TWAMP pads with zeros, and type 0 is reserved.
    if request.get(layout.base..).is_none_or(|rest| rest.iter().all(|byte| *byte == 0)) {
        return;
    }
    if matches!(Seal::of(request, layout, secret), Seal::Wrong) {
        for tlv in tlvs(request, layout.base) {
            reply[tlv.start] |= UNVERIFIED;
        }
        return;
    }
    for tlv in tlvs(request, layout.base) {
        let Some((from, to)) = tlv.value.filter(|(from, to)| fits(tlv.kind, to - from)) else {
            reply[tlv.start] = MALFORMED;
            if tlv.kind == FOLLOW_UP
                && let Some((from, to)) = tlv.value
            {
                reply[from..to].fill(0);
            }
            return;
        };
        if tlv.kind == HMAC {
            if let Some(secret) = secret {
                let code = secret.code(&[&reply[SEQ], &reply[layout.base..tlv.start]]);
                reply[from..to].copy_from_slice(&code);
            }
            reply[tlv.start] = 0;
        } else {
            let known = fill(tlv.kind, &mut reply[from..to], facts);
            reply[tlv.start] = if known { 0 } else { UNKNOWN };
        }
    }
}

/// The class of service (DSCP) that a request asks for its reply, if it does so rightly.
pub(super) fn wanted_class(request: &[u8], layout: &Layout, secret: Option<&Secret>) -> Option<u8> {
    let mut each = tlvs(request, layout.base);
    let wanted =
        each.find(|tlv| tlv.kind == CLASS_OF_SERVICE || tlv.len().is_none_or(|len| !fits(tlv.kind, len)))?;
    let (from, to) = wanted.value?;
    let is_right = fits(wanted.kind, to - from) && !matches!(Seal::of(request, layout, secret), Seal::Wrong);
    is_right.then(|| request[from] >> 2)
}

/// Whether a value of a type may be so long.
fn fits(kind: u8, len: usize) -> bool {
    match kind {
        LOCATION | TIMESTAMP_INFORMATION => len >= 4,
        CLASS_OF_SERVICE | ACCESS_REPORT => len == 4,
        DIRECT_MEASUREMENT => len == 12,
        FOLLOW_UP | HMAC => len == 16,
        _ => true,
    }
}

/// Fills in the value of a TLV; returns whether its type is known.
fn fill(kind: u8, value: &mut [u8], facts: &Facts) -> bool {
    match kind {
        EXTRA_PADDING => {}
        LOCATION => fill_location(value, facts),
        TIMESTAMP_INFORMATION => {
            let clock = if facts.synchronised { BY_NTP } else { FREE_RUNNING };
            value[..4].copy_from_slice(&[clock, SOFTWARE, clock, SOFTWARE]);
            mark_unknown(&mut value[4..]);
        }
        CLASS_OF_SERVICE => {
            let tos = facts.tos.unwrap_or(0);
            let (dscp, ecn) = (tos >> 2, tos & 3);
            let refused = u8::from(facts.tos.is_none());
            value[0] = value[0] & 0xfc | dscp >> 4;
            value[1] = dscp << 4 | ecn << 2 | refused;
            value[2..].fill(0);
        }
        DIRECT_MEASUREMENT => {
            value[4..8].copy_from_slice(&facts.received.to_be_bytes());
            value[8..].copy_from_slice(&facts.sent.to_be_bytes());
        }
        // Access to what: only 3GPP (1) and others (2) are defined.
        ACCESS_REPORT => return matches!(value[0] >> 4, 1 | 2),
        FOLLOW_UP => {
            value.fill(0);
            if let Some(Previous { seq, sent }) = facts.previous {
                value[..4].copy_from_slice(&seq.to_be_bytes());
                value[4..12].copy_from_slice(&facts.format.encode(sent));
                value[12] = SOFTWARE;
            }
        }
        _ => return false,
    }
    true
}

/// Fills in ports and addresses, as far as they are asked for and told.
fn fill_location(value: &mut [u8], facts: &Facts) {
    const DESTINATION_IP: u8 = 4;
    const SOURCE_IP: u8 = 7;
    value[..4].fill(0);
    if facts.discloses {
        value[..2].copy_from_slice(&facts.local.port().to_be_bytes());
        value[2..4].copy_from_slice(&facts.source.port().to_be_bytes());
    }
    let each: Vec<Tlv> = tlvs(value, 4).collect();
    for sub in each {
        let ip = match sub.kind {
            DESTINATION_IP => facts.local.ip(),
            SOURCE_IP => facts.source.ip(),
            _ => {
                value[sub.start] = UNKNOWN;
                continue;
            }
        };
        let Some((from, to)) = sub.value.filter(|_| sub.len() == Some(16)) else {
            value[sub.start] = MALFORMED;
            return;
        };
        let (version, bytes) = match ip.to_canonical() {
            IpAddr::V4(v4) => (1, v4.octets().to_vec()),
            IpAddr::V6(v6) => (2, v6.octets().to_vec()),
        };
        value[sub.start] = 0;
        value[sub.start + 1] = sub.kind + version;
        value[from..to].fill(0);
        if facts.discloses {
            value[from..from + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

/// Marks sub-TLVs, none of which is known.
fn mark_unknown(value: &mut [u8]) {
    let starts: Vec<usize> = tlvs(value, 0).map(|sub| sub.start).collect();
    for start in starts {
        value[start] = UNKNOWN;
    }
}
