//! Tasks on rayon's global pool.
//!
//! Callers cut their work into the same tasks on every machine and give each its own output, so the order in which
//! threads take them cannot be seen in the result.

use rayon::prelude::*;
use std::cell::Cell;
use std::ops::Range;

/// Elements of one elementwise task: 128 KiB of f32, a few times what waking a thread costs.
pub(crate) const CHUNK: usize = 32 * 1024;

/// Runs `work` on every task; a single task stays on the calling thread.
pub(crate) fn run<T: Send>(tasks: Vec<T>, work: impl Fn(T) + Send + Sync) {
    if tasks.len() < 2 {
        tasks.into_iter().for_each(work);
    } else {
        tasks.into_par_iter().with_max_len(1).for_each(work);
    }
}

/// Like [`run`], keeping the results in the order of the tasks.
pub(crate) fn collect<T: Send, R: Send>(tasks: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    if tasks.len() < 2 {
        tasks.into_iter().map(work).collect()
    } else {
        tasks.into_par_iter().with_max_len(1).map(work).collect()
    }
}

/// 0..length in about equal pieces of at most `most`, up to a multiple of `unit`: one, or an even number, which two threads share evenly.
pub(crate) fn pieces(length: usize, most: usize, unit: usize) -> impl Iterator<Item = Range<usize>> {
    let count = if length <= most { 1 } else { length.div_ceil(most).next_multiple_of(2) };
    let size = length.div_ceil(count).next_multiple_of(unit);
    (0..length).step_by(size.max(1)).map(move |start| start..(start + size).min(length))
}

/// Lends a buffer of the thread to `work`; what stands in it is left over from before. A second one must not be asked for
/// inside.
pub(crate) fn with_buffer<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static BUFFER: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    }
    let mut buffer = BUFFER.take();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    BUFFER.set(buffer);
    result
}

/// Rows of `width` numbers that make one elementwise task; at least 1.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
