//! libFuzzer on the reader that `UDPPING_READER` names.

#![no_main]

#[path = "../../tests/fuzz/memory.rs"]
mod memory;
#[path = "../../tests/fuzz/readers/mod.rs"]
mod readers;

use std::sync::LazyLock;

use readers::{READERS, Reader};

static READER: LazyLock<&Reader> = LazyLock::new(|| {
    let name = std::env::var("UDPPING_READER").unwrap_or_default();
    let names = READERS.map(|reader| reader.name).join(", ");
    READERS
        .iter()
        .find(|reader| reader.name == name)
        .unwrap_or_else(|| panic!("UDPPING_READER is {name:?}: expected one of {names}"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| readers::check(&READER, bytes));
