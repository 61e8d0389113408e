//! Batch normalisation of maps: every channel over all images and pixels.
//!
//!     m_c = mean x      v_c = mean (x − m_c)²      s_c = 1/√(v_c + ε)      n = (x − m_c)·s_c      y = n·w_c + b_c
//!     x, y: [images, channels, area]  w, b: [channels]  (m, v): [channels], the moments, kept for the backward pass
//!
//!     dx = w_c·s_c · (dy − mean dy − n · mean dy·n)      dw_c = Σ dy·n      db_c = Σ dy      sums and means over a channel
//!
//! Sums are made in f64, channel by channel, in stripes whose order depends on nothing but the sizes.

use crate::tasks;

/// Partial sums of a channel.
const STRIPE: usize = 32;

/// The sizes of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchNorm {
    /// Channels of an image.
    pub channels: usize,
    /// Pixels of a map.
    pub area: usize,
}

/// What the backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The maps; [images, channels, area].
    pub x: &'a [f32],
    /// Factors; [channels].
    pub w: &'a [f32],
    /// Mean and variance of every channel; [channels].
    pub moments: &'a [[f32; 2]],
    /// ε.
    pub epsilon: f32,
}

/// Where gradients go; all of them are overwritten.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// As long as x.
    pub dx: Option<&'a mut [f32]>,
    /// [channels].
    pub dw: &'a mut [f32],
    /// [channels].
    pub db: &'a mut [f32],
}

impl BatchNorm {
    /// Mean and variance of every channel of x; the variance is that of all its numbers, not an estimate. NaN without numbers.
    ///
    /// # Panics
    /// When x holds no whole images.
    pub fn moments(&self, x: &[f32]) -> Vec<[f32; 2]> {
        let count = self.count(x.len());
        tasks::collect((0..self.channels).collect(), |channel| {
            let mean = total(x, self, channel, 0.0)[0] / count;
            // The mean is rounded, the variance is still around the exact one.
            let [rest, squares] = total(x, self, channel, mean as f32).map(|sum| sum / count);
            [mean as f32, (squares - rest * rest) as f32]
        })
    }

    /// y from x, as long, with these moments.
    ///
    /// # Panics
    /// When x holds no whole images, or another slice has a wrong length.
    pub fn forward(&self, saved: Saved<'_>, b: &[f32], y: &mut [f32]) {
        self.check(&saved, y.len());
        assert_eq!(b.len(), self.channels, "length of a norm's bias");
        self.each(saved.x, saved.x, y, |channel, x, _, y| {
            let [m, _] = saved.moments[channel];
            let factor = saved.w[channel] * saved.inverse(channel);
            normed(x, m, factor, b[channel], y);
        });
    }

