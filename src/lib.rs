//! **udpping**: break, measure and watch UDP paths from Python, with a Rust core.
//!
//! Four wings, one name for one thing:
//!
//! * [`logic`] is pure: state machines that are fed datagrams and the time. No sockets, clocks or threads.
//! * [`net`] drives those machines against the kernel.
//! * [`sim`] drives the same machines in virtual time.
//! * `python` binds them, behind the feature `python`; it alone imports pyo3.
//!
//! Arrows point one way: `python -> net, sim -> logic`.

pub mod logic;
pub mod net;
#[cfg(feature = "python")]
mod python;
pub mod sim;
