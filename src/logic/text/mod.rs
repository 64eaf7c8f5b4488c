//! Numbers, times and files as text: read exactly as written, and written so that they can be read again.

pub mod calendar;
pub mod csv;
mod decimal;
mod escape;
mod hidden;
pub mod json;
mod probability;
mod py_repr;
mod ratio;
mod time;

pub use calendar::iso;
pub(super) use decimal::Decimal;
pub use escape::{escape, python_bytes, unescape};
pub use hidden::{is_hidden, visible};
pub use probability::Probability;
pub(super) use probability::Threshold;
pub use py_repr::py_repr;
pub(super) use ratio::Ratio;
pub(super) use time::{Billionths, Time, billionths};
pub(crate) use time::{HOUR, duration, duration_with_unit, expected};
