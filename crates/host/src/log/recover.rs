//! Reading a log back: replay what is whole, cut what a crash tore, refuse what is corrupt.
//!
//! At most one batch is being written at any moment, and the next is begun only after it is durable. So a batch that fails its
//! checksum is a torn tail exactly when no later batch exists; with a later one, it had been durable and has rotted.
//! What this cannot tell: rot in the very last batch looks like a torn tail and is cut.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::Path;

use base::Bytes;
use proto::Recovered;

use super::format::{BATCH_HEADER, BatchHeader, Record, Records, SEGMENT_HEADER, SegmentHeader};
use super::{LogError, segment};

/// All that an open log needs to go on.
pub(super) struct Replay {
    pub first: u64,
    pub base: u64,
    pub log: VecDeque<Bytes>,
    pub blobs: BTreeMap<String, Bytes>,
    /// Number of each segment, and one past the highest index that it ever held.
    pub segments: Vec<(u64, u64)>,
    pub salt: u64,
    /// The sequence number of the next batch.
    pub sequence: u64,
    /// Where the next batch goes in the last segment.
    pub offset: u64,
    /// The bytes of a torn tail, now zeroed.
    pub torn: u64,
    high: u64,
}

impl Replay {
    /// Reads all segments of `dir`; `None` if there is none.
    pub fn read(dir: &Path) -> Result<Option<Self>, LogError> {
        let numbers = segment::list(dir).map_err(|e| LogError::io(dir, "list", e))?;
        let Some(last) = numbers.last() else { return Ok(None) };
        let mut replay = Replay {
            first: 0,
            base: 0,
            log: VecDeque::new(),
            blobs: BTreeMap::new(),
            segments: Vec::new(),
            salt: 0,
            sequence: 0,
            offset: 0,
            torn: 0,
            high: 0,
        };
        for number in &numbers {
            replay.segment(dir, *number, number == last)?;
        }
        if replay.base > replay.first {
            let what = format!(
                "the log begins at index {} but nothing before {} was discarded: an older segment is missing",
                replay.base, replay.first
            );
            return Err(LogError::corrupt(&segment::path(dir, numbers[0]), 0, what));
        }
        Ok(Some(replay))
    }

    /// One past the last index.
    pub fn next(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// What a boot is told.
    pub fn recovered(&mut self) -> Recovered {
        let (first_index, log) = (self.first, std::mem::take(&mut self.log).into());
        Recovered { first_index, log, blobs: self.blobs.clone(), ..Recovered::default() }
    }

    fn segment(&mut self, dir: &Path, number: u64, last: bool) -> Result<(), LogError> {
        let path = segment::path(dir, number);
        let bytes = Bytes::from(fs::read(&path).map_err(|e| LogError::io(&path, "read", e))?);
        let header = SegmentHeader::decode(&bytes).map_err(|what| LogError::corrupt(&path, 0, what))?;
        self.check_header(&path, number, &header)?;
        self.high = self.next();
        let mut offset = SEGMENT_HEADER;
        while let Some(size) = self.batch(&path, &bytes, offset)? {
            offset += size;
        }
        if offset == SEGMENT_HEADER {
            return Err(LogError::corrupt(&path, offset, "the segment's first batch fails its checksum".into()));
        }
        self.segments.push((number, self.high));
        self.offset = offset as u64;
        if last { self.cut_tail(&path, &bytes, offset) } else { Ok(()) }
    }

    fn check_header(&mut self, path: &Path, number: u64, header: &SegmentHeader) -> Result<(), LogError> {
        let Some((previous, _)) = self.segments.last() else {
            (self.salt, self.sequence) = (header.salt, header.sequence);
            return Ok(());
        };
        if number != previous + 1 || header.number != number || header.salt != self.salt {
            return Err(LogError::corrupt(path, 0, format!("segment {} is not followed by this one", previous)));
        }
        if header.sequence != self.sequence {
            let before = segment::path(path.parent().unwrap_or(Path::new("")), *previous);
            let what = format!("batch {} fails its checksum, and later batches exist", self.sequence);
            return Err(LogError::corrupt(&before, self.offset as usize, what));
        }
        Ok(())
    }

    /// Replays the batch at `offset` and returns its size; `None` if there is no whole batch.
    fn batch(&mut self, path: &Path, bytes: &Bytes, offset: usize) -> Result<Option<usize>, LogError> {
        let Some(header) = BatchHeader::decode(&bytes[offset.min(bytes.len())..], self.salt) else { return Ok(None) };
        let body = offset + BATCH_HEADER..offset + BATCH_HEADER + header.length;
        if header.sequence != self.sequence || body.end > bytes.len() {
            return Ok(None);
        }
        let body = bytes.slice(body);
        if crc32fast::hash(&body) != header.body_crc {
            return Ok(None);
        }
        for record in Records::new(&body) {
            let bad = |what: &str| LogError::corrupt(path, offset, format!("batch {}: {what}", header.sequence));
            self.record(record.map_err(|()| bad("a record of no known kind"))?, &body).map_err(bad)?;
        }
        self.sequence += 1;
        Ok(Some(BATCH_HEADER + header.length))
    }

    fn record(&mut self, record: Record<'_>, body: &Bytes) -> Result<(), &'static str> {
        match record {
            Record::Append(bytes) => self.log.push_back(body.slice_ref(bytes)),
            Record::Truncate { from } => self.truncate(from.max(self.first)),
            Record::Discard { before } => self.discard(before),
            Record::Put { name, bytes } => {
                // Copied: a blob may outlive the log around it by far, and a slice would keep the whole segment.
                self.blobs.insert(name.to_owned(), Bytes::copy_from_slice(bytes));
            }
            Record::Checkpoint { first, next } if self.segments.is_empty() => {
                (self.first, self.base) = (first, next);
            }
            Record::Checkpoint { first, next } => {
                if (first, next) != (self.first, self.next()) {
                    return Err("the segment does not continue the one before it");
                }
            }
        }
        self.high = self.high.max(self.next());
        Ok(())
    }

    fn truncate(&mut self, from: u64) {
        if from < self.base {
            // The records between are in segments that were freed, so a later discard covers them.
            self.log.clear();
            self.base = from;
        } else {
            self.log.truncate((from - self.base) as usize);
        }
    }

    fn discard(&mut self, before: u64) {
        self.first = self.first.max(before);
        if self.next() < self.first {
            self.log.clear();
            self.base = self.first;
        }
        while self.base < self.first && self.log.pop_front().is_some() {
            self.base += 1;
        }
    }

    /// Zeroes what follows the last whole batch, after making sure that it is no batch.
    fn cut_tail(&mut self, path: &Path, bytes: &[u8], offset: usize) -> Result<(), LogError> {
        let Some(end) = bytes.iter().rposition(|byte| *byte != 0).map(|at| at + 1).filter(|end| *end > offset) else {
            return Ok(());
        };
        let later = (offset..end).step_by(8).find_map(|at| {
            let header = BatchHeader::decode(&bytes[at..], self.salt)?;
            (header.sequence > self.sequence).then_some((at, header.sequence))
        });
        if let Some((at, sequence)) = later {
            let what =
                format!("batch {} fails its checksum, yet batch {sequence} follows at offset {at}", self.sequence);
            return Err(LogError::corrupt(path, offset, what));
        }
        let file = File::options().write(true).open(path).map_err(|e| LogError::io(path, "open", e))?;
        segment::zero(&file, offset as u64, end as u64).map_err(|e| LogError::io(path, "cut the torn tail of", e))?;
        self.torn = (end - offset) as u64;
        Ok(())
    }
}
