//! What a body had allocated at its most.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Runs `work`, and panics if it had more than `most` bytes allocated at once, beyond what was
/// allocated before. Only for a program that does nothing else at the same time.
pub fn at_most<T>(most: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let result = work();
    let peak = HEAP.peak_usage().saturating_sub(before);
    assert!(peak <= most, "{what}: {peak} bytes were allocated at once, and {most} is the most");
    result
}
