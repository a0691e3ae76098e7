//! Writes one record per operation: claimed before the request leaves, completed in place.
//!
//! One recorder per engine thread, no locks. What is claimed survives a `kill -9` of the process, because the pages of a
//! shared file mapping belong to the kernel (a power cut is another matter: nothing here is synced).
//!
//! A store must never fault on the engine's thread: that would count as the generator's lateness. The first store to a page
//! of a file faults, and on ext4 that fault may wait for a journal commit, of which the nodes under test cause many; so
//! does the first store after the kernel has written the page back. A background thread therefore makes the next segment while the
//! current one fills, and stores to pages shortly before and after the writer's place, again and again, so that the
//! faults are its own. Segments are reserved (`fallocate`) but not zeroed: the disk sees each byte once.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base::Time;
use memmap2::MmapRaw;

use crate::operation::{Claim, Completion};
use crate::record::{self, Status};
use crate::segment::{ClockDomain, HEADER_SIZE, Header, Segment};
use crate::tail::{Gate, Tail};

/// Records of the first, the second and every later segment: short runs stay small, long ones switch rarely.
const CAPACITIES: [usize; 3] = [(4 << 20) / record::SIZE, (16 << 20) / record::SIZE, (64 << 20) / record::SIZE];

const PAGE: usize = 4096;

/// The place of a claimed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    segment: u32,
    index: u32,
}

/// The writer of one engine thread.
#[derive(Debug)]
pub struct Recorder {
    segments: Vec<Segment>,
    /// Records used of the last segment.
    used: usize,
    next: Receiver<io::Result<Segment>>,
    ahead: Arc<Ahead>,
    thread: Option<JoinHandle<()>>,
    stalls: u64,
    failure: Option<io::Error>,
    /// Keeps tails away from what is cut off at the end.
    gate: Arc<Gate>,
    dir: PathBuf,
    writer: u16,
    /// Where records go after a failure, so that the engine need not care: they are lost, and [`Recorder::failure`] says so.
    scratch: Box<Scratch>,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Scratch([u8; record::SIZE]);

const SCRATCH: Slot = Slot { segment: u32::MAX, index: 0 };

/// What writer and background thread share.
#[derive(Debug, Default)]
struct Ahead {
    /// Segment number (high half) and records used of it (low half).
    position: AtomicU64,
    stop: AtomicBool,
}

impl Recorder {
    /// Starts the records of one writer in `dir` (made if missing; the `history` folder of a run). Writers of a run must differ.
    pub fn create(dir: &Path, writer: u16, clock: &ClockDomain) -> io::Result<Recorder> {
        std::fs::create_dir_all(dir)?;
        let maker = Maker { dir: dir.to_owned(), header: Header { writer, segment: 0, clock: clock.clone() } };
        let first = maker.make(0)?;
        let ahead = Arc::new(Ahead::default());
        let (sender, next) = sync_channel(1);
        let mut background = Background { maker, ahead: Arc::clone(&ahead), maps: vec![first.map()], tick: 0 };
        background.touch_around(0, 0, NEAR_PAGES);
        let thread =
            thread::Builder::new().name(format!("record-ahead-{writer}")).spawn(move || background.run(&sender))?;
        Ok(Recorder {
            segments: vec![first],
            used: 0,
            next,
            ahead,
            thread: Some(thread),
            stalls: 0,
            failure: None,
            gate: Arc::default(),
            dir: dir.to_owned(),
            writer,
            scratch: Box::new(Scratch([0; record::SIZE])),
        })
    }

    /// Reads what is recorded while it is recorded, from another thread. It costs this recorder nothing.
    pub fn tail(&self) -> Tail {
        Tail::new(&self.dir, self.writer, Arc::clone(&self.gate))
    }

    /// Records an operation that is about to leave. From here on a crash of the bench leaves it as `info`.
    #[inline]
    pub fn claim(&mut self, claim: &Claim) -> Slot {
        self.put(claim, Status::Claimed)
    }

    /// Records an operation that was still queued at its deadline: absent from the checked history, unavailable to the measures.
    pub fn never_sent(&mut self, claim: &Claim) {
        self.put(claim, Status::NeverSent);
    }

    /// Records what became of a claimed operation. `done` of an `info` outcome is not kept: it stays open for ever.
    #[inline]
    pub fn complete(&mut self, slot: Slot, done: Time, completion: Completion) {
        if slot == SCRATCH {
            return;
        }
        let place = self.segments[slot.segment as usize].place(slot.index as usize);
        // SAFETY: `place` is a record of a mapped segment that this recorder alone writes; the slot was claimed.
        unsafe { record::write_completion(place, done, &completion) }
    }

    /// Why records are being lost (a full disk, say). The run must not be trusted then.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// How often the writer had to wait for a segment: each is lateness of the bench.
    pub fn stalls(&self) -> u64 {
        self.stalls
    }

    /// Operations recorded so far.
    pub fn recorded(&self) -> u64 {
        let full = self.segments.len().saturating_sub(1);
        self.segments[..full].iter().map(|segment| segment.capacity as u64).sum::<u64>() + self.used as u64
    }

    /// Ends the records: gives back the reserved room. Dropping does the same but cannot tell of errors.
    pub fn finish(mut self) -> io::Result<u64> {
        let recorded = self.recorded();
        self.close()?;
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(recorded),
        }
    }

