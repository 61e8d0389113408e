//! What this machine can do when it is left alone: the limits that figures are held against.

use crate::{Result, figure::Figure};
use rankine_kernels::gemm::{Matrix, matmul};
use rankine_random::Rng;
use rayon::prelude::*;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The limits themselves.
pub fn limits() -> Result<Vec<Figure>> {
    Ok(vec![
        Figure::new("threads", rayon::current_num_threads() as f64, ""),
        Figure::new("product [512, 576]·[576, 1536], f32", gemm_rate() / 1e9, "GFLOP/s"),
        Figure::new("reading memory", read_rate() / 1e9, "GB/s"),
        Figure::new("copying memory (reads and writes counted)", copy_rate() / 1e9, "GB/s"),
    ])
}

/// Operations a second of the product that dominates a training step.
pub fn gemm_rate() -> f64 {
    let (t, inputs, outputs) = (512, 576, 1536);
    let mut rng = Rng::new(3);
    let (x, w) = (rng.normals(t * inputs, 1.0), rng.normals(outputs * inputs, 1.0));
    let mut y = vec![0.0; t * outputs];
    let seconds = fastest(|| {
        matmul(&mut y, Matrix::new(&x, t, inputs), Matrix::new(&w, outputs, inputs).t(), 1.0, false);
    });
    2.0 * (t * inputs * outputs) as f64 / seconds
}

/// Numbers in a block that no cache holds.
const BLOCK: usize = 64 << 20;
/// Numbers in a task.
const PART: usize = 1 << 17;

/// Bytes a second at which all threads together read memory.
pub fn read_rate() -> f64 {
    let block = vec![1_u64; BLOCK];
    let mut sum = 0_u64;
    let seconds = fastest(|| {
        let parts = block.par_chunks(PART).map(|part| part.iter().copied().fold(0, u64::wrapping_add));
        sum = sum.wrapping_add(parts.sum::<u64>());
    });
    std::hint::black_box(sum);
    8.0 * BLOCK as f64 / seconds
}

/// Bytes a second that all threads together read and write when they copy.
pub fn copy_rate() -> f64 {
    let (from, mut to) = (vec![1_u64; BLOCK], vec![0_u64; BLOCK]);
    let seconds = fastest(|| {
        to.par_chunks_mut(PART).zip(from.par_chunks(PART)).for_each(|(to, from)| to.copy_from_slice(from));
    });
    16.0 * BLOCK as f64 / seconds
}

/// Seconds of the fastest of thirty runs.
fn fastest(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let started = Instant::now();
        work();
        started.elapsed().as_secs_f64()
    };
    (0..30).map(time).fold(f64::INFINITY, f64::min)
}

/// Lets kernels use no more of the processor than `level` names.
pub fn limit(level: &str) -> Result<()> {
    Ok(rankine_kernels::cpu::limit(level.parse()?)?)
}

/// Starts the kernel's record of the peak of memory anew, where it keeps one.
pub fn forget_peak() -> Result<()> {
    if cfg!(target_os = "linux") {
        std::fs::write("/proc/self/clear_refs", "5")?;
    }
    Ok(())
}

/// Most megabytes resident since the start or [`forget_peak`], mapped files included; `None` where the kernel does not tell.
pub fn peak() -> Option<Figure> {
    peak_of("self")
}

/// The same of a process that runs, by its number.
pub fn peak_of(process: &str) -> Option<Figure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Figure::new("peak resident", kilobytes * 1.024 / 1e3, "MB"))
}

/// Between two looks at the peak, which never sinks while the program runs.
const PAUSE: Duration = Duration::from_millis(5);

/// Most megabytes resident in a program, mapped files included.
///
/// # Errors
/// When it cannot be started or fails, or the kernel does not tell.
pub fn peak_while(command: &mut Command) -> Result<f64> {
    let mut program = command.stdout(Stdio::null()).spawn()?;
    let (process, mut peak) = (program.id().to_string(), 0.0);
    loop {
        peak = peak_of(&process).map_or(peak, |found| found.value.max(peak));
        match program.try_wait()? {
            None => std::thread::sleep(PAUSE),
            Some(status) if !status.success() => return Err(format!("{command:?} failed").into()),
            Some(_) if peak == 0.0 => return Err("the kernel does not tell what is resident".into()),
            Some(_) => return Ok(peak),
        }
    }
}
