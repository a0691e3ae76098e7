//! Any bytes are a history or a mistake with a place, in every format: no importer panics, overflows or hangs on them.
//!
//! The first byte chooses the format and how many bytes are read at a time; the rest is the file.

#![no_main]

use history::event::{self, Events, Notation};
use history::import::{self, Format};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, file)) = bytes.split_first() else { return };
    let _ = Format::recognise(file);
    let formats: Vec<Format> = Format::ALL.iter().copied().filter(|format| format.has_events()).collect();
    match formats.get(usize::from(choice % 16)) {
        Some(format) => events(file, *format, usize::from(choice / 16) * 7 + 1),
        None => drop(std::str::from_utf8(file).map(history::jsonl::parse)),
    }
});

fn events(file: &[u8], format: Format, portion: usize) {
    let whole = import::read(file, format);
    let parts = import::read_stream(file, format, portion);
    assert_eq!(whole.as_ref().ok().map(text), parts.as_ref().ok().map(text), "{portion} bytes at a time");
    if let Err(wrong) = &whole {
        assert!(wrong.at <= file.len() && !wrong.message.is_empty());
    }
    if let Ok(events) = &whole {
        columns(events);
    }
    if let Ok((events, _)) = import::read_lenient(file, format) {
        assert!(events.operations().is_ok(), "a lenient import is well formed");
        columns(&events);
    }
}

fn columns(events: &Events) {
    let exported = text(events);
    let again = import::read(&exported, Format::JepsenEdn).expect("what is exported can be read");
    assert_eq!(exported, text(&again), "and stays the same");
    let _ = history::register::from_events(events);
    let _ = history::object::from_events(events);
    let _ = history::txn::from_events(events, true);
    let _ = history::txn::from_events(events, false);
}

/// The events as EDN.
fn text(events: &Events) -> Vec<u8> {
    let mut out = Vec::new();
    event::export(events, Notation::Edn, &mut out).expect("memory");
    out
}
