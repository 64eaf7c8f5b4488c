//! Characters that cannot be seen, and those that change what is seen around them: controls, line and paragraph separators,
//! and format characters such as the marks of writing direction.

use std::fmt::Write as _;

/// Those of Unicode's classes Cf, Zl and Zp; those of Cc are [`char::is_control`].
const FORMAT: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

/// Whether a character cannot be seen, or changes what is seen around it. A space can be seen.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || (letter >= FORMAT[0].0 && FORMAT.iter().any(|(first, last)| (*first..=*last).contains(&letter)))
}

/// The text with every hidden character as Python escapes it: `\x1b`, `\u202e`.
pub fn visible(text: String) -> String {
    if !text.contains(is_hidden) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        // Writing to a string never fails.
        let _ = match u32::from(letter) {
            _ if !is_hidden(letter) => write!(out, "{letter}"),
            code @ ..=0xff => write!(out, "\\x{code:02x}"),
            code @ ..=0xffff => write!(out, "\\u{code:04x}"),
            code => write!(out, "\\U{code:08x}"),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        for (text, shown) in [
            ("plain \u{e9} \u{1f600}\u{a0}", "plain \u{e9} \u{1f600}\u{a0}"),
            ("\u{1b}[31m\n\t\r\0", "\\x1b[31m\\x0a\\x09\\x0d\\x00"),
            ("\u{7f}\u{85}\u{9b}\u{ad}", "\\x7f\\x85\\x9b\\xad"),
            ("\u{2028}\u{2029}\u{202e}\u{200b}\u{feff}", "\\u2028\\u2029\\u202e\\u200b\\ufeff"),
            ("\u{e0041}", "\\U000e0041"),
        ] {
            assert_eq!(visible(text.to_owned()), shown);
        }
    }
}
