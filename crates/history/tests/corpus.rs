//! The recorded histories in `corpus/histories`: each can be read, exported and read again, and stands there with its source and licence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use history::event::{self, Events, Notation};
use history::import::{self, Format, ImportOptions};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/histories")
}

/// Every history, by its path in the folder.
fn files() -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(&inside).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder()).expect("inside").display().to_string();
            if path.is_dir() && name != "licences" {
                folders.push(path);
            } else if path.is_file() && inside != folder() {
                found.insert(name, path);
            }
        }
    }
    assert!(found.len() > 40, "only {} histories", found.len());
    found
}

#[test]
fn every_history_has_a_source_and_a_licence() {
    let table = std::fs::read_to_string(folder().join("SOURCES.tsv")).expect("the table");
    let rows: BTreeMap<&str, Vec<&str>> =
        table.lines().skip(1).map(|line| line.split('\t').collect()).map(|row: Vec<&str>| (row[0], row)).collect();
    for name in files().keys() {
        let row = rows.get(name.as_str()).unwrap_or_else(|| panic!("no source of {name}"));
        let [_, source, _, _, licence] = row[..] else { panic!("five columns: {row:?}") };
        let text = folder().join("licences").join(format!("{licence}.txt"));
        assert!(source == "-" || text.is_file(), "the text of {licence} for {name}");
    }
}

#[test]
fn every_history_survives_an_export() {
    for (name, path) in files() {
        let events = import::open(&path, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}")).events;
        for (notation, format) in [(Notation::Edn, Format::JepsenEdn), (Notation::JsonLines, Format::JepsenJson)] {
            let exported = exported(&events, notation);
            assert_eq!(Format::recognise(&exported), Ok(format), "{name}");
            let again = import::read_stream(exported.as_slice(), format, 4096).expect(&name);
            assert_eq!(again.real_time, events.real_time, "{name}");
            assert!(same(&events, &again), "{name} as {notation:?}");
        }
    }
}

fn exported(events: &Events, notation: Notation) -> Vec<u8> {
    let mut out = Vec::new();
    event::export(events, notation, &mut out).expect("memory");
    out
}

fn same(a: &Events, b: &Events) -> bool {
    let alike = |(a, b): (event::Event<'_>, event::Event<'_>)| {
        (a.process, a.kind, a.function, a.time) == (b.process, b.kind, b.function, b.time)
            && a.key.same(b.key)
            && a.value.same(b.value)
            && a.error.same(b.error)
    };
    a.len() == b.len() && a.iter().zip(b.iter()).all(alike)
}
