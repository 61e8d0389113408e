//! Tensors rounded to few values.
//!
//!     even           x → m + round((x − m)/(M − m)·(n − 1))·(M − m)/(n − 1)        m, M: least and largest number
//!     even, n = 2    x → ±max |x|, by its sign; 0 is positive
//!     logarithmic    x → ±2^y, y: log₂ |x| rounded evenly to n/2 values; 0 stays 0
//!
//! What is rounded stays as it is when it is rounded again. So do numbers that are all alike, or not all finite.
//! Paper: [signature], its official code.

/// To how many values a tensor is rounded, and how they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Never,
    /// At equal distances; 2 or more.
    Even(usize),
    /// At equal ratios, half of them below zero; 4 or more, zero apart.
    Logarithmic(usize),
}

/// Values at equal distances.
struct Grid {
    least: f64,
    largest: f64,
    /// One fewer than there are values.
    steps: f64,
}

impl Rounding {
    /// Evenly, to so many values; 0 and 1 leave everything as it is.
    pub fn even(levels: usize) -> Self {
        if levels < 2 { Self::Never } else { Self::Even(levels) }
    }

    pub fn apply(self, x: &mut [f32]) {
        match self {
            Self::Never => {}
            Self::Even(levels) => {
                let numbers = x.iter().map(|&x| f64::from(x));
                let grid = match levels {
                    // Two values lie as far from zero.
                    2 => Grid::over(numbers.flat_map(|x| [x, -x]), levels),
                    _ => Grid::over(numbers, levels),
                };
                let Some(grid) = grid else { return };
                x.iter_mut().for_each(|x| *x = grid.nearest(f64::from(*x)) as f32);
            }
            Self::Logarithmic(levels) => {
                let sizes = x.iter().filter(|x| **x != 0.0).map(|x| f64::from(x.abs()).log2());
                let Some(grid) = Grid::over(sizes, levels / 2) else { return };
                for x in x.iter_mut().filter(|x| **x != 0.0) {
                    *x = (grid.nearest(f64::from(x.abs()).log2()).exp2() as f32).copysign(*x);
                }
            }
        }
    }
}

impl Grid {
    /// From the least to the largest of some numbers; `None` where these are one, none or not finite.
    fn over(numbers: impl Iterator<Item = f64>, levels: usize) -> Option<Self> {
        let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        for x in numbers {
            (least, largest) = (least.min(x), largest.max(x));
        }
        let range = largest - least;
        let steps = levels.checked_sub(1)? as f64;
        (0.0 < range && range.is_finite() && 0.0 < steps).then_some(Self { least, largest, steps })
    }

    fn nearest(&self, x: f64) -> f64 {
        let range = self.largest - self.least;
        let step = ((x - self.least) / range * self.steps).round();
        self.least + step / self.steps * range
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rankine_random::Rng;

    fn rounded(x: &[f32], rounding: Rounding) -> Vec<f32> {
        let mut y = x.to_vec();
        rounding.apply(&mut y);
        let mut again = y.clone();
        rounding.apply(&mut again);
        assert_eq!(again, y, "{rounding:?}");
        y
    }

    /// How many values there are.
    fn count(x: &[f32]) -> usize {
        let mut values: Vec<u32> = x.iter().map(|x| x.to_bits()).collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    }

    #[test]
    fn even_values_are_within_half_a_step() {
        let x = Rng::new(5).normals(300, 1.0);
        let range = x.iter().copied().fold(f32::MIN, f32::max) - x.iter().copied().fold(f32::MAX, f32::min);
        for levels in [3, 4, 16] {
            let y = rounded(&x, Rounding::Even(levels));
            let half = range / (2 * (levels - 1)) as f32;
            assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= half * 1.001));
            assert!(count(&y) <= levels, "{}", count(&y));
        }
        assert_eq!(rounded(&[0.5, -2.0, 0.1], Rounding::Even(2)), [2.0, -2.0, 2.0]);
        assert_eq!(rounded(&[2.0, 2.0, 2.0], Rounding::Even(4)), [2.0; 3]);
    }

    #[test]
    fn logarithmic_values_are_within_half_a_ratio_and_keep_signs_and_zeros() {
        let mut x = Rng::new(6).normals(300, 1.0);
        (x[7], x[8]) = (0.0, -0.0);
        let sizes: Vec<f32> = x.iter().filter(|x| **x != 0.0).map(|x| x.abs().log2()).collect();
        let ends =
            sizes.iter().fold((f32::MAX, f32::MIN), |(least, largest), x| (least.min(*x), largest.max(*x)));
        for levels in [4, 8, 17] {
            let y = rounded(&x, Rounding::Logarithmic(levels));
            let half = (ends.1 - ends.0) / (2 * (levels / 2 - 1)) as f32;
            for (x, y) in x.iter().zip(&y) {
                assert_eq!(x.is_sign_negative(), y.is_sign_negative());
                match *x == 0.0 {
                    true => assert_eq!(x, y),
                    false => assert!((x.abs().log2() - y.abs().log2()).abs() <= half + 1e-4, "{x} {y}"),
                }
            }
            // Two zeros more.
            assert!(count(&y) <= levels + 2, "{}", count(&y));
        }
        // By hand: log₂ is −3, 0, 1 and 3 in steps of 2; 0 lies between −1 and 1.
        let y = rounded(&[0.125, -1.0, 2.0, -8.0, 0.0], Rounding::Logarithmic(8));
        assert_eq!(y, [0.125, -2.0, 2.0, -8.0, 0.0]);
        assert_eq!(rounded(&[0.0, 3.0, -3.0], Rounding::Logarithmic(8)), [0.0, 3.0, -3.0]);
    }

    #[test]
    fn nothing_is_made_of_numbers_that_are_not_finite() {
        for rounding in [Rounding::Even(2), Rounding::Even(4), Rounding::Logarithmic(4)] {
            let mut x = [1.0, f32::INFINITY, 2.0];
            rounding.apply(&mut x);
            assert_eq!(x, [1.0, f32::INFINITY, 2.0], "{rounding:?}");
            rounding.apply(&mut []);
        }
        assert_eq!((Rounding::even(1), Rounding::even(2)), (Rounding::Never, Rounding::Even(2)));
    }
}
