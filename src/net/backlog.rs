//! Events that wait for a slow reader: stored in memory, and from half of its limit on in a temporary file.
//!
//! What is waiting is in order: first the blocks in the file, then those in memory. One thread moves blocks from memory
//! to the file, so that whoever adds events never waits for a disk.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a block, and how many may be left empty: no event takes more.
const BLOCK: usize = 65_536;
const EVENT: usize = 2_048;

/// How events are stored and restored.
#[derive(Debug)]
pub(super) struct Format<E> {
    /// Appends an event.
    pub(super) store: fn(&E, &mut Vec<u8>),
    /// Takes the first event off bytes.
    pub(super) restore: fn(&mut &[u8]) -> Option<E>,
}

/// The events that wait, oldest first.
#[derive(Debug)]
pub(super) struct Backlog<E> {
    format: Format<E>,
    /// The most bytes in memory.
    memory: usize,
    held: usize,
    file: Option<Arc<Mutex<File>>>,
    in_file: VecDeque<Place>,
    in_memory: VecDeque<Block>,
    is_writing: bool,
    is_reading: bool,
    /// Events that could not be kept.
    pub(super) lost: u64,
    /// Why nothing is written any more.
    pub(super) failure: Option<String>,
}

/// Stored events.
#[derive(Debug)]
pub(super) struct Block {
    events: u64,
    bytes: Vec<u8>,
}

/// Where in the file a block is.
#[derive(Debug)]
struct Place {
    start: u64,
    length: usize,
    events: u64,
}

/// The next block for a reader, who need not hold the lock of the queue to read it.
#[derive(Debug)]
pub(super) enum Next {
    Memory(Block),
    File(Arc<Mutex<File>>, u64, Block),
}

impl<E> Backlog<E> {
    pub(super) fn new(memory: usize, format: Format<E>) -> Self {
        let (in_file, in_memory) = (VecDeque::new(), VecDeque::new());
        let (is_writing, is_reading) = (false, false);
        Self {
            format,
            memory,
            held: 0,
            file: None,
            in_file,
            in_memory,
            is_writing,
            is_reading,
            lost: 0,
            failure: None,
        }
    }

    /// Adds an event, or counts it as lost if memory is full.
    pub(super) fn push(&mut self, event: &E) {
        if self.held >= self.memory {
            self.lost += 1;
            return;
        }
        if self.in_memory.back().is_none_or(|block| block.bytes.len() + EVENT > BLOCK) {
            self.in_memory.push_back(Block { events: 0, bytes: Vec::with_capacity(BLOCK) });
        }
        if let Some(block) = self.in_memory.back_mut() {
            let before = block.bytes.len();
            (self.format.store)(event, &mut block.bytes);
            block.events += 1;
            self.held += block.bytes.len() - before;
        }
    }

    /// Whether events wait, or are being moved.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_writing || self.is_reading || self.is_ready()
    }

    /// Whether [`Backlog::next`] has a block.
    pub(super) fn is_ready(&self) -> bool {
        let in_memory = !self.is_writing && !self.in_memory.is_empty();
        !self.is_reading && (in_memory || !self.in_file.is_empty())
    }

    /// Takes the oldest block; [`Next::read`] and [`Backlog::restore`] give its events.
    pub(super) fn next(&mut self) -> Option<Next> {
        if !self.is_ready() {
            return None;
        }
        let next = if let Some((place, file)) = self.in_file.pop_front().zip(self.file.as_ref()) {
            let block = Block { events: place.events, bytes: vec![0; place.length] };
            Next::File(Arc::clone(file), place.start, block)
        } else {
            let block = self.in_memory.pop_front()?;
            self.held -= block.bytes.len();
            Next::Memory(block)
        };
        self.is_reading = true;
        Some(next)
    }

    /// The events of a block; what cannot be read counts as lost.
    pub(super) fn restore(&mut self, read: (io::Result<()>, Block)) -> Vec<E> {
        self.is_reading = false;
        let (result, block) = read;
        let mut events = Vec::new();
        if result.is_ok() {
            let mut bytes = &block.bytes[..];
            events.extend(std::iter::from_fn(|| (self.format.restore)(&mut bytes)));
        }
        let lost = block.events - u64::try_from(events.len()).unwrap_or(block.events);
        self.lost += lost;
        if let Some(error) = result.err().filter(|_| lost > 0) {
            self.failure = Some(format!("cannot read a temporary file: {error}"));
        }
        events
    }

    /// Whether [`Backlog::next_to_write`] has a block.
    pub(super) fn needs_file(&self) -> bool {
        self.failure.is_none()
            && !self.is_writing
            && self.held > self.memory / 2
            && !self.in_memory.is_empty()
    }

    /// Takes the oldest block in memory, to be written where the last one ends.
    pub(super) fn next_to_write(&mut self) -> Option<(u64, Block)> {
        let block = self.in_memory.pop_front()?;
        self.held -= block.bytes.len();
        self.is_writing = true;
        // What was read is overwritten.
        let start = self.in_file.back().map_or(0, |last| last.start + last.length as u64);
        Some((start, block))
    }

    /// Notes a block as written; if that failed, it stays in memory, as all later ones do.
    pub(super) fn written(&mut self, start: u64, block: Block, result: Result<Arc<Mutex<File>>, String>) {
        self.is_writing = false;
        match result {
            Ok(file) => {
                let Block { events, bytes } = block;
                self.in_file.push_back(Place { start, length: bytes.len(), events });
                self.file = Some(file);
            }
            Err(reason) => {
                self.held += block.bytes.len();
                self.in_memory.push_front(block);
                self.failure = Some(reason);
            }
        }
    }
}

#[cfg(test)]
impl<E> Backlog<E> {
    /// Whether a block is written or has to be.
    pub(super) fn is_behind(&self) -> bool {
        self.is_writing || self.needs_file()
    }

    pub(super) fn bytes_in_file(&self) -> usize {
        self.in_file.iter().map(|place| place.length).sum()
    }
}

impl Next {
    /// Reads the block.
    pub(super) fn read(self) -> (io::Result<()>, Block) {
        match self {
            Self::Memory(block) => (Ok(()), block),
            Self::File(file, start, mut block) => {
                let mut file = own(&file);
                let result =
                    file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut block.bytes));
                (result, block)
            }
        }
    }
}

/// Writes a block to a temporary file, which is made for the first one.
pub(super) fn write(
    file: &mut Option<Arc<Mutex<File>>>,
    start: u64,
    block: &Block,
) -> Result<Arc<Mutex<File>>, String> {
    let directory = std::env::temp_dir();
    let mut attempt = || {
        let file = match file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(file.insert(Arc::new(Mutex::new(temporary(&directory)?)))),
        };
        {
            let mut file = own(&file);
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&block.bytes)?;
        }
        Ok(file)
    };
    attempt().map_err(|error: io::Error| {
        format!("cannot write a temporary file in {}: {error}", directory.display())
    })
}

fn own(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file without a name, which ends with its last user.
fn temporary(directory: &std::path::Path) -> io::Result<File> {
    let name =
        |number: u32| -> PathBuf { directory.join(format!("udpping-{}-{number}", std::process::id())) };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    #[cfg(windows)]
    {
        /// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew>
        const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, FILE_FLAG_DELETE_ON_CLOSE);
    }
    for number in 0.. {
        let path = name(number);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                #[cfg(unix)]
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
