//! Defines counters, each once, with its name, kind, unit and help.

/// The metadata of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name in Python, in JSON and in metrics.
    pub name: &'static str,
    /// How its value moves.
    pub kind: Kind,
    /// What is counted; empty for a yes or no.
    pub unit: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// How a value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The value of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// The system does not report it.
    Unknown,
}

impl Kind {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Unknown, Self::Number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Defines a struct `Counters` with these fields.
macro_rules! counters {
    ($(#[$about:meta])* $($name:ident: $type:ty = $kind:ident, $unit:literal, $help:literal;)+) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            $(#[doc = $help] pub $name: $type,)+
        }

        impl Counters {
            /// The metadata of the fields, in their order.
            pub const METRICS: &'static [$crate::logic::counters::Metric] = &[
                $($crate::logic::counters::Metric {
                    name: stringify!($name),
                    kind: $crate::logic::counters::Kind::$kind,
                    unit: $unit,
                    help: $help,
                },)+
            ];

            /// The fields by name, in their order.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, $crate::logic::counters::Value)> {
                [$((stringify!($name), self.$name.into())),+].into_iter()
            }
        }
    };
}
pub(super) use counters;
