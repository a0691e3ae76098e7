//! The bytes of a log: segments, batches, records.
//!
//! A *segment* is a file of fixed size: a header, then batches, then zeros. A *batch* is what one sync makes durable; it is
//! whole or it does not count. A *record* is one [`DiskWrite`] (or a checkpoint) inside a batch.
//!
//! ```text
//! segment  magic:8 version:4 crc:4 salt:8 number:8 sequence:8 zeros     64 bytes; sequence is that of its first batch
//! batch    crc:4 body_crc:4 length:4 zero:4 sequence:8 body[length]     length is a multiple of 8
//! record   kind:1 length:4 payload[length]                              kind 0 fills the end of a body
//! ```
//!
//! All numbers are little endian. Every byte of a header and of a body is under a checksum (CRC-32, IEEE). The salt is drawn
//! once for a log and goes into each batch's checksum, so bytes of another log (or a value that looks like a batch) are none.

use proto::DiskWrite;

pub(super) const SEGMENT_HEADER: usize = 64;
pub(super) const BATCH_HEADER: usize = 24;
const RECORD_HEADER: usize = 5;
const MAGIC: &[u8; 8] = b"assizlog";
const VERSION: u32 = 1;

const END: u8 = 0;
const APPEND: u8 = 1;
const TRUNCATE: u8 = 2;
const DISCARD: u8 = 3;
const PUT: u8 = 4;
const CHECKPOINT: u8 = 5;

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub salt: u64,
    pub number: u64,
    /// The sequence number of the segment's first batch.
    pub sequence: u64,
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header, or says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER>() else {
            return Err("the file is shorter than a segment's header".into());
        };
        if &bytes[..8] != MAGIC {
            return Err("not a log segment".into());
        }
        let mut unsigned = *bytes;
        unsigned[12..16].fill(0);
        if crc32fast::hash(&unsigned) != u32_at(bytes, 12) {
            return Err("the segment's header fails its checksum".into());
        }
        match u32_at(bytes, 8) {
            VERSION => {
                Ok(SegmentHeader { salt: u64_at(bytes, 16), number: u64_at(bytes, 24), sequence: u64_at(bytes, 32) })
            }
            other => Err(format!("format version {other}, and this program reads version {VERSION}")),
        }
    }
}

/// The header of a batch whose own checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub body_crc: u32,
    pub length: usize,
    pub sequence: u64,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; `None` if there is none.
    pub fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<BATCH_HEADER>()?;
        let header =
            BatchHeader { body_crc: u32_at(bytes, 4), length: u32_at(bytes, 8) as usize, sequence: u64_at(bytes, 16) };
        (u32_at(bytes, 0) == header_crc(bytes, salt)).then_some(header)
    }
}

/// Durable writes that are gathered for one sync. Reusable: committing it leaves it empty, with its memory.
///
/// The bytes are laid out as they go to the disk, with room for the header in front, so a commit is one write call.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    writes: u64,
}

impl Batch {
    /// A batch without writes.
    pub fn new() -> Self {
        Batch::default()
    }

    /// Adds a write. Copies its payload.
    pub fn push(&mut self, write: &DiskWrite) {
        self.writes += 1;
        match write {
            DiskWrite::Append(record) => self.record(APPEND, &[record]),
            DiskWrite::Truncate { from } => self.record(TRUNCATE, &[&from.to_le_bytes()]),
            DiskWrite::Discard { before } => self.record(DISCARD, &[&before.to_le_bytes()]),
            DiskWrite::Put { name, bytes } => {
                let size = u16::try_from(name.len()).expect("a blob's name is shorter than 64 KiB");
                self.record(PUT, &[&size.to_le_bytes(), name.as_bytes(), bytes]);
            }
        }
    }

    /// Adds the start of a segment: the log's bounds, so that the segments before it can go.
    pub(super) fn checkpoint(&mut self, first: u64, next: u64) {
        self.record(CHECKPOINT, &[&first.to_le_bytes(), &next.to_le_bytes()]);
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The size in bytes on disk so far.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The number of writes.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Forgets the writes; keeps the memory unless it has grown beyond what is usual.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(1 << 20);
        self.writes = 0;
    }

