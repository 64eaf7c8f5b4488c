//! Who took the times of a ping.

use super::words::words;

words! {
    /// Which clocks the two times of a round trip are from.
    TimeSource {
        /// This program, around its system calls.
        User = "user",
        /// The kernel.
        Kernel = "kernel",
        /// The kernel for the reply, this program for the ping.
        KernelRx = "kernel-rx",
        /// The kernel for the ping, this program for the reply.
        KernelTx = "kernel-tx",
        /// This program: the wall clock stepped while the ping was in flight.
        Stepped = "stepped",
    }
}