    #[inline]
    fn put(&mut self, claim: &Claim, status: Status) -> Slot {
        let mut segment = &self.segments[self.segments.len() - 1];
        if self.used == segment.capacity {
            if !self.advance() {
                // SAFETY: the scratch record is aligned, ours, and as large as a record.
                unsafe { record::write_claim(self.scratch.0.as_mut_ptr(), claim, status) };
                return SCRATCH;
            }
            segment = &self.segments[self.segments.len() - 1];
        }
        let index = self.used;
        // SAFETY: the place is inside the mapping, 64-byte aligned (a page, then multiples of 64), and nobody else writes
        // to it but for compare-exchanges of status bytes that change nothing.
        unsafe { record::write_claim(segment.place(index), claim, status) };
        self.used += 1;
        let slot = Slot { segment: (self.segments.len() - 1) as u32, index: index as u32 };
        self.ahead.position.store(u64::from(slot.segment) << 32 | self.used as u64, Ordering::Relaxed);
        slot
    }

    #[cold]
    fn advance(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let next = match self.next.try_recv() {
            Ok(next) => next,
            Err(TryRecvError::Empty) => {
                self.stalls += 1;
                self.next.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that makes segments died")))
            }
            Err(TryRecvError::Disconnected) => Err(io::Error::other("the thread that makes segments died")),
        };
        match next {
            Ok(segment) => {
                self.segments.push(segment);
                self.used = 0;
                true
            }
            Err(error) => {
                self.failure = Some(error);
                false
            }
        }
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.ahead.stop.store(true, Ordering::Relaxed);
        thread.thread().unpark();
        let _ = thread.join();
        let _closed = self.gate.close();
        while let Ok(unused) = self.next.try_recv() {
            if let Ok(segment) = unused {
                std::fs::remove_file(&segment.path)?;
            }
        }
        match self.segments.pop() {
            Some(last) => last.close(self.used),
            None => Ok(()),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// Makes segments, in order.
#[derive(Debug)]
struct Maker {
    dir: PathBuf,
    header: Header,
}

impl Maker {
    fn make(&self, segment: u32) -> io::Result<Segment> {
        let capacity = CAPACITIES[(segment as usize).min(CAPACITIES.len() - 1)];
        Segment::create(&self.dir, &Header { segment, ..self.header.clone() }, capacity)
    }
}

/// Pages kept writable ahead at every tick: 2 MiB of records a tick are 3 million operations a second.
const NEAR_PAGES: usize = 512;
/// Pages behind, where operations may still be under way; visited once in `SLOW_TICKS`.
const BEHIND_PAGES: usize = 4096;
const TICK: Duration = Duration::from_millis(10);
const SLOW_TICKS: u64 = 100;

struct Background {
    maker: Maker,
    ahead: Arc<Ahead>,
    maps: Vec<Arc<MmapRaw>>,
    tick: u64,
}

impl Background {
    fn run(&mut self, sender: &SyncSender<io::Result<Segment>>) {
        let mut waiting = None;
        while !self.ahead.stop.load(Ordering::Relaxed) {
            let position = self.ahead.position.load(Ordering::Relaxed);
            let (segment, used) = ((position >> 32) as usize, position as u32 as usize);
            // One segment is ready beyond the writer's, and one at most waits behind it.
            if waiting.is_none() && self.maps.len() <= segment + 1 {
                let made = self.maker.make(self.maps.len() as u32);
                if let Ok(made) = &made {
                    self.maps.push(made.map());
                    self.touch_around(self.maps.len() - 1, 0, NEAR_PAGES);
                }
                waiting = Some(made);
            }
            if let Some(made) = waiting.take() {
                match sender.try_send(made) {
                    Err(TrySendError::Full(made)) => waiting = Some(made),
                    Err(TrySendError::Disconnected(_)) => return,
                    Ok(()) => {}
                }
            }
            self.touch_around(segment, used, NEAR_PAGES);
            self.tick += 1;
            thread::park_timeout(TICK);
        }
        // A segment that was made but could not be handed over is nobody's.
        if let Some(Ok(segment)) = waiting {
            let _ = std::fs::remove_file(segment.path);
        }
    }

    /// Keeps the pages around the writer's place writable.
    fn touch_around(&self, segment: usize, used: usize, pages: usize) {
        let Some(map) = self.maps.get(segment) else { return };
        let here = (HEADER_SIZE + used * record::SIZE) / PAGE;
        let slow = self.tick.is_multiple_of(SLOW_TICKS);
        let behind = if slow { BEHIND_PAGES } else { 1 };
        touch(map, here.saturating_sub(behind)..here + pages);
        if slow && segment > 0 && here < BEHIND_PAGES {
            let before = &self.maps[segment - 1];
            let end = before.len() / PAGE;
            touch(before, end.saturating_sub(BEHIND_PAGES - here)..end);
        }
    }
}

/// Stores to pages of records without changing them. Page 0 is the header; what is behind the end is left out.
fn touch(map: &MmapRaw, pages: Range<usize>) {
    for page in pages.start.max(1)..pages.end.min(map.len() / PAGE) {
        let status = map.as_mut_ptr().wrapping_add(page * PAGE + record::SIZE - 1).cast::<AtomicU8>();
        // SAFETY: the byte is inside the mapping, which `map` keeps alive. It is the status of a record, which the writer
        // accesses atomically only; exchanging 0 for 0 is a store to the page that changes no record.
        let status = unsafe { &*status };
        let _ = status.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
    }
}
