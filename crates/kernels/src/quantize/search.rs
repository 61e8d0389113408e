//! Scales for a group of a K format, better than those that the largest number gives: ggml's searches.
//!
//!     symmetric    min Σ x²·(x − d·q)²             over d of q = round(x/d'), d' = −e/(h + 0.1·i), i = −9 … 9
//!     refined      the same from d' = −e/h on, moving one q after another to where it is best, up to 5 rounds
//!     asymmetric   min Σ w·|x − d·q + m|ᵖ          over least-squares d, m ≥ 0 of q = round((x − min)·i/(max − min))
//!
//! e: the number of the largest magnitude; h: half the levels, q from −h to h − 1, stored as q + h; n levels above zero
//! otherwise, i = n + a few steps.

use super::extreme;

/// Groups below this are zeros.
pub(super) const NOTHING: f32 = 1e-15;

/// Rounds of [`refined`].
const ROUNDS: usize = 5;

/// To the nearest integer, ties to even; exact below 2²², beyond which every caller clamps.
pub(super) fn nearest(x: f32) -> i32 {
    const MAGIC: f32 = 12_582_912.0;
    ((x + MAGIC) - MAGIC) as i32
}

/// q of the group, and its scale.
pub(super) fn symmetric(x: &[f32; 16], half: i32, q: &mut [u8; 16]) -> f32 {
    let extreme = extreme(x);
    if extreme.abs() < NOTHING {
        q.fill(0);
        return 0.0;
    }
    let level = |inverse: f32, x: f32| nearest(inverse * x).clamp(-half, half - 1);
    let sums = |inverse: f32| {
        x.iter().fold([0.0; 2], |[xl, ll], &x| {
            let (w, l) = (x * x, level(inverse, x) as f32);
            [xl + w * x * l, ll + w * l * l]
        })
    };
    let mut kept = -(half as f32) / extreme;
    let [xl, ll] = sums(kept);
    let mut scale = if ll == 0.0 { 0.0 } else { xl / ll };
    let mut best = scale * xl;
    for step in (-9..=9).filter(|&step| step != 0) {
        let tried = -(half as f32 + 0.1 * step as f32) / extreme;
        let [xl, ll] = sums(tried);
        if 0.0 < ll && best * ll < xl * xl {
            (kept, scale) = (tried, xl / ll);
            best = scale * xl;
        }
    }
    q.iter_mut().zip(x).for_each(|(q, &x)| *q = (level(kept, x) + half) as u8);
    scale
}

/// q of the group, and its scale.
pub(super) fn refined(x: &[f32; 16], half: i32, q: &mut [u8; 16]) -> f32 {
    let extreme = extreme(x);
    if extreme.abs() < NOTHING {
        q.fill(0);
        return 0.0;
    }
    let level = |x: f32| nearest(x).clamp(-half, half - 1) as f32;
    let inverse = -(half as f32) / extreme;
    let mut levels = x.map(|x| level(inverse * x));
    let (mut xl, mut ll) = (0.0, 0.0);
    for (&x, &l) in x.iter().zip(&levels) {
        xl += x * x * x * l;
        ll += x * x * l * l;
    }
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (&x, l) in x.iter().zip(&mut levels) {
            let w = x * x;
            let (others_xl, others_ll) = (xl - w * x * *l, ll - w * *l * *l);
            if others_xl <= 0.0 {
                continue;
            }
            let moved = level(x * others_ll / others_xl);
            let (new_xl, new_ll) = (others_xl + w * x * moved, others_ll + w * moved * moved);
            if moved != *l && 0.0 < new_ll && xl * xl * new_ll < new_xl * new_xl * ll {
                (*l, xl, ll, changed) = (moved, new_xl, new_ll, true);
            }
        }
        if !changed {
            break;
        }
    }
    q.iter_mut().zip(levels).for_each(|(q, l)| *q = (l as i32 + half) as u8);
    if 0.0 < ll { xl / ll } else { 0.0 }
}

/// A search for scale and minimum.
pub(super) struct Asymmetric {
    /// The largest q.
    pub most: u8,
    /// The first of the steps beside it, how far they are apart, and how many follow the first.
    pub start: f32,
    pub step: f32,
    pub steps: u8,
    /// p = 1 instead of 2.
    pub absolute: bool,
}

impl Asymmetric {
    /// q of the group, its scale and its minimum; `weights` and `q` are as long as `x`, 32 at most.
    pub fn find(&self, x: &[f32], weights: &[f32], q: &mut [u8]) -> [f32; 2] {
        let (mut least, most) =
            (x.iter().copied().fold(0.0, f32::min), x.iter().copied().fold(x[0], f32::max));
        if most == least {
            q.fill(0);
            return [0.0, -least];
        }
        let levels = f32::from(self.most);
        let mut scale = 1.0 / (levels / (most - least));
        self.place(x, [levels / (most - least), least], q);
        let mut best = self.error(x, weights, [scale, least], q);
        let mut buffer = [0; 32];
        let tried = &mut buffer[..x.len()];
        for step in 0..=self.steps {
            let inverse = (self.start + self.step * f32::from(step) + levels) / (most - least);
            self.place(x, [inverse, least], tried);
            let Some(found) = fitted(x, weights, tried) else { continue };
            let error = self.error(x, weights, found, tried);
            if error < best {
                q.copy_from_slice(tried);
                best = error;
                [scale, least] = found;
            }
        }
        [scale, -least]
    }

    fn place(&self, x: &[f32], [inverse, least]: [f32; 2], q: &mut [u8]) {
        let most = i32::from(self.most);
        q.iter_mut().zip(x).for_each(|(q, &x)| *q = nearest(inverse * (x - least)).clamp(0, most) as u8);
    }

    fn error(&self, x: &[f32], weights: &[f32], [scale, least]: [f32; 2], q: &[u8]) -> f32 {
        let off = |(&x, &q): (&f32, &u8)| scale * f32::from(q) + least - x;
        let power = |off: f32| if self.absolute { off.abs() } else { off * off };
        x.iter().zip(q).map(off).zip(weights).fold(0.0, |sum, (off, w)| sum + w * power(off))
    }
}

/// Scale and (negative) minimum by weighted least squares; `None` where one of them is arbitrary.
fn fitted(x: &[f32], weights: &[f32], q: &[u8]) -> Option<[f32; 2]> {
    let (mut w, mut wx, mut wl, mut wll, mut wxl) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((&x, &weight), &q) in x.iter().zip(weights).zip(q) {
        let l = f32::from(q);
        w += weight;
        wx += weight * x;
        wl += weight * l;
        wll += weight * l * l;
        wxl += weight * l * x;
    }
    let determinant: f32 = w * wll - wl * wl;
    if determinant <= 0.0 {
        return None;
    }
    let (scale, least) = ((w * wxl - wx * wl) / determinant, (wll * wx - wl * wxl) / determinant);
    Some(if 0.0 < least { [wxl / wll, 0.0] } else { [scale, least] })
}
