//! The invariants of [sparsity_constrained]'s page, and what the solver refuses.

use faer::Mat;
use rankine_random::Rng;
use rankine_solve::transport::points::{Metric, cost};
use rankine_solve::transport::quadratic::Quadratic;
use rankine_solve::transport::sparsity_constrained::{Adam, Gradient, Method, SparsityConstrained};
use rankine_solve::transport::{Form, Plan, Transport, TransportSolver, exact::Exact};
use rankine_solve::{Error, Outcome, Report, Silent, Solve, Stop};

fn run(solver: &dyn Solve<Transport, Solution = Plan>, problem: &Transport, tolerance: f64) -> Report<Plan> {
    solver.solve(problem, None, Stop { tolerance, ..solver.stop() }, &mut Silent::watch).unwrap()
}

fn sparse(max_nonzeros: usize) -> SparsityConstrained {
    SparsityConstrained { max_nonzeros, ..Default::default() }
}

/// Two clouds in the plane with equal masses.
fn clouds(rows: usize, columns: usize, regularization: f64, seed: u64) -> Transport {
    let rng = Rng::new(seed).fork("clouds");
    let cloud = |name: &str, count: usize, shift: f64| {
        let mut rng = rng.fork(name);
        Mat::from_fn(count, 2, |_, axis| rng.normal_f64() + if axis == 0 { shift } else { 0.0 })
    };
    let (x, y) = (cloud("x", rows, 0.0), cloud("y", columns, 0.5));
    let cost = cost(x.as_ref(), y.as_ref(), Metric::SqEuclidean).unwrap();
    let (source, target) = (vec![1.0 / rows as f64; rows], vec![1.0 / columns as f64; columns]);
    Transport::new(cost, source, target, regularization).unwrap()
}

/// ⟨C, P⟩ + (ε/2)·‖P‖².
fn primal(problem: &Transport, plan: &Plan) -> f64 {
    let mut squares = 0.0;
    plan.plan.each(|_, _, mass| squares += mass * mass);
    problem.cost_of(&plan.plan) + problem.regularization() / 2.0 * squares
}

fn columns_are_sparse_and_met(problem: &Transport, plan: &Plan, most: usize) {
    let (_, columns) = plan.plan.sums();
    let mut counts = vec![0; columns.len()];
    plan.plan.each(|_, column, mass| {
        counts[column] += 1;
        assert!(mass > 0.0);
    });
    assert!(counts.iter().all(|&count| count <= most), "{counts:?}");
    columns.iter().zip(problem.target()).for_each(|(found, wanted)| assert!((found - wanted).abs() < 1e-12));
}

#[test]
fn columns_have_few_entries_and_their_sums_even_where_rows_cannot() {
    let problem = clouds(40, 25, 1.0, 1);
    for (k, outcome) in [(2, Outcome::Stalled), (3, Outcome::Converged), (5, Outcome::Converged)] {
        let report = run(&sparse(k), &problem, 1e-8);
        assert_eq!(report.outcome, outcome, "{k}");
        columns_are_sparse_and_met(&problem, &report.solution, k);
        let violation = problem.violation(&report.solution.plan);
        assert!(
            (violation - report.last().unwrap().residual).abs() < 1e-12,
            "the residual is what is returned"
        );
    }
}

#[test]
fn the_dual_bounds_every_plan_and_meets_the_one_it_finds() {
    for (k, regularization) in [(4, 1.0), (6, 0.1), (30, 10.0)] {
        let problem = clouds(30, 30, regularization, 2);
        let exact = run(&Exact::default(), &problem, 1e-12).solution;
        let report = run(&sparse(k), &problem, 1e-10);
        let value = report.last().unwrap().objective;
        assert_eq!(report.outcome, Outcome::Converged);
        assert!((value - primal(&problem, &report.solution)).abs() < 1e-6);
        assert!(value <= primal(&problem, &exact) + 1e-9);
    }
}

#[test]
fn both_forms_and_all_methods_find_the_same_plan() {
    let problem = clouds(20, 24, 0.5, 3);
    let expected = run(&sparse(5), &problem, 1e-10).solution.plan.dense();
    let others = [
        SparsityConstrained { form: Form::Dual, ..sparse(5) },
        SparsityConstrained { stages: 0, ..sparse(5) },
        SparsityConstrained { method: Method::Adam(Adam::default()), ..sparse(5) },
        SparsityConstrained { method: Method::Gradient(Gradient::default()), ..sparse(5) },
    ];
    for solver in others {
        let report = run(&solver, &problem, 1e-9);
        assert_eq!(report.outcome, Outcome::Converged, "{solver:?}");
        let apart = (&report.solution.plan.dense() - &expected).norm_max();
        assert!(apart < 1e-7, "{solver:?}: {apart}");
    }
}

#[test]
fn as_many_entries_as_rows_are_no_constraint() {
    for form in [Form::SemiDual, Form::Dual] {
        let problem = clouds(12, 15, 2.0, 4);
        let quadratic = run(&Quadratic { form, ..Default::default() }, &problem, 1e-10);
        for k in [12, 13, 1000] {
            let report = run(&SparsityConstrained { form, ..sparse(k) }, &problem, 1e-10);
            let apart = &report.solution.plan.dense() - &quadratic.solution.plan.dense();
            assert!(apart.norm_max() < 1e-8, "{k}");
            let [ours, theirs] = [&report, &quadratic].map(|report| report.last().unwrap().objective);
            assert!((ours - theirs).abs() < 1e-10);
        }
    }
}

