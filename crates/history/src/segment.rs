//! The files that records live in: `NNN-SEGM.rec`, writer and segment number.
//!
//! A segment is a header of one page and then records, each at a multiple of 64 bytes. Its length is given when it is made;
//! records that were not written are zero, and the first of them ends the segment.
//!
//! | offset | width | field of the header, little-endian |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic, `ASSIZE\0\x01` |
//! | 8 | 4 | format version |
//! | 12 | 4 | bytes per record |
//! | 16 | 4 | writer |
//! | 20 | 4 | segment, from 0 |
//! | 24 | 8 | start of the run, ns since 1970 (UTC) |
//! | 32 | 8 | bound of the clock's offset from the run's own, ns |
//! | 40 | 4 | length of the clock domain's name |
//! | 44 | ... | the clock domain's name, UTF-8 |

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::FallocateFlags;

use crate::error::OpenError;
use crate::operation::Operation;
use crate::record;

/// Bytes before the first record: a page, so that records are aligned in memory as in the file.
pub const HEADER_SIZE: usize = 4096;

/// The newest format that this code reads and the one it writes.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"ASSIZE\0\x01";
const LONGEST_NAME: usize = 256;

/// Which clock the times of a segment were read from, so that histories of several machines can be joined soundly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockDomain {
    /// Segments of one name share a clock: their times compare exactly.
    pub name: String,
    /// How far this clock may be from the run's own; zero for the machine that leads the run.
    pub offset_bound: Duration,
    /// Start of the run: nanoseconds since 1970 (UTC). Times in records count from here.
    pub epoch_unix_ns: u64,
}

impl Default for ClockDomain {
    fn default() -> Self {
        ClockDomain { name: "local".to_string(), offset_bound: Duration::ZERO, epoch_unix_ns: 0 }
    }
}

/// What a segment says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which writer's.
    pub writer: u16,
    /// Its place among the writer's segments, from 0.
    pub segment: u32,
    /// Whose times.
    pub clock: ClockDomain,
}

impl Header {
    /// The name of the file.
    pub fn file_name(&self) -> String {
        format!("{:03}-{:04}.rec", self.writer, self.segment)
    }

    fn encode(&self) -> Vec<u8> {
        let mut name = self.clock.name.clone();
        while name.len() > LONGEST_NAME {
            name.pop();
        }
        let mut bytes = Vec::with_capacity(HEADER_SIZE);
        bytes.extend_from_slice(MAGIC);
        for word in [FORMAT, record::SIZE as u32, u32::from(self.writer), self.segment] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&self.clock.epoch_unix_ns.to_le_bytes());
        let bound = u64::try_from(self.clock.offset_bound.as_nanos()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&bound.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.resize(HEADER_SIZE, 0);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Header, (usize, String)> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if &bytes[..8] != MAGIC {
            return Err((0, "expected the magic of a record segment".to_string()));
        }
        if u32_at(8) == 0 || u32_at(8) > FORMAT {
            return Err((8, format!("format version {}; this assize reads up to {FORMAT}", u32_at(8))));
        }
        if u32_at(12) as usize != record::SIZE {
            return Err((12, format!("expected records of {} bytes, not {}", record::SIZE, u32_at(12))));
        }
        let length = u32_at(40) as usize;
        if length > LONGEST_NAME {
            return Err((40, format!("expected a name of at most {LONGEST_NAME} bytes, not {length}")));
        }
        let clock = ClockDomain {
            name: String::from_utf8_lossy(&bytes[44..44 + length]).into_owned(),
            offset_bound: Duration::from_nanos(u64_at(32)),
            epoch_unix_ns: u64_at(24),
        };
        Ok(Header { writer: u32_at(16) as u16, segment: u32_at(20), clock })
    }
}

/// A segment that is being written.
#[derive(Debug)]
pub struct Segment {
    /// The file.
    pub path: PathBuf,
    /// How many records it has room for.
    pub capacity: usize,
    map: Arc<MmapRaw>,
}

impl Segment {
    /// Makes the file with room for `capacity` records: blocks are reserved, so that a full disk is an error here and
    /// not a signal at the first store.
    pub fn create(dir: &Path, header: &Header, capacity: usize) -> io::Result<Segment> {
        let path = dir.join(header.file_name());
        let length = HEADER_SIZE + capacity * record::SIZE;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length as u64) {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(length as u64)?,
            Err(error) => return Err(error.into()),
        }
        file.write_all_at(&header.encode(), 0)?;
        let map = MmapOptions::new().len(length).map_raw(&file)?;
        Ok(Segment { path, capacity, map: Arc::new(map) })
    }

    /// The memory, shared with whoever touches pages ahead.
    pub fn map(&self) -> Arc<MmapRaw> {
        Arc::clone(&self.map)
    }

    /// Where a record lives. `index` must be below `capacity`.
    #[inline]
    pub fn place(&self, index: usize) -> *mut u8 {
        debug_assert!(index < self.capacity);
        self.map.as_mut_ptr().wrapping_add(HEADER_SIZE + index * record::SIZE)
    }

    /// Gives back the room behind the first `used` records.
    pub fn close(self, used: usize) -> io::Result<()> {
        let Segment { path, map, .. } = self;
        drop(map);
        OpenOptions::new().write(true).open(path)?.set_len((HEADER_SIZE + used * record::SIZE) as u64)
    }
}

/// Reads one segment, calling `each` for every record in the order of claims. `None`: the writer died before the header was
/// there, so nothing was claimed.
pub fn read(path: &Path, mut each: impl FnMut(Operation)) -> Result<Option<Header>, OpenError> {
    let wrong =
        |at: usize, message: String| OpenError::Malformed { path: path.to_owned(), line: 0, column: at, message };
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len() as usize;
    if length < HEADER_SIZE {
        return Ok(None);
    }
    let mut header = vec![0; HEADER_SIZE];
    file.read_exact_at(&mut header, 0).map_err(io)?;
    if header[..8] == [0; 8] {
        return Ok(None);
    }
    let header = Header::decode(&header).map_err(|(at, message)| wrong(at, message))?;
    let mut chunk = vec![0; 1 << 20];
    let mut at = HEADER_SIZE;
    // A last record that is cut short was never whole.
    while at + record::SIZE <= length {
        let size = chunk.len().min((length - at) / record::SIZE * record::SIZE);
        file.read_exact_at(&mut chunk[..size], at as u64).map_err(io)?;
        for (i, bytes) in chunk[..size].chunks_exact(record::SIZE).enumerate() {
            let bytes = bytes.try_into().expect("a whole record");
            match record::read(bytes).map_err(|message| wrong(at + i * record::SIZE, message))? {
                Some(operation) => each(operation),
                None => return Ok(Some(header)),
            }
        }
        at += size;
    }
    Ok(Some(header))
}

/// Whether the bytes open like a segment.
pub fn looks_like_one(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}
