//! As `directory.rs`, on systems other than Unix: by path, and checked before a file is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A directory.
#[derive(Debug)]
pub(in crate::net) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(in crate::net) fn open(path: &Path) -> io::Result<Self> {
        fs::read_dir(path)?;
        Ok(Self { path: path.to_owned() })
    }

    pub(in crate::net) fn make_all(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    pub(in crate::net) fn append(&self, name: &Path) -> io::Result<File> {
        self.check(name)?;
        OpenOptions::new().read(true).append(true).create(true).open(self.path.join(name))
    }

    pub(in crate::net) fn read(&self, name: &Path) -> io::Result<Option<File>> {
        Ok(if self.check(name)? { Some(File::open(self.path.join(name))?) } else { None })
    }

    pub(in crate::net) fn replace(&self, name: &Path, part: &Path, content: &[u8]) -> io::Result<()> {
        self.check(name)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(self.path.join(part))?;
        let done = file.write_all(content).and_then(|()| file.sync_data());
        drop(file);
        done.and_then(|()| fs::rename(self.path.join(part), self.path.join(name)))
            .inspect_err(|_| self.remove(part))
    }

    pub(in crate::net) fn holds(&self, name: &Path, _file: &File) -> io::Result<bool> {
        self.check(name)
    }

    #[expect(clippy::unused_self, reason = "elsewhere there is something to do")]
    pub(in crate::net) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::net) fn remove(&self, name: &Path) {
        let _ = fs::remove_file(self.path.join(name));
    }

    /// Whether the file is there; an error if it is none.
    fn check(&self, name: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(self.path.join(name)) {
            Ok(found) if found.is_file() => Ok(true),
            Ok(_) => Err(io::Error::other("it is no regular file; give the name of a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
