//! How the allocator of the C library keeps memory: for a process that should be small for months.

/// Blocks from this size on are given back to the system as soon as they are free; in bytes, the C library's own
/// default. Saying so keeps it from raising the bound to the largest block it has ever seen freed.
#[cfg(target_env = "gnu")]
const GIVEN_BACK: libc::c_int = 128 * 1024;

/// To be called before there are threads: all of them share one heap, so that what one frees another can use.
pub(crate) fn be_frugal() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, GIVEN_BACK)] {
        #[expect(unsafe_code, reason = "there is no safe way to mallopt(3)")]
        // SAFETY: it takes two numbers; a parameter or value that it does not know changes nothing.
        let understood = unsafe { libc::mallopt(parameter, value) } == 1;
        if !understood {
            tracing::debug!(parameter, value, "the allocator cannot be told");
        }
    }
}
