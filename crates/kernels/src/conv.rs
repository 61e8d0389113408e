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
//! NaN in a pooling window is not looked for: it comes out when it stands first.

mod direct;
mod local;
mod winograd;

use crate::affine::{self, Activation};
use crate::tasks;
use crate::vectorise::{LANES, Vector};
use direct::Walk;
use local::{Plane, Windows, to_maps, to_rows};
use winograd::{POINTS, Tiles};

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

/// How one group of one image is worked on.
struct Plan<'a> {
    conv: &'a Conv,
    /// Channels of the group.
    c: usize,
    /// Outputs of the group.
    k: usize,
    /// The same, rounded up to whole vectors.
    wide: usize,
    /// Channels, rounded up.
    wide_c: usize,
    full: [usize; 2],
    output: [usize; 2],
    /// m of the Winograd route.
    winograd: Option<usize>,
    /// The padded image.
    x: Plane,
    /// dz as the gradient of the image sees it: padded, and spread by the stride.
    dz: Plane,
}

impl<'a> Plan<'a> {
    #[expect(clippy::expect_used, reason = "the documented panic of the two public functions")]
    fn new(conv: &'a Conv) -> Self {
        let sizes = conv.output().zip(conv.full());
        let (output, full) = sizes.expect("sizes of a convolution that fit each other");
        let (c, k) = (conv.channels / conv.groups, conv.outputs / conv.groups);
        let ([height, width], [r, s]) = (conv.size, conv.kernel);
        let whole = c > 0 && c.is_multiple_of(LANES) && k > 0 && k.is_multiple_of(LANES);
        let winograd = Tiles::side(conv.kernel).filter(|_| conv.stride == [1, 1] && whole);
        let [p, q] = conv.padding;
        let reach =
            |size: usize, kernel: usize| winograd.map_or(0, |m| size.next_multiple_of(m) + kernel - 1);
        let x = Plane {
            rows: (height + 2 * p).max(reach(full[0], r)),
            columns: (width + 2 * q).max(reach(full[1], s)),
            depth: c,
            origin: conv.padding,
            step: [1, 1],
        };
        let dz = Plane {
            rows: (height + r - 1).max(reach(height, r)).max(reach(full[0], r)),
            columns: (width + s - 1).max(reach(width, s)).max(reach(full[1], s)),
            depth: k.next_multiple_of(LANES),
            origin: [r - 1 - p, s - 1 - q],
            step: conv.stride,
        };
        let (wide, wide_c) = (k.next_multiple_of(LANES), c.next_multiple_of(LANES));
        Self { conv, c, k, wide, wide_c, full, output, winograd, x, dz }
    }

    fn check(&self, x: &[f32], w: &[f32], y: &[f32], winners: &[u8]) {
        let conv = self.conv;
        assert_eq!(x.len(), conv.batch * conv.channels * self.area(), "length of a convolution's input");
        assert_eq!(w.len(), conv.outputs * self.c * self.window(), "length of a convolution's taps");
        assert_eq!(y.len(), conv.batch * conv.outputs * self.pixels(), "length of a convolution's output");
        assert_eq!(winners.len(), conv.winners(), "length of the winners");
    }

    /// Pixels of x.
    fn area(&self) -> usize {
        self.conv.size.iter().product()
    }

    /// Pixels of y.
    fn pixels(&self) -> usize {
        self.output.iter().product()
    }

    /// Taps a channel and output.
    fn window(&self) -> usize {
        self.conv.kernel.iter().product()
    }

    fn windows(&self) -> Windows {
        Windows { side: self.conv.pool, columns: self.full[1], size: self.output }
    }

