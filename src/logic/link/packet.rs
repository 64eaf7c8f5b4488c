//! One datagram on a link, and the random numbers that decide on it.

use crate::logic::Nanos;
use crate::logic::random::{Direction, Effect, Seed, Uniforms};

/// One datagram, as a link sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// When it is sent.
    pub at: Nanos,
    /// Bytes of its payload.
    pub len: usize,
}

/// A packet of a stream, and the random numbers that decide on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transmission<'a> {
    pub(super) seed: &'a Seed,
    pub(super) uniforms: &'a Uniforms,
    pub(super) direction: Direction,
    /// The client whose uniforms are drawn.
    pub(super) client: u32,
    /// Its number in its stream, from 1.
    pub(super) number: u64,
    /// Bytes of its headers.
    pub(super) headers: usize,
    pub(super) packet: Packet,
}

impl Transmission<'_> {
    /// Its uniform for an effect.
    pub(super) fn uniform(&self, effect: Effect) -> u64 {
        self.uniforms.draw(self.direction, self.client, effect, self.number - 1)
    }

    /// The length of its IP packet.
    pub(super) fn packet_bytes(&self) -> usize {
        self.headers + self.packet.len
    }
}
