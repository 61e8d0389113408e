//! What must be true of the conjugate directions, by the page of [dcdm].

use super::{ball, distance, ill_conditioned, normals, product, random};
use rankine_random::Rng;
use rankine_solve::linear::cholesky::Cholesky;
use rankine_solve::linear::dcdm::{Dcdm, Guide};
use rankine_solve::linear::incomplete_cholesky::IncompleteCholesky;
use rankine_solve::linear::multigrid::Multigrid;
use rankine_solve::linear::spectral::Spectral;
use rankine_solve::linear::{
    Direction, Drive, Identity, LinearSolver, LinearSystem, Obstacle, Poisson, SineInverse, Unknowns, cg::Cg,
    lanczos, misfit,
};
use rankine_solve::{Error, Outcome, Progress, Pulse, Report, Silent, Solve, Stop};
use std::ops::ControlFlow;

type Found = Report<Unknowns>;

fn solve(
    solver: &dyn Solve<LinearSystem, Solution = Unknowns>,
    problem: &LinearSystem,
    steps: usize,
) -> Found {
    solver.solve(problem, None, Stop { steps, tolerance: 0.0 }, &mut Silent::watch).unwrap()
}

fn disk(side: usize, drive: Drive) -> LinearSystem {
    let grid = ball(&[side, side]);
    let rhs = drive.values(&grid, 1);
    LinearSystem::new(grid, rhs).unwrap()
}

/// A direction that is the residual with half as much noise, drawn anew from every residual.
struct Noisy;

impl Direction for Noisy {
    fn propose(&self, residual: &[f64], direction: &mut [f64]) {
        let mut rng = Rng::new(residual[0].to_bits()).fork("noise");
        let deviation = 0.5 / (residual.len() as f64).sqrt();
        direction.iter_mut().zip(residual).for_each(|(out, r)| *out = r + deviation * rng.normal_f64());
    }
}

/// A direction of one number.
struct Constant(f64);

impl Direction for Constant {
    fn propose(&self, _: &[f64], direction: &mut [f64]) {
        direction.fill(self.0);
    }
}

#[test]
fn the_exact_inverse_needs_one_step() {
    let dcdm = Dcdm { guide: Guide::Cholesky(Cholesky::default()), ..Dcdm::default() };
    assert!(solve(&dcdm, &disk(12, Drive::White), 1).solution.residual < 1e-10);
    assert!(
        solve(&dcdm, &LinearSystem::new(random(20), normals(20, 1)).unwrap(), 1).solution.residual < 1e-10
    );
    for grid in [Poisson::new(&[13, 8], &[false; 104]).unwrap(), Poisson::cube(6, 3).unwrap()] {
        let (inverse, rhs) = (SineInverse::new(&grid).unwrap(), Drive::White.values(&grid, 2));
        let problem = LinearSystem::new(grid, rhs).unwrap();
        assert!(solve(&Dcdm::default().along(&inverse), &problem, 1).solution.residual < 1e-12);
    }
}

#[test]
fn the_residual_as_direction_gives_conjugate_gradients() {
    for problem in
        [disk(32, Drive::White), LinearSystem::new(ill_conditioned(60, 3.0), normals(60, 1)).unwrap()]
    {
        for steps in 1..=20 {
            let (ours, theirs) =
                (solve(&Dcdm::default().along(&Identity), &problem, steps), solve(&Cg {}, &problem, steps));
            assert!(distance(&ours.solution.x, &theirs.solution.x) < 1e-8, "{steps}");
        }
    }
}

#[test]
fn a_fixed_direction_gives_preconditioned_conjugate_gradients() {
    let problem = disk(40, Drive::Divergence);
    let (incomplete, multigrid) =
        (IncompleteCholesky { modified: 0.9 }, Multigrid { coarsest: 10, ..Multigrid::default() });
    let spectral = Spectral::default();
    let pairs: [(Guide, &dyn Solve<_, Solution = _>); 3] = [
        (Guide::IncompleteCholesky(incomplete), &incomplete),
        (Guide::Multigrid(multigrid), &multigrid),
        (Guide::Spectral(spectral), &spectral),
    ];
    for (guide, solver) in pairs {
        let dcdm = Dcdm { history: 2, guide };
        let (ours, theirs) = (solve(&dcdm, &problem, 15), solve(solver, &problem, 15));
        assert!(distance(&ours.solution.x, &theirs.solution.x) < 1e-7, "{guide:?}");
        assert_eq!(ours.solution.replaced, 0);
    }
}

