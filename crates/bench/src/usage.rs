use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pages::HugePages;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The allocator of the binary, counting what is allocated: that of every benchmark.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grew(bytes: usize) {
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: everything is handed on to the other allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promises are those of `HugePages`.
        unsafe { HugePages.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promises are those of `HugePages`.
        unsafe { HugePages.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `HugePages`.
        unsafe { HugePages.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grew(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are those of `HugePages`.
        unsafe { HugePages.realloc(block, layout, size) }
    }
}

/// What some work took: CPU time of the thread, so that other programs on the machine count little, and memory beside what was there.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of CPU.
    pub cpu: f64,
    /// Most bytes allocated at a time; beside what was there before.
    pub peak: usize,
}

impl Usage {
    /// Of some work on this thread, once.
    pub fn of(work: impl FnOnce()) -> Usage {
        let (memory, before) = (LIVE.load(Relaxed), cpu());
        PEAK.store(memory, Relaxed);
        work();
        Usage { cpu: (cpu() - before) / 1e9, peak: PEAK.load(Relaxed) - memory }
    }

    /// The least of several runs.
    pub fn least(times: usize, mut work: impl FnMut()) -> Usage {
        let runs: Vec<Usage> = (0..times).map(|_| Usage::of(&mut work)).collect();
        let cpu = runs.iter().map(|usage| usage.cpu).fold(f64::MAX, f64::min);
        Usage { cpu, peak: runs.iter().map(|usage| usage.peak).min().unwrap_or(0) }
    }
}

/// Nanoseconds of CPU that this thread has taken.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
