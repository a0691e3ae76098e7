//! What this process uses of memory, and an allocator that refuses what would break a limit.
//!
//! Memory that grows in small steps is seen by whoever looks every millisecond: pages come into being when they are first touched, a few
//! megabytes a millisecond. One big request could be past every limit before anyone looks; it is weighed before it is granted.
//! A thread whose request is refused waits for ever: the one that watches tells what is known by then, and ends the process.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pages::HugePages;

/// Requests are weighed from this size on.
const BIG: usize = 1 << 20;

static MOST: AtomicU64 = AtomicU64::new(u64::MAX);
static REFUSED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static WATCHES: Cell<bool> = const { Cell::new(false) };
}

/// Huge pages for what is large, within the limit of [`limit`].
pub struct Guarded;

#[global_allocator]
static ALLOCATOR: Guarded = Guarded;

// SAFETY: every request goes to the other allocator as it came, or never returns.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        admit(layout.size());
        // SAFETY: the caller's promises are those of `HugePages`.
        unsafe { HugePages.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        admit(layout.size());
        // SAFETY: as above.
        unsafe { HugePages.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        admit(size.saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { HugePages.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { HugePages.dealloc(old, layout) }
    }
}

#[inline]
fn admit(bytes: usize) {
    if bytes >= BIG && MOST.load(Relaxed) != u64::MAX {
        weigh(bytes as u64);
    }
}

/// Returns if there is room for so many bytes more.
#[cold]
fn weigh(bytes: u64) {
    if WATCHES.get() || resident().saturating_add(bytes) <= MOST.load(Relaxed) {
        return;
    }
    REFUSED.store(bytes, Relaxed);
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// From now on, big requests that would take the process beyond `most` bytes are refused, except to this thread, which watches.
pub fn limit(most: u64) {
    WATCHES.set(true);
    REFUSED.store(0, Relaxed);
    MOST.store(most, Relaxed);
}

/// The size of the request that was refused last, if one was.
pub fn refused() -> Option<u64> {
    Some(REFUSED.load(Relaxed)).filter(|bytes| *bytes > 0)
}

/// Bytes of this process that are in memory; 0 where that cannot be known. Allocates nothing.
pub fn resident() -> u64 {
    let mut text = [0; 128];
    let read = File::open("/proc/self/statm").and_then(|mut file| file.read(&mut text)).unwrap_or(0);
    let pages = text[..read].split(|byte| *byte == b' ').nth(1).unwrap_or(&[]);
    let pages = pages.iter().fold(0, |pages, digit| pages * 10 + u64::from(digit.wrapping_sub(b'0')));
    pages * rustix::param::page_size() as u64
}
