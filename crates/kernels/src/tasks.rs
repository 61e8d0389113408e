//! Tasks on rayon's global pool.
//!
//! Callers cut their work into the same tasks on every machine and give each its own output, so the order in which
//! threads take them cannot be seen in the result.

use rayon::prelude::*;

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

/// Rows of `width` numbers that make one elementwise task; at least 1.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}
