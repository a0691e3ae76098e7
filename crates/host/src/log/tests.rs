//! The log against a model: reopening gives what was committed, whatever a crash or rot did to the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base::{Bytes, Rng, Seed};
use proto::{DiskWrite, Recovered};

use super::*;

const SMALL: LogOptions = LogOptions { segment_size: 2048 };

/// A directory in memory where there is one: thousands of logs are opened here, and each open may sync.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What a log should hold: the obvious implementation.
#[derive(Clone, Default)]
struct Model {
    first: u64,
    log: Vec<Bytes>,
    blobs: BTreeMap<String, Bytes>,
}

impl Model {
    fn next(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    fn apply(&mut self, write: &DiskWrite) {
        match write {
            DiskWrite::Append(record) => self.log.push(record.clone()),
            DiskWrite::Truncate { from } => self.log.truncate(from.saturating_sub(self.first) as usize),
            DiskWrite::Discard { before } => {
                let gone = before.saturating_sub(self.first).min(self.log.len() as u64) as usize;
                self.log.drain(..gone);
                self.first = self.first.max(*before);
            }
            DiskWrite::Put { name, bytes } => {
                self.blobs.insert(name.to_string(), bytes.clone());
            }
        }
    }

    fn recovered(&self) -> Recovered {
        let (log, blobs) = (self.log.clone(), self.blobs.clone());
        Recovered { first_index: self.first, log, blobs, ..Recovered::default() }
    }
}

fn random_write(rng: &mut Rng, model: &Model) -> DiskWrite {
    match rng.below(20) {
        0 => DiskWrite::Truncate { from: rng.within(model.first..=model.next()) },
        1 => DiskWrite::Discard { before: rng.within(model.first..=model.next()) },
        2 => DiskWrite::Discard { before: model.next() + rng.below(3) },
        3 | 4 => {
            let name = *rng.pick(&["term", "vote", "snapshot"]);
            DiskWrite::Put { name: name.into(), bytes: random_bytes(rng, 60) }
        }
        _ => DiskWrite::Append(random_bytes(rng, 120)),
    }
}

fn random_bytes(rng: &mut Rng, most: u64) -> Bytes {
    let size = rng.below(most);
    (0..size).map(|_| rng.next_u64() as u8).collect()
}

/// Commits random batches until `enough` says so; returns the model after each batch, the empty one first.
fn grow(log: &mut Log, rng: &mut Rng, start: Model, mut enough: impl FnMut(&Log, usize) -> bool) -> Vec<Model> {
    let mut states = vec![start];
    let mut batch = Batch::new();
    while !enough(log, states.len() - 1) {
        let mut model = states.last().unwrap().clone();
        for _ in 0..rng.within(1..=6) {
            let write = random_write(rng, &model);
            batch.push(&write);
            model.apply(&write);
        }
        log.commit(&mut batch).unwrap();
        states.push(model);
    }
    states
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    segment::list(dir).unwrap().into_iter().map(|number| segment::path(dir, number)).collect()
}

#[test]
fn reopening_gives_what_was_committed() {
    for seed in 0..40 {
        let dir = scratch();
        let mut rng = Seed(seed).rng();
        let mut model = Model::default();
        for life in 0..6 {
            let (mut log, opened) = Log::open(dir.path(), SMALL).unwrap();
            assert_eq!(opened.recovered, model.recovered(), "seed {seed}, life {life}");
            assert_eq!(opened.torn_bytes, 0);
            let batches = rng.below(30) as usize;
            model = grow(&mut log, &mut rng, model, |_, n| n == batches).pop().unwrap();
        }
    }
}

#[test]
fn discarded_segments_are_freed_and_blobs_survive_them() {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let mut batch = Batch::new();
    batch.push(&DiskWrite::Put { name: "vote".into(), bytes: "n2".into() });
    log.commit(&mut batch).unwrap();
    for index in 0..200 {
        batch.push(&DiskWrite::Append(Bytes::from(vec![7; 100])));
        batch.push(&DiskWrite::Discard { before: index });
        log.commit(&mut batch).unwrap();
        assert!(segments(dir.path()).len() <= 2, "at most the current segment and the one before");
    }
    assert!(log.counters().segments > 5, "the test must rotate");
    drop(log);
    let (_, opened) = Log::open(dir.path(), SMALL).unwrap();
    assert_eq!((opened.recovered.first_index, opened.recovered.log.len()), (199, 1));
    assert_eq!(opened.recovered.blobs["vote"], "n2");
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let mut batch = Batch::new();
    let big = Bytes::from(vec![3; 10_000]);
    for _ in 0..3 {
        batch.push(&DiskWrite::Append(big.clone()));
        log.commit(&mut batch).unwrap();
    }
    drop(log);
    let (_, opened) = Log::open(dir.path(), SMALL).unwrap();
    assert_eq!(opened.recovered.log, [big.clone(), big.clone(), big]);
}

/// A log of one segment with some batches, as bytes, and the models after each batch.
fn specimen(seed: u64) -> (Vec<u8>, Vec<Model>) {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let states = grow(&mut log, &mut Seed(seed).rng(), Model::default(), |log, n| n > 0 && log.offset > 1200);
    drop(log);
    let files = segments(dir.path());
    assert_eq!(files.len(), 1);
    (fs::read(&files[0]).unwrap(), states)
}

/// Opens a log that consists of one segment with these bytes.
fn open_bytes(bytes: &[u8]) -> Result<Opened, LogError> {
    let dir = scratch();
    fs::write(segment::path(dir.path(), 0), bytes).unwrap();
    let first = Log::open(dir.path(), SMALL).map(|(_, opened)| opened)?;
    let again = Log::open(dir.path(), SMALL).map(|(_, opened)| opened).expect("what was recovered can be opened again");
    assert_eq!(again.recovered, first.recovered);
    assert_eq!(again.torn_bytes, 0, "the torn tail was cut at the first open");
    Ok(first)
}

fn place_of(states: &[Model], recovered: &Recovered) -> Option<usize> {
    states.iter().rposition(|model| model.recovered() == *recovered)
}

/// Where the batches end that [`specimen`] committed: offset after the checkpoint, and after each batch.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let salt = SegmentHeader::decode(bytes).unwrap().salt;
    let mut ends = Vec::new();
    let mut offset = SEGMENT_HEADER;
    while let Some(header) = format::BatchHeader::decode(&bytes[offset..], salt) {
        offset += BATCH_HEADER + header.length;
        ends.push(offset);
    }
    ends
}