#[test]
fn new_directions_are_conjugate_to_the_two_before() {
    let problem = disk(16, Drive::White);
    let dcdm = Dcdm::default();
    let iterates: Vec<_> =
        (0..=6).map(|steps| solve(&dcdm.along(&Noisy), &problem, steps).solution.x).collect();
    let steps: Vec<Vec<f64>> =
        iterates.windows(2).map(|pair| pair[1].iter().zip(&pair[0]).map(|(b, a)| b - a).collect()).collect();
    let inner =
        |a: &[f64], b: &[f64]| a.iter().zip(product(problem.operator(), b)).map(|(a, b)| a * b).sum::<f64>();
    for (index, step) in steps.iter().enumerate() {
        for before in steps[index.saturating_sub(2)..index].iter() {
            let cosine = inner(step, before) / (inner(step, step) * inner(before, before)).sqrt();
            assert!(cosine.abs() < 1e-10, "{index}: {cosine:e}");
        }
    }
    let cosine =
        inner(&steps[5], &steps[0]) / (inner(&steps[5], &steps[5]) * inner(&steps[0], &steps[0])).sqrt();
    assert!(cosine.abs() > 1e-10, "noise cannot be conjugate to what is forgotten: {cosine:e}");
}

#[test]
fn the_objective_falls_whatever_the_direction() {
    let problem = disk(24, Drive::Smooth);
    for history in [0, 2, 10] {
        let mut before = 0.0;
        let mut watch = |progress: &Progress| {
            assert!(progress.objective <= before, "{history}: {progress:?}");
            before = progress.objective;
            ControlFlow::Continue(())
        };
        let stop = Stop { steps: 100, tolerance: 1e-6 };
        let dcdm = Dcdm { history, ..Dcdm::default() };
        dcdm.along(&Noisy).solve(&problem, None, stop, &mut watch).unwrap();
    }
}

#[test]
fn a_useless_direction_is_replaced_by_the_residual() {
    let problem = disk(16, Drive::White);
    let wanted = solve(&Dcdm::default().along(&Identity), &problem, 12).solution.x;
    for useless in [Constant(f64::NAN), Constant(0.0), Constant(f64::INFINITY)] {
        let found = solve(&Dcdm::default().along(&useless), &problem, 12).solution;
        assert_eq!((found.replaced, &found.x), (12, &wanted));
    }
}

#[test]
fn a_perfect_direction_needs_no_more_steps_on_a_larger_grid() {
    let stop = Stop { steps: 500, tolerance: 1e-6 };
    let steps = |solver: &LinearSolver, side: usize| {
        let grid = Obstacle::Ball { radius: 0.2 }.poisson(&[side, side]).unwrap();
        let problem = LinearSystem::new(grid.clone(), Drive::Points.values(&grid, 1)).unwrap();
        let report = solver.solver().solve(&problem, None, stop, &mut Silent::watch).unwrap();
        assert_eq!(report.outcome, Outcome::Converged);
        report.trace.len()
    };
    let multigrid = LinearSolver::Multigrid(Multigrid::default());
    let dcdm = LinearSolver::Dcdm(Dcdm { history: 2, guide: Guide::Multigrid(Multigrid::default()) });
    let cg = LinearSolver::Cg(Cg {});
    let counts = [&multigrid, &dcdm, &cg].map(|solver| [32, 64, 128].map(|side| steps(solver, side)));
    assert!(counts[0].iter().all(|&steps| steps <= 14), "{counts:?}");
    assert_eq!(counts[0], counts[1]);
    assert!(counts[2].windows(2).all(|pair| 17 * pair[0] <= 10 * pair[1]), "{counts:?}");
}

