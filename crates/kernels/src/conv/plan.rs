//! How one group of one image is worked on: its sizes, its route, and what is made of it in a buffer of the thread.

use super::direct::{self, Walk};
use super::local::{self, Plane, Windows, to_maps, to_rows};
use super::winograd::{self, POINTS, Tiles};
use super::{Conv, Saved};
use crate::affine::{self, Activation};
use crate::tasks;
use crate::vectorise::LANES;

/// How one group of one image is worked on.
pub(super) struct Plan<'a> {
    conv: &'a Conv,
    /// Channels of the group.
    pub c: usize,
    /// Outputs of the group.
    pub k: usize,
    /// The same, rounded up to whole vectors.
    pub wide: usize,
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
    pub fn new(conv: &'a Conv) -> Self {
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

    pub fn check(&self, x: &[f32], w: &[f32], y: &[f32], winners: &[u8]) {
        let conv = self.conv;
        assert_eq!(x.len(), conv.batch * conv.channels * self.area(), "length of a convolution's input");
        assert_eq!(w.len(), conv.outputs * self.c * self.window(), "length of a convolution's taps");
        assert_eq!(y.len(), conv.batch * conv.outputs * self.pixels(), "length of a convolution's output");
        assert_eq!(winners.len(), conv.winners(), "length of the winners");
    }

    /// Pixels of x.
    pub fn area(&self) -> usize {
        self.conv.size.iter().product()
    }

    /// Pixels of y.
    pub fn pixels(&self) -> usize {
        self.output.iter().product()
    }

    /// Taps a channel and output.
    pub fn window(&self) -> usize {
        self.conv.kernel.iter().product()
    }

    fn windows(&self) -> Windows {
        Windows { side: self.conv.pool, columns: self.full[1], size: self.output }
    }

    pub fn group<'w>(&self, w: &'w [f32], group: usize) -> &'w [f32] {
        let length = self.k * self.c * self.window();
        &w[group * length..][..length]
    }

    pub fn bias(&self, bias: Option<&[f32]>, group: usize) -> Vec<f32> {
        let mut wide = vec![0.0; self.wide];
        if let Some(bias) = bias {
            wide[..self.k].copy_from_slice(&bias[group * self.k..][..self.k]);
        }
        wide
    }

    /// The taps of a group for the route: [outputs / 16][taps, or points][depth][16], depth the channels; with outputs
    /// and channels exchanged and the kernel turned round when `flipped`.
    pub fn taps(&self, w: &[f32], flipped: bool) -> Vec<f32> {
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
    pub fn unpack(&self, sums: &[f32], dw: &mut [f32]) {
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
    pub fn forward(&self, x: &[f32], taps: &[f32], bias: &[f32], y: &mut [f32], winners: &mut [u8]) {
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
    pub fn part(
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
