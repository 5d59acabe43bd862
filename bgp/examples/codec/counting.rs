//! An allocator that counts: how often it is asked, and how much is held at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counted.
pub(crate) struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// How often memory was asked for so far.
pub(crate) fn calls() -> usize {
    CALLS.load(Relaxed)
}

/// Octets held now.
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// Most octets that were held since the last call.
pub(crate) fn peak() -> usize {
    PEAK.swap(HELD.load(Relaxed), Relaxed)
}

fn took(octets: usize) {
    CALLS.fetch_add(1, Relaxed);
    PEAK.fetch_max(HELD.fetch_add(octets, Relaxed) + octets, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its interface")]
// SAFETY: every call is handed on to the system's allocator as it came; only numbers are kept beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: what holds for the caller of this holds for that.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: what holds for the caller of this holds for that.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_sub(layout.size(), Relaxed);
        took(size);
        // SAFETY: what holds for the caller of this holds for that.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