    /// Gradients of [`forward`](Self::forward) with the [`moments`](Self::moments) of x itself; dy as long as x.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn backward(&self, saved: Saved<'_>, dy: &[f32], into: Gradients<'_>) {
        self.check(&saved, dy.len());
        let Gradients { dx, dw, db } = into;
        assert_eq!(
            [dw.len(), db.len()],
            [self.channels; 2],
            "length of the gradients of a norm's weight and bias"
        );
        let sums = tasks::collect((0..self.channels).collect(), |channel| {
            let [sum, along] = products(saved.x, dy, self, channel, saved.moments[channel][0]);
            [sum, along * f64::from(saved.inverse(channel))]
        });
        for ((dw, db), [sum, along]) in dw.iter_mut().zip(db).zip(&sums) {
            (*dw, *db) = (*along as f32, *sum as f32);
        }
        let Some(dx) = dx else { return };
        let count = self.count(saved.x.len());
        self.each(saved.x, dy, dx, |channel, x, dy, dx| {
            let inverse = saved.inverse(channel);
            let [mean, along] = sums[channel].map(|sum| (sum / count) as f32);
            let (m, factor) = (saved.moments[channel][0], saved.w[channel] * inverse);
            moved(x, dy, [m, mean, along * inverse, factor], dx);
        });
    }

    /// Numbers of a channel.
    fn count(&self, length: usize) -> f64 {
        let image = self.channels * self.area;
        assert!(length == 0 || image > 0 && length.is_multiple_of(image), "maps of whole images");
        (length / self.channels.max(1)) as f64
    }

    fn check(&self, saved: &Saved<'_>, output: usize) {
        self.count(saved.x.len());
        assert_eq!(saved.x.len(), output, "maps and normalised maps");
        assert_eq!(
            [saved.w.len(), saved.moments.len()],
            [self.channels; 2],
            "one weight and two moments a channel"
        );
    }

    /// Runs `work` on every map of three arrays.
    fn each(
        &self,
        x: &[f32],
        other: &[f32],
        out: &mut [f32],
        work: impl Fn(usize, &[f32], &[f32], &mut [f32]) + Send + Sync,
    ) {
        let area = self.area.max(1);
        let maps = tasks::rows_per_task(area);
        let tasks = x.chunks(maps * area).zip(other.chunks(maps * area)).zip(out.chunks_mut(maps * area));
        tasks::run(tasks.enumerate().collect(), |(task, ((x, other), out))| {
            let parts = x.chunks(area).zip(other.chunks(area)).zip(out.chunks_mut(area));
            for (at, ((x, other), out)) in parts.enumerate() {
                work((task * maps + at) % self.channels, x, other, out);
            }
        });
    }

    /// The maps of a channel, image by image.
    #[inline(always)]
    fn maps<'a>(&self, x: &'a [f32], channel: usize) -> impl Iterator<Item = &'a [f32]> {
        x.chunks_exact(self.area.max(1)).skip(channel).step_by(self.channels)
    }
}

impl Saved<'_> {
    /// 1/√(v + ε).
    fn inverse(&self, channel: usize) -> f32 {
        (self.moments[channel][1] + self.epsilon).sqrt().recip()
    }
}

vectorised! {
    /// Σ (x − m) and Σ (x − m)² over a channel.
    fn total<V>(x: &[f32], sizes: &BatchNorm, channel: usize, m: f32) -> [f64; 2] {
        let (mut sums, mut squares) = ([0.0_f64; STRIPE], [0.0_f64; STRIPE]);
        for map in sizes.maps(x, channel) {
            for x in map.chunks(STRIPE) {
                for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(x) {
                    let x = f64::from(x) - f64::from(m);
                    *sum += x;
                    *square += x * x;
                }
            }
        }
        [sums.iter().sum(), squares.iter().sum()]
    }

    /// Σ dy and Σ dy·(x − m) over a channel.
    fn products<V>(x: &[f32], dy: &[f32], sizes: &BatchNorm, channel: usize, m: f32) -> [f64; 2] {
        let (mut sums, mut along) = ([0.0_f64; STRIPE], [0.0_f64; STRIPE]);
        for (map, dy) in sizes.maps(x, channel).zip(sizes.maps(dy, channel)) {
            for (x, dy) in map.chunks(STRIPE).zip(dy.chunks(STRIPE)) {
                for (((sum, along), &x), &dy) in sums.iter_mut().zip(&mut along).zip(x).zip(dy) {
                    *sum += f64::from(dy);
                    *along += f64::from(dy) * (f64::from(x) - f64::from(m));
                }
            }
        }
        [sums.iter().sum(), along.iter().sum()]
    }

    fn normed<V>(x: &[f32], m: f32, factor: f32, b: f32, y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = (x - m) * factor + b;
        }
    }

    /// factor · (dy − mean − (x − m) · along).
    fn moved<V>(x: &[f32], dy: &[f32], constants: [f32; 4], dx: &mut [f32]) {
        let [m, mean, along, factor] = constants;
        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
            *dx = factor * (dy - mean - (x - m) * along);
        }
    }
}
