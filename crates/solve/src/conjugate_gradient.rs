//! Conjugate gradients: the directions that every loop of theirs goes along, and a solve on the way to something else.
//!
//!     p ← z + (w/w₋)·p,   x ← x + (w/c)·p        z = M⁻¹·r, w = rᵀz, c = pᵀA·p
//!     A·x = b                                    A symmetric, positive definite, or semidefinite with b in its range
//!
//! Of least squares, A = BᵀB, r = Bᵀ(b − B·x) and c = ‖B·p‖². A and the preconditioner are functions that write their product into
//! the second slice. Memory of a solve: 4 vectors, kept between solves.

use crate::vectors::{add, dot, scale_and_add};

/// A direction, conjugate to those before it.
#[derive(Clone, Debug)]
pub(crate) struct Directions {
    /// p; [n].
    pub direction: Vec<f64>,
    /// w of its residual; ∞ before the first.
    pub weight: f64,
}

impl Directions {
    /// Before the first, of so many numbers.
    pub fn new(size: usize) -> Self {
        Self { direction: vec![0.0; size], weight: f64::INFINITY }
    }

    /// Forgets those before.
    fn begin(&mut self, size: usize) {
        self.direction.clear();
        self.direction.resize(size, 0.0);
        self.weight = f64::INFINITY;
    }

    /// The next one, of a residual that has become `conditioned` and weighs so much.
    pub fn turn(&mut self, weight: f64, conditioned: &[f64]) {
        scale_and_add(&mut self.direction, weight / self.weight, conditioned);
        self.weight = weight;
    }

    /// How far it leads, where the matrix curves by `curvature` along it.
    pub fn length(&self, curvature: f64) -> f64 {
        self.weight / curvature
    }
}

/// The vectors.
#[derive(Clone, Debug)]
pub(crate) struct ConjugateGradient {
    /// b − A·x.
    residual: Vec<f64>,
    /// What the preconditioner makes of it.
    conditioned: Vec<f64>,
    along: Directions,
    /// A·direction.
    product: Vec<f64>,
}

impl Default for ConjugateGradient {
    fn default() -> Self {
        Self { residual: Vec::new(), conditioned: Vec::new(), along: Directions::new(0), product: Vec::new() }
    }
}

impl ConjugateGradient {
    /// From x = 0 until ‖b − A·x‖₂ ≤ tolerance·‖b‖₂, for `steps` steps at most, or until rounding leaves no direction of positive
    /// curvature; how many steps it took.
    pub fn solve(
        &mut self,
        mut apply: impl FnMut(&[f64], &mut [f64]),
        mut condition: impl FnMut(&[f64], &mut [f64]),
        b: &[f64],
        x: &mut [f64],
        (tolerance, steps): (f64, usize),
    ) -> usize {
        x.fill(0.0);
        let Self { residual, conditioned, along, product } = self;
        for vector in [&mut *residual, &mut *conditioned, &mut *product] {
            vector.resize(b.len(), 0.0);
        }
        residual.copy_from_slice(b);
        along.begin(b.len());
        let enough = tolerance * tolerance * dot(b, b);
        for step in 0..steps {
            if dot(residual, residual) <= enough {
                return step;
            }
            condition(residual, conditioned);
            along.turn(dot(residual, conditioned), conditioned);
            apply(&along.direction, product);
            let curvature = dot(&along.direction, product);
            if !(curvature > 0.0 && along.weight.is_finite()) {
                return step;
            }
            let length = along.length(curvature);
            add(x, length, &along.direction);
            add(residual, -length, product);
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second difference with ones at both ends, whose inverse is known; `singular` leaves the ends free.
    fn difference(x: &[f64], out: &mut [f64], singular: bool) {
        let at = |i: Option<usize>| i.and_then(|i| x.get(i)).copied();
        for (i, out) in out.iter_mut().enumerate() {
            let neighbours = [at(i.checked_sub(1)), at(Some(i + 1))];
            let ends = if singular { neighbours.iter().flatten().count() as f64 } else { 2.0 };
            *out = ends * x[i] - neighbours.into_iter().flatten().sum::<f64>();
        }
    }

    #[test]
    fn it_solves_in_as_many_steps_as_there_are_unknowns() {
        let b: Vec<f64> = (0..20).map(|i| f64::from(i % 7) - 2.0).collect();
        let (mut x, mut product, mut cg) = (vec![9.0; 20], vec![0.0; 20], ConjugateGradient::default());
        for _ in 0..2 {
            let copy = |r: &[f64], z: &mut [f64]| z.copy_from_slice(r);
            let steps = cg.solve(|x, out| difference(x, out, false), copy, &b, &mut x, (1e-12, 40));
            assert!(steps <= 21, "{steps}");
            difference(&x, &mut product, false);
            assert!(product.iter().zip(&b).all(|(found, b)| (found - b).abs() < 1e-10));
        }
    }

    #[test]
    fn a_singular_system_is_solved_where_it_can_be() {
        let mut b: Vec<f64> = (0..9).map(f64::from).collect();
        b.iter_mut().for_each(|b| *b -= 4.0);
        let (mut x, mut product) = (vec![0.0; 9], vec![0.0; 9]);
        let halve = |r: &[f64], z: &mut [f64]| z.iter_mut().zip(r).for_each(|(z, r)| *z = r / 2.0);
        let mut cg = ConjugateGradient::default();
        let steps = cg.solve(|x, out| difference(x, out, true), halve, &b, &mut x, (1e-10, 30));
        assert!(steps <= 10, "{steps}");
        difference(&x, &mut product, true);
        assert!(product.iter().zip(&b).all(|(found, b)| (found - b).abs() < 1e-8));
        assert_eq!(cg.solve(|_, out| out.fill(0.0), halve, &b, &mut x, (1e-10, 30)), 0);
        assert_eq!(x, [0.0; 9]);
    }
}
