use super::*;

/// What is written to a block stays when it grows and shrinks, below and beyond the size at which pages are asked for.
#[test]
fn contents_stay_when_a_block_grows_and_shrinks() {
    let sizes = [1 << 10, HUGE - 1, HUGE, HUGE + 1, 3 * HUGE + 4097, 40 * HUGE, 5 * HUGE - 3, HUGE, HUGE - 1, 100];
    let layout = |size| Layout::from_size_align(size, 8).expect("a layout");
    // SAFETY: the block is used within its size only, with the layout that it has at the time.
    unsafe {
        let mut block = HugePages.alloc(layout(sizes[0]));
        let (mut size, mut kept) = (sizes[0], 0);
        for wanted in sizes {
            block = HugePages.realloc(block, layout(size), wanted);
            assert!(!block.is_null());
            (size, kept) = (wanted, wanted.min(kept));
            for at in (0..kept).step_by(509) {
                assert_eq!(*block.add(at), at as u8, "byte {at} of {size}");
            }
            (0..size).for_each(|at| *block.add(at) = at as u8);
            kept = size;
        }
        HugePages.dealloc(block, layout(size));
    }
}

#[test]
fn large_blocks_begin_zeroed_where_a_huge_page_may() {
    let layout = Layout::from_size_align(3 * HUGE + 5, 64).expect("a layout");
    // SAFETY: the block is read within its size and freed with its layout.
    unsafe {
        let block = HugePages.alloc_zeroed(layout);
        assert_eq!(block.align_offset(HUGE), 0);
        assert!((0..layout.size()).all(|at| *block.add(at) == 0));
        HugePages.dealloc(block, layout);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_what_was_there_stays() {
    let (layout, impossible) = (Layout::from_size_align(HUGE, 8).expect("a layout"), 1 << 60);
    // SAFETY: the block is used within its size and freed with its layout, which a refused request leaves as it was.
    unsafe {
        let block = HugePages.alloc_zeroed(layout);
        *block = 7;
        assert!(HugePages.realloc(block, layout, impossible).is_null());
        assert_eq!(*block, 7);
        HugePages.dealloc(block, layout);
        assert!(HugePages.alloc(Layout::from_size_align(impossible, 8).expect("a layout")).is_null());
    }
}
