//! The monitor of heartbeats: who is alive, who has stopped, and what the way between lost.

pub mod detect;
