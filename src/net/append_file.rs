//! Files to which lines are appended, and logs made of them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::file::place_of;
use super::sys::Directory;
use super::{Error, Result};

/// How much of a file is looked at to recognise it.
pub(super) const HEAD: u64 = 256;
/// The most bytes buffered while the disk is full; later lines are dropped.
const MAX_WAITING: usize = 1 << 23;
const FOREIGN: &str = "it is not a log of a server, and was not touched; move it away, or give another name";

/// A file to which lines are appended. The rest of a short write is written later, so that no line is cut in two.
#[derive(Debug)]
pub(super) struct AppendFile {
    file: File,
    /// The header line of an empty file.
    title: String,
    waiting: Vec<u8>,
}

impl AppendFile {
    /// Opens a file that is empty or one of ours, else fails with `foreign`: `known` says whether it begins so, and
    /// which header line it still lacks.
    pub(super) fn open<'a>(
        place: &Directory,
        name: &Path,
        foreign: &'static str,
        known: impl Fn(&[u8]) -> Option<&'a str>,
    ) -> io::Result<Self> {
        let mut file = place.append(name)?;
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head)?;
        let header = known(&head).ok_or_else(|| io::Error::other(foreign))?;
        let start = if header.is_empty() && !ends_with_a_line(&mut file)? { "\n" } else { header };
        Ok(Self { file, title: String::new(), waiting: start.into() })
    }

    /// Opens a file with a header line.
    pub(super) fn with_title(path: &Path, title: String, foreign: &'static str) -> io::Result<Self> {
        let (place, name) = place_of(path)?;
        let mut file = Self::open(&place, name, foreign, |head| {
            if head.starts_with(title.trim_end().as_bytes()) {
                return Some("");
            }
            // A full disk may have cut the header line.
            title.get(head.len()..).filter(|_| title.as_bytes().starts_with(head))
        })?;
        file.title = title;
        file.write()?;
        Ok(file)
    }

    /// Goes on in another file, with what is still to be written.
    pub(super) fn go_on_in(&mut self, other: Self) {
        self.file = other.file;
    }

    /// Adds lines to those that are to be written; returns how many found no room.
    pub(super) fn queue(&mut self, lines: impl Iterator<Item = String>) -> u64 {
        let mut lost = 0;
        for line in lines {
            if self.waiting.len() + line.len() <= MAX_WAITING {
                self.waiting.extend(line.into_bytes());
            } else {
                lost += 1;
            }
        }
        lost
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        // Another program may have cut the file, to turn it over.
        let is_cut = !self.title.is_empty() && !self.waiting.is_empty() && self.file.metadata()?.len() == 0;
        if is_cut && !self.waiting.starts_with(self.title.as_bytes()) {
            self.waiting.splice(..0, self.title.bytes());
        }
        while !self.waiting.is_empty() {
            match self.file.write(&self.waiting) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => drop(self.waiting.drain(..taken)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The log of a command: lines, with a header line or without one.
#[derive(Debug)]
pub struct LogFile {
    file: AppendFile,
    path: PathBuf,
    title: String,
    begins: String,
    lost: u64,
}

impl LogFile {
    /// Opens it, or makes it. It has this header line, if that is not empty; else its first line begins so.
    ///
    /// # Errors
    /// The file holds something else, or the system refuses.
    pub fn open(path: PathBuf, title: String, begins: String) -> Result<Self> {
        let file = open_log(&path, &title, &begins)?;
        Ok(Self { file, path, title, begins, lost: 0 })
    }

    /// Appends whole lines. What the disk does not take now is written later; lines past 8 MiB of that are counted.
    ///
    /// # Errors
    /// The system refuses to write.
    pub fn append(&mut self, lines: &str) -> Result<()> {
        self.lost += self.file.queue(lines.split_inclusive('\n').map(str::to_owned));
        self.file.write().map_err(failed(&self.path))
    }

    /// Opens it anew: it may have been moved.
    ///
    /// # Errors
    /// As of [`LogFile::open`]; it goes on in the old file then.
    pub fn reopen(&mut self) -> Result<()> {
        self.file.go_on_in(open_log(&self.path, &self.title, &self.begins)?);
        Ok(())
    }

    /// Lines for which there was no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

fn open_log(path: &Path, title: &str, begins: &str) -> Result<AppendFile> {
    let opened = if title.is_empty() {
        place_of(path).and_then(|(place, name)| {
            AppendFile::open(&place, name, FOREIGN, |head| {
                (head.is_empty() || head.starts_with(begins.as_bytes())).then_some("")
            })
        })
    } else {
        AppendFile::with_title(path, title.to_owned(), FOREIGN)
    };
    opened.map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action: "add to the log", path, source }
}

/// Whether a file is empty, or its last line is complete.
fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(io::SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
