//! Problems of the paper's sizes, and its channels.

use super::{Solver, run};
use rankine_random::Rng;
use rankine_solve::kronecker::{
    Ensemble, Instance, IrsMimo, Recovered, am::AmKroSbl, pattern_coupled::PcKroSbl,
    product_omp::least_squares_on, svd::SvdKroSbl,
};

/// The page's prototype has an error of 7e-4 in 21 steps for SVD, of 1e-2 in 95 for AM.
#[test]
fn the_paper_sizes_are_recovered() {
    let median = |solver: Solver<'_>| {
        let mut found: Vec<(f64, usize)> = (0..5)
            .map(|trial| {
                let rng = Rng::new(7).fork_index("trial", trial);
                let instance = Ensemble::default().draw(&rng).unwrap();
                let problem = instance.noisy(20.0, &rng).unwrap();
                let report = run(solver, &problem);
                (report.solution.relative_error(&instance.coefficients), report.trace.len())
            })
            .collect();
        found.sort_by(|x, y| x.0.total_cmp(&y.0));
        found[2]
    };
    let (svd, am) = (SvdKroSbl::default(), AmKroSbl::default());
    let [(svd, svd_steps), (am, am_steps)] = [median(&svd), median(&am)];
    assert!(svd < 1e-3 && svd <= am && am < 5e-3, "{svd} {am}");
    assert!(svd_steps < 30 && svd_steps < am_steps, "{svd_steps} {am_steps}");
    let rng = Rng::new(7).fork_index("trial", 0);
    let instance = Ensemble::default().draw(&rng).unwrap();
    let problem = instance.noisy(20.0, &rng).unwrap();
    let coefficients = least_squares_on(&problem, &instance.supports).unwrap();
    let oracle = Recovered { coefficients, variances: vec![], noise: None };
    assert!(oracle.relative_error(&instance.coefficients) < 1e-3);
    assert_eq!(oracle.support_recovery(&instance.coefficients), 1.0);
}

#[test]
fn a_channel_is_what_its_formula_says() {
    let channel = IrsMimo::default().draw(&Rng::new(5)).unwrap();
    let Instance { factors, supports, coefficients, .. } = &channel.instance;
    assert_eq!(factors.iter().map(|a| a.shape()).collect::<Vec<_>>(), [(6, 18), (3, 18), (16, 18)]);
    assert_eq!(supports.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 3]);
    assert_eq!(channel.relative_error(coefficients).unwrap(), 0.0);
    let problem = channel.instance.noisy(20.0, &Rng::new(6)).unwrap();
    for solver in [&SvdKroSbl::default() as Solver<'_>, &PcKroSbl::default()] {
        let error = channel.relative_error(&run(solver, &problem).solution.coefficients).unwrap();
        assert!(error < 0.05, "{error}");
    }
    assert!(IrsMimo { spread: 19, ..IrsMimo::default() }.draw(&Rng::new(1)).is_err());
}
