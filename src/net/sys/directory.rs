//! Opens files for writing: none that is a link, a pipe or a device, or that another user may have put there.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Only the owner reads and writes a new file.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Opening never follows a link, waits for the other end of a pipe, or gets a terminal.
const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A directory that stays the same one, whatever its path leads to later.
#[derive(Debug)]
pub(in crate::net) struct Directory {
    handle: OwnedFd,
}

impl Directory {
    pub(in crate::net) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = fs::open(path, flags, Mode::empty())?;
        check_way(path)?;
        Ok(Self { handle })
    }

    /// Makes a directory, and those above it, for the owner alone.
    pub(in crate::net) fn make_all(path: &Path) -> io::Result<()> {
        check_way(path)?;
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Opens a file to read, and to append to; makes it if there is none.
    pub(in crate::net) fn append(&self, name: &Path) -> io::Result<File> {
        match self.make(name) {
            Err(Errno::EXIST) => self.existing(name, OFlags::RDWR | OFlags::APPEND),
            made => Ok(made?),
        }
    }

    /// Opens a file to read, if there is one.
    pub(in crate::net) fn read(&self, name: &Path) -> io::Result<Option<File>> {
        match self.existing(name, OFlags::RDONLY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Replaces a file, or makes it, by way of the new file `part`, so that it is whole at any time. It keeps its mode,
    /// and its owner if this user may give files away.
    pub(in crate::net) fn replace(&self, name: &Path, part: &Path, content: &[u8]) -> io::Result<()> {
        let old = match fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => None,
            found => Some(found?),
        };
        old.as_ref().map_or(Ok(()), |old| self.check(old))?;
        let mut file = self.make(part)?;
        let done = keep_rights(&file, old.as_ref())
            .and_then(|()| file.write_all(content))
            // Without it, a power cut may leave an empty file after the rename.
            .and_then(|()| file.sync_data())
            .and_then(|()| Ok(fs::renameat(&self.handle, part, &self.handle, name)?));
        done.inspect_err(|_| self.remove(part))
    }

    /// Whether that is still the name of this file.
    pub(in crate::net) fn holds(&self, name: &Path, file: &File) -> io::Result<bool> {
        let own = fs::fstat(file)?;
        match fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            found => Ok(found.map(|found| (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino))?),
        }
    }

    /// Waits until the disk has the names.
    pub(in crate::net) fn sync(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.handle)?)
    }

    pub(in crate::net) fn remove(&self, name: &Path) {
        let _ = fs::unlinkat(&self.handle, name, AtFlags::empty());
    }

    fn make(&self, name: &Path) -> Result<File, Errno> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | SAFE;
        Ok(fs::openat(&self.handle, name, flags, PRIVATE)?.into())
    }

    fn existing(&self, name: &Path, access: OFlags) -> io::Result<File> {
        // Before it is opened, as opening a device may do something; and after, as it may be another by then.
        self.check(&fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?)?;
        let file = fs::openat(&self.handle, name, access | SAFE, Mode::empty())?;
        self.check(&fs::fstat(&file)?)?;
        Ok(file.into())
    }

    fn check(&self, found: &Stat) -> io::Result<()> {
        let reason = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile if found.st_nlink > 1 => {
                "it is a hard link, so writing would change another file; give a name of its own"
            }
            FileType::RegularFile if is_planted(&fs::fstat(&self.handle)?, found.st_uid) => {
                "it belongs to another user, in a directory that all may write to; give another name"
            }
            FileType::RegularFile => return Ok(()),
            FileType::Symlink => "it is a link; give the name of the file that it leads to",
            FileType::Directory => "it is a directory; give the name of a file",
            _ => "it is a pipe or a device; give the name of a file",
        };
        Err(io::Error::other(reason))
    }
}

/// Refuses a path on which another user may have put a directory, or a link to one, for us.
fn check_way(path: &Path) -> io::Result<()> {
    for part in path.ancestors() {
        let (Some(above), Some(_)) = (part.parent(), part.file_name()) else { continue };
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match fs::stat(above).and_then(|above| Ok((above, fs::lstat(part)?.st_uid))) {
            Ok((above, owner)) if is_planted(&above, owner) => {
                let part = part.display();
                let reason = "belongs to another user, in a directory that all may write to";
                return Err(io::Error::other(format!("{part} {reason}; give another place")));
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether another user may have put something of this owner into a directory for us, much as Linux judges with
/// `fs.protected_regular`.
fn is_planted(place: &Stat, owner: u32) -> bool {
    let place = Mode::from_raw_mode(place.st_mode);
    let is_shared = place.contains(Mode::WOTH) || place.contains(Mode::WGRP | Mode::SVTX);
    is_shared && owner != geteuid().as_raw() && owner != Uid::ROOT.as_raw()
}

fn keep_rights(new: &File, old: Option<&Stat>) -> io::Result<()> {
    let Some(old) = old else { return Ok(()) };
    let (user, group) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
    let mut mode = Mode::from_raw_mode(old.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO);
    if fs::fchown(new, Some(user), Some(group)).is_err() {
        // What the old group might do is not for the new one.
        mode -= Mode::RWXG;
    }
    Ok(fs::fchmod(new, mode)?)
}