#[test]
fn one_entry_a_column_is_exact_transport() {
    for (rows, columns) in [(20, 20), (8, 30)] {
        let problem = clouds(rows, columns, 1.0, 5);
        let exact = run(&Exact::default(), &problem, 1e-12).solution;
        let report = run(&SparsityConstrained { stages: 0, ..sparse(1) }, &problem, 1e-9);
        let squares: f64 = problem.target().iter().map(|mass| mass * mass).sum();
        // The first steps are at the maximum; mending comes after them.
        let shifted = report.trace[0].objective - problem.regularization() / 2.0 * squares;
        assert!((shifted - exact.cost).abs() < 1e-9, "{shifted} for {}", exact.cost);
        columns_are_sparse_and_met(&problem, &report.solution, 1);
        // Equal masses on as many rows as columns: the exact plan is a permutation, and mending finds it.
        if rows == columns {
            assert_eq!(report.outcome, Outcome::Converged);
            assert!((problem.cost_of(&report.solution.plan) - exact.cost).abs() < 1e-9);
        }
    }
}

#[test]
fn the_maximum_falls_as_more_entries_are_allowed() {
    let problem = clouds(30, 30, 3.0, 6);
    let values: Vec<f64> = [3, 4, 6, 30]
        .into_iter()
        .map(|k| {
            let report = run(&sparse(k), &problem, 1e-9);
            assert_eq!(report.outcome, Outcome::Converged, "{k}");
            primal(&problem, &report.solution)
        })
        .collect();
    assert!(values.windows(2).all(|pair| pair[1] <= pair[0] + 1e-8), "{values:?}");
}

#[test]
fn potentials_added_to_the_cost_and_another_order_change_nothing() {
    let problem = clouds(10, 14, 1.0, 7);
    let plan = run(&sparse(4), &problem, 1e-11).solution.plan.dense();
    let shifted = Mat::from_fn(10, 14, |i, j| problem.cost()[(i, j)] + 0.3 * i as f64 - 0.2 * j as f64);
    let shifted = Transport::new(shifted, problem.source().to_vec(), problem.target().to_vec(), 1.0).unwrap();
    let found = run(&sparse(4), &shifted, 1e-11).solution.plan.dense();
    assert!((&found - &plan).norm_max() < 1e-8);
    let turned = Mat::from_fn(10, 14, |i, j| problem.cost()[(9 - i, 13 - j)]);
    let turned = Transport::new(turned, problem.source().to_vec(), problem.target().to_vec(), 1.0).unwrap();
    let found = run(&sparse(4), &turned, 1e-11).solution.plan.dense();
    let back = Mat::from_fn(10, 14, |i, j| found[(9 - i, 13 - j)]);
    assert!((&back - &plan).norm_max() < 1e-8);
}

#[test]
fn a_start_from_the_solution_ends_at_once() {
    let problem = clouds(25, 25, 1.0, 8);
    let solver = sparse(5);
    let first = run(&solver, &problem, 1e-8);
    let stop = Stop { tolerance: 1e-7, ..Solve::stop(&solver) };
    let again = Solve::solve(&solver, &problem, Some(&first.solution), stop, &mut Silent::watch).unwrap();
    assert_eq!((again.outcome, again.trace.len()), (Outcome::Converged, 1));
}

#[test]
fn settings_that_cannot_work_are_told() {
    let problem = clouds(20, 6, 1.0, 9);
    let fails = |solver: SparsityConstrained| {
        let stop = Solve::stop(&solver);
        Solve::solve(&solver, &problem, None, stop, &mut Silent::watch).unwrap_err()
    };
    let error = fails(sparse(3));
    assert_eq!(error, Error::Fit { name: "max_nonzeros", found: 3, least: 4, most: 20 });
    let error = fails(SparsityConstrained {
        method: Method::Adam(Adam { rate: -1.0, ..Default::default() }),
        ..sparse(9)
    });
    assert!(matches!(error, Error::Setting { name: "rate", .. }), "{error}");
    let method = Method::Gradient(Gradient { batch: 0, ..Default::default() });
    let error = fails(SparsityConstrained { method, ..sparse(9) });
    assert!(matches!(error, Error::Setting { name: "batch", .. }), "{error}");
    let problem = clouds(4, 4, 0.0, 9);
    let solver = Quadratic::default();
    let error = solver.solve(&problem, None, Solve::stop(&solver), &mut Silent::watch).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "regularization", .. }), "{error}");
    let error = Quadratic { memory: 0, ..solver };
    let error =
        error.solve(&clouds(4, 4, 1.0, 9), None, Solve::stop(&solver), &mut Silent::watch).unwrap_err();
    assert!(matches!(error, Error::Setting { name: "memory", .. }), "{error}");
}

#[test]
fn settings_are_read_and_misspelt_ones_refused() {
    let read = |text: &str| serde_json::from_str::<TransportSolver>(text);
    let found = read(
        r#"{"sparsity-constrained": {"max_nonzeros": 3, "form": "dual", "method": {"adam": {"rate": 0.1}}}}"#,
    );
    let method = Method::Adam(Adam { rate: 0.1, ..Default::default() });
    let expected = SparsityConstrained { form: Form::Dual, method, ..sparse(3) };
    assert_eq!(found.unwrap(), TransportSolver::SparsityConstrained(expected));
    let error = read(r#"{"sparsity-constrained": {"max_nonzero": 3}}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `max_nonzero`"), "{error}");
}
