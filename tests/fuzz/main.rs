//! All readers of bytes, with their corpus and with what is made of it: as many inputs as `UDPPING_FUZZ` says.

mod memory;
mod mutate;
mod readers;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mutate::Mutator;
use readers::{READERS, Reader, check};
use rustix::time::{ClockId, clock_gettime};

/// The inputs of a reader, in the order of their names.
fn corpus(reader: &Reader) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(reader.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus of {}", reader.name);
    files.iter().map(|file| fs::read(file).expect("a file of the corpus")).collect()
}

/// Whether a reader bears an input; one that it does not bear is told.
#[expect(clippy::print_stderr, reason = "cargo shows it if the test fails")]
fn bears(reader: &Reader, bytes: &[u8]) -> bool {
    let borne = catch_unwind(AssertUnwindSafe(|| check(reader, bytes))).is_ok();
    if !borne {
        eprintln!("{} does not bear b\"{}\"", reader.name, bytes.escape_ascii());
    }
    borne
}

/// Tries inputs on each reader, up to the first that it does not bear.
fn try_all(inputs: impl Fn(&Reader, &mut dyn FnMut(&[u8]) -> bool) -> bool) {
    let failed: Vec<&str> = READERS
        .iter()
        .filter(|reader| !inputs(reader, &mut |bytes| bears(reader, bytes)))
        .map(|reader| reader.name)
        .collect();
    assert!(failed.is_empty(), "{failed:?}, as told above");
}

#[test]
fn the_corpus_does_no_harm() {
    try_all(|reader, bears| corpus(reader).iter().all(|bytes| bears(bytes)));
}

#[test]
fn what_is_made_of_the_corpus_does_no_harm() {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let inputs = number("UDPPING_FUZZ").unwrap_or(60_000) / u32::try_from(READERS.len()).expect("few");
    let seed = number("SOAK_SEED").unwrap_or(1);
    try_all(|reader, bears| {
        let mut mutator = Mutator::new(seed, corpus(reader));
        (0..inputs).all(|_| bears(mutator.next()))
    });
}

/// What takes a time that grows as the square takes minutes here.
#[test]
fn long_inputs_take_a_time_that_grows_with_their_length() {
    const LONG: usize = 60_000;
    const MOST: i64 = 5;
    let used = || clock_gettime(ClockId::ThreadCPUTime);
    try_all(|reader, bears| {
        corpus(reader).iter().filter(|bytes| !bytes.is_empty()).all(|bytes| {
            let began = used();
            let borne = bears(&bytes.repeat(LONG / bytes.len() + 1));
            let took = used() - began;
            if took.tv_sec >= MOST {
                eprintln!("{}: {took:?} for b\"{}\", repeated", reader.name, bytes.escape_ascii());
            }
            borne && took.tv_sec < MOST
        })
    });
}
