//! Enums whose values stand in a table as words, and in a column of the core as codes.

/// Makes such an enum: each value with its word.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$doc])* $value,)+
        }

        impl $name {
            /// The words, by code.
            pub const NAMES: [&'static str; Self::ALL.len()] = [$($word),+];
            const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word.
            #[must_use]
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// The value of a word.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.name() == name)
            }

            /// The value of a code.
            #[must_use]
            pub fn from_code(code: u8) -> Self {
                Self::ALL[usize::from(code)]
            }
        }
    };
}
pub(super) use words;
