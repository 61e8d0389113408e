//! Conjugate gradients with a preconditioner, for what solves a linear system on the way to something else.
//!
//!     A·x = b        A symmetric, positive definite, or semidefinite with b in its range
//!
//! A and the preconditioner are functions that write their product into the second slice. Memory: 4 vectors, kept between solves.

use crate::vectors::{add, dot, scale_and_add};

/// The vectors.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConjugateGradient {
    /// b − A·x.
    residual: Vec<f64>,
    /// What the preconditioner makes of it.
    conditioned: Vec<f64>,
    direction: Vec<f64>,
    /// A·direction.
    product: Vec<f64>,
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
        let Self { residual, conditioned, direction, product } = self;
        for vector in [&mut *residual, &mut *conditioned, &mut *direction, &mut *product] {
            vector.resize(b.len(), 0.0);
        }
        residual.copy_from_slice(b);
        direction.fill(0.0);
        let enough = tolerance * tolerance * dot(b, b);
        let mut last = f64::INFINITY;
        for step in 0..steps {
            if dot(residual, residual) <= enough {
                return step;
            }
            condition(residual, conditioned);
            let length = dot(residual, conditioned);
            let keep = length / last;
            scale_and_add(direction, keep, conditioned);
            apply(direction, product);
            let curvature = dot(direction, product);
            if !(curvature > 0.0 && length.is_finite()) {
                return step;
            }
            let along = length / curvature;
            add(x, along, direction);
            add(residual, -along, product);
            last = length;
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