#[test]
fn every_truncation_point_recovers_to_a_prefix() {
    let (bytes, states) = specimen(1);
    let ends = ends(&bytes);
    assert_eq!(ends.len(), states.len());
    for keep in 0..ends[ends.len() - 1] + 16 {
        // Cut off, and lost as unwritten zeros: the same.
        let mut zeroed = bytes.clone();
        zeroed[keep..].fill(0);
        for damaged in [&bytes[..keep], &zeroed] {
            let whole = ends.iter().filter(|end| damaged.get(..**end) == Some(&bytes[..**end])).count();
            match open_bytes(damaged) {
                Ok(opened) => assert_eq!(opened.recovered, states[whole - 1].recovered(), "cut at {keep}"),
                Err(LogError::Corrupt { .. }) => assert_eq!(whole, 0, "cut at {keep}"),
                Err(error) => panic!("cut at {keep}: {error}"),
            }
        }
    }
}

#[test]
fn a_flipped_byte_is_reported_and_in_the_last_batch_cut() {
    let (bytes, states) = specimen(2);
    let ends = ends(&bytes);
    let last = ends[ends.len() - 2];
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match open_bytes(&damaged) {
            Err(LogError::Corrupt { offset, .. }) => {
                assert!(at < last, "byte {at} of the last batch must be cut, not reported");
                assert!(offset <= at, "byte {at} reported at {offset}");
            }
            Err(error) => panic!("byte {at}: {error}"),
            Ok(opened) => {
                assert!(at >= last, "byte {at} went unnoticed");
                let lost = usize::from(at < ends[ends.len() - 1]);
                assert_eq!(place_of(&states, &opened.recovered), Some(states.len() - 1 - lost), "byte {at}");
                assert!(opened.torn_bytes > 0);
            }
        }
    }
}

