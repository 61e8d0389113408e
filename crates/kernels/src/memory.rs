//! Memory that is given back stays with the process, for the next step to use.
//!
//! A training step takes and gives back hundreds of megabytes. By default glibc hands large blocks to the system at once and
//! takes fresh ones for the next step; the first touch of every page of those is a fault, which in a virtual machine
//! costs more than reading the page does. With these settings blocks up to 32 MiB (the most that glibc allows here) come
//! from a heap that keeps its pages. The largest amount of memory in use stays what it was.

/// Keeps what is given back. Called once by a program, before it takes much; elsewhere than with glibc it does nothing.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // Parameters of mallopt(3).
        const TRIM_THRESHOLD: i32 = -1;
        const MMAP_THRESHOLD: i32 = -3;
        #[expect(unsafe_code, reason = "a function of the C library that takes two numbers")]
        unsafe extern "C" {
            safe fn mallopt(parameter: i32, value: i32) -> i32;
        }
        mallopt(MMAP_THRESHOLD, 32 << 20);
        mallopt(TRIM_THRESHOLD, i32::MAX);
    }
}
