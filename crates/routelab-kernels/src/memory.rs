//! Memory of the process.

/// Lets the allocator of the GNU C library keep freed memory for what comes next, instead of returning it to the system and
/// having every page cleared again: a tenth of the time of a training step, more of what is done in milliseconds.
///
/// It does so for pieces up to the largest one, below 32 MiB, that it mapped alone and saw freed (mallopt(3),
/// `M_MMAP_THRESHOLD`). The piece is never touched, so it takes no memory. Other allocators are not affected.
pub fn keep_freed_memory() {
    drop(std::hint::black_box(vec![0u8; (32 << 20) - (64 << 10)]));
}
