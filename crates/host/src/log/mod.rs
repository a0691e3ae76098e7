//! The durable log of a node: what its actor appends, truncates, discards and puts, in one sequence of checksummed batches.
//!
//! Named blobs ride in the log, so one sync makes a whole batch durable whatever is in it. The log lives in segment files;
//! each opens with a checkpoint (the log's bounds and all blobs), so a segment whose records are all discarded can be freed.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! use host::log::{Batch, Log, LogOptions};
//! use proto::DiskWrite;
//!
//! let (mut log, opened) = Log::open(dir.path(), LogOptions::default()).unwrap();
//! assert!(opened.recovered.is_empty());
//! let mut batch = Batch::new();
//! batch.push(&DiskWrite::Append("a record".into()));
//! log.commit(&mut batch).unwrap(); // durable from here on
//! ```

mod format;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use base::Bytes;
use proto::{DiskWrite, Recovered};

pub use format::Batch;
use format::{BATCH_HEADER, Record, SEGMENT_HEADER, SegmentHeader};
use recover::Replay;
use segment::Spare;

/// A log that is open for writing.
///
/// Invariant: everything before `offset` in the current segment is durable, and everything from it on is zero.
pub struct Log {
    dir: PathBuf,
    options: LogOptions,
    salt: u64,
    file: File,
    capacity: u64,
    offset: u64,
    /// The sequence number of the next batch.
    sequence: u64,
    /// The current segment.
    number: u64,
    /// One past the highest index that the current segment held.
    high: u64,
    /// The full segments, oldest first: number, and one past the highest index that it held.
    full: VecDeque<(u64, u64)>,
    first: u64,
    next: u64,
    blobs: BTreeMap<String, Bytes>,
    spare: Spare,
    counters: LogCounters,
}

/// How a log is laid out.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Bytes of a segment file. Small ones are freed sooner, large ones rotate less often.
    pub segment_size: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        // A rotation costs a rename and a directory sync (about 0.3 ms): every two seconds at 8 MB/s.
        LogOptions { segment_size: 16 << 20 }
    }
}

/// What was found when a log was opened.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// What the disk kept, for the boot.
    pub recovered: Recovered,
    /// Bytes of a batch that a crash tore and that were cut; 0 if the tail was clean.
    pub torn_bytes: u64,
}

/// What a log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// Syncs that made records durable.
    pub syncs: u64,
    /// Bytes written, headers included, zeros of new segments not.
    pub bytes: u64,
    /// Segments begun.
    pub segments: u64,
}

/// Why a log cannot be opened or written.
#[derive(Debug)]
pub enum LogError {
    /// Bytes that were durable have changed. The node must not serve from this disk.
    Corrupt {
        /// Where.
        file: PathBuf,
        /// Bytes from the start of the file.
        offset: usize,
        /// What is wrong.
        what: String,
    },
    /// The operating system refused.
    Io {
        /// Where.
        file: PathBuf,
        /// What was tried: `write`.
        doing: &'static str,
        /// What it said.
        error: io::Error,
    },
}

impl Log {
    /// Opens or creates the log in `dir`. Reads it whole: O(size). Only one process may have it open.
    pub fn open(dir: &Path, options: LogOptions) -> Result<(Log, Opened), LogError> {
        std::fs::create_dir_all(dir).map_err(|e| LogError::io(dir, "create", e))?;
        segment::remove_unfinished(dir).map_err(|e| LogError::io(dir, "tidy", e))?;
        match Replay::read(dir)? {
            None => Ok((Log::create(dir, options)?, Opened::default())),
            Some(mut replay) => {
                let log = Log::resume(dir, options, &replay)?;
                Ok((log, Opened { torn_bytes: replay.torn, recovered: replay.recovered() }))
            }
        }
    }

    /// Makes the writes of `batch` durable, in order, and empties it. All or nothing. After an error the log must not be
    /// written again: what the disk holds is unknown until it is reopened.
    pub fn commit(&mut self, batch: &mut Batch) -> Result<(), LogError> {
        if batch.is_empty() {
            return Ok(());
        }
        let size = batch.size().next_multiple_of(8) as u64;
        if size > u64::from(u32::MAX) {
            let error = io::Error::new(io::ErrorKind::FileTooLarge, "more than 4 GiB in one batch");
            return Err(LogError::io(&self.dir, "write", error));
        }
        if self.offset + size > self.capacity {
            self.rotate(size)?;
        }
        self.write(batch)?;
        self.note(batch);
        batch.clear();
        if self.offset > self.capacity / 2 {
            self.spare.prepare(self.options.segment_size);
        }
        self.free()
    }

    /// What was done since the log was opened.
    pub fn counters(&self) -> LogCounters {
        self.counters
    }

    fn create(dir: &Path, options: LogOptions) -> Result<Log, LogError> {
        let mut spare = Spare::new(dir);
        let io = |e| LogError::io(dir, "make a segment in", e);
        let file = spare.take(options.segment_size).map_err(io)?;
        let mut log = Log {
            dir: dir.to_owned(),
            options,
            salt: draw_salt(),
            capacity: file.metadata().map_err(io)?.len(),
            file,
            offset: 0,
            sequence: 0,
            number: 0,
            high: 0,
            full: VecDeque::new(),
            first: 0,
            next: 0,
            blobs: BTreeMap::new(),
            spare,
            counters: LogCounters::default(),
        };
        log.begin_segment()?;
        Ok(log)
    }