#[test]
fn ritz_pairs_are_orthonormal_and_within_the_spectrum() {
    let grid = Poisson::cube(20, 2).unwrap();
    let problem = LinearSystem::new(grid, vec![0.0; 400]).unwrap();
    let value = |k: usize| 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / 21.0).cos();
    let (least, largest) = (2.0 * value(1), 2.0 * value(20));
    let [few, many] =
        [20, 120].map(|steps| lanczos(&problem, steps, 3, &Pulse::new(&mut Silent::watch)).unwrap());
    for ritz in [&few, &many] {
        let gram = ritz.vectors.transpose() * &ritz.vectors;
        for i in 0..gram.nrows() {
            for j in 0..gram.ncols() {
                assert!((gram[(i, j)] - f64::from(u8::from(i == j))).abs() < 1e-10);
            }
        }
        assert!(ritz.values.is_sorted());
        assert!(ritz.values.iter().all(|&value| least - 1e-12 < value && value < largest + 1e-12));
    }
    assert!((many.values[0] - least).abs() < 1e-9 * least, "{}", many.values[0] / least);
    assert!((many.values[119] - largest).abs() < 1e-9 * largest, "{}", many.values[119] / largest);
    assert!((few.values[19] - largest).abs() < 0.05 * largest, "{}", few.values[19] / largest);
    assert!(lanczos(&problem, 0, 3, &Pulse::new(&mut Silent::watch)).is_err());
}

#[test]
fn deflation_saves_the_steps_of_the_slow_modes() {
    // Sides that differ: no two eigenvalues are equal.
    let grid = ball(&[40, 33]);
    let rhs = Drive::White.values(&grid, 1);
    let problem = LinearSystem::new(grid, rhs).unwrap();
    let stop = Stop { steps: 1000, tolerance: 1e-8 };
    let steps = |solver: &dyn Solve<LinearSystem, Solution = Unknowns>| {
        solver.solve(&problem, None, stop, &mut Silent::watch).unwrap().trace.len()
    };
    let deflated = |steps| Spectral { vectors: 16, steps, seed: 0 };
    let (plain, rough, converged) = (steps(&Cg {}), steps(&deflated(20)), steps(&deflated(300)));
    assert!(4 * rough <= 5 * plain && 2 * converged <= plain, "{plain}, {rough}, {converged}");
}

#[test]
fn the_loss_knows_no_length_and_what_leads_nowhere_leaves_the_residual() {
    let problem = LinearSystem::new(random(12), vec![0.0; 12]).unwrap();
    let (residual, direction) = (normals(12, 21), normals(12, 22));
    let loss = |direction: &[f64]| misfit(&problem, &residual, direction);
    let scaled: Vec<f64> = direction.iter().map(|q| -7.5 * q).collect();
    assert!((loss(&scaled) - loss(&direction)).abs() < 1e-12 * loss(&direction));
    assert!((loss(&[0.0; 12]) - residual.iter().map(|r| r * r).sum::<f64>()).abs() < 1e-12);
}

#[test]
fn steps_on_the_grids_of_the_page_are_those_of_its_prototype() {
    let stop = Stop { steps: 1000, tolerance: 1e-4 };
    let steps = |side: usize| {
        let grid = Poisson::cube(side, 2).unwrap();
        let problem = LinearSystem::new(grid.clone(), Drive::White.values(&grid, 1)).unwrap();
        Cg {}.solve(&problem, None, stop, &mut Silent::watch).unwrap().trace.len()
    };
    let found = [steps(32), steps(64)];
    assert!(found[0].abs_diff(68) <= 8 && found[1].abs_diff(123) <= 12, "{found:?}, the page 68 and 123");
}

#[test]
fn a_direction_cannot_hide_that_the_matrix_is_not_definite() {
    let problem = super::refusals::indefinite();
    let error = Dcdm::default().along(&Identity).solve(
        &problem,
        None,
        Stop { steps: 50, tolerance: 1e-9 },
        &mut Silent::watch,
    );
    assert!(matches!(error, Err(Error::Curvature { .. })), "{error:?}");
}