    /// Adds the writes of `other`, which becomes empty.
    pub fn absorb(&mut self, other: &mut Batch) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else if !other.is_empty() {
            self.bytes.extend_from_slice(&other.bytes[BATCH_HEADER..]);
            self.writes += other.writes;
        }
        other.clear();
    }

    /// The records, in order.
    pub(super) fn records(&self) -> Records<'_> {
        Records { rest: self.bytes.get(BATCH_HEADER..).unwrap_or(&[]) }
    }

    /// Fills in the header and returns the bytes for the disk. The batch must not be empty.
    pub(super) fn seal(&mut self, salt: u64, sequence: u64) -> &[u8] {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), END);
        let (header, body) = self.bytes.split_at_mut(BATCH_HEADER);
        header[4..8].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        header[8..12].copy_from_slice(&(body.len() as u32).to_le_bytes());
        header[16..24].copy_from_slice(&sequence.to_le_bytes());
        let crc = header_crc(header.first_chunk().expect("a header"), salt);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }

    fn record(&mut self, kind: u8, payload: &[&[u8]]) {
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEADER, 0);
        }
        let length: usize = payload.iter().map(|part| part.len()).sum();
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&(length as u32).to_le_bytes());
        payload.iter().for_each(|part| self.bytes.extend_from_slice(part));
    }
}

/// One record, its payload borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    Append(&'a [u8]),
    Truncate { from: u64 },
    Discard { before: u64 },
    Put { name: &'a str, bytes: &'a [u8] },
    Checkpoint { first: u64, next: u64 },
}

/// The records of a body. An error ends the iteration.
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Records { rest: body }
    }

    fn take(&mut self) -> Option<Record<'a>> {
        let length = u32_at(self.rest.get(..RECORD_HEADER)?, 1) as usize;
        let kind = self.rest[0];
        let payload = self.rest.get(RECORD_HEADER..RECORD_HEADER + length)?;
        self.rest = &self.rest[RECORD_HEADER + length..];
        let word = |at: usize| Some(u64::from_le_bytes(payload.get(at..at + 8)?.try_into().ok()?));
        Some(match kind {
            APPEND => Record::Append(payload),
            TRUNCATE => Record::Truncate { from: word(0)? },
            DISCARD => Record::Discard { before: word(0)? },
            CHECKPOINT => Record::Checkpoint { first: word(0)?, next: word(8)? },
            PUT => {
                let (size, rest) = payload.split_first_chunk::<2>()?;
                let (name, bytes) = rest.split_at_checked(usize::from(u16::from_le_bytes(*size)))?;
                Record::Put { name: std::str::from_utf8(name).ok()?, bytes }
            }
            _ => return None,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.first().is_none_or(|kind| *kind == END) {
            return None;
        }
        let record = self.take();
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(()))
    }
}

fn header_crc(header: &[u8; BATCH_HEADER], salt: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[4..]);
    hasher.update(&salt.to_le_bytes());
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use base::Bytes;

    use super::*;

    fn to_write(record: Record<'_>) -> DiskWrite {
        match record {
            Record::Append(bytes) => DiskWrite::Append(Bytes::copy_from_slice(bytes)),
            Record::Truncate { from } => DiskWrite::Truncate { from },
            Record::Discard { before } => DiskWrite::Discard { before },
            Record::Put { name, bytes } => {
                DiskWrite::Put { name: Cow::Owned(name.to_owned()), bytes: Bytes::copy_from_slice(bytes) }
            }
            Record::Checkpoint { .. } => panic!("no write makes a checkpoint"),
        }
    }

    #[test]
    fn writes_read_back_as_they_were() {
        let writes = [
            DiskWrite::Append(Bytes::from_static(b"one")),
            DiskWrite::Append(Bytes::new()),
            DiskWrite::Truncate { from: 7 },
            DiskWrite::Discard { before: u64::MAX },
            DiskWrite::Put { name: Cow::Borrowed("vote"), bytes: Bytes::from_static(b"\0\0") },
        ];
        let mut batch = Batch::new();
        writes.iter().for_each(|write| batch.push(write));
        let bytes = batch.seal(1, 2).to_vec();
        let header = BatchHeader::decode(&bytes, 1).expect("its own salt");
        assert_eq!((header.sequence, header.length), (2, bytes.len() - BATCH_HEADER));
        assert_eq!(BatchHeader::decode(&bytes, 9), None, "another log's salt");
        let read: Vec<_> = Records::new(&bytes[BATCH_HEADER..]).map(|record| to_write(record.unwrap())).collect();
        assert_eq!(read, writes);
    }

    #[test]
    fn a_body_that_ends_inside_a_record_is_an_error() {
        let mut batch = Batch::new();
        batch.push(&DiskWrite::Append(Bytes::from_static(b"value")));
        let bytes = batch.seal(1, 2).to_vec();
        let cut = &bytes[BATCH_HEADER..BATCH_HEADER + 7];
        assert_eq!(Records::new(cut).collect::<Vec<_>>(), [Err(())]);
    }
}
