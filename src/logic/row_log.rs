//! A log that keeps rows in blocks, so that it copies nothing as it grows. Past its cap, rows are only counted.

use super::memory::room_for;

/// Rows of one block.
pub(super) const BLOCK: usize = 4_096;

/// A log of `R` rows.
#[derive(Debug)]
pub struct RowLog<R> {
    blocks: Vec<Vec<R>>,
    len: usize,
    cap: usize,
    unlogged: u64,
}

/// Which row a later outcome belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry(usize);

impl<R> RowLog<R> {
    /// An empty log that keeps at most `cap` rows.
    pub fn new(cap: usize) -> Self {
        Self { blocks: Vec::new(), len: 0, cap, unlogged: 0 }
    }

    /// Adds a row. `None` if the log or the memory is full: it is counted as unlogged, and not even made.
    pub fn add(&mut self, row: impl FnOnce() -> R) -> Option<LogEntry> {
        if self.len == self.cap {
            // Without a log, nothing is missing from it.
            self.unlogged += u64::from(self.cap > 0);
            return None;
        }
        if self.len == self.blocks.len() * BLOCK {
            if room_for(0).is_err() {
                self.unlogged += 1;
                return None;
            }
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks.last_mut()?.push(row());
        self.len += 1;
        Some(LogEntry(self.len - 1))
    }

    /// A row that was added.
    pub fn get_mut(&mut self, LogEntry(at): LogEntry) -> Option<&mut R> {
        self.blocks.get_mut(at / BLOCK).and_then(|block| block.get_mut(at % BLOCK))
    }

    /// The rows, in order of arrival.
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.blocks.iter().flatten()
    }

    /// Rows kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it keeps rows.
    pub fn is_kept(&self) -> bool {
        self.cap > 0
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rows for which there was no room.
    pub fn unlogged(&self) -> u64 {
        self.unlogged
    }
}
