//! An allocator for programs that fill large arrays once and throw them away, as checkers do: what such a program waits for is the kernel, which
//! hands out memory 4 KiB at a time, a microsecond or so each. [`HugePages`] asks it for 2 MiB at a time.
//!
//! Small requests go to the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr::null_mut;

use rustix::mm::{self, Advice, MapFlags, MremapFlags, ProtFlags};

/// What the kernel maps at once (on x86-64 and most of aarch64; where it maps something else, it ignores the advice or follows it later).
const HUGE: usize = 2 << 20;

/// The system's allocator, but requests of 2 MiB and more are mapped so that huge pages fit, which the kernel is asked for
/// (`madvise(2)`, `MADV_HUGEPAGE`; it may decline). They begin zeroed, grow by moving pages instead of bytes, and go back to the kernel as soon
/// as they are freed. Memory that is never touched is never resident, but for the rest of a huge page.
pub struct HugePages;

// SAFETY: a request is either the system's or a mapping of our own, which of the two its layout alone decides, and that is what it is freed with.
unsafe impl GlobalAlloc for HugePages {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size());
        }
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let wanted = Layout::from_size_align(size, layout.align());
        match (is_large(layout), wanted.is_ok_and(is_large)) {
            // SAFETY: as above.
            (false, false) => unsafe { System.realloc(old, layout, size) },
            // SAFETY: the layout says that `old` is a mapping of ours of that size.
            (true, true) => unsafe { remap(old, layout.size(), size) },
            // SAFETY: the caller's promises are those of this function.
            _ => unsafe { self.move_to(old, layout, size) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: the layout says that `old` is a mapping of ours of that size, and the caller that nobody uses it any more.
            unsafe { unmap(old, whole_pages(layout.size())) };
        } else {
            // SAFETY: the caller's promises are those of `System`.
            unsafe { System.dealloc(old, layout) };
        }
    }
}

impl HugePages {
    /// Grows a small block to a large one, or the other way round.
    ///
    /// # Safety
    /// As of [`GlobalAlloc::realloc`].
    #[cold]
    unsafe fn move_to(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
        // SAFETY: the new size is not zero, says the caller; both blocks are as long as what is copied, and they are two.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                old.copy_to_nonoverlapping(new, layout.size().min(size));
                self.dealloc(old, layout);
            }
            new
        }
    }
}

#[inline]
fn is_large(layout: Layout) -> bool {
    layout.size() >= HUGE && layout.align() <= HUGE
}

fn whole_pages(size: usize) -> usize {
    // No layout is longer than `isize::MAX`.
    size.next_multiple_of(rustix::param::page_size())
}

/// New memory, zeroed, where huge pages fit; null if there is none.
#[cold]
fn map(size: usize) -> *mut u8 {
    let size = whole_pages(size);
    let block = reserve(size);
    if !block.is_null() {
        // SAFETY: the mapping is ours and as long; what it holds stays the same.
        let _refused = unsafe { mm::madvise(block.cast(), size, Advice::LinuxHugepage) };
    }
    block
}

/// A mapping of `size` bytes, in whole pages, that begins where a huge page may; null if there is no room.
fn reserve(size: usize) -> *mut u8 {
    let (room, access) = (size + HUGE, ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: the kernel chooses a place where nothing is.
    let Ok(begin) = (unsafe { mm::mmap_anonymous(null_mut(), room, access, MapFlags::PRIVATE) }) else {
        return null_mut();
    };
    let begin: *mut u8 = begin.cast();
    let before = begin.align_offset(HUGE);
    // SAFETY: these are the two ends of what was mapped just now, which nobody knows of.
    unsafe {
        let block = begin.add(before);
        unmap(begin, before);
        unmap(block.add(size), HUGE - before);
        block
    }
}

/// Changes the size of a mapping, elsewhere if it must; null, and the old one stays, if there is no room.
///
/// # Safety
/// `old` is a mapping of [`map`] or of this, of `size` bytes, that its only user gives up.
#[cold]
unsafe fn remap(old: *mut u8, size: usize, wanted: usize) -> *mut u8 {
    let (size, wanted) = (whole_pages(size), whole_pages(wanted));
    if wanted <= size {
        // SAFETY: the caller gives up what is beyond the new size.
        unsafe { unmap(old.add(wanted), size - wanted) };
        return old;
    }
    let new = reserve(wanted);
    if new.is_null() {
        return new;
    }
    let (from, to): (*mut c_void, *mut c_void) = (old.cast(), new.cast());
    // SAFETY: the old mapping is the caller's to give, the new one was made just now and nobody knows of it.
    unsafe {
        if mm::mremap_fixed(from, size, wanted, MremapFlags::MAYMOVE, to).is_err() {
            unmap(new, wanted);
            return null_mut();
        }
    }
    new
}

/// # Safety
/// Nobody uses these pages any more.
unsafe fn unmap(pages: *mut u8, size: usize) {
    if size > 0 {
        // SAFETY: says the caller. Too many mappings are the only reason to fail: then the pages stay.
        let _kept = unsafe { mm::munmap(pages.cast(), size) };
    }
}

#[cfg(test)]
mod tests;
