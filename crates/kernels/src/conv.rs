//! Two-dimensional convolution, with what usually follows it: bias, relu, max pooling.
//!
//!     z[n, k, i, j] = b[k] + Σ_{c, r, s} w[k, c, r, s] · x[n, c, i·stride + r − padding, j·stride + s − padding]
//!     y = pool(f(z))        x: [n, c, h, w]  w: [k, c/groups, r, s]  y: [n, k, i/pool, j/pool]
//!
//! Outside of x are zeros; group g maps its share of the channels to its share of the outputs. Pooling windows stand side by side,
//! and what is left over at the far edges is dropped. Backward, with dz from dy by the winners of the windows and the sign of y:
//!
//!     dx[c] = Σ_k dz[k] ⋆ flipped w[k, c],  dw[k, c] = Σ_n dz[k] ⋆ x[c],  db[k] = Σ dz[k]
//!
//! A task is one image (forward) or a sixteenth of the batch (backward). It turns an image into a padded one with channels last, which
//! stays in cache with everything that is made of it: z and dz never reach memory. Traffic is x and y forward; x, y,
//! dy and dx backward. Stride 1 with a kernel of 3 × 3 or 5 × 5 and multiples of 16 channels goes through `conv/winograd.rs`,
//! everything else is summed as written (`conv/direct.rs`). Partial sums of dw meet in the order of the images, sixteen parts whatever
//! the number of threads.
//!
//! A NaN wins its pooling window, the first of several.

mod direct;
mod local;
mod plan;
mod points;
mod winograd;

use crate::affine::{self, Activation};
use crate::tasks;
use crate::vectorise::{LANES, Vector};
use plan::Plan;

/// Parts of a batch whose gradients of the taps are added up.
const PARTS: usize = 16;

/// A convolution's sizes, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Images.
    pub batch: usize,
    /// Channels of x.
    pub channels: usize,
    /// Height and width of x.
    pub size: [usize; 2],
    /// Channels of y.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps of the kernel.
    pub stride: [usize; 2],
    /// Rows and columns of zeros on either side; less than the kernel's.
    pub padding: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// f.
    pub activation: Activation,
    /// Height and width of the pooling windows; 1: no pooling.
    pub pool: usize,
}

/// What the backward pass is made from.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// Input; [n, c, h, w].
    pub x: &'a [f32],
    /// Taps; [k, c/groups, r, s].
    pub w: &'a [f32],
    /// Output; read where there is an activation.
    pub y: &'a [f32],
    /// Winners of the windows, as `forward` left them.
    pub winners: &'a [u8],
}

/// Where gradients go; all of them are overwritten.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// As long as x.
    pub dx: Option<&'a mut [f32]>,
    /// As long as w.
    pub dw: Option<&'a mut [f32]>,
    /// [k].
    pub db: Option<&'a mut [f32]>,
}

impl Conv {
    /// Height and width of y; `None` when the sizes allow no output, or do not fit each other.
    pub fn output(&self) -> Option<[usize; 2]> {
        let full = self.full()?;
        let fits =
            [self.groups, self.channels, self.outputs, self.size[0], self.size[1]].iter().all(|&n| n > 0)
                && self.channels.is_multiple_of(self.groups)
                && self.outputs.is_multiple_of(self.groups)
                && (1..=16).contains(&self.pool)
                && full.iter().all(|&size| size >= self.pool);
        fits.then(|| full.map(|size| size / self.pool))
    }

    /// Height and width of z.
    fn full(&self) -> Option<[usize; 2]> {
        let mut full = [0; 2];
        for (axis, full) in full.iter_mut().enumerate() {
            let (kernel, padding) = (self.kernel[axis], self.padding[axis]);
            let padded = self.size[axis].checked_add(2 * padding)?;
            if padding >= kernel || self.stride[axis] == 0 {
                return None;
            }
            *full = padded.checked_sub(kernel)? / self.stride[axis] + 1;
        }
        Some(full)
    }

    /// Bytes that `forward` leaves for the backward pass beside y.
    pub fn winners(&self) -> usize {
        let pixels: usize = self.output().map_or(0, |size| size.iter().product());
        let outputs = (self.outputs / self.groups.max(1)).next_multiple_of(LANES);
        if self.pool > 1 { self.batch * self.groups * outputs * pixels } else { 0 }
    }

