//! What is known about the arrival of a datagram, beside its contents.

use super::Moment;

/// When and how a datagram arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// When this program received it, by both clocks.
    pub at: Moment,
    /// When the kernel received it, in nanoseconds since 1970, where it reports that.
    pub kernel: Option<i64>,
    /// Hops left, where the system reports them.
    pub ttl: Option<u8>,
    /// Its type of service or traffic class: DSCP and ECN bits, where the system reports them.
    pub tos: Option<u8>,
}
