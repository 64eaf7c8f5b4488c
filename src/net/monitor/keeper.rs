//! What a monitor leaves on disk: a directory to go on from, and a log for spreadsheets.
//!
//! Once a second, by a thread of its own, so that a slow disk holds up nothing: events are added to `events.jsonl` and
//! to the log, and `clients.tsv` is written anew beside the old one and then put in its place. Whatever ends the
//! process, at most the last second is missing; with more clients than can be written in a twentieth of that time, so
//! much longer that writing takes a twentieth.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Post;
use crate::logic::Moment;
use crate::logic::monitor::{Event, LOG_TITLE, Monitor};
use crate::net::clock::Clock;
use crate::net::event_queue::lock;
use crate::net::wait;
use crate::net::worker::Worker;
use crate::net::{Error, Result, random_session};

/// Clients written down while the monitor waits: some hundred microseconds.
const SLICE: usize = 500;
/// The share of the time that goes into writing, at most.
const SHARE: i64 = 20;
/// Bytes that wait for a disk that is full; later lines are lost to the file.
const MOST_WAITING: usize = 1 << 26;

#[derive(Debug)]
pub(super) struct Keeper {
    files: Arc<Mutex<Files>>,
    failure: Failure,
    background: Worker<()>,
    process: u32,
}

#[derive(Debug)]
struct Files {
    state: Option<State>,
    log: Option<Lines>,
    /// The name of this run in the log.
    run: String,
    failure: Failure,
}

/// Why something could not be kept. Beside the files, so that whoever asks for it does not wait for a disk.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

#[derive(Debug)]
struct State {
    directory: PathBuf,
    events: Lines,
    /// Held open, and so locked, until the end.
    lock: File,
}

/// A file that lines are added to. What it does not take now waits, so that no line is ever cut in two.
#[derive(Debug)]
struct Lines {
    file: File,
    waiting: Vec<u8>,
}

impl Keeper {
    /// Opens what there is to open, and lets `monitor` take up what it left; `None` if nothing is to be kept.
    pub(super) fn open(
        state: Option<PathBuf>,
        log: Option<PathBuf>,
        monitor: &mut Monitor,
        now: Moment,
    ) -> Result<Option<Self>> {
        if state.is_none() && log.is_none() {
            return Ok(None);
        }
        let state = state.map(|directory| State::open(directory, monitor, now)).transpose()?;
        let log = log
            .map(|path| Lines::open(&path, LOG_TITLE).map_err(|source| file("add to the log", &path, source)))
            .transpose()?;
        let run = format!("{:016x}", random_session()?);
        let failure = Failure::default();
        let files = Arc::new(Mutex::new(Files { state, log, run, failure: failure.clone() }));
        Ok(Some(Self { files, failure, background: Worker::new()?, process: std::process::id() }))
    }

    /// Begins to keep.
    pub(super) fn start(&self, post: &Arc<Post>) -> Result<()> {
        let (files, post) = (Arc::clone(&self.files), Arc::clone(post));
        self.background.start("keeper", "go on keeping", move |shared, bell| {
            let clock = Clock::start();
            let mut pause = 0;
            while !shared.is_stopping() {
                wait::readable(std::iter::empty(), bell, Some(pause))
                    .map_err(Error::system("wait to write"))?;
                let began = clock.now();
                lock(&files).keep(&post);
                pause = crate::logic::SECOND.max((clock.now() - began) * SHARE);
            }
            Ok(())
        })
    }

    /// Keeps what is left, with a last line for each client in the log.
    pub(super) fn stop(&self, post: &Post) {
        self.background.stop();
        if self.process != std::process::id() {
            // In a forked child the files are the parent's to write.
            return;
        }
        let mut files = lock(&self.files);
        files.keep(post);
        files.sum_up(post);
        if let Some(state) = files.state.take() {
            // A child that was forked meanwhile has it open as well, and closing it alone would leave it locked.
            let _ = state.lock.unlock();
        }
        files.log = None;
    }

    /// Why something could not be kept, the last time that happened.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failure.0).clone()
    }
}

impl Files {
    fn keep(&mut self, post: &Post) {
        let events = lock(&post.books).unkept.as_mut().map(std::mem::take).unwrap_or_default();
        if let Some(log) = &mut self.log {
            let lines = events.iter().map(|event| event.log_line(&self.run)).collect();
            self.failure.note("log", log.add(lines));
        }
        if let Some(state) = &mut self.state {
            self.failure.note("state", state.events.add(events.iter().map(Event::json_line).collect()));
            self.failure.note("state", state.save(post));
        }
    }

    fn sum_up(&mut self, post: &Post) {
        let Some(log) = &mut self.log else { return };
        let now = post.clock.moment();
        let lines = lock(&post.books).monitor.peers(now).map(|row| row.log_line(&self.run, now)).collect();
        self.failure.note("log", log.add(lines));
    }
}

impl Failure {
    fn note(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            *lock(&self.0) = Some(format!("{what}: {error}"));
        }
    }
}

impl Lines {
    /// Opens a file to add to, which begins with a title.
    fn open(path: &Path, title: &str) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let begun = match file.metadata()? {
            found if found.len() == 0 => title,
            found if found.is_file() && !ends_with_a_line(path)? => "\n",
            _ => "",
        };
        let mut lines = Self { file, waiting: Vec::new() };
        lines.add(begun.to_owned())?;
        Ok(lines)
    }

    fn add(&mut self, lines: String) -> io::Result<()> {
        if self.waiting.len() + lines.len() <= MOST_WAITING {
            self.waiting.extend(lines.into_bytes());
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

impl State {
    fn open(directory: PathBuf, monitor: &mut Monitor, now: Moment) -> Result<Self> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| file(action, &path, source)
        };
        fs::create_dir_all(&directory).map_err(failed("make the directory", &directory))?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(failed("write", &path))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => file(
                "use",
                &directory,
                io::Error::other("another monitor is using it; give this one its own"),
            ),
            fs::TryLockError::Error(source) => file("lock", &path, source),
        })?;
        let path = directory.join("events.jsonl");
        let events = Lines::open(&path, "").map_err(failed("add to", &path))?;
        let state = Self { directory, events, lock };
        match fs::read_to_string(state.clients()) {
            Ok(text) => monitor.restore(&text, now)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(file("read", &state.clients(), error)),
        }
        Ok(state)
    }

    /// Writes what is known beside what was known, then in its place.
    fn save(&self, post: &Post) -> io::Result<()> {
        let mut text = Monitor::save_title(post.clock.moment());
        let mut next = Some(0);
        while let Some(first) = next {
            next = lock(&post.books).monitor.save(first, SLICE, &mut text);
        }
        let fresh = self.directory.join("clients.new");
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        // Without it, a power cut may leave an empty file in the place of a good one.
        file.sync_data()?;
        fs::rename(fresh, self.clients())
    }

    fn clients(&self) -> PathBuf {
        self.directory.join("clients.tsv")
    }
}

fn file(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

/// Whether nobody was killed while writing to a file.
fn ends_with_a_line(path: &Path) -> io::Result<bool> {
    let mut last = [0];
    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
