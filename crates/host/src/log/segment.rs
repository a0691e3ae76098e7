//! Segment files: names, creation ahead of need, and removal.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, IoSlice, ReadWriteFlags};

/// A segment under construction has this name: what a crash leaves of it is removed at the next open.
const UNFINISHED: &str = "log-next.tmp";

/// Segments of at most this size are made at once: a thread would cost more.
const SMALL: u64 = 1 << 20;

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("log-{number:010}.seg"))
}

/// The numbers of the segments in `dir`, ascending.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("log-")?.strip_suffix(".seg"));
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes what a crash left of a segment under construction.
pub(super) fn remove_unfinished(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(UNFINISHED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The segment that will be needed next, made by a thread of its own while the current one fills.
pub(super) struct Spare {
    dir: PathBuf,
    making: Option<JoinHandle<io::Result<File>>>,
}

impl Spare {
    pub fn new(dir: &Path) -> Self {
        Spare { dir: dir.to_owned(), making: None }
    }

    /// Starts making it, unless that has begun.
    pub fn prepare(&mut self, capacity: u64) {
        if self.making.is_none() && capacity > SMALL {
            let path = self.dir.join(UNFINISHED);
            self.making = Some(std::thread::spawn(move || blank(&path, capacity)));
        }
    }

    /// The blank file, of at least `capacity` bytes; waits for the thread that makes it.
    pub fn take(&mut self, capacity: u64) -> io::Result<File> {
        if let Some(making) = self.making.take() {
            let file = making.join().map_err(|_| io::Error::other("the thread that makes segments panicked"))??;
            if file.metadata()?.len() >= capacity {
                return Ok(file);
            }
        }
        blank(&self.dir.join(UNFINISHED), capacity)
    }

    /// Gives the file that was taken its final name, durably.
    pub fn publish(&self, number: u64) -> io::Result<()> {
        fs::rename(self.dir.join(UNFINISHED), path(&self.dir, number))?;
        Ok(rustix::fs::fsync(File::open(&self.dir)?)?)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(making) = self.making.take() {
            let _ = making.join();
            let _ = remove_unfinished(&self.dir);
        }
    }
}

/// Writes `bytes` at `offset` and waits until they are durable: one system call.
pub(super) fn write_durably(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwritev2(file, &[IoSlice::new(bytes)], offset, ReadWriteFlags::DSYNC) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A file of zeros. Zeros are really written: a sync of a later write then has no extents to convert, which halves its cost
/// on ext4 and XFS.
fn blank(path: &Path, capacity: u64) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, capacity) {
        // Some file systems cannot reserve; writing zeros does the same more slowly.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    zero(&file, 0, capacity)?;
    Ok(file)
}

/// Overwrites a range with zeros, durably.
pub(super) fn zero(file: &File, from: u64, to: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let zeros = [0u8; 64 << 10];
    let mut offset = from;
    while offset < to {
        let size = (to - offset).min(zeros.len() as u64) as usize;
        file.write_all_at(&zeros[..size], offset)?;
        offset += size as u64;
    }
    file.sync_data()
}
