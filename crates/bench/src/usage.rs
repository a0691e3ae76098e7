use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting what is allocated: a program that measures memory makes it its `#[global_allocator]`.
pub struct Counting;

fn grew(bytes: usize) {
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grew(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What some work took: CPU time of the thread, so that other programs on the machine count little, and memory beside what was there.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Seconds of CPU.
    pub cpu: f64,
    /// Most bytes allocated at a time; 0 unless [`Counting`] is the allocator.
    pub peak: usize,
}

impl Usage {
    /// Of some work on this thread, once. Linux only.
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

/// Nanoseconds that the scheduler has counted for this thread.
fn cpu() -> f64 {
    let counted = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    counted.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(f64::NAN)
}