#[test]
fn sectors_of_the_last_batch_written_in_any_order_are_cut() {
    let (bytes, states) = specimen(3);
    let ends = ends(&bytes);
    let (start, end) = (ends[ends.len() - 2], ends[ends.len() - 1]);
    for hole in (start..end).step_by(8) {
        let mut damaged = bytes.clone();
        damaged[hole..(hole + 16).min(end)].fill(0);
        if damaged == bytes {
            continue;
        }
        let opened = open_bytes(&damaged).unwrap();
        assert_eq!(opened.recovered, states[states.len() - 2].recovered(), "hole at {hole}");
    }
}

#[test]
fn damage_in_a_full_segment_is_reported_with_file_and_offset() {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let mut batch = Batch::new();
    while log.number < 3 {
        batch.push(&DiskWrite::Append(Bytes::from_static(&[9; 300])));
        log.commit(&mut batch).unwrap();
    }
    drop(log);
    let file = segment::path(dir.path(), 1);
    let whole = fs::read(&file).unwrap();
    let end = *ends(&whole).last().unwrap();
    for at in (0..end).step_by(13) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, &damaged).unwrap();
        let error = Log::open(dir.path(), SMALL).err().unwrap_or_else(|| panic!("byte {at} went unnoticed"));
        let LogError::Corrupt { file: named, offset, .. } = error else { panic!("byte {at}: {error}") };
        assert_eq!(named, file);
        assert!(offset <= at);
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(Log::open(dir.path(), SMALL), Err(LogError::Corrupt { .. })), "a missing segment");
}

#[test]
fn a_crash_while_a_segment_begins_loses_nothing() {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let mut batch = Batch::new();
    let mut committed = 0;
    while log.number < 2 {
        batch.push(&DiskWrite::Append(Bytes::from_static(&[9; 300])));
        log.commit(&mut batch).unwrap();
        committed += 1;
    }
    drop(log);
    // The last segment has its checkpoint, and the batch that asked for it was not written.
    let file = segment::path(dir.path(), 2);
    let mut bytes = fs::read(&file).unwrap();
    let checkpoint = ends(&bytes)[0];
    bytes[checkpoint..].fill(0);
    fs::write(&file, &bytes).unwrap();
    let records = |dir: &Path| Log::open(dir, SMALL).unwrap().1.recovered.log.len();
    assert_eq!(records(dir.path()), committed - 1);
    // Or it had not got its name yet.
    fs::rename(&file, dir.path().join("log-next.tmp")).unwrap();
    assert_eq!(records(dir.path()), committed - 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "what was unfinished is removed");
}

#[test]
fn a_missing_first_segment_is_reported() {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let mut batch = Batch::new();
    while log.number < 2 {
        batch.push(&DiskWrite::Append(Bytes::from_static(&[9; 300])));
        log.commit(&mut batch).unwrap();
    }
    drop(log);
    fs::remove_file(segment::path(dir.path(), 0)).unwrap();
    let error = Log::open(dir.path(), SMALL).err().unwrap().to_string();
    assert!(error.contains("an older segment is missing"), "{error}");
}

#[test]
fn a_value_that_looks_like_a_batch_does_not_make_a_torn_tail_corrupt() {
    let dir = scratch();
    let (mut log, _) = Log::open(dir.path(), SMALL).unwrap();
    let mut forged = Batch::new();
    forged.push(&DiskWrite::Append(Bytes::from_static(b"forged")));
    let value = Bytes::copy_from_slice(forged.seal(0, 99));
    let mut batch = Batch::new();
    batch.push(&DiskWrite::Append(value));
    let start = log.offset as usize;
    log.commit(&mut batch).unwrap();
    drop(log);
    let file = segment::path(dir.path(), 0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[start] ^= 1;
    assert!(open_bytes(&bytes).unwrap().recovered.log.is_empty());
}