    fn resume(dir: &Path, options: LogOptions, replay: &Replay) -> Result<Log, LogError> {
        let mut full: VecDeque<_> = replay.segments.clone().into();
        let (number, high) = full.pop_back().expect("a replay has a segment");
        let path = segment::path(dir, number);
        let file = File::options().read(true).write(true).open(&path).map_err(|e| LogError::io(&path, "open", e))?;
        let capacity = file.metadata().map_err(|e| LogError::io(&path, "open", e))?.len();
        Ok(Log {
            dir: dir.to_owned(),
            options,
            salt: replay.salt,
            file,
            capacity,
            offset: replay.offset,
            sequence: replay.sequence,
            number,
            high,
            full,
            first: replay.first,
            next: replay.next(),
            blobs: replay.blobs.clone(),
            spare: Spare::new(dir),
            counters: LogCounters::default(),
        })
    }

    /// Goes on in a new segment that has room for a batch of `size` bytes.
    fn rotate(&mut self, size: u64) -> Result<(), LogError> {
        let opening: usize = self.blobs.iter().map(|(name, bytes)| name.len() + bytes.len() + 16).sum();
        let need = (SEGMENT_HEADER + BATCH_HEADER + opening + 64) as u64 + size;
        let capacity = self.options.segment_size.max(need);
        let io = |e| LogError::io(&self.dir, "make a segment in", e);
        self.file = self.spare.take(capacity).map_err(io)?;
        self.capacity = self.file.metadata().map_err(io)?.len();
        self.full.push_back((self.number, self.high));
        self.number += 1;
        self.begin_segment()
    }

    /// Writes the header and the checkpoint into the blank current file, then gives it its name.
    fn begin_segment(&mut self) -> Result<(), LogError> {
        let mut checkpoint = Batch::new();
        checkpoint.checkpoint(self.first, self.next);
        for (name, bytes) in &self.blobs {
            checkpoint.push(&DiskWrite::Put { name: name.clone().into(), bytes: bytes.clone() });
        }
        let header = SegmentHeader { salt: self.salt, number: self.number, sequence: self.sequence }.encode();
        let io = |e| LogError::io(&self.dir, "make a segment in", e);
        segment::write_durably(&self.file, &header, 0).map_err(io)?;
        self.offset = SEGMENT_HEADER as u64;
        self.high = self.next;
        self.write(&mut checkpoint)?;
        self.counters.segments += 1;
        self.spare.publish(self.number).map_err(|e| LogError::io(&self.dir, "name a segment in", e))
    }

    fn write(&mut self, batch: &mut Batch) -> Result<(), LogError> {
        let bytes = batch.seal(self.salt, self.sequence);
        segment::write_durably(&self.file, bytes, self.offset)
            .map_err(|e| LogError::io(&segment::path(&self.dir, self.number), "write", e))?;
        self.offset += bytes.len() as u64;
        self.sequence += 1;
        self.counters.syncs += 1;
        self.counters.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Keeps the log's bounds and blobs, which the next checkpoint needs.
    fn note(&mut self, batch: &Batch) {
        for record in batch.records().flatten() {
            match record {
                Record::Append(_) => self.next += 1,
                Record::Truncate { from } => self.next = self.next.min(from.max(self.first)),
                Record::Discard { before } => {
                    self.first = self.first.max(before);
                    self.next = self.next.max(self.first);
                }
                Record::Put { name, bytes } => {
                    self.blobs.insert(name.to_owned(), Bytes::copy_from_slice(bytes));
                }
                Record::Checkpoint { .. } => {}
            }
            self.high = self.high.max(self.next);
        }
    }

    /// Removes the oldest segments while all that they hold is discarded.
    fn free(&mut self) -> Result<(), LogError> {
        while let Some((number, high)) = self.full.front()
            && *high <= self.first
        {
            let path = segment::path(&self.dir, *number);
            std::fs::remove_file(&path).map_err(|e| LogError::io(&path, "remove", e))?;
            self.full.pop_front();
        }
        Ok(())
    }
}

impl LogError {
    fn io(file: &Path, doing: &'static str, error: io::Error) -> Self {
        LogError::Io { file: file.to_owned(), doing, error }
    }

    fn corrupt(file: &Path, offset: usize, what: String) -> Self {
        LogError::Corrupt { file: file.to_owned(), offset, what }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Corrupt { file, offset, what } => {
                write!(f, "`{}` is corrupt at offset {offset}: {what}", file.display())
            }
            LogError::Io { file, doing, error } => write!(f, "cannot {doing} `{}`: {error}", file.display()),
        }
    }
}

impl std::error::Error for LogError {}

/// A number that no other log has: the time of its creation and the process that made it.
fn draw_salt() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    base::mix(since.as_nanos() as u64, u64::from(std::process::id()))
}
