//! Writes the files of a monitor: the directory of its state and a CSV log. A thread of its own, so that a slow disk
//! delays no datagrams, appends events to `events.jsonl` and to the log and replaces `clients.tsv` once a second, or
//! less often if writing would take more than a twentieth of the time.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::MonitorState;
use crate::logic::monitor::{Event, LOG_TITLE, Monitor};
use crate::logic::{Moment, Nanos, SECOND};
use crate::net::append_file::{AppendFile, HEAD};
use crate::net::clock::Clock;
use crate::net::event_queue::lock;
use crate::net::sys::Directory;
use crate::net::wait;
use crate::net::worker::Worker;
use crate::net::{Error, Result, random_session};

/// The names in the directory; while the file of clients is written, its name is [`PART`] and 16 hexadecimal digits.
const LOCK: &str = "lock";
const EVENTS: &str = "events.jsonl";
const CLIENTS: &str = "clients.tsv";
const LEARNED: &str = "learned.tsv";
const PART: &str = "clients.new-";
const FOREIGN: &str =
    "it is not a file of a monitor, and was not touched; move it away, or give another name";

/// Clients saved under one lock: some hundred microseconds.
const SLICE: usize = 500;
/// What detectors have learned is written so often, and at the end.
const LEARNING: Nanos = 300 * SECOND;
/// Writing takes at most one part in this many of the time.
const PARTS: i64 = 20;

#[derive(Debug)]
pub(super) struct StateWriter {
    files: Arc<Mutex<Files>>,
    failure: Failure,
    reopen: Arc<AtomicBool>,
    worker: Worker<()>,
    process: u32,
}

#[derive(Debug)]
struct Files {
    directory: Option<StateDir>,
    log: Option<AppendFile>,
    log_path: Option<PathBuf>,
    reopen: Arc<AtomicBool>,
    run: String,
    failure: Failure,
}

/// The last error, outside the lock of the files, so that reading it does not wait for the disk.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

#[derive(Debug)]
struct StateDir {
    place: Directory,
    events: AppendFile,
    learned: Nanos,
    /// Open, and so locked, until the end.
    lock: File,
}

impl StateWriter {
    /// Opens the files and restores `monitor`; `None` without files.
    pub(super) fn open(
        state: Option<PathBuf>,
        log: Option<PathBuf>,
        monitor: &mut Monitor,
        now: Moment,
    ) -> Result<Option<Self>> {
        if state.is_none() && log.is_none() {
            return Ok(None);
        }
        let directory = state.map(|path| StateDir::open(&path, monitor, now)).transpose()?;
        let log_path = log;
        let log = log_path
            .as_ref()
            .map(|path| open_log(path).map_err(|source| file("add to the log", path, source)))
            .transpose()?;
        let run = format!("{:016x}", random_session()?);
        let failure = Failure::default();
        let reopen = Arc::<AtomicBool>::default();
        let files =
            Files { directory, log, log_path, reopen: Arc::clone(&reopen), run, failure: failure.clone() };
        let files = Arc::new(Mutex::new(files));
        Ok(Some(Self { files, failure, reopen, worker: Worker::new()?, process: std::process::id() }))
    }

    pub(super) fn start(&self, state: &Arc<MonitorState>) -> Result<()> {
        let (files, state) = (Arc::clone(&self.files), Arc::clone(state));
        self.worker.start("keeper", "go on keeping", move |shared, bell| {
            let clock = Clock::start();
            let mut pause = 0;
            while !shared.is_stopping() {
                wait::readable(std::iter::empty(), bell, Some(pause))
                    .map_err(Error::system("wait to write"))?;
                let began = clock.now();
                lock(&files).write(&state);
                pause = SECOND.max((clock.now() - began) * PARTS);
            }
            Ok(())
        })
    }

    /// Writes the remaining events, and a last line for each client to the log.
    pub(super) fn stop(&self, state: &MonitorState) {
        self.worker.stop();
        if self.process != std::process::id() {
            // In a forked child: the parent writes the files.
            return;
        }
        let mut files = lock(&self.files);
        files.write(state);
        if let Some(directory) = &mut files.directory {
            let saved = directory.save_learned(state);
            files.failure.record("state", saved);
        }
        files.write_summaries(state);
        if let Some(directory) = files.directory.take() {
            // A forked child has it open too, so closing it would not unlock it.
            let _ = directory.lock.unlock();
        }
        files.log = None;
    }

    /// Opens the log and the file of events anew before the next write: they may have been moved.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// The last error.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failure.0).clone()
    }
}

impl Files {
    fn write(&mut self, state: &MonitorState) {
        if self.reopen.swap(false, Ordering::AcqRel) {
            let reopened = self.open_anew();
            self.failure.record("log or state, opened anew", reopened);
        }
        let events = lock(&state.inner).unwritten.as_mut().map(std::mem::take).unwrap_or_default();
        let mut lost = 0;
        if let Some(log) = &mut self.log {
            lost += log.queue(events.iter().map(|event| event.log_line(&self.run)));
            self.failure.record("log", log.write());
        }
        if let Some(directory) = &mut self.directory {
            lost += directory.events.queue(events.iter().map(Event::json_line));
            self.failure.record("state", directory.events.write());
            self.failure.record("state", directory.save(state));
            if state.clock.now() - directory.learned > LEARNING {
                self.failure.record("state", directory.save_learned(state));
            }
        }
        lock(&state.inner).lost_to_files += lost;
    }

