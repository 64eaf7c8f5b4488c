//! Enums whose values are words in tables, and codes in the columns of the core.

/// Defines such an enum, each value with its word.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $value,)+
        }

        impl $name {
            /// All values, by code.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];
            /// Their words.
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($word),+];

            /// The word.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// The value of a word.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.name() == name)
            }

            /// The value of a code.
            pub fn from_code(code: u8) -> Self {
                Self::ALL[usize::from(code)]
            }
        }
    };
}
pub(super) use words;
