//! Random numbers that follow from a seed alone, on every machine and in every version.

mod mt19937;
mod philox;
mod seed;

pub use mt19937::Mt19937;
pub use philox::{Direction, Effect, Uniforms};
pub use seed::Seed;