    /// Each file that cannot be opened anew stays as it is.
    fn open_anew(&mut self) -> io::Result<()> {
        let log = self.log_path.as_ref().map(|path| open_log(path)).transpose();
        let events = self.directory.as_ref().map(|directory| open_events(&directory.place)).transpose();
        let (log, events) = match (log, events) {
            (Ok(log), Ok(events)) => (log, events),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        if let (Some(old), Some(new)) = (&mut self.log, log) {
            old.go_on_in(new);
        }
        if let (Some(old), Some(new)) = (&mut self.directory, events) {
            old.events.go_on_in(new);
        }
        Ok(())
    }

    fn write_summaries(&mut self, state: &MonitorState) {
        let Some(log) = &mut self.log else { return };
        let now = state.clock.moment();
        let lines: Vec<_> =
            lock(&state.inner).monitor.peers(now).map(|row| row.log_line(&self.run, now)).collect();
        let lost = log.queue(lines.into_iter());
        self.failure.record("log", log.write());
        lock(&state.inner).lost_to_files += lost;
    }
}

impl Failure {
    fn record(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            *lock(&self.0) = Some(format!("{what}: {error}"));
        }
    }
}

impl StateDir {
    fn open(directory: &Path, monitor: &mut Monitor, now: Moment) -> Result<Self> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| file(action, &path, source)
        };
        if !directory.is_dir() {
            Directory::make_all(directory).map_err(failed("make the directory", directory))?;
        }
        let place = Directory::open(directory).map_err(failed("use", directory))?;
        let path = directory.join(LOCK);
        let lock = open_lock(&place).map_err(failed("use", &path))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                file("use", directory, io::Error::other("another monitor is using it; give this one its own"))
            }
            fs::TryLockError::Error(source) => file("lock", &path, source),
        })?;
        let path = directory.join(EVENTS);
        let events = open_events(&place).map_err(failed("add to", &path))?;
        let path = directory.join(CLIENTS);
        if let Some(text) = read_text(&place, CLIENTS).map_err(failed("read", &path))? {
            monitor.restore(&text, now).map_err(|bad| {
                let advice = format!("{bad}; move the file away to begin anew");
                file("go on from", &path, io::Error::other(advice))
            })?;
        }
        let path = directory.join(LEARNED);
        if let Some(text) = read_text(&place, LEARNED).map_err(failed("read", &path))? {
            if !Monitor::begins_learned(&text) {
                return Err(file("use", &path, io::Error::other(FOREIGN)));
            }
            monitor.restore_learned(&text);
        }
        remove_parts(directory, &place);
        Ok(Self { place, events, learned: now.mono, lock })
    }

    /// Writes the clients to a new file, then replaces the old one.
    fn save(&self, state: &MonitorState) -> io::Result<()> {
        let mut text = Monitor::save_title(state.clock.moment());
        let mut next = Some(0);
        while let Some(first) = next {
            next = lock(&state.inner).monitor.save(first, SLICE, &mut text);
        }
        self.replace(CLIENTS, Monitor::begins_state, &text)
    }

    /// The same for what detectors have learned.
    fn save_learned(&mut self, state: &MonitorState) -> io::Result<()> {
        self.learned = state.clock.now();
        let mut text = Monitor::learned_title().to_owned();
        let mut next = Some(0);
        while let Some(first) = next {
            next = lock(&state.inner).monitor.save_learned(first, SLICE, &mut text);
        }
        self.replace(LEARNED, Monitor::begins_learned, &text)
    }

    /// Replaces a file, but not one that another program has put there meanwhile; an error names it.
    fn replace(&self, name: &str, is_ours: impl Fn(&str) -> bool, text: &str) -> io::Result<()> {
        let replace = || {
            if let Some(file) = self.place.read(name.as_ref())? {
                let mut head = Vec::new();
                file.take(HEAD).read_to_end(&mut head)?;
                if !is_ours(&String::from_utf8_lossy(&head)) {
                    return Err(io::Error::other(FOREIGN));
                }
            }
            let part = format!("{PART}{:016x}", random_session().map_err(io::Error::other)?);
            self.place.replace(name.as_ref(), part.as_ref(), text.as_bytes())
        };
        replace().map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
    }
}

/// A lock is always empty, so what holds anything is not one.
fn open_lock(place: &Directory) -> io::Result<File> {
    let lock = place.append(LOCK.as_ref())?;
    let is_empty = lock.metadata()?.len() == 0;
    if is_empty { Ok(lock) } else { Err(io::Error::other(FOREIGN)) }
}

fn open_events(place: &Directory) -> io::Result<AppendFile> {
    AppendFile::open(place, EVENTS.as_ref(), FOREIGN, |head| Event::begins_file(head).then_some(""))
}

/// A file of the directory, if it is there. Bytes that are no text are shown as such when the text is refused.
fn read_text(place: &Directory, name: &str) -> io::Result<Option<String>> {
    let Some(mut file) = place.read(name.as_ref())? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn open_log(path: &Path) -> io::Result<AppendFile> {
    AppendFile::with_title(path, LOG_TITLE.into(), FOREIGN)
}

/// Removes what monitors that were killed while they wrote have left.
fn remove_parts(directory: &Path, place: &Directory) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for name in entries.map(|entry| entry.file_name()) {
        let digits = name.to_str().and_then(|name| name.strip_prefix(PART)).unwrap_or_default();
        let is_part = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_part && place.read(name.as_ref()).is_ok() {
            place.remove(name.as_ref());
        }
    }
}

fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}
