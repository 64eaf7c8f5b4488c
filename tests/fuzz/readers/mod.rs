//! All that reads bytes which others wrote, and what must hold whatever they are. [`check`] runs one, for the tests of
//! cargo and for libFuzzer (`fuzz/`).

mod machines;
mod packets;
mod texts;

use super::memory;

/// Something that reads bytes.
pub(super) struct Reader {
    /// Its name, which is that of its corpus.
    pub(super) name: &'static str,
    /// Reads them, and panics where something does not hold.
    pub(super) read: fn(&[u8]),
    /// The most memory that it may take, and the most for each byte read.
    pub(super) memory: (usize, usize),
}

const KIB: usize = 1_024;

/// All of them.
pub(super) const READERS: [Reader; 14] = [
    Reader { name: "reply", read: packets::reply, memory: (4 * KIB, 64) },
    Reader { name: "template", read: packets::template, memory: (64 * KIB, 256) },
    Reader { name: "heartbeat", read: packets::heartbeat, memory: (8 * KIB, 16) },
    Reader { name: "stamp", read: packets::stamp, memory: (64 * KIB, 16) },
    Reader { name: "stamp-reply", read: packets::stamp_reply, memory: (4 * KIB, 16) },
    Reader { name: "link", read: texts::link, memory: (64 * KIB, 64) },
    Reader { name: "options", read: texts::options, memory: (64 * KIB, 64) },
    Reader { name: "faults", read: texts::faults, memory: (4 * KIB, 64) },
    Reader { name: "keys", read: texts::keys, memory: (64 * KIB, 256) },
    Reader { name: "json", read: texts::json, memory: (4 * KIB, 128) },
    Reader { name: "csv", read: texts::csv, memory: (4 * KIB, 256) },
    Reader { name: "escape", read: texts::escape, memory: (4 * KIB, 16) },
    Reader { name: "state", read: machines::state, memory: (256 * KIB, 512) },
    Reader { name: "monitor", read: machines::monitor, memory: (1_024 * KIB, 512) },
];

/// Reads `bytes`, and panics if anything does not hold, or too much memory was taken for it.
pub(super) fn check(reader: &Reader, bytes: &[u8]) {
    let taken = memory::most(|| (reader.read)(bytes));
    let (least, each) = reader.memory;
    let bound = least + each * bytes.len();
    assert!(taken <= bound, "{} took {taken} bytes for {} read; {bound} at most", reader.name, bytes.len());
}
