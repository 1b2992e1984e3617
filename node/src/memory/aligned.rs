//! An allocator whose holes are used again.
//!
//! Tensors are aligned to the width of the processor's vectors. The C library of glibc up to 2.37 makes an aligned buffer by
//! taking a larger one and cutting off both ends (glibc bug 14581), so the hole that such a buffer leaves is too small for the next one of
//! the same size: a thread that makes and frees the same tensors for every request takes more memory with each. (The first stage of
//! a SqueezeNet, which needs 37 MiB, took 84 MiB.) So a buffer with more than the ordinary alignment is aligned here, within an
//! ordinary one that is larger by the alignment, and always as large for the same tensor.

use std::alloc::{GlobalAlloc, Layout, System};

/// What every buffer of the C library is aligned to at least.
const ORDINARY: usize = 16;

/// The C library's allocator, with alignment done by itself. For a program's `#[global_allocator]`.
#[derive(Debug)]
pub struct Aligned;

/// The buffer in which one of `layout` is put; `None`: it is too large for any.
fn around(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(layout.align())?;
    Layout::from_size_align(size, ORDINARY).ok()
}

/// The place in `base` that is aligned, with room before it for the way back.
///
/// # Safety
/// `base` is null or a buffer of [`around`] `align`.
unsafe fn within(base: *mut u8, align: usize) -> *mut u8 {
    if base.is_null() {
        return base;
    }
    // Between 16 and `align`: `base` is a multiple of 16, and `align` a larger power of two.
    let skipped = align - base.addr() % align;
    // SAFETY: the buffer is `align` larger than what is put there; a pointer fits into the 16 bytes before it.
    unsafe {
        let aligned = base.add(skipped);
        aligned.cast::<*mut u8>().sub(1).write(base);
        aligned
    }
}

// SAFETY: what is given is aligned, as large as asked for, and one buffer of `System` each; it is given back as that buffer.
unsafe impl GlobalAlloc for Aligned {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ORDINARY {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        let Some(around) = around(layout) else { return std::ptr::null_mut() };
        // SAFETY: `around` is not empty.
        unsafe { within(System.alloc(around), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ORDINARY {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        }
        let Some(around) = around(layout) else { return std::ptr::null_mut() };
        // SAFETY: `around` is not empty.
        unsafe { within(System.alloc_zeroed(around), layout.align()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let (base, layout) = match around(layout) {
            // SAFETY: written by `within`, since this buffer was made with the same layout.
            Some(around) if layout.align() > ORDINARY => (unsafe { at.cast::<*mut u8>().sub(1).read() }, around),
            _ => (at, layout),
        };
        // SAFETY: the buffer and the layout that `System` was asked for.
        unsafe { System.dealloc(base, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ORDINARY {
            // SAFETY: the caller's promise.
            return unsafe { System.realloc(at, layout, size) };
        }
        // SAFETY: the caller promises that `size` is not zero and, rounded up to the alignment, not too large.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are that large, and not the same.
            unsafe {
                std::ptr::copy_nonoverlapping(at, new, size.min(layout.size()));
                self.dealloc(at, layout);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn buffers_of_every_alignment_hold_what_is_put_into_them(
            wanted in prop::collection::vec((1usize..5000, 0u32..14, 1usize..5000, any::<bool>()), 1..60)
        ) {
            let fill = |at: *mut u8, size: usize, with: u8| unsafe { at.write_bytes(with, size) };
            let holds = |at: *mut u8, size: usize, with: u8| (0..size).all(|index| unsafe { *at.add(index) } == with);
            let mut all = Vec::new();
            for (index, (size, align, _, zeroed)) in wanted.iter().enumerate() {
                let layout = Layout::from_size_align(*size, 1 << align).unwrap();
                let at = unsafe { if *zeroed { Aligned.alloc_zeroed(layout) } else { Aligned.alloc(layout) } };
                prop_assert_eq!(at.addr() % layout.align(), 0);
                prop_assert!(!zeroed || holds(at, *size, 0));
                fill(at, *size, index as u8);
                all.push((at, layout));
            }
            // Made larger or smaller, they keep what there is room for.
            for (index, ((at, layout), (_, _, size, _))) in all.iter_mut().zip(&wanted).enumerate() {
                prop_assert!(holds(*at, layout.size(), index as u8));
                *at = unsafe { Aligned.realloc(*at, *layout, *size) };
                prop_assert_eq!(at.addr() % layout.align(), 0);
                prop_assert!(holds(*at, layout.size().min(*size), index as u8));
                *layout = Layout::from_size_align(*size, layout.align()).unwrap();
                fill(*at, *size, index as u8);
            }
            for (index, (at, layout)) in all.into_iter().enumerate() {
                prop_assert!(holds(at, layout.size(), index as u8));
                unsafe { Aligned.dealloc(at, layout) };
            }
        }
    }

    #[test]
    fn what_is_too_large_for_any_buffer_is_refused() {
        let layout = Layout::from_size_align(isize::MAX as usize - 63, 64).unwrap();
        assert!(unsafe { Aligned.alloc(layout) }.is_null());
    }
}
