//! Small files that are replaced as a whole.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::sys::Directory;
use super::{Error, Result, random_session};
use crate::logic::Invalid;

/// The most digits of a counted number.
const DIGITS: usize = 18;

/// Replaces a file, or makes it; a crash leaves the old or the new one.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    let replace = || {
        let (place, name) = place_of(path)?;
        place.replace(name, &part()?, content)
    };
    replace().map_err(failed("write", path))
}

/// Adds one to the number in a file, which is made if there is none, and returns it. No two processes get the same
/// number, and a crash leaves the old or the new one.
pub fn count_up(path: &Path) -> Result<u64> {
    let failed = failed("count in", path);
    let (place, name) = place_of(path).map_err(failed)?;
    let mut file = loop {
        let file = place.append(name).map_err(failed)?;
        file.lock().map_err(failed)?;
        // Whoever had the lock before has put another file in its place.
        if place.holds(name, &file).map_err(failed)? {
            break file;
        }
    };
    let mut digits = Vec::new();
    file.by_ref().take(2 * DIGITS as u64).read_to_end(&mut digits).map_err(failed)?;
    let expected = "a file that holds a whole number, or none yet";
    let number = std::str::from_utf8(&digits).ok().map(str::trim).and_then(|digits| match digits {
        "" => Some(0),
        _ if digits.len() > DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) => None,
        _ => digits.parse::<u64>().ok(),
    });
    let number = number.ok_or_else(|| Invalid::new("boot", path.display(), expected))? + 1;
    let replaced = part().and_then(|part| place.replace(name, &part, format!("{number}\n").as_bytes()));
    // Without it, a power cut may bring back the old number.
    replaced.and_then(|()| place.sync()).map_err(failed)?;
    Ok(number)
}

/// The directory of a file, and the name of the file in it.
pub(super) fn place_of(path: &Path) -> io::Result<(Directory, &Path)> {
    let name =
        path.file_name().ok_or_else(|| io::Error::other("it is a directory; give the name of a file"))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok((Directory::open(parent.unwrap_or(Path::new(".")))?, name.as_ref()))
}

/// The name of a file that is still being written, which nobody can guess.
fn part() -> io::Result<PathBuf> {
    let random = random_session().map_err(io::Error::other)?;
    Ok(format!(".udpping-{random:016x}.part").into())
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + Copy {
    move |source| Error::File { action, path: path.to_owned(), source }
}