    /// y from x; `bias` of [k] or none, `winners` as many bytes as `self.winners()`.
    ///
    /// # Panics
    /// When the sizes allow no output, or a slice has a wrong length.
    pub fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32], winners: &mut [u8]) {
        let plan = Plan::new(self);
        plan.check(x, w, y, winners);
        assert!(bias.is_none_or(|bias| bias.len() == self.outputs), "one bias an output");
        let groups: Vec<(Vec<f32>, Vec<f32>)> = (0..self.groups)
            .map(|group| (plan.taps(plan.group(w, group), false), plan.bias(bias, group)))
            .collect();
        let mut winners = winners.chunks_mut((plan.pixels() * plan.wide).max(1));
        let images = x.chunks(plan.c * plan.area()).zip(y.chunks_mut(plan.k * plan.pixels()));
        let tasks = images
            .enumerate()
            .map(|(at, (x, y))| (at % self.groups, x, y, winners.next().unwrap_or_default()));
        tasks::run(tasks.collect(), |(group, x, y, winners)| {
            let (taps, bias) = &groups[group];
            plan.forward(x, taps, bias, y, winners);
        });
    }

    /// Gradients of [`forward`](Self::forward) from dy, as long as y.
    ///
    /// # Panics
    /// When the sizes allow no output, or a slice has a wrong length.
    pub fn backward(&self, saved: Saved<'_>, dy: &[f32], into: Gradients<'_>) {
        let plan = Plan::new(self);
        plan.check(saved.x, saved.w, dy, saved.winners);
        assert!(self.activation == Activation::None || saved.y.len() == dy.len(), "output and its gradient");
        let Gradients { dx, dw, db } = into;
        assert!(dx.as_ref().is_none_or(|dx| dx.len() == saved.x.len()), "input and its gradient");
        assert!(dw.as_ref().is_none_or(|dw| dw.len() == saved.w.len()), "taps and their gradient");
        assert!(db.as_ref().is_none_or(|db| db.len() == self.outputs), "one gradient a bias");
        if self.batch == 0 {
            [dw, db].into_iter().flatten().for_each(|sums| sums.fill(0.0));
            return;
        }
        let flipped: Vec<Vec<f32>> = (0..if dx.is_some() { self.groups } else { 0 })
            .map(|group| plan.taps(plan.group(saved.w, group), true))
            .collect();
        let images = self.batch.div_ceil(PARTS).max(1);
        let length = images * self.channels * plan.area();
        let mut dx = dx.map(|dx| dx.chunks_mut(length.max(1)));
        let tasks = (0..self.batch).step_by(images).map(|first| {
            let part = first..(first + images).min(self.batch);
            (part, dx.as_mut().and_then(Iterator::next))
        });
        let parts = tasks::collect(tasks.collect(), |(images, dx)| {
            plan.part(saved, dy, images, &flipped, dx, dw.is_some())
        });
        let (sums, biases): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        if let Some(dw) = dw {
            let sums = added(sums);
            for (group, dw) in
                dw.chunks_mut((self.outputs / self.groups * plan.c * plan.window()).max(1)).enumerate()
            {
                let length = sums.len() / self.groups;
                plan.unpack(&sums[group * length..][..length], dw);
            }
        }
        if let Some(db) = db {
            let sums = added(biases);
            for (db, sums) in db.chunks_mut(plan.k.max(1)).zip(sums.chunks(plan.wide.max(1))) {
                db.copy_from_slice(&sums[..db.len()]);
            }
        }
    }
}

/// The sum of lists of one length, in their order.
fn added(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    let rest: Vec<Vec<f32>> = parts.collect();
    let chunks = sum.chunks_mut(tasks::CHUNK).enumerate().collect();
    tasks::run(chunks, |(at, sum): (usize, &mut [f32])| {
        for part in &rest {
            affine::add_rows(&part[at * tasks::CHUNK..][..sum.len()], sum);
        }
    });
    sum
}

/// 0..length in about equal pieces of at most `most`: start and length of each.
#[inline(always)]
fn split(length: usize, most: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
    let count = length.div_ceil(most);
    (0..count).map(move |at| (at * length / count, (at + 1) * length / count - at * length / count))
}

/// Rows that are summed at a time: as many as fit the registers beside what they are multiplied with.
#[inline(always)]
fn abreast<V: Vector>() -> usize {
    if V::SUMS < 16 { 6 } else { 8 }
}

/// Calls a function for the number of rows that is known when it runs: `each_rows!(rows, name::<V>(…))`.
macro_rules! each_rows {
    ($rows:expr, $name:ident::<$vector:ident>($($argument:expr),* $(,)?)) => {
        match $rows {
            1 => $name::<$vector, 1>($($argument),*),
            2 => $name::<$vector, 2>($($argument),*),
            3 => $name::<$vector, 3>($($argument),*),
            4 => $name::<$vector, 4>($($argument),*),
            5 => $name::<$vector, 5>($($argument),*),
            6 => $name::<$vector, 6>($($argument),*),
            7 => $name::<$vector, 7>($($argument),*),
            _ => $name::<$vector, 8>($($argument),*),
        }
    };
}
use each_rows;
