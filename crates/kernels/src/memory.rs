//! Memory that is given back stays with the process, for the next step to use.
//!
//! A training step takes and gives back hundreds of megabytes. By default glibc hands large blocks to the system at once and
//! takes fresh ones for the next step; the first touch of every page of those is a fault, which in a virtual machine
//! costs more than reading the page does. With these settings blocks up to 32 MiB (the most that glibc allows here) come
//! from a heap that keeps its pages. The largest amount of memory in use stays what it was.

/// Hands what was given back to the system after all, once: a model that became smaller leaves room behind that no step
/// will ask for. Elsewhere than with glibc it does nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a function of the C library that takes a number")]
        unsafe extern "C" {
            safe fn malloc_trim(left: usize) -> i32;
        }
        malloc_trim(0);
    }
}

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

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Bytes of the process that are in memory.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    fn room_between_blocks_goes_back_only_when_that_is_asked() {
        keep();
        let mut blocks: Vec<Option<Vec<u8>>> = (0..128).map(|_| Some(black_box(vec![1; 1 << 20]))).collect();
        blocks.iter_mut().step_by(2).for_each(|block| *block = None);
        let before = resident();
        give_back();
        assert!(resident() + (32 << 20) < before);
        drop(black_box(blocks));
    }
}
