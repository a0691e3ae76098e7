//! The disk of a node: group commit on a thread of its own, so that the loop goes on while the disk writes.
//!
//! The loop gathers the writes of one round of inputs and hands them over. The thread takes everything that was handed over
//! since it last looked, makes it durable with one sync, and wakes the loop. While it syncs, the next group gathers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, mem};

use base::{Bytes, Time};
use proto::{Barrier, DiskWrite};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::log::{Batch, Log, LogCounters};

/// Bytes handed over and not yet durable at which the loop waits for the disk: memory must not grow without bound.
const BACKLOG: usize = 64 << 20;

/// What becomes of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Each group of writes is synced at once.
    Durable,
    /// Writes stay in the memory of the process and are written and synced only this often; barriers wait for it. What a kill
    /// finds in memory is lost, as a power cut would lose it, without being root.
    Volatile {
        /// The time between syncs.
        sync_every: Duration,
    },
}

/// The loop's side.
pub(crate) struct Writer {
    mode: Disk,
    /// The writes of this round.
    gathered: Batch,
    /// The barrier of the last write.
    written: Barrier,
    /// The barrier that the loop was told of last.
    told: Barrier,
    /// When a volatile disk syncs next.
    sync_at: Option<Time>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Signalled after each sync, and on failure.
    done: OwnedFd,
    durable: AtomicU64,
}

#[derive(Default)]
struct State {
    handed: Batch,
    written: Barrier,
    /// Bytes that the thread is making durable now.
    syncing: usize,
    counters: LogCounters,
    failed: Option<String>,
    /// The loop waits for room.
    waiting: bool,
    closing: bool,
}

impl Writer {
    /// Starts the thread that owns `log`.
    pub fn start(log: Log, mode: Disk) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            done: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            durable: AtomicU64::new(0),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || theirs.serve(log))?;
        Ok(Writer {
            mode,
            gathered: Batch::new(),
            written: Barrier::NONE,
            told: Barrier::NONE,
            sync_at: None,
            shared,
            thread: Some(thread),
        })
    }

    /// Becomes readable when [`poll`](Self::poll) has news. Watch it edge-triggered: nobody reads it.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.shared.done.as_fd()
    }

    /// Adds a write to this round.
    pub fn push(&mut self, write: &DiskWrite, barrier: Barrier) {
        self.gathered.push(write);
        self.written = barrier;
    }

    /// Adds records to this round's writes; `barrier` is of the last.
    pub fn append(&mut self, records: &[Bytes], barrier: Barrier) {
        records.iter().for_each(|record| self.gathered.push(&DiskWrite::Append(record.clone())));
        self.written = barrier;
    }

    /// Hands over what was gathered, if it is time.
    pub fn submit(&mut self, now: Time) {
        if self.gathered.is_empty() {
            return;
        }
        if let Disk::Volatile { sync_every } = self.mode {
            let at = *self.sync_at.get_or_insert(now + sync_every);
            if now < at {
                return;
            }
            self.sync_at = None;
        }
        self.hand_over();
    }

    /// When [`submit`](Self::submit) must be called next.
    pub fn deadline(&self) -> Option<Time> {
        self.sync_at
    }

    /// The barrier up to which all is durable, if that is news. The error is what the disk said; it does not go away.
    pub fn poll(&mut self) -> Result<Option<Barrier>, String> {
        let durable = Barrier(self.shared.durable.load(Ordering::Acquire));
        if durable == Barrier(u64::MAX) {
            return Err(self.shared.lock().failed.clone().unwrap_or_default());
        }
        Ok((durable > mem::replace(&mut self.told, durable)).then_some(durable))
    }

    /// The barrier that the loop was told of last.
    pub fn durable(&self) -> Barrier {
        self.told
    }

    /// What the log has done.
    pub fn counters(&self) -> LogCounters {
        self.shared.lock().counters
    }

    fn hand_over(&mut self) {
        let mut state = self.shared.lock();
        while state.handed.size() + state.syncing > BACKLOG && state.failed.is_none() {
            state.waiting = true;
            state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.handed.absorb(&mut self.gathered);
        state.written = self.written;
        let idle = state.syncing == 0;
        drop(state);
        if idle {
            self.shared.work.notify_all();
        }
    }
}

/// A node that is stopped in order keeps all it wrote; only a kill loses.
impl Drop for Writer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.hand_over();
        }
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: commits what was handed over until it is told to close or the disk fails.
    fn serve(&self, mut log: Log) {
        let mut batch = Batch::new();
        while let Some(barrier) = self.take(&mut batch) {
            let outcome = log.commit(&mut batch);
            let mut state = self.lock();
            state.syncing = 0;
            state.counters = log.counters();
            state.failed = outcome.err().map(|error| error.to_string());
            let durable = if state.failed.is_some() { u64::MAX } else { barrier.0 };
            self.durable.store(durable, Ordering::Release);
            let waiting = mem::take(&mut state.waiting);
            let failed = state.failed.is_some();
            drop(state);
            if waiting {
                self.work.notify_all();
            }
            let _ = rustix::io::write(&self.done, &1u64.to_ne_bytes());
            if failed {
                return;
            }
        }
    }

    /// Waits for writes and takes them all; `None` when there are none and none will come.
    fn take(&self, batch: &mut Batch) -> Option<Barrier> {
        let mut state = self.lock();
        while state.handed.is_empty() {
            if state.closing {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        batch.absorb(&mut state.handed);
        state.syncing = batch.size();
        Some(state.written)
    }
}