    fn group<'w>(&self, w: &'w [f32], group: usize) -> &'w [f32] {
        let length = self.k * self.c * self.window();
        &w[group * length..][..length]
    }

    fn bias(&self, bias: Option<&[f32]>, group: usize) -> Vec<f32> {
        let mut wide = vec![0.0; self.wide];
        if let Some(bias) = bias {
            wide[..self.k].copy_from_slice(&bias[group * self.k..][..self.k]);
        }
        wide
    }

    /// The taps of a group for the route: [outputs / 16][taps, or points][depth][16], depth the channels; with outputs
    /// and channels exchanged and the kernel turned round when `flipped`.
    fn taps(&self, w: &[f32], flipped: bool) -> Vec<f32> {
        let (window, c) = (self.window(), self.c);
        let (outputs, depth) = if flipped { (c, self.wide) } else { (self.k, c) };
        let blocks: Vec<usize> = (0..outputs.div_ceil(LANES)).collect();
        let packed = tasks::collect(blocks, |block| {
            let mut taps = vec![0.0; window * depth * LANES];
            for (at, row) in taps.chunks_exact_mut(LANES).enumerate() {
                let (tap, d) = (at / depth, at % depth);
                for (tap_of, output) in row.iter_mut().zip(block * LANES..outputs) {
                    *tap_of = match flipped {
                        false => w[(output * c + d) * window + tap],
                        true if d < self.k => w[(d * c + output) * window + window - 1 - tap],
                        true => 0.0,
                    };
                }
            }
            if self.winograd.is_none() {
                return taps;
            }
            let mut lifted = vec![0.0; POINTS * depth * LANES];
            winograd::lift(&taps, &mut lifted, self.conv.kernel[0]);
            lifted
        });
        packed.concat()
    }

    /// The gradient of a group's taps from the sums of the route.
    fn unpack(&self, sums: &[f32], dw: &mut [f32]) {
        let (window, c) = (self.window(), self.c);
        let blocks = sums.chunks((sums.len() * LANES / self.wide.max(1)).max(1));
        let tasks = blocks.zip(dw.chunks_mut((LANES * c * window).max(1))).collect();
        tasks::run(tasks, |(sums, dw): (&[f32], &mut [f32])| {
            let mut lowered = Vec::new();
            let taps = if self.winograd.is_some() {
                lowered.resize(window * c * LANES, 0.0);
                winograd::lower(sums, &mut lowered, self.conv.kernel[0]);
                &lowered
            } else {
                sums
            };
            for (at, dw) in dw.iter_mut().enumerate() {
                let (output, channel, tap) = (at / window / c, at / window % c, at % window);
                *dw = taps[(tap * c + channel) * LANES + output];
            }
        });
    }

    /// One group of one image.
    fn forward(&self, x: &[f32], taps: &[f32], bias: &[f32], y: &mut [f32], winners: &mut [u8]) {
        let (relu, full) = (self.conv.activation == Activation::Relu, self.full[0] * self.full[1]);
        let tiles = self.winograd.map(|side| Tiles { side, size: self.full });
        let [v, m] = tiles.map_or([0; 2], |tiles| tiles.room(self.c));
        let sizes = [self.x.len(), self.area() * self.c, full * self.wide, self.pixels() * self.wide, v, m];
        tasks::with_buffer(sizes.iter().sum(), |buffer| {
            let [plane, rows, z, pooled, v, m] = carve(buffer, sizes);
            self.image(x, rows, plane);
            match tiles {
                Some(tiles) => winograd::forward(&self.x, plane, tiles, taps, (v, m), (z, self.wide)),
                None => {
                    let walk = Walk::new(&self.x, self.conv.kernel, self.conv.stride, self.full);
                    direct::forward(plane, walk, taps, z, self.wide);
                }
            }
            if self.conv.pool > 1 {
                local::pool(z, self.windows(), bias, relu, pooled, winners);
                to_maps(pooled, self.wide, y, self.k);
            } else {
                local::finish(z, bias, relu);
                to_maps(z, self.wide, y, self.k);
            }
        });
    }

    /// Pads an image, channels last.
    fn image(&self, x: &[f32], rows: &mut [f32], plane: &mut [f32]) {
        to_rows(x, self.c, rows, self.c);
        plane.fill(0.0);
        self.x.place(rows, self.conv.size[1], plane);
    }

    /// Some images of the backward pass: dx of them, and the sums that become dw and db; group by group.
    fn part(
        &self,
        saved: Saved<'_>,
        dy: &[f32],
        images: std::ops::Range<usize>,
        flipped: &[Vec<f32>],
        mut dx: Option<&mut [f32]>,
        dw: bool,
    ) -> (Vec<f32>, Vec<f32>) {
        let groups = self.conv.groups;
        let taps = self.winograd.map_or(self.window(), |_| POINTS) * self.c * self.wide;
        let (mut sums, mut bias) =
            (vec![0.0; if dw { groups * taps } else { 0 }], vec![0.0; groups * self.wide]);
        let of_image =
            self.winograd.map_or([0; 2], |side| Tiles { side, size: self.conv.size }.room(self.wide));
        let of_taps = self.winograd.map_or([0; 2], |side| Tiles { side, size: self.full }.room(self.c));
        let [v, m] = [of_image[0].max(of_taps[0]), of_image[1].max(of_taps[1])];
        let (maps, rows) = (self.k * self.pixels(), self.pixels() * self.wide);
        let sizes =
            [self.x.len(), self.area() * self.c, self.dz.len(), maps, rows, self.area() * self.wide_c, v, m];
        let x_length = self.c * self.area();
        tasks::with_buffer(sizes.iter().sum(), |buffer| {
            let [plane, x_rows, dz, masked, rows, dx_rows, v, m] = carve(buffer, sizes);
            for at in images.start * groups..images.end * groups {
                let group = at % groups;
                self.gradient_image(saved, dy, at, masked, rows, dz);
                affine::add_rows(rows, &mut bias[group * self.wide..][..self.wide]);
                if let Some(dx) = dx.as_mut() {
                    let dx = &mut dx[(at - images.start * groups) * x_length..][..x_length];
                    self.input_gradient(dz, &flipped[group], (v, m), dx_rows);
                    to_maps(dx_rows, self.wide_c, dx, self.c);
                }
                if dw {
                    self.image(&saved.x[at * x_length..][..x_length], x_rows, plane);
                    self.tap_gradient(plane, dz, (v, m), &mut sums[group * taps..][..taps]);
                }
            }
        });
        (sums, bias)
    }

    /// dz of one group of one image, padded; `rows` is left with the gradient of its pooled pixels.
    fn gradient_image(
        &self,
        saved: Saved<'_>,
        dy: &[f32],
        at: usize,
        masked: &mut [f32],
        rows: &mut [f32],
        dz: &mut [f32],
    ) {
        let (length, bytes) = (self.k * self.pixels(), rows.len());
        let mut dy = &dy[at * length..][..length];
        if self.conv.activation == Activation::Relu {
            affine::mask(&saved.y[at * length..][..length], dy, masked);
            dy = masked;
        }
        to_rows(dy, self.k, rows, self.wide);
        dz.fill(0.0);
        if self.conv.pool > 1 {
            local::unpool(rows, &saved.winners[at * bytes..][..bytes], self.windows(), self.dz, dz);
        } else {
            self.dz.place(rows, self.full[1], dz);
        }
    }

    fn input_gradient(&self, dz: &[f32], flipped: &[f32], room: (&mut [f32], &mut [f32]), rows: &mut [f32]) {
        match self.winograd {
            Some(side) => {
                let tiles = Tiles { side, size: self.conv.size };
                winograd::forward(&self.dz, dz, tiles, flipped, room, (rows, self.wide_c));
            }
            None => {
                let walk = Walk::new(&self.dz, self.conv.kernel, [1, 1], self.conv.size);
                direct::forward(dz, walk, flipped, rows, self.wide_c);
            }
        }
    }

    fn tap_gradient(&self, plane: &[f32], dz: &[f32], room: (&mut [f32], &mut [f32]), sums: &mut [f32]) {
        match self.winograd {
            Some(side) => {
                let tiles = Tiles { side, size: self.full };
                winograd::gradient(&self.x, plane, tiles, (&self.dz, dz), room, sums);
            }
            None => {
                let walk = Walk::new(&self.x, self.conv.kernel, self.conv.stride, self.full);
                direct::gradient(plane, walk, dz, self.dz, sums);
            }
        }
    }
}

/// Cuts a buffer into pieces of the given sizes.
fn carve<const N: usize>(mut buffer: &mut [f32], sizes: [usize; N]) -> [&mut [f32]; N] {
    sizes.map(|size| {
        let (piece, rest) = std::mem::take(&mut buffer).split_at_mut(size);
        buffer = rest;
        piece
    })
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
